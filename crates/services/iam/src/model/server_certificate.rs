//! Certificates of servers.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::sealing::Sealed;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `iam/server-certificate/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerCertificate {
    pub name: String,
    pub path: String,
    /// `ASCA…`.
    pub unique_id: String,
    /// In PEM.
    pub body: String,
    pub chain: Option<String>,
    /// In PEM, under `iam server certificate` and the unique id, which stays when the name changes.
    pub private_key: Sealed,
    pub uploaded_at: Timestamp,
    pub expires_at: Timestamp,
    pub tags: Tags,
}

impl Resource for ServerCertificate {
    const KIND: &'static str = "iam/server-certificate";
}
