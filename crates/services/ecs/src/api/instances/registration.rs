//! `RegisterContainerInstance`: an agent that is not ours makes itself known.

use super::Shown;
use crate::api::parse_tags;
use crate::instances::{Registration, Versions, register_as};
use crate::plan::resources;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_domain::LaunchType;
use neargate_service::{AwsError, Ctx};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the instance metadata service says of an instance
/// (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    instance_id: String,
    instance_type: Option<String>,
    availability_zone: Option<String>,
    image_id: Option<String>,
}

/// The document's signature is AWS's and is not checked: the caller's own is. No task is ever
/// placed on the instance, since no node of ours is connected for it.
pub async fn register_container_instance(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::RegisterContainerInstanceInput,
) -> Result<api::RegisterContainerInstanceOutput, AwsError> {
    let cluster = reference::cluster(&cx.scope, input.cluster.as_deref())?;
    let known = match &input.container_instance_arn {
        Some(arn) => Some(reference::container_instance(&cx.scope, &cluster, arn)?),
        None => None,
    };
    let document = input.instance_identity_document.as_deref();
    let identity: Identity = document
        .and_then(|d| serde_json::from_str(d).ok())
        .filter(|i: &Identity| valid_id(&i.instance_id))
        .ok_or_else(error::invalid_identity_document)?;
    let given = input.attributes.into_iter().flatten();
    let mut attributes: BTreeMap<_, _> = given.map(|a| (a.name, a.value)).collect();
    for (name, value) in [
        ("ecs.instance-type", &identity.instance_type),
        ("ecs.availability-zone", &identity.availability_zone),
        ("ecs.ami-id", &identity.image_id),
    ] {
        if value.is_some() {
            attributes
                .entry(name.into())
                .or_insert_with(|| value.clone());
        }
    }
    let total = input.total_resources.unwrap_or_default();
    let mut resources = resources::parse(&total).map_err(error::invalid_resource)?;
    let devices = input.platform_devices.into_iter().flatten();
    let gpus = devices.filter(|d| d.r#type == "GPU").map(|d| d.id);
    resources.gpus.extend(gpus);
    let external = identity.instance_id.starts_with("mi-");
    let said = input.version_info.unwrap_or_default();
    let registration = Registration {
        scope: cx.scope.clone(),
        cluster,
        node: None,
        ec2_instance_id: identity.instance_id,
        launch_type: if external {
            LaunchType::External
        } else {
            LaunchType::Ec2
        },
        resources,
        attributes,
        versions: Versions {
            agent: said.agent_version.unwrap_or_default(),
            agent_hash: said.agent_hash.unwrap_or_default(),
            docker: said.docker_version.unwrap_or_default(),
        },
        tags: parse_tags(input.tags)?,
        capacity_provider: None,
    };
    let instance = register_as(&cx.house, registration, known.as_deref()).await?;
    ecs.fleet.current(cx.db()).await?;
    Ok(api::RegisterContainerInstanceOutput {
        container_instance: Some(Shown::with_tags().show(&ecs, &cx, &instance)),
    })
}

/// Whether the id may be a part of a store key.
fn valid_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
