//! ECS Exec: a program on a terminal in a container that runs
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html>).
//!
//! The session is SSM's, as in AWS: the caller's session-manager-plugin carries it over the data
//! channel that the answer names.

use super::active_cluster;
use crate::model::{Cluster, Task};
use crate::{Ecs, error, reference, role};
use neargate_api_ecs as api;
use neargate_domain::{ContainerStatus, TaskStatus};
use neargate_service::session::{Audit, Bucket, Encryption, Place, Purpose, Wanted};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// What SSM calls the kind of session.
const DOCUMENT: &str = "AmazonECS-ExecuteInteractiveCommand";

pub async fn execute_command(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ExecuteCommandInput,
) -> Result<api::ExecuteCommandOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    let id = reference::task(&cx.scope, &cluster.name, &input.task)?;
    let key = Task::id(&cluster.name, &id);
    let task = cx.db().get::<Task>(&cx.scope, &key).await?;
    let task = task.ok_or_else(error::task_not_found)?;
    if !input.interactive {
        return Err(error::not_interactive());
    }
    let args = shlex::split(&input.command).filter(|args| !args.is_empty());
    let args = args.ok_or_else(error::no_command)?;
    if task.status.last_status != TaskStatus::Running {
        return Err(error::no_agent_runs());
    }
    let name = container(&task, input.container.as_deref())?;
    let reports = task.status.report.iter().flat_map(|r| &r.containers);
    let runtime_id = reports
        .filter(|c| c.name == name && c.status == ContainerStatus::Running)
        .find_map(|c| c.runtime_id.clone());
    let Some(runtime_id) = runtime_id.filter(|_| task.spec.enable_execute_command) else {
        return Err(error::no_agent_runs());
    };
    let sessions = &cx.house.sessions;
    let containers = sessions
        .containers()
        .ok_or_else(error::target_not_connected)?;
    containers
        .is_within_reach(&task.spec.node)
        .map_err(error::out_of_reach)?;
    let wanted = Wanted {
        id: format!("ecs-execute-command-0{}", cx.house.rng.hex(16)),
        scope: cx.scope.clone(),
        owner: cx.principal.arn.clone(),
        target: format!("ecs:{}_{id}_{runtime_id}", cluster.name),
        document: DOCUMENT.to_owned(),
        reason: None,
        place: Place {
            node: task.spec.node.clone(),
            task_id: id,
            container: name.clone(),
        },
        purpose: Purpose::Command { args },
        audit: audit(&cx, &cluster, &task, &name),
        encryption: configuration(&cluster)
            .and_then(|c| c.kms_key_id.clone())
            .filter(|key| !key.is_empty())
            .map(|key_id| Encryption {
                key_id,
                role: role(&cx, &task),
            }),
    };
    let begun = sessions.begin(&cx.house, wanted);
    let begun = begun.ok_or_else(error::target_not_connected)?;
    let arn = task.spec.containers.iter().find(|c| c.name == name);
    Ok(api::ExecuteCommandOutput {
        cluster_arn: Some(cluster.arn.clone()),
        container_arn: arn.map(|c| c.arn.clone()),
        container_name: Some(name),
        interactive: Some(true),
        session: Some(api::Session {
            session_id: Some(begun.session_id),
            stream_url: Some(begun.stream_url),
            token_value: Some(begun.token),
        }),
        task_arn: Some(task.spec.arn.clone()),
    })
}

/// The container that is meant.
fn container(task: &Task, named: Option<&str>) -> Result<String, AwsError> {
    let mut all = task.spec.containers.iter().map(|c| &c.name);
    match (named.filter(|name| !name.is_empty()), all.len()) {
        (Some(name), _) if all.any(|c| c == name) => Ok(name.to_owned()),
        (Some(name), _) => Err(error::no_such_container(name)),
        (None, 1) => Ok(all.next().cloned().unwrap_or_default()),
        (None, _) => Err(error::which_container()),
    }
}

fn configuration(cluster: &Cluster) -> Option<&api::ExecuteCommandConfiguration> {
    let configuration = cluster.configuration.as_ref()?;
    configuration.0.execute_command_configuration.as_ref()
}

/// The container's side does everything under the task's role.
fn role(cx: &Ctx, task: &Task) -> String {
    let role = task.spec.assignment.task_role_arn.clone();
    role.unwrap_or_else(|| role::service_linked(&cx.scope))
}

/// Where the cluster has its sessions written down.
fn audit(cx: &Ctx, cluster: &Cluster, task: &Task, container: &str) -> Option<Audit> {
    let configuration = configuration(cluster);
    let logging = configuration.and_then(|c| c.logging.as_deref());
    let audit = Audit {
        role: role(cx, task),
        ..Audit::default()
    };
    let said = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match logging.unwrap_or("DEFAULT") {
        "NONE" => None,
        "OVERRIDE" => {
            let log = configuration?.log_configuration.as_ref()?;
            let prefix = said(&log.s3_key_prefix);
            Some(Audit {
                log_group: said(&log.cloud_watch_log_group_name),
                bucket: said(&log.s3_bucket_name).map(|name| Bucket {
                    name,
                    prefix: prefix.map(|p| p.trim_end_matches('/').to_owned()),
                }),
                ..audit
            })
        }
        // The container's own awslogs.
        _ => {
            let mut containers = task.spec.assignment.containers.iter();
            let target = containers.find(|c| c.name == container)?.log.as_ref()?;
            Some(Audit {
                log_group: Some(target.group.clone()),
                ..audit
            })
        }
    }
}
