//! Which records a node's port looks into.

use super::*;
use bytes::Bytes;
use neargate_base::{Rng, time::SystemClock};
use neargate_ecs::{Nodes, fleet};
use neargate_store::{Entry, memory::MemoryStore};

const TASK: &str = include_str!("../../../services/ecs-plan/tests/golden/ecs.task.v2.json");

fn key(id: &str) -> String {
    format!("{}/000000000000/us-east-1/default/{id}", Task::KIND)
}

/// A running task of that node, as stored.
fn record(id: &str, node: &str) -> Bytes {
    let mut task: serde_json::Value = serde_json::from_str(TASK).unwrap();
    let spec = &mut task["r"]["spec"];
    spec["node"] = node.into();
    spec["assignment"]["task_id"] = id.into();
    task["r"]["status"]["last_status"] = "RUNNING".into();
    serde_json::to_vec(&task).unwrap().into()
}

fn put(id: &str, value: impl Into<Bytes>) -> Event {
    Event::Put(Entry {
        key: key(id),
        value: value.into(),
        create_revision: 1,
        mod_revision: 9,
        lease: None,
    })
}

#[tokio::test]
async fn of_other_nodes_tasks_no_record_is_decoded() {
    let db = Db::new(MemoryStore::new(Arc::new(SystemClock)));
    for (id, node) in [("mine", "here"), ("theirs", "there")] {
        let value: serde_json::Value = serde_json::from_slice(&record(id, node)).unwrap();
        let task: Task = serde_json::from_value(value["r"].clone()).unwrap();
        let made = db.tx().create(key(id), &task).commit().await.unwrap();
        assert!(matches!(made, neargate_service::Committed::At(_)));
    }
    let index = Arc::new(Fleet::default());
    let (nodes, rng) = (Arc::new(Nodes::default()), Arc::new(Rng::seeded(1)));
    let following = task::spawn(
        "fleet",
        fleet::follow(index.clone(), nodes, db.clone(), rng),
    );
    index.current(&db).await.unwrap();
    following.abort();

    let (sender, mut changes) = mpsc::channel(8);
    let port = Arc::new(Follower {
        db,
        fleet: index,
        node: "here".into(),
        grants: Arc::default(),
        sender,
    });
    let follower = port.clone();
    let following = task::spawn("assignments", async move {
        let mut backoff = Backoff::new(REOPEN_FIRST, REOPEN_MAX);
        follower.follow(&mut backoff).await
    });
    let Some(Change::Snapshot(snapshot)) = changes.recv().await else {
        panic!("a snapshot comes first");
    };
    let ids: Vec<&str> = snapshot.iter().map(|a| a.task_id.as_str()).collect();
    assert_eq!(ids, ["mine"]);
    following.abort();

    // What cannot be decoded tells whether it was tried.
    let mut sent = HashMap::new();
    let mut change = |event| port.change(&event, &mut sent);
    assert!(change(put("theirs", "?")).unwrap().is_none());
    assert!(change(put("mine", "?")).is_err());
    assert!(change(put("unknown", "?")).is_err());
    // The index is a moment behind: the record itself says whose it is.
    let other = change(put("new", record("new", "there"))).unwrap();
    assert!(other.is_none());
    let own = change(put("newer", record("newer", "here"))).unwrap();
    assert!(matches!(own, Some(Change::Changed(a)) if a.task_id == "newer"));
}
