use super::*;
use crate::conformance::{delete, put, when};
use crate::{MAX_PAGE, Revision, Txn, TxnOutcome};

fn run(inner: &mut Inner, ops: Vec<crate::Op>) -> Revision {
    let mut planner = inner.planner(neargate_base::Timestamp::default());
    let outcome = planner.txn(when(vec![], ops));
    let plan = planner.finish();
    inner.apply(plan);
    match outcome {
        Ok(TxnOutcome::Committed(revision)) => revision,
        other => panic!("{other:?}"),
    }
}

/// Whatever the size of the slices, and wherever one stops, the rows that are left replay to
/// the same values.
#[test]
fn compaction_may_stop_after_any_slice() {
    let mut inner = Inner::default();
    let mut rows = std::collections::BTreeMap::new();
    let mut changes = vec![vec![put("a", "1"), put("b", "1"), put("c", "1")]];
    changes.push(vec![delete("a"), put("b", "2")]);
    changes.push(vec![put("a", "3"), delete("c")]);
    changes.push(vec![delete("a")]);
    changes.push(vec![put("d", "5")]);
    let mut last = 0;
    for ops in changes {
        last = run(&mut inner, ops);
        for commit in inner.state.history(last).unwrap() {
            rows.extend(commit.changes.iter().map(|c| (c.version.row, c.clone())));
        }
    }
    let expected = inner.state.range("", None, MAX_PAGE, None).unwrap().entries;
    while let Some(slice) = inner.state.next_slice(last, 1) {
        for row in &slice.rows {
            assert!(rows.remove(row).is_some(), "{row:?} is forgotten once");
        }
        inner.compact(&slice);
        let mut replay = Replay::after(slice.upto, 0);
        for (row, change) in &rows {
            assert!(
                row.0 > slice.upto || change.version.value.is_some(),
                "no tombstone is left behind"
            );
            replay.take(change.clone());
        }
        let replayed = replay.finish();
        let history = |state: &State| state.history(slice.upto + 1).unwrap();
        assert_eq!(history(&replayed), history(&inner.state));
        assert_eq!(replayed.revision(), last);
        assert_eq!(
            replayed.range("", None, MAX_PAGE, None).unwrap().entries,
            expected
        );
        assert_eq!(
            inner.state.range("", None, MAX_PAGE, None).unwrap().entries,
            expected
        );
    }
    assert_eq!(rows.len(), expected.len(), "one row per live key is left");
    assert_eq!(inner.state.compacted(), last);
}

#[test]
fn a_batch_sees_itself_but_nobody_else_does() {
    let inner = Inner::default();
    let mut planner = inner.planner(neargate_base::Timestamp::default());
    let absent = || vec![crate::Compare::ModRevision("k".into(), 0)];
    let first = planner.txn(when(absent(), vec![put("k", "1")])).unwrap();
    let second = planner.txn(when(absent(), vec![put("k", "2")])).unwrap();
    assert_eq!(
        (first, second),
        (TxnOutcome::Committed(1), TxnOutcome::Conflict(1))
    );
    planner.txn(when(vec![], vec![delete("k")])).unwrap();
    assert_eq!(
        planner.txn(Txn::default()).unwrap(),
        TxnOutcome::Committed(2)
    );
    assert_eq!(planner.finish().commits.len(), 2);
    assert_eq!(inner.state.revision(), 0);
}

#[test]
fn history_is_bounded_by_bytes_too() {
    let mut inner = Inner::default();
    let keep = Retention {
        revisions: 1_000,
        bytes: 10_000,
        ..Retention::default()
    };
    let value = "x".repeat(1_000);
    let mut last = 0;
    for _ in 0..20 {
        last = run(&mut inner, vec![put("k", &value)]);
        if let Some(target) = inner.state.overdue(&keep) {
            let slice = inner.state.next_slice(target, usize::MAX).unwrap();
            inner.compact(&slice);
        }
    }
    assert!(inner.state.overdue(&keep).is_none());
    assert!(inner.state.history(last).is_ok() && inner.state.history(5).is_err());
}

/// After an unknown outcome the disk may be further than memory; watchers must hear of it.
#[tokio::test]
async fn catching_up_tells_what_was_missed() {
    use crate::Watch;
    let ops = || [vec![put("a", "1")], vec![put("a", "2")], vec![delete("a")]];
    let (mut memory, mut disk) = (Inner::default(), Inner::default());
    run(&mut memory, ops()[0].clone());
    let mut watch = memory.watchers.add("", memory.state.history(2).unwrap());
    for ops in ops() {
        run(&mut disk, ops);
    }
    memory.catch_up(disk.state, Leases::default()).unwrap();
    assert_eq!(watch.next().await.unwrap().revision, 2);
    assert_eq!(watch.next().await.unwrap().revision, 3);
    assert_eq!((memory.state.revision(), memory.state.get("a")), (3, None));

    memory
        .catch_up(State::starting_at(9), Leases::default())
        .unwrap();
    let ended = watch.next().await.unwrap_err();
    assert!(
        matches!(ended, crate::StoreError::Lagged { resume_from: 4 }),
        "{ended}"
    );
    let error = memory
        .catch_up(State::starting_at(8), Leases::default())
        .unwrap_err();
    assert!(
        matches!(error, crate::StoreError::Corrupt(_)),
        "acknowledged writes are missing"
    );
}

#[test]
fn catching_up_keeps_deadlines() {
    let at = neargate_base::Timestamp::from_millis;
    let ttl = std::time::Duration::from_millis(10);
    let (mut memory, mut disk) = (Inner::default(), Inner::default());
    let id = memory.grant(ttl, at(0));
    disk.grant(ttl, at(5));
    memory.catch_up(disk.state, disk.leases).unwrap();
    assert_eq!(
        memory.leases.due(at(10)),
        [id],
        "being away does not prolong a lease"
    );
}
