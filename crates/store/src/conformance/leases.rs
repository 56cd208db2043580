//! Leases: keys that live only as long as their owner.

use super::{Subject, commit, delete, get, next, put, put_leased, when};
use crate::{Event, Store, StoreError};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_secs(2);

pub(super) async fn revoke_deletes(store: &dyn Store) {
    let lease = store.grant(LONG).await.expect("grant works");
    let other = store.grant(LONG).await.expect("grant works");
    assert_ne!(lease, other, "ids are unique");
    commit(
        store,
        vec![put_leased("l/a", lease), put_leased("l/b", lease)],
    )
    .await;
    commit(store, vec![put_leased("l/c", other), put("l/d", "free")]).await;
    assert_eq!(get(store, "l/a").await.and_then(|e| e.lease), Some(lease));
    let mut watch = store.watch("l/", None).await.expect("watch works");
    store.revoke(lease).await.expect("revoke works");
    let batch = next(&mut *watch).await;
    assert_eq!(
        batch.events.len(),
        2,
        "all its keys go at one revision: {batch:?}"
    );
    assert!(
        batch
            .events
            .iter()
            .all(|e| matches!(e, Event::Delete { .. }))
    );
    assert_eq!(get(store, "l/a").await, None);
    assert!(get(store, "l/c").await.is_some() && get(store, "l/d").await.is_some());
    let error = store.revoke(lease).await.expect_err("it is gone");
    assert!(
        matches!(error, StoreError::LeaseNotFound(id) if id == lease),
        "{error}"
    );
}

pub(super) async fn attachment_follows_the_last_put(store: &dyn Store) {
    let lease = store.grant(LONG).await.expect("grant works");
    let names = ["l/freed", "l/deleted", "l/moved", "l/kept"];
    commit(store, names.iter().map(|k| put_leased(k, lease)).collect()).await;
    let other = store.grant(LONG).await.expect("grant works");
    commit(
        store,
        vec![
            put("l/freed", "1"),
            delete("l/deleted"),
            put_leased("l/moved", other),
        ],
    )
    .await;
    commit(
        store,
        vec![put("l/deleted", "again"), put_leased("l/kept", lease)],
    )
    .await;
    store.revoke(lease).await.expect("revoke works");
    for (key, stays) in names.iter().zip([true, true, true, false]) {
        assert_eq!(get(store, key).await.is_some(), stays, "{key}");
    }
}

pub(super) async fn unknown_is_refused(store: &dyn Store) {
    let missing = 1 << 40;
    let refused = |r: Result<(), StoreError>| {
        assert!(
            matches!(r, Err(StoreError::LeaseNotFound(id)) if id == missing),
            "{r:?}"
        );
    };
    refused(store.keep_alive(missing).await);
    refused(store.revoke(missing).await);
    let txn = when(vec![], vec![put("l/a", "1"), put_leased("l/b", missing)]);
    refused(store.txn(txn).await.map(|_| ()));
    assert_eq!(get(store, "l/a").await, None, "nothing of it happened");
}

pub(super) async fn expire(subject: &Subject) {
    let store = &*subject.store;
    let lease = store.grant(SHORT).await.expect("grant works");
    let longer = store.grant(LONG).await.expect("grant works");
    commit(
        store,
        vec![put_leased("l/a", lease), put_leased("l/b", longer)],
    )
    .await;
    let mut watch = store.watch("l/", None).await.expect("watch works");
    if let Some(clock) = &subject.clock {
        clock.advance(SHORT);
    }
    let batch = next(&mut *watch).await;
    assert!(
        matches!(&batch.events[..], [Event::Delete { key, .. }] if key == "l/a"),
        "{batch:?}"
    );
    assert_eq!(get(store, "l/a").await, None);
    assert!(get(store, "l/b").await.is_some());
    let error = store.keep_alive(lease).await.expect_err("too late");
    assert!(matches!(error, StoreError::LeaseNotFound(_)), "{error}");
    let txn = when(vec![], vec![put_leased("l/a", lease)]);
    assert!(matches!(
        store.txn(txn).await,
        Err(StoreError::LeaseNotFound(_))
    ));
}

/// Needs a clock that moves when told; real time would make this slow and unsure.
pub(super) async fn keep_alive_prolongs(subject: &Subject) {
    let Some(clock) = &subject.clock else { return };
    let store = &*subject.store;
    let lease = store.grant(SHORT).await.expect("grant works");
    commit(store, vec![put_leased("l/a", lease)]).await;
    for _ in 0..5 {
        clock.advance(SHORT / 2);
        store.keep_alive(lease).await.expect("still alive");
        commit(store, vec![]).await;
        assert!(get(store, "l/a").await.is_some());
    }
    clock.advance(SHORT);
    let error = store.keep_alive(lease).await.expect_err("too late");
    assert!(matches!(error, StoreError::LeaseNotFound(_)), "{error}");
    commit(store, vec![]).await;
    assert_eq!(
        get(store, "l/a").await,
        None,
        "a transaction sees leases that are due ended"
    );
}
