//! Customer managed policies; AWS's own are [`crate::aws`].

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `iam/policy/…/<name>`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Policy {
    pub name: String,
    pub path: String,
    /// `ANPA…`.
    pub unique_id: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub description: Option<String>,
    /// The oldest first, never empty.
    pub versions: Vec<PolicyVersion>,
    /// The number of the version that is in force.
    pub default: u32,
    /// The number of the newest version there ever was.
    pub newest: u32,
    pub tags: Tags,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// 3 of `v3`.
    pub number: u32,
    pub document: String,
    pub created_at: Timestamp,
}

impl Policy {
    pub fn version(&self, number: u32) -> Option<&PolicyVersion> {
        self.versions.iter().find(|v| v.number == number)
    }

    /// The text that is in force.
    pub fn document(&self) -> &str {
        let version = self.version(self.default);
        &version.expect("the default version is there").document
    }
}

impl Resource for Policy {
    const KIND: &'static str = "iam/policy";
}
