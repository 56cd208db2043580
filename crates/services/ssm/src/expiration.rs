//! Parameters that have a policy of expiration end by themselves.

use crate::error;
use crate::event::{self, Change};
use crate::model::{Parameter, Policy};
use neargate_base::Timestamp;
use neargate_service::db::Committed;
use neargate_service::{AwsError, House, Resource, Scope};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(60);

/// Has the parameter ended?
pub(crate) fn is_over(parameter: &Parameter, now: Timestamp) -> bool {
    let mut policies = parameter.newest().policies.iter();
    policies.any(|policy| policy.expires_at <= now)
}

pub(crate) async fn run(house: Arc<House>) {
    loop {
        if let Err(error) = look(&house).await {
            tracing::warn!(%error, "parameters end later");
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub(crate) async fn look(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", Parameter::KIND);
    for stored in house.db.list_prefix::<Parameter>(&all).await? {
        if is_over(&stored, house.now()) {
            // One that changes meanwhile is looked at again the next time.
            let mut tx = house.db.tx().delete(&stored);
            if let Some(scope) = Scope::of_key(&stored.key) {
                tx = event::posted(tx, house, &scope, &stored, Change::Delete);
            }
            let gone = tx.commit().await?;
            let (Committed::At(_) | Committed::Conflict) = gone;
        }
    }
    Ok(())
}

/// The policies that a caller sent: a JSON list of objects.
///
/// # Errors
/// They are malformed, or of a kind that is not acted on here.
pub(crate) fn parse(text: &str) -> Result<Vec<Policy>, AwsError> {
    let malformed = || error::invalid_policy("The policies are not a JSON list of policies.");
    let list: Vec<Value> = serde_json::from_str(text).map_err(|_| malformed())?;
    list.iter()
        .map(|policy| {
            let kind = policy["Type"].as_str().ok_or_else(malformed)?;
            if kind != "Expiration" {
                return Err(error::invalid_policy_type(kind));
            }
            let at = policy["Attributes"]["Timestamp"].as_str();
            let at = at.and_then(|at| at.parse::<jiff::Timestamp>().ok());
            let at = at.ok_or_else(|| error::invalid_policy("The Timestamp is not valid."))?;
            Ok(Policy {
                text: policy.to_string(),
                expires_at: Timestamp::from_millis(at.as_millisecond()),
            })
        })
        .collect()
}
