//! Targets and groups of them as requests see them: who may be chosen, and what each has to do.

use super::http::cookie;
use super::observed::counts::Counts;
use super::settings::{Algorithm, GroupSettings};
use arc_swap::ArcSwap;
use neargate_base::time::Stopwatch;
use neargate_domain::load_balancer::{Protocol, ProtocolVersion, TargetKey, TargetState};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Numbers targets, for pools and lists: a number is never used again.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A registered target. It lives on while its registration does, whatever else changes.
#[derive(Debug)]
pub struct Target {
    pub number: u64,
    pub group_arn: String,
    pub key: TargetKey,
    pub address: SocketAddrV4,
    pub zone: Option<String>,
    /// Its number in cookies.
    pub cookie: u64,
    /// Since when it gets more and more; `None`: its share.
    slow_since: Mutex<Option<Stopwatch>>,
    /// Requests and connections under way.
    outstanding: AtomicUsize,
    is_draining: AtomicBool,
    /// Hears the target's number when it drains and has nothing left.
    drained: mpsc::UnboundedSender<u64>,
    /// It is not registered any more: what is under way is cut off.
    pub gone: CancellationToken,
    /// Cancelled when it becomes unhealthy, for what is under way then.
    health: ArcSwap<CancellationToken>,
}

impl Target {
    pub fn new(
        group_arn: String,
        key: TargetKey,
        address: SocketAddrV4,
        zone: Option<String>,
        drained: mpsc::UnboundedSender<u64>,
    ) -> Target {
        let port = key.port.to_string();
        let cookie = cookie::number(&[group_arn.as_bytes(), key.id.as_bytes(), port.as_bytes()]);
        Target {
            cookie,
            slow_since: Mutex::new(None),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            group_arn,
            key,
            address,
            zone,
            outstanding: AtomicUsize::new(0),
            is_draining: AtomicBool::new(false),
            drained,
            gone: CancellationToken::new(),
            health: ArcSwap::default(),
        }
    }

    /// It became unhealthy.
    pub fn fell_ill(&self) {
        self.health.swap(Arc::default()).cancel();
    }

    /// Is cancelled when it becomes unhealthy after this.
    pub fn health(&self) -> CancellationToken {
        self.health.load().as_ref().clone()
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    pub fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::SeqCst);
    }

    /// It became healthy beside others: its share grows from now on.
    pub fn start_slowly(&self) {
        *self.slow_since.lock() = Some(Stopwatch::start());
    }

    /// Its part of a full share, of 2^16, while that grows over this time.
    fn share(&self, slow_start: Duration) -> u64 {
        const FULL: u64 = 1 << 16;
        let mut since = self.slow_since.lock();
        let Some(elapsed) = since.map(|since| since.elapsed()) else {
            return FULL;
        };
        if elapsed >= slow_start {
            *since = None;
            return FULL;
        }
        let part = elapsed.as_millis() * u128::from(FULL) / slow_start.as_millis().max(1);
        // It gets something from the beginning on.
        u64::try_from(part).unwrap_or(FULL).max(FULL / 32)
    }

    pub fn is_slow(&self) -> bool {
        self.slow_since.lock().is_some()
    }

    pub fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::SeqCst)
    }
}

/// A request under way, or a connection: it counts until it is dropped.
#[derive(Debug)]
pub struct Underway(pub Arc<Target>);

impl Underway {
    pub fn new(target: Arc<Target>) -> Underway {
        target.outstanding.fetch_add(1, Ordering::SeqCst);
        Underway(target)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let before = self.0.outstanding.fetch_sub(1, Ordering::SeqCst);
        if before == 1 && self.0.is_draining() {
            // Fails when everything ends only.
            let _ = self.0.drained.send(self.0.number);
        }
    }
}

/// A target group as rules name it.
#[derive(Debug)]
pub struct Group {
    pub arn: String,
    pub protocol: Protocol,
    pub version: ProtocolVersion,
    pub settings: GroupSettings,
    /// By the zone of the node.
    counts: BTreeMap<String, Arc<Counts>>,
    eligible: ArcSwap<Eligible>,
    next: AtomicUsize,
}

/// Who may be chosen: everywhere, and from each zone when others' are not crossed to.
#[derive(Debug, Default)]
struct Eligible {
    all: Vec<Arc<Target>>,
    by_zone: BTreeMap<String, Vec<Arc<Target>>>,
    /// Targets that are in no zone, which every zone may use.
    anywhere: Vec<Arc<Target>>,
}

impl Group {
    pub fn new(
        arn: String,
        protocol: Protocol,
        version: ProtocolVersion,
        settings: GroupSettings,
        counts: BTreeMap<String, Arc<Counts>>,
    ) -> Group {
        Group {
            arn,
            protocol,
            version,
            settings,
            counts,
            eligible: ArcSwap::default(),
            next: AtomicUsize::new(0),
        }
    }

    /// What is counted of it at a node in this zone.
    pub fn counts(&self, zone: &str) -> Option<&Arc<Counts>> {
        self.counts.get(zone)
    }

    /// Who may be chosen from now on, as health tells it.
    pub fn set_targets(&self, targets: &[(Arc<Target>, TargetState)]) {
        let mut eligible = Eligible::default();
        if self.settings.cross_zone {
            eligible.all = self.usable(targets.iter());
        } else {
            let zones = targets.iter().filter_map(|(target, _)| target.zone.clone());
            for zone in zones {
                let is_near = |(target, _): &&(Arc<Target>, TargetState)| {
                    target.zone.as_ref().is_none_or(|own| *own == zone)
                };
                let usable = self.usable(targets.iter().filter(is_near));
                eligible.by_zone.insert(zone, usable);
            }
            let anywhere = targets.iter().filter(|(target, _)| target.zone.is_none());
            eligible.anywhere = self.usable(anywhere);
        }
        self.eligible.store(Arc::new(eligible));
    }

    /// The healthy ones, or all when too few are.
    fn usable<'a>(
        &self,
        targets: impl Iterator<Item = &'a (Arc<Target>, TargetState)>,
    ) -> Vec<Arc<Target>> {
        let registered: Vec<_> = targets
            .filter(|(target, _)| !target.is_draining())
            .collect();
        let healthy: Vec<Arc<Target>> = registered
            .iter()
            .filter(|(_, state)| matches!(state, TargetState::Healthy | TargetState::Unavailable))
            .map(|(target, _)| Arc::clone(target))
            .collect();
        let least = self.settings.fail_open;
        let is_enough = healthy.len() >= least.count
            && healthy.len() * 100 >= registered.len() * least.percentage;
        match is_enough {
            true => healthy,
            false => registered.iter().map(|(t, _)| Arc::clone(t)).collect(),
        }
    }

    /// The group's number in cookies.
    pub fn cookie(&self) -> u64 {
        cookie::number(&[self.arn.as_bytes()])
    }

    fn eligible<'a>(&self, eligible: &'a Eligible, zone: &str) -> &'a [Arc<Target>] {
        match self.settings.cross_zone {
            true => &eligible.all,
            false => eligible.by_zone.get(zone).unwrap_or(&eligible.anywhere),
        }
    }

    /// The target that a cookie names, if it may be chosen.
    pub fn find(&self, zone: &str, cookie: u64) -> Option<Arc<Target>> {
        let eligible = self.eligible.load();
        let mut targets = self.eligible(&eligible, zone).iter();
        targets.find(|target| target.cookie == cookie).cloned()
    }

    /// The target of a flow with this number, but none of `tried`.
    pub fn choose_by(&self, zone: &str, tried: &[u64], number: u64) -> Option<Arc<Target>> {
        let eligible = self.eligible.load();
        let targets = self.eligible(&eligible, zone);
        let mut open = targets
            .iter()
            .filter(|target| !tried.contains(&target.number));
        // Each target draws a lot: when one goes, only its own flows move.
        let lot = |target: &&Arc<Target>| {
            let mixed = (number ^ target.cookie).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed ^ (mixed >> 29)
        };
        let first = open.next()?;
        let best = open.fold(
            first,
            |best, next| if lot(&next) > lot(&best) { next } else { best },
        );
        Some(Arc::clone(best))
    }

    /// A target for a request that came to a node in `zone`, but none of `tried`.
    pub fn choose(&self, zone: &str, tried: &[u64], random: u64) -> Option<Arc<Target>> {
        let eligible = self.eligible.load();
        let targets = self.eligible(&eligible, zone);
        let start = match self.settings.algorithm {
            Algorithm::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed),
            Algorithm::LeastOutstandingRequests | Algorithm::WeightedRandom => {
                usize::try_from(random >> 1).unwrap_or(0)
            }
        };
        let length = targets.len();
        let in_turn = (0..length).map(|step| &targets[(start % length + step) % length]);
        let open = in_turn.filter(|target| !tried.contains(&target.number));
        let slow_start = self.settings.slow_start;
        if !slow_start.is_zero() {
            // Each is passed over as often as its share is short of a full one.
            let mut dice = random;
            let lucky = open.clone().find(|target| {
                dice = dice.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
                target.share(slow_start) > dice >> 48
            });
            if lucky.is_some() {
                return lucky.cloned();
            }
        }
        let mut open = open;
        let target = match self.settings.algorithm {
            Algorithm::LeastOutstandingRequests => open.min_by_key(|target| target.outstanding()),
            Algorithm::RoundRobin | Algorithm::WeightedRandom => open.next(),
        };
        target.cloned()
    }
}
