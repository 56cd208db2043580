//! What a target group and its health checks may be, with AWS's defaults
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>).

use crate::error::{self, target_group as say};
use crate::model::{HealthCheck, TargetType};
use crate::plan::protocol;
use neargate_domain::load_balancer::{Protocol, ProtocolVersion};
use neargate_service::AwsError;

const MAX_NAME: usize = 32;

/// # Errors
/// AWS's `ValidationError`.
pub(crate) fn name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match () {
        () if name.is_empty() => Err(say::name_empty()),
        () if name.chars().count() > MAX_NAME => Err(say::name_too_long(name)),
        () if !name.chars().all(allowed) => Err(say::name_characters(name)),
        () if name.split('-').any(str::is_empty) => Err(say::name_hyphens(name)),
        () => Ok(()),
    }
}

/// What a group is of, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Basis {
    pub(crate) target_type: TargetType,
    pub(crate) protocol: Protocol,
    pub(crate) version: Option<ProtocolVersion>,
}

impl Basis {
    /// # Errors
    /// AWS's for what does not fit, ours for what is not carried here.
    pub(crate) fn parse(
        target_type: Option<&str>,
        protocol: Option<&str>,
        version: Option<&str>,
    ) -> Result<Basis, AwsError> {
        let target_type = match target_type {
            None | Some("instance") => TargetType::Instance,
            Some("ip") => TargetType::Ip,
            Some("alb") => TargetType::Alb,
            Some(other) => {
                return Err(error::unsupported(&format!(
                    "target groups with target type '{other}'"
                )));
            }
        };
        let word = protocol.ok_or_else(|| say::must_be_specified("protocol"))?;
        let unsupported = || error::unsupported(&format!("the protocol '{word}'"));
        let protocol = protocol::parse(word).ok_or_else(unsupported)?;
        if target_type == TargetType::Alb && protocol != Protocol::Tcp {
            return Err(say::alb_protocol(word));
        }
        let version = match version {
            Some(_) if !protocol::is_http(protocol) => return Err(say::protocol_version_of(word)),
            Some("HTTP1") => Some(ProtocolVersion::Http1),
            Some("HTTP2") => Some(ProtocolVersion::Http2),
            Some("GRPC") => Some(ProtocolVersion::Grpc),
            Some(other) => return Err(say::protocol_version(other)),
            None => protocol::is_http(protocol).then_some(ProtocolVersion::Http1),
        };
        Ok(Basis {
            target_type,
            protocol,
            version,
        })
    }

    fn is_grpc(self) -> bool {
        self.version == Some(ProtocolVersion::Grpc)
    }

    /// The health checks of a group whose maker said nothing of them, over `protocol`.
    fn checks(self, over: Protocol) -> HealthCheck {
        let own = protocol::is_http(self.protocol);
        HealthCheck {
            protocol: over,
            port: None,
            path: protocol::is_http(over).then(|| self.path().to_owned()),
            interval_seconds: 30,
            timeout_seconds: match over {
                _ if own => 5,
                Protocol::Http => 6,
                _ => 10,
            },
            healthy_threshold: 5,
            unhealthy_threshold: 2,
            matcher: protocol::is_http(over).then(|| self.matcher().to_owned()),
        }
    }

    fn path(self) -> &'static str {
        match self.is_grpc() {
            true => "/AWS.ALB/healthcheck",
            false => "/",
        }
    }

    fn matcher(self) -> &'static str {
        match self.is_grpc() {
            true => "12",
            false if protocol::is_http(self.protocol) => "200",
            false => "200-399",
        }
    }
}

/// What a call says of health checks.
#[derive(Debug, Clone, Default)]
pub(crate) struct AskedChecks {
    pub(crate) enabled: Option<bool>,
    pub(crate) protocol: Option<String>,
    pub(crate) port: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) interval_seconds: Option<i32>,
    pub(crate) timeout_seconds: Option<i32>,
    pub(crate) healthy_threshold: Option<i32>,
    pub(crate) unhealthy_threshold: Option<i32>,
    pub(crate) http_code: Option<String>,
    pub(crate) grpc_code: Option<String>,
}

/// The health checks of a new group, or of one that had others `before`.
///
/// # Errors
/// AWS's, for what cannot be together.
pub(crate) fn health_check(
    of: Basis,
    before: Option<&HealthCheck>,
    asked: AskedChecks,
) -> Result<HealthCheck, AwsError> {
    if asked.enabled == Some(false) {
        return Err(say::health_check_always(of.target_type.as_str()));
    }
    let over = over(of, before, asked.protocol.as_deref())?;
    let mut check = match before {
        Some(before) if before.protocol == over => before.clone(),
        Some(before) if protocol::is_http(before.protocol) == protocol::is_http(over) => {
            HealthCheck {
                protocol: over,
                ..before.clone()
            }
        }
        Some(before) => HealthCheck {
            path: None,
            matcher: None,
            ..before.clone()
        }
        .over(of.checks(over)),
        None => of.checks(over),
    };
    if let Some(port) = asked.port.as_deref() {
        let number = port.parse::<u16>().ok().filter(|n| *n > 0);
        check.port = match port {
            "traffic-port" => None,
            other => Some(number.ok_or_else(|| say::health_check_port(other))?),
        };
    }
    if !protocol::is_http(over) {
        if asked.path.is_some() {
            return Err(say::not_for_tcp_checks("paths"));
        }
        if asked.http_code.is_some() || asked.grpc_code.is_some() {
            return Err(say::not_for_tcp_checks("matchers"));
        }
    }
    if let Some(path) = asked.path {
        if !path.starts_with('/') {
            return Err(say::health_check_path(&path));
        }
        check.path = Some(path);
    }
    if let Some(code) = matcher(of, asked.http_code, asked.grpc_code)? {
        check.matcher = Some(code);
    }
    let number = |asked: Option<i32>, before: u32| {
        asked.and_then(|n| u32::try_from(n).ok()).unwrap_or(before)
    };
    check.interval_seconds = number(asked.interval_seconds, check.interval_seconds);
    check.timeout_seconds = number(asked.timeout_seconds, check.timeout_seconds);
    check.healthy_threshold = number(asked.healthy_threshold, check.healthy_threshold);
    check.unhealthy_threshold = number(asked.unhealthy_threshold, check.unhealthy_threshold);
    timing(
        of,
        &mut check,
        asked.timeout_seconds.is_some() || before.is_some(),
    )?;
    Ok(check)
}

impl HealthCheck {
    /// The same numbers, over another protocol: path and matcher are its defaults.
    fn over(self, defaults: HealthCheck) -> HealthCheck {
        HealthCheck {
            protocol: defaults.protocol,
            path: defaults.path,
            matcher: defaults.matcher,
            ..self
        }
    }
}

/// The protocol of the checks.
fn over(
    of: Basis,
    before: Option<&HealthCheck>,
    asked: Option<&str>,
) -> Result<Protocol, AwsError> {
    let own = protocol::is_http(of.protocol);
    let Some(word) = asked else {
        let default = match own || of.target_type == TargetType::Alb {
            true => Protocol::Http,
            false => Protocol::Tcp,
        };
        return Ok(before.map_or(default, |b| b.protocol));
    };
    let refused = || say::health_check_protocol(word, protocol::shown(of.protocol));
    match protocol::parse(word) {
        Some(over) if protocol::is_http(over) => Ok(over),
        Some(Protocol::Tcp) if !own && of.target_type != TargetType::Alb => Ok(Protocol::Tcp),
        _ => Err(refused()),
    }
}

/// What the call says of codes.
fn matcher(
    of: Basis,
    http: Option<String>,
    grpc: Option<String>,
) -> Result<Option<String>, AwsError> {
    let (own, other) = match of.is_grpc() {
        true => (grpc, http),
        false => (http, grpc),
    };
    if other.is_some() {
        let version = of.version.unwrap_or(ProtocolVersion::Http1);
        return Err(say::matcher_of_version(protocol::version(version)));
    }
    let Some(code) = own else {
        return Ok(None);
    };
    let (from, to) = match of.is_grpc() {
        true => (0, 99),
        false if protocol::is_http(of.protocol) => (200, 499),
        false => (200, 599),
    };
    let number = |text: &str| {
        let parsed = text.trim().parse::<u32>().ok();
        parsed.filter(|n| (from..=to).contains(n))
    };
    let fits = |part: &str| match part.split_once('-') {
        Some((first, last)) => {
            matches!((number(first), number(last)), (Some(a), Some(b)) if a <= b)
        }
        None => number(part).is_some(),
    };
    match code.split(',').all(fits) {
        true => Ok(Some(code.replace(' ', ""))),
        false => Err(say::matcher(&code, from, to)),
    }
}

/// A check ends before the next one. A timeout that nobody chose follows a short interval.
fn timing(of: Basis, check: &mut HealthCheck, chosen: bool) -> Result<(), AwsError> {
    let own = protocol::is_http(of.protocol);
    let (timeout, interval) = (check.timeout_seconds, check.interval_seconds);
    let ends = if own {
        timeout < interval
    } else {
        timeout <= interval
    };
    match ends {
        true => Ok(()),
        false if !chosen && !own => {
            check.timeout_seconds = interval;
            Ok(())
        }
        false => Err(say::timeout_too_long(timeout, interval, !own)),
    }
}
