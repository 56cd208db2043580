//! A tag that was pushed again: nothing in the file is new, and yet the tasks run another image
//! than the file means. Only our own registry is asked; elsewhere a digest costs a login.

use crate::client::{Client, ClientError};
use crate::commands::tasks::{self, Selection};
use anyhow::Result;
use neargate_api_ecr as ecr;
use neargate_api_ecs as ecs;
use neargate_base::{AccountId, Region};
use neargate_ecr::own_image;
use neargate_service::{Scope, Settings};
use std::collections::{BTreeMap, BTreeSet};

/// What the tags of the service's containers lead to now, where its tasks run something else: a
/// sentence each. `account` is the service's.
pub async fn pushed_again(
    client: &Client,
    cluster: &str,
    service: &ecs::Service,
    account: AccountId,
) -> Result<Vec<String>> {
    let which = Selection {
        service: service.service_name.clone(),
        ..Selection::default()
    };
    let running = run_now(&tasks::tasks(client, cluster, &which).await?);
    let scope = Scope {
        account,
        region: client.region().parse::<Region>()?,
    };
    let settings = Settings::new(client.authority(), scope);
    let mut told = Vec::new();
    for (image, digests) in running {
        let Some(Ok(own)) = own_image(&settings, &image) else {
            continue;
        };
        let (Some(tag), None) = (&own.tag, &own.digest) else {
            continue;
        };
        let input = ecr::DescribeImagesInput {
            registry_id: Some(own.place.scope.account.to_string()),
            repository_name: own.place.repository.clone(),
            image_ids: Some(vec![ecr::ImageIdentifier {
                image_tag: Some(tag.clone()),
                image_digest: None,
            }]),
            ..Default::default()
        };
        let client = client.in_region(own.place.scope.region.as_str());
        let now = match client.call(ecr::ops::DescribeImages, &input).await {
            Ok(answer) => answer.image_details.into_iter().flatten().next(),
            // What runs goes on; new tasks will say it.
            Err(ClientError::Aws { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        if let Some(now) = now.and_then(|i| i.image_digest)
            && !digests.contains(&now)
        {
            told.push(format!(
                "{image} was pushed again: it is {} now, and the tasks run {}",
                short(&now),
                digests
                    .iter()
                    .map(|d| short(d))
                    .collect::<Vec<_>>()
                    .join(", ")
            ));
        }
    }
    Ok(told)
}

/// The digests that run of each image the tasks name.
fn run_now(tasks: &[ecs::Task]) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for container in tasks.iter().flat_map(|t| t.containers.iter().flatten()) {
        if let (Some(image), Some(digest)) = (&container.image, &container.image_digest) {
            all.entry(image.clone()).or_default().insert(digest.clone());
        }
    }
    all
}

/// `sha256:` and the first twelve digits.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}
