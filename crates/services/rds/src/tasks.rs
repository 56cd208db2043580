//! What RDS asks of ECS, as its service-linked role.

use crate::plan::definition::{self, CONTAINER};
use crate::plan::next::Seen;
use neargate_api_ecs::{self as ecs, ops};
use neargate_service::eni::Interface;
use neargate_service::{AwsError, Caller, House, Scope, managed};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// Where a task is to be.
#[derive(Debug)]
pub struct Network<'a> {
    pub subnets: &'a [String],
    pub security_groups: &'a [String],
    pub public: bool,
}

async fn call<O: OperationDef>(
    house: &Arc<House>,
    scope: &Scope,
    input: &O::Input,
) -> Result<O::Output, AwsError> {
    Caller::call::<O>(house, scope, &definition::role(scope), input).await
}

/// The ARN of the new revision.
pub async fn define(
    house: &Arc<House>,
    scope: &Scope,
    input: &ecs::RegisterTaskDefinitionInput,
) -> Result<String, AwsError> {
    let output = call::<ops::RegisterTaskDefinition>(house, scope, input).await?;
    let arn = output.task_definition.and_then(|d| d.task_definition_arn);
    Ok(arn.unwrap_or_default())
}

/// Runs one task; the same one again for the same token. `Err` of the inner result: why it cannot be placed.
pub async fn run(
    house: &Arc<House>,
    scope: &Scope,
    definition: &str,
    token: &str,
    network: &Network<'_>,
) -> Result<Result<String, String>, AwsError> {
    let cluster = managed::cluster("rds");
    let input = ecs::CreateClusterInput {
        cluster_name: Some(cluster.clone()),
        ..Default::default()
    };
    call::<ops::CreateCluster>(house, scope, &input).await?;
    let public = if network.public {
        "ENABLED"
    } else {
        "DISABLED"
    };
    let input = ecs::RunTaskInput {
        cluster: Some(cluster),
        task_definition: definition.to_owned(),
        launch_type: Some("FARGATE".into()),
        client_token: Some(token.to_owned()),
        started_by: Some("rds.amazonaws.com".into()),
        network_configuration: Some(ecs::NetworkConfiguration {
            awsvpc_configuration: Some(ecs::AwsVpcConfiguration {
                subnets: network.subnets.to_vec(),
                security_groups: Some(network.security_groups.to_vec()),
                assign_public_ip: Some(public.into()),
            }),
        }),
        ..Default::default()
    };
    let output = call::<ops::RunTask>(house, scope, &input).await?;
    let task = output.tasks.into_iter().flatten().next();
    if let Some(arn) = task.and_then(|task| task.task_arn) {
        return Ok(Ok(arn));
    }
    let failure = output.failures.into_iter().flatten().next();
    let why = failure.and_then(|failure| failure.reason);
    Ok(Err(why.unwrap_or_else(|| "no task was started".into())))
}

pub async fn stop(
    house: &Arc<House>,
    scope: &Scope,
    arn: &str,
    reason: &str,
) -> Result<(), AwsError> {
    let input = ecs::StopTaskInput {
        cluster: Some(managed::cluster("rds")),
        task: arn.to_owned(),
        reason: Some(reason.to_owned()),
    };
    call::<ops::StopTask>(house, scope, &input).await.map(drop)
}

/// The task as ECS shows it.
pub async fn see(house: &Arc<House>, scope: &Scope, arn: &str) -> Result<Seen, AwsError> {
    let input = ecs::DescribeTasksInput {
        cluster: Some(managed::cluster("rds")),
        tasks: vec![arn.to_owned()],
        include: None,
    };
    let output = call::<ops::DescribeTasks>(house, scope, &input).await?;
    let task = output.tasks.into_iter().flatten().next();
    Ok(task.map_or_else(Seen::forgotten, |task| seen(&task)))
}

fn seen(task: &ecs::Task) -> Seen {
    let containers = task.containers.iter().flatten();
    let engine = containers
        .clone()
        .find(|c| c.name.as_deref() == Some(CONTAINER));
    let details = task.attachments.iter().flatten();
    let details = details.flat_map(|a| a.details.iter().flatten());
    let detail = |name: &str| {
        let named = |d: &&ecs::KeyValuePair| d.name.as_deref() == Some(name);
        details.clone().find(named).and_then(|d| d.value.clone())
    };
    let why = engine.and_then(|c| c.reason.clone());
    let why = why.into_iter().chain(task.stopped_reason.clone());
    Seen {
        last_status: task.last_status.clone().unwrap_or_default(),
        health: task.health_status.clone().unwrap_or_default(),
        exit_code: engine.and_then(|c| c.exit_code),
        reason: why.collect::<Vec<_>>().join(": "),
        private_ipv4: detail("privateIPv4Address"),
        interface_id: detail("networkInterfaceId"),
        availability_zone: task.availability_zone.clone().unwrap_or_default(),
    }
}

/// The public address of a task's interface.
pub async fn public_ipv4(
    house: &House,
    scope: &Scope,
    interface_id: Option<&str>,
) -> Result<Option<String>, AwsError> {
    let Some(id) = interface_id else {
        return Ok(None);
    };
    let interface = house.db.get::<Interface>(scope, id).await?;
    let public = interface.and_then(|interface| interface.value.public);
    Ok(public.map(|public| public.ipv4.to_string()))
}

/// Takes all definitions of a family away.
pub async fn forget_family(
    house: &Arc<House>,
    scope: &Scope,
    family: &str,
) -> Result<(), AwsError> {
    loop {
        let input = ecs::DescribeTaskDefinitionInput {
            task_definition: family.to_owned(),
            include: None,
        };
        let found = match call::<ops::DescribeTaskDefinition>(house, scope, &input).await {
            Ok(found) => found.task_definition,
            Err(error) if error.is("ClientException") => return Ok(()),
            Err(error) => return Err(error),
        };
        let Some(arn) = found.and_then(|d| d.task_definition_arn) else {
            return Ok(());
        };
        let input = ecs::DeregisterTaskDefinitionInput {
            task_definition: arn.clone(),
        };
        call::<ops::DeregisterTaskDefinition>(house, scope, &input).await?;
        let input = ecs::DeleteTaskDefinitionsInput {
            task_definitions: vec![arn],
        };
        call::<ops::DeleteTaskDefinitions>(house, scope, &input).await?;
    }
}
