//! Of target groups
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html>).

use super::{Attribute, Owner, Values};
use crate::error::attribute as say;
use crate::model::{TargetGroup, TargetType};
use neargate_domain::load_balancer::{Attributes, Protocol};
use neargate_service::AwsError;

pub(crate) const DEREGISTRATION_DELAY: &str = "deregistration_delay.timeout_seconds";
const STICKINESS: &str = "stickiness.enabled";
pub(crate) const STICKINESS_TYPE: &str = "stickiness.type";
const COOKIE_NAME: &str = "stickiness.app_cookie.cookie_name";
const ALGORITHM: &str = "load_balancing.algorithm.type";
const ANOMALY_MITIGATION: &str = "load_balancing.algorithm.anomaly_mitigation";
const SLOW_START: &str = "slow_start.duration_seconds";
const PRESERVE_CLIENT_IP: &str = "preserve_client_ip.enabled";
const TERMINATE_DEREGISTERED: &str = "deregistration_delay.connection_termination.enabled";
const TERMINATE_UNHEALTHY: &str = "target_health_state.unhealthy.connection_termination.enabled";
const UNHEALTHY_DRAINING: &str = "target_health_state.unhealthy.draining_interval_seconds";

const A_WEEK: u32 = 604_800;
/// The most targets that a group has.
const MAX_TARGETS: u32 = 1_000;

const BOTH: &[Attribute] = &[
    Attribute::new(DEREGISTRATION_DELAY, "300", Values::Number(0, 3_600)),
    Attribute::flag(STICKINESS, "false"),
    Attribute::new(
        "load_balancing.cross_zone.enabled",
        "use_load_balancer_configuration",
        Values::OneOf(&["true", "false", "use_load_balancer_configuration"]),
    ),
    Attribute::new(
        "target_group_health.dns_failover.minimum_healthy_targets.count",
        "1",
        Values::OffOr(1, MAX_TARGETS),
    )
    .fixed(),
    Attribute::new(
        "target_group_health.dns_failover.minimum_healthy_targets.percentage",
        "off",
        Values::OffOr(1, 100),
    )
    .fixed(),
    Attribute::new(
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
        "1",
        Values::Number(1, MAX_TARGETS),
    ),
    Attribute::new(
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
        "off",
        Values::OffOr(1, 100),
    ),
];

const HTTP: &[Attribute] = &[
    Attribute::new(
        STICKINESS_TYPE,
        "lb_cookie",
        Values::OneOf(&["lb_cookie", "app_cookie", "source_ip"]),
    ),
    Attribute::new(
        "stickiness.lb_cookie.duration_seconds",
        "86400",
        Values::Number(1, A_WEEK),
    ),
    Attribute::new(
        "stickiness.app_cookie.duration_seconds",
        "86400",
        Values::Number(1, A_WEEK),
    ),
    Attribute::text(COOKIE_NAME, ""),
    Attribute::new(
        ALGORITHM,
        "round_robin",
        Values::OneOf(&[
            "round_robin",
            "least_outstanding_requests",
            "weighted_random",
        ]),
    ),
    Attribute::new(ANOMALY_MITIGATION, "off", Values::OneOf(&["on", "off"])).fixed(),
    Attribute::new(SLOW_START, "0", Values::ZeroOr(30, 900)),
];

const TCP: &[Attribute] = &[
    Attribute::new(
        STICKINESS_TYPE,
        "source_ip",
        Values::OneOf(&["lb_cookie", "app_cookie", "source_ip"]),
    ),
    Attribute::flag(TERMINATE_DEREGISTERED, "false"),
    Attribute::flag(PRESERVE_CLIENT_IP, "true"),
    Attribute::flag("proxy_protocol_v2.enabled", "false"),
    Attribute::flag(TERMINATE_UNHEALTHY, "true"),
    Attribute::new(UNHEALTHY_DRAINING, "0", Values::Number(0, 360_000)),
];

fn is_http(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Http | Protocol::Https)
}

fn is_udp(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::Udp | Protocol::TcpUdp)
}

/// What a target group has.
pub(crate) fn owner(of: &TargetGroup) -> Owner {
    let (own, others) = match is_http(of.protocol) {
        true => (HTTP, TCP),
        false => (TCP, HTTP),
    };
    let by_address =
        of.target_type == TargetType::Ip && matches!(of.protocol, Protocol::Tcp | Protocol::Tls);
    Owner {
        noun: "Target group",
        kind: format!(
            "target groups with protocol '{}'",
            crate::plan::protocol::shown(of.protocol)
        ),
        own: BOTH.iter().chain(own).collect(),
        known: others.iter().collect(),
        defaults: vec![
            (PRESERVE_CLIENT_IP, (!by_address).to_string()),
            (TERMINATE_DEREGISTERED, is_udp(of.protocol).to_string()),
            (TERMINATE_UNHEALTHY, (!is_udp(of.protocol)).to_string()),
        ],
    }
}

/// The kind of stickiness that a call asks for: AWS looks at it before anything else.
///
/// # Errors
/// There is no such kind, or not for this protocol.
pub(crate) fn check_stickiness(of: &TargetGroup, kind: Option<&str>) -> Result<(), AwsError> {
    let by_cookie = match kind {
        None => return Ok(()),
        Some("lb_cookie" | "app_cookie") => true,
        Some("source_ip") => false,
        Some(_) => return Err(say::no_stickiness_type()),
    };
    match by_cookie == is_http(of.protocol) {
        true => Ok(()),
        false => {
            let protocol = crate::plan::protocol::shown(of.protocol);
            Err(say::stickiness_type(kind.unwrap_or_default(), protocol))
        }
    }
}

/// What attributes demand of each other.
///
/// # Errors
/// `InvalidConfigurationRequest`.
pub(crate) fn check_together(of: &TargetGroup, all: &Attributes) -> Result<(), AwsError> {
    let is = |key: &str, value: &str| all.get(key).is_some_and(|v| v == value);
    let kind = all.get(STICKINESS_TYPE).map_or("", String::as_str);
    let protocol = crate::plan::protocol::shown(of.protocol);
    if of.protocol == Protocol::Tls && is(STICKINESS, "true") {
        return Err(say::stickiness_of_tls());
    }
    let cookie = all.get(COOKIE_NAME).map_or("", String::as_str);
    if kind == "app_cookie" && cookie.is_empty() {
        return Err(say::no_cookie_name());
    }
    if ["AWSALB", "AWSALBAPP", "AWSALBTG"]
        .iter()
        .any(|p| cookie.starts_with(p))
    {
        return Err(say::reserved_cookie_name(cookie));
    }
    if is_http(of.protocol) {
        let slow = !is(SLOW_START, "0");
        if slow && !is(ALGORITHM, "round_robin") {
            return Err(say::slow_start(&all[ALGORITHM]));
        }
        if is(ANOMALY_MITIGATION, "on") && !is(ALGORITHM, "weighted_random") {
            return Err(say::anomaly_mitigation());
        }
        return Ok(());
    }
    if is_udp(of.protocol) && is(PRESERVE_CLIENT_IP, "false") {
        return Err(say::client_ip(protocol));
    }
    if is_udp(of.protocol) && is(TERMINATE_UNHEALTHY, "true") {
        return Err(say::terminate_unhealthy(protocol));
    }
    if is(TERMINATE_UNHEALTHY, "true") && !is(UNHEALTHY_DRAINING, "0") {
        return Err(say::unhealthy_draining());
    }
    Ok(())
}
