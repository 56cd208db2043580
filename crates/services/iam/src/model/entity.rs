//! Who may be given policies: users, groups and roles; and instance profiles, which hold a role.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The policies of a user, a group or a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// ARNs of managed policies.
    pub attached: BTreeSet<String>,
    /// Texts of the policies that are its own, by name.
    pub inline: BTreeMap<String, String>,
}

/// `iam/user/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub path: String,
    /// `AIDA…`.
    pub unique_id: String,
    pub created_at: Timestamp,
    pub grants: Grants,
    /// The unique ids of the groups it is in.
    pub groups: BTreeSet<String>,
    /// The ARN of a managed policy.
    pub boundary: Option<String>,
    pub tags: Tags,
}

impl Resource for User {
    const KIND: &'static str = "iam/user";
}

/// `iam/group/…/<name>`; users say which groups they are in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    pub name: String,
    pub path: String,
    /// `AGPA…`.
    pub unique_id: String,
    pub created_at: Timestamp,
    pub grants: Grants,
}

impl Resource for Group {
    const KIND: &'static str = "iam/group";
}

/// `iam/role/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    /// `AROA…`.
    pub unique_id: String,
    pub created_at: Timestamp,
    pub grants: Grants,
    /// The text of the policy that says who may assume it.
    pub trust: String,
    pub description: Option<String>,
    pub max_session_seconds: u32,
    /// The ARN of a managed policy.
    pub boundary: Option<String>,
    pub tags: Tags,
    /// The service it is linked to, such as `ecs.amazonaws.com`: only that service changes it.
    pub linked_to: Option<String>,
}

impl Resource for Role {
    const KIND: &'static str = "iam/role";
}

/// `iam/instance-profile/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceProfile {
    pub name: String,
    pub path: String,
    /// `AIPA…`.
    pub unique_id: String,
    pub created_at: Timestamp,
    /// The unique id of the role it holds, if any: AWS allows one.
    pub role: Option<String>,
    pub tags: Tags,
}

impl Resource for InstanceProfile {
    const KIND: &'static str = "iam/instance-profile";
}
