//! Feeds the index: a listing, then every change; after a gap, again.

use super::{BusKey, Compiled, Index, Lookup};
use crate::archive;
use crate::model::Rule;
use neargate_base::Rng;
use neargate_base::backoff::Backoff;
use neargate_service::event_pattern::Pattern;
use neargate_service::{AwsError, Db, Resource, Scope, db};
use neargate_store::{Entry, Event, MAX_PAGE, Revision};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// What is listed at the start, and once more after a gap.
const LISTED: [&str; 2] = [Rule::KIND, archive::Archive::KIND];
/// All of EventBridge's keys, so that nobody waits in vain for a revision that changed another.
const OURS: &str = "events/";

type Buses = HashMap<BusKey, Arc<Lookup>>;

/// Keeps `index` in step with the store until the future is dropped.
pub async fn follow(index: Arc<Index>, db: Db, rng: Arc<Rng>) {
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = once(&index, &db, &mut backoff).await;
        tracing::warn!(%error, "the rules are read again");
        tokio::time::sleep(backoff.next_delay(&rng)).await;
    }
}

async fn once(index: &Index, db: &Db, backoff: &mut Backoff) -> Result<Infallible, AwsError> {
    let (buses, revision) = list(db).await?;
    *index.buses.write() = buses;
    index.seen.send_replace(Some(revision));
    let mut watch = db.store().watch(OURS, Some(revision + 1)).await?;
    loop {
        let batch = watch.next().await?;
        backoff.reset();
        {
            let mut buses = index.buses.write();
            for event in &batch.events {
                apply(&mut buses, event);
            }
        }
        index.seen.send_replace(Some(batch.revision));
    }
}

/// Everything of one snapshot.
async fn list(db: &Db) -> Result<(Buses, Revision), AwsError> {
    let mut buses = Buses::new();
    let mut at: Option<Revision> = None;
    for kind in LISTED {
        let prefix = format!("{kind}/");
        let mut after: Option<String> = None;
        loop {
            let store = db.store();
            let page = store.range(&prefix, after.as_deref(), MAX_PAGE, at).await?;
            at = Some(page.revision);
            after = page.entries.last().map(|e| e.key.clone());
            for entry in page.entries {
                apply(&mut buses, &Event::Put(entry));
            }
            if !page.more {
                break;
            }
        }
    }
    Ok((buses, at.unwrap_or_default()))
}

fn apply(buses: &mut Buses, event: &Event) {
    let (key, entry) = match event {
        Event::Put(entry) => (&entry.key, Some(entry)),
        Event::Delete { key, .. } => (key, None),
    };
    let mut parts = key.splitn(5, '/').skip(1);
    let kind = parts.next().unwrap_or_default();
    let Some(id) = key.splitn(5, '/').nth(4) else {
        return;
    };
    let Some(scope) = Scope::of_key(key) else {
        return;
    };
    match kind {
        "rule" => {
            let Some((bus, name)) = id.split_once('/') else {
                return;
            };
            let compiled = entry.and_then(rule);
            change(buses, (scope, bus.to_owned()), |lookup| {
                lookup.rules.set(name.to_owned(), compiled);
            });
        }
        "archive" => {
            // Only the record says which bus it is of.
            let of = |(there, bus): &BusKey| (*there == scope).then(|| bus.clone());
            let holding = buses.iter().filter(|(_, l)| l.archives.get(id).is_some());
            let held: Vec<String> = holding.filter_map(|(key, _)| of(key)).collect();
            for bus in held {
                change(buses, (scope.clone(), bus), |lookup| {
                    lookup.archives.set(id.to_owned(), None);
                });
            }
            if let Some((bus, compiled)) = entry.and_then(archived) {
                change(buses, (scope, bus), |lookup| {
                    lookup.archives.set(id.to_owned(), Some(compiled));
                });
            }
        }
        _ => {}
    }
}

fn change(buses: &mut Buses, key: BusKey, change: impl FnOnce(&mut Lookup)) {
    let lookup = buses.entry(key.clone()).or_default();
    change(Arc::make_mut(lookup));
    if lookup.is_empty() {
        buses.remove(&key);
    }
}

/// The rule, if it is enabled. What cannot be read matches nothing.
fn rule(entry: &Entry) -> Option<Compiled<Rule>> {
    let rule = read::<Rule>(entry)?;
    let pattern = match &rule.pattern {
        Some(text) => Some(pattern(entry, text)?),
        // A schedule's own events are for it, and no others.
        None => Some(Pattern::nothing()),
    };
    rule.is_enabled().then_some(Compiled { of: rule, pattern })
}

/// The bus that it is of, and the archive, if it takes events.
fn archived(entry: &Entry) -> Option<(String, Compiled<String>)> {
    let archive = read::<archive::Archive>(entry)?;
    let pattern = match &archive.pattern {
        Some(text) => Some(pattern(entry, text)?),
        None => None,
    };
    let of = archive.name.clone();
    let compiled = Compiled { of, pattern };
    Some((archive.bus, compiled))
}

fn read<T: Resource>(entry: &Entry) -> Option<T> {
    let read = db::decode::<T>(entry);
    read.inspect_err(|error| tracing::error!(%error, key = entry.key, "a record is passed over"))
        .ok()
        .map(|stored| stored.value)
}

fn pattern(entry: &Entry, text: &str) -> Option<Pattern> {
    let read = Pattern::parse(text);
    read.inspect_err(|error| tracing::error!(%error, key = entry.key, "a pattern is passed over"))
        .ok()
}
