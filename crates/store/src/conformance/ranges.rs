//! Lists: order, paging, snapshots.

use super::{commit, delete, put};
use crate::{MAX_PAGE, Store, StoreError};

fn key(i: usize) -> String {
    format!("list/{i:04}")
}

async fn fill(store: &dyn Store, count: usize) {
    let keys: Vec<String> = (0..count).map(key).collect();
    for chunk in keys.chunks(100) {
        commit(store, chunk.iter().map(|k| put(k, "v")).collect()).await;
    }
}

async fn all(store: &dyn Store, page_size: usize, at: Option<u64>) -> Vec<String> {
    let (mut keys, mut at, mut after) = (Vec::new(), at, None::<String>);
    loop {
        let page = store
            .range("list/", after.as_deref(), page_size, at)
            .await
            .expect("range works");
        at = Some(page.revision);
        keys.extend(page.entries.iter().map(|e| e.key.clone()));
        after = keys.last().cloned();
        if !page.more {
            return keys;
        }
        assert_eq!(
            page.entries.len(),
            page_size,
            "only the last page may be short"
        );
    }
}

pub(super) async fn pages_in_key_order(store: &dyn Store) {
    commit(
        store,
        vec![put("list", "x"), put("list0", "x"), put("lis", "x")],
    )
    .await;
    fill(store, MAX_PAGE + 5).await;
    let expected: Vec<String> = (0..MAX_PAGE + 5).map(key).collect();
    for page_size in [7, 335, MAX_PAGE] {
        assert_eq!(
            all(store, page_size, None).await,
            expected,
            "pages of {page_size}"
        );
    }
    let page = store
        .range("list/", None, usize::MAX, None)
        .await
        .expect("range works");
    assert_eq!(
        (page.entries.len(), page.more),
        (MAX_PAGE, true),
        "pages are bounded"
    );
    let last = store
        .range("list/", Some(&key(MAX_PAGE + 3)), 1, None)
        .await
        .expect("range works");
    assert_eq!(
        (last.entries.len(), last.more),
        (1, false),
        "an exact last page has no more"
    );
    let whole = store.range("", None, 2, None).await.expect("range works");
    assert_eq!(whole.entries[0].key, "lis", "an empty prefix is everything");
    let before = store
        .range("list/", Some("a"), 1, None)
        .await
        .expect("range works");
    assert_eq!(
        before.entries[0].key,
        key(0),
        "`after` before the prefix starts at the prefix"
    );
    let none = store
        .range("nothing/", None, 10, None)
        .await
        .expect("range works");
    assert!(none.entries.is_empty() && !none.more);
}

pub(super) async fn pages_see_one_snapshot(store: &dyn Store) {
    fill(store, 20).await;
    let expected: Vec<String> = (0..20).map(key).collect();
    let at = store.revision().await.expect("revision works");
    commit(
        store,
        vec![
            delete(&key(3)),
            put(&key(4), "changed"),
            put("list/0004a", "new"),
        ],
    )
    .await;
    assert_eq!(all(store, 6, Some(at)).await, expected);
    let page = store
        .range(&key(4), None, 1, Some(at))
        .await
        .expect("range works");
    assert_eq!((&page.entries[0].value[..], page.revision), (&b"v"[..], at));
    let now = all(store, 6, None).await;
    assert_eq!(now.len(), 20);
    assert!(!now.contains(&key(3)) && now.contains(&"list/0004a".to_owned()));
}

pub(super) async fn knows_past_and_future(store: &dyn Store) {
    let first = commit(store, vec![put("list/a", "1")]).await;
    let second = commit(store, vec![put("list/a", "2")]).await;
    let future = store.range("list/", None, 1, Some(second + 1)).await;
    assert!(
        matches!(future, Err(StoreError::FutureRev { .. })),
        "{future:?}"
    );
    store.compact(second).await.expect("compact works");
    let past = store.range("list/", None, 1, Some(first)).await;
    assert!(
        matches!(past, Err(StoreError::Compacted { compacted }) if compacted == second),
        "{past:?}"
    );
    assert_eq!(
        all(store, 1, Some(second)).await,
        ["list/a"],
        "the compacted revision itself stays"
    );
    let future = store.compact(second + 1).await;
    assert!(
        matches!(future, Err(StoreError::FutureRev { .. })),
        "{future:?}"
    );
}
