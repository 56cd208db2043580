//! IAM's handlers, a file for each resource. What they share is here: how a record is found by its
//! name, and how tags are read.

pub mod access_keys;
pub mod account;
pub mod authorization;
pub mod boundaries;
pub mod context_keys;
pub mod credential_report;
pub mod grants;
pub mod groups;
pub mod instance_profiles;
pub mod login_profiles;
pub mod managed;
pub mod mfa_devices;
pub mod oidc_providers;
pub mod policies;
pub mod roles;
pub mod server_certificates;
pub mod service_credentials;
pub mod service_linked_roles;
pub mod signing_certificates;
pub mod simulate;
pub mod ssh_keys;
pub mod tags;
pub mod users;

use crate::call::View;
use crate::error;
use crate::index::Record;
use crate::model::{Group, InstanceProfile, Role, User};
use crate::name;
use neargate_api_iam as api;
use neargate_service::identity::Kind;
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

type Found<T> = Result<Arc<Stored<T>>, AwsError>;

fn found<T: Record>(view: &View, noun: &str, name: &str) -> Found<T> {
    let found = T::shelf(view).named(name).cloned();
    found.ok_or_else(|| error::not_found(noun, name))
}

impl View {
    fn user(&self, name: &str) -> Found<User> {
        found(self, "user", name)
    }

    fn group(&self, name: &str) -> Found<Group> {
        found(self, "group", name)
    }

    fn role(&self, name: &str) -> Found<Role> {
        found(self, "role", name)
    }

    /// A role that the caller may change: not one that is linked to a service.
    fn own_role(&self, name: &str) -> Found<Role> {
        let role = self.role(name)?;
        match role.linked_to {
            Some(_) => Err(error::protected(&role.name)),
            None => Ok(role),
        }
    }

    fn profile(&self, name: &str) -> Found<InstanceProfile> {
        let found = self.profiles.named(name).cloned();
        found.ok_or_else(|| error::profile_not_found(name))
    }

    /// The user that a call means: the one it names, or the one who calls. `None`: the account's
    /// root.
    fn meant(&self, name: Option<&str>) -> Result<Option<Arc<Stored<User>>>, AwsError> {
        let caller = &self.cx.principal;
        match (name, caller.kind) {
            (Some(name), _) => self.user(name).map(Some),
            (None, Kind::Root) => Ok(None),
            (None, Kind::User) => self.user(name::last(&caller.arn)).map(Some),
            (None, _) => Err(error::users_only()),
        }
    }

    /// The same where the root has none of what the call is about.
    fn meant_user(&self, name: Option<&str>) -> Found<User> {
        self.meant(name)?.ok_or_else(error::users_only)
    }
}

/// The tags that a new resource is given.
fn new_tags(given: Option<Vec<api::Tag>>) -> Result<Tags, AwsError> {
    tags::parse(given.unwrap_or_default())
}

/// Tags as answers about users and roles have them, and what was just made: nothing when there are
/// none.
fn shown_tags(tags: &Tags) -> Option<Vec<api::Tag>> {
    let shown = all_tags(tags);
    (!shown.is_empty()).then_some(shown)
}

/// Tags as answers about all else have them.
fn all_tags(tags: &Tags) -> Vec<api::Tag> {
    let shown = tags.iter().map(|(key, value)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    });
    shown.collect()
}

/// Is the path under the prefix that a list asks for?
fn is_under(path: &str, prefix: Option<&str>) -> bool {
    prefix.is_none_or(|prefix| path.starts_with(prefix))
}

/// As much of a kind as an account may have, unless AWS grants more.
fn check_quota(of: &str, have: usize, most: usize) -> Result<(), AwsError> {
    match have < most {
        true => Ok(()),
        false => Err(error::quota(of, most)),
    }
}
