//! Managed policies, their versions, and who has them.

use super::managed::{Managed, check_arn};
use super::{all_tags, check_quota, is_under, new_tags, shown_tags};
use crate::call::{Change, View};
use crate::model::{Policy, PolicyVersion};
use crate::page::paged;
use crate::{aws, document, error, name};
use neargate_api_iam as api;
use neargate_service::AwsError;

const MOST: usize = 1_500;
const MOST_VERSIONS: usize = 5;

/// With description and tags.
fn shown(view: &View, policy: &Managed) -> api::Policy {
    let listed = view.listed_policy(policy, &view.uses());
    match policy {
        Managed::Customer(p) => api::Policy {
            description: p.description.clone(),
            tags: Some(all_tags(&p.tags)),
            ..listed
        },
        Managed::Aws(_) => api::Policy {
            tags: Some(Vec::new()),
            ..listed
        },
    }
}

fn shown_version(version: &PolicyVersion, default: u32) -> api::PolicyVersion {
    api::PolicyVersion {
        document: None,
        version_id: Some(format!("v{}", version.number)),
        is_default_version: Some(version.number == default),
        create_date: Some(version.created_at),
    }
}

pub fn create_policy(
    call: &mut Change,
    input: api::CreatePolicyInput,
) -> Result<api::CreatePolicyOutput, AwsError> {
    if call.policies.named(&input.policy_name).is_some() {
        return Err(error::policy_taken(&input.policy_name));
    }
    check_quota("PoliciesPerAccount", call.policies.len(), MOST)?;
    document::check_managed(&input.policy_document)?;
    let now = call.now();
    let policy = Policy {
        unique_id: name::unique_id(name::POLICY, &call.cx.house.rng),
        name: input.policy_name,
        path: name::path(input.path),
        created_at: now,
        updated_at: now,
        description: input.description,
        versions: vec![PolicyVersion {
            number: 1,
            document: input.policy_document,
            created_at: now,
        }],
        default: 1,
        newest: 1,
        tags: new_tags(input.tags)?,
    };
    call.create(&policy);
    let made = api::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.unique_id.clone()),
        arn: Some(name::arn(call.id(), "policy", &policy.path, &policy.name)),
        path: Some(policy.path.clone()),
        default_version_id: Some("v1".into()),
        attachment_count: Some(0),
        permissions_boundary_usage_count: Some(0),
        is_attachable: Some(true),
        description: None,
        create_date: Some(now),
        update_date: Some(now),
        tags: shown_tags(&policy.tags),
    };
    Ok(api::CreatePolicyOutput { policy: Some(made) })
}

pub fn get_policy(
    view: &View,
    input: api::GetPolicyInput,
) -> Result<api::GetPolicyOutput, AwsError> {
    let policy = view.named_by(&input.policy_arn)?;
    Ok(api::GetPolicyOutput {
        policy: Some(shown(view, &policy)),
    })
}

pub fn list_policies(
    view: &View,
    input: api::ListPoliciesInput,
) -> Result<api::ListPoliciesOutput, AwsError> {
    let scope = input.scope.as_deref().unwrap_or("All");
    let uses = view.uses();
    let prefix = input.path_prefix.as_deref();
    let aws = aws::policies().map(Managed::Aws);
    let ours = view.policies.iter().cloned().map(Managed::Customer);
    let asked = |policy: &Managed| {
        let used = uses.get(&policy.arn(view.id())).copied();
        let used = used.unwrap_or_default();
        let of_scope = match policy {
            Managed::Customer(_) => scope != "AWS",
            Managed::Aws(_) => scope != "Local",
        };
        let for_use = match input.policy_usage_filter.as_deref() {
            Some("PermissionsBoundary") => used.boundary > 0,
            Some(_) => used.boundary == 0 || used.attached > 0,
            None => true,
        };
        let attached = used.attached > 0 || !input.only_attached.unwrap_or_default();
        of_scope && for_use && attached && is_under(policy.path(), prefix)
    };
    // Those of the account first: their ARNs come after AWS's in no order that AWS promises.
    let id = |policy: &Managed| match policy {
        Managed::Customer(p) => format!("0{}", p.id()),
        Managed::Aws(p) => format!("1{}", p.name),
    };
    let all = ours.chain(aws).filter(asked);
    let page = paged(all, input.marker.as_deref(), input.max_items, id)?;
    let page = page.map(|p| view.listed_policy(&p, &uses));
    Ok(api::ListPoliciesOutput {
        policies: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn delete_policy(call: &mut Change, input: api::DeletePolicyInput) -> Result<(), AwsError> {
    let policy = call.policy(&input.policy_arn)?;
    let used = call.uses().get(&input.policy_arn).copied();
    let used = used.unwrap_or_default();
    if used.attached + used.boundary > 0 {
        return Err(error::conflict(
            "Cannot delete a policy attached to entities.",
        ));
    }
    if policy.versions.len() > 1 {
        return Err(error::conflict(
            "This policy has more than one version. Before you delete a policy, you must delete \
             the policy's versions. The default version is deleted with the policy.",
        ));
    }
    call.delete(&policy);
    Ok(())
}

pub fn create_policy_version(
    call: &mut Change,
    input: api::CreatePolicyVersionInput,
) -> Result<api::CreatePolicyVersionOutput, AwsError> {
    let policy = call.policy(&input.policy_arn)?;
    if policy.versions.len() >= MOST_VERSIONS {
        return Err(error::too_many_versions());
    }
    document::check_managed(&input.policy_document)?;
    let now = call.now();
    let version = PolicyVersion {
        number: policy.newest + 1,
        document: input.policy_document,
        created_at: now,
    };
    let default = match input.set_as_default {
        Some(true) => version.number,
        _ => policy.default,
    };
    let shown = shown_version(&version, default);
    call.modify(&policy, |policy| {
        policy.newest = version.number;
        policy.default = default;
        policy.updated_at = now;
        policy.versions.push(version);
    });
    Ok(api::CreatePolicyVersionOutput {
        policy_version: Some(shown),
    })
}

/// The number of a version's id; the model lets only `v…` through, with a word behind a dot.
fn number(id: &str) -> Option<u32> {
    id.strip_prefix('v')?.parse().ok()
}

pub fn get_policy_version(
    view: &View,
    input: api::GetPolicyVersionInput,
) -> Result<api::GetPolicyVersionOutput, AwsError> {
    let not_found = || error::version_not_found(&input.policy_arn, &input.version_id);
    let version = match view.named_by(&input.policy_arn)? {
        Managed::Customer(policy) => {
            let version = number(&input.version_id).and_then(|n| policy.version(n));
            let version = version.ok_or_else(not_found)?;
            api::PolicyVersion {
                document: Some(name::encoded(&version.document)),
                ..shown_version(version, policy.default)
            }
        }
        Managed::Aws(policy) if policy.version == input.version_id => api::PolicyVersion {
            document: Some(name::encoded(policy.document())),
            ..aws_version(policy)
        },
        Managed::Aws(_) => return Err(not_found()),
    };
    Ok(api::GetPolicyVersionOutput {
        policy_version: Some(version),
    })
}

fn aws_version(policy: &aws::Policy) -> api::PolicyVersion {
    api::PolicyVersion {
        document: None,
        version_id: Some(policy.version.into()),
        is_default_version: Some(true),
        create_date: Some(policy.updated_at()),
    }
}

pub fn list_policy_versions(
    view: &View,
    input: api::ListPolicyVersionsInput,
) -> Result<api::ListPolicyVersionsOutput, AwsError> {
    let versions: Vec<_> = match view.named_by(&input.policy_arn)? {
        Managed::Customer(policy) => {
            let newest_first = policy.versions.iter().rev();
            let shown = newest_first.map(|v| shown_version(v, policy.default));
            shown.collect()
        }
        Managed::Aws(policy) => vec![aws_version(policy)],
    };
    let numbered = versions.into_iter().enumerate();
    let page = paged(numbered, input.marker.as_deref(), input.max_items, |v| {
        v.0.to_string()
    })?;
    let page = page.map(|v| v.1);
    Ok(api::ListPolicyVersionsOutput {
        versions: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn set_default_policy_version(
    call: &mut Change,
    input: api::SetDefaultPolicyVersionInput,
) -> Result<(), AwsError> {
    let policy = call.policy(&input.policy_arn)?;
    let version = number(&input.version_id).and_then(|n| policy.version(n));
    let number = version
        .ok_or_else(|| error::version_not_found(&input.policy_arn, &input.version_id))?
        .number;
    let now = call.now();
    call.modify(&policy, |policy| {
        policy.default = number;
        policy.updated_at = now;
    });
    Ok(())
}

pub fn delete_policy_version(
    call: &mut Change,
    input: api::DeletePolicyVersionInput,
) -> Result<(), AwsError> {
    let policy = call.policy(&input.policy_arn)?;
    let version = number(&input.version_id).and_then(|n| policy.version(n));
    let gone = version
        .ok_or_else(|| error::version_not_found(&input.policy_arn, &input.version_id))?
        .number;
    if gone == policy.default {
        return Err(error::conflict(
            "Cannot delete the default version of a policy.",
        ));
    }
    let now = call.now();
    call.modify(&policy, |policy| {
        policy.versions.retain(|v| v.number != gone);
        policy.updated_at = now;
    });
    Ok(())
}

/// Users, groups and roles in one list of pages, as AWS counts them
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListEntitiesForPolicy.html>).
pub fn list_entities_for_policy(
    view: &View,
    input: api::ListEntitiesForPolicyInput,
) -> Result<api::ListEntitiesForPolicyOutput, AwsError> {
    check_arn(&input.policy_arn)?;
    let arn = view.named_by(&input.policy_arn)?.arn(view.id());
    let kind = input.entity_filter.as_deref();
    let is_kind = |wanted: &str| kind.is_none_or(|kind| kind == wanted);
    let usage = input.policy_usage_filter.as_deref();
    let prefix = input.path_prefix.as_deref();
    let uses = |attached: bool, boundary: Option<&str>| {
        let bounded = boundary == Some(arn.as_str());
        match usage {
            Some("PermissionsBoundary") => bounded,
            Some(_) => attached,
            None => attached || bounded,
        }
    };
    let mut all: Vec<(String, Entity)> = Vec::new();
    for group in view.groups.iter().filter(|_| is_kind("Group")) {
        let attached = group.grants.attached.contains(&arn);
        if is_under(&group.path, prefix) && uses(attached, None) {
            let entity = Entity::Group(group.name.clone(), group.unique_id.clone());
            all.push((format!("g{}", group.id()), entity));
        }
    }
    for role in view.roles.iter().filter(|_| is_kind("Role")) {
        let attached = role.grants.attached.contains(&arn);
        if is_under(&role.path, prefix) && uses(attached, role.boundary.as_deref()) {
            let entity = Entity::Role(role.name.clone(), role.unique_id.clone());
            all.push((format!("r{}", role.id()), entity));
        }
    }
    for user in view.users.iter().filter(|_| is_kind("User")) {
        let attached = user.grants.attached.contains(&arn);
        if is_under(&user.path, prefix) && uses(attached, user.boundary.as_deref()) {
            let entity = Entity::User(user.name.clone(), user.unique_id.clone());
            all.push((format!("u{}", user.id()), entity));
        }
    }
    let page = paged(all, input.marker.as_deref(), input.max_items, |e| {
        e.0.clone()
    })?;
    let mut output = api::ListEntitiesForPolicyOutput {
        policy_groups: Some(Vec::new()),
        policy_users: Some(Vec::new()),
        policy_roles: Some(Vec::new()),
        is_truncated: page.is_truncated,
        marker: page.marker,
    };
    for (_, entity) in page.items {
        match entity {
            Entity::Group(name, id) => {
                output
                    .policy_groups
                    .get_or_insert_default()
                    .push(api::PolicyGroup {
                        group_name: Some(name),
                        group_id: Some(id),
                    });
            }
            Entity::Role(name, id) => {
                output
                    .policy_roles
                    .get_or_insert_default()
                    .push(api::PolicyRole {
                        role_name: Some(name),
                        role_id: Some(id),
                    });
            }
            Entity::User(name, id) => {
                output
                    .policy_users
                    .get_or_insert_default()
                    .push(api::PolicyUser {
                        user_name: Some(name),
                        user_id: Some(id),
                    });
            }
        }
    }
    Ok(output)
}

/// Who has a policy: the name and the unique id.
enum Entity {
    Group(String, String),
    Role(String, String),
    User(String, String),
}
