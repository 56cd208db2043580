//! Devices for a second factor.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::sealing::Sealed;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};

/// `iam/mfa-device/…/<path and name>`: a virtual device, which shows codes made of a seed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MfaDevice {
    pub name: String,
    pub path: String,
    /// Under the key of this record.
    pub seed: Sealed,
    /// The unique id of the user that it is enabled for.
    pub user: Option<String>,
    pub enabled_at: Option<Timestamp>,
    /// How many codes its clock is before ours, as it was when it was enabled or brought in step.
    pub ahead: i64,
    pub tags: Tags,
}

impl Resource for MfaDevice {
    const KIND: &'static str = "iam/mfa-device";
}
