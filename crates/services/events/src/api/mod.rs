//! EventBridge's handlers, a file for each resource.

pub mod api_destinations;
pub mod archives;
pub mod buses;
pub mod connections;
pub mod events;
pub mod permissions;
pub mod replays;
pub mod rules;
pub mod tags;
pub mod targets;

use crate::Events;
use crate::error;
use crate::model::{Bus, Rule};
use neargate_service::events::DEFAULT_BUS;
use neargate_service::page::{Paged, page};
use neargate_service::{AwsError, Committed, Ctx, Stored, Tx, db};

/// The most of a page, and what it has where nothing is said.
const PAGE: usize = 100;

/// The bus; of the default one that has no record yet, what it is then.
async fn bus(cx: &Ctx, name: &str) -> Result<(Option<Stored<Bus>>, Bus), AwsError> {
    match cx.db().get::<Bus>(&cx.scope, name).await? {
        Some(stored) => {
            let bus = stored.value.clone();
            Ok((Some(stored), bus))
        }
        None if name == DEFAULT_BUS => Ok((
            None,
            Bus {
                name: name.to_owned(),
                ..Bus::default()
            },
        )),
        None => Err(error::bus_not_found(name)),
    }
}

/// Changes a bus, whether or not it has a record.
async fn change_bus(
    cx: &Ctx,
    name: &str,
    change: impl Fn(&mut Bus) -> Result<(), AwsError> + Send + Sync,
) -> Result<Bus, AwsError> {
    loop {
        let (stored, mut bus) = bus(cx, name).await?;
        change(&mut bus)?;
        let tx = match &stored {
            Some(stored) => cx.db().tx().update(stored, &bus),
            None => cx.db().tx().create(db::key::<Bus>(&cx.scope, name), &bus),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(bus);
        }
    }
}

async fn rule(cx: &Ctx, bus: &str, name: &str) -> Result<Stored<Rule>, AwsError> {
    let found = cx.db().get::<Rule>(&cx.scope, &Rule::id(bus, name)).await?;
    match found {
        Some(rule) => Ok(rule),
        None => {
            self::bus(cx, bus).await?;
            Err(error::rule_not_found(name, bus))
        }
    }
}

/// Commits, and waits until events see what was written. `false`: somebody else was first.
async fn commit(events: &Events, tx: Tx) -> Result<bool, AwsError> {
    match tx.commit().await? {
        Committed::At(revision) => {
            events.index.at(revision).await;
            Ok(true)
        }
        Committed::Conflict => Ok(false),
    }
}

/// A page of these.
fn paged<T>(
    all: Vec<T>,
    token: Option<&str>,
    limit: Option<i32>,
    key: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let limit = limit.and_then(|n| usize::try_from(n).ok()).unwrap_or(PAGE);
    page(all, token, limit.clamp(1, PAGE), key).map_err(|_| error::invalid_token())
}
