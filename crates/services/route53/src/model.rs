//! What Route 53 stores besides zones and record sets ([`neargate_service::dns`]).

use neargate_api_route53 as api;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::dns::RecordSet;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
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

/// `route53/health-check/…/<id>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    pub caller_reference: String,
    pub version: i64,
    pub config: Json<api::HealthCheckConfig>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for HealthCheck {
    const KIND: &'static str = "route53/health-check";
}
