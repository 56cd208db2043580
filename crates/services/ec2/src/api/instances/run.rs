//! `RunInstances`
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html>).
//!
//! What a launch template says counts where the call says nothing. Volumes, monitoring, credits and
//! metadata options are taken and mean nothing for a slice of a host.

use super::super::{launch_templates, refuse, tags};
use super::show::Seen;
use crate::change::{self, all, find};
use crate::error::instance as say;
use crate::kind;
use crate::plan::user_data;
use crate::query::dry_run;
use crate::{Ec2, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_ec2 as api;
use neargate_base::Region;
use neargate_domain::instance_type::{self, InstanceType};
use neargate_domain::machine_image::{self, MachineImage};
use neargate_service::db::Committed;
use neargate_service::instance::{self, Agent, Instance, NewInstance};
use neargate_service::tags::Tags;
use neargate_service::vpc::{self, SecurityGroup, Subnet, Vpc};
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

/// The most instances of one call. Every one is a slice of a host that exists.
const MAX_COUNT: i32 = 100;
/// The most of one transaction, which takes 128 changes: an instance makes six.
const BATCH: u32 = 20;
/// EC2's default, which nothing here can be.
const DEFAULT_TYPE: &str = "m1.small";
const MAX_USER_DATA_BYTES: usize = 16_384;

pub async fn run_instances(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::RunInstancesInput,
) -> Result<api::RunInstancesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let input = launch_templates::completed(&cx, input).await?;
    refuse_unbuilt(&input)?;
    if input.min_count < 1 || input.max_count < input.min_count {
        return Err(say::counts(input.min_count, input.max_count));
    }
    if input.min_count > MAX_COUNT {
        return Err(say::limit_exceeded(input.min_count, MAX_COUNT));
    }
    if let Some(before) = launched_before(&cx, &input).await? {
        return answer(&cx, &before).await;
    }
    let image = image(&cx.scope.region, input.image_id.as_deref())?;
    let kind = kind_for(
        input.instance_type.as_deref().unwrap_or(DEFAULT_TYPE),
        &image,
    )?;
    let place = place(&cx, &input).await?;
    let (agent, user_data) = agent(input.user_data.clone(), &image)?;
    let by_aws = cx.principal.is_service();
    let (own, of_interface) = tags_of(input.tag_specifications.clone(), by_aws)?;
    let new = NewInstance {
        instance_type: kind.name,
        image_id: image.id,
        subnet_id: place.subnet_id,
        security_groups: place.groups,
        public: place.public,
        agent,
        reservation_id: change::fresh(&cx, "r"),
        launch_index: 0,
        client_token: input.client_token.clone().filter(|t| !t.is_empty()),
        key_name: input.key_name.clone(),
        user_data,
        profile: input
            .iam_instance_profile
            .as_ref()
            .and_then(|p| profile(&cx, p)),
        disable_api_termination: input.disable_api_termination == Some(true),
        disable_api_stop: input.disable_api_stop == Some(true),
    };
    let count = u32::try_from(input.max_count.min(MAX_COUNT)).unwrap_or(1);
    let mut made = Vec::new();
    let mut left = 0..count;
    while !left.is_empty() {
        let batch = left.start..count.min(left.start + BATCH);
        left.start = batch.end;
        made.extend(launch(&cx, &new, batch, &own, &of_interface).await?);
    }
    answer(&cx, &made).await
}

fn refuse_unbuilt(input: &api::RunInstancesInput) -> Result<(), AwsError> {
    let some = |n: Option<i32>| n.is_some_and(|n| n > 0);
    let hibernates = input.hibernation_options.as_ref();
    refuse(&[
        ("Ipv6AddressCount", some(input.ipv6_address_count)),
        ("Ipv6Addresses", input.ipv6_addresses.is_some()),
        (
            "ElasticGpuSpecification",
            input.elastic_gpu_specification.is_some(),
        ),
        (
            "ElasticInferenceAccelerators",
            input.elastic_inference_accelerators.is_some(),
        ),
        (
            "InstanceMarketOptions",
            input.instance_market_options.is_some(),
        ),
        (
            "HibernationOptions",
            hibernates.is_some_and(|h| h.configured == Some(true)),
        ),
        (
            "LicenseSpecifications",
            input.license_specifications.is_some(),
        ),
        ("SecondaryInterfaces", input.secondary_interfaces.is_some()),
        ("KernelId", input.kernel_id.is_some()),
        ("RamdiskId", input.ramdisk_id.is_some()),
        ("PrivateIpAddress", input.private_ip_address.is_some()),
    ])
}

/// What the same token has started.
async fn launched_before(
    cx: &Ctx,
    input: &api::RunInstancesInput,
) -> Result<Option<Vec<Stored<Instance>>>, AwsError> {
    let Some(token) = input.client_token.as_ref().filter(|t| !t.is_empty()) else {
        return Ok(None);
    };
    let mut same = all::<Instance>(cx).await?;
    same.retain(|i| i.client_token.as_ref() == Some(token));
    let Some(first) = same.first() else {
        return Ok(None);
    };
    let kind = input.instance_type.as_ref();
    if kind.is_some_and(|kind| *kind != first.instance_type) {
        return Err(say::other_parameters());
    }
    Ok(Some(same))
}

/// An image by its id, or by the public parameter that names it (`resolve:ssm:…`).
pub(in crate::api) fn image(
    region: &Region,
    named: Option<&str>,
) -> Result<MachineImage, AwsError> {
    let named = named.ok_or_else(|| error::missing_parameter("ImageId"))?;
    if let Some(parameter) = named.strip_prefix("resolve:ssm:") {
        let found = machine_image::of_parameter(region, parameter);
        return found.ok_or_else(|| say::parameter_not_found(parameter));
    }
    let digits = named.strip_prefix("ami-").unwrap_or_default();
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if !(8..=17).contains(&digits.len()) || !digits.bytes().all(hex) {
        return Err(say::image_malformed(named));
    }
    machine_image::find(region, named).ok_or_else(|| say::image_not_found(named))
}

fn kind_for(name: &str, image: &MachineImage) -> Result<InstanceType, AwsError> {
    let kind = instance_type::find(name).ok_or_else(|| say::unknown_type(name))?;
    match kind.architecture == image.architecture {
        true => Ok(kind),
        false => Err(say::architecture(kind.architecture, image.architecture)),
    }
}

/// Where the primary interface goes.
struct Place {
    subnet_id: String,
    groups: Vec<String>,
    public: bool,
}

async fn place(cx: &Ctx, input: &api::RunInstancesInput) -> Result<Place, AwsError> {
    let interfaces = input.network_interfaces.as_deref().unwrap_or_default();
    let first = match interfaces {
        [] => None,
        [one] if one.network_interface_id.is_none() => Some(one),
        [_] => return Err(error::unsupported("NetworkInterface.NetworkInterfaceId")),
        _ => return Err(error::unsupported("NetworkInterface")),
    };
    let given = input.security_group_ids.iter().flatten().cloned();
    let mut groups: Vec<String> = given.collect();
    let names = input.security_groups.as_deref().unwrap_or_default();
    if let Some(first) = first {
        if !groups.is_empty() || !names.is_empty() {
            return Err(say::groups_beside_interfaces());
        }
        if input.subnet_id.is_some() {
            return Err(say::subnet_beside_interfaces());
        }
        groups = first.groups.clone().unwrap_or_default();
    }
    let named = first
        .and_then(|f| f.subnet_id.as_ref())
        .or(input.subnet_id.as_ref());
    let subnet = match named {
        Some(id) => find::<Subnet>(cx, id).await?,
        None => default_subnet(cx, input.placement.as_ref()).await?,
    };
    for name in names {
        groups.push(group_named(cx, &subnet.vpc_id, name).await?);
    }
    for id in &groups {
        if find::<SecurityGroup>(cx, id).await?.vpc_id != subnet.vpc_id {
            return Err(error::group::other_network());
        }
    }
    let asked = first.and_then(|f| f.associate_public_ip_address);
    Ok(Place {
        subnet_id: subnet.id().to_owned(),
        groups,
        public: asked.unwrap_or(subnet.map_public_ip_on_launch),
    })
}

/// That of the zone; of any zone, if none is named.
async fn default_subnet(
    cx: &Ctx,
    placement: Option<&api::Placement>,
) -> Result<Stored<Subnet>, AwsError> {
    let zone = placement.and_then(|p| p.availability_zone.as_ref());
    if let Some(zone) = zone {
        if !cx.scope.region.zones().contains(zone) {
            return Err(error::unknown_zone(zone));
        }
        let found = vpc::default_subnet(&cx.house, &cx.scope, zone).await?;
        return found.ok_or_else(|| say::no_default_subnet(zone));
    }
    let zones = cx.scope.region.zones();
    let from = usize::try_from(cx.house.rng.below(3)).unwrap_or(0);
    for n in 0..zones.len() {
        let zone = &zones[(from + n) % zones.len()];
        if let Some(found) = vpc::default_subnet(&cx.house, &cx.scope, zone).await? {
            return Ok(found);
        }
    }
    Err(say::no_default_vpc())
}

async fn group_named(cx: &Ctx, vpc_id: &str, name: &str) -> Result<String, AwsError> {
    let groups = all::<SecurityGroup>(cx).await?;
    let is_it = |g: &&Stored<SecurityGroup>| g.vpc_id == vpc_id && g.name == name;
    let found = groups.iter().find(is_it).map(|g| g.id().to_owned());
    let vpc = find::<Vpc>(cx, vpc_id).await?;
    found.ok_or_else(|| error::group::name_not_found(name, vpc.id()))
}

/// What the agent on the image is told, and the data as they are kept.
fn agent(
    user_data: Option<String>,
    image: &MachineImage,
) -> Result<(Option<Agent>, Option<String>), AwsError> {
    let given = user_data.filter(|data| !data.is_empty());
    let bytes = match &given {
        None => Vec::new(),
        Some(data) => {
            let packed: String = data.split_whitespace().collect();
            let bytes = STANDARD.decode(packed);
            bytes.map_err(|_| say::user_data_not_base64())?
        }
    };
    if bytes.len() > MAX_USER_DATA_BYTES {
        return Err(say::user_data_too_long());
    }
    let told = || user_data::agent(&String::from_utf8_lossy(&bytes));
    Ok((image.has_agent.then(told), given))
}

/// Those of instances and those of their interfaces. Volumes there are none.
fn tags_of(
    given: Option<Vec<api::TagSpecification>>,
    by_aws: bool,
) -> Result<(Tags, Tags), AwsError> {
    let mut given = given.unwrap_or_default();
    given.retain(|s| s.resource_type.as_deref() != Some("volume"));
    let is_interface = |s: &api::TagSpecification| {
        s.resource_type.as_deref() == Some(kind::NETWORK_INTERFACE.resource_type)
    };
    let (of_interface, own) = given.into_iter().partition(is_interface);
    Ok((
        tags::specified_by(Some(own), &kind::INSTANCE, by_aws)?,
        tags::specified(Some(of_interface), &kind::NETWORK_INTERFACE)?,
    ))
}

fn profile(cx: &Ctx, given: &api::IamInstanceProfileSpecification) -> Option<String> {
    let account = &cx.scope.account;
    let of_name = |name: &String| {
        let partition = neargate_base::arn::partition(&cx.scope.region);
        format!("arn:{partition}:iam::{account}:instance-profile/{name}")
    };
    given
        .arn
        .clone()
        .or_else(|| given.name.as_ref().map(of_name))
}

/// All of the batch, or none.
async fn launch(
    cx: &Ctx,
    new: &NewInstance,
    batch: std::ops::Range<u32>,
    own: &Tags,
    of_interface: &Tags,
) -> Result<Vec<Stored<Instance>>, AwsError> {
    loop {
        let mut tx = cx.db().tx();
        let (mut made, mut held) = (Vec::new(), Vec::new());
        for launch_index in batch.clone() {
            let id = instance::new_id(&cx.house);
            let new = NewInstance {
                launch_index,
                ..new.clone()
            };
            let created = instance::create(&cx.house, &cx.scope, tx, &id, new, &held).await;
            let (with, instance) = created?;
            held.push(instance.interface.private_ipv4);
            held.extend(instance.interface.public_ipv4);
            let with = change::tag(with, cx, &id, own);
            tx = change::tag(with, cx, &instance.interface.id, of_interface);
            made.push((id, instance));
        }
        if let Committed::At(revision) = tx.commit().await? {
            let stored = |(id, value): (String, Instance)| Stored {
                key: change::key::<Instance>(cx, &id),
                revision,
                value,
            };
            return Ok(made.into_iter().map(stored).collect());
        }
    }
}

async fn answer(cx: &Ctx, made: &[Stored<Instance>]) -> Result<api::RunInstancesOutput, AwsError> {
    let seen = Seen::read(cx).await?;
    let id = made.first().map(|i| i.reservation_id.clone());
    let shown = made.iter().map(|i| seen.instance(i)).collect();
    let reservation = seen.reservation(id.unwrap_or_default(), shown);
    Ok(api::RunInstancesOutput {
        reservation_id: reservation.reservation_id,
        owner_id: reservation.owner_id,
        requester_id: None,
        groups: Some(vec![]),
        instances: reservation.instances,
    })
}
