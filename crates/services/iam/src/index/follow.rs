//! Feeds the index: a listing, then every change; after a gap, again.

use super::{Account, Index};
use neargate_base::backoff::Backoff;
use neargate_base::{AccountId, Rng};
use neargate_service::{AwsError, Db};
use neargate_store::{Entry, Event, MAX_PAGE, Revision};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

const REOPEN_FIRST: Duration = Duration::from_millis(50);
const REOPEN_MAX: Duration = Duration::from_secs(5);
/// The keys of all of IAM's records.
const OURS: &str = "iam/";

type Accounts = BTreeMap<AccountId, Arc<Account>>;

/// Keeps `index` in step with the store until the future is dropped.
pub async fn follow(index: Arc<Index>, db: Db, rng: Arc<Rng>) {
    let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
    loop {
        let Err(error) = once(&index, &db, &mut backoff).await;
        tracing::warn!(%error, "IAM's index is read again");
        tokio::time::sleep(backoff.next_delay(&rng)).await;
    }
}

async fn once(index: &Index, db: &Db, backoff: &mut Backoff) -> Result<Infallible, AwsError> {
    let (accounts, revision) = list(db).await?;
    *index.accounts.write() = accounts;
    index.seen.send_replace(Some(revision));
    let mut watch = db.store().watch(OURS, Some(revision + 1)).await?;
    loop {
        let batch = watch.next().await?;
        backoff.reset();
        {
            let mut accounts = index.accounts.write();
            for event in &batch.events {
                apply(&mut accounts, event);
            }
        }
        index.seen.send_replace(Some(batch.revision));
    }
}

/// Everything of one snapshot.
async fn list(db: &Db) -> Result<(Accounts, Revision), AwsError> {
    let mut accounts = Accounts::new();
    let mut at: Option<Revision> = None;
    let mut after: Option<String> = None;
    loop {
        let store = db.store();
        let page = store.range(OURS, after.as_deref(), MAX_PAGE, at).await?;
        after = page.entries.last().map(|e| e.key.clone());
        for entry in page.entries {
            apply(&mut accounts, &Event::Put(entry));
        }
        if !page.more {
            // What was deleted meanwhile left no event.
            for account in accounts.values_mut() {
                Arc::make_mut(account).state = page.revision;
            }
            return Ok((accounts, page.revision));
        }
        at = Some(page.revision);
    }
}

/// A record that cannot be read is as good as none: who is not known may nothing.
fn apply(accounts: &mut Accounts, event: &Event) {
    let (Event::Put(Entry { key, .. }) | Event::Delete { key, .. }) = event;
    let Some((kind, account, id)) = parts(key) else {
        return;
    };
    let account = Arc::make_mut(accounts.entry(account).or_default());
    if let Err(error) = account.apply(kind, id, event) {
        tracing::error!(%error, key, "a record of IAM cannot be read");
        account.remove(kind, id);
    }
}

/// `iam/user`, the account and the id of `iam/user/ACCOUNT/REGION/ID`.
fn parts(key: &str) -> Option<(&str, AccountId, &str)> {
    let (second, _) = key.match_indices('/').nth(1)?;
    let (kind, rest) = key.split_at(second);
    let mut rest = rest[1..].splitn(3, '/');
    let account = rest.next()?.parse().ok()?;
    Some((kind, account, rest.nth(1)?))
}
