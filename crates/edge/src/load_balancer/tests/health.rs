//! Health checks, what they let through, and targets that are deregistered.

use super::lab::*;
use crate::load_balancer::LoadBalancerState;
use neargate_domain::load_balancer::{HealthCheck, Protocol, TargetReason, TargetState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use tokio::sync::Semaphore;

fn check() -> HealthCheck {
    HealthCheck {
        protocol: Protocol::Http,
        port: None,
        path: "/health".into(),
        interval_seconds: 1,
        timeout_seconds: 1,
        healthy_threshold: 2,
        unhealthy_threshold: 2,
        matcher: "200-299".into(),
    }
}

/// Answers checks with this status, and everything else with its name.
struct Checked(&'static str, Arc<AtomicU16>);

impl Behaviour for Checked {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        if !head.starts_with("GET /health ") {
            return Echo(self.0).answer(head, connection).await;
        }
        assert_eq!(field(&head, "user-agent"), Some("ELB-HealthChecker/2.0"));
        match self.1.load(Ordering::SeqCst) {
            0 => Hangs.answer(head, connection).await,
            status => {
                let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
                connection.send(answer.as_bytes()).await;
                false
            }
        }
    }
}

fn are(state: &LoadBalancerState, expected: &[TargetState]) -> bool {
    let states: Vec<_> = state.targets.iter().map(|target| target.state).collect();
    states == expected
}

#[tokio::test]
async fn only_healthy_targets_get_requests_unless_there_is_none() {
    use TargetState::{Healthy, Unhealthy};
    let mut lab = Lab::new();
    let statuses = [Arc::new(AtomicU16::new(200)), Arc::new(AtomicU16::new(500))];
    let one = target(Checked("one", Arc::clone(&statuses[0]))).await;
    let two = target(Checked("two", Arc::clone(&statuses[1]))).await;
    let mut blue = group("blue", &[one, two]);
    blue.health_check = Some(check());
    lab.told.target_groups = vec![blue];
    lab.start().await;
    lab.until("checks end", |state| are(state, &[Healthy, Unhealthy]))
        .await;
    let states = lab.balancers.states().borrow().clone();
    let sick = &states["arn:lb"].targets[1];
    assert_eq!(sick.reason, Some(TargetReason::ResponseCodeMismatch));
    let said = "Health checks failed with these codes: [500]";
    assert_eq!(sick.description.as_deref(), Some(said));
    for _ in 0..6 {
        assert!(lab.get("/").await.text().starts_with("one\n"));
    }
    // The first hangs now: there is no healthy one, and each gets its share.
    statuses[0].store(0, Ordering::SeqCst);
    lab.until("it times out", |state| {
        are(state, &[Unhealthy, Unhealthy])
            && state.targets[0].reason == Some(TargetReason::Timeout)
            && state.targets[0].description.as_deref() == Some("Request timed out")
    })
    .await;
    let texts = [lab.get("/").await.text(), lab.get("/").await.text()];
    assert_ne!(texts[0][..3], texts[1][..3]);
    statuses[1].store(204, Ordering::SeqCst);
    lab.until("it recovers", |state| are(state, &[Unhealthy, Healthy]))
        .await;
    for _ in 0..4 {
        assert!(lab.get("/").await.text().starts_with("two\n"));
    }
}

/// Answers when it is told to.
struct Waits(Arc<Semaphore>);

impl Behaviour for Waits {
    async fn answer(&self, head: String, connection: &mut Client) -> bool {
        self.0.acquire().await.unwrap().forget();
        Echo("waited").answer(head, connection).await
    }
}

/// Waits until the target has got so many requests.
async fn arrived(count: &AtomicUsize, requests: usize) {
    let wait = async {
        while count.load(Ordering::SeqCst) < requests {
            tokio::task::yield_now().await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, wait).await.is_ok(),
        "{requests} requests"
    );
}

#[tokio::test]
async fn a_draining_target_finishes_what_it_has_and_gets_nothing_new() {
    use TargetState::{Drained, Draining, Unavailable};
    let (go, count) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut lab = Lab::new();
    let waiting = target(Counted(Waits(Arc::clone(&go)), Arc::clone(&count))).await;
    lab.told.target_groups = vec![group("blue", &[waiting])];
    lab.start().await;
    let mut clients = [lab.connect().await, lab.connect().await];
    for client in &mut clients {
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    }
    arrived(&count, 2).await;
    let other = target(Echo("other")).await;
    let mut both = group("blue", &[waiting, other]);
    both.targets[0].draining = true;
    lab.told.target_groups = vec![both];
    lab.start().await;
    let has = |state: &LoadBalancerState, which| state.targets.iter().any(|t| t.state == which);
    lab.until("it drains", |state| {
        has(state, Draining) && has(state, Unavailable)
    })
    .await;
    for _ in 0..4 {
        assert!(lab.get("/").await.text().starts_with("other\n"));
    }
    go.add_permits(2);
    for client in &mut clients {
        assert!(client.answer().await.text().starts_with("waited\n"));
    }
    lab.until("it has nothing left", |state| has(state, Drained))
        .await;
}

#[tokio::test]
async fn what_is_under_way_ends_with_the_registration_but_not_with_the_rule() {
    let (go, count) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut lab = Lab::new();
    let waiting = target(Counted(Waits(Arc::clone(&go)), Arc::clone(&count))).await;
    let other = target(Echo("other")).await;
    let (blue, green) = (group("blue", &[waiting]), group("green", &[other]));
    lab.told.target_groups = vec![blue.clone(), green.clone()];
    lab.start().await;
    let mut client = lab.connect().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    arrived(&count, 1).await;
    // Traffic is shifted, and the group is not told of any more.
    lab.rules()[0] = rule(vec![], forward(&[("green", 1)]));
    lab.told.target_groups = vec![green.clone()];
    lab.start().await;
    assert!(lab.get("/").await.text().starts_with("other\n"));
    go.add_permits(1);
    assert!(client.answer().await.text().starts_with("waited\n"));
    // Back again; then the target's registration ends while it works.
    lab.rules()[0] = rule(vec![], forward(&[("blue", 1)]));
    lab.told.target_groups = vec![blue, green];
    lab.start().await;
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    arrived(&count, 2).await;
    lab.told.target_groups[0].targets.clear();
    lab.tell();
    assert_eq!(client.answer().await.status(), 502);
    assert_eq!(lab.get("/").await.status(), 503);
}
