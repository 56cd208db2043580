//! The tasks' network interfaces, as their reservations stored them.

use super::text;
use crate::Ec2;
use crate::kind::{self, Kind, companion};
use crate::model::Place;
use crate::query::{Describe, Query, each, none, one};
use neargate_api_ec2 as api;
use neargate_service::eni::Interface;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Who attached it: AWS shows such an alias for what its services manage.
const REQUESTER: &str = "amazon-aws";

pub async fn describe_network_interfaces(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeNetworkInterfacesInput,
) -> Result<api::DescribeNetworkInterfacesOutput, AwsError> {
    let ids = input.network_interface_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let stored = cx.db().list::<Interface>(&cx.scope).await?;
    let found = query.run(stored.iter().map(|i| interface(&place, i)).collect())?;
    Ok(api::DescribeNetworkInterfacesOutput {
        network_interfaces: Some(found.items),
        next_token: found.next_token,
    })
}

fn interface(place: &Place, stored: &Interface) -> api::NetworkInterface {
    let eni = &stored.interface;
    let zone = place.vpc.subnets.iter().position(|s| s.id == eni.subnet_id);
    let address = eni.private_ipv4.to_string();
    let group = |id: &String| api::GroupIdentifier {
        group_id: text(id),
        group_name: (*id == place.vpc.security_group_id).then(|| "default".into()),
    };
    let primary = stored.task_arn.starts_with("i-");
    let attachment = api::NetworkInterfaceAttachment {
        attachment_id: Some(companion("eni-attach", &eni.id)),
        attach_time: Some(stored.created_at),
        delete_on_termination: Some(primary),
        device_index: Some(i32::from(!primary)),
        network_card_index: Some(0),
        instance_id: primary.then(|| stored.task_arn.clone()),
        instance_owner_id: if primary {
            place.account()
        } else {
            text(REQUESTER)
        },
        status: text("attached"),
        ..Default::default()
    };
    api::NetworkInterface {
        network_interface_id: text(&eni.id),
        interface_type: text("interface"),
        status: text("in-use"),
        description: text(if primary { "" } else { &stored.task_arn }),
        owner_id: place.account(),
        requester_id: (!primary).then(|| REQUESTER.to_owned()),
        requester_managed: Some(!primary),
        source_dest_check: Some(true),
        availability_zone: text(&eni.availability_zone),
        availability_zone_id: zone.map(|n| super::places::zone_id(&place.scope.region, n)),
        vpc_id: text(&eni.vpc_id),
        subnet_id: text(&eni.subnet_id),
        mac_address: text(&eni.mac),
        private_dns_name: text(&eni.private_dns_name),
        private_ip_address: text(&address),
        private_ip_addresses: Some(vec![api::NetworkInterfacePrivateIpAddress {
            primary: Some(true),
            private_dns_name: text(&eni.private_dns_name),
            private_ip_address: text(&address),
            ..Default::default()
        }]),
        ipv6_addresses: Some(vec![]),
        groups: Some(eni.security_groups.iter().map(group).collect()),
        attachment: Some(attachment),
        tag_set: place.tags_of(&eni.id),
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
            | "addresses.association.owner-id"
            | "addresses.association.public-ip"
            | "association.allocation-id"
            | "association.association-id"
            | "association.ip-owner-id"
            | "association.public-dns-name"
            | "association.public-ip"
            | "ipv6-addresses.ipv6-address"
            | "operator.managed"
            | "operator.principal" => none(),
            _ => None,
        }
    }
}
