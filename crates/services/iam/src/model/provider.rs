//! Identity providers that speak OpenID Connect.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `iam/oidc-provider/…/<address>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenIdProvider {
    /// Without `https://`.
    pub address: String,
    pub client_ids: BTreeSet<String>,
    pub thumbprints: Vec<String>,
    pub created_at: Timestamp,
    pub tags: Tags,
}

impl Resource for OpenIdProvider {
    const KIND: &'static str = "iam/oidc-provider";
}
