//! What SNS stores, all of it written by the API.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `sns/topic/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Topic {
    pub name: String,
    pub created_at: Timestamp,
    /// Those that were set, by AWS's names.
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
}

impl Resource for Topic {
    const KIND: &'static str = "sns/topic";
}
