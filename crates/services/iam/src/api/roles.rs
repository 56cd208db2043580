//! Roles.

use super::boundaries::{self, shown_boundary};
use super::{check_quota, is_under, new_tags, shown_tags};
use crate::call::{Change, View};
use crate::model::{Grants, Role};
use crate::page::paged;
use crate::{document, error, name};
use neargate_api_iam as api;
use neargate_service::AwsError;

const MOST: usize = 1_000;
const SESSION_SECONDS: u32 = 3_600;

/// A role as lists show it: without tags, boundary and last use.
pub fn listed(view: &View, role: &Role) -> api::Role {
    api::Role {
        path: Some(role.path.clone()),
        role_name: Some(role.name.clone()),
        role_id: Some(role.unique_id.clone()),
        arn: Some(name::arn(view.id(), "role", &role.path, &role.name)),
        create_date: Some(role.created_at),
        assume_role_policy_document: Some(name::encoded(&role.trust)),
        description: role.description.clone(),
        max_session_duration: i32::try_from(role.max_session_seconds).ok(),
        ..Default::default()
    }
}

fn shown(view: &View, role: &Role) -> api::Role {
    api::Role {
        permissions_boundary: shown_boundary(role.boundary.as_deref()),
        tags: shown_tags(&role.tags),
        ..listed(view, role)
    }
}

pub fn create_role(
    call: &mut Change,
    input: api::CreateRoleInput,
) -> Result<api::CreateRoleOutput, AwsError> {
    let path = name::path(input.path);
    if path.starts_with("/aws-service-role/") {
        return Err(error::validation(
            "The specified value for path is invalid. Paths starting with '/aws-service-role/' \
             are reserved for service-linked roles.",
        ));
    }
    if call.roles.named(&input.role_name).is_some() {
        return Err(error::name_taken("Role", &input.role_name));
    }
    check_quota("RolesPerAccount", call.roles.len(), MOST)?;
    document::check_trust(call, &input.assume_role_policy_document)?;
    let role = Role {
        unique_id: name::unique_id(name::ROLE, &call.cx.house.rng),
        name: input.role_name,
        path,
        created_at: call.now(),
        grants: Grants::default(),
        trust: input.assume_role_policy_document,
        description: input.description,
        max_session_seconds: session_seconds(input.max_session_duration),
        boundary: boundaries::given(call, input.permissions_boundary)?,
        tags: new_tags(input.tags)?,
        linked_to: None,
    };
    call.create(&role);
    Ok(api::CreateRoleOutput {
        role: Some(shown(call, &role)),
    })
}

/// The model lets no other numbers through.
fn session_seconds(asked: Option<i32>) -> u32 {
    let asked = asked.and_then(|s| u32::try_from(s).ok());
    asked.unwrap_or(SESSION_SECONDS)
}

pub fn get_role(view: &View, input: api::GetRoleInput) -> Result<api::GetRoleOutput, AwsError> {
    let role = view.role(&input.role_name)?;
    let role = api::Role {
        role_last_used: Some(api::RoleLastUsed::default()),
        ..shown(view, &role)
    };
    Ok(api::GetRoleOutput { role: Some(role) })
}

pub fn list_roles(
    view: &View,
    input: api::ListRolesInput,
) -> Result<api::ListRolesOutput, AwsError> {
    let prefix = input.path_prefix.as_deref();
    let roles = view.roles.iter().filter(|r| is_under(&r.path, prefix));
    let page = paged(roles, input.marker.as_deref(), input.max_items, |r| {
        r.id().to_owned()
    })?;
    let page = page.map(|r| listed(view, r));
    Ok(api::ListRolesOutput {
        roles: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

/// What a call does not name goes back to its default, as on AWS.
pub fn update_role(
    call: &mut Change,
    input: api::UpdateRoleInput,
) -> Result<api::UpdateRoleOutput, AwsError> {
    let role = call.own_role(&input.role_name)?;
    call.modify(&role, |role| {
        role.description = input.description;
        role.max_session_seconds = session_seconds(input.max_session_duration);
    });
    Ok(api::UpdateRoleOutput {})
}

pub fn update_role_description(
    call: &mut Change,
    input: api::UpdateRoleDescriptionInput,
) -> Result<api::UpdateRoleDescriptionOutput, AwsError> {
    let role = call.role(&input.role_name)?;
    let mut described = role.value.clone();
    described.description = Some(input.description);
    call.modify(&role, |role| role.clone_from(&described));
    Ok(api::UpdateRoleDescriptionOutput {
        role: Some(shown(call, &described)),
    })
}

pub fn update_assume_role_policy(
    call: &mut Change,
    input: api::UpdateAssumeRolePolicyInput,
) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    document::check_trust(call, &input.policy_document)?;
    call.modify(&role, |role| role.trust = input.policy_document);
    Ok(())
}

pub fn delete_role(call: &mut Change, input: api::DeleteRoleInput) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    let holds = |held: &Option<String>| held.as_ref() == Some(&role.unique_id);
    if call.profiles.iter().any(|p| holds(&p.role)) {
        return Err(error::in_use("remove roles from instance profile"));
    }
    if !role.grants.attached.is_empty() {
        return Err(error::in_use("detach all policies"));
    }
    if !role.grants.inline.is_empty() {
        return Err(error::in_use("delete policies"));
    }
    call.delete(&role);
    Ok(())
}
