//! Writing, reading back, preconditions, atomicity.

use super::{commit, delete, get, put, when};
use crate::{Compare, Store, TxnOutcome};

pub(super) async fn reads_what_it_wrote(store: &dyn Store) {
    assert_eq!(get(store, "a").await, None, "a fresh store is empty");
    let first = commit(store, vec![put("a", "1"), put("b", "2")]).await;
    assert!(first > 0, "revision 0 is before anything");
    let a = get(store, "a").await.expect("a was put");
    assert_eq!(
        (&a.value[..], a.create_revision, a.mod_revision),
        (&b"1"[..], first, first)
    );
    assert_eq!(
        get(store, "b").await.map(|e| e.mod_revision),
        Some(first),
        "one revision for all"
    );

    let second = commit(store, vec![put("a", "3")]).await;
    assert!(second > first, "revisions strictly increase");
    let a = get(store, "a").await.expect("a is still there");
    assert_eq!((a.create_revision, a.mod_revision), (first, second));

    commit(store, vec![delete("a")]).await;
    assert_eq!(get(store, "a").await, None);
    let again = commit(store, vec![put("a", "4")]).await;
    let a = get(store, "a").await.expect("a is back");
    assert_eq!(a.create_revision, again, "a deleted key is created anew");
    assert!(store.revision().await.expect("revision works") >= again);
}

pub(super) async fn compares_guard(store: &dyn Store) {
    let absent = || Compare::ModRevision("k".into(), 0);
    let txn = when(vec![absent()], vec![put("k", "1")]);
    let Ok(TxnOutcome::Committed(first)) = store.txn(txn.clone()).await else {
        panic!("an absent key has mod_revision 0");
    };
    match store.txn(txn).await {
        Ok(TxnOutcome::Conflict(at)) => assert!(at >= first, "conflict at {at} before {first}"),
        other => panic!("the key exists, but: {other:?}"),
    }
    let at = |revision| Compare::ModRevision("k".into(), revision);
    let stale = when(vec![at(first + 1)], vec![put("k", "x")]);
    assert!(matches!(
        store.txn(stale).await,
        Ok(TxnOutcome::Conflict(_))
    ));
    let exact = when(
        vec![at(first), Compare::Exists("k".into())],
        vec![put("k", "2")],
    );
    assert!(matches!(
        store.txn(exact).await,
        Ok(TxnOutcome::Committed(_))
    ));
    let missing = when(vec![Compare::Exists("nope".into())], vec![put("k", "x")]);
    assert!(matches!(
        store.txn(missing).await,
        Ok(TxnOutcome::Conflict(_))
    ));
    assert_eq!(get(store, "k").await.expect("k exists").value, "2");

    commit(store, vec![delete("k")]).await;
    let gone = when(vec![Compare::Exists("k".into())], vec![]);
    assert!(matches!(store.txn(gone).await, Ok(TxnOutcome::Conflict(_))));
    let reborn = when(vec![absent()], vec![put("k", "3")]);
    assert!(matches!(
        store.txn(reborn).await,
        Ok(TxnOutcome::Committed(_))
    ));
}

pub(super) async fn changes_nothing_takes_no_revision(store: &dyn Store) {
    let before = commit(store, vec![put("a", "1")]).await;
    assert_eq!(commit(store, vec![]).await, before);
    assert_eq!(commit(store, vec![delete("absent")]).await, before);
    assert_eq!(store.revision().await.expect("revision works"), before);
}

pub(super) async fn is_all_or_nothing(store: &dyn Store) {
    commit(store, vec![put("old", "1")]).await;
    let guard = vec![Compare::Exists("absent".into())];
    let txn = when(guard, vec![put("new", "1"), delete("old")]);
    assert!(matches!(store.txn(txn).await, Ok(TxnOutcome::Conflict(_))));
    assert_eq!(get(store, "new").await, None);
    assert!(get(store, "old").await.is_some());
    let swap = commit(store, vec![put("new", "1"), delete("old")]).await;
    assert_eq!(get(store, "new").await.map(|e| e.mod_revision), Some(swap));
    assert_eq!(get(store, "old").await, None);
}
