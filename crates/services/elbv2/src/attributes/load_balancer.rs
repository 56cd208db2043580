//! Of load balancers
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html>).

use super::{Attribute, Owner, Values};
use crate::error::attribute as say;
use crate::model::LoadBalancer;
use crate::names;
use neargate_domain::load_balancer::{Attributes, LoadBalancerType};
use neargate_service::AwsError;

pub(crate) const DELETION_PROTECTION: &str = "deletion_protection.enabled";
const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
const IPV6_DENY: &str = "ipv6.deny_all_igw_traffic";

const BOTH: &[Attribute] = &[
    Attribute::flag("access_logs.s3.enabled", "false"),
    Attribute::text("access_logs.s3.bucket", ""),
    Attribute::text("access_logs.s3.prefix", ""),
    Attribute::flag(DELETION_PROTECTION, "false"),
    Attribute::flag(IPV6_DENY, "false").fixed(),
    Attribute::flag("zonal_shift.config.enabled", "false").fixed(),
];

const APPLICATION: &[Attribute] = &[
    // AWS cannot turn it off either.
    Attribute::new(CROSS_ZONE, "true", Values::OneOf(&["true"])),
    Attribute::new(
        "idle_timeout.timeout_seconds",
        "60",
        Values::Number(1, 4_000),
    ),
    Attribute::new(
        "client_keep_alive.seconds",
        "3600",
        Values::Number(60, 604_800),
    ),
    Attribute::flag("connection_logs.s3.enabled", "false"),
    Attribute::text("connection_logs.s3.bucket", ""),
    Attribute::text("connection_logs.s3.prefix", ""),
    Attribute::flag("health_check_logs.s3.enabled", "false").fixed(),
    Attribute::text("health_check_logs.s3.bucket", ""),
    Attribute::text("health_check_logs.s3.prefix", ""),
    Attribute::new(
        "routing.http.desync_mitigation_mode",
        "defensive",
        Values::OneOf(&["monitor", "defensive", "strictest"]),
    ),
    Attribute::flag("routing.http.drop_invalid_header_fields.enabled", "false"),
    Attribute::flag("routing.http.preserve_host_header.enabled", "false"),
    Attribute::flag(
        "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
        "false",
    ),
    Attribute::flag("routing.http.xff_client_port.enabled", "false"),
    Attribute::new(
        "routing.http.xff_header_processing.mode",
        "append",
        Values::OneOf(&["append", "preserve", "remove"]),
    ),
    Attribute::flag("routing.http2.enabled", "true"),
    Attribute::flag("waf.fail_open.enabled", "false").fixed(),
];

const NETWORK: &[Attribute] = &[
    Attribute::flag(CROSS_ZONE, "false"),
    Attribute::new(
        "dns_record.client_routing_policy",
        "any_availability_zone",
        Values::OneOf(&[
            "availability_zone_affinity",
            "partial_availability_zone_affinity",
            "any_availability_zone",
        ]),
    )
    .fixed(),
    Attribute::new(
        "secondary_ips.auto_assigned.per_subnet",
        "0",
        Values::Number(0, 7),
    )
    .fixed(),
];

/// What a load balancer has.
pub(crate) fn owner(of: &LoadBalancer) -> Owner {
    let (own, others) = match of.load_balancer_type {
        LoadBalancerType::Application => (APPLICATION, NETWORK),
        LoadBalancerType::Network => (NETWORK, APPLICATION),
    };
    let denies = !of.internet_facing;
    Owner {
        noun: "Load balancer",
        kind: format!(
            "load balancers with type '{}'",
            names::long(of.load_balancer_type)
        ),
        own: BOTH.iter().chain(own).collect(),
        known: others.iter().collect(),
        defaults: vec![(IPV6_DENY, denies.to_string())],
    }
}

/// Logs need a bucket.
///
/// # Errors
/// `InvalidConfigurationRequest`.
pub(crate) fn check_together(all: &Attributes) -> Result<(), AwsError> {
    for (logs, name) in [
        ("access_logs", "access logs"),
        ("connection_logs", "connection logs"),
    ] {
        let is = |suffix: &str, value: &str| {
            let found = all.get(&format!("{logs}.s3.{suffix}"));
            found.is_some_and(|v| v == value)
        };
        if !is("enabled", "true") {
            continue;
        }
        let value = |suffix: &str| {
            let key = format!("{logs}.s3.{suffix}");
            let value = all.get(&key).cloned().unwrap_or_default();
            (key, value)
        };
        let ((bucket_key, bucket), (prefix_key, prefix)) = (value("bucket"), value("prefix"));
        if bucket.is_empty() {
            return Err(say::no_bucket(logs, name));
        } else if !is_bucket(&bucket) {
            return Err(say::not_acted_on(&bucket_key, &bucket));
        } else if !is_prefix(&prefix) {
            return Err(say::not_acted_on(&prefix_key, &prefix));
        }
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9'));
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|b| is_edge(Some(b)) || matches!(b, b'-' | b'.'))
}

/// It may lead nowhere else, and not hold `AWSLogs`, as AWS says.
fn is_prefix(prefix: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains('\0');
    prefix.is_empty() || (!prefix.contains("AWSLogs") && prefix.split('/').all(is_name))
}
