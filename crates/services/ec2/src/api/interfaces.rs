//! Network interfaces: those of tasks, instances and gateways, as their reservations stored them, and
//! those that somebody made
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html>).

use super::{places, tags, text};
use crate::change::{self, all, find, settle};
use crate::error::address as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, each, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_base::Region;
use neargate_service::db::{Stored, Tx};
use neargate_service::eni::{self, Chosen, Interface, Wanted};
use neargate_service::tags::Tags;
use neargate_service::vpc::{ElasticIp, SecurityGroup, Subnet, Vpc, companion};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// Who attached it: AWS shows such an alias for what its services manage.
const REQUESTER: &str = "amazon-aws";

pub async fn create_network_interface(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateNetworkInterfaceInput,
) -> Result<api::CreateNetworkInterfaceOutput, AwsError> {
    dry_run(input.dry_run)?;
    let some = |n: Option<i32>| n.is_some_and(|n| n > 0);
    super::refuse(&[
        ("Ipv4Prefix", input.ipv4_prefixes.is_some()),
        ("Ipv4PrefixCount", some(input.ipv4_prefix_count)),
        ("Ipv6Prefix", input.ipv6_prefixes.is_some()),
        ("Ipv6PrefixCount", some(input.ipv6_prefix_count)),
        ("Ipv6Addresses", input.ipv6_addresses.is_some()),
        ("Ipv6AddressCount", some(input.ipv6_address_count)),
        ("EnablePrimaryIpv6", input.enable_primary_ipv6 == Some(true)),
        (
            "SecondaryPrivateIpAddressCount",
            some(input.secondary_private_ip_address_count),
        ),
        (
            "InterfaceType",
            input
                .interface_type
                .as_deref()
                .is_some_and(|t| t != "interface"),
        ),
        (
            "ConnectionTrackingSpecification",
            input.connection_tracking_specification.is_some(),
        ),
    ])?;
    let tags = tags::specified(input.tag_specifications, &kind::NETWORK_INTERFACE)?;
    let chosen = Chosen {
        address: primary(input.private_ip_address, input.private_ip_addresses)?,
        description: input.description.unwrap_or_default(),
        ..Chosen::default()
    };
    let groups = input.groups.unwrap_or_default();
    let subnet_id = &input.subnet_id;
    let add = async || -> Result<(Tx, String), AwsError> {
        let subnet = find::<Subnet>(&cx, subnet_id).await?;
        groups_of(&cx, &subnet.vpc_id, &groups).await?;
        let wanted = Wanted {
            subnet_id,
            security_groups: &groups,
            public: false,
            owner: "",
            held: &[],
        };
        let made = eni::reserve_as(&cx.house, &cx.scope, wanted, chosen.clone()).await?;
        let tx = cx.db().tx().with(made.compares, made.ops);
        let id = made.interface.id;
        Ok((change::tag(tx, &cx, &id, &tags), id))
    };
    let interface_id = settle(add).await?;
    let made = find::<Interface>(&cx, &interface_id).await?;
    let seen = Seen::of_new(&cx, &interface_id, &tags).await?;
    Ok(api::CreateNetworkInterfaceOutput {
        network_interface: Some(api::NetworkInterface {
            status: text("pending"),
            ..interface(&seen, &made)
        }),
        client_token: input.client_token,
    })
}

/// The private address that a call chooses. An interface has one only.
fn primary(
    address: Option<String>,
    addresses: Option<Vec<api::PrivateIpAddressSpecification>>,
) -> Result<Option<Ipv4Addr>, AwsError> {
    let mut all: Vec<_> = addresses.unwrap_or_default();
    if all.len() > 1 {
        return Err(error::unsupported("PrivateIpAddresses"));
    }
    let given = address.or_else(|| all.pop().and_then(|a| a.private_ip_address));
    let parse = |text: String| {
        let parsed = text.parse();
        parsed.map_err(|_| say::not_an_address("privateIpAddress", &text))
    };
    given.map(parse).transpose()
}

/// These groups, which must all be of this VPC.
async fn groups_of(
    cx: &Ctx,
    vpc_id: &str,
    ids: &[String],
) -> Result<Vec<Stored<SecurityGroup>>, AwsError> {
    let mut groups = Vec::new();
    for group_id in ids {
        let group = find::<SecurityGroup>(cx, group_id).await?;
        if group.vpc_id != vpc_id {
            return Err(error::group::other_network());
        }
        groups.push(group);
    }
    Ok(groups)
}

pub async fn delete_network_interface(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteNetworkInterfaceInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let interface_id = &input.network_interface_id;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let read = find::<Interface>(&cx, interface_id).await?;
        if !read.task_arn.is_empty() {
            return Err(say::interface_in_use(interface_id));
        }
        let ops = eni::release_interface(&cx.scope, &read.interface);
        Ok((cx.db().tx().unchanged(&read).with(vec![], ops), ()))
    };
    settle(delete).await?;
    Ok(Unit)
}

/// An interface that its owner manages may not be changed by others
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-networking-awsvpc.html>).
pub(super) fn is_managed(interface: &Interface) -> bool {
    !interface.task_arn.is_empty() && !interface.task_arn.starts_with("i-")
}

pub async fn modify_network_interface_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyNetworkInterfaceAttributeInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[
        ("Attachment", input.attachment.is_some()),
        ("EnaSrdSpecification", input.ena_srd_specification.is_some()),
        ("EnablePrimaryIpv6", input.enable_primary_ipv6 == Some(true)),
        (
            "ConnectionTrackingSpecification",
            input.connection_tracking_specification.is_some(),
        ),
        (
            "AssociatePublicIpAddress",
            input.associate_public_ip_address.is_some(),
        ),
        ("AssociatedSubnetIds", input.associated_subnet_ids.is_some()),
    ])?;
    let check = input.source_dest_check.as_ref().and_then(|v| v.value);
    let description = input.description.as_ref().and_then(|v| v.value.clone());
    let given = [
        ("description", description.is_some()),
        ("sourceDestCheck", check.is_some()),
        ("groupSet", input.groups.is_some()),
    ];
    let given: Vec<_> = given
        .iter()
        .filter(|(_, there)| *there)
        .map(|(name, _)| *name)
        .collect();
    if given.len() != 1 {
        return Err(error::attributes(&given));
    }
    let modify = async || -> Result<(Tx, ()), AwsError> {
        let read = find::<Interface>(&cx, &input.network_interface_id).await?;
        if is_managed(&read) {
            return Err(say::not_yours());
        }
        let mut new = read.value.clone();
        let mut tx = cx.db().tx();
        if let Some(description) = &description {
            new.description.clone_from(description);
        }
        if let Some(check) = check {
            new.forwards = !check;
        }
        if let Some(groups) = &input.groups {
            if groups.is_empty() {
                return Err(error::missing_parameter("groupId"));
            }
            // Written again, so that nobody deletes one of them meanwhile.
            for group in groups_of(&cx, &read.interface.vpc_id, groups).await? {
                let kept = SecurityGroup {
                    deleting: false,
                    ..group.value.clone()
                };
                tx = tx.update(&group, &kept);
            }
            new.interface.security_groups.clone_from(groups);
        }
        Ok((tx.update(&read, &new), ()))
    };
    settle(modify).await?;
    Ok(Unit)
}

pub async fn reset_network_interface_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ResetNetworkInterfaceAttributeInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let reset = async || -> Result<(Tx, ()), AwsError> {
        let read = find::<Interface>(&cx, &input.network_interface_id).await?;
        if is_managed(&read) {
            return Err(say::not_yours());
        }
        let new = Interface {
            forwards: false,
            ..read.value.clone()
        };
        Ok((cx.db().tx().update(&read, &new), ()))
    };
    settle(reset).await?;
    Ok(Unit)
}

pub async fn describe_network_interface_attribute(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeNetworkInterfaceAttributeInput,
) -> Result<api::DescribeNetworkInterfaceAttributeOutput, AwsError> {
    dry_run(input.dry_run)?;
    let read = find::<Interface>(&cx, &input.network_interface_id).await?;
    let seen = Seen::read(&cx).await?;
    let shown = interface(&seen, &read);
    let mut out = api::DescribeNetworkInterfaceAttributeOutput {
        network_interface_id: Some(input.network_interface_id),
        ..Default::default()
    };
    match input.attribute.as_deref() {
        Some("description") => {
            out.description = Some(api::AttributeValue {
                value: shown.description,
            });
        }
        Some("groupSet") => out.groups = shown.groups,
        Some("sourceDestCheck") => {
            out.source_dest_check = Some(api::AttributeBooleanValue {
                value: shown.source_dest_check,
            });
        }
        Some("attachment") => out.attachment = shown.attachment,
        Some("associatePublicIpAddress") => {
            out.associate_public_ip_address = Some(read.interface.public_ipv4.is_some());
        }
        Some(other) => return Err(error::unknown_attribute("attribute", other)),
        None => return Err(error::missing_parameter("attribute")),
    }
    Ok(out)
}

pub async fn describe_network_interfaces(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeNetworkInterfacesInput,
) -> Result<api::DescribeNetworkInterfacesOutput, AwsError> {
    let ids = input.network_interface_ids;
    if input.max_results.is_some() && ids.as_ref().is_some_and(|ids| !ids.is_empty()) {
        return Err(error::combination("networkInterfaceIdSet", "maxResults"));
    }
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let seen = Seen::read(&cx).await?;
    let stored = all::<Interface>(&cx).await?;
    let found = query.run(stored.iter().map(|i| interface(&seen, i)).collect())?;
    Ok(api::DescribeNetworkInterfacesOutput {
        network_interfaces: Some(found.items),
        next_token: found.next_token,
    })
}

/// What an interface is shown with.
#[derive(Debug)]
struct Seen {
    place: Place,
    vpcs: Vec<Stored<Vpc>>,
    groups: Vec<Stored<SecurityGroup>>,
    addresses: Vec<Stored<ElasticIp>>,
}

impl Seen {
    async fn read(cx: &Ctx) -> Result<Seen, AwsError> {
        Ok(Seen {
            place: Place::read(cx).await?,
            vpcs: all(cx).await?,
            groups: all(cx).await?,
            addresses: all(cx).await?,
        })
    }

    async fn of_new(cx: &Ctx, id: &str, tags: &Tags) -> Result<Seen, AwsError> {
        Ok(Seen {
            place: Place::of_new(cx, id, tags),
            ..Seen::read(cx).await?
        })
    }
}

/// The name by which a public address is known outside
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html>).
pub(super) fn public_dns_name(address: Ipv4Addr, region: &Region) -> String {
    let dashed = address.to_string().replace('.', "-");
    match region.as_str() {
        "us-east-1" => format!("ec2-{dashed}.compute-1.amazonaws.com"),
        region => format!("ec2-{dashed}.{region}.compute.amazonaws.com"),
    }
}

fn association(seen: &Seen, stored: &Interface) -> Option<api::NetworkInterfaceAssociation> {
    let public = stored.public.as_ref()?;
    let vpc = seen.vpcs.iter().find(|v| v.id() == stored.interface.vpc_id);
    let named = vpc.is_some_and(|v| v.enable_dns_hostnames);
    let elastic = public.allocation_id.as_ref().and_then(|allocation| {
        let found = seen.addresses.iter().find(|a| a.id() == allocation);
        found.map(|a| (allocation.clone(), a.association_id.clone()))
    });
    let region = &seen.place.scope.region;
    Some(api::NetworkInterfaceAssociation {
        public_ip: Some(public.ipv4.to_string()),
        public_dns_name: text(match named {
            true => public_dns_name(public.ipv4, region),
            false => String::new(),
        }),
        ip_owner_id: match elastic {
            Some(_) => seen.place.account(),
            None => text("amazon"),
        },
        association_id: elastic
            .as_ref()
            .and_then(|(_, association)| association.clone()),
        allocation_id: elastic.map(|(allocation, _)| allocation),
        ..Default::default()
    })
}

fn interface_type(owner: &str) -> &'static str {
    if owner.starts_with("ELB net/") {
        return "network_load_balancer";
    }
    match owner.split_once('-') {
        Some(("nat", _)) => "nat_gateway",
        Some(("vpce", _)) => "vpc_endpoint",
        _ => "interface",
    }
}

fn interface(seen: &Seen, stored: &Interface) -> api::NetworkInterface {
    let (place, eni, owner) = (&seen.place, &stored.interface, &stored.task_arn);
    let address = eni.private_ipv4.to_string();
    let group = |id: &String| api::GroupIdentifier {
        group_id: text(id),
        group_name: seen
            .groups
            .iter()
            .find(|g| g.id() == id)
            .map(|g| g.name.clone()),
    };
    let managed = is_managed(stored);
    let association = association(seen, stored);
    api::NetworkInterface {
        network_interface_id: text(&eni.id),
        interface_type: text(interface_type(owner)),
        status: text(if owner.is_empty() {
            "available"
        } else {
            "in-use"
        }),
        description: match stored.description.is_empty() && managed {
            true => text(owner),
            false => text(&stored.description),
        },
        owner_id: place.account(),
        requester_id: managed.then(|| requester(owner).to_owned()),
        requester_managed: Some(managed),
        source_dest_check: Some(!stored.forwards && interface_type(owner) != "nat_gateway"),
        availability_zone: text(&eni.availability_zone),
        availability_zone_id: places::id_of_zone(&place.scope.region, &eni.availability_zone),
        vpc_id: text(&eni.vpc_id),
        subnet_id: text(&eni.subnet_id),
        mac_address: text(&eni.mac),
        private_dns_name: text(&eni.private_dns_name),
        private_ip_address: text(&address),
        private_ip_addresses: Some(vec![api::NetworkInterfacePrivateIpAddress {
            primary: Some(true),
            private_dns_name: text(&eni.private_dns_name),
            private_ip_address: text(&address),
            association: association.clone(),
        }]),
        ipv6_addresses: Some(vec![]),
        groups: Some(eni.security_groups.iter().map(group).collect()),
        public_dns_name: association.as_ref().and_then(|a| a.public_dns_name.clone()),
        association,
        attachment: (!owner.is_empty()).then(|| attachment(place, stored)),
        tag_set: place.tags_of(&eni.id),
        ..Default::default()
    }
}

/// The service that manages an interface.
fn requester(owner: &str) -> &'static str {
    match owner.starts_with("ELB ") {
        true => "amazon-elb",
        false => REQUESTER,
    }
}

fn attachment(place: &Place, stored: &Interface) -> api::NetworkInterfaceAttachment {
    let primary = stored.task_arn.starts_with("i-");
    api::NetworkInterfaceAttachment {
        attachment_id: Some(companion("eni-attach", &stored.interface.id)),
        attach_time: Some(stored.created_at),
        delete_on_termination: Some(primary),
        device_index: Some(i32::from(!primary)),
        network_card_index: Some(0),
        instance_id: primary.then(|| stored.task_arn.clone()),
        instance_owner_id: if primary {
            place.account()
        } else {
            text(requester(&stored.task_arn))
        },
        status: text("attached"),
        ..Default::default()
    }
}

impl Describe for api::NetworkInterface {
    const KIND: Kind = kind::NETWORK_INTERFACE;

    fn id(&self) -> &str {
        self.network_interface_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tag_set.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let attachment = self.attachment.clone().unwrap_or_default();
        let association = self.association.clone().unwrap_or_default();
        let addresses = &self.private_ip_addresses;
        match filter {
            "network-interface-id" => one(&self.network_interface_id),
            "interface-type" => one(&self.interface_type),
            "status" => one(&self.status),
            "description" => one(&self.description),
            "owner-id" => one(&self.owner_id),
            "requester-id" => one(&self.requester_id),
            "requester-managed" => one(&self.requester_managed),
            "source-dest-check" => one(&self.source_dest_check),
            "availability-zone" => one(&self.availability_zone),
            "availability-zone-id" => one(&self.availability_zone_id),
            "vpc-id" => one(&self.vpc_id),
            "subnet-id" => one(&self.subnet_id),
            "mac-address" => one(&self.mac_address),
            "private-dns-name" => one(&self.private_dns_name),
            "private-ip-address" => one(&self.private_ip_address),
            "addresses.private-ip-address" => each(addresses, |a| a.private_ip_address.clone()),
            "addresses.primary" => each(addresses, |a| a.primary),
            "addresses.association.public-ip" | "association.public-ip" => {
                one(&association.public_ip)
            }
            "addresses.association.owner-id" | "association.ip-owner-id" => {
                one(&association.ip_owner_id)
            }
            "association.allocation-id" => one(&association.allocation_id),
            "association.association-id" => one(&association.association_id),
            "association.public-dns-name" => one(&association.public_dns_name),
            "group-id" => each(&self.groups, |g| g.group_id.clone()),
            "group-name" => each(&self.groups, |g| g.group_name.clone()),
            "attachment.attachment-id" => one(&attachment.attachment_id),
            "attachment.status" => one(&attachment.status),
            "attachment.device-index" => one(&attachment.device_index),
            "attachment.delete-on-termination" => one(&attachment.delete_on_termination),
            "attachment.instance-owner-id" => one(&attachment.instance_owner_id),
            "attachment.instance-id" => one(&attachment.instance_id),
            "attachment.attach-time"
            | "attachment.nat-gateway-id"
            | "ipv6-addresses.ipv6-address"
            | "operator.managed"
            | "operator.principal" => none(),
            _ => None,
        }
    }
}
