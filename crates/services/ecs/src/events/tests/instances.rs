//! Container instances: connections, and what tasks take of them.

use super::golden;
use crate::events::agents::announce_after;
use crate::events::instance::is_due;
use crate::events::{DetailType, Event, follow};
use crate::model::{Agent, ContainerInstance, InstanceStatus};
use crate::tests::Lab;
use neargate_base::task;
use neargate_domain::NodeKind;
use neargate_service::db;
use std::sync::Arc;
use std::time::Duration;

fn instance() -> ContainerInstance {
    db::decode::<ContainerInstance>(&golden::<ContainerInstance>())
        .expect("read")
        .value
}

#[test]
fn tags_and_the_version_alone_are_not_told() {
    let before = instance();
    assert!(is_due(None, &before));
    let mut after = before.clone();
    after.version += 1;
    after.tags.clear();
    assert!(!is_due(Some(&before), &after));
    after.status = InstanceStatus::Draining;
    assert!(is_due(Some(&before), &after));
    let mut upgraded = before.clone();
    upgraded.agent_version = "2.0.0".into();
    assert!(is_due(Some(&before), &upgraded));
}

/// What is said of connections, oldest first.
fn connections(events: &[Arc<Event>]) -> Vec<bool> {
    let of = |e: &Arc<Event>| {
        assert_eq!(e.detail_type, DetailType::ContainerInstance);
        e.to_value()["detail"]["agentConnected"]
            .as_bool()
            .expect("told")
    };
    events.iter().map(of).collect()
}

#[tokio::test]
async fn connections_are_told_once_and_outlive_a_restart() {
    let lab = Lab::new();
    let (house, ecs) = (lab.house.clone(), lab.ecs.clone());
    let key = db::key::<ContainerInstance>(&lab.scope, &ContainerInstance::key_id("c", "1"));
    let agent = key.replacen("container-instance", "agent", 1);
    let following = task::spawn(
        "events",
        follow(ecs.events.clone(), ecs.fleet.clone(), house.clone()),
    );
    // It knows that there is nothing yet.
    ecs.events.at(1).await;
    let announce = |patience| {
        let work = announce_after(patience, ecs.clone(), house.db.clone(), house.rng.clone());
        task::spawn("agents", work)
    };
    let announcing = announce(Duration::ZERO);
    let mut watch = house.db.store().watch(&agent, None).await.expect("watch");
    let node = "i-0123456789abcdef0";
    let stored = house.db.tx().put(key.clone(), &instance()).commit().await;
    let _ = stored.expect("stored");

    ecs.nodes.connect(node, NodeKind::Ec2);
    let batch = watch.next().await.expect("announced");
    ecs.events.at(batch.revision).await;
    assert_eq!(connections(&ecs.events.recent()), [false, true]);

    // The control plane ends; the node is back before anybody asks: nothing happened.
    announcing.abort();
    let _ = announcing.await;
    ecs.nodes.disconnect(node);
    ecs.nodes.connect(node, NodeKind::Ec2);
    let announcing = announce(Duration::from_secs(60));
    // Another instance's change makes it look.
    let mut other = instance();
    other.id = "2".into();
    other.node = Some("i-2".into());
    let at = db::key::<ContainerInstance>(&lab.scope, &ContainerInstance::key_id("c", "2"));
    let stored = house.db.tx().put(at, &other).commit().await;
    let _ = stored.expect("stored");
    ecs.events
        .at(house.db.store().revision().await.expect("store"))
        .await;
    assert_eq!(connections(&ecs.events.recent()), [false, true, false]);

    // It ends again and the node does not come back.
    announcing.abort();
    let _ = announcing.await;
    ecs.nodes.disconnect(node);
    let announcing = announce(Duration::from_millis(1));
    let batch = watch.next().await.expect("announced");
    ecs.events.at(batch.revision).await;
    let said = house.db.get_key::<Agent>(&agent).await.expect("read");
    assert!(!said.expect("stored").connected);
    assert_eq!(
        connections(&ecs.events.recent()),
        [false, true, false, false]
    );
    announcing.abort();
    following.abort();
}
