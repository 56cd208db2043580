//! Saved queries as the store keeps them. Written by the API alone.

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// "You can save as many as 1,000 queries, per Region per account."
pub const MAX_DEFINITIONS: usize = 1_000;

/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_QueryDefinition.html>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryDefinition {
    pub name: String,
    pub text: String,
    pub language: String,
    pub groups: Vec<String>,
    pub modified: Timestamp,
    /// That of the call that made it.
    #[serde(default)]
    pub token: Option<String>,
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    pub default: Option<String>,
    pub description: Option<String>,
}

impl Resource for QueryDefinition {
    const KIND: &'static str = "logs/query-definition";
}
