//! How registrations of targets end: what was observed of a target goes with its record, so that
//! nothing is said of a later registration of the same.

use crate::model::{Target, TargetGroup};
use neargate_domain::load_balancer::TargetKey;
use neargate_service::db::{Committed, Stored, Tx};
use neargate_service::instance::Instance;
use neargate_service::target_health::TargetGroupHealth;
use neargate_service::{AwsError, House, Scope};

/// Adds to a transaction that nothing is known of these targets any more.
pub(crate) async fn forgotten(
    house: &House,
    scope: &Scope,
    tx: Tx,
    group: &str,
    gone: &[TargetKey],
) -> Result<Tx, AwsError> {
    let Some(read) = house.db.get::<TargetGroupHealth>(scope, group).await? else {
        return Ok(tx);
    };
    let mut new = read.value.clone();
    new.targets.retain(|target| !gone.contains(&target.key));
    match new.targets.len() == read.targets.len() {
        true => Ok(tx),
        false => Ok(tx.update(&read, &new)),
    }
}

/// Deletes the target under a store key, if its time is over: it has drained for as long as its
/// group allows, its group was deleted, or its instance has ended.
///
/// # Errors
/// The store's.
pub(crate) async fn end(house: &House, key: &str) -> Result<(), AwsError> {
    let (Some(scope), Some(group)) = (Scope::of_key(key), key.rsplit('/').nth(1)) else {
        return Ok(());
    };
    loop {
        let Some(read) = house.db.get_key::<Target>(key).await? else {
            return Ok(());
        };
        if !is_over(house, &scope, group, &read).await? {
            return Ok(());
        }
        let gone = TargetKey {
            id: read.id.clone(),
            port: read.port,
        };
        let tx = house.db.tx().delete(&read);
        let tx = forgotten(house, &scope, tx, group, &[gone]).await?;
        if let Committed::At(_) = tx.commit().await? {
            return Ok(());
        }
    }
}

async fn is_over(
    house: &House,
    scope: &Scope,
    group: &str,
    target: &Stored<Target>,
) -> Result<bool, AwsError> {
    if target
        .draining_until
        .is_some_and(|until| until <= house.now())
    {
        return Ok(true);
    }
    if house.db.get::<TargetGroup>(scope, group).await?.is_none() {
        return Ok(true);
    }
    if !target.id.starts_with("i-") {
        return Ok(false);
    }
    let instance = house.db.get::<Instance>(scope, &target.id).await?;
    Ok(instance.is_none_or(|i| i.has_ended()))
}
