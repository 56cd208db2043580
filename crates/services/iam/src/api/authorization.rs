//! Everything about who may do what, in one list of pages
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>).

use super::boundaries::shown_boundary;
use super::grants::attached;
use super::managed::Managed;
use super::{groups, instance_profiles, roles, shown_tags, users};
use crate::call::View;
use crate::model::{Grants, Group, Policy, Role, User};
use crate::page::paged;
use crate::{aws, name};
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

/// One entry of the list.
enum Entry {
    User(Arc<Stored<User>>),
    Group(Arc<Stored<Group>>),
    Role(Arc<Stored<Role>>),
    Customer(Arc<Stored<Policy>>),
    Aws(&'static aws::Policy),
}

impl Entry {
    /// AWS's word for its kind.
    fn kind(&self) -> &'static str {
        match self {
            Entry::User(_) => "User",
            Entry::Group(_) => "Group",
            Entry::Role(_) => "Role",
            Entry::Customer(_) => "LocalManagedPolicy",
            Entry::Aws(_) => "AWSManagedPolicy",
        }
    }

    fn place(&self) -> String {
        match self {
            Entry::User(user) => format!("1{}", user.id()),
            Entry::Group(group) => format!("2{}", group.id()),
            Entry::Role(role) => format!("3{}", role.id()),
            Entry::Customer(policy) => format!("4{}", policy.id()),
            Entry::Aws(policy) => format!("5{}", policy.name),
        }
    }
}

pub fn get_account_authorization_details(
    view: &View,
    input: api::GetAccountAuthorizationDetailsInput,
) -> Result<api::GetAccountAuthorizationDetailsOutput, AwsError> {
    let uses = view.uses();
    let filter = input.filter.unwrap_or_default();
    let asked = |entry: &Entry| filter.is_empty() || filter.iter().any(|f| f == entry.kind());
    let users = view.users.iter().cloned().map(Entry::User);
    let groups = view.groups.iter().cloned().map(Entry::Group);
    let roles = view.roles.iter().cloned().map(Entry::Role);
    let ours = view.policies.iter().cloned().map(Entry::Customer);
    // Of AWS's policies those that somebody has.
    let aws = aws::policies().filter(|p| uses.contains_key(&p.arn()));
    let all = users.chain(groups).chain(roles).chain(ours);
    let all = all.chain(aws.map(Entry::Aws)).filter(asked);
    let page = paged(all, input.marker.as_deref(), input.max_items, Entry::place)?;
    let (mut user_list, mut group_list) = (Vec::new(), Vec::new());
    let (mut role_list, mut policies) = (Vec::new(), Vec::new());
    for entry in page.items {
        match entry {
            Entry::User(user) => user_list.push(user_detail(view, &user)),
            Entry::Group(group) => group_list.push(group_detail(view, &group)),
            Entry::Role(role) => role_list.push(role_detail(view, &role)),
            Entry::Customer(policy) => {
                let versions = policy.versions.iter().rev().map(|v| api::PolicyVersion {
                    document: Some(name::encoded(&v.document)),
                    version_id: Some(format!("v{}", v.number)),
                    is_default_version: Some(v.number == policy.default),
                    create_date: Some(v.created_at),
                });
                let versions = versions.collect();
                let shown = view.listed_policy(&Managed::Customer(policy.clone()), &uses);
                policies.push(policy_detail(shown, policy.description.clone(), versions));
            }
            Entry::Aws(policy) => {
                let version = api::PolicyVersion {
                    document: Some(name::encoded(policy.document())),
                    version_id: Some(policy.version.into()),
                    is_default_version: Some(true),
                    create_date: Some(policy.updated_at()),
                };
                let shown = view.listed_policy(&Managed::Aws(policy), &uses);
                policies.push(policy_detail(shown, None, vec![version]));
            }
        }
    }
    Ok(api::GetAccountAuthorizationDetailsOutput {
        user_detail_list: Some(user_list),
        group_detail_list: Some(group_list),
        role_detail_list: Some(role_list),
        policies: Some(policies),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

fn inline(grants: &Grants) -> Vec<api::PolicyDetail> {
    let all = grants
        .inline
        .iter()
        .map(|(policy, text)| api::PolicyDetail {
            policy_name: Some(policy.clone()),
            policy_document: Some(name::encoded(text)),
        });
    all.collect()
}

fn user_detail(view: &View, user: &User) -> api::UserDetail {
    let shown = users::listed(view, user);
    let groups = user
        .groups
        .iter()
        .filter_map(|id| view.groups.of_unique_id(id));
    api::UserDetail {
        path: shown.path,
        user_name: shown.user_name,
        user_id: shown.user_id,
        arn: shown.arn,
        create_date: shown.create_date,
        user_policy_list: Some(inline(&user.grants)),
        group_list: Some(groups.map(|g| g.name.clone()).collect()),
        attached_managed_policies: Some(attached(view, &user.grants, None).collect()),
        permissions_boundary: shown_boundary(user.boundary.as_deref()),
        tags: shown_tags(&user.tags),
    }
}

fn group_detail(view: &View, group: &Group) -> api::GroupDetail {
    let shown = groups::shown(view, group);
    api::GroupDetail {
        path: shown.path,
        group_name: shown.group_name,
        group_id: shown.group_id,
        arn: shown.arn,
        create_date: shown.create_date,
        group_policy_list: Some(inline(&group.grants)),
        attached_managed_policies: Some(attached(view, &group.grants, None).collect()),
    }
}

fn role_detail(view: &View, role: &Role) -> api::RoleDetail {
    let shown = roles::listed(view, role);
    let profiles = view.profiles.iter();
    let profiles = profiles.filter(|p| p.role.as_ref() == Some(&role.unique_id));
    let profiles = profiles.map(|p| instance_profiles::listed(view, p));
    api::RoleDetail {
        path: shown.path,
        role_name: shown.role_name,
        role_id: shown.role_id,
        arn: shown.arn,
        create_date: shown.create_date,
        assume_role_policy_document: shown.assume_role_policy_document,
        instance_profile_list: Some(profiles.collect()),
        role_policy_list: Some(inline(&role.grants)),
        attached_managed_policies: Some(attached(view, &role.grants, None).collect()),
        permissions_boundary: shown_boundary(role.boundary.as_deref()),
        tags: shown_tags(&role.tags),
        role_last_used: Some(api::RoleLastUsed::default()),
    }
}

fn policy_detail(
    shown: api::Policy,
    description: Option<String>,
    versions: Vec<api::PolicyVersion>,
) -> api::ManagedPolicyDetail {
    api::ManagedPolicyDetail {
        policy_name: shown.policy_name,
        policy_id: shown.policy_id,
        arn: shown.arn,
        path: shown.path,
        default_version_id: shown.default_version_id,
        attachment_count: shown.attachment_count,
        permissions_boundary_usage_count: shown.permissions_boundary_usage_count,
        is_attachable: shown.is_attachable,
        description,
        create_date: shown.create_date,
        update_date: shown.update_date,
        policy_version_list: Some(versions),
    }
}
