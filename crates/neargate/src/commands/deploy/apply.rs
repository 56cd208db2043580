//! From the file to the calls that make it so.

use super::file::Wanted;
use super::{images, plan};
use crate::client::{Client, ClientError, Code};
use crate::view::last_part;
use anyhow::{Context, Result, anyhow};
use neargate_api_ecs::{self as ecs, ops};
use neargate_base::{AccountId, Region};
use neargate_domain::vpc::DefaultVpc;

/// What was brought about.
#[derive(Debug)]
pub struct Applied {
    pub cluster: String,
    pub service: String,
    pub task_definition: String,
    /// The deployment that is waited for.
    pub deployment: String,
    /// Was anything done to the service?
    pub changed: bool,
    /// The newest event before this deployment: older ones are not shown.
    pub seen_event: Option<String>,
}

/// Cluster, task definition, service, in this order; each says what it did.
pub async fn apply(client: &Client, wanted: Wanted, force: bool) -> Result<Applied> {
    let named = wanted.cluster.clone().unwrap_or_else(|| "default".into());
    let (cluster, has_strategy) = cluster(client, &named).await?;
    let task_definition = definition(client, &wanted.task_definition).await?;
    let mut service = wanted.service.clone();
    service.cluster = Some(cluster.clone());
    if plan::implies_fargate(&wanted.task_definition, &service) && !has_strategy {
        service.launch_type = Some("FARGATE".into());
    }
    let found = describe(client, &cluster, &service.service_name).await?;
    let found = found.filter(|s| s.status.as_deref() == Some("ACTIVE"));
    let seen_event = found
        .iter()
        .flat_map(|s| s.events.iter().flatten())
        .next()
        .and_then(|e| e.id.clone());
    let awsvpc = wanted.task_definition.network_mode.as_deref() == Some("awsvpc");
    let mut changed = true;
    let now = match found {
        Some(found) => {
            let update = plan::update(&service, &found, &task_definition, force);
            let mut update = update.map_err(|why| anyhow!(why))?;
            let starts_anew = |u: &ecs::UpdateServiceInput| {
                u.task_definition.is_some() || u.force_new_deployment == Some(true)
            };
            if !update.as_ref().is_some_and(starts_anew) {
                let account = account(found.service_arn.as_deref())?;
                let told = images::pushed_again(client, &cluster, &found, account).await?;
                for sentence in &told {
                    tell!("{sentence}");
                }
                if !told.is_empty() {
                    update.get_or_insert_default().force_new_deployment = Some(true);
                }
            }
            changed = update.is_some();
            update_service(client, &service, found, update).await?
        }
        None => {
            if awsvpc && service.network_configuration.is_none() {
                service.network_configuration = Some(default_network(client, &cluster).await?);
            }
            create_service(client, service.clone(), &task_definition).await?
        }
    };
    let deployments = now.deployments.as_deref().unwrap_or_default();
    let primary = deployments
        .iter()
        .find(|d| d.status.as_deref() == Some("PRIMARY"));
    Ok(Applied {
        cluster: last_part(&cluster).to_owned(),
        service: service.service_name,
        task_definition,
        deployment: primary.and_then(|d| d.id.clone()).unwrap_or_default(),
        changed,
        seen_event,
    })
}

/// The cluster, made if there is none; and whether it has a default strategy.
async fn cluster(client: &Client, named: &str) -> Result<(String, bool)> {
    let input = ecs::DescribeClustersInput {
        clusters: Some(vec![named.to_owned()]),
        ..Default::default()
    };
    let found = client.call(ops::DescribeClusters, &input).await?;
    let found = found.clusters.into_iter().flatten();
    let mut found = found.filter(|c| c.status.as_deref() == Some("ACTIVE"));
    if let Some(cluster) = found.next() {
        let strategy = cluster
            .default_capacity_provider_strategy
            .unwrap_or_default();
        return Ok((named.to_owned(), !strategy.is_empty()));
    }
    let input = ecs::CreateClusterInput {
        cluster_name: Some(last_part(named).to_owned()),
        ..Default::default()
    };
    client.call(ops::CreateCluster, &input).await?;
    tell!("made the cluster {}", last_part(named));
    Ok((last_part(named).to_owned(), false))
}

/// The ARN of the definition, registered if it is not the family's newest.
async fn definition(client: &Client, wanted: &ecs::RegisterTaskDefinitionInput) -> Result<String> {
    let input = ecs::DescribeTaskDefinitionInput {
        task_definition: wanted.family.clone(),
        include: Some(vec!["TAGS".into()]),
    };
    match client.call(ops::DescribeTaskDefinition, &input).await {
        Ok(known) => {
            let tags = known.tags.unwrap_or_default();
            if let Some(known) = known.task_definition
                && plan::is_registered(wanted, &known, &tags)
            {
                let arn = known
                    .task_definition_arn
                    .context("a definition has an ARN")?;
                tell!("the task definition {} is unchanged", last_part(&arn));
                return Ok(arn);
            }
        }
        // There is none of the family.
        Err(error) if error.is(Code::Client) => {}
        Err(error) => return Err(error.into()),
    }
    let made = client.call(ops::RegisterTaskDefinition, wanted).await?;
    let arn = made.task_definition.and_then(|d| d.task_definition_arn);
    let arn = arn.context("a definition has an ARN")?;
    tell!("registered the task definition {}", last_part(&arn));
    Ok(arn)
}

/// The service, if there is one.
pub async fn describe(
    client: &Client,
    cluster: &str,
    service: &str,
) -> Result<Option<ecs::Service>, ClientError> {
    let input = ecs::DescribeServicesInput {
        cluster: Some(cluster.to_owned()),
        services: vec![service.to_owned()],
        ..Default::default()
    };
    let answer = client.call(ops::DescribeServices, &input).await?;
    Ok(answer.services.into_iter().flatten().next())
}

async fn update_service(
    client: &Client,
    wanted: &ecs::CreateServiceInput,
    found: ecs::Service,
    update: Option<ecs::UpdateServiceInput>,
) -> Result<ecs::Service> {
    let name = &wanted.service_name;
    if let Some(tags) = &wanted.tags {
        let tag = ecs::TagResourceInput {
            resource_arn: found.service_arn.clone().unwrap_or_default(),
            tags: tags.clone(),
        };
        client.call(ops::TagResource, &tag).await?;
    }
    let Some(mut update) = update else {
        tell!("the service {name} is as the file says");
        return Ok(found);
    };
    update.cluster.clone_from(&wanted.cluster);
    update.service.clone_from(name);
    let answer = client.call(ops::UpdateService, &update).await?;
    let how = match update.force_new_deployment {
        Some(true) => ": new tasks take the place of those that run",
        _ => "",
    };
    tell!("updated the service {name}{how}");
    answer.service.context("an update answers the service")
}

async fn create_service(
    client: &Client,
    mut wanted: ecs::CreateServiceInput,
    task_definition: &str,
) -> Result<ecs::Service> {
    wanted.task_definition = Some(task_definition.to_owned());
    if wanted.scheduling_strategy.as_deref() != Some("DAEMON") {
        wanted.desired_count.get_or_insert(1);
    }
    let answer = client.call(ops::CreateService, &wanted).await?;
    tell!("created the service {}", wanted.service_name);
    answer.service.context("a creation answers the service")
}

/// The account that an ARN names.
fn account(arn: Option<&str>) -> Result<AccountId> {
    let account = arn.and_then(|arn| arn.split(':').nth(4));
    Ok(account.context("an ARN names its account")?.parse()?)
}

/// The subnets of the account's default VPC.
async fn default_network(client: &Client, cluster: &str) -> Result<ecs::NetworkConfiguration> {
    let input = ecs::DescribeClustersInput {
        clusters: Some(vec![cluster.to_owned()]),
        ..Default::default()
    };
    let answer = client.call(ops::DescribeClusters, &input).await?;
    let arn = answer
        .clusters
        .into_iter()
        .flatten()
        .find_map(|c| c.cluster_arn);
    let account = account(arn.as_deref())?;
    let region: Region = client.region().parse()?;
    let subnets = DefaultVpc::of(&account, &region).subnets.map(|s| s.id);
    tell!("the service uses the default VPC's subnets");
    Ok(ecs::NetworkConfiguration {
        awsvpc_configuration: Some(ecs::AwsVpcConfiguration {
            subnets: subnets.to_vec(),
            ..Default::default()
        }),
    })
}
