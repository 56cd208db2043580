//! What becomes of one request, noted while it goes its way.

use super::counts::Metric;
use crate::load_balancer::http::desync::{Class, Tier};
use crate::load_balancer::http::head::Request;
use crate::load_balancer::listener::{Door, Front};
use crate::load_balancer::target::{Group, Target};
use neargate_base::time::{Clock as _, Stopwatch, SystemClock};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

/// One request. The two directions of its traffic note what they see.
#[derive(Debug)]
pub struct Record {
    /// Since 1970.
    pub began_millis: i64,
    since: Stopwatch,
    pub received_bytes: Cell<u64>,
    pub sent_bytes: Cell<u64>,
    /// What the client was answered; 0: nothing yet.
    pub status: Cell<u16>,
    pub target_status: Cell<Option<u16>>,
    /// The rule that it met, by its place in the listener.
    pub route: Cell<Option<usize>>,
    /// How many rules were looked at for that, without the default one.
    pub evaluated: Cell<usize>,
    pub action: Cell<&'static str>,
    pub target: RefCell<Option<(Arc<Group>, Arc<Target>)>>,
    /// When it was sent to its target, when that answered, and when the client was.
    sent: Cell<Option<Duration>>,
    responded: Cell<Option<Duration>>,
    answered: Cell<Option<Duration>>,
    pub location: RefCell<Option<String>>,
    /// `X-Amzn-Trace-Id` as the target got it.
    pub trace: RefCell<String>,
    pub class: Cell<Option<Class>>,
    pub is_websocket: Cell<bool>,
}

impl Record {
    pub fn new() -> Record {
        Record {
            began_millis: SystemClock.now().as_millis(),
            since: Stopwatch::start(),
            received_bytes: Cell::new(0),
            sent_bytes: Cell::new(0),
            status: Cell::new(0),
            target_status: Cell::new(None),
            route: Cell::new(None),
            evaluated: Cell::new(0),
            action: Cell::new("-"),
            target: RefCell::new(None),
            sent: Cell::new(None),
            responded: Cell::new(None),
            answered: Cell::new(None),
            location: RefCell::new(None),
            trace: RefCell::new(String::new()),
            class: Cell::new(None),
            is_websocket: Cell::new(false),
        }
    }

    pub fn received(&self, bytes: usize) {
        self.received_bytes
            .set(self.received_bytes.get() + bytes as u64);
    }

    pub fn sent(&self, bytes: usize) {
        self.sent_bytes.set(self.sent_bytes.get() + bytes as u64);
    }

    /// It goes to this target now.
    pub fn goes_to(&self, group: &Arc<Group>, target: &Arc<Target>) {
        *self.target.borrow_mut() = Some((Arc::clone(group), Arc::clone(target)));
        self.sent.set(Some(self.since.elapsed()));
    }

    /// Its target answers with this, and so is the client.
    pub fn target_answers(&self, status: u16) {
        self.target_status.set(Some(status));
        self.responded.set(Some(self.since.elapsed()));
        self.is_answered(status);
    }

    /// The client is answered with this.
    pub fn is_answered(&self, status: u16) {
        self.status.set(status);
        self.answered.set(Some(self.since.elapsed()));
    }

    /// Seconds until it was sent to a target, until that answered, and until the client was: -1 for what
    /// did not happen
    /// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-access-logs.html>).
    pub fn times(&self) -> [Option<Duration>; 3] {
        let (sent, responded) = (self.sent.get(), self.responded.get());
        let between = |from: Option<Duration>, to: Option<Duration>| {
            from.zip(to).map(|(from, to)| to.saturating_sub(from))
        };
        [
            sent,
            between(sent, responded),
            between(responded, self.answered.get()),
        ]
    }

    /// Counts it, once it is over.
    pub fn count(&self, door: &Door, request: Option<&Request>) {
        let of_node = &door.counts;
        let target = self.target.borrow();
        let of_group = target
            .as_ref()
            .and_then(|(group, _)| group.counts(&door.zone));
        let both = || [Some(of_node), of_group].into_iter().flatten();
        // Of requests for which there was no target AWS counts how they were answered.
        if target.is_some() {
            both().for_each(|counts| counts.count(Metric::RequestCount));
        }
        for counts in both() {
            counts.add(
                Metric::ProcessedBytes,
                self.received_bytes.get() + self.sent_bytes.get(),
            );
            if let Some(status) = self.target_status.get() {
                counts.target_answered(status);
            }
            if let [_, Some(time), _] = self.times() {
                counts.responded_after(time);
            }
        }
        match self.target_status.get() {
            Some(_) => {}
            // The client went away before it was answered.
            None if self.status.get() == 0 => of_node.answered(460),
            None => of_node.answered(self.status.get()),
        }
        match self.action.get() {
            "redirect" => of_node.count(Metric::Redirect),
            "fixed-response" => of_node.count(Metric::FixedResponse),
            _ => {}
        }
        let is_compliant = |class: Class| class.tier == Tier::Compliant;
        if !self.class.get().is_none_or(is_compliant) {
            of_node.count(Metric::NonCompliantRequest);
        }
        of_node.add(Metric::RuleEvaluations, self.evaluated.get() as u64);
        let content = request.and_then(|request| request.fields.first("content-type"));
        if content.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
            both().for_each(|counts| counts.count(Metric::GrpcRequestCount));
        }
    }

    /// What the log says that the client was answered with: 460 when it went away before.
    pub fn logged_status(&self) -> u16 {
        match self.status.get() {
            0 => 460,
            status => status,
        }
    }

    /// The rule's priority: 0 of the default one, -1 before any was met.
    pub fn priority(&self, front: &Front) -> i32 {
        let route = self.route.get().and_then(|at| front.routes.get(at));
        route.map_or(-1, |route| i32::from(route.priority))
    }
}
