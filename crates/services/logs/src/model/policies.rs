//! Resource policies as the store keeps them. Written by the API alone.

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// "An account can have a maximum of 10 policies without resourceARN and one per LogGroup
/// resourceARN."
pub const MAX_ACCOUNT_POLICIES: usize = 10;

/// Its id is the policy's name, or the ARN of the log group that it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourcePolicy {
    pub document: String,
    pub updated: Timestamp,
    /// A policy of one log group.
    #[serde(default)]
    pub resource_arn: Option<String>,
    /// Another after each change.
    pub revision: String,
}

impl Resource for ResourcePolicy {
    const KIND: &'static str = "logs/resource-policy";
}
