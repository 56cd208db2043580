//! Elastic network interfaces: reserved by whoever starts a task, shown by EC2.
//!
//! The address record (`ec2/address/<ip>`) has no account or region in its key: all default
//! VPCs of a host share one range, so an address is given out once per host.

use crate::Scope;
use crate::ctx::House;
use crate::db::{self, Resource};
use crate::error::AwsError;
use bytes::Bytes;
use neargate_base::{Rng, Timestamp};
use neargate_domain::vpc::{self, DefaultVpc, Subnet};
use neargate_domain::{Assignment, NetworkInterface};
use neargate_store::{Compare, Op};
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// `ec2/network-interface/…/<eni id>`. Written when reserved, deleted when released.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Interface {
    pub interface: NetworkInterface,
    /// What it belongs to: a task's ARN, or the id of a container instance (`i-…`).
    pub task_arn: String,
    pub created_at: Timestamp,
}

impl Resource for Interface {
    const KIND: &'static str = "ec2/network-interface";
}

/// Where the search for a free address starts, per default subnet: an address just released
/// is not given out again at once.
#[derive(Debug)]
pub struct Cursors([AtomicU32; 3]);

impl Cursors {
    pub fn new(rng: &Rng) -> Self {
        let start = || u32::try_from(rng.below(u64::from(Subnet::usable()))).unwrap_or(0);
        Cursors([start(), start(), start()].map(AtomicU32::new))
    }
}

/// An interface, and what a transaction must check and write to make it the caller's.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub interface: NetworkInterface,
    pub compares: Vec<Compare>,
    pub ops: Vec<Op>,
}

fn address_key(interface: &NetworkInterface) -> String {
    format!("ec2/address/{}", interface.private_ipv4)
}

/// Why there is no interface.
#[derive(Debug)]
pub enum Unreserved {
    /// All addresses of the subnet are given out.
    NoFreeAddress { subnet: String },
    /// The subnet or a security group does not exist, or the store failed.
    Refused(AwsError),
}

impl From<AwsError> for Unreserved {
    fn from(error: AwsError) -> Self {
        Unreserved::Refused(error)
    }
}

impl From<Unreserved> for AwsError {
    fn from(why: Unreserved) -> Self {
        match why {
            Unreserved::NoFreeAddress { subnet } => AwsError::client(
                "InsufficientFreeAddressesInSubnet",
                format!(
                    "The specified subnet {subnet} does not have enough free addresses to satisfy the request."
                ),
            ),
            Unreserved::Refused(error) => error,
        }
    }
}

/// Prepare an interface in `subnet_id` for the task `task_arn`, at an address that is neither
/// given out nor among `held` (those prepared for the same transaction). A conflict of the transaction
/// means that somebody took the address: prepare another one.
///
/// # Errors
/// [`Unreserved::NoFreeAddress`]; EC2's `InvalidSubnetID.NotFound` and `InvalidGroup.NotFound` as
/// ECS words them.
pub async fn reserve(
    house: &House,
    scope: &Scope,
    subnet_id: &str,
    security_groups: &[String],
    task_arn: &str,
    held: &[Ipv4Addr],
) -> Result<Reservation, Unreserved> {
    let range = house.settings.vpc;
    let vpc = DefaultVpc::within(range, &scope.account, &scope.region);
    let n = vpc.subnets.iter().position(|s| s.id == subnet_id).ok_or_else(|| {
        AwsError::client(
            "InvalidSubnetID.NotFound",
            format!(
                "Error retrieving subnet information for [{subnet_id}]: The subnet ID '{subnet_id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
            ),
        )
    })?;
    let groups = if security_groups.is_empty() {
        vec![vpc.security_group_id.clone()]
    } else {
        security_groups.to_vec()
    };
    if let Some(unknown) = groups.iter().find(|g| **g != vpc.security_group_id) {
        let refused = AwsError::client(
            "InvalidGroup.NotFound",
            format!(
                "Error retrieving security group information for [{unknown}]: The security group '{unknown}' does not exist (ErrorCode: InvalidGroup.NotFound)"
            ),
        );
        return Err(refused.into());
    }
    let subnet = &vpc.subnets[n];
    let octets = house.rng.hex(10);
    let mut interface = NetworkInterface {
        id: format!("eni-{}", house.rng.hex(17)),
        // 02: locally administered, unicast.
        mac: std::iter::once("02")
            .chain((0..5).map(|i| &octets[i * 2..i * 2 + 2]))
            .collect::<Vec<_>>()
            .join(":"),
        private_ipv4: subnet.base,
        prefix_len: vpc::SUBNET_PREFIX,
        gateway: subnet.gateway(),
        vpc_cidr: range.to_string(),
        subnet_id: subnet.id.clone(),
        vpc_id: vpc.vpc_id.clone(),
        security_groups: groups,
        private_dns_name: String::new(),
        availability_zone: subnet.availability_zone.clone(),
    };
    for _ in 0..Subnet::usable() {
        let at = house.addresses.0[n].fetch_add(1, Ordering::Relaxed);
        interface.private_ipv4 = subnet.address(at);
        let held = held.contains(&interface.private_ipv4);
        if held
            || house
                .db
                .store()
                .get(&address_key(&interface))
                .await
                .map_err(AwsError::from)?
                .is_some()
        {
            continue;
        }
        interface.private_dns_name = vpc::private_dns_name(interface.private_ipv4, &scope.region);
        return Ok(reservation(house, scope, interface, task_arn));
    }
    Err(Unreserved::NoFreeAddress {
        subnet: subnet_id.to_owned(),
    })
}

fn reservation(
    house: &House,
    scope: &Scope,
    interface: NetworkInterface,
    task_arn: &str,
) -> Reservation {
    let record = Interface {
        interface: interface.clone(),
        task_arn: task_arn.to_owned(),
        created_at: house.now(),
    };
    let key = db::key::<Interface>(scope, &interface.id);
    let address = address_key(&interface);
    Reservation {
        compares: vec![Compare::ModRevision(address.clone(), 0)],
        ops: vec![
            Op::Put {
                key: address,
                value: Bytes::from(interface.id.clone()),
                lease: None,
            },
            Op::Put {
                key,
                value: db::encode(&record),
                lease: None,
            },
        ],
        interface,
    }
}

/// Has anybody an interface, and so an address, of any account and region?
///
/// # Errors
/// The store's.
pub async fn any(house: &House) -> Result<bool, AwsError> {
    let prefix = format!("{}/", Interface::KIND);
    Ok(!house.db.list_prefix::<Interface>(&prefix).await?.is_empty())
}

/// What a transaction must write to give the interface of an ended task back.
pub fn release(assignment: &Assignment) -> Vec<Op> {
    let Some(interface) = assignment.network.interface() else {
        return Vec::new();
    };
    let scope = Scope {
        account: assignment.account.clone(),
        region: assignment.region.clone(),
    };
    release_interface(&scope, interface)
}

/// What a transaction must write to give an interface of this scope back.
pub fn release_interface(scope: &Scope, interface: &NetworkInterface) -> Vec<Op> {
    vec![
        Op::Delete {
            key: address_key(interface),
        },
        Op::Delete {
            key: db::key::<Interface>(scope, &interface.id),
        },
        // Whatever tags EC2 keeps for it (its `Tagged` record).
        Op::Delete {
            key: format!(
                "ec2/tags/{}/{}/{}",
                scope.account, scope.region, interface.id
            ),
        },
    ]
}
