//! What happens to instances and snapshots: kept for `DescribeEvents`, and told to EventBridge
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html>).

use crate::model::Happening;
use neargate_base::Timestamp;
use neargate_service::db::{self, Tx};
use neargate_service::events::Event;
use neargate_service::{AwsError, House, Resource, Scope};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::timestamp;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long they are kept.
pub const KEPT: Duration = Duration::from_hours(14 * 24);
const LOOK: Duration = Duration::from_hours(1);
/// As many changes as one transaction takes with room to spare.
const AT_ONCE: usize = 100;

/// Whom it happens to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    Instance,
    Snapshot,
}

impl To {
    pub fn source_type(self) -> &'static str {
        match self {
            To::Instance => "db-instance",
            To::Snapshot => "db-snapshot",
        }
    }
}

/// Adds to the transaction that this happens to what has this identifier. `rds_event` is AWS's number.
pub fn add(
    tx: Tx,
    house: &House,
    scope: &Scope,
    (to, identifier): (To, &str),
    (rds_event, category, message): (&str, &str, &str),
) -> Tx {
    let resource = match to {
        To::Instance => format!("db:{identifier}"),
        To::Snapshot => format!("snapshot:{identifier}"),
    };
    let happening = Happening {
        source_type: to.source_type().to_owned(),
        source: identifier.to_owned(),
        source_arn: scope.arn("rds", resource),
        message: message.to_owned(),
        categories: vec![category.to_owned()],
        at: house.now(),
    };
    let id = format!("{:015}-{}", happening.at.as_millis(), house.rng.hex(8));
    let tx = tx.put(db::key::<Happening>(scope, &id), &happening);
    let detail_type = match to {
        To::Instance => "RDS DB Instance Event",
        To::Snapshot => "RDS DB Snapshot Event",
    };
    house.events.post(tx, scope, "aws.rds", detail_type, || {
        let source_type = match to {
            To::Instance => "DB_INSTANCE",
            To::Snapshot => "SNAPSHOT",
        };
        let date = timestamp::format(happening.at, TimestampFormat::DateTime);
        let detail = json!({
            "EventCategories": happening.categories,
            "SourceType": source_type,
            "SourceArn": happening.source_arn,
            "Date": date,
            "Message": happening.message,
            "SourceIdentifier": happening.source,
            "EventID": rds_event,
        });
        let resources = vec![happening.source_arn.clone()];
        Event::new(house, "aws.rds", detail_type, resources, detail)
    })
}

/// Forgets old ones until the future is dropped.
pub async fn forget(house: Arc<House>) {
    loop {
        if let Err(error) = forget_once(&house).await {
            tracing::warn!(%error, "old events of RDS are kept for longer");
        }
        tokio::time::sleep(LOOK).await;
    }
}

pub async fn forget_once(house: &House) -> Result<(), AwsError> {
    let all = house
        .db
        .list_prefix::<Happening>(&format!("{}/", Happening::KIND))
        .await?;
    let now: Timestamp = house.now();
    let old: Vec<String> = all
        .into_iter()
        .filter(|happening| now.since(happening.at) > KEPT)
        .map(|happening| happening.key)
        .collect();
    for keys in old.chunks(AT_ONCE) {
        let tx = keys
            .iter()
            .fold(house.db.tx(), |tx, key| tx.delete_key(key.clone()));
        let _ = tx.within_reserve().commit().await?;
    }
    Ok(())
}
