//! Users.

use super::boundaries::{self, shown_boundary};
use super::{check_quota, is_under, new_tags, shown_tags};
use crate::call::{Change, View};
use crate::error;
use crate::model::{Grants, User};
use crate::name;
use crate::page::paged;
use neargate_api_iam as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

const MOST: usize = 5_000;

/// A user as lists show it: without tags and boundary.
pub fn listed(view: &View, user: &User) -> api::User {
    api::User {
        path: Some(user.path.clone()),
        user_name: Some(user.name.clone()),
        user_id: Some(user.unique_id.clone()),
        arn: Some(name::arn(view.id(), "user", &user.path, &user.name)),
        create_date: Some(user.created_at),
        ..Default::default()
    }
}

fn shown(view: &View, user: &User) -> api::User {
    api::User {
        permissions_boundary: shown_boundary(user.boundary.as_deref()),
        tags: shown_tags(&user.tags),
        ..listed(view, user)
    }
}

pub fn create_user(
    call: &mut Change,
    input: api::CreateUserInput,
) -> Result<api::CreateUserOutput, AwsError> {
    if call.users.named(&input.user_name).is_some() {
        return Err(error::name_taken("User", &input.user_name));
    }
    check_quota("UsersPerAccount", call.users.len(), MOST)?;
    let user = User {
        unique_id: name::unique_id(name::USER, &call.cx.house.rng),
        name: input.user_name,
        path: name::path(input.path),
        created_at: call.now(),
        grants: Grants::default(),
        groups: BTreeSet::new(),
        boundary: boundaries::given(call, input.permissions_boundary)?,
        tags: new_tags(input.tags)?,
    };
    call.create(&user);
    Ok(api::CreateUserOutput {
        user: Some(shown(call, &user)),
    })
}

pub fn get_user(view: &View, input: api::GetUserInput) -> Result<api::GetUserOutput, AwsError> {
    let user = match view.meant(input.user_name.as_deref())? {
        Some(user) => shown(view, &user),
        None => api::User {
            user_id: Some(view.id().to_string()),
            arn: Some(format!("arn:aws:iam::{}:root", view.id())),
            ..Default::default()
        },
    };
    Ok(api::GetUserOutput { user: Some(user) })
}

pub fn list_users(
    view: &View,
    input: api::ListUsersInput,
) -> Result<api::ListUsersOutput, AwsError> {
    let prefix = input.path_prefix.as_deref();
    let users = view.users.iter().filter(|u| is_under(&u.path, prefix));
    let page = paged(users, input.marker.as_deref(), input.max_items, |u| {
        u.id().to_owned()
    })?;
    let page = page.map(|u| listed(view, u));
    Ok(api::ListUsersOutput {
        users: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn update_user(call: &mut Change, input: api::UpdateUserInput) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    if let Some(new) = &input.new_user_name {
        let there = call.users.named(new);
        if there.is_some_and(|there| there.unique_id != user.unique_id) {
            return Err(error::name_taken("User", new));
        }
    }
    call.rename(&user, |user| {
        user.path = input.new_path.unwrap_or(std::mem::take(&mut user.path));
        user.name = input
            .new_user_name
            .unwrap_or(std::mem::take(&mut user.name));
    });
    Ok(())
}

/// A user that still has something is not deleted
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteUser.html>).
pub fn delete_user(call: &mut Change, input: api::DeleteUserInput) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    let of = |owner: &str| owner == user.unique_id;
    if !user.groups.is_empty() {
        return Err(error::in_use("remove users from group"));
    }
    if !user.grants.attached.is_empty() {
        return Err(error::in_use("detach all policies"));
    }
    if !user.grants.inline.is_empty() {
        return Err(error::in_use("delete policies"));
    }
    if call
        .access_keys
        .iter()
        .any(|k| k.user.as_deref().is_some_and(of))
    {
        return Err(error::in_use("delete access keys"));
    }
    if call.login_profiles.named(&user.unique_id).is_some() {
        return Err(error::in_use("delete login profile"));
    }
    if call.mfa_devices_of(&user).next().is_some() {
        return Err(error::in_use("deactivate MFA devices"));
    }
    if call.signing_certificates.iter().any(|c| of(&c.user)) {
        return Err(error::in_use("delete signing certificates"));
    }
    if call.ssh_keys.iter().any(|k| of(&k.user))
        || call.service_credentials.iter().any(|c| of(&c.user))
    {
        return Err(error::referenced());
    }
    call.delete(&user);
    Ok(())
}
