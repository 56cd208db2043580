//! Makes what is told happen: ports are opened and closed, targets are checked, and what workers
//! see is compiled anew. One thread does all of it, so that there is one order of changes.

use super::health::check::{Checked, keep_checking};
use super::health::{Found, Health};
use super::listener::{Door, Front, accept};
use super::place::Place;
use super::route::Route;
use super::settings::{GroupSettings, Settings};
use super::target::{Group, Target};
use super::tls;
use super::worker::ToWorker;
use super::{LoadBalancerState, LoadBalancerStates};
use arc_swap::ArcSwapOption;
use neargate_domain::load_balancer::{
    LoadBalancer, LoadBalancerChange, LoadBalancerType, Node, Protocol, TargetGroup, TargetHealth,
    TargetKey, TargetReason, TargetState,
};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often a namespace that is not whole yet is looked at, how often so soon, and how often later.
const SOON: Duration = Duration::from_millis(10);
const SOON_AT_MOST: u32 = 300;
const LATER: Duration = Duration::from_secs(1);

/// What the control thread is told.
#[derive(Debug)]
pub struct Told {
    pub change: LoadBalancerChange,
    /// What is known of targets' health from an earlier process.
    pub known: Vec<TargetHealth>,
}

/// A target of a group of a load balancer.
type Place3 = (String, TargetKey);

pub struct Control {
    /// What the paths of interfaces' namespaces begin with; `None`: nodes are here.
    interfaces: Option<PathBuf>,
    workers: Arc<[mpsc::UnboundedSender<ToWorker>]>,
    running: BTreeMap<String, Running>,
    found: mpsc::UnboundedSender<Event>,
    drained: mpsc::UnboundedSender<u64>,
    states: watch::Sender<LoadBalancerStates>,
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
    targets: BTreeMap<Place3, Watched>,
    /// What could not be done yet, and is tried again.
    troubles: Vec<String>,
    not_built: Vec<String>,
}

struct Open {
    door: Arc<Door>,
    accepting: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.accepting.abort();
        self.door.front.store(None);
        self.door.closed.cancel();
    }
}

struct Watched {
    target: Arc<Target>,
    health: Health,
    checked: Option<Checked>,
    checking: Option<AbortHandle>,
}

impl Watched {
    fn stop_checking(&mut self) {
        if let Some(checking) = self.checking.take() {
            checking.abort();
        }
        self.checked = None;
    }
}

impl Drop for Watched {
    /// Its requests go on, unless [`Target::gone`] was told.
    fn drop(&mut self) {
        self.stop_checking();
    }
}

/// Runs until nobody tells anything more.
pub async fn run(
    interfaces: Option<PathBuf>,
    workers: Arc<[mpsc::UnboundedSender<ToWorker>]>,
    mut told: mpsc::UnboundedReceiver<Told>,
    states: watch::Sender<LoadBalancerStates>,
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
                control.take_in(news);
                while let Ok(news) = told.try_recv() {
                    control.take_in(news);
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
    fn take_in(&mut self, told: Told) {
        match told.change {
            LoadBalancerChange::Snapshot(all) => {
                let arns: BTreeSet<String> = all.iter().map(|lb| lb.arn.clone()).collect();
                self.running.retain(|arn, _| arns.contains(arn));
                for load_balancer in all {
                    self.set(load_balancer, &told.known);
                }
            }
            LoadBalancerChange::LoadBalancer(load_balancer) => {
                self.set(*load_balancer, &told.known);
            }
            LoadBalancerChange::Gone(arn) => {
                self.running.remove(&arn);
            }
        }
    }

    fn set(&mut self, told: LoadBalancer, known: &[TargetHealth]) {
        let mut running = self.running.remove(&told.arn).unwrap_or_default();
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
        let arns: Vec<String> = self.running.keys().cloned().collect();
        for arn in arns {
            let Some(mut running) = self.running.remove(&arn) else {
                continue;
            };
            let is_gone = self.interfaces.as_ref().is_some_and(|begin| {
                let mut places = running.places.iter();
                places.any(|(interface, place)| !place.is_at(&namespace(begin, interface)))
            });
            if is_gone || !running.troubles.is_empty() {
                self.apply(&mut running, &[]);
            }
            self.running.insert(arn, running);
        }
    }

    fn apply(&self, running: &mut Running, known: &[TargetHealth]) {
        let Some(told) = running.told.clone() else {
            return;
        };
        running.troubles.clear();
        running.not_built = not_built(&told);
        self.find_places(running, &told);
        self.set_targets(running, &told, known);
        running.groups = groups(&told);
        running.choose_anew();
        self.check_targets(running, &told);
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

    /// Targets that stay keep what is under way; those that are gone are cut off.
    fn set_targets(&self, running: &mut Running, told: &LoadBalancer, known: &[TargetHealth]) {
        let mut before = std::mem::take(&mut running.targets);
        for group in &told.target_groups {
            for registered in &group.targets {
                let id = (group.arn.clone(), registered.key.clone());
                let address = SocketAddrV4::new(registered.address, registered.key.port);
                let kept = before.remove(&id).filter(|kept| {
                    kept.target.address == address
                        && kept.target.zone == registered.availability_zone
                });
                let mut watched = kept.unwrap_or_else(|| {
                    let target = Target::new(
                        group.arn.clone(),
                        registered.key.clone(),
                        address,
                        registered.availability_zone.clone(),
                        self.drained.clone(),
                    );
                    Watched {
                        target: Arc::new(target),
                        health: first_health(&id, group.health_check.is_some(), known),
                        checked: None,
                        checking: None,
                    }
                });
                let was_draining = watched.target.is_draining();
                watched.target.set_draining(registered.draining);
                let is_checked = group.health_check.is_some();
                if is_checked == (watched.health.state == TargetState::Unavailable)
                    || (was_draining && !registered.draining)
                {
                    watched.health = Health::initial(is_checked);
                }
                running.targets.insert(id, watched);
            }
        }
        // A group that no rule names any more lets its requests end; a target that is not registered
        // any more had its time for that.
        for ((group, _), watched) in &before {
            if told.target_groups.iter().any(|told| told.arn == *group) {
                watched.target.gone.cancel();
            }
        }
        let draining = running.targets.values().map(|watched| &watched.target);
        let draining = draining.filter(|target| target.is_draining());
        let gone = before.values().map(|watched| &watched.target);
        let unused: Vec<u64> = draining.chain(gone).map(|target| target.number).collect();
        if !unused.is_empty() {
            for worker in self.workers.iter() {
                let _ = worker.send(ToWorker::Forget(unused.clone()));
            }
        }
    }

    fn check_targets(&self, running: &mut Running, told: &LoadBalancer) {
        for group in &told.target_groups {
            for registered in &group.targets {
                let id = (group.arn.clone(), registered.key.clone());
                let place = running.place_for(registered.availability_zone.as_deref());
                let Some(watched) = running.targets.get_mut(&id) else {
                    continue;
                };
                let check = group.health_check.as_ref().filter(|_| !registered.draining);
                let (Some(check), Some(place)) = (check, place) else {
                    watched.stop_checking();
                    continue;
                };
                let checked = Checked {
                    check: check.clone(),
                    version: group.protocol_version,
                    address: registered.address,
                    port: registered.key.port,
                };
                if watched.checked.as_ref() == Some(&checked) {
                    continue;
                }
                watched.stop_checking();
                let (target, arn) = (watched.target.number, told.arn.clone());
                let found = self.found.clone();
                let tell = move |what| {
                    // Fails when everything ends only.
                    let _ = found.send(Event {
                        load_balancer: arn.clone(),
                        target,
                        found: what,
                    });
                };
                let checking = spawn_local(keep_checking(checked.clone(), place, tell));
                watched.checking = Some(checking.abort_handle());
                watched.checked = Some(checked);
            }
        }
    }

    fn open_doors(&self, running: &mut Running, told: &LoadBalancer) {
        let fronts: Vec<Arc<Front>> = told
            .listeners
            .iter()
            .filter_map(|listener| match front(told, listener, &running.groups) {
                Ok(front) => Some(Arc::new(front)),
                Err(trouble) => {
                    let port = listener.port;
                    running.not_built.push(format!("port {port}: {trouble}"));
                    None
                }
            })
            .collect();
        let ports: BTreeSet<u16> = told
            .listeners
            .iter()
            .map(|listener| listener.port)
            .collect();
        running.doors.retain(|(_, port), _| ports.contains(port));
        for node in &told.nodes {
            let Some(place) = running.places.get(&node.interface_id).cloned() else {
                continue;
            };
            for front in &fronts {
                let id = (node.interface_id.clone(), front.port);
                if let Some(open) = running.doors.get(&id) {
                    open.door.front.store(Some(Arc::clone(front)));
                    continue;
                }
                match self.open(node, &place, front) {
                    Ok(open) => {
                        running.doors.insert(id, open);
                    }
                    Err(error) => {
                        let trouble = format!("{} port {}: {error}", id.0, id.1);
                        running.troubles.push(trouble);
                    }
                }
            }
        }
    }

    fn open(&self, node: &Node, place: &Arc<Place>, front: &Arc<Front>) -> io::Result<Open> {
        // In a namespace of its own a node has every address there is.
        let address = match self.interfaces {
            Some(_) => Ipv4Addr::UNSPECIFIED,
            None => node.private_ipv4,
        };
        let listener = place.listener(SocketAddrV4::new(address, front.port))?;
        let listener = TcpListener::from_std(listener)?;
        let door = Arc::new(Door {
            zone: node.availability_zone.clone(),
            interface_id: node.interface_id.clone(),
            place: Arc::clone(place),
            front: ArcSwapOption::new(Some(Arc::clone(front))),
            closed: CancellationToken::new(),
        });
        let accepting = accept(listener, Arc::clone(&door), Arc::clone(&self.workers));
        Ok(Open {
            door,
            accepting: spawn_local(accepting).abort_handle(),
        })
    }

    /// Takes in what a check found.
    fn note(&mut self, event: &Event) {
        let Some(running) = self.running.get_mut(&event.load_balancer) else {
            return;
        };
        let mut targets = running.targets.values_mut();
        let Some(watched) = targets.find(|w| w.target.number == event.target) else {
            return;
        };
        let Some(checked) = &watched.checked else {
            return;
        };
        if watched.health.take_in(&event.found, &checked.check) {
            let group = watched.target.group_arn.clone();
            if watched.health.state == TargetState::Healthy {
                let target = Arc::clone(&watched.target);
                running.start_slowly(&group, &target);
            }
            running.choose_anew();
        }
    }

    /// Tells how everything is, where that is new.
    fn tell(&self) {
        self.states.send_if_modified(|states| {
            let mut is_new = states.len() != self.running.len();
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

    /// A target that became healthy starts slowly when another has its full share already.
    fn start_slowly(&self, group: &str, target: &Arc<Target>) {
        let is_slow_group = self.groups.get(group);
        if is_slow_group.is_none_or(|group| group.settings.slow_start.is_zero()) {
            return;
        }
        let others = self.targets.iter().filter(|((of, _), _)| of == group);
        let mut others = others.map(|(_, watched)| watched).filter(|watched| {
            watched.target.number != target.number && watched.health.state == TargetState::Healthy
        });
        if others.any(|other| !other.target.is_slow()) {
            target.start_slowly();
        }
    }

    /// Has requests go to those targets that health allows now.
    fn choose_anew(&self) {
        for (arn, group) in &self.groups {
            let own = self.targets.iter().filter(|((of, _), _)| of == arn);
            let own = own.map(|(_, watched)| (Arc::clone(&watched.target), watched.health.state));
            group.set_targets(&own.collect::<Vec<_>>());
        }
    }

    fn state(&self) -> LoadBalancerState {
        let health = |((group, key), watched): (&Place3, &Watched)| {
            let (state, reason, description) = match watched.target.is_draining() {
                true if watched.target.outstanding() == 0 => (TargetState::Drained, None, None),
                true => (
                    TargetState::Draining,
                    Some(TargetReason::DeregistrationInProgress),
                    Some("Target deregistration is in progress".into()),
                ),
                false => {
                    let health = watched.health.clone();
                    (health.state, health.reason, health.description)
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

fn first_health(id: &Place3, is_checked: bool, known: &[TargetHealth]) -> Health {
    let mut known = known.iter();
    let earlier = known.find(|k| k.target_group_arn == id.0 && k.key == id.1);
    match earlier {
        Some(earlier)
            if is_checked
                && matches!(earlier.state, TargetState::Healthy | TargetState::Unhealthy) =>
        {
            let earlier = earlier.clone();
            Health::known(earlier.state, earlier.reason, earlier.description)
        }
        _ => Health::initial(is_checked),
    }
}

fn groups(told: &LoadBalancer) -> BTreeMap<String, Arc<Group>> {
    let group = |group: &TargetGroup| {
        let settings = GroupSettings::new(&group.attributes, &told.attributes);
        let compiled = Group::new(
            group.arn.clone(),
            group.protocol,
            group.protocol_version,
            settings,
        );
        (group.arn.clone(), Arc::new(compiled))
    };
    told.target_groups.iter().map(group).collect()
}

/// What target groups ask for that is not built, a sentence each.
fn not_built(told: &LoadBalancer) -> Vec<String> {
    let trouble = |group: &TargetGroup| {
        let arn = &group.arn;
        const MITIGATION: &str = "load_balancing.algorithm.anomaly_mitigation";
        let mitigates = group.attributes.get(MITIGATION);
        let is_udp = matches!(group.protocol, Protocol::Udp | Protocol::TcpUdp);
        if is_udp {
            Some(format!("{arn}: UDP to targets is not built"))
        } else if mitigates.is_some_and(|value| value == "on") {
            Some(format!("{arn}: anomaly mitigation is not built"))
        } else {
            None
        }
    };
    told.target_groups.iter().filter_map(trouble).collect()
}

/// A listener compiled, or a sentence about what is not built.
fn front(
    told: &LoadBalancer,
    listener: &neargate_domain::load_balancer::Listener,
    groups: &BTreeMap<String, Arc<Group>>,
) -> Result<Front, String> {
    let settings = Settings::new(&told.attributes, &listener.attributes);
    let tls = match (told.load_balancer_type, listener.protocol, &listener.tls) {
        (LoadBalancerType::Application, Protocol::Http, _) => None,
        (LoadBalancerType::Application, Protocol::Https, Some(asked)) => Some(tls::server(
            asked,
            match settings.http2 {
                true => tls::Http::Both,
                false => tls::Http::One,
            },
        )?),
        (LoadBalancerType::Network, Protocol::Tcp, _) => None,
        (LoadBalancerType::Network, Protocol::Tls, Some(asked)) => {
            Some(tls::server(asked, tls::Http::Not)?)
        }
        (_, protocol, _) => return Err(format!("{protocol:?} listeners are not built")),
    };
    let routes = listener
        .rules
        .iter()
        .map(|rule| Route::compile(rule, groups));
    Ok(Front {
        load_balancer_arn: told.arn.clone(),
        listener_arn: listener.arn.clone(),
        dns_name: told.dns_name.clone(),
        port: listener.port,
        protocol: listener.protocol,
        settings,
        tls,
        routes: routes.collect::<Result<_, _>>()?,
    })
}

/// The path of an interface's namespace, whose begin all of them have.
fn namespace(begin: &Path, interface: &str) -> PathBuf {
    let mut path = begin.as_os_str().to_owned();
    path.push(interface);
    path.into()
}
