//! Elastic network interfaces: reserved by whoever starts a task, shown by EC2.
//!
//! All default VPCs of a host share one range, and its tasks are reached from the host by their
//! addresses there: so such an address is given out once per host, and its record
//! (`ec2/address/<ip>`) has no account or region in its key. An address of any other VPC is given
//! out once in that VPC (`ec2/address/<vpc id>/<ip>`), and a public one once per host
//! (`ec2/public-address/<ip>`).

use crate::Scope;
use crate::ctx::House;
use crate::db::{self, Resource, Stored};
use crate::error::AwsError;
use crate::vpc::{self, SecurityGroup, Subnet, Vpc};
use bytes::Bytes;
use neargate_base::{Rng, Timestamp};
use neargate_domain::vpc::{RESERVED_FIRST, private_dns_name};
use neargate_domain::{Assignment, Cidr, NetworkInterface};
use neargate_store::{Compare, Op};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::Ipv4Addr;

/// `ec2/network-interface/…/<eni id>`. Written when reserved, deleted when released.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Interface {
    pub interface: NetworkInterface,
    /// What it belongs to: a task's ARN, the id of a container instance (`i-…`) or of a NAT gateway
    /// (`nat-…`), a load balancer (`ELB app/…`, `ELB net/…`); empty: nothing, somebody made it.
    pub task_arn: String,
    pub created_at: Timestamp,
    /// How it is reached from outside its VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<PublicAddress>,
    /// What its maker calls it; empty for those of tasks.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// It sends what it is not the source of and takes what is not for it. `sourceDestCheck` is its
    /// contrary.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwards: bool,
}

impl Resource for Interface {
    const KIND: &'static str = "ec2/network-interface";
}

/// A public address of an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    pub ipv4: Ipv4Addr,
    /// Its elastic IP; `None`: Amazon's pool, to which it goes back with the interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_id: Option<String>,
}

/// Where the search for a free address starts, by subnet or pool: an address just released is not
/// given out again at once.
#[derive(Debug)]
pub struct Cursors {
    /// Where the first search starts.
    seed: u64,
    next: Mutex<HashMap<String, u32>>,
}

impl Cursors {
    pub fn new(rng: &Rng) -> Self {
        Cursors {
            seed: rng.below(u64::from(u32::MAX)),
            next: Mutex::default(),
        }
    }

    /// A number below `size` for the addresses of `of`, one after the other.
    fn next(&self, of: &str, size: u32) -> u32 {
        let mut next = self.next.lock();
        let seed = u32::try_from(self.seed % u64::from(size)).unwrap_or(0);
        let at = next.entry(of.to_owned()).or_insert(seed);
        let now = *at % size;
        *at = now + 1;
        now
    }
}

/// An interface, and what a transaction must check and write to make it the caller's.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub interface: NetworkInterface,
    pub compares: Vec<Compare>,
    pub ops: Vec<Op>,
}

/// What somebody wants an interface for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub subnet_id: &'a str,
    /// None: the VPC's default group.
    pub security_groups: &'a [String],
    /// With a public address of the pool.
    pub public: bool,
    /// See [`Interface::task_arn`].
    pub owner: &'a str,
    /// Addresses prepared for the same transaction, private and public ones.
    pub held: &'a [Ipv4Addr],
}

/// What somebody may choose of an interface.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    /// Its private address; `None`: one that is free.
    pub address: Option<Ipv4Addr>,
    pub description: String,
    /// An elastic IP, which is its from the beginning.
    pub elastic_ip: Option<PublicAddress>,
    /// It has no security groups, like those of NAT gateways.
    pub ungrouped: bool,
}

/// Why there is no interface.
#[derive(Debug)]
pub enum Unreserved {
    /// All addresses of the subnet are given out.
    NoFreeAddress { subnet: String },
    /// All public addresses are given out.
    NoPublicAddress,
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
            Unreserved::NoPublicAddress => no_public_address(),
            Unreserved::Refused(error) => error,
        }
    }
}

fn no_public_address() -> AwsError {
    AwsError::client(
        "InsufficientAddressCapacity",
        "There is not enough capacity in the address pool to fulfill your request.",
    )
}

/// Prepare an interface, at an address that is neither given out nor held. A conflict of the
/// transaction means that somebody took the address, or that subnet or group changed: prepare
/// another one. Whoever is about to delete the subnet or a group finds that it has changed.
///
/// # Errors
/// [`Unreserved`]; EC2's `InvalidSubnetID.NotFound` and `InvalidGroup.NotFound` as ECS words them.
pub async fn reserve(
    house: &House,
    scope: &Scope,
    wanted: Wanted<'_>,
) -> Result<Reservation, Unreserved> {
    reserve_as(house, scope, wanted, Chosen::default()).await
}

/// [`reserve`], as somebody chose.
///
/// # Errors
/// Those of [`reserve`]; EC2's words for an address that cannot be had.
pub async fn reserve_as(
    house: &House,
    scope: &Scope,
    wanted: Wanted<'_>,
    chosen: Chosen,
) -> Result<Reservation, Unreserved> {
    vpc::ensure_default(house, scope).await?;
    let subnet = subnet(house, scope, wanted.subnet_id).await?;
    let vpc = house.db.get::<Vpc>(scope, &subnet.vpc_id).await?;
    let vpc = vpc.ok_or_else(|| subnet_not_found(wanted.subnet_id))?;
    let groups = match wanted.security_groups {
        [] if chosen.ungrouped => Vec::new(),
        [] => vec![vpc.default_group_id.clone()],
        given => given.to_vec(),
    };
    let mut compares = vec![unchanged(&subnet)];
    for id in &groups {
        compares.push(unchanged(&group(house, scope, &subnet.vpc_id, id).await?));
    }
    let address = match chosen.address {
        Some(address) => chosen_private(house, &vpc, &subnet, address).await?,
        None => free_private(house, wanted, &vpc, &subnet).await?,
    };
    let public = match wanted.public {
        true => Some(free_public(house, wanted.held).await?),
        false => None,
    };
    let octets = house.rng.hex(10);
    let interface = NetworkInterface {
        id: format!("eni-{}", house.rng.hex(17)),
        // 02: locally administered, unicast.
        mac: std::iter::once("02")
            .chain((0..5).map(|i| &octets[i * 2..i * 2 + 2]))
            .collect::<Vec<_>>()
            .join(":"),
        private_ipv4: address,
        prefix_len: subnet.range.prefix_len(),
        gateway: subnet.range.nth(1),
        vpc_cidr: vpc.range.to_string(),
        subnet_id: wanted.subnet_id.to_owned(),
        vpc_id: subnet.vpc_id.clone(),
        security_groups: groups,
        private_dns_name: private_dns_name(address, &scope.region),
        domain_name: vpc::own_domain(house, scope, &vpc).await?,
        availability_zone: subnet.availability_zone.clone(),
        in_default_vpc: vpc.is_default,
        public_ipv4: public,
    };
    let record = Interface {
        public: chosen.elastic_ip.or(public.map(|ipv4| PublicAddress {
            ipv4,
            allocation_id: None,
        })),
        interface,
        task_arn: wanted.owner.to_owned(),
        created_at: house.now(),
        description: chosen.description,
        forwards: false,
    };
    Ok(reservation(scope, record, compares))
}

async fn subnet(house: &House, scope: &Scope, id: &str) -> Result<Stored<Subnet>, AwsError> {
    let found = kept::<Subnet>(house, scope, id, |subnet| &mut subnet.deleting).await?;
    found.ok_or_else(|| subnet_not_found(id))
}

/// A subnet or group that stays: the mark of somebody who is about to delete it is taken away. That
/// one either has deleted it before, or finds that it changed and looks for interfaces again.
async fn kept<T: Resource + Clone>(
    house: &House,
    scope: &Scope,
    id: &str,
    mark: fn(&mut T) -> &mut bool,
) -> Result<Option<Stored<T>>, AwsError> {
    loop {
        let Some(found) = house.db.get::<T>(scope, id).await? else {
            return Ok(None);
        };
        let mut unmarked = found.value.clone();
        if !std::mem::take(mark(&mut unmarked)) {
            return Ok(Some(found));
        }
        let (db::Committed::At(_) | db::Committed::Conflict) =
            house.db.tx().update(&found, &unmarked).commit().await?;
    }
}

fn subnet_not_found(id: &str) -> AwsError {
    AwsError::client(
        "InvalidSubnetID.NotFound",
        format!(
            "Error retrieving subnet information for [{id}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
        ),
    )
}

/// The group, which must be of the subnet's VPC.
async fn group(
    house: &House,
    scope: &Scope,
    vpc_id: &str,
    id: &str,
) -> Result<Stored<SecurityGroup>, AwsError> {
    let found = kept::<SecurityGroup>(house, scope, id, |group| &mut group.deleting).await?;
    let found = found.ok_or_else(|| {
        AwsError::client(
            "InvalidGroup.NotFound",
            format!(
                "Error retrieving security group information for [{id}]: The security group '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
            ),
        )
    })?;
    if found.vpc_id != vpc_id {
        return Err(AwsError::client(
            "InvalidParameterValue",
            format!(
                "Security group {id} does not appear to belong to the same VPC as the input subnets."
            ),
        ));
    }
    Ok(found)
}

fn unchanged<T>(read: &Stored<T>) -> Compare {
    Compare::ModRevision(read.key.clone(), read.revision)
}

/// How many addresses of a subnet interfaces can have: AWS keeps five.
pub fn usable(subnet: Cidr) -> u32 {
    u32::try_from(subnet.size())
        .unwrap_or(u32::MAX)
        .saturating_sub(RESERVED_FIRST + 1)
}

/// An address that somebody chose for an interface of this subnet
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html>).
async fn chosen_private(
    house: &House,
    vpc: &Stored<Vpc>,
    subnet: &Subnet,
    address: Ipv4Addr,
) -> Result<Ipv4Addr, AwsError> {
    let refused =
        |why: &str| AwsError::client("InvalidParameterValue", format!("Address {address} {why}"));
    if !subnet.range.contains(address) {
        return Err(refused("does not fall within the subnet's address range"));
    }
    let n = u32::from(address) - u32::from(subnet.range.base());
    if n < RESERVED_FIRST || address == subnet.range.nth(u32::MAX) {
        return Err(refused("is in subnet's reserved address range"));
    }
    let key = private_address_key(vpc.is_default, &subnet.vpc_id, address);
    match house.db.store().get(&key).await? {
        None => Ok(address),
        Some(_) => Err(AwsError::client(
            "InvalidIPAddress.InUse",
            format!("Address {address} is in use."),
        )),
    }
}

async fn free_private(
    house: &House,
    wanted: Wanted<'_>,
    vpc: &Stored<Vpc>,
    subnet: &Subnet,
) -> Result<Ipv4Addr, Unreserved> {
    let size = usable(subnet.range);
    // Those who draw from the same addresses draw one after the other.
    let of = match vpc.is_default {
        true => subnet.range.to_string(),
        false => wanted.subnet_id.to_owned(),
    };
    for _ in 0..size {
        let n = RESERVED_FIRST + house.addresses.next(&of, size);
        let address = subnet.range.nth(n);
        let key = private_address_key(vpc.is_default, &subnet.vpc_id, address);
        if !wanted.held.contains(&address)
            && house
                .db
                .store()
                .get(&key)
                .await
                .map_err(AwsError::from)?
                .is_none()
        {
            return Ok(address);
        }
    }
    Err(Unreserved::NoFreeAddress {
        subnet: wanted.subnet_id.to_owned(),
    })
}

/// A public address that nobody has, and that is not among `held`. The first of the pool is the
/// router's and the last one a broadcast's.
///
/// # Errors
/// [`Unreserved::NoPublicAddress`].
pub async fn free_public(house: &House, held: &[Ipv4Addr]) -> Result<Ipv4Addr, Unreserved> {
    let pool = house.settings.public_pool;
    let size = u32::try_from(pool.size())
        .unwrap_or(u32::MAX)
        .saturating_sub(3);
    for _ in 0..size {
        let address = pool.nth(2 + house.addresses.next("public", size));
        let taken = house.db.store().get(&public_address_key(address)).await;
        if !held.contains(&address) && taken.map_err(AwsError::from)?.is_none() {
            return Ok(address);
        }
    }
    Err(Unreserved::NoPublicAddress)
}

/// Who has a private address.
pub fn private_address_key(in_default_vpc: bool, vpc_id: &str, address: Ipv4Addr) -> String {
    match in_default_vpc {
        true => format!("ec2/address/{address}"),
        false => format!("ec2/address/{vpc_id}/{address}"),
    }
}

/// Who has a public address.
pub fn public_address_key(address: Ipv4Addr) -> String {
    format!("ec2/public-address/{address}")
}

fn address_key(interface: &NetworkInterface) -> String {
    let (shared, vpc_id) = (interface.in_default_vpc, &interface.vpc_id);
    private_address_key(shared, vpc_id, interface.private_ipv4)
}

fn reservation(scope: &Scope, record: Interface, mut compares: Vec<Compare>) -> Reservation {
    let interface = record.interface.clone();
    let addresses = std::iter::once(address_key(&interface))
        .chain(interface.public_ipv4.map(public_address_key));
    let mut ops = Vec::new();
    for key in addresses {
        compares.push(Compare::ModRevision(key.clone(), 0));
        ops.push(Op::Put {
            key,
            value: Bytes::from(interface.id.clone()),
            lease: None,
        });
    }
    ops.push(Op::Put {
        key: db::key::<Interface>(scope, &interface.id),
        value: db::encode(&record),
        lease: None,
    });
    Reservation {
        interface,
        compares,
        ops,
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

/// Where EC2 keeps the tags of a resource (its `Tagged` record).
pub fn tags_key(scope: &Scope, id: &str) -> String {
    format!("ec2/tags/{}/{}/{id}", scope.account, scope.region)
}

/// What a transaction must write to give an interface of this scope back.
pub fn release_interface(scope: &Scope, interface: &NetworkInterface) -> Vec<Op> {
    let address = Op::Delete {
        key: address_key(interface),
    };
    let public = interface.public_ipv4.map(|public| Op::Delete {
        key: public_address_key(public),
    });
    let mut ops: Vec<Op> = [address].into_iter().chain(public).collect();
    ops.extend([
        Op::Delete {
            key: db::key::<Interface>(scope, &interface.id),
        },
        // Whatever tags EC2 keeps for it (its `Tagged` record).
        Op::Delete {
            key: tags_key(scope, &interface.id),
        },
    ]);
    ops
}
