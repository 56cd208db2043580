//! What Parameter Store stores, all of it written by the API and by [`crate::expiration`].

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `ssm/parameter/…/<name>`; a name may have slashes, and one of a single level is without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub name: String,
    /// Oldest first; there is always one.
    pub versions: Vec<Version>,
    #[serde(default)]
    pub tags: Tags,
}

impl Resource for Parameter {
    const KIND: &'static str = "ssm/parameter";
}

impl Parameter {
    pub(crate) fn newest(&self) -> &Version {
        self.versions.last().expect("a parameter has a version")
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    pub number: i64,
    pub value: Value,
    /// `text` or `aws:ec2:image`.
    pub data_type: String,
    /// `Standard` or `Advanced`.
    pub tier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Policy>,
    #[serde(default)]
    pub labels: BTreeSet<String>,
    pub modified_at: Timestamp,
    /// The ARN of who wrote it.
    pub modified_by: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    String(String),
    StringList(String),
    Secure {
        /// As the caller named the key.
        key_id: String,
        /// What KMS made of it, in base64.
        ciphertext: String,
    },
}

impl Value {
    /// As callers see it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::String(_) => "String",
            Value::StringList(_) => "StringList",
            Value::Secure { .. } => "SecureString",
        }
    }

    pub(crate) fn key_id(&self) -> Option<&str> {
        match self {
            Value::Secure { key_id, .. } => Some(key_id),
            _ => None,
        }
    }
}

/// When a parameter ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// As it was sent.
    pub text: String,
    pub expires_at: Timestamp,
}
