//! Groups, and who is in them.

use super::users;
use super::{check_quota, is_under};
use crate::call::{Change, View};
use crate::error;
use crate::model::{Grants, Group};
use crate::name;
use crate::page::paged;
use neargate_api_iam as api;
use neargate_service::AwsError;

const MOST: usize = 300;
const MOST_PER_USER: usize = 10;

pub fn shown(view: &View, group: &Group) -> api::Group {
    api::Group {
        path: Some(group.path.clone()),
        group_name: Some(group.name.clone()),
        group_id: Some(group.unique_id.clone()),
        arn: Some(name::arn(view.id(), "group", &group.path, &group.name)),
        create_date: Some(group.created_at),
    }
}

pub fn create_group(
    call: &mut Change,
    input: api::CreateGroupInput,
) -> Result<api::CreateGroupOutput, AwsError> {
    if call.groups.named(&input.group_name).is_some() {
        return Err(error::name_taken("Group", &input.group_name));
    }
    check_quota("GroupsPerAccount", call.groups.len(), MOST)?;
    let group = Group {
        unique_id: name::unique_id(name::GROUP, &call.cx.house.rng),
        name: input.group_name,
        path: name::path(input.path),
        created_at: call.now(),
        grants: Grants::default(),
    };
    call.create(&group);
    Ok(api::CreateGroupOutput {
        group: Some(shown(call, &group)),
    })
}

/// A group with the users in it.
pub fn get_group(view: &View, input: api::GetGroupInput) -> Result<api::GetGroupOutput, AwsError> {
    let group = view.group(&input.group_name)?;
    let within = view.users.iter();
    let within = within.filter(|u| u.groups.contains(&group.unique_id));
    let page = paged(within, input.marker.as_deref(), input.max_items, |u| {
        u.id().to_owned()
    })?;
    let page = page.map(|u| users::listed(view, u));
    Ok(api::GetGroupOutput {
        group: Some(shown(view, &group)),
        users: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn list_groups(
    view: &View,
    input: api::ListGroupsInput,
) -> Result<api::ListGroupsOutput, AwsError> {
    let prefix = input.path_prefix.as_deref();
    let groups = view.groups.iter().filter(|g| is_under(&g.path, prefix));
    let page = paged(groups, input.marker.as_deref(), input.max_items, |g| {
        g.id().to_owned()
    })?;
    let page = page.map(|g| shown(view, g));
    Ok(api::ListGroupsOutput {
        groups: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn list_groups_for_user(
    view: &View,
    input: api::ListGroupsForUserInput,
) -> Result<api::ListGroupsForUserOutput, AwsError> {
    let user = view.user(&input.user_name)?;
    let groups = view.groups.iter();
    let groups = groups.filter(|g| user.groups.contains(&g.unique_id));
    let page = paged(groups, input.marker.as_deref(), input.max_items, |g| {
        g.id().to_owned()
    })?;
    let page = page.map(|g| shown(view, g));
    Ok(api::ListGroupsForUserOutput {
        groups: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn update_group(call: &mut Change, input: api::UpdateGroupInput) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    if let Some(new) = &input.new_group_name {
        let there = call.groups.named(new);
        if there.is_some_and(|there| there.unique_id != group.unique_id) {
            return Err(error::name_taken("Group", new));
        }
    }
    call.rename(&group, |group| {
        group.path = input.new_path.unwrap_or(std::mem::take(&mut group.path));
        group.name = input
            .new_group_name
            .unwrap_or(std::mem::take(&mut group.name));
    });
    Ok(())
}

pub fn delete_group(call: &mut Change, input: api::DeleteGroupInput) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    if call
        .users
        .iter()
        .any(|u| u.groups.contains(&group.unique_id))
    {
        return Err(error::in_use("remove users from group"));
    }
    if !group.grants.attached.is_empty() {
        return Err(error::in_use("detach all policies"));
    }
    if !group.grants.inline.is_empty() {
        return Err(error::in_use("delete policies"));
    }
    call.delete(&group);
    Ok(())
}

pub fn add_user_to_group(
    call: &mut Change,
    input: api::AddUserToGroupInput,
) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    let user = call.user(&input.user_name)?;
    if user.groups.contains(&group.unique_id) {
        return Ok(());
    }
    check_quota("GroupsPerUser", user.groups.len(), MOST_PER_USER)?;
    call.modify(&user, |user| {
        user.groups.insert(group.unique_id.clone());
    });
    Ok(())
}

pub fn remove_user_from_group(
    call: &mut Change,
    input: api::RemoveUserFromGroupInput,
) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    let user = call.user(&input.user_name)?;
    if !user.groups.contains(&group.unique_id) {
        return Err(error::not_found("user", &input.user_name));
    }
    call.modify(&user, |user| {
        user.groups.remove(&group.unique_id);
    });
    Ok(())
}
