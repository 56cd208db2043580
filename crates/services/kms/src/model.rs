//! What KMS stores, all of it written by the API and by [`crate::schedule`].

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::sealing::Sealed;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `kms/key/…/<uuid>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    pub id: String,
    pub created_at: Timestamp,
    pub description: String,
    /// Such as `ENCRYPT_DECRYPT`.
    pub usage: String,
    /// Such as `SYMMETRIC_DEFAULT`.
    pub spec: String,
    pub origin: Origin,
    /// `secretsmanager` of `alias/aws/secretsmanager`: AWS manages the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_for: Option<String>,
    pub state: State,
    pub policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Oldest first; the last one encrypts, each decrypts what it encrypted.
    pub materials: Vec<Material>,
    /// The id of the material that was imported: no other one can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    #[serde(default)]
    pub tags: Tags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    AwsKms,
    External,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Enabled,
    Disabled,
    PendingImport,
    PendingDeletion { at: Timestamp, window_days: i32 },
}

/// Automatic rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    pub period_days: i32,
    pub next: Timestamp,
}

/// One generation of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Material {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Raw bytes, or PKCS #8; sealed in the context of the key's record.
    pub sealed: Sealed,
    /// The public half, as SubjectPublicKeyInfo in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    pub made_at: Timestamp,
    /// `AUTOMATIC` or `ON_DEMAND`; the first one has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated: Option<String>,
    /// When imported material ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
}

impl Resource for Key {
    const KIND: &'static str = "kms/key";
}

/// `kms/alias/…/<alias/name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// With `alias/`.
    pub name: String,
    pub key_id: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Resource for Alias {
    const KIND: &'static str = "kms/alias";
}

/// `kms/grant/…/<key id>:<grant id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub id: String,
    pub key_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grantee: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retiring: Option<String>,
    pub operations: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_subset: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_equals: Option<BTreeMap<String, String>>,
    /// What a call must be made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_arn: Option<String>,
    pub issued_by: String,
    pub created_at: Timestamp,
    pub token: String,
}

impl Resource for Grant {
    const KIND: &'static str = "kms/grant";
}
