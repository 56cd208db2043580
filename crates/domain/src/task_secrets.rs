//! What a task is given to keep in memory: keys of its role, and the values of its secrets. They cross
//! to the node over a connection that nobody reads, and are written nowhere.

use neargate_base::{Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Temporary keys of a role
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleCredentials {
    pub role_arn: String,
    pub access_key_id: String,
    #[serde(with = "exposed")]
    pub secret_access_key: Secret<String>,
    #[serde(with = "exposed")]
    pub token: Secret<String>,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// The secrets of a task, by the names of its containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSecrets(pub BTreeMap<String, ContainerSecrets>);

/// The secrets of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSecrets {
    pub environment: Vec<SecretVariable>,
    /// For the registry of its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<RegistryLogin>,
    /// Options of its log driver.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_options: Vec<SecretVariable>,
    /// What a log router includes of S3: none of it is secret, but only the task's execution role
    /// may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_config: Option<String>,
}

/// A variable whose value is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretVariable {
    pub name: String,
    #[serde(with = "exposed")]
    pub value: Secret<String>,
}

/// Who pulls images from a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryLogin {
    pub username: String,
    #[serde(with = "exposed")]
    pub password: Secret<String>,
}

/// A secret as it crosses.
mod exposed {
    use neargate_base::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        secret: &Secret<String>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Secret<String>, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}
