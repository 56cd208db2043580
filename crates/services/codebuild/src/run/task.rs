//! The task of a build: a managed one of ECS's, asked for by ECS's own operations.

use crate::model::Build;
use crate::plan::environment;
use neargate_api_ec2 as ec2;
use neargate_api_ecs as ecs;
use neargate_service::{AwsError, Caller, House, Scope, managed};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The container's name.
const CONTAINER: &str = "build";
/// Seconds between the signal that ends a container and the one that does end it: ECS's least.
const STOP_SECONDS: i32 = 2;
const DISK_GIB: i32 = 64;
const MOST_FAMILY_CHARS: usize = 200;

/// What the container does until it is told what to run. It does not end by itself: what it made is taken out.
const WAIT: &str = "mkdir -p /codebuild/run && cd /codebuild/run || exit 90
trap 'exit 0' TERM
while [ ! -e go ]; do sleep 0.2 2>/dev/null || sleep 1; done
sh ./outer >/dev/null 2>&1 </dev/null &
wait $!
while :; do sleep 3600 & wait $!; done";

/// A build's container that runs.
#[derive(Debug, Clone)]
pub struct Running {
    pub scope: Scope,
    /// As sessions name it.
    pub target: String,
}

/// How a build's task is.
#[derive(Debug, Clone)]
pub enum State {
    OnItsWay,
    Running(Running),
    /// Why it is no more.
    Ended(String),
}

fn role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/codebuild.amazonaws.com/AWSServiceRoleForCodeBuild",
        scope.account
    )
}

fn cluster() -> String {
    managed::cluster("codebuild")
}

/// The name that an image of the build has here.
///
/// # Errors
/// What the operator has to set.
pub fn image(house: &House, name: &str) -> Result<String, String> {
    let Some(curated) = name.strip_prefix("aws/codebuild/") else {
        return Ok(name.to_owned());
    };
    let images = &house.settings.build_images;
    let found = images.get(name).or_else(|| images.get(curated));
    found.or_else(|| images.get("*")).cloned().ok_or_else(|| {
        format!(
            "Neargate has no image of AWS's. Say what {name} is: `[build_images]` and \
             `\"{name}\" = \"REPOSITORY:TAG\"` in the configuration; `\"*\"` stands for all of AWS's."
        )
    })
}

/// Registers what the build's task is.
pub async fn register(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
) -> Result<String, AwsError> {
    let input = ecs::CreateClusterInput {
        cluster_name: Some(cluster()),
        ..Default::default()
    };
    Caller::call::<ecs::ops::CreateCluster>(house, scope, &role(scope), &input).await?;
    let environment = build.shown.environment.clone().unwrap_or_default();
    let wrong = |why: String| AwsError::client("InvalidInputException", why);
    let (cpu, memory) = environment::compute(&environment).map_err(wrong)?;
    let image = image(house, &environment.image).map_err(wrong)?;
    let mut labels = BTreeMap::from([("neargate:build".to_owned(), build.id().to_owned())]);
    if environment.privileged_mode == Some(true) {
        labels.insert("neargate:docker".to_owned(), "build".to_owned());
    }
    let credential = environment
        .registry_credential
        .map(|c| ecs::RepositoryCredentials {
            credentials_parameter: c.credential,
        });
    let mut family = format!("{}-{}", cluster(), build.project());
    family.truncate(MOST_FAMILY_CHARS);
    let container = ecs::ContainerDefinition {
        name: Some(CONTAINER.to_owned()),
        image: Some(image),
        essential: Some(true),
        entry_point: Some(vec!["sh".to_owned(), "-c".to_owned()]),
        command: Some(vec![WAIT.to_owned()]),
        user: Some("0".to_owned()),
        working_directory: Some("/".to_owned()),
        stop_timeout: Some(STOP_SECONDS),
        docker_labels: Some(labels),
        repository_credentials: credential,
        ..Default::default()
    };
    let input = ecs::RegisterTaskDefinitionInput {
        family,
        task_role_arn: Some(build.role().to_owned()),
        execution_role_arn: Some(build.role().to_owned()),
        network_mode: Some("awsvpc".to_owned()),
        container_definitions: vec![container],
        requires_compatibilities: Some(vec!["FARGATE".to_owned()]),
        cpu: Some(cpu.to_string()),
        memory: Some(memory.to_string()),
        ephemeral_storage: Some(ecs::EphemeralStorage {
            size_in_gib: DISK_GIB,
        }),
        ..Default::default()
    };
    let role = role(scope);
    let call = Caller::call::<ecs::ops::RegisterTaskDefinition>(house, scope, &role, &input);
    let made = call.await?.task_definition.unwrap_or_default();
    Ok(made.task_definition_arn.unwrap_or_default())
}

/// Starts the task, once: its build's id is the token. `None`: there is no room for it now.
pub async fn start(
    house: &Arc<House>,
    scope: &Scope,
    build: &Build,
    definition: &str,
) -> Result<Option<String>, AwsError> {
    let vpc = build.shown.vpc_config.clone().unwrap_or_default();
    let own = vpc.subnets.filter(|subnets| !subnets.is_empty());
    // In a VPC of the customer's a build has no public address, as AWS has it; else it reaches out.
    let assign_public_ip = match own {
        Some(_) => "DISABLED",
        None => "ENABLED",
    };
    let subnets = match own {
        Some(own) => own,
        None => default_subnets(house, scope).await?,
    };
    let input = ecs::RunTaskInput {
        cluster: Some(cluster()),
        task_definition: definition.to_owned(),
        launch_type: Some("FARGATE".to_owned()),
        enable_execute_command: Some(true),
        client_token: Some(build.uuid().to_owned()),
        started_by: Some(build.uuid().to_owned()),
        network_configuration: Some(ecs::NetworkConfiguration {
            awsvpc_configuration: Some(ecs::AwsVpcConfiguration {
                subnets,
                security_groups: vpc.security_group_ids,
                assign_public_ip: Some(assign_public_ip.to_owned()),
            }),
        }),
        ..Default::default()
    };
    let run = Caller::call::<ecs::ops::RunTask>(house, scope, &role(scope), &input).await;
    let output = match run {
        Err(error) if error.message.contains("Capacity is unavailable") => return Ok(None),
        run => run?,
    };
    let task = output.tasks.unwrap_or_default().into_iter().next();
    Ok(task.and_then(|task| task.task_arn))
}

async fn default_subnets(house: &Arc<House>, scope: &Scope) -> Result<Vec<String>, AwsError> {
    let input = ec2::DescribeSubnetsInput {
        filters: Some(vec![ec2::Filter {
            name: Some("default-for-az".to_owned()),
            values: Some(vec!["true".to_owned()]),
        }]),
        ..Default::default()
    };
    let role = role(scope);
    let call = Caller::call::<ec2::ops::DescribeSubnets>(house, scope, &role, &input);
    let subnets = call.await?.subnets.unwrap_or_default().into_iter();
    Ok(subnets.filter_map(|s| s.subnet_id).take(16).collect())
}

async fn described(
    house: &Arc<House>,
    scope: &Scope,
    task: &str,
) -> Result<Option<ecs::Task>, AwsError> {
    let input = ecs::DescribeTasksInput {
        cluster: Some(cluster()),
        tasks: vec![task.to_owned()],
        ..Default::default()
    };
    let call = Caller::call::<ecs::ops::DescribeTasks>(house, scope, &role(scope), &input).await?;
    Ok(call.tasks.unwrap_or_default().into_iter().next())
}

/// How the task is.
pub async fn state(house: &Arc<House>, scope: &Scope, task: &str) -> Result<State, AwsError> {
    let Some(described) = described(house, scope, task).await? else {
        return Ok(State::Ended("the task is gone".to_owned()));
    };
    let stops = described.desired_status.as_deref() == Some("STOPPED");
    let ended = described.last_status.as_deref() == Some("STOPPED");
    let container = described.containers.unwrap_or_default().into_iter().next();
    let container = container.unwrap_or_default();
    if ended || stops {
        let mut why = described.stopped_reason.unwrap_or_default();
        if let Some(reason) = container.reason.filter(|reason| !why.contains(reason)) {
            why = format!("{why}: {reason}");
        }
        if let Some(code) = container.exit_code {
            why = format!("{why} (exit code {code})");
        }
        return Ok(State::Ended(why));
    }
    let running = container.last_status.as_deref() == Some("RUNNING");
    let id = task.rsplit('/').next().unwrap_or_default();
    Ok(match container.runtime_id {
        Some(runtime) if running => State::Running(Running {
            scope: scope.clone(),
            target: format!("ecs:{}_{id}_{runtime}", cluster()),
        }),
        _ => State::OnItsWay,
    })
}

/// Its interface, as the build shows it: subnet and id.
pub async fn interface(
    house: &Arc<House>,
    scope: &Scope,
    task: &str,
) -> Result<Option<(String, String)>, AwsError> {
    let described = described(house, scope, task).await?.unwrap_or_default();
    let mut details = described.attachments.unwrap_or_default().into_iter();
    let details = details.find_map(|a| a.details).unwrap_or_default();
    let of = |name: &str| {
        let mut found = details.iter().filter(|d| d.name.as_deref() == Some(name));
        found.next().and_then(|d| d.value.clone())
    };
    Ok(of("subnetId").zip(of("networkInterfaceId")))
}

/// Asks for its end. What is gone has ended.
pub async fn stop(house: &Arc<House>, scope: &Scope, task: &str) -> Result<(), AwsError> {
    let input = ecs::StopTaskInput {
        cluster: Some(cluster()),
        task: task.to_owned(),
        reason: Some("The build has ended".to_owned()),
    };
    let stopped = Caller::call::<ecs::ops::StopTask>(house, scope, &role(scope), &input).await;
    match stopped {
        Err(error) if error.status >= 500 => Err(error),
        _ => Ok(()),
    }
}

/// Has its definition forgotten.
pub async fn forget(house: &Arc<House>, scope: &Scope, definition: &str) {
    let role = role(scope);
    let input = ecs::DeregisterTaskDefinitionInput {
        task_definition: definition.to_owned(),
    };
    let gone = Caller::call::<ecs::ops::DeregisterTaskDefinition>(house, scope, &role, &input);
    let _ = gone.await;
    let input = ecs::DeleteTaskDefinitionsInput {
        task_definitions: vec![definition.to_owned()],
    };
    let _ = Caller::call::<ecs::ops::DeleteTaskDefinitions>(house, scope, &role, &input).await;
}
