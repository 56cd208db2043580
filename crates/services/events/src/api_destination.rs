//! API destinations: endpoints on HTTP that events are sent to
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html>).

use neargate_base::{Arn, Timestamp};
use neargate_service::{Resource, Scope};
use serde::{Deserialize, Serialize};

/// What AWS takes where nothing is said.
pub const DEFAULT_RATE_PER_SECOND: u32 = 300;

/// `events/api-destination/…/<name>`, written by the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiDestination {
    pub name: String,
    /// The end of its ARN.
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub connection_arn: String,
    /// A `*` in its path stands for what a target gives.
    pub endpoint: String,
    pub method: String,
    pub rate_per_second: u32,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

impl Resource for ApiDestination {
    const KIND: &'static str = "events/api-destination";
}

impl ApiDestination {
    pub fn arn(&self, scope: &Scope) -> String {
        let name = format!("api-destination/{}/{}", self.name, self.id);
        scope.arn("events", name)
    }
}

/// Where a connection or an API destination is, and its name and id.
pub fn named(arn: &str, kind: &str) -> Option<(Scope, String, String)> {
    let parsed: Arn = arn.parse().ok()?;
    let rest = parsed.resource.strip_prefix(kind)?.strip_prefix('/')?;
    let (name, id) = rest.split_once('/')?;
    (parsed.service == "events").then_some(())?;
    Some((Scope::of_arn(arn)?, name.to_owned(), id.to_owned()))
}
