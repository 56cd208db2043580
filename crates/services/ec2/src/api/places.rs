//! Regions and availability zones. Every region name works here, so the known ones are all
//! opted in, and the caller's own is one of them.

use super::text;
use crate::filter::Filter;
use crate::query::{dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_base::Region;
use neargate_base::arn::partition;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Regions that need no opt-in
/// (<https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html>).
const ALWAYS_ON: &[&str] = &[
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];
const OPT_IN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-south-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ca-west-1",
    "eu-central-2",
    "eu-south-1",
    "eu-south-2",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
];
const CHINA: &[&str] = &["cn-north-1", "cn-northwest-1"];
const GOVERNMENT: &[&str] = &["us-gov-east-1", "us-gov-west-1"];

pub async fn describe_regions(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeRegionsInput,
) -> Result<api::DescribeRegionsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let known: Vec<&str> = match partition(&cx.scope.region) {
        "aws-cn" => CHINA.to_vec(),
        "aws-us-gov" => GOVERNMENT.to_vec(),
        _ => [ALWAYS_ON, OPT_IN].concat(),
    };
    let mut all: Vec<String> = known.into_iter().map(str::to_owned).collect();
    all.push(cx.scope.region.to_string());
    all.sort();
    all.dedup();
    let names = input.region_names.unwrap_or_default();
    if let Some(unknown) = names.iter().find(|n| !all.contains(n)) {
        return Err(error::unknown_region(unknown));
    }
    all.retain(|r| names.is_empty() || names.contains(r));
    let all = all.into_iter().map(region).collect();
    let known = |r: &api::Region, filter: &str| match filter {
        "endpoint" => one(&r.endpoint),
        "opt-in-status" => one(&r.opt_in_status),
        "region-name" => one(&r.region_name),
        _ => None,
    };
    Ok(api::DescribeRegionsOutput {
        regions: Some(filtered(all, input.filters, known)?),
    })
}

pub async fn describe_availability_zones(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeAvailabilityZonesInput,
) -> Result<api::DescribeAvailabilityZonesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let mut all: Vec<api::AvailabilityZone> = (0..3).map(|n| zone(&cx.scope.region, n)).collect();
    let (names, ids) = (
        input.zone_names.unwrap_or_default(),
        input.zone_ids.unwrap_or_default(),
    );
    let is = |wanted: &String, member: &Option<String>| Some(wanted) == member.as_ref();
    let unknown_name = names
        .iter()
        .find(|n| !all.iter().any(|z| is(n, &z.zone_name)));
    let unknown_id = ids.iter().find(|i| !all.iter().any(|z| is(i, &z.zone_id)));
    if let Some(unknown) = unknown_name.or(unknown_id) {
        return Err(error::unknown_zone(unknown));
    }
    all.retain(|z| names.is_empty() || names.iter().any(|n| is(n, &z.zone_name)));
    all.retain(|z| ids.is_empty() || ids.iter().any(|i| is(i, &z.zone_id)));
    let known = |z: &api::AvailabilityZone, filter: &str| match filter {
        "group-name" => one(&z.group_name),
        "opt-in-status" => one(&z.opt_in_status),
        "region-name" => one(&z.region_name),
        "state" => one(&z.state),
        "zone-id" => one(&z.zone_id),
        "zone-name" => one(&z.zone_name),
        "zone-type" => one(&z.zone_type),
        "message" | "parent-zone-id" | "parent-zone-name" => Some(vec![]),
        _ => None,
    };
    let zones = filtered(all, input.filters, known)?;
    Ok(api::DescribeAvailabilityZonesOutput {
        availability_zones: Some(zones),
    })
}

/// The id of a region's `n`th zone, such as `use1-az1`: the direction's first letter, or two for
/// a compound one
/// (<https://docs.aws.amazon.com/global-infrastructure/latest/regions/az-ids.html>).
pub(crate) fn zone_id(region: &Region, n: usize) -> String {
    let mut parts = region.as_str().split('-');
    let mut id = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        id += match part {
            "northeast" => "ne",
            "northwest" => "nw",
            "southeast" => "se",
            "southwest" => "sw",
            number if number.starts_with(|c: char| c.is_ascii_digit()) => number,
            word => word.get(..1).unwrap_or_default(),
        };
    }
    format!("{id}-az{}", n + 1)
}

/// The id of a zone by its name.
pub(crate) fn id_of_zone(region: &Region, name: &str) -> Option<String> {
    let n = region.zones().iter().position(|zone| zone == name)?;
    Some(zone_id(region, n))
}

fn zone(region: &Region, n: usize) -> api::AvailabilityZone {
    api::AvailabilityZone {
        zone_name: text(&region.zones()[n]),
        zone_id: Some(zone_id(region, n)),
        zone_type: text("availability-zone"),
        region_name: text(region.as_str()),
        group_name: Some(format!("{region}-zg-1")),
        network_border_group: text(region.as_str()),
        opt_in_status: text("opt-in-not-required"),
        state: text("available"),
        messages: Some(vec![]),
        ..Default::default()
    }
}

fn region(name: String) -> api::Region {
    let opted_in = OPT_IN.contains(&name.as_str());
    let suffix = if name.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    api::Region {
        endpoint: Some(format!("ec2.{name}.{suffix}")),
        region_name: Some(name),
        opt_in_status: text(if opted_in {
            "opted-in"
        } else {
            "opt-in-not-required"
        }),
        ..Default::default()
    }
}

fn filtered<T: Default>(
    mut all: Vec<T>,
    filters: Option<Vec<api::Filter>>,
    values: impl Fn(&T, &str) -> Option<Vec<String>>,
) -> Result<Vec<T>, AwsError> {
    for filter in Filter::parse(filters)? {
        if values(&T::default(), &filter.name).is_none() {
            return Err(error::invalid_filter(&filter.name));
        }
        all.retain(|item| filter.accepts(&values(item, &filter.name).unwrap_or_default()));
    }
    Ok(all)
}
