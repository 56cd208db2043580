//! EC2's records in memory, as far as a network is made from them, and which networks a changed
//! record touches.

use crate::model::FlowLog;
use neargate_base::Region;
use neargate_service::eni::Interface;
use neargate_service::vpc::{
    InternetGateway, ManagedPrefixList, NatGateway, NetworkAcl, PeeringConnection, RouteTable,
    RulePeer, SecurityGroup, Subnet, Vpc,
};
use neargate_service::{AwsError, Resource, db};
use neargate_store::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Each kind by id: the ids of EC2 are unique, whatever the account and region.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) vpcs: BTreeMap<String, Vpc>,
    /// Of each VPC that ever was: its key says it.
    pub(super) regions: BTreeMap<String, Region>,
    pub(super) subnets: BTreeMap<String, Subnet>,
    pub(super) groups: BTreeMap<String, SecurityGroup>,
    pub(super) route_tables: BTreeMap<String, RouteTable>,
    pub(super) internet_gateways: BTreeMap<String, InternetGateway>,
    pub(super) nat_gateways: BTreeMap<String, NatGateway>,
    pub(super) acls: BTreeMap<String, NetworkAcl>,
    pub(super) peerings: BTreeMap<String, PeeringConnection>,
    pub(super) prefix_lists: BTreeMap<String, ManagedPrefixList>,
    pub(super) interfaces: BTreeMap<String, Interface>,
    pub(super) flow_logs: BTreeMap<String, FlowLog>,
}

/// What has to be looked at again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    pub(super) vpcs: BTreeSet<String>,
    /// By VPC and interface.
    pub(super) interfaces: BTreeSet<(String, String)>,
}

impl Touched {
    fn vpc(id: &str) -> Touched {
        Touched {
            vpcs: [id.to_owned()].into(),
            interfaces: BTreeSet::new(),
        }
    }

    fn interface(vpc_id: &str, id: &str) -> Touched {
        Touched {
            vpcs: BTreeSet::new(),
            interfaces: [(vpc_id.to_owned(), id.to_owned())].into(),
        }
    }
}

impl std::ops::AddAssign for Touched {
    fn add_assign(&mut self, other: Touched) {
        self.vpcs.extend(other.vpcs);
        self.interfaces.extend(other.interfaces);
    }
}

/// A record that belongs to a VPC.
trait OfVpc: Resource {
    fn map(records: &mut Records) -> &mut BTreeMap<String, Self>;

    /// What is touched when the record `id` comes, changes or goes.
    fn touches(&self, id: &str) -> Touched;
}

macro_rules! of_vpc {
    ($($kind:ident $map:ident |$record:ident, $id:ident| $touches:expr;)*) => {$(
        impl OfVpc for $kind {
            fn map(records: &mut Records) -> &mut BTreeMap<String, Self> {
                &mut records.$map
            }

            fn touches(&self, $id: &str) -> Touched {
                let $record = self;
                $touches
            }
        }
    )*};
}

of_vpc! {
    Vpc vpcs |_vpc, id| Touched::vpc(id);
    Subnet subnets |subnet, _id| Touched::vpc(&subnet.vpc_id);
    SecurityGroup groups |group, _id| Touched::vpc(&group.vpc_id);
    RouteTable route_tables |table, _id| Touched::vpc(&table.vpc_id);
    InternetGateway internet_gateways |gateway, _id| {
        gateway.vpc_id.as_deref().map_or_else(Touched::default, Touched::vpc)
    };
    NatGateway nat_gateways |gateway, _id| Touched::vpc(&gateway.vpc_id);
    NetworkAcl acls |acl, _id| Touched::vpc(&acl.vpc_id);
    PeeringConnection peerings |peering, _id| Touched {
        vpcs: [&peering.requester, &peering.accepter].map(|side| side.vpc_id.clone()).into(),
        interfaces: BTreeSet::new(),
    };
    Interface interfaces |it, id| Touched::interface(&it.interface.vpc_id, id);
}

impl Records {
    /// # Errors
    /// The record cannot be read.
    pub(super) fn put(&mut self, entry: &Entry) -> Result<Touched, AwsError> {
        match kind(&entry.key) {
            Vpc::KIND => {
                self.regions.extend(region(&entry.key));
                self.put_as::<Vpc>(entry)
            }
            Subnet::KIND => self.put_as::<Subnet>(entry),
            SecurityGroup::KIND => self.put_as::<SecurityGroup>(entry),
            RouteTable::KIND => self.put_as::<RouteTable>(entry),
            InternetGateway::KIND => self.put_as::<InternetGateway>(entry),
            NatGateway::KIND => self.put_as::<NatGateway>(entry),
            NetworkAcl::KIND => self.put_as::<NetworkAcl>(entry),
            PeeringConnection::KIND => self.put_as::<PeeringConnection>(entry),
            Interface::KIND => self.put_as::<Interface>(entry),
            FlowLog::KIND => {
                let stored = db::decode::<FlowLog>(entry)?;
                let touched = self.logged(&stored.value);
                self.flow_logs.insert(stored.id().to_owned(), stored.value);
                Ok(touched)
            }
            ManagedPrefixList::KIND => {
                let stored = db::decode::<ManagedPrefixList>(entry)?;
                let id = stored.id().to_owned();
                self.prefix_lists.insert(id.clone(), stored.value);
                Ok(self.named_by_groups(&id))
            }
            _ => Ok(Touched::default()),
        }
    }

    pub(super) fn delete(&mut self, key: &str) -> Touched {
        match kind(key) {
            Vpc::KIND => self.delete_as::<Vpc>(key),
            Subnet::KIND => self.delete_as::<Subnet>(key),
            SecurityGroup::KIND => self.delete_as::<SecurityGroup>(key),
            RouteTable::KIND => self.delete_as::<RouteTable>(key),
            InternetGateway::KIND => self.delete_as::<InternetGateway>(key),
            NatGateway::KIND => self.delete_as::<NatGateway>(key),
            NetworkAcl::KIND => self.delete_as::<NetworkAcl>(key),
            PeeringConnection::KIND => self.delete_as::<PeeringConnection>(key),
            Interface::KIND => self.delete_as::<Interface>(key),
            FlowLog::KIND => {
                let id = key.rsplit('/').next().unwrap_or_default();
                let gone = self.flow_logs.remove(id);
                gone.map_or_else(Touched::default, |gone| self.logged(&gone))
            }
            ManagedPrefixList::KIND => {
                let id = key.rsplit('/').next().unwrap_or_default();
                self.prefix_lists.remove(id);
                self.named_by_groups(id)
            }
            _ => Touched::default(),
        }
    }

    pub(super) fn all(&self) -> Touched {
        let interface = |(id, it): (&String, &Interface)| (it.interface.vpc_id.clone(), id.clone());
        Touched {
            vpcs: self.vpcs.keys().cloned().collect(),
            interfaces: self.interfaces.iter().map(interface).collect(),
        }
    }

    /// What a flow log is about.
    fn logged(&self, log: &FlowLog) -> Touched {
        let id = &log.resource_id;
        let those = self
            .interfaces
            .values()
            .filter(|it| log.is_of(&it.interface));
        let at = |it: &Interface| (it.interface.vpc_id.clone(), it.interface.id.clone());
        let interfaces: BTreeSet<_> = those.map(at).collect();
        let vpcs = interfaces.iter().map(|(vpc_id, _)| vpc_id.clone());
        let subnet = self.subnets.get(id).map(|subnet| subnet.vpc_id.clone());
        let own = self.vpcs.contains_key(id).then(|| id.clone());
        Touched {
            vpcs: vpcs.chain(subnet).chain(own).collect(),
            interfaces,
        }
    }

    /// The VPCs whose groups name a prefix list.
    fn named_by_groups(&self, list: &str) -> Touched {
        let names = |group: &&SecurityGroup| {
            let mut rules = group.rules.values();
            rules.any(|r| matches!(&r.peer, RulePeer::PrefixList(of) if of == list))
        };
        let groups = self.groups.values().filter(names);
        Touched {
            vpcs: groups.map(|g| g.vpc_id.clone()).collect(),
            interfaces: BTreeSet::new(),
        }
    }

    fn put_as<T: OfVpc>(&mut self, entry: &Entry) -> Result<Touched, AwsError> {
        let stored = db::decode::<T>(entry)?;
        let id = stored.id().to_owned();
        let mut touched = stored.value.touches(&id);
        if let Some(before) = T::map(self).insert(id.clone(), stored.value) {
            touched += before.touches(&id);
        }
        Ok(touched)
    }

    fn delete_as<T: OfVpc>(&mut self, key: &str) -> Touched {
        let id = key.rsplit('/').next().unwrap_or_default();
        let gone = T::map(self).remove(id);
        gone.map_or_else(Touched::default, |gone| gone.touches(id))
    }
}

/// The last part of a VPC's key, and the region before it.
fn region(key: &str) -> Option<(String, Region)> {
    let mut parts = key.rsplit('/');
    let id = parts.next()?;
    Some((id.to_owned(), parts.next()?.parse().ok()?))
}

/// The first two parts of a key.
fn kind(key: &str) -> &str {
    let second = key.match_indices('/').nth(1);
    second.map_or(key, |(at, _)| &key[..at])
}
