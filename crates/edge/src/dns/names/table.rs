//! Who is in which VPC, as told last.

use neargate_base::Region;
use neargate_domain::Cidr;
use neargate_domain::vpc_network::{InterfaceNetwork, NetworkChange, VpcNetwork};
use parking_lot::RwLock;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The table as the resolver reads it while it changes.
pub type SharedTable = Arc<RwLock<Table>>;

/// What names are made from. Written by whoever is told of networks.
#[derive(Debug, Default)]
pub struct Table {
    vpcs: BTreeMap<String, Vpc>,
    /// By id.
    interfaces: HashMap<String, InterfaceNetwork>,
    /// VPC, private address: the interface's id.
    private: HashMap<(String, Ipv4Addr), String>,
    /// Public address: the interface's id.
    public: HashMap<Ipv4Addr, String>,
    /// Which services' hosts lead to us, by the first labels of their names.
    aws_hosts: BTreeSet<String>,
}

/// What the resolver knows of a VPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vpc {
    /// The VPC's own range, plus two.
    pub resolver: Ipv4Addr,
    pub ranges: Vec<Cidr>,
    pub region: Region,
    /// There is a resolver at all.
    pub dns_support: bool,
    /// Public addresses have names.
    pub dns_hostnames: bool,
}

impl Table {
    pub fn apply(&mut self, change: NetworkChange) {
        match change {
            NetworkChange::Snapshot { vpcs, interfaces } => {
                *self = Table {
                    aws_hosts: std::mem::take(&mut self.aws_hosts),
                    ..Table::default()
                };
                vpcs.into_iter().for_each(|vpc| self.put_vpc(vpc));
                interfaces.into_iter().for_each(|i| self.put_interface(i));
            }
            NetworkChange::Vpc(vpc) => self.put_vpc(vpc),
            NetworkChange::VpcGone(id) => {
                self.vpcs.remove(&id);
            }
            NetworkChange::Interface(interface) => self.put_interface(interface),
            NetworkChange::InterfaceGone { interface_id, .. } => {
                self.remove_interface(&interface_id);
            }
        }
    }

    /// The services whose hosts lead to us; with none, all of AWS's names are the internet's.
    pub fn set_aws_hosts(&mut self, prefixes: BTreeSet<String>) {
        self.aws_hosts = prefixes;
    }

    pub fn aws_hosts(&self) -> &BTreeSet<String> {
        &self.aws_hosts
    }

    pub fn vpc(&self, id: &str) -> Option<&Vpc> {
        self.vpcs.get(id)
    }

    pub fn vpcs(&self) -> impl Iterator<Item = (&String, &Vpc)> {
        self.vpcs.iter()
    }

    /// The interface with this private address in the VPC.
    pub fn at(&self, vpc: &str, private: Ipv4Addr) -> Option<&InterfaceNetwork> {
        let id = self.private.get(&(vpc.to_owned(), private))?;
        self.interfaces.get(id)
    }

    /// The interface with this public address, in whichever VPC.
    pub fn at_public(&self, public: Ipv4Addr) -> Option<&InterfaceNetwork> {
        self.interfaces.get(self.public.get(&public)?)
    }

    fn put_vpc(&mut self, vpc: VpcNetwork) {
        let Some(resolver) = vpc.resolver() else {
            return;
        };
        let known = Vpc {
            resolver,
            ranges: vpc.ranges,
            region: vpc.dns.region,
            dns_support: vpc.dns.support,
            dns_hostnames: vpc.dns.hostnames,
        };
        self.vpcs.insert(vpc.vpc_id, known);
    }

    fn put_interface(&mut self, interface: InterfaceNetwork) {
        let id = &interface.interface_id;
        self.remove_interface(&id.clone());
        let private = (interface.vpc_id.clone(), interface.private_ipv4);
        self.private.insert(private, id.clone());
        if let Some(public) = interface.public_ipv4 {
            self.public.insert(public, id.clone());
        }
        self.interfaces.insert(id.clone(), interface);
    }

    fn remove_interface(&mut self, id: &str) {
        let Some(gone) = self.interfaces.remove(id) else {
            return;
        };
        // Another may have its address by now.
        let private = (gone.vpc_id, gone.private_ipv4);
        if self.private.get(&private).is_some_and(|at| at == id) {
            self.private.remove(&private);
        }
        if let Some(public) = gone.public_ipv4
            && self.public.get(&public).is_some_and(|at| at == id)
        {
            self.public.remove(&public);
        }
    }
}
