//! etcd's limits hold everywhere.

use super::{commit, get, put, when};
use crate::{Compare, MAX_REQUEST_BYTES, MAX_TXN_OPS, Op, Store, StoreError};
use bytes::Bytes;

pub(super) async fn are_etcds(store: &dyn Store) {
    let puts = |n: usize| {
        (0..n)
            .map(|i| put(&format!("k/{i}"), "v"))
            .collect::<Vec<Op>>()
    };
    commit(store, puts(MAX_TXN_OPS)).await;
    let error = store
        .txn(when(vec![], puts(MAX_TXN_OPS + 1)))
        .await
        .expect_err("too many");
    assert!(matches!(error, StoreError::TooBig(_)), "{error}");
    let compares = |n: usize| vec![Compare::Exists("k/0".into()); n];
    let both = when(compares(MAX_TXN_OPS), puts(MAX_TXN_OPS));
    store.txn(both).await.expect("each list by itself");
    let error = store
        .txn(when(compares(MAX_TXN_OPS + 1), puts(1)))
        .await
        .expect_err("compares count");
    assert!(matches!(error, StoreError::TooBig(_)), "{error}");

    let sized = |bytes: usize| {
        vec![Op::Put {
            key: "big".into(),
            value: Bytes::from(vec![7; bytes]),
            lease: None,
        }]
    };
    commit(store, sized(MAX_REQUEST_BYTES - "big".len())).await;
    let error = store
        .txn(when(vec![], sized(MAX_REQUEST_BYTES)))
        .await
        .expect_err("too big");
    assert!(matches!(error, StoreError::TooBig(_)), "{error}");
    assert_eq!(
        get(store, "big").await.map(|e| e.value.len()),
        Some(MAX_REQUEST_BYTES - 3)
    );
}

pub(super) async fn bad_keys_are_refused(store: &dyn Store) {
    let before = store.revision().await.expect("revision works");
    let empty_key = || Op::Delete { key: String::new() };
    let bad = [
        when(vec![], vec![put("", "v")]),
        when(vec![], vec![empty_key()]),
        when(vec![Compare::Exists(String::new())], vec![]),
        when(vec![], vec![put("twice", "1"), put("twice", "2")]),
        when(
            vec![],
            vec![
                put("twice", "1"),
                Op::Delete {
                    key: "twice".into(),
                },
            ],
        ),
    ];
    for txn in bad {
        let error = store.txn(txn.clone()).await.expect_err("refused");
        assert!(matches!(error, StoreError::Invalid(_)), "{txn:?}: {error}");
        assert!(!error.is_retryable());
    }
    assert_eq!(store.revision().await.expect("revision works"), before);
}
