//! Whatever is done to both, the embedded store, reopened at any moment, and the one in
//! memory agree: on outcomes, revisions, values and history.

use super::*;
use crate::conformance::{delete, next, when};
use crate::{Batch, Compare, MemoryStore, Op};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Txn {
        guard: Option<(u8, i8)>,
        ops: Vec<(u8, Change)>,
    },
    Grant,
    Revoke(u8),
    KeepAlive(u8),
    Advance(u8),
    Compact(u8),
    Wipe,
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Put,
    PutLeased(u8),
    Delete,
}

const TTL: Duration = Duration::from_secs(10);

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        4 => Just(Change::Put),
        1 => (0..4u8).prop_map(Change::PutLeased),
        2 => Just(Change::Delete),
    ];
    let guard = proptest::option::weighted(0.3, (0..8u8, -1..3i8));
    prop_oneof![
        20 => (guard, vec((0..8u8, change), 0..4)).prop_map(|(guard, ops)| Step::Txn { guard, ops }),
        2 => Just(Step::Grant),
        1 => (0..4u8).prop_map(Step::Revoke),
        2 => (0..4u8).prop_map(Step::KeepAlive),
        2 => (1..8u8).prop_map(Step::Advance),
        2 => any::<u8>().prop_map(Step::Compact),
        1 => Just(Step::Wipe),
        2 => Just(Step::Reopen),
    ]
}

fn key(k: u8) -> String {
    format!("k/{k}")
}

/// The same transaction for both; keys given twice stay, and must be refused by both.
async fn transaction(model: &dyn Store, step: &Step, leases: &[LeaseId], serial: usize) -> Txn {
    let Step::Txn { guard, ops } = step else {
        return Txn::default();
    };
    let lease = |n: u8| {
        leases
            .get(n as usize)
            .copied()
            .unwrap_or(u64::from(n) + 1_000_000)
    };
    let mut compares = Vec::new();
    if let Some((k, offset)) = guard {
        let now = get(model, &key(*k)).await.map_or(0, |e| e.mod_revision);
        compares.push(match offset {
            -1 => Compare::Exists(key(*k)),
            0 => Compare::ModRevision(key(*k), now),
            _ => Compare::ModRevision(key(*k), now + *offset as u64),
        });
    }
    let op = |(k, change): &(u8, Change)| -> Op {
        match change {
            Change::Put => put(&key(*k), &serial.to_string()),
            Change::PutLeased(n) => put_leased(&key(*k), lease(*n)),
            Change::Delete => delete(&key(*k)),
        }
    };
    when(compares, ops.iter().map(op).collect())
}

async fn history(store: &dyn Store, from: Revision, to: Revision) -> Vec<Batch> {
    let mut watch = store.watch("k/", Some(from)).await.unwrap();
    let mut seen = Vec::new();
    // The end marker is the last revision, which is always under the prefix.
    while seen.last().is_none_or(|b: &Batch| b.revision < to) {
        seen.push(next(&mut *watch).await);
    }
    seen
}

async fn agree(model: &dyn Store, store: &dyn Store) {
    let pages = |s: Page| s;
    let (a, b) = (
        model.range("", None, 100, None).await,
        store.range("", None, 100, None).await,
    );
    assert_eq!(a.map(pages).unwrap(), b.unwrap());
}

async fn run(steps: Vec<Step>) {
    let dir = tempfile::tempdir().unwrap();
    let (path, clock) = (dir.path().join("state"), clock());
    let model = MemoryStore::new(clock.clone());
    let mut store = EmbeddedStore::open(&path, clock.clone()).unwrap();
    let mut leases = Vec::new();
    let mut compacted = 0;
    for (serial, step) in steps.iter().enumerate() {
        let text = |r: Result<(), StoreError>| r.map_err(|e| e.to_string());
        match step {
            Step::Txn { .. } => {
                let txn = transaction(&*model, step, &leases, serial).await;
                let (a, b) = (model.txn(txn.clone()).await, store.txn(txn).await);
                assert_eq!(a.map_err(|e| e.to_string()), b.map_err(|e| e.to_string()));
            }
            Step::Grant => {
                let (a, b) = (
                    model.grant(TTL).await.unwrap(),
                    store.grant(TTL).await.unwrap(),
                );
                assert_eq!(a, b);
                leases.push(a);
            }
            Step::Revoke(n) => {
                let id = leases.get(*n as usize).copied().unwrap_or(99_999);
                assert_eq!(text(model.revoke(id).await), text(store.revoke(id).await));
            }
            Step::KeepAlive(n) => {
                let id = leases.get(*n as usize).copied().unwrap_or(99_999);
                assert_eq!(
                    text(model.keep_alive(id).await),
                    text(store.keep_alive(id).await)
                );
            }
            Step::Advance(seconds) => clock.advance(Duration::from_secs(u64::from(*seconds))),
            Step::Compact(part) => {
                let now = model.revision().await.unwrap();
                let upto = now * u64::from(*part) / 255;
                compacted = compacted.max(upto);
                assert_eq!(
                    text(model.compact(upto).await),
                    text(store.compact(upto).await)
                );
            }
            Step::Wipe => {
                model.wipe().await.unwrap();
                store.wipe().await.unwrap();
                compacted = model.revision().await.unwrap();
            }
            Step::Reopen => {
                drop(store);
                store = EmbeddedStore::open(&path, clock.clone()).unwrap();
                // Reopening renews the leases that were still alive.
                for id in &leases {
                    let _ = model.keep_alive(*id).await;
                }
            }
        }
        // The embedded store ends leases with the next write at the latest.
        commit(&*store, vec![]).await;
        agree(&*model, &*store).await;
    }
    let last = commit(&*model, vec![put("k/end", "")]).await;
    assert_eq!(commit(&*store, vec![put("k/end", "")]).await, last);
    let (a, b) = (
        history(&*model, compacted + 1, last).await,
        history(&*store, compacted + 1, last).await,
    );
    assert_eq!(a, b);
    drop(store);
    let store = EmbeddedStore::open(&path, clock).unwrap();
    agree(&*model, &*store).await;
    assert_eq!(history(&*store, compacted + 1, last).await, a);
}

/// `PROPTEST_CASES` says how many (48).
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|v| v.parse().ok());
    let cases = cases.unwrap_or(48);
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]
    #[test]
    fn both_back_ends_agree(steps in vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
