//! The policies of users, groups and roles: their own texts, and managed policies that are attached
//! to them. The three have the same operations.

use super::is_under;
use super::managed::{Managed, check_arn};
use crate::call::{Change, View};
use crate::index::Record;
use crate::model::{Grants, Group, Role, User};
use crate::page::{Page, paged};
use crate::{document, error, name};
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};

/// Managed policies that one of them may have, unless AWS grants more.
const MOST_ATTACHED: usize = 10;

/// Who has policies.
trait Holder: Record {
    const NOUN: &'static str;
    const NOUN_CAPITAL: &'static str;
    /// How long all inline policies together may be.
    const INLINE_CHARS: usize;

    fn name(&self) -> &str;
    fn grants(&self) -> &Grants;
    fn grants_mut(&mut self) -> &mut Grants;
    /// Is it the role of a service, which takes the policies that AWS wrote for services?
    fn is_for_services(&self) -> bool {
        false
    }
}

impl Holder for User {
    const NOUN: &'static str = "user";
    const NOUN_CAPITAL: &'static str = "User";
    const INLINE_CHARS: usize = 2_048;

    fn name(&self) -> &str {
        &self.name
    }

    fn grants(&self) -> &Grants {
        &self.grants
    }

    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Holder for Group {
    const NOUN: &'static str = "group";
    const NOUN_CAPITAL: &'static str = "Group";
    const INLINE_CHARS: usize = 5_120;

    fn name(&self) -> &str {
        &self.name
    }

    fn grants(&self) -> &Grants {
        &self.grants
    }

    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Holder for Role {
    const NOUN: &'static str = "role";
    const NOUN_CAPITAL: &'static str = "Role";
    const INLINE_CHARS: usize = 10_240;

    fn name(&self) -> &str {
        &self.name
    }

    fn grants(&self) -> &Grants {
        &self.grants
    }

    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }

    fn is_for_services(&self) -> bool {
        self.linked_to.is_some()
    }
}

fn put<T: Holder>(
    call: &mut Change,
    on: &Stored<T>,
    policy: String,
    text: String,
) -> Result<(), AwsError> {
    document::check_identity(&text)?;
    let others = on
        .grants()
        .inline
        .iter()
        .filter(|(name, _)| **name != policy);
    let others: usize = others.map(|(_, text)| document::size(text)).sum();
    if others + document::size(&text) > T::INLINE_CHARS {
        return Err(error::inline_too_long(T::NOUN, on.name(), T::INLINE_CHARS));
    }
    call.modify(on, |holder| {
        holder.grants_mut().inline.insert(policy, text);
    });
    Ok(())
}

fn own<T: Holder>(on: &T, policy: &str) -> Result<String, AwsError> {
    let text = on.grants().inline.get(policy);
    text.map(|text| name::encoded(text))
        .ok_or_else(|| error::not_found(&format!("{} policy", T::NOUN), policy))
}

fn delete<T: Holder>(call: &mut Change, on: &Stored<T>, policy: &str) -> Result<(), AwsError> {
    own(&on.value, policy)?;
    call.modify(on, |holder| {
        holder.grants_mut().inline.remove(policy);
    });
    Ok(())
}

fn names<T: Holder>(
    on: &T,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> Result<Page<String>, AwsError> {
    let names = on.grants().inline.keys().cloned();
    paged(names, marker, max_items, String::clone)
}

fn attach<T: Holder>(call: &mut Change, on: &Stored<T>, arn: String) -> Result<(), AwsError> {
    check_arn(&arn)?;
    match call.managed(&arn) {
        None => return Err(error::policy_not_attachable(&arn)),
        Some(Managed::Aws(policy)) if policy.is_for_services() && !on.is_for_services() => {
            return Err(error::policy_not_yours(&arn));
        }
        Some(_) => {}
    }
    let attached = &on.grants().attached;
    if attached.contains(&arn) {
        return Ok(());
    }
    if attached.len() >= MOST_ATTACHED {
        let quota = format!("PoliciesPer{}", T::NOUN_CAPITAL);
        return Err(error::quota(&quota, MOST_ATTACHED));
    }
    call.modify(on, |holder| {
        holder.grants_mut().attached.insert(arn);
    });
    Ok(())
}

fn detach<T: Holder>(call: &mut Change, on: &Stored<T>, arn: &str) -> Result<(), AwsError> {
    check_arn(arn)?;
    if !on.grants().attached.contains(arn) {
        return Err(error::policy_not_found(arn));
    }
    call.modify(on, |holder| {
        holder.grants_mut().attached.remove(arn);
    });
    Ok(())
}

/// The managed policies of one of them, those whose path is under the prefix.
pub fn attached(
    view: &View,
    grants: &Grants,
    prefix: Option<&str>,
) -> impl Iterator<Item = api::AttachedPolicy> {
    grants.attached.iter().filter_map(move |arn| {
        let policy = view.managed(arn)?;
        is_under(policy.path(), prefix).then(|| api::AttachedPolicy {
            policy_name: Some(policy.name().to_owned()),
            policy_arn: Some(arn.clone()),
        })
    })
}

fn attached_page(
    view: &View,
    grants: &Grants,
    prefix: Option<&str>,
    marker: Option<&str>,
    max_items: Option<i32>,
) -> Result<Page<api::AttachedPolicy>, AwsError> {
    let all = attached(view, grants, prefix);
    paged(all, marker, max_items, |p| {
        p.policy_arn.clone().unwrap_or_default()
    })
}

pub fn put_user_policy(call: &mut Change, input: api::PutUserPolicyInput) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    put(call, &user, input.policy_name, input.policy_document)
}

pub fn get_user_policy(
    view: &View,
    input: api::GetUserPolicyInput,
) -> Result<api::GetUserPolicyOutput, AwsError> {
    let user = view.user(&input.user_name)?;
    let document = own(&user.value, &input.policy_name)?;
    Ok(api::GetUserPolicyOutput {
        user_name: Some(user.name.clone()),
        policy_name: Some(input.policy_name),
        policy_document: Some(document),
    })
}

pub fn delete_user_policy(
    call: &mut Change,
    input: api::DeleteUserPolicyInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    delete(call, &user, &input.policy_name)
}

pub fn list_user_policies(
    view: &View,
    input: api::ListUserPoliciesInput,
) -> Result<api::ListUserPoliciesOutput, AwsError> {
    let user = view.user(&input.user_name)?;
    let page = names(&user.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListUserPoliciesOutput {
        policy_names: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn attach_user_policy(
    call: &mut Change,
    input: api::AttachUserPolicyInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    attach(call, &user, input.policy_arn)
}

pub fn detach_user_policy(
    call: &mut Change,
    input: api::DetachUserPolicyInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    detach(call, &user, &input.policy_arn)
}

pub fn list_attached_user_policies(
    view: &View,
    input: api::ListAttachedUserPoliciesInput,
) -> Result<api::ListAttachedUserPoliciesOutput, AwsError> {
    let user = view.user(&input.user_name)?;
    let page = attached_page(
        view,
        &user.grants,
        input.path_prefix.as_deref(),
        input.marker.as_deref(),
        input.max_items,
    )?;
    Ok(api::ListAttachedUserPoliciesOutput {
        attached_policies: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn put_group_policy(
    call: &mut Change,
    input: api::PutGroupPolicyInput,
) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    put(call, &group, input.policy_name, input.policy_document)
}

pub fn get_group_policy(
    view: &View,
    input: api::GetGroupPolicyInput,
) -> Result<api::GetGroupPolicyOutput, AwsError> {
    let group = view.group(&input.group_name)?;
    let document = own(&group.value, &input.policy_name)?;
    Ok(api::GetGroupPolicyOutput {
        group_name: Some(group.name.clone()),
        policy_name: Some(input.policy_name),
        policy_document: Some(document),
    })
}

pub fn delete_group_policy(
    call: &mut Change,
    input: api::DeleteGroupPolicyInput,
) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    delete(call, &group, &input.policy_name)
}

pub fn list_group_policies(
    view: &View,
    input: api::ListGroupPoliciesInput,
) -> Result<api::ListGroupPoliciesOutput, AwsError> {
    let group = view.group(&input.group_name)?;
    let page = names(&group.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListGroupPoliciesOutput {
        policy_names: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn attach_group_policy(
    call: &mut Change,
    input: api::AttachGroupPolicyInput,
) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    attach(call, &group, input.policy_arn)
}

pub fn detach_group_policy(
    call: &mut Change,
    input: api::DetachGroupPolicyInput,
) -> Result<(), AwsError> {
    let group = call.group(&input.group_name)?;
    detach(call, &group, &input.policy_arn)
}

pub fn list_attached_group_policies(
    view: &View,
    input: api::ListAttachedGroupPoliciesInput,
) -> Result<api::ListAttachedGroupPoliciesOutput, AwsError> {
    let group = view.group(&input.group_name)?;
    let page = attached_page(
        view,
        &group.grants,
        input.path_prefix.as_deref(),
        input.marker.as_deref(),
        input.max_items,
    )?;
    Ok(api::ListAttachedGroupPoliciesOutput {
        attached_policies: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn put_role_policy(call: &mut Change, input: api::PutRolePolicyInput) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    put(call, &role, input.policy_name, input.policy_document)
}

pub fn get_role_policy(
    view: &View,
    input: api::GetRolePolicyInput,
) -> Result<api::GetRolePolicyOutput, AwsError> {
    let role = view.role(&input.role_name)?;
    let document = own(&role.value, &input.policy_name)?;
    Ok(api::GetRolePolicyOutput {
        role_name: Some(role.name.clone()),
        policy_name: Some(input.policy_name),
        policy_document: Some(document),
    })
}

pub fn delete_role_policy(
    call: &mut Change,
    input: api::DeleteRolePolicyInput,
) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    delete(call, &role, &input.policy_name)
}

pub fn list_role_policies(
    view: &View,
    input: api::ListRolePoliciesInput,
) -> Result<api::ListRolePoliciesOutput, AwsError> {
    let role = view.role(&input.role_name)?;
    let page = names(&role.value, input.marker.as_deref(), input.max_items)?;
    Ok(api::ListRolePoliciesOutput {
        policy_names: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn attach_role_policy(
    call: &mut Change,
    input: api::AttachRolePolicyInput,
) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    attach(call, &role, input.policy_arn)
}

pub fn detach_role_policy(
    call: &mut Change,
    input: api::DetachRolePolicyInput,
) -> Result<(), AwsError> {
    let role = call.own_role(&input.role_name)?;
    detach(call, &role, &input.policy_arn)
}

pub fn list_attached_role_policies(
    view: &View,
    input: api::ListAttachedRolePoliciesInput,
) -> Result<api::ListAttachedRolePoliciesOutput, AwsError> {
    let role = view.role(&input.role_name)?;
    let page = attached_page(
        view,
        &role.grants,
        input.path_prefix.as_deref(),
        input.marker.as_deref(),
        input.max_items,
    )?;
    Ok(api::ListAttachedRolePoliciesOutput {
        attached_policies: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}
