//! What Route 53 stores besides zones and record sets ([`neargate_service::dns`]).

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::dns::RecordSet;
use serde::{Deserialize, Serialize};

/// `route53/change/…/C…`: a change of zones or records, as `GetChange` answers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub submitted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Of a batch that is too large for one transaction: its zone, and the records that are still to be
    /// written, by their keys. The [controller](crate::carry) writes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
}

impl Resource for Change {
    const KIND: &'static str = "route53/change";
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    pub zone_id: String,
    /// `None`: it goes.
    pub records: Vec<(String, Option<RecordSet>)>,
}
