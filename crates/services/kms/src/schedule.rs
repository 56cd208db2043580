//! What happens to keys by itself: they are rotated, imported material ends, and those that were
//! scheduled for it are deleted.

use crate::model::{Alias, Grant, Key, Origin, Rotation, State};
use crate::symmetric;
use neargate_base::Timestamp;
use neargate_service::db::{Committed, Stored, prefix};
use neargate_service::{AwsError, House, Resource, Scope};
use std::sync::Arc;
use std::time::Duration;

const LOOK: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(crate) fn days(n: i32) -> Duration {
    DAY * n.unsigned_abs()
}

/// Automatic rotation that begins now.
pub(crate) fn rotation(now: Timestamp, period_days: i32) -> Rotation {
    Rotation {
        period_days,
        next: now + days(period_days),
    }
}

pub(crate) async fn run(house: Arc<House>) {
    loop {
        if let Err(error) = look(&house).await {
            tracing::warn!(%error, "keys are looked at later");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Does what is due.
pub(crate) async fn look(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", Key::KIND);
    for stored in house.db.list_prefix::<Key>(&all).await? {
        if matches!(stored.state, State::PendingDeletion { at, .. } if at <= house.now()) {
            delete(house, stored).await?;
        } else if let Some(changed) = changed(house, &stored) {
            // One that changes meanwhile is looked at again the next time.
            let write = house.db.tx().update(&stored, &changed);
            let (Committed::At(_) | Committed::Conflict) = write.commit().await?;
        }
    }
    Ok(())
}

/// The key as it is to be, if that is not as it is.
fn changed(house: &House, stored: &Stored<Key>) -> Option<Key> {
    let now = house.now();
    let mut key = stored.value.clone();
    let ended = |key: &Key| key.materials.last()?.valid_to.filter(|end| *end <= now);
    if key.origin == Origin::External && ended(&key).is_some() {
        key.materials.clear();
        key.state = State::PendingImport;
        return Some(key);
    }
    let due = key.rotation.as_ref().filter(|r| r.next <= now)?;
    let period_days = due.period_days;
    // A key that is disabled is rotated once it is enabled again.
    (key.state == State::Enabled).then(|| {
        key.rotation = Some(rotation(now, period_days));
        let material = symmetric::new_material(house, &stored.key, Some("AUTOMATIC"));
        key.materials.push(material);
        key
    })
}

/// A key goes with its aliases and grants.
async fn delete(house: &House, stored: Stored<Key>) -> Result<(), AwsError> {
    let Some(scope) = Scope::of_key(&stored.key) else {
        return Ok(());
    };
    let mut tx = house.db.tx().delete(&stored);
    for alias in house.db.list::<Alias>(&scope).await? {
        if alias.key_id == stored.id {
            tx = tx.delete(&alias);
        }
    }
    let grants = format!("{}{}:", prefix::<Grant>(&scope), stored.id);
    for grant in house.db.list_prefix::<Grant>(&grants).await? {
        tx = tx.delete(&grant);
    }
    let (Committed::At(_) | Committed::Conflict) = tx.commit().await?;
    Ok(())
}
