//! What Secrets Manager stores, all of it written by the API and by [`crate::deletion`].

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::sealing::Sealed;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `secretsmanager/secret/…/<name>`; a name may have slashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub name: String,
    /// The six characters at the end of its ARN.
    pub suffix: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As the caller named it; none is `aws/secretsmanager`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    pub created_at: Timestamp,
    pub changed_at: Timestamp,
    /// The day of the last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessed_at: Option<Timestamp>,
    /// When it ends, if it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// The region of the secret that this one is a replica of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_region: Option<String>,
    /// Its replicas, by their regions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<String, Replica>,
    #[serde(default)]
    pub tags: Tags,
    /// By their ids.
    #[serde(default)]
    pub versions: BTreeMap<String, Version>,
}

impl Resource for Secret {
    const KIND: &'static str = "secretsmanager/secret";
}

/// A replica as the secret itself knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// A key of its region; none is `aws/secretsmanager`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A version without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// A version without a label is deprecated, and goes in time.
    #[serde(default)]
    pub stages: BTreeSet<String>,
    pub created_at: Timestamp,
    /// The day of the last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessed_at: Option<Timestamp>,
    /// The ARN of the KMS key, or `DefaultEncryptionKey`.
    pub kms_key: String,
}

/// `secretsmanager/value/…/<name>:<suffix>:<version>`: no name has a colon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    pub is_binary: bool,
    /// The data key, as KMS encrypted it, in base64.
    pub data_key: String,
    /// The value, under the data key.
    pub sealed: Sealed,
}

impl Resource for Value {
    const KIND: &'static str = "secretsmanager/value";
}
