//! The follower over a store in memory: order, restarts, gaps, what it costs.

use super::{Step, golden, report, task};
use crate::events::memory::Memory;
use crate::events::{DetailType, Event, Events, Next, Subscription, follow};
use crate::model::{EventCursor, Task};
use crate::tests::Lab;
use neargate_base::{Timestamp, task as tasks};
use neargate_store::{Entry, Event as Change, Revision};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A follower that can be ended, as kill -9 would.
struct Following {
    events: Arc<Events>,
    live: Subscription,
    running: JoinHandle<()>,
}

impl Following {
    fn start(lab: &Lab) -> Following {
        let events = Arc::new(Events::default());
        let (_, live) = events.subscribe();
        let work = follow(events.clone(), lab.ecs.fleet.clone(), lab.house.clone());
        Following {
            running: tasks::spawn("events", work),
            events,
            live,
        }
    }

    /// Wait until it has listed everything and stored its first cursor.
    async fn listed(lab: &Lab) -> Following {
        let following = Following::start(lab);
        following.events.at(1).await;
        following
    }

    async fn caught_up(&self, lab: &Lab) {
        let now = lab.house.db.store().revision().await.expect("store");
        self.events.at(now).await;
    }

    /// The task events that were handed out since the last look.
    async fn handed(&mut self, lab: &Lab) -> Vec<Arc<Event>> {
        self.caught_up(lab).await;
        let mut all = Vec::new();
        // Everything is in the channel once it has caught up.
        while let Ok(Next::Event(event)) =
            tokio::time::timeout(std::time::Duration::ZERO, self.live.next()).await
        {
            all.push(event);
        }
        all
    }

    async fn kill(self) {
        self.running.abort();
        let _ = self.running.await;
    }
}

fn states(events: &[Arc<Event>]) -> Vec<String> {
    let of = |e: &Arc<Event>| {
        assert_eq!(e.detail_type, DetailType::Task);
        let value = e.to_value();
        value["detail"]["lastStatus"]
            .as_str()
            .expect("a state")
            .to_owned()
    };
    events.iter().map(of).collect()
}

fn ids(events: &[Arc<Event>]) -> Vec<String> {
    events.iter().map(|e| e.id()).collect()
}

async fn cursor(lab: &Lab) -> Option<Revision> {
    let key = EventCursor::key();
    let cursor = lab.house.db.get_key::<EventCursor>(&key).await;
    cursor.expect("read").map(|c| c.revision)
}

#[tokio::test]
async fn a_life_is_told_in_order() {
    let lab = Lab::new();
    let mut following = Following::listed(&lab).await;
    lab.register("web").await;
    let started = lab.run(lab.request("web")).await.expect("started");
    let arn = started[0].task_arn.clone().expect("named");
    for step in [
        Step::Attached,
        Step::Attached,
        Step::Running,
        Step::Unhealthy,
        Step::Released,
    ] {
        report(&lab, &arn, step).await;
    }
    let told = following.handed(&lab).await;
    // The second report of the same kind says nothing new.
    assert_eq!(
        states(&told),
        ["PROVISIONING", "PENDING", "RUNNING", "RUNNING", "STOPPED"]
    );
    assert_eq!(ids(&told), ids(&following.events.recent()));
    let versions: Vec<i64> = told
        .iter()
        .map(|e| {
            e.to_value()["detail"]["version"]
                .as_i64()
                .expect("a number")
        })
        .collect();
    assert!(versions.is_sorted() && versions[0] == 1, "{versions:?}");
    following.kill().await;
}

#[tokio::test]
async fn a_restart_loses_none_and_repeats_only_what_the_cursor_does_not_cover() {
    let lab = Lab::new();
    lab.register("web").await;
    let mut first = Following::listed(&lab).await;
    let before = cursor(&lab).await.expect("stored before the first event");
    let started = lab.run(lab.request("web")).await.expect("started");
    let arn = started[0].task_arn.clone().expect("named");
    report(&lab, &arn, Step::Attached).await;
    let told = first.handed(&lab).await;
    assert_eq!(states(&told), ["PROVISIONING", "PENDING"]);
    first.kill().await;
    let stored = cursor(&lab).await.expect("stored");
    assert_eq!(stored, before, "killed before the next cursor");

    report(&lab, &arn, Step::Running).await;
    report(&lab, &arn, Step::Released).await;
    let mut second = Following::start(&lab);
    let again = second.handed(&lab).await;
    assert_eq!(
        states(&again),
        ["PROVISIONING", "PENDING", "RUNNING", "STOPPED"]
    );
    assert_eq!(ids(&again)[..2], ids(&told), "the same ids");

    let last = again.last().expect("some").revision;
    let mut watch = lab
        .house
        .db
        .store()
        .watch("ecs/event-cursor/", None)
        .await
        .expect("watch");
    while cursor(&lab).await < Some(last) {
        watch.next().await.expect("written");
    }
    second.kill().await;
    let mut third = Following::start(&lab);
    assert_eq!(states(&third.handed(&lab).await), Vec::<String>::new());
    // Yet the list of the newest is there.
    assert_eq!(ids(&third.events.recent()), ids(&again));
    third.kill().await;
}

#[tokio::test]
async fn history_that_is_gone_starts_from_now() {
    let lab = Lab::new();
    lab.register("web").await;
    Following::listed(&lab).await.kill().await;
    let started = lab.run(lab.request("web")).await.expect("started");
    let arn = started[0].task_arn.clone().expect("named");
    let store = lab.house.db.store();
    let now = store.revision().await.expect("store");
    store.compact(now).await.expect("compacted");
    let mut following = Following::start(&lab);
    following.events.at(now).await;
    report(&lab, &arn, Step::Attached).await;
    assert_eq!(states(&following.handed(&lab).await), ["PENDING"]);
    assert!(cursor(&lab).await >= Some(now));
    following.kill().await;
}

#[tokio::test]
async fn a_gap_while_running_tells_the_differences() {
    use crate::events::follow::Follower;
    use neargate_base::backoff::Backoff;
    use std::time::Duration;

    let lab = Lab::new();
    lab.register("web").await;
    let started = lab.run(lab.request("web")).await.expect("started");
    let quiet = started[0].task_arn.clone().expect("named");
    let events = Arc::new(Events::default());
    let house = lab.house.clone();
    let mut follower = Follower::new(events.clone(), lab.ecs.fleet.clone(), house.clone());
    let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO);
    let listed = events.at(1);
    tokio::select! {
        _ = follower.once(&mut backoff) => unreachable!("it follows for ever"),
        () = listed => {}
    }
    let started = lab.run(lab.request("web")).await.expect("started");
    let arn = started[0].task_arn.clone().expect("named");
    report(&lab, &arn, Step::Attached).await;
    report(&lab, &arn, Step::Running).await;
    let now = house.db.store().revision().await.expect("store");
    house.db.store().compact(now).await.expect("compacted");
    tokio::select! {
        _ = follower.once(&mut backoff) => unreachable!("it follows for ever"),
        () = events.at(now) => {}
    }
    let told = events.recent();
    assert_eq!(states(&told), ["RUNNING"], "one event for what differs");
    assert_eq!(told[0].key, task(&lab, &arn).await.key);
    assert_ne!(told[0].key, task(&lab, &quiet).await.key);
}

#[tokio::test]
async fn a_reset_does_not_stop_the_events() {
    let lab = Lab::new();
    let mut following = Following::listed(&lab).await;
    lab.register("web").await;
    lab.run(lab.request("web")).await.expect("started");
    assert_eq!(states(&following.handed(&lab).await), ["PROVISIONING"]);
    lab.house.db.store().wipe().await.expect("wiped");
    following.caught_up(&lab).await;
    assert_eq!(following.events.recent().len(), 0);
    lab.register("web").await;
    lab.run(lab.request("web")).await.expect("started");
    assert_eq!(states(&following.handed(&lab).await), ["PROVISIONING"]);
    let mut watch = lab
        .house
        .db
        .store()
        .watch("ecs/event-cursor/", None)
        .await
        .expect("watch");
    while cursor(&lab).await.is_none() {
        watch.next().await.expect("written again");
    }
    following.kill().await;
}

/// What it keeps per task is small and does not grow with the task.
#[test]
fn tasks_are_few_bytes_each() {
    let mut memory = Memory::default();
    let golden = golden::<Task>();
    let puts = |n: usize| {
        let entry = Entry {
            key: format!("ecs/task/000000000000/us-east-1/c/{n:032x}"),
            ..golden.clone()
        };
        Change::Put(entry)
    };
    let now = Timestamp::from_millis(1_800_000_000_000);
    const TASKS: usize = 2_000;
    memory.apply(&(0..TASKS).map(puts).collect::<Vec<_>>(), now);
    let bytes = memory.task_bytes();
    assert!(bytes / TASKS < 120, "{bytes} bytes");
}
