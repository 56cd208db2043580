//! Roles that are linked to a service: AWS says what they are called and may do
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/create-service-linked-role.html>).

use super::{check_quota, roles};
use crate::call::{Change, View};
use crate::model::{Grants, Role};
use crate::{aws, error, name};
use neargate_api_iam as api;
use neargate_service::AwsError;
use neargate_service::tags::Tags;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

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

/// Deletes at once; what the service still has under the role is not looked for.
pub fn delete_service_linked_role(
    call: &mut Change,
    input: api::DeleteServiceLinkedRoleInput,
) -> Result<api::DeleteServiceLinkedRoleOutput, AwsError> {
    let role = call.role(&input.role_name)?;
    let Some(service) = &role.linked_to else {
        return Err(error::not_found("service-linked role", &input.role_name));
    };
    let number = call.cx.house.rng.uuid();
    let task = format!("task/aws-service-role/{service}/{}/{number}", role.name);
    call.delete(&role);
    Ok(api::DeleteServiceLinkedRoleOutput {
        deletion_task_id: Some(task),
    })
}

/// A task says which role it deletes, and it has done so when its id is given out.
pub fn get_service_linked_role_deletion_status(
    _: &View,
    input: api::GetServiceLinkedRoleDeletionStatusInput,
) -> Result<api::GetServiceLinkedRoleDeletionStatusOutput, AwsError> {
    let id = input.deletion_task_id;
    let mut parts = id.split('/');
    let ours = parts.next() == Some("task") && parts.next() == Some("aws-service-role");
    if !ours || parts.count() != 3 {
        return Err(error::no_such_entity(format!(
            "Deletion task {id} cannot be found."
        )));
    }
    Ok(api::GetServiceLinkedRoleDeletionStatusOutput {
        status: Some("SUCCEEDED".into()),
        ..Default::default()
    })
}
