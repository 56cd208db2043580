//! What CodeStar Notifications stores.

use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope};
use serde::{Deserialize, Serialize};

/// A topic, and what kind of target it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    pub kind: String,
    pub address: String,
}

/// `codestar-notifications/rule/…/<id>`. The API writes it; the controller writes `observed`, and takes a rule away
/// that is being deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub id: String,
    pub name: String,
    /// Ids of event types, in order.
    pub event_types: Vec<String>,
    /// The ARN of what is told of.
    pub resource: String,
    #[serde(default)]
    pub targets: Vec<Target>,
    pub detail_type: String,
    pub enabled: bool,
    pub created_by: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Rises with each change that EventBridge has to know.
    pub generation: u64,
    /// The generation that EventBridge knows.
    #[serde(default)]
    pub observed: u64,
    #[serde(default)]
    pub deleting: bool,
}

impl Resource for Rule {
    const KIND: &'static str = "codestar-notifications/rule";
}

/// `codestar-notifications/name/…/<name>`: no two rules have one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Name {
    pub id: String,
}

impl Resource for Name {
    const KIND: &'static str = "codestar-notifications/name";
}

pub fn arn(scope: &Scope, id: &str) -> String {
    scope.arn("codestar-notifications", format!("notificationrule/{id}"))
}
