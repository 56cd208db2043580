//! Makes what is told happen: ports are opened and closed, targets are checked, and what workers
//! see is compiled anew. One thread does all of it, so that there is one order of changes.
//!
//! A process whose ports another takes over goes through three duties. It *carries*; it *offers* its
//! ports, accepts nothing and checks nothing until the other has them or is gone; it *leaves*: what is
//! under way goes on, as the other tells how everything is.

mod compiled;
mod doors;
mod targets;

use super::health::Found;
use super::listener::Connections;
use super::observed::counts::Table;
use super::observed::files::Logs;
use super::place::Place;
use super::target::Group;
use super::worker::ToWorker;
use super::{HandedSockets, LoadBalancerState, LoadBalancerStates};
use doors::Open;
use neargate_domain::load_balancer::{
    LoadBalancer, LoadBalancerChange, Node, TargetHealth, TargetKey, TargetReason, TargetState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use targets::Watched;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

/// How often a namespace that is not whole yet is looked at, how often so soon, and how often later.
const SOON: Duration = Duration::from_millis(10);
const SOON_AT_MOST: u32 = 300;
const LATER: Duration = Duration::from_secs(1);

/// What the control thread is told.
#[derive(Debug)]
pub enum ToControl {
    Change {
        change: LoadBalancerChange,
        /// What is known of targets' health from an earlier process.
        known: Vec<TargetHealth>,
    },
    /// Ports of a process before, for what is told next.
    Take(HandedSockets),
    /// Another process is to take the ports.
    Offer(oneshot::Sender<HandedSockets>),
    /// It did not: everything goes on here.
    Resume,
    /// It did.
    Leave,
    /// How the other finds targets.
    Health(Vec<TargetHealth>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    Carries,
    Offers,
    Leaves,
}

/// A target of a group of a load balancer: the group's ARN and the target in it.
type TargetId = (String, TargetKey);

pub struct Control {
    /// What the paths of interfaces' namespaces begin with; `None`: nodes are here.
    interfaces: Option<PathBuf>,
    workers: Arc<[mpsc::UnboundedSender<ToWorker>]>,
    running: BTreeMap<String, Running>,
    found: mpsc::UnboundedSender<Event>,
    drained: mpsc::UnboundedSender<u64>,
    states: watch::Sender<LoadBalancerStates>,
    duty: Duty,
    /// Ports of a process before, until all that there is was told and is open.
    taken: HandedSockets,
    watched: Watch,
}

/// What is observed of traffic.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Those of clients.
    pub connections: Connections,
    pub table: Table,
    /// `None`: nothing is written.
    pub logs: Option<Logs>,
}

/// What happens by itself.
#[derive(Debug)]
struct Event {
    load_balancer: String,
    target: u64,
    found: Found,
}

/// A load balancer that carries traffic.
#[derive(Default)]
struct Running {
    told: Option<LoadBalancer>,
    places: BTreeMap<String, Arc<Place>>,
    doors: BTreeMap<(String, u16), Open>,
    groups: BTreeMap<String, Arc<Group>>,
    targets: BTreeMap<TargetId, Watched>,
    /// What could not be done yet, and is tried again.
    troubles: Vec<String>,
    not_built: Vec<String>,
}

/// Runs until nobody tells anything more.
pub async fn run(
    interfaces: Option<PathBuf>,
    workers: Arc<[mpsc::UnboundedSender<ToWorker>]>,
    mut told: mpsc::UnboundedReceiver<ToControl>,
    states: watch::Sender<LoadBalancerStates>,
    watched: Watch,
) {
    let (found, mut events) = mpsc::unbounded_channel();
    let (drained, mut ends) = mpsc::unbounded_channel();
    let mut control = Control {
        interfaces,
        workers,
        running: BTreeMap::new(),
        found,
        drained,
        states,
        duty: Duty::Carries,
        taken: HandedSockets::new(),
        watched,
    };
    let mut tries = 0;
    loop {
        let wait = match (control.has_troubles(), tries) {
            (true, ..SOON_AT_MOST) => SOON,
            _ => LATER,
        };
        tokio::select! {
            news = told.recv() => {
                let Some(news) = news else {
                    return;
                };
                control.hear(news);
                while let Ok(news) = told.try_recv() {
                    control.hear(news);
                }
                tries = 0;
            }
            Some(event) = events.recv() => {
                control.note(&event);
                while let Ok(event) = events.try_recv() {
                    control.note(&event);
                }
            }
            // It is looked at below.
            Some(_) = ends.recv() => {}
            () = sleep(wait) => {
                control.look_at_places();
                tries += 1;
            }
        }
        control.tell();
    }
}

impl Control {
    fn hear(&mut self, news: ToControl) {
        match news {
            ToControl::Change { change, known } => self.take_in(change, &known),
            ToControl::Take(sockets) => self.taken = sockets,
            ToControl::Health(found) => self.take_in_health(&found),
            ToControl::Offer(tell) => {
                self.duty = Duty::Offers;
                for running in self.running.values_mut() {
                    running.doors.values_mut().for_each(Open::pause);
                    running
                        .targets
                        .values_mut()
                        .for_each(Watched::stop_checking);
                }
                let doors = self.running.values().flat_map(|running| &running.doors);
                // Whoever asked is gone.
                let _ = tell.send(doors.flat_map(|(_, open)| open.offered()).collect());
            }
            ToControl::Resume => {
                self.duty = Duty::Carries;
                for running in self.running.values_mut() {
                    running.doors.values_mut().for_each(Open::resume);
                }
                self.apply_all(|_| true);
            }
            ToControl::Leave => {
                self.duty = Duty::Leaves;
                let running = self.running.values_mut();
                let doors = running.flat_map(|running| running.doors.values_mut());
                doors.for_each(Open::leave);
            }
        }
    }

    fn take_in(&mut self, change: LoadBalancerChange, known: &[TargetHealth]) {
        match change {
            LoadBalancerChange::Snapshot(all) => {
                let arns: BTreeSet<String> = all.iter().map(|lb| lb.arn.clone()).collect();
                self.running.retain(|arn, _| arns.contains(arn));
                for load_balancer in all {
                    self.set(load_balancer, known);
                }
                if !self.has_troubles() {
                    self.taken.clear();
                }
            }
            LoadBalancerChange::LoadBalancer(load_balancer) => {
                self.set(*load_balancer, known);
            }
            LoadBalancerChange::Gone(arn) => {
                self.running.remove(&arn);
            }
        }
    }

    fn set(&mut self, mut told: LoadBalancer, known: &[TargetHealth]) {
        let mut running = self.running.remove(&told.arn).unwrap_or_default();
        if let Some(before) = &running.told {
            compiled::keep_keys(&mut told, before);
        }
        if running.told.as_ref() != Some(&told) {
            running.told = Some(told.clone());
            self.apply(&mut running, known);
        }
        self.running.insert(told.arn, running);
    }

    fn has_troubles(&self) -> bool {
        self.running
            .values()
            .any(|running| !running.troubles.is_empty())
    }

    /// Opens what could not be opened yet, and again what is in a namespace that is gone.
    fn look_at_places(&mut self) {
        let begin = self.interfaces.clone();
        self.apply_all(|running| {
            let is_gone = begin.as_ref().is_some_and(|begin| {
                let mut places = running.places.iter();
                places.any(|(interface, place)| !place.is_at(&namespace(begin, interface)))
            });
            is_gone || !running.troubles.is_empty()
        });
        if !self.has_troubles() {
            self.taken.clear();
        }
    }

    /// Has what was told happen again, where that is needed.
    fn apply_all(&mut self, is_needed: impl Fn(&Running) -> bool) {
        let arns: Vec<String> = self.running.keys().cloned().collect();
        for arn in arns {
            let Some(mut running) = self.running.remove(&arn) else {
                continue;
            };
            if is_needed(&running) {
                self.apply(&mut running, &[]);
            }
            self.running.insert(arn, running);
        }
    }

    fn apply(&mut self, running: &mut Running, known: &[TargetHealth]) {
        let Some(told) = running.told.clone() else {
            return;
        };
        running.troubles.clear();
        running.not_built = compiled::not_built(&told);
        self.find_places(running, &told);
        self.set_targets(running, &told, known);
        running.groups = compiled::groups(&told, &self.watched.table);
        running.choose_anew();
        if self.duty == Duty::Carries {
            self.check_targets(running, &told);
        }
        self.open_doors(running, &told);
    }

    fn find_places(&self, running: &mut Running, told: &LoadBalancer) {
        let nodes: BTreeSet<&String> = told.nodes.iter().map(|node| &node.interface_id).collect();
        let is_there = |interface: &String, place: &Arc<Place>| {
            let begin = self.interfaces.as_ref();
            let is_at = |begin: &PathBuf| place.is_at(&namespace(begin, interface));
            nodes.contains(interface) && begin.is_none_or(is_at)
        };
        running
            .places
            .retain(|interface, place| is_there(interface, place));
        let places = &running.places;
        running.doors.retain(|(interface, _), open| {
            let place = places.get(interface);
            place.is_some_and(|place| place.number == open.door.place.number)
        });
        for interface in nodes {
            if running.places.contains_key(interface) {
                continue;
            }
            let place = match &self.interfaces {
                Some(begin) => Place::open(&namespace(begin, interface)),
                None => Ok(Place::here()),
            };
            match place {
                Ok(place) => {
                    running.places.insert(interface.clone(), Arc::new(place));
                }
                Err(error) => running.troubles.push(format!("{interface}: {error}")),
            }
        }
    }

    /// Tells how everything is, where that is new.
    fn tell(&self) {
        self.states.send_if_modified(|states| {
            let mut is_new = states.len() != self.running.len();
            if is_new {
                self.watched
                    .table
                    .keep(|arn| self.running.contains_key(arn));
            }
            states.retain(|arn, _| self.running.contains_key(arn));
            for (arn, running) in &self.running {
                let state = running.state();
                if states.get(arn).is_none_or(|before| **before != state) {
                    states.insert(arn.clone(), Arc::new(state));
                    is_new = true;
                }
            }
            is_new
        });
    }
}

impl Running {
    /// A node in this zone, or any.
    fn place_for(&self, zone: Option<&str>) -> Option<Arc<Place>> {
        let nodes = self.told.iter().flat_map(|told| &told.nodes);
        let with_place = |node: &Node| self.places.get(&node.interface_id).cloned();
        let mut near = nodes
            .clone()
            .filter(|n| zone == Some(n.availability_zone.as_str()));
        near.find_map(with_place)
            .or_else(|| nodes.clone().find_map(with_place))
    }

    fn state(&self) -> LoadBalancerState {
        let health = |((group, key), watched): (&TargetId, &Watched)| {
            let (state, reason, description) = match watched.target.is_draining() {
                true if watched.target.outstanding() == 0 => (TargetState::Drained, None, None),
                true => (
                    TargetState::Draining,
                    Some(TargetReason::DeregistrationInProgress),
                    Some("Target deregistration is in progress".into()),
                ),
                false => {
                    let health = watched.health.clone();
                    let settings = self.groups.get(group).map(|group| &group.settings);
                    let drains = settings.is_some_and(|settings| {
                        !settings.ends_with_health
                            && watched.drains_unhealthy(settings.unhealthy_draining)
                    });
                    let state = match drains {
                        true => TargetState::UnhealthyDraining,
                        false => health.state,
                    };
                    (state, health.reason, health.description)
                }
            };
            TargetHealth {
                target_group_arn: group.clone(),
                key: key.clone(),
                state,
                reason,
                description,
            }
        };
        let listeners = self.told.iter().flat_map(|told| &told.listeners).count();
        let nodes = self.told.iter().flat_map(|told| &told.nodes).count();
        LoadBalancerState {
            is_listening: self.doors.len() == listeners * nodes && self.troubles.is_empty(),
            problems: self
                .not_built
                .iter()
                .chain(&self.troubles)
                .cloned()
                .collect(),
            targets: self.targets.iter().map(health).collect(),
        }
    }
}

/// The path of an interface's namespace, whose begin all of them have.
fn namespace(begin: &Path, interface: &str) -> PathBuf {
    let mut path = begin.as_os_str().to_owned();
    path.push(interface);
    path.into()
}
