//! What the control plane has told of VPCs and their interfaces, and of the other hosts: kept, so that
//! a process that starts without it goes on with what was said last.

use super::super::error::NetworkError;
use super::super::names;
use super::store::Store;
use super::view::Member;
use neargate_domain::NetworkInterface;
use neargate_domain::vpc_network::{GroupPeer, InterfaceNetwork, NetworkChange, VpcNetwork, vni};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

pub(super) const VPCS: &str = "vpcs";
pub(super) const INTERFACES: &str = "interfaces";
pub(super) const HOSTS: &str = "hosts";
const PEERS: &str = "peers";

#[derive(Debug, Default)]
pub(super) struct Told {
    vpcs: BTreeMap<String, Arc<VpcNetwork>>,
    /// The ids of VPCs, by their number between hosts.
    numbers: BTreeMap<u32, BTreeSet<String>>,
    /// By VPC, then by interface.
    interfaces: BTreeMap<String, BTreeMap<String, Arc<InterfaceNetwork>>>,
    /// The other hosts; `None` until somebody has said who they are.
    peers: Option<BTreeSet<Ipv4Addr>>,
}

impl Told {
    pub(super) fn load(store: &Store) -> Result<Told, NetworkError> {
        let mut told = Told {
            vpcs: store.all(VPCS)?,
            peers: store.all(HOSTS)?.remove(PEERS),
            ..Told::default()
        };
        for vpc_id in told.vpcs.keys() {
            let same = told.numbers.entry(vni(vpc_id)).or_default();
            same.insert(vpc_id.clone());
        }
        for interface in store.all::<InterfaceNetwork>(INTERFACES)?.into_values() {
            told.insert(interface);
        }
        Ok(told)
    }

    pub(super) fn vpc(&self, vpc_id: &str) -> Option<&Arc<VpcNetwork>> {
        self.vpcs.get(vpc_id)
    }

    /// The VPC of a lesser id that has its number between hosts, on every host.
    pub(super) fn twin(&self, vpc_id: &str) -> Option<&String> {
        let first = self.numbers.get(&vni(vpc_id))?.first();
        first.filter(|first| first.as_str() < vpc_id)
    }

    /// The ids of all VPCs.
    pub(super) fn vpcs(&self) -> impl Iterator<Item = &String> {
        self.vpcs.keys()
    }

    pub(super) fn has_interfaces(&self, vpc_id: &str) -> bool {
        let of_vpc = self.interfaces.get(vpc_id);
        of_vpc.is_some_and(|of_vpc| !of_vpc.is_empty())
    }

    pub(super) fn peers(&self) -> Option<&BTreeSet<Ipv4Addr>> {
        self.peers.as_ref()
    }

    pub(super) fn interface(
        &self,
        vpc_id: &str,
        interface_id: &str,
    ) -> Option<&Arc<InterfaceNetwork>> {
        self.interfaces.get(vpc_id)?.get(interface_id)
    }

    /// Is the subnet of this interface known?
    pub(super) fn knows(&self, interface: &NetworkInterface) -> bool {
        self.vpc(&interface.vpc_id).is_some_and(|vpc| {
            let mut subnets = vpc.subnets.iter();
            subnets.any(|subnet| subnet.range.contains(interface.private_ipv4))
        })
    }

    /// The VPCs that are peered with this one, as both say.
    pub(super) fn peered(&self, vpc_id: &str) -> impl Iterator<Item = &Arc<VpcNetwork>> {
        let named = self.vpc(vpc_id).map(|vpc| &vpc.peers).into_iter().flatten();
        let others = named.filter_map(|id| self.vpc(id));
        others.filter(move |other| other.peers.contains(vpc_id))
    }

    /// Everybody whom the rules of a VPC may name: its own interfaces, and those of its peers.
    pub(super) fn members(&self, vpc_id: &str) -> Vec<Member> {
        let peers = self.peered(vpc_id).map(|peer| peer.vpc_id.as_str());
        let all = peers.chain([vpc_id]);
        let all = all.filter_map(|vpc| self.interfaces.get(vpc));
        all.flat_map(|i| i.values().map(|i| Member::from(&**i)))
            .collect()
    }

    /// The VPCs whose rules may name interfaces of this one.
    fn concerns(&self, vpc_id: &str) -> BTreeSet<String> {
        let peers = self.peered(vpc_id).map(|peer| peer.vpc_id.clone());
        peers.chain([vpc_id.to_owned()]).collect()
    }

    /// Takes it in, and tells which VPCs it concerns.
    pub(super) fn change(
        &mut self,
        store: &Store,
        change: NetworkChange,
    ) -> Result<BTreeSet<String>, NetworkError> {
        match change {
            NetworkChange::Vpc(vpc) => self.set_vpc(store, vpc),
            NetworkChange::VpcGone(vpc_id) => self.forget_vpc(store, &vpc_id),
            NetworkChange::Interface(interface) => self.set_interface(store, interface),
            NetworkChange::InterfaceGone {
                vpc_id,
                interface_id,
            } => self.forget_interface(store, &vpc_id, &interface_id),
            NetworkChange::Snapshot { vpcs, interfaces } => {
                let mut concerned = BTreeSet::new();
                let named: BTreeSet<&str> = vpcs.iter().map(|v| v.vpc_id.as_str()).collect();
                let gone: Vec<String> = self.vpcs.keys().cloned().collect();
                for vpc_id in gone.iter().filter(|id| !named.contains(id.as_str())) {
                    concerned.append(&mut self.forget_vpc(store, vpc_id)?);
                }
                let named: BTreeSet<(&str, &str)> = interfaces
                    .iter()
                    .map(|i| (i.vpc_id.as_str(), i.interface_id.as_str()))
                    .collect();
                let known = self.interfaces.values().flat_map(BTreeMap::values);
                let known: Vec<_> = known.cloned().collect();
                for i in known {
                    if !named.contains(&(&i.vpc_id, &i.interface_id)) {
                        let gone = self.forget_interface(store, &i.vpc_id, &i.interface_id);
                        concerned.append(&mut gone?);
                    }
                }
                for vpc in vpcs {
                    concerned.append(&mut self.set_vpc(store, vpc)?);
                }
                for interface in interfaces {
                    concerned.append(&mut self.set_interface(store, interface)?);
                }
                Ok(concerned)
            }
        }
    }

    pub(super) fn set_peers(
        &mut self,
        store: &Store,
        peers: BTreeSet<Ipv4Addr>,
    ) -> Result<(), NetworkError> {
        store.put(HOSTS, PEERS, &peers)?;
        self.peers = Some(peers);
        Ok(())
    }

    fn set_vpc(
        &mut self,
        store: &Store,
        vpc: VpcNetwork,
    ) -> Result<BTreeSet<String>, NetworkError> {
        check(&vpc)?;
        let old = self.vpc(&vpc.vpc_id);
        if old.is_some_and(|old| **old == vpc) {
            return Ok(BTreeSet::new());
        }
        let mut concerned: BTreeSet<String> = [vpc.vpc_id.clone()].into();
        if old.is_none_or(|old| old.peers != vpc.peers || old.ranges != vpc.ranges) {
            concerned.extend(old.iter().flat_map(|old| old.peers.clone()));
            concerned.extend(vpc.peers.clone());
        }
        store.put(VPCS, &vpc.vpc_id, &vpc)?;
        let same = self.numbers.entry(vni(&vpc.vpc_id)).or_default();
        if same.insert(vpc.vpc_id.clone()) {
            if same.len() > 1 {
                tracing::warn!(?same, "of VPCs with one number the first alone spans hosts");
            }
            concerned.extend(same.iter().cloned());
        }
        self.vpcs.insert(vpc.vpc_id.clone(), Arc::new(vpc));
        Ok(concerned)
    }

    fn forget_vpc(
        &mut self,
        store: &Store,
        vpc_id: &str,
    ) -> Result<BTreeSet<String>, NetworkError> {
        valid([vpc_id])?;
        store.remove(VPCS, vpc_id)?;
        let gone = self.vpcs.remove(vpc_id).into_iter();
        let mut concerned: BTreeSet<String> = gone.flat_map(|gone| gone.peers.clone()).collect();
        if let Some(same) = self.numbers.get_mut(&vni(vpc_id)) {
            concerned.extend(same.iter().cloned());
            same.remove(vpc_id);
        }
        self.numbers.retain(|_, same| !same.is_empty());
        concerned.insert(vpc_id.to_owned());
        Ok(concerned)
    }

    fn set_interface(
        &mut self,
        store: &Store,
        interface: InterfaceNetwork,
    ) -> Result<BTreeSet<String>, NetworkError> {
        let (vpc_id, id) = (&interface.vpc_id, &interface.interface_id);
        let groups = interface.security_groups.iter().map(String::as_str);
        valid([vpc_id.as_str(), id].into_iter().chain(groups))?;
        let old = self.interface(vpc_id, id);
        if old.is_some_and(|old| **old == interface) {
            return Ok(BTreeSet::new());
        }
        store.put(INTERFACES, id, &interface)?;
        let concerned = self.concerns(vpc_id);
        self.insert(interface);
        Ok(concerned)
    }

    fn insert(&mut self, interface: InterfaceNetwork) {
        let of_vpc = self.interfaces.entry(interface.vpc_id.clone()).or_default();
        of_vpc.insert(interface.interface_id.clone(), Arc::new(interface));
    }

    fn forget_interface(
        &mut self,
        store: &Store,
        vpc_id: &str,
        interface_id: &str,
    ) -> Result<BTreeSet<String>, NetworkError> {
        valid([vpc_id, interface_id])?;
        store.remove(INTERFACES, interface_id)?;
        if let Some(of_vpc) = self.interfaces.get_mut(vpc_id) {
            of_vpc.remove(interface_id);
        }
        Ok(self.concerns(vpc_id))
    }
}

/// Ids become names of files, chains and sets.
fn check(vpc: &VpcNetwork) -> Result<(), NetworkError> {
    let subnets = vpc.subnets.iter().map(|subnet| &subnet.subnet_id);
    let groups = vpc.groups.iter().flat_map(|group| {
        let rules = group.ingress.iter().chain(&group.egress);
        let named = rules.filter_map(|rule| match &rule.peer {
            GroupPeer::Group(id) => Some(id),
            GroupPeer::Range(_) => None,
        });
        named.chain([&group.group_id])
    });
    let own = [&vpc.vpc_id, &vpc.default_group].into_iter();
    let own = own.chain(&vpc.peers);
    valid(own.chain(subnets).chain(groups).map(String::as_str))
}

fn valid<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<(), NetworkError> {
    match ids.into_iter().find(|id| !names::is_task_id(id)) {
        Some(bad) => Err(NetworkError::Invalid(bad.to_owned())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_domain::Cidr;
    use std::collections::HashMap;

    /// Two ids with the same number between hosts, the lesser one first.
    fn twins() -> (String, String) {
        let mut seen = HashMap::new();
        let found = (0..).find_map(|n| {
            let id = format!("vpc-{n:06}");
            seen.insert(vni(&id), id.clone()).map(|other| (other, id))
        });
        found.expect("there are more ids than numbers")
    }

    fn vpc(id: &str) -> VpcNetwork {
        VpcNetwork {
            is_logged: false,
            vpc_id: id.to_owned(),
            ranges: vec!["10.0.0.0/16".parse::<Cidr>().expect("a range")],
            is_default: false,
            default_group: "sg-1".into(),
            subnets: Vec::new(),
            groups: Vec::new(),
            dns: Default::default(),
            peers: Default::default(),
        }
    }

    #[test]
    fn of_two_vpcs_with_one_number_the_lesser_id_has_it_whoever_came_first() {
        let dir = tempfile::tempdir().expect("a directory");
        let kinds = [VPCS, INTERFACES, HOSTS];
        let open = || Store::open(dir.path().join("told"), &kinds).expect("opened");
        let store = open();
        let (lesser, greater) = twins();
        let mut told = Told::default();
        let mut change = |change| told.change(&store, change).expect("taken in");
        change(NetworkChange::Vpc(vpc(&greater)));
        let concerned = change(NetworkChange::Vpc(vpc(&lesser)));
        assert!(concerned.contains(&greater), "it is carried no longer");
        assert_eq!(told.twin(&greater), Some(&lesser));
        assert_eq!(told.twin(&lesser), None);
        let mut again = Told::load(&open()).expect("loaded");
        assert_eq!(again.twin(&greater), Some(&lesser));
        let gone = NetworkChange::VpcGone(lesser.clone());
        let concerned = again.change(&store, gone).expect("taken in");
        assert!(concerned.contains(&greater), "it is carried again");
        assert_eq!(again.twin(&greater), None);
    }
}
