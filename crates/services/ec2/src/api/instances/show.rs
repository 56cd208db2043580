//! Instances as EC2 shows them.

use super::super::interfaces::public_dns_name;
use super::super::text;
use super::power::shown;
use crate::change::all;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, each, none, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_domain::{instance_type, machine_image};
use neargate_service::eni::Interface;
use neargate_service::instance::{Instance, State};
use neargate_service::vpc::{SecurityGroup, companion};
use neargate_service::{AwsError, Ctx, Stored};
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn describe_instances(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeInstancesInput,
) -> Result<api::DescribeInstancesOutput, AwsError> {
    let ids = input.instance_ids.unwrap_or_default();
    if !ids.is_empty() && input.max_results.is_some() {
        return Err(error::combination("instancesSet", "maxResults"));
    }
    // All that do not exist are named in one error.
    super::named(&cx, &ids).await?;
    let query = Query::new(
        input.dry_run,
        Some(ids),
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let seen = Seen::read(&cx).await?;
    let stored = all::<Instance>(&cx).await?;
    let found = query.run(stored.iter().map(|i| seen.instance(i)).collect())?;
    Ok(api::DescribeInstancesOutput {
        reservations: Some(seen.reservations(&stored, found.items)),
        next_token: found.next_token,
    })
}

/// Only those that run, unless all are asked for.
pub async fn describe_instance_status(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeInstanceStatusInput,
) -> Result<api::DescribeInstanceStatusOutput, AwsError> {
    let ids = input.instance_ids.unwrap_or_default();
    if !ids.is_empty() && input.max_results.is_some() {
        return Err(error::combination("instancesSet", "maxResults"));
    }
    super::named(&cx, &ids).await?;
    let query = Query::new(
        input.dry_run,
        Some(ids),
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let stored = all::<Instance>(&cx).await?;
    let found = query.run(stored.iter().map(status).collect())?;
    let asked = |s: &api::InstanceStatus| {
        let state = s.instance_state.as_ref().and_then(|s| s.name.as_deref());
        input.include_all_instances == Some(true) || state == Some("running")
    };
    Ok(api::DescribeInstanceStatusOutput {
        instance_statuses: Some(found.items.into_iter().filter(asked).collect()),
        next_token: found.next_token,
    })
}

/// What instances are shown with.
pub(super) struct Seen {
    place: Place,
    /// The names of groups by their ids.
    groups: BTreeMap<String, String>,
    interfaces: BTreeMap<String, Interface>,
}

impl Seen {
    pub(super) async fn read(cx: &Ctx) -> Result<Seen, AwsError> {
        let groups = all::<SecurityGroup>(cx).await?.into_iter();
        let interfaces = all::<Interface>(cx).await?.into_iter();
        Ok(Seen {
            place: Place::read(cx).await?,
            groups: groups.map(|g| (g.id().to_owned(), g.value.name)).collect(),
            interfaces: interfaces.map(|i| (i.id().to_owned(), i.value)).collect(),
        })
    }

    /// Each reservation with those of its instances that are to be shown.
    pub(super) fn reservations(
        &self,
        stored: &[Stored<Instance>],
        shown: Vec<api::Instance>,
    ) -> Vec<api::Reservation> {
        let mut by_reservation: BTreeMap<String, Vec<api::Instance>> = BTreeMap::new();
        for instance in shown {
            let of = stored
                .iter()
                .find(|i| Some(i.id()) == instance.instance_id.as_deref());
            let id = of.map(|i| i.reservation_id.clone()).unwrap_or_default();
            by_reservation.entry(id).or_default().push(instance);
        }
        let reservation = |(id, mut instances): (String, Vec<api::Instance>)| {
            instances.sort_by_key(|i| i.ami_launch_index);
            self.reservation(id, instances)
        };
        by_reservation.into_iter().map(reservation).collect()
    }

    pub(super) fn reservation(
        &self,
        id: String,
        instances: Vec<api::Instance>,
    ) -> api::Reservation {
        api::Reservation {
            reservation_id: Some(id),
            owner_id: self.place.account(),
            groups: Some(vec![]),
            instances: Some(instances),
            ..Default::default()
        }
    }

    fn group(&self, id: &String) -> api::GroupIdentifier {
        api::GroupIdentifier {
            group_id: text(id),
            group_name: self.groups.get(id).cloned(),
        }
    }

    pub(super) fn instance(&self, stored: &Stored<Instance>) -> api::Instance {
        let (id, i) = (stored.id(), &stored.value);
        let ended = i.has_ended();
        let image = machine_image::find(&self.place.scope.region, &i.image_id);
        let kind = instance_type::find(&i.instance_type);
        let architecture = kind.as_ref().map_or("x86_64", |k| k.architecture);
        let reason = i.reason.as_ref().map(|(code, message)| api::StateReason {
            code: text(code),
            message: text(message),
        });
        let mut shown = api::Instance {
            instance_id: text(id),
            image_id: text(&i.image_id),
            state: Some(shown(i.shown_state())),
            state_reason: reason,
            state_transition_reason: text(match i.shown_state() {
                State::Pending | State::Running => "",
                _ => "User initiated",
            }),
            private_dns_name: text(if ended {
                ""
            } else {
                &i.interface.private_dns_name
            }),
            public_dns_name: text(""),
            key_name: i.key_name.clone(),
            ami_launch_index: i32::try_from(i.launch_index).ok(),
            product_codes: Some(vec![]),
            instance_type: text(&i.instance_type),
            launch_time: Some(i.launched_at),
            placement: Some(api::Placement {
                availability_zone: text(&i.interface.availability_zone),
                group_name: text(""),
                tenancy: text("default"),
                ..Default::default()
            }),
            monitoring: Some(api::Monitoring {
                state: text("disabled"),
                ..Default::default()
            }),
            architecture: text(architecture),
            block_device_mappings: Some(vec![]),
            client_token: text(i.client_token.as_deref().unwrap_or_default()),
            ebs_optimized: Some(false),
            ena_support: Some(true),
            hypervisor: text("xen"),
            iam_instance_profile: i.profile.as_ref().map(|arn| api::IamInstanceProfile {
                arn: text(arn),
                ..Default::default()
            }),
            network_interfaces: Some(vec![]),
            root_device_name: image.map(|i| i.root_device.to_owned()),
            root_device_type: text("ebs"),
            security_groups: Some(vec![]),
            tags: self.place.tags_of(id),
            virtualization_type: text("hvm"),
            cpu_options: kind.map(|k| api::CpuOptions {
                core_count: i32::try_from(k.vcpus.div_ceil(2)).ok(),
                threads_per_core: Some(if k.vcpus > 1 { 2 } else { 1 }),
                ..Default::default()
            }),
            metadata_options: Some(api::InstanceMetadataOptionsResponse {
                state: text("applied"),
                http_tokens: text("required"),
                http_put_response_hop_limit: Some(2),
                http_endpoint: text("enabled"),
                ..Default::default()
            }),
            platform_details: text("Linux/UNIX"),
            usage_operation: text("RunInstances"),
            source_dest_check: Some(true),
            ..Default::default()
        };
        if !ended {
            self.with_interface(&mut shown, i);
        }
        shown
    }

    /// An instance that has ended has no interface any more.
    fn with_interface(&self, shown: &mut api::Instance, instance: &Instance) {
        let eni = &instance.interface;
        let now = self.interfaces.get(&eni.id);
        let groups = now.map_or(&eni.security_groups, |i| &i.interface.security_groups);
        let groups: Vec<_> = groups.iter().map(|g| self.group(g)).collect();
        let public = match now {
            Some(now) => now.public.as_ref().map(|p| p.ipv4),
            None => eni.public_ipv4,
        };
        let name = public.map(|a| public_dns_name(a, &self.place.scope.region));
        let association = public.map(|public| api::InstanceNetworkInterfaceAssociation {
            ip_owner_id: text("amazon"),
            public_dns_name: name.clone(),
            public_ip: text(public.to_string()),
            ..Default::default()
        });
        let address = eni.private_ipv4.to_string();
        shown.private_ip_address = text(&address);
        shown.public_ip_address = public.map(|a| a.to_string());
        shown.public_dns_name = Some(name.unwrap_or_default());
        shown.subnet_id = text(&eni.subnet_id);
        shown.vpc_id = text(&eni.vpc_id);
        shown.security_groups = Some(groups.clone());
        shown.network_interfaces = Some(vec![api::InstanceNetworkInterface {
            association: association.clone(),
            attachment: Some(api::InstanceNetworkInterfaceAttachment {
                attach_time: Some(instance.launched_at),
                attachment_id: Some(companion("eni-attach", &eni.id)),
                delete_on_termination: Some(true),
                device_index: Some(0),
                network_card_index: Some(0),
                status: text("attached"),
                ..Default::default()
            }),
            description: text(""),
            groups: Some(groups),
            ipv6_addresses: Some(vec![]),
            mac_address: text(&eni.mac),
            network_interface_id: text(&eni.id),
            owner_id: self.place.account(),
            private_dns_name: text(&eni.private_dns_name),
            private_ip_address: text(&address),
            private_ip_addresses: Some(vec![api::InstancePrivateIpAddress {
                association,
                primary: Some(true),
                private_dns_name: text(&eni.private_dns_name),
                private_ip_address: text(&address),
            }]),
            source_dest_check: Some(true),
            status: text("in-use"),
            subnet_id: text(&eni.subnet_id),
            vpc_id: text(&eni.vpc_id),
            interface_type: text("interface"),
            ..Default::default()
        }]);
    }
}

/// Checks pass once the host says that the instance runs.
fn status(stored: &Stored<Instance>) -> api::InstanceStatus {
    let state = stored.shown_state();
    let summary = |runs: bool| {
        let status = match (runs, stored.problem.is_some()) {
            (true, _) => "ok",
            (false, true) => "impaired",
            (false, false) if state == State::Pending => "initializing",
            (false, false) => "not-applicable",
        };
        api::InstanceStatusSummary {
            status: text(status),
            details: (runs || stored.problem.is_some()).then(|| {
                vec![api::InstanceStatusDetails {
                    name: text("reachability"),
                    status: text(if runs { "passed" } else { "failed" }),
                    ..Default::default()
                }]
            }),
        }
    };
    let runs = state == State::Running;
    api::InstanceStatus {
        instance_id: text(stored.id()),
        availability_zone: text(&stored.interface.availability_zone),
        instance_state: Some(shown(state)),
        instance_status: Some(summary(runs)),
        system_status: Some(summary(runs)),
        ..Default::default()
    }
}

impl Describe for api::InstanceStatus {
    const KIND: Kind = kind::INSTANCE;

    fn id(&self) -> &str {
        self.instance_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        &[]
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let state = self.instance_state.clone().unwrap_or_default();
        let of = |summary: &Option<api::InstanceStatusSummary>| {
            one(&summary.as_ref().and_then(|s| s.status.clone()))
        };
        match filter {
            "availability-zone" => one(&self.availability_zone),
            "availability-zone-id" => one(&self.availability_zone_id),
            "instance-state-code" => one(&state.code),
            "instance-state-name" => one(&state.name),
            "instance-status.status" => of(&self.instance_status),
            "system-status.status" => of(&self.system_status),
            "instance-status.reachability" | "system-status.reachability" => {
                let details = self.instance_status.iter().flat_map(|s| &s.details);
                Some(details.flatten().filter_map(|d| d.status.clone()).collect())
            }
            "event.code"
            | "event.description"
            | "event.instance-event-id"
            | "event.not-after"
            | "event.not-before"
            | "event.not-before-deadline"
            | "attached-ebs-status.status"
            | "operator.managed"
            | "operator.principal" => none(),
            _ => None,
        }
    }
}

impl Describe for api::Instance {
    const KIND: Kind = kind::INSTANCE;

    fn id(&self) -> &str {
        self.instance_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let state = self.state.clone().unwrap_or_default();
        let placement = self.placement.clone().unwrap_or_default();
        let interfaces = &self.network_interfaces;
        let reason = self.state_reason.as_ref();
        match filter {
            "instance-id" => one(&self.instance_id),
            "image-id" => one(&self.image_id),
            "instance-type" => one(&self.instance_type),
            "instance-state-name" => one(&state.name),
            "instance-state-code" => one(&state.code),
            "architecture" => one(&self.architecture),
            "availability-zone" => one(&placement.availability_zone),
            "availability-zone-id" => one(&placement.availability_zone_id),
            "client-token" => one(&self.client_token),
            "dns-name" => one(&self.public_dns_name),
            "group-id" | "instance.group-id" => each(&self.security_groups, |g| g.group_id.clone()),
            "group-name" | "instance.group-name" => {
                each(&self.security_groups, |g| g.group_name.clone())
            }
            "hypervisor" => one(&self.hypervisor),
            "iam-instance-profile.arn" => one(&self
                .iam_instance_profile
                .as_ref()
                .and_then(|p| p.arn.clone())),
            "ip-address" => one(&self.public_ip_address),
            "key-name" => one(&self.key_name),
            "launch-index" => one(&self.ami_launch_index),
            "launch-time" => one(&self.launch_time.map(|t| t.rfc3339())),
            "monitoring-state" => one(&self.monitoring.as_ref().and_then(|m| m.state.clone())),
            "network-interface.network-interface-id" => {
                each(interfaces, |i| i.network_interface_id.clone())
            }
            "network-interface.subnet-id" => each(interfaces, |i| i.subnet_id.clone()),
            "network-interface.vpc-id" => each(interfaces, |i| i.vpc_id.clone()),
            "network-interface.addresses.private-ip-address" => {
                each(interfaces, |i| i.private_ip_address.clone())
            }
            "network-interface.association.public-ip" => {
                each(interfaces, |i| i.association.as_ref()?.public_ip.clone())
            }
            "network-interface.status" => each(interfaces, |i| i.status.clone()),
            "network-interface.mac-address" => each(interfaces, |i| i.mac_address.clone()),
            "network-interface.private-dns-name" => {
                each(interfaces, |i| i.private_dns_name.clone())
            }
            "owner-id" | "network-interface.owner-id" => each(interfaces, |i| i.owner_id.clone()),
            "placement-group-name" => one(&placement.group_name),
            "platform-details" => one(&self.platform_details),
            "private-dns-name" => one(&self.private_dns_name),
            "private-ip-address" => one(&self.private_ip_address),
            "root-device-name" => one(&self.root_device_name),
            "root-device-type" => one(&self.root_device_type),
            "source-dest-check" => one(&self.source_dest_check),
            "state-reason-code" => one(&reason.and_then(|r| r.code.clone())),
            "state-reason-message" | "reason" => one(&reason.and_then(|r| r.message.clone())),
            "subnet-id" => one(&self.subnet_id),
            "tenancy" => one(&placement.tenancy),
            "virtualization-type" => one(&self.virtualization_type),
            "vpc-id" => one(&self.vpc_id),
            "affinity"
            | "host-id"
            | "instance-lifecycle"
            | "kernel-id"
            | "platform"
            | "product-code"
            | "ramdisk-id"
            | "requester-id"
            | "reservation-id"
            | "spot-instance-request-id"
            | "outpost-arn"
            | "block-device-mapping.volume-id"
            | "block-device-mapping.device-name"
            | "block-device-mapping.status"
            | "capacity-reservation-id"
            | "operator.managed"
            | "operator.principal"
            | "metadata-options.http-tokens"
            | "metadata-options.http-endpoint" => none(),
            _ => None,
        }
    }
}
