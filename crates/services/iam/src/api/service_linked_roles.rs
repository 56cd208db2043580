//! Roles that are linked to a service: AWS says what they are called and may do
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/create-service-linked-role.html>).

use super::{check_quota, roles};
use crate::call::Change;
use crate::model::{Grants, Role};
use crate::{Iam, aws, error, linked_use, name};
use neargate_api_iam as api;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SESSION_SECONDS: u32 = 3_600;
const MOST: usize = 1_000;

pub fn create_service_linked_role(
    call: &mut Change,
    input: api::CreateServiceLinkedRoleInput,
) -> Result<api::CreateServiceLinkedRoleOutput, AwsError> {
    let service = input.aws_service_name;
    let known = aws::service_role(&service).ok_or_else(|| {
        error::invalid_input(format!(
            "Service {service} does not have a service-linked role."
        ))
    })?;
    let name = match input.custom_suffix.as_deref() {
        Some(_) if !known.takes_suffix => return Err(error::no_suffix(&service)),
        Some(suffix) => format!("{}_{suffix}", known.name),
        None => known.name.to_owned(),
    };
    if call.roles.named(&name).is_some() {
        return Err(error::service_role_taken(&name));
    }
    check_quota("RolesPerAccount", call.roles.len(), MOST)?;
    let policy = format!("arn:aws:iam::aws:policy/aws-service-role/{}", known.policy);
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "Service": service },
            "Action": "sts:AssumeRole",
        }],
    });
    let role = Role {
        unique_id: name::unique_id(name::ROLE, &call.cx.house.rng),
        name,
        path: format!("/aws-service-role/{service}/"),
        created_at: call.now(),
        grants: Grants {
            attached: BTreeSet::from([policy]),
            inline: BTreeMap::new(),
        },
        trust: trust.to_string(),
        description: input.description,
        max_session_seconds: SESSION_SECONDS,
        boundary: None,
        tags: Tags::new(),
        linked_to: Some(service),
    };
    call.create(&role);
    Ok(api::CreateServiceLinkedRoleOutput {
        role: Some(roles::listed(call, &role)),
    })
}

/// Deletes at once what the service no longer needs. A task that finds the role in use fails.
pub async fn delete_service_linked_role(
    iam: Arc<Iam>,
    cx: Ctx,
    input: api::DeleteServiceLinkedRoleInput,
) -> Result<api::DeleteServiceLinkedRoleOutput, AwsError> {
    let found = {
        let view = iam.view(cx.clone()).await;
        view.role(&input.role_name)?
    };
    let Some(service) = &found.linked_to else {
        return Err(error::not_found("service-linked role", &input.role_name));
    };
    let number = cx.house.rng.uuid();
    let task = format!("task/aws-service-role/{service}/{}/{number}", found.name);
    if linked_use::of(&cx, service).await?.is_empty() {
        iam.change(cx, |call| {
            let role = call.role(&input.role_name)?;
            call.delete(&role);
            Ok(())
        })
        .await?;
    }
    Ok(api::DeleteServiceLinkedRoleOutput {
        deletion_task_id: Some(task),
    })
}

/// A task says which role it deletes. It has done so when its id is given out, or has failed.
pub async fn get_service_linked_role_deletion_status(
    iam: Arc<Iam>,
    cx: Ctx,
    input: api::GetServiceLinkedRoleDeletionStatusInput,
) -> Result<api::GetServiceLinkedRoleDeletionStatusOutput, AwsError> {
    let id = input.deletion_task_id;
    let parts: Vec<&str> = id.split('/').collect();
    let ["task", "aws-service-role", service, name, _] = parts[..] else {
        return Err(error::no_such_entity(format!(
            "Deletion task {id} cannot be found."
        )));
    };
    if iam.view(cx.clone()).await.role(name).is_err() {
        return Ok(api::GetServiceLinkedRoleDeletionStatusOutput {
            status: Some("SUCCEEDED".into()),
            ..Default::default()
        });
    }
    let used = linked_use::of(&cx, service).await?;
    Ok(api::GetServiceLinkedRoleDeletionStatusOutput {
        status: Some("FAILED".into()),
        reason: Some(api::DeletionTaskFailureReasonType {
            reason: Some(
                "The role cannot be deleted because resources of the service use it.".into(),
            ),
            role_usage_list: Some(used),
        }),
    })
}
