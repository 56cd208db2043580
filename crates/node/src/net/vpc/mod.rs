//! The VPCs of this host: a network namespace for each that has an interface here, which is the
//! router of its subnets and enforces what was told of it ([`neargate_domain::vpc_network`]).
//!
//! Invariants: for each VPC one task alone changes its namespace, and it makes what is wanted at that
//! moment, whoever asked; a VPC's namespace is there while an interface of it is, and a little longer; what was not told of
//! lets nothing through.

mod acl;
pub(super) mod flows;
mod groups;
mod layout;
mod namespace;
mod peering;
mod router;
pub(super) mod rules;
mod store;
mod told;
pub(super) mod view;

pub(super) use namespace::{Site, reach};

use super::error::NetworkError;
use super::{TASK_ENDPOINT, blocking, names, netns};
use neargate_domain::vpc_network::{NetworkChange, VpcNetwork};
use neargate_domain::{Cidr, NetworkInterface};
use parking_lot::Mutex;
use router::{Answer, Handle};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use tokio::sync::{oneshot, watch};
use told::Told;
use view::{Member, Port, View};

/// The VPC's end of the link between it and the host.
pub(super) const UPLINK: &str = "uplink";
/// The link to other hosts' parts of the VPC.
pub(super) const OVERLAY: &str = "overlay";
/// Next hops on an uplink: the VPC, as the host and its peers call it; the host; and the host as an
/// internet gateway. They are no addresses that anybody has.
const ROUTER: Ipv4Addr = Ipv4Addr::new(169, 254, 254, 1);
const HOST: Ipv4Addr = Ipv4Addr::new(169, 254, 254, 2);
const IGW: Ipv4Addr = Ipv4Addr::new(169, 254, 254, 3);
/// AmazonProvidedDNS, beside the address after each VPC's router.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 253);
/// Where instances ask what they are.
const INSTANCE_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
/// By an address of these a host asks others for interfaces, and is answered by them (class E, RFC
/// 1112): no VPC has them.
const HOSTS: Cidr = Cidr::around(Ipv4Addr::new(240, 0, 0, 0), 4);
/// Both ends of every uplink, which has no others. Between peers both are routers.
const MAC_OF_HOST: [u8; 6] = [0x02, b'n', b'g', 0, 0, 1];
const MAC_OF_ROUTER: [u8; 6] = [0x02, b'n', b'g', 0, 0, 2];

/// How long an interface waits for its VPC to be told of.
const PATIENCE: Duration = Duration::from_secs(5);
const ATTACHED: &str = "attached";

/// An interface that was attached here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Attached {
    /// The name of its task's namespace.
    pub(super) file: String,
    pub(super) veth: String,
    pub(super) interface: NetworkInterface,
    /// Its groups are what the control plane says, not what its assignment said.
    told: bool,
    /// Its link was made; until then it is not missed.
    #[serde(skip, default = "yes")]
    is_connected: bool,
}

/// What an earlier process attached.
fn yes() -> bool {
    true
}

#[derive(Debug, Default)]
struct State {
    told: Told,
    /// By VPC, then by the names of the tasks' namespaces.
    attached: BTreeMap<String, BTreeMap<String, Attached>>,
    routers: HashMap<String, Handle>,
    has_ended: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Vpcs {
    site: Site,
    store: Store,
    state: Mutex<State>,
    /// Counts what was told.
    news: watch::Sender<u64>,
}

impl Vpcs {
    /// Finds again what an earlier process was told, and which interfaces it attached, as far as
    /// their tasks' namespaces in `netns_dir` are there.
    pub(super) fn open(site: Site, run_dir: &Path, netns_dir: &Path) -> Result<Vpcs, NetworkError> {
        std::fs::create_dir_all(&site.dir).map_err(NetworkError::path("create", &site.dir))?;
        let kinds = [told::VPCS, told::INTERFACES, told::HOSTS, ATTACHED];
        let store = Store::open(run_dir.join("vpcs"), &kinds)?;
        let mut state = State {
            told: Told::load(&store)?,
            ..State::default()
        };
        for (file, attached) in store.all::<Attached>(ATTACHED)? {
            if netns_dir.join(&file).exists() {
                let vpc_id = attached.interface.vpc_id.clone();
                let of_vpc = state.attached.entry(vpc_id).or_default();
                of_vpc.insert(file, attached);
            } else {
                store.remove(ATTACHED, &file)?;
            }
        }
        Ok(Vpcs {
            site,
            store,
            state: Mutex::new(state),
            news: watch::Sender::new(0),
        })
    }

    /// Makes of every VPC what it should be, and removes the namespaces of those without interfaces.
    pub(super) async fn restore(self: &Arc<Self>) -> Result<Vec<Attached>, NetworkError> {
        let dir = self.site.dir.clone();
        for vpc_id in blocking(move || netns::list(&dir)).await? {
            if !self.state.lock().wants(&vpc_id, &self.site) {
                let site = self.site.clone();
                blocking(move || namespace::remove(&site, &vpc_id, None)).await?;
            }
        }
        self.look().await
    }

    /// Where a VPC's namespace is, or will be.
    pub(super) fn namespace(&self, vpc_id: &str) -> PathBuf {
        self.site.dir.join(vpc_id)
    }

    /// Takes in what changed. It holds when this returns.
    pub(super) async fn apply(
        self: &Arc<Self>,
        changes: Vec<NetworkChange>,
    ) -> Result<(), NetworkError> {
        let this = Arc::clone(self);
        let taken_in = blocking(move || {
            let mut state = this.state.lock();
            let (mut concerned, mut refused) = (BTreeSet::new(), Ok(()));
            for change in changes {
                match state.told.change(&this.store, change) {
                    Ok(mut more) => concerned.append(&mut more),
                    Err(error) => refused = Err(error),
                }
            }
            state.note_told(&this.store)?;
            Ok((concerned, refused))
        });
        let (concerned, refused) = taken_in.await?;
        self.news.send_modify(|n| *n += 1);
        self.refresh(concerned).await?;
        refused
    }

    /// The other hosts.
    pub(super) async fn set_peers(
        self: &Arc<Self>,
        peers: BTreeSet<Ipv4Addr>,
    ) -> Result<(), NetworkError> {
        let this = Arc::clone(self);
        blocking(move || this.state.lock().told.set_peers(&this.store, peers)).await?;
        let all = self.state.lock().routers.keys().cloned().collect();
        self.refresh(all).await
    }

    /// The other hosts, as told last.
    pub(super) fn peers(&self) -> Option<BTreeSet<Ipv4Addr>> {
        self.state.lock().told.peers().cloned()
    }

    /// Waits, not for ever, until the interface's VPC and subnet were told of.
    pub(super) async fn known(&self, interface: &NetworkInterface) -> Result<(), NetworkError> {
        let mut news = self.news.subscribe();
        let known = news.wait_for(|_| self.state.lock().told.knows(interface));
        match tokio::time::timeout(PATIENCE, known).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(NetworkError::UnknownVpc {
                vpc_id: interface.vpc_id.clone(),
                subnet_id: interface.subnet_id.clone(),
            }),
        }
    }

    /// The interface is of this host from now on. The answer comes when the rules have it; its link
    /// may be made once the namespace is there: with the answer, or now if this says so.
    pub(super) fn admit(
        self: &Arc<Self>,
        file: &str,
        veth: &str,
        interface: &NetworkInterface,
    ) -> Result<(bool, oneshot::Receiver<Answer>), NetworkError> {
        let mut state = self.state.lock();
        let vpc_id = &interface.vpc_id;
        let attached = Attached {
            file: file.to_owned(),
            veth: veth.to_owned(),
            interface: interface.clone(),
            told: state.told.interface(vpc_id, &interface.id).is_some(),
            is_connected: false,
        };
        self.store.put(ATTACHED, file, &attached)?;
        // A task has one interface: one of another VPC is of an earlier attempt.
        for (other, of_vpc) in &mut state.attached {
            if other != vpc_id {
                of_vpc.remove(file);
            }
        }
        let of_vpc = state.attached.entry(vpc_id.clone()).or_default();
        of_vpc.insert(file.to_owned(), attached);
        let router = router::of(self, &mut state, vpc_id);
        Ok((router.is_made(), router.ask(false)))
    }

    /// The interface's link was made.
    pub(super) fn connected(&self, vpc_id: &str, file: &str) {
        let mut state = self.state.lock();
        let of_vpc = state.attached.get_mut(vpc_id);
        if let Some(attached) = of_vpc.and_then(|of_vpc| of_vpc.get_mut(file)) {
            attached.is_connected = true;
        }
    }

    /// The interface is of this host no longer.
    pub(super) async fn withdraw(self: &Arc<Self>, file: &str) -> Result<(), NetworkError> {
        let concerned = {
            let mut state = self.state.lock();
            let vpcs = state.attached.iter_mut();
            let had = vpcs.filter_map(|(id, of_vpc)| of_vpc.remove(file).map(|_| id.clone()));
            let mut concerned: BTreeSet<String> = had.collect();
            state.attached.retain(|_, of_vpc| !of_vpc.is_empty());
            // With its last interface goes the namespace, and with that the way to its peers.
            let left = concerned
                .iter()
                .filter(|id| !state.attached.contains_key(*id));
            let peers = left.flat_map(|id| state.told.peered(id).map(|peer| peer.vpc_id.clone()));
            let peers: Vec<String> = peers.collect();
            concerned.extend(peers);
            concerned
        };
        self.refresh(concerned).await?;
        self.store.remove(ATTACHED, file)
    }

    /// Looks at every VPC and makes again what is missing. Tells the interfaces whose links are gone.
    pub(super) async fn look(self: &Arc<Self>) -> Result<Vec<Attached>, NetworkError> {
        let answers: Vec<_> = {
            let mut state = self.state.lock();
            let vpcs = state.wanted(&self.site);
            let ask = |id: &String| router::of(self, &mut state, id).ask(true);
            vpcs.iter().map(ask).collect()
        };
        let mut lost = Vec::new();
        for answer in answers {
            lost.append(&mut wait(answer).await?);
        }
        let state = self.state.lock();
        let all = state.attached.values().flat_map(BTreeMap::values);
        Ok(all
            .filter(|a| a.is_connected && lost.contains(&a.veth))
            .cloned()
            .collect())
    }

    /// Removes the namespaces that nobody wants and nobody looks after: whose removal failed.
    pub(super) async fn tidy(self: &Arc<Self>) -> Result<(), NetworkError> {
        let dir = self.site.dir.clone();
        let there = blocking(move || netns::list(&dir)).await?;
        let answers: Vec<_> = {
            let mut state = self.state.lock();
            let is_left = |state: &State, id: &String| {
                !state.routers.contains_key(id) && !state.wants(id, &self.site)
            };
            let left: Vec<String> = there.into_iter().filter(|id| is_left(&state, id)).collect();
            let ask = |id: &String| router::of(self, &mut state, id).ask(false);
            left.iter().map(ask).collect()
        };
        for answer in answers {
            wait(answer).await?;
        }
        Ok(())
    }

    /// Removes the namespaces that are kept though nobody wants them.
    pub(super) async fn end_idle(&self) -> Result<(), NetworkError> {
        let answers: Vec<_> = {
            let state = self.state.lock();
            let idle = state
                .routers
                .iter()
                .filter(|(id, _)| !state.wants(id, &self.site));
            idle.map(|(_, router)| router.end()).collect()
        };
        for answer in answers {
            wait(answer).await?;
        }
        Ok(())
    }

    /// Is the task's interface still of this host?
    pub(super) fn has(&self, file: &str) -> bool {
        let state = self.state.lock();
        state
            .attached
            .values()
            .any(|of_vpc| of_vpc.contains_key(file))
    }

    /// The ends of the interfaces of this host, by VPC.
    pub(super) fn veths(&self) -> BTreeMap<String, BTreeSet<String>> {
        let state = self.state.lock();
        let veths =
            |of_vpc: &BTreeMap<String, Attached>| of_vpc.values().map(|a| a.veth.clone()).collect();
        let all = state.attached.iter();
        all.map(|(id, of_vpc)| (id.clone(), veths(of_vpc)))
            .collect()
    }

    /// The VPCs that are here and have a flow log, with the private addresses whose flows are counted.
    pub(super) fn logged(&self) -> BTreeMap<String, Vec<Ipv4Addr>> {
        let state = self.state.lock();
        let here = state.routers.iter().filter(|(_, router)| router.is_made());
        let here = here.filter(|(id, _)| state.told.vpc(id).is_some_and(|vpc| vpc.is_logged));
        let logged = |vpc_id: &String| {
            let attached = state.attached.get(vpc_id).into_iter();
            let interfaces = attached.flat_map(|a| a.values().map(|a| &a.interface));
            let told = |id: &str| state.told.interface(vpc_id, id);
            let those = interfaces.filter(|i| told(&i.id).is_some_and(|told| told.is_logged));
            those.map(|i| i.private_ipv4).collect()
        };
        here.map(|(id, _)| (id.clone(), logged(id))).collect()
    }

    /// Takes every VPC away that has no interface here, and makes none again.
    pub(super) async fn end(self: &Arc<Self>) -> Result<(), NetworkError> {
        let all = {
            let mut state = self.state.lock();
            state.has_ended = true;
            state.routers.keys().cloned().collect()
        };
        self.refresh(all).await
    }

    /// Has the routers of these VPCs, if they have any, make what is wanted now.
    async fn refresh(self: &Arc<Self>, vpcs: BTreeSet<String>) -> Result<(), NetworkError> {
        let answers: Vec<_> = {
            let mut state = self.state.lock();
            let there =
                |id: &&String| state.routers.contains_key(*id) || state.wants(id, &self.site);
            let there: Vec<&String> = vpcs.iter().filter(there).collect();
            let ask = |id: &String| router::of(self, &mut state, id).ask(false);
            there.into_iter().map(ask).collect()
        };
        for answer in answers {
            wait(answer).await?;
        }
        Ok(())
    }
}

impl State {
    /// Has this host anything to do with the VPC? Interfaces on other hosts are reached by those of
    /// peers here; and those of default VPCs by programs of a container instance, and its containers.
    fn wants(&self, vpc_id: &str, site: &Site) -> bool {
        let is_default = || self.told.vpc(vpc_id).is_some_and(|vpc| vpc.is_default);
        let is_here = |peer: &Arc<VpcNetwork>| self.attached.contains_key(&peer.vpc_id);
        let is_peer = || self.told.peered(vpc_id).any(is_here);
        self.attached.contains_key(vpc_id)
            || site.overlay.is_some()
                && !self.has_ended
                && self.told.has_interfaces(vpc_id)
                && (site.is_instance && is_default() || is_peer())
    }

    /// May the namespace of a VPC stay that nobody wants? Others' namespaces and hosts count on links of its
    /// no more.
    fn may_linger(&self, vpc_id: &str, site: &Site) -> bool {
        let is_alone = site.overlay.is_none() && self.told.peered(vpc_id).next().is_none();
        !self.has_ended && is_alone && self.told.vpc(vpc_id).is_some()
    }

    fn wanted(&self, site: &Site) -> BTreeSet<String> {
        let told = self.told.vpcs().filter(|id| self.wants(id, site));
        told.chain(self.attached.keys()).cloned().collect()
    }

    /// Marks the interfaces that the control plane has spoken of: it alone says what groups they
    /// have, also when it speaks of them no more.
    fn note_told(&mut self, store: &Store) -> Result<(), NetworkError> {
        for attached in self.attached.values_mut().flat_map(BTreeMap::values_mut) {
            let interface = &attached.interface;
            if !attached.told
                && self
                    .told
                    .interface(&interface.vpc_id, &interface.id)
                    .is_some()
            {
                attached.told = true;
                store.put(ATTACHED, &attached.file, attached)?;
            }
        }
        Ok(())
    }

    fn view(&self, vpc_id: &str, site: &Site) -> View {
        let mut members = self.told.members(vpc_id);
        let mut ports = Vec::new();
        let here = self.attached.get(vpc_id).into_iter();
        for attached in here.flat_map(BTreeMap::values) {
            let interface = &attached.interface;
            let told = self.told.interface(vpc_id, &interface.id);
            let groups = match told {
                Some(told) => told.security_groups.clone(),
                None if attached.told => Vec::new(),
                None => interface.security_groups.clone(),
            };
            if told.is_none() {
                members.push(Member {
                    address: interface.private_ipv4,
                    groups: groups.clone(),
                });
            }
            let (owner, task) = names::split_owned(&attached.file);
            ports.push(Port {
                // A slice's own interface bears the slice's id.
                is_instance: !owner.is_empty() && owner == task,
                veth: attached.veth.clone(),
                mac: interface.mac.to_lowercase(),
                address: interface.private_ipv4,
                gateway: interface.gateway,
                groups: groups.into_iter().collect(),
                is_logged: told.is_some_and(|told| told.is_logged),
                public: match told {
                    Some(told) => told.public_ipv4,
                    None if attached.told => None,
                    None => interface.public_ipv4,
                },
            });
        }
        let twin = site.overlay.and(self.told.twin(vpc_id));
        let peers = self.told.peered(vpc_id);
        let peers = peers.filter(|peer| self.wants(&peer.vpc_id, site));
        View {
            vpc: self.told.vpc(vpc_id).cloned(),
            peers: peers
                .map(|peer| (peer.vpc_id.clone(), peer.ranges.clone()))
                .collect(),
            members,
            ports,
            across: site
                .overlay
                .filter(|_| twin.is_none())
                .map(|_| names::overlay_address(&site.installation)),
            api: site.api.clone(),
        }
    }
}

/// What a router answers.
pub(super) async fn wait(answer: oneshot::Receiver<Answer>) -> Result<Vec<String>, NetworkError> {
    answer.await.map_err(|_| NetworkError::Thread)?
}
