//! Another process takes the ports: here another set of load balancers does, which tells as much.

use super::lab::*;
use crate::load_balancer::LoadBalancers;
use neargate_base::Rng;
use neargate_domain::load_balancer::{LoadBalancerChange, TargetState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::time::{Duration, sleep, timeout};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

fn another() -> LoadBalancers {
    LoadBalancers::new(None, None, Arc::new(Rng::seeded(2)))
}

impl Lab {
    /// Has a new one take over; the one before.
    async fn replace(&mut self, known: bool) -> LoadBalancers {
        let before = std::mem::replace(&mut self.balancers, another());
        let states = before.states().borrow().clone();
        let found = states.values().flat_map(|state| state.targets.clone());
        let found = if known { found.collect() } else { Vec::new() };
        self.balancers.take(before.offer().await).unwrap();
        before.leave();
        let change = LoadBalancerChange::Snapshot(vec![self.told.clone()]);
        self.balancers.tell(change, found);
        before
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "{what}");
}

#[tokio::test]
async fn no_request_fails_while_ports_change_hands() {
    let mut lab = Lab::with(Echo("one")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let at = lab.at();
    let clients = (0..8).map(|number: u32| {
        let (asked, is_over) = (Arc::clone(&asked), Arc::clone(&is_over));
        neargate_base::task::spawn("client", async move {
            while !is_over.load(Ordering::SeqCst) {
                let stream = tokio::net::TcpStream::connect(at).await.unwrap();
                let text = Vec::new();
                let mut client = Client { stream, text };
                // Some keep their connections as long as they may.
                for _ in 0..if number.is_multiple_of(2) { 1 } else { 1000 } {
                    client.send(REQUEST).await;
                    let answer = client.answer().await;
                    assert_eq!(answer.status(), 200);
                    asked.fetch_add(1, Ordering::SeqCst);
                    if answer.field("connection") == Some("close") {
                        break;
                    }
                }
            }
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut before = Vec::new();
    for round in 0..10 {
        let enough = asked.load(Ordering::SeqCst) + 200;
        until("clients are served", || {
            asked.load(Ordering::SeqCst) > enough
        })
        .await;
        if round % 3 == 2 {
            // The other is gone before it has them.
            drop(lab.balancers.offer().await);
            lab.balancers.resume();
        } else {
            before.push(lab.replace(false).await);
        }
    }
    until("those before have nothing left", || {
        before.iter().all(|before| before.connections() == 0)
    })
    .await;
    is_over.store(true, Ordering::SeqCst);
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn what_is_under_way_goes_on_and_idle_connections_get_one_more_answer() {
    let mut lab = Lab::with(Echo("one")).await;
    let mut idle = lab.connect().await;
    idle.send(REQUEST).await;
    assert_eq!(idle.answer().await.field("connection"), Some("keep-alive"));
    let mut slow = lab.connect().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab";
    slow.send(head.as_bytes()).await;
    until("both are there", || lab.balancers.connections() == 2).await;
    let before = lab.replace(false).await;
    assert_eq!(lab.get("/").await.status(), 200);
    slow.send(b"cd").await;
    assert!(slow.answer().await.text().ends_with("abcd"));
    idle.send(REQUEST).await;
    let last = idle.answer().await;
    assert_eq!(
        (last.status(), last.field("connection")),
        (200, Some("close"))
    );
    assert!(idle.is_closed().await);
    drop(slow);
    until("nothing is left", || before.connections() == 0).await;
}

#[tokio::test]
async fn one_that_leaves_hears_of_changes_and_of_health_and_opens_nothing() {
    let mut lab = Lab::new();
    lab.told.target_groups = vec![group("blue", &[target(Echo("one")).await])];
    lab.start().await;
    let mut idle = [lab.connect().await, lab.connect().await];
    until("both are there", || lab.balancers.connections() == 2).await;
    let before = lab.replace(true).await;
    // The target is another one now, at another port, too.
    lab.told.target_groups = vec![group("blue", &[target(Echo("two")).await])];
    let more = listener(PORT + 1, lab.rules().clone());
    lab.told.listeners.push(more);
    let change = LoadBalancerChange::LoadBalancer(Box::new(lab.told.clone()));
    before.tell(change, Vec::new());
    let mut states = before.states();
    let key = lab.told.target_groups[0].targets[0].key.clone();
    let heard = states.wait_for(|s| s["arn:lb"].targets.iter().any(|t| t.key == key));
    timeout(PATIENCE, heard).await.unwrap().unwrap();
    lab.start().await;
    idle[0].send(REQUEST).await;
    assert!(idle[0].answer().await.text().starts_with("two"));
    // Nobody but the one that has the ports tells of health.
    let mut found = before.states().borrow()["arn:lb"].targets.clone();
    for one in &mut found {
        one.state = TargetState::Unhealthy;
    }
    before.set_health(found);
    let mut states = before.states();
    let heard = states.wait_for(|s| {
        let mut targets = s["arn:lb"].targets.iter();
        targets.all(|t| t.state == TargetState::Unhealthy)
    });
    timeout(PATIENCE, heard).await.unwrap().unwrap();
    idle[1].send(REQUEST).await;
    // All are unhealthy, so all are asked.
    assert!(idle[1].answer().await.text().starts_with("two"));
}
