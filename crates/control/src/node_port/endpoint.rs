//! What a task's containers ask through their node, asked of ECS's own operations as the ECS agent does.

use neargate_api_ecs as api;
use neargate_domain::{Assignment, ProtectionAnswer, ProtectionChange, TagMap, TaskTags};
use neargate_service::{AwsError, Caller, Fault, House, Scope};
use std::sync::Arc;

pub(super) async fn tags(house: &Arc<House>, task: &Assignment) -> Result<TaskTags, AwsError> {
    let instance = match &task.container_instance_arn {
        Some(arn) => Some(of(house, task, arn).await?),
        None => None,
    };
    Ok(TaskTags {
        task: of(house, task, &task.task_arn).await?,
        container_instance: instance,
    })
}

async fn of(house: &Arc<House>, task: &Assignment, arn: &str) -> Result<TagMap, AwsError> {
    let scope = scope(task);
    // The agent may by the role of its instance, which AWS has made for it.
    let role = format!(
        "arn:aws:iam::{}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        scope.account
    );
    let input = api::ListTagsForResourceInput {
        resource_arn: arn.to_owned(),
    };
    let listed = Caller::call::<api::ops::ListTagsForResource>(house, &scope, &role, &input);
    let tags = listed.await?.tags.unwrap_or_default().into_iter();
    Ok(tags
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
        .collect())
}

pub(super) async fn protection(
    house: &Arc<House>,
    task: &Assignment,
    role: &str,
    change: Option<ProtectionChange>,
) -> Result<ProtectionAnswer, AwsError> {
    let (scope, cluster) = (scope(task), task.cluster.clone());
    let tasks = vec![task.task_arn.clone()];
    let answer = match change {
        None => {
            let input = api::GetTaskProtectionInput {
                cluster,
                tasks: Some(tasks),
            };
            Caller::call::<api::ops::GetTaskProtection>(house, &scope, role, &input)
                .await
                .map(|said| (said.protected_tasks, said.failures))
        }
        Some(change) => {
            let input = api::UpdateTaskProtectionInput {
                cluster,
                tasks,
                protection_enabled: change.enabled,
                expires_in_minutes: change.expires_in_minutes,
            };
            Caller::call::<api::ops::UpdateTaskProtection>(house, &scope, role, &input)
                .await
                .map(|said| (said.protected_tasks, said.failures))
        }
    };
    let (protected, failures) = match answer {
        Ok(said) => said,
        Err(error) if error.fault == Fault::Client => {
            return Ok(ProtectionAnswer::Refused {
                code: error.code,
                message: error.message,
                status: error.status,
            });
        }
        Err(error) => return Err(error),
    };
    let protected = protected.unwrap_or_default().into_iter().next();
    let failure = failures.unwrap_or_default().into_iter().next();
    Ok(match (protected, failure) {
        (Some(task), _) => ProtectionAnswer::Protected {
            enabled: task.protection_enabled.unwrap_or_default(),
            until: task.expiration_date,
        },
        (None, failure) => {
            let failure = failure.unwrap_or_default();
            ProtectionAnswer::Failed {
                reason: failure.reason.unwrap_or_else(|| "MISSING".to_owned()),
                detail: failure.detail,
            }
        }
    })
}

fn scope(task: &Assignment) -> Scope {
    Scope {
        account: task.account.clone(),
        region: task.region.clone(),
    }
}
