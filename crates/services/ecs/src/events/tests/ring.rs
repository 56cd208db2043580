//! The newest events, and subscribers that are too slow.

use super::shapes::cluster;
use crate::events::event::Subject;
use crate::events::ring::{BACKLOG, Ring};
use crate::events::{DetailType, Event, Filter, Next};
use neargate_base::Timestamp;
use serde_json::Value;

fn event(revision: u64) -> Event {
    let subject = Subject::Plain(vec![], Value::Null);
    let time = Timestamp::from_millis(i64::try_from(revision).expect("small"));
    let of = DetailType::ServiceAction;
    Event::new(of, "ecs/service/x", revision, cluster(), time, subject)
}

#[tokio::test]
async fn the_newest_are_kept_and_what_follows_is_handed_out() {
    let ring = Ring::new(2);
    ring.push(event(1), true);
    ring.push(event(2), false);
    let (kept, mut live) = ring.subscribe();
    ring.push(event(3), false);
    assert_eq!(kept.iter().map(|e| e.revision).collect::<Vec<_>>(), [1, 2]);
    let Next::Event(next) = live.next().await else {
        panic!("one came");
    };
    assert_eq!(next.revision, 3);
    let kept: Vec<u64> = ring.recent().iter().map(|e| e.revision).collect();
    assert_eq!(kept, [2, 3]);
    drop(ring);
    assert!(matches!(live.next().await, Next::End));
}

#[test]
fn a_service_that_says_much_takes_the_place_of_its_own_events() {
    let ring = Ring::new(10);
    for n in 0..4 {
        ring.push(event(n).of("service:calm"), false);
    }
    for n in 100..1_000 {
        ring.push(event(n).of("service:loud"), false);
    }
    let kept: Vec<u64> = ring.recent().iter().map(|e| e.revision).collect();
    assert_eq!(kept, [0, 1, 2, 3, 994, 995, 996, 997, 998, 999]);
    // The oldest of those who say the same goes.
    for n in 2_000..2_010 {
        ring.push(event(n).of(&format!("family:{n}")), false);
    }
    assert_eq!(ring.recent().len(), 10);
    assert_eq!(ring.recent()[9].revision, 2_009);
}

#[tokio::test]
async fn a_slow_subscriber_is_told_how_many_it_missed() {
    let ring = Ring::new(2);
    let (_, mut live) = ring.subscribe();
    let size = u64::try_from(BACKLOG).expect("small");
    for n in 0..size + 10 {
        ring.push(event(n), false);
    }
    assert!(matches!(live.next().await, Next::Missed(10)));
    let Next::Event(next) = live.next().await else {
        panic!("the rest is there");
    };
    assert_eq!(next.revision, 10);
}

#[test]
fn filters() {
    let event = event(5);
    let all = Filter::default();
    assert!(all.admits(&event));
    let admits = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        filter.admits(&event)
    };
    assert!(admits(|f| f.cluster = Some("c".into())));
    assert!(!admits(|f| f.cluster = Some("d".into())));
    assert!(admits(
        |f| f.detail_types = vec![DetailType::Task, DetailType::ServiceAction]
    ));
    assert!(!admits(|f| f.detail_types = vec![DetailType::Task]));
    assert!(admits(|f| f.since = Some(Timestamp::from_millis(5))));
    assert!(!admits(|f| f.since = Some(Timestamp::from_millis(6))));
    assert!(!admits(|f| f.account = "123456789012".parse().ok()));
}
