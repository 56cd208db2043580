//! What hosts are told of VPCs: EC2's records, followed in the store, as the networks that hosts
//! enforce (`domain::vpc_network`).
//!
//! One task follows the store; each host has a stream, which begins with everything and goes on with
//! changes. A host that falls behind loses its stream and begins anew.

mod compile;
mod records;
#[cfg(test)]
mod tests;

use neargate_base::backoff::Backoff;
use neargate_domain::NetworkInterface;
use neargate_domain::vpc_network::{InterfaceNetwork, NetworkChange, Target, VpcNetwork};
use neargate_service::eni::Interface;
use neargate_service::{AwsError, House};
use neargate_store::{Event, MAX_PAGE, Revision};
use parking_lot::Mutex;
use records::{Records, Touched};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How many changes may be under way to a host.
const QUEUE: usize = 4096;
/// Of every record that a network is made from.
const PREFIX: &str = "ec2/";

/// The networks as they are now, and who is told of changes.
#[derive(Debug)]
pub struct Networks {
    told: Mutex<Told>,
    /// The revision of the store up to which [`Networks`] knows everything.
    seen: watch::Sender<Option<Revision>>,
}

#[derive(Debug, Default)]
struct Told {
    vpcs: BTreeMap<String, VpcNetwork>,
    /// By VPC and interface.
    interfaces: BTreeMap<(String, String), InterfaceNetwork>,
    hosts: Vec<mpsc::Sender<NetworkChange>>,
    /// The records of interfaces of flow logs by VPC and private address, also of those that are gone.
    logged: BTreeMap<(String, Ipv4Addr), Interface>,
}

/// By what traffic leaves an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By something else in the VPC, or to it.
    Vpc,
    InternetGateway,
    Peering {
        within_region: bool,
    },
}

impl Default for Networks {
    fn default() -> Self {
        Networks {
            told: Mutex::default(),
            seen: watch::Sender::new(None),
        }
    }
}

impl Networks {
    /// Everything as [`NetworkChange::Snapshot`], then each change. The stream ends when its reader
    /// falls too far behind.
    pub async fn subscribe(&self) -> mpsc::Receiver<NetworkChange> {
        // Before the first look there is nothing to tell, which is not the same as no networks.
        let mut seen = self.seen.subscribe();
        let _ = seen.wait_for(Option::is_some).await;
        let (sender, receiver) = mpsc::channel(QUEUE);
        let mut told = self.told.lock();
        let all = NetworkChange::Snapshot {
            vpcs: told.vpcs.values().cloned().collect(),
            interfaces: told.interfaces.values().cloned().collect(),
        };
        sender.try_send(all).expect("the queue is new");
        told.hosts.push(sender);
        receiver
    }

    /// Waits until everything up to `revision` has been told.
    pub async fn at(&self, revision: Revision) {
        let mut seen = self.seen.subscribe();
        let _ = seen
            .wait_for(|at| at.is_some_and(|at| at >= revision))
            .await;
    }

    /// The record of the interface of a flow log that has, or had last, an address.
    pub(crate) fn logged(&self, vpc_id: &str, address: Ipv4Addr) -> Option<Interface> {
        let told = self.told.lock();
        told.logged.get(&(vpc_id.to_owned(), address)).cloned()
    }

    /// Forgets the interfaces that are gone but for those of `keep`.
    pub(crate) fn forget_logged(&self, keep: &BTreeSet<(String, Ipv4Addr)>) {
        let mut told = self.told.lock();
        let Told {
            logged, interfaces, ..
        } = &mut *told;
        logged.retain(|key, record| {
            let at = (key.0.clone(), record.interface.id.clone());
            interfaces.get(&at).is_some_and(|i| i.is_logged) || keep.contains(key)
        });
    }

    /// Where a subnet's routes lead to an address from, as hosts are told; `None`: nowhere.
    pub(crate) fn way(&self, interface: &NetworkInterface, to: Ipv4Addr) -> Option<Way> {
        let told = self.told.lock();
        let vpc = told.vpcs.get(&interface.vpc_id)?;
        if vpc.ranges.iter().any(|range| range.contains(to)) {
            return Some(Way::Vpc);
        }
        let mut subnets = vpc.subnets.iter();
        let subnet = subnets.find(|s| s.subnet_id == interface.subnet_id)?;
        let routes = subnet.routes.iter().filter(|route| route.to.contains(to));
        match &routes.max_by_key(|route| route.to.prefix_len())?.by {
            Target::InternetGateway => Some(Way::InternetGateway),
            Target::NatGateway { .. } => Some(Way::Vpc),
            Target::Peering { vpc_id } => {
                let far = told.vpcs.get(vpc_id)?;
                Some(Way::Peering {
                    within_region: far.dns.region == vpc.dns.region,
                })
            }
            Target::Blackhole => None,
        }
    }

    /// Follows the store until the future is dropped.
    pub(crate) async fn follow(self: Arc<Self>, house: Arc<House>) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
        loop {
            if let Err(error) = self.once(&house, &mut backoff).await {
                tracing::debug!(%error, "the VPCs are read again");
            }
            tokio::time::sleep(backoff.next_delay(&house.rng)).await;
        }
    }

    async fn once(&self, house: &House, backoff: &mut Backoff) -> Result<(), AwsError> {
        let store = house.db.store();
        let mut records = Records::default();
        let (mut after, mut at) = (None::<String>, None);
        let revision = loop {
            let page = store.range(PREFIX, after.as_deref(), MAX_PAGE, at).await?;
            for entry in &page.entries {
                records.put(entry)?;
            }
            at = Some(page.revision);
            after = page.entries.last().map(|last| last.key.clone());
            if !page.more {
                break page.revision;
            }
        };
        self.tell_all(&records);
        self.seen.send_replace(Some(revision));
        let mut changes = store.watch(PREFIX, Some(revision + 1)).await?;
        loop {
            let batch = changes.next().await?;
            backoff.reset();
            let mut touched = Touched::default();
            for event in &batch.events {
                touched += match event {
                    Event::Put(entry) => records.put(entry)?,
                    Event::Delete { key, .. } => records.delete(key),
                };
            }
            self.tell(&records, &touched);
            self.seen.send_replace(Some(batch.revision));
        }
    }

    /// What was told before is compared with what there is.
    fn tell_all(&self, records: &Records) {
        let told = self.told.lock();
        let before = Touched {
            vpcs: told.vpcs.keys().cloned().collect(),
            interfaces: told.interfaces.keys().cloned().collect(),
        };
        drop(told);
        let mut touched = records.all();
        touched += before;
        self.tell(records, &touched);
    }

    /// VPCs before their interfaces, and gone interfaces before gone VPCs.
    fn tell(&self, records: &Records, touched: &Touched) {
        let mut told = self.told.lock();
        let mut changes = Vec::new();
        let mut gone = Vec::new();
        for id in &touched.vpcs {
            match compile::vpc(records, id) {
                Some(network) if told.vpcs.get(id) != Some(&network) => {
                    told.vpcs.insert(id.clone(), network.clone());
                    changes.push(NetworkChange::Vpc(network));
                }
                Some(_) => {}
                None => {
                    if told.vpcs.remove(id).is_some() {
                        gone.push(NetworkChange::VpcGone(id.clone()));
                    }
                }
            }
        }
        for at in &touched.interfaces {
            match compile::interface(records, at) {
                Some(interface) if told.interfaces.get(at) != Some(&interface) => {
                    if let Some(record) = records.interfaces.get(&at.1)
                        && interface.is_logged
                    {
                        let key = (at.0.clone(), interface.private_ipv4);
                        told.logged.insert(key, record.clone());
                    }
                    told.interfaces.insert(at.clone(), interface.clone());
                    changes.push(NetworkChange::Interface(interface));
                }
                Some(_) => {}
                None => {
                    if told.interfaces.remove(at).is_some() {
                        let (vpc_id, interface_id) = at.clone();
                        changes.push(NetworkChange::InterfaceGone {
                            vpc_id,
                            interface_id,
                        });
                    }
                }
            }
        }
        changes.extend(gone);
        for change in changes {
            told.hosts
                .retain(|host| host.try_send(change.clone()).is_ok());
        }
    }
}
