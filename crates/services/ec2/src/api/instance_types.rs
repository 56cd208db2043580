//! Instance types: those that a slice of a host can be (`neargate_domain::instance_type`).

use super::text;
use crate::Ec2;
use crate::error;
use crate::error::instance as say;
use crate::filter::Filter;
use crate::query::{dry_run, none, one};
use neargate_api_ec2 as api;
use neargate_domain::instance_type::{self, InstanceType};
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const TYPES: Size = Size {
    least: 5,
    most: 100,
    ..Size::ANY
};
const OFFERINGS: Size = Size {
    least: 5,
    most: 1_000,
    ..Size::ANY
};

pub async fn describe_instance_types(
    _: Arc<Ec2>,
    _: Ctx,
    input: api::DescribeInstanceTypesInput,
) -> Result<api::DescribeInstanceTypesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let names = input.instance_types.unwrap_or_default();
    let unknown = names.iter().filter(|n| instance_type::find(n).is_none());
    let unknown: Vec<String> = unknown.cloned().collect();
    if !unknown.is_empty() {
        return Err(say::types_not_found(&unknown));
    }
    let mut all: Vec<InstanceType> = instance_type::names()
        .iter()
        .filter(|n| names.is_empty() || names.contains(n))
        .filter_map(|n| instance_type::find(n))
        .collect();
    for filter in Filter::parse(input.filters)? {
        let known = values(&InstanceType::default(), &filter.name).is_some();
        if !known {
            return Err(error::invalid_filter(&filter.name));
        }
        all.retain(|t| filter.accepts(&values(t, &filter.name).unwrap_or_default()));
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let limit = TYPES.check(input.max_results);
    let limit = limit.map_err(|_| error::invalid_max_results(TYPES))?;
    let found = page(all, input.next_token.as_deref(), limit, |t| t.name.clone());
    let found = found.map_err(|_| error::invalid_next_token())?;
    Ok(api::DescribeInstanceTypesOutput {
        instance_types: Some(found.items.into_iter().map(shown).collect()),
        next_token: found.next_token,
    })
}

pub async fn describe_instance_type_offerings(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeInstanceTypeOfferingsInput,
) -> Result<api::DescribeInstanceTypeOfferingsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let region = &cx.scope.region;
    let by = input.location_type.unwrap_or_else(|| "region".into());
    let locations = match by.as_str() {
        "region" => vec![region.to_string()],
        "availability-zone" => region.zones().to_vec(),
        "availability-zone-id" => (0..3).map(|n| super::places::zone_id(region, n)).collect(),
        _ => Vec::new(),
    };
    let offering = |name: String, location: &String| api::InstanceTypeOffering {
        instance_type: Some(name),
        location_type: text(&by),
        location: text(location),
    };
    let mut all: Vec<api::InstanceTypeOffering> = locations
        .iter()
        .flat_map(|at| instance_type::names().into_iter().map(move |n| (n, at)))
        .map(|(name, at)| offering(name, at))
        .collect();
    for filter in Filter::parse(input.filters)? {
        let values = |o: &api::InstanceTypeOffering| match filter.name.as_str() {
            "instance-type" => one(&o.instance_type),
            "location" => one(&o.location),
            _ => None,
        };
        if values(&api::InstanceTypeOffering::default()).is_none() {
            return Err(error::invalid_filter(&filter.name));
        }
        all.retain(|o| filter.accepts(&values(o).unwrap_or_default()));
    }
    let key = |o: &api::InstanceTypeOffering| {
        let (name, at) = (o.instance_type.clone(), o.location.clone());
        format!("{} {}", name.unwrap_or_default(), at.unwrap_or_default())
    };
    all.sort_by_key(key);
    let limit = OFFERINGS.check(input.max_results);
    let limit = limit.map_err(|_| error::invalid_max_results(OFFERINGS))?;
    let found = page(all, input.next_token.as_deref(), limit, key);
    let found = found.map_err(|_| error::invalid_next_token())?;
    Ok(api::DescribeInstanceTypeOfferingsOutput {
        instance_type_offerings: Some(found.items),
        next_token: found.next_token,
    })
}

/// Burstable types have credits, which mean nothing on a host that has what it has.
fn is_burstable(kind: &InstanceType) -> bool {
    kind.name.starts_with('t')
}

/// Each of their cores has two threads, but for those of Graviton and the smallest of t2.
fn threads(kind: &InstanceType) -> u32 {
    match kind.architecture == "arm64" || kind.vcpus == 1 || kind.name.starts_with("t2.") {
        true => 1,
        false => 2,
    }
}

fn shown(kind: InstanceType) -> api::InstanceTypeInfo {
    let number = |n: u32| i32::try_from(n).ok();
    let old = kind.name.starts_with("t2.");
    api::InstanceTypeInfo {
        current_generation: Some(true),
        free_tier_eligible: Some(matches!(kind.name.as_str(), "t2.micro" | "t3.micro")),
        supported_usage_classes: Some(vec!["on-demand".into(), "spot".into()]),
        supported_root_device_types: Some(vec!["ebs".into()]),
        supported_virtualization_types: Some(vec!["hvm".into()]),
        bare_metal: Some(false),
        hypervisor: text(if old { "xen" } else { "nitro" }),
        processor_info: Some(api::ProcessorInfo {
            supported_architectures: Some(vec![kind.architecture.into()]),
            ..Default::default()
        }),
        v_cpu_info: Some(api::VCpuInfo {
            default_v_cpus: number(kind.vcpus),
            default_cores: number(kind.vcpus / threads(&kind)),
            default_threads_per_core: number(threads(&kind)),
            ..Default::default()
        }),
        memory_info: Some(api::MemoryInfo {
            size_in_mib: Some(i64::from(kind.memory_mib)),
        }),
        instance_storage_supported: Some(false),
        network_info: Some(api::NetworkInfo {
            maximum_network_interfaces: number(kind.interfaces),
            maximum_network_cards: Some(1),
            default_network_card_index: Some(0),
            ipv6_supported: Some(false),
            ena_support: text(if old { "unsupported" } else { "required" }),
            efa_supported: Some(false),
            ..Default::default()
        }),
        hibernation_supported: Some(false),
        burstable_performance_supported: Some(is_burstable(&kind)),
        dedicated_hosts_supported: Some(false),
        auto_recovery_supported: Some(false),
        supported_boot_modes: Some(vec!["legacy-bios".into(), "uefi".into()]),
        instance_type: Some(kind.name),
        ..Default::default()
    }
}

fn values(kind: &InstanceType, filter: &str) -> Option<Vec<String>> {
    match filter {
        "instance-type" => Some(vec![kind.name.clone()]),
        "processor-info.supported-architecture" => Some(vec![kind.architecture.into()]),
        "vcpu-info.default-vcpus" => Some(vec![kind.vcpus.to_string()]),
        "vcpu-info.default-cores" => Some(vec![(kind.vcpus / threads(kind)).to_string()]),
        "vcpu-info.default-threads-per-core" => Some(vec![threads(kind).to_string()]),
        "memory-info.size-in-mib" => Some(vec![kind.memory_mib.to_string()]),
        "network-info.maximum-network-interfaces" => Some(vec![kind.interfaces.to_string()]),
        "burstable-performance-supported" => Some(vec![is_burstable(kind).to_string()]),
        "current-generation" => Some(vec!["true".into()]),
        "bare-metal"
        | "instance-storage-supported"
        | "hibernation-supported"
        | "dedicated-hosts-supported"
        | "auto-recovery-supported"
        | "network-info.efa-supported"
        | "network-info.ipv6-supported" => Some(vec!["false".into()]),
        "supported-usage-class" => Some(vec!["on-demand".into(), "spot".into()]),
        "supported-root-device-type" => Some(vec!["ebs".into()]),
        "supported-virtualization-type" => Some(vec!["hvm".into()]),
        "free-tier-eligible" => {
            let free = matches!(kind.name.as_str(), "t2.micro" | "t3.micro");
            Some(vec![free.to_string()])
        }
        "hypervisor"
        | "ebs-info.ebs-optimized-support"
        | "ebs-info.encryption-support"
        | "ebs-info.nvme-support"
        | "nitro-enclaves-support"
        | "nitro-tpm-support"
        | "network-info.ena-support"
        | "network-info.network-performance"
        | "network-info.maximum-network-cards"
        | "processor-info.sustained-clock-speed-in-ghz"
        | "processor-info.supported-features"
        | "supported-boot-mode"
        | "instance-storage-info.disk.count"
        | "instance-storage-info.disk.size-in-gb"
        | "instance-storage-info.disk.type"
        | "instance-storage-info.total-size-in-gb" => none(),
        _ => None,
    }
}
