//! Targets and groups of them as requests see them: who may be chosen, and what each has to do.

use super::settings::{Algorithm, GroupSettings};
use arc_swap::ArcSwap;
use neargate_domain::load_balancer::{Protocol, ProtocolVersion, TargetKey, TargetState};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
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
    /// Requests and connections under way.
    outstanding: AtomicUsize,
    is_draining: AtomicBool,
    /// Hears the target's number when it drains and has nothing left.
    drained: mpsc::UnboundedSender<u64>,
    /// It is not registered any more: what is under way is cut off.
    pub gone: CancellationToken,
}

impl Target {
    pub fn new(
        group_arn: String,
        key: TargetKey,
        address: SocketAddrV4,
        zone: Option<String>,
        drained: mpsc::UnboundedSender<u64>,
    ) -> Target {
        Target {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            group_arn,
            key,
            address,
            zone,
            outstanding: AtomicUsize::new(0),
            is_draining: AtomicBool::new(false),
            drained,
            gone: CancellationToken::new(),
        }
    }

    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    pub fn set_draining(&self, is_draining: bool) {
        self.is_draining.store(is_draining, Ordering::SeqCst);
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
    ) -> Group {
        Group {
            arn,
            protocol,
            version,
            settings,
            eligible: ArcSwap::default(),
            next: AtomicUsize::new(0),
        }
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

    /// A target for a request that came to a node in `zone`, but none of `tried`.
    pub fn choose(&self, zone: &str, tried: &[u64], random: u64) -> Option<Arc<Target>> {
        let eligible = self.eligible.load();
        let targets = match self.settings.cross_zone {
            true => &eligible.all,
            false => eligible.by_zone.get(zone).unwrap_or(&eligible.anywhere),
        };
        let start = match self.settings.algorithm {
            Algorithm::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed),
            Algorithm::LeastOutstandingRequests | Algorithm::WeightedRandom => {
                usize::try_from(random >> 1).unwrap_or(0)
            }
        };
        let length = targets.len();
        let in_turn = (0..length).map(|step| &targets[(start % length + step) % length]);
        let mut open = in_turn.filter(|target| !tried.contains(&target.number));
        let target = match self.settings.algorithm {
            Algorithm::LeastOutstandingRequests => open.min_by_key(|target| target.outstanding()),
            Algorithm::RoundRobin | Algorithm::WeightedRandom => open.next(),
        };
        target.cloned()
    }
}
