//! Instance profiles: how a role gets to an instance.

use super::{all_tags, check_quota, is_under, new_tags, roles};
use crate::call::{Change, View};
use crate::model::InstanceProfile;
use crate::page::paged;
use crate::{error, name};
use neargate_api_iam as api;
use neargate_service::AwsError;

const MOST: usize = 1_000;

/// With its role, without tags.
pub fn listed(view: &View, profile: &InstanceProfile) -> api::InstanceProfile {
    let role = profile.role.as_deref();
    let role = role.and_then(|id| view.roles.of_unique_id(id));
    api::InstanceProfile {
        path: Some(profile.path.clone()),
        instance_profile_name: Some(profile.name.clone()),
        instance_profile_id: Some(profile.unique_id.clone()),
        arn: Some(arn(view, profile)),
        create_date: Some(profile.created_at),
        roles: Some(
            role.map(|role| roles::listed(view, role))
                .into_iter()
                .collect(),
        ),
        tags: None,
    }
}

fn shown(view: &View, profile: &InstanceProfile) -> api::InstanceProfile {
    api::InstanceProfile {
        tags: Some(all_tags(&profile.tags)),
        ..listed(view, profile)
    }
}

fn arn(view: &View, profile: &InstanceProfile) -> String {
    name::arn(view.id(), "instance-profile", &profile.path, &profile.name)
}

pub fn create_instance_profile(
    call: &mut Change,
    input: api::CreateInstanceProfileInput,
) -> Result<api::CreateInstanceProfileOutput, AwsError> {
    if call.profiles.named(&input.instance_profile_name).is_some() {
        return Err(error::profile_taken(&input.instance_profile_name));
    }
    check_quota("InstanceProfilesPerAccount", call.profiles.len(), MOST)?;
    let profile = InstanceProfile {
        unique_id: name::unique_id(name::PROFILE, &call.cx.house.rng),
        name: input.instance_profile_name,
        path: name::path(input.path),
        created_at: call.now(),
        role: None,
        tags: new_tags(input.tags)?,
    };
    call.create(&profile);
    Ok(api::CreateInstanceProfileOutput {
        instance_profile: Some(shown(call, &profile)),
    })
}

pub fn get_instance_profile(
    view: &View,
    input: api::GetInstanceProfileInput,
) -> Result<api::GetInstanceProfileOutput, AwsError> {
    let profile = view.profile(&input.instance_profile_name)?;
    Ok(api::GetInstanceProfileOutput {
        instance_profile: Some(shown(view, &profile)),
    })
}

pub fn list_instance_profiles(
    view: &View,
    input: api::ListInstanceProfilesInput,
) -> Result<api::ListInstanceProfilesOutput, AwsError> {
    let prefix = input.path_prefix.as_deref();
    let profiles = view.profiles.iter().filter(|p| is_under(&p.path, prefix));
    let page = paged(profiles, input.marker.as_deref(), input.max_items, |p| {
        p.id().to_owned()
    })?;
    let page = page.map(|p| listed(view, p));
    Ok(api::ListInstanceProfilesOutput {
        instance_profiles: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn list_instance_profiles_for_role(
    view: &View,
    input: api::ListInstanceProfilesForRoleInput,
) -> Result<api::ListInstanceProfilesForRoleOutput, AwsError> {
    let role = view.role(&input.role_name)?;
    let profiles = view.profiles.iter();
    let profiles = profiles.filter(|p| p.role.as_ref() == Some(&role.unique_id));
    let page = paged(profiles, input.marker.as_deref(), input.max_items, |p| {
        p.id().to_owned()
    })?;
    let page = page.map(|p| listed(view, p));
    Ok(api::ListInstanceProfilesForRoleOutput {
        instance_profiles: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn delete_instance_profile(
    call: &mut Change,
    input: api::DeleteInstanceProfileInput,
) -> Result<(), AwsError> {
    let profile = call.profile(&input.instance_profile_name)?;
    if profile.role.is_some() {
        return Err(error::in_use("remove roles from instance profile"));
    }
    call.delete(&profile);
    Ok(())
}

pub fn add_role_to_instance_profile(
    call: &mut Change,
    input: api::AddRoleToInstanceProfileInput,
) -> Result<(), AwsError> {
    let profile = call.profile(&input.instance_profile_name)?;
    let role = call.own_role(&input.role_name)?;
    if profile.role.is_some() {
        return Err(error::quota("InstanceSessionsPerInstanceProfile", 1));
    }
    let id = role.unique_id.clone();
    call.modify(&profile, |profile| profile.role = Some(id));
    Ok(())
}

pub fn remove_role_from_instance_profile(
    call: &mut Change,
    input: api::RemoveRoleFromInstanceProfileInput,
) -> Result<(), AwsError> {
    let profile = call.profile(&input.instance_profile_name)?;
    let role = call.role(&input.role_name)?;
    if profile.role.as_ref() != Some(&role.unique_id) {
        return Err(error::not_found("role", &input.role_name));
    }
    call.modify(&profile, |profile| profile.role = None);
    Ok(())
}
