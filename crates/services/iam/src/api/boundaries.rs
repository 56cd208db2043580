//! Permissions boundaries of users and roles.

use crate::call::{Change, View};
use crate::error;
use crate::index::Record;
use crate::model::{Role, User};
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};

/// A boundary that a call gives: the ARN of a managed policy that there is.
pub fn given(view: &View, arn: Option<String>) -> Result<Option<String>, AwsError> {
    arn.map(|arn| checked(view, arn)).transpose()
}

fn checked(view: &View, arn: String) -> Result<String, AwsError> {
    if !arn.contains(":policy/") {
        return Err(error::not_a_boundary(&arn));
    }
    match view.managed(&arn) {
        Some(_) => Ok(arn),
        None => Err(error::boundary_not_found(&arn)),
    }
}

pub fn shown_boundary(arn: Option<&str>) -> Option<api::AttachedPermissionsBoundary> {
    arn.map(|arn| api::AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".into()),
        permissions_boundary_arn: Some(arn.into()),
    })
}

fn set<T: Record>(
    call: &mut Change,
    on: &Stored<T>,
    boundary: fn(&mut T) -> &mut Option<String>,
    arn: Option<String>,
) -> Result<(), AwsError> {
    let arn = given(call, arn)?;
    call.modify(on, |value| *boundary(value) = arn);
    Ok(())
}

fn of_user(user: &mut User) -> &mut Option<String> {
    &mut user.boundary
}

fn of_role(role: &mut Role) -> &mut Option<String> {
    &mut role.boundary
}

pub fn put_user_permissions_boundary(
    call: &mut Change,
    input: api::PutUserPermissionsBoundaryInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    set(call, &user, of_user, Some(input.permissions_boundary))
}

pub fn put_role_permissions_boundary(
    call: &mut Change,
    input: api::PutRolePermissionsBoundaryInput,
) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    set(call, &role, of_role, Some(input.permissions_boundary))
}

pub fn delete_user_permissions_boundary(
    call: &mut Change,
    input: api::DeleteUserPermissionsBoundaryInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    set(call, &user, of_user, None)
}

pub fn delete_role_permissions_boundary(
    call: &mut Change,
    input: api::DeleteRolePermissionsBoundaryInput,
) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    set(call, &role, of_role, None)
}
