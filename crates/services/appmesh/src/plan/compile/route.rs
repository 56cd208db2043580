//! Routes of HTTP and gRPC: what they match, and what becomes of a request.

use super::cluster::Clusters;
use super::exits::{Exit, Via, target};
use super::message::{self, any, duration, exactly, matches, number, regex};
use crate::plan::spec::alike;
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_xds::envoy_types::pb::envoy::config::route::v3 as pb;
use neargate_xds::envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use neargate_xds::envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use neargate_xds::envoy_types::pb::envoy::r#type::v3::Int64Range;
use pb::header_matcher::HeaderMatchSpecifier;
use pb::route_action::ClusterSpecifier;
use pb::route_match::PathSpecifier;
use pb::weighted_cluster::ClusterWeight;
use std::cmp::Reverse;
use std::time::Duration;

/// "The default value is 15 seconds" (API reference, `HttpTimeout`).
const TIMEOUT: Duration = Duration::from_secs(15);

/// What is tried first comes first: by priority, then what is more specific.
pub type Rank = (i32, u8, Reverse<usize>, Reverse<usize>);

/// Behind every priority that there is.
const NO_PRIORITY: i32 = 1_001;

pub fn rank(spec: &api::RouteSpec) -> Rank {
    let priority = spec.priority.unwrap_or(NO_PRIORITY);
    let http = spec.http_route.as_ref().or(spec.http2_route.as_ref());
    if let Some(of) = http.map(|route| &route.r#match) {
        let further = of.headers.as_ref().map_or(0, Vec::len)
            + of.query_parameters.as_ref().map_or(0, Vec::len)
            + usize::from(of.method.is_some())
            + usize::from(of.scheme.is_some());
        return specific(priority, of.prefix.as_deref(), of.path.as_ref(), further);
    }
    let grpc = spec.grpc_route.as_ref().map(|route| &route.r#match);
    let Some(of) = grpc else {
        return (priority, 2, Reverse(0), Reverse(0));
    };
    let named = usize::from(of.service_name.is_some()) + usize::from(of.method_name.is_some());
    let further = of.metadata.as_ref().map_or(0, Vec::len);
    (priority, 2, Reverse(named), Reverse(further))
}

/// Exact paths, then expressions, then the longer prefix, then who asks for more.
pub fn specific(
    priority: i32,
    prefix: Option<&str>,
    path: Option<&api::HttpPathMatch>,
    further: usize,
) -> Rank {
    let kind = match path {
        Some(api::HttpPathMatch { exact: Some(_), .. }) => 0,
        Some(_) => 1,
        None => 2,
    };
    let length = prefix.map_or(0, str::len);
    (priority, kind, Reverse(length), Reverse(further))
}

fn header(
    name: &str,
    invert: Option<bool>,
    of: Option<&api::HeaderMatchMethod>,
) -> pb::HeaderMatcher {
    let text = |pattern| HeaderMatchSpecifier::StringMatch(matches(pattern));
    let specifier = match of {
        Some(api::HeaderMatchMethod {
            exact: Some(value), ..
        }) => text(MatchPattern::Exact(value.clone())),
        Some(api::HeaderMatchMethod {
            prefix: Some(value),
            ..
        }) => text(MatchPattern::Prefix(value.clone())),
        Some(api::HeaderMatchMethod {
            suffix: Some(value),
            ..
        }) => text(MatchPattern::Suffix(value.clone())),
        Some(api::HeaderMatchMethod {
            regex: Some(value), ..
        }) => text(MatchPattern::SafeRegex(regex(value))),
        Some(api::HeaderMatchMethod {
            range: Some(range), ..
        }) => HeaderMatchSpecifier::RangeMatch(Int64Range {
            start: range.start,
            end: range.end,
        }),
        _ => HeaderMatchSpecifier::PresentMatch(true),
    };
    pb::HeaderMatcher {
        name: name.to_owned(),
        invert_match: invert.unwrap_or(false),
        header_match_specifier: Some(specifier),
        ..pb::HeaderMatcher::default()
    }
}

/// A header with exactly this value.
pub fn header_is(name: &str, value: &str) -> pb::HeaderMatcher {
    pb::HeaderMatcher {
        name: name.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(exactly(value))),
        ..pb::HeaderMatcher::default()
    }
}

fn parameter(of: &api::HttpQueryParameter) -> pb::QueryParameterMatcher {
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier::{PresentMatch, StringMatch};
    let value = of.r#match.as_ref().and_then(|m| m.exact.as_deref());
    pb::QueryParameterMatcher {
        name: of.name.clone(),
        query_parameter_match_specifier: Some(match value {
            Some(value) => StringMatch(exactly(value)),
            None => PresentMatch(true),
        }),
    }
}

fn path(prefix: Option<&str>, path: Option<&api::HttpPathMatch>) -> PathSpecifier {
    match path {
        Some(api::HttpPathMatch {
            exact: Some(exact), ..
        }) => PathSpecifier::Path(exact.clone()),
        Some(api::HttpPathMatch {
            regex: Some(of), ..
        }) => PathSpecifier::SafeRegex(regex(of)),
        _ => PathSpecifier::Prefix(prefix.unwrap_or("/").to_owned()),
    }
}

/// What a route of HTTP matches. Gateway routes' shapes have other names.
pub fn http_match(of: &api::HttpRouteMatch) -> pb::RouteMatch {
    let headers = of.headers.as_deref().unwrap_or_default().iter();
    let mut headers: Vec<_> = headers
        .map(|h| header(&h.name, h.invert, h.r#match.as_ref()))
        .collect();
    headers.extend(
        of.method
            .as_deref()
            .map(|method| header_is(":method", method)),
    );
    headers.extend(
        of.scheme
            .as_deref()
            .map(|scheme| header_is(":scheme", scheme)),
    );
    let parameters = of.query_parameters.as_deref().unwrap_or_default().iter();
    pb::RouteMatch {
        path_specifier: Some(path(of.prefix.as_deref(), of.path.as_ref())),
        headers,
        query_parameters: parameters.map(parameter).collect(),
        ..pb::RouteMatch::default()
    }
}

/// What a route of gRPC matches: its service and method are the request's path.
pub fn grpc_match(of: &api::GrpcRouteMatch) -> pb::RouteMatch {
    let metadata = of.metadata.as_deref().unwrap_or_default().iter();
    let headers = metadata.map(|m| {
        let method: Option<api::HeaderMatchMethod> = m.r#match.as_ref().map(alike);
        header(&m.name, m.invert, method.as_ref())
    });
    let specifier = match (&of.service_name, &of.method_name) {
        (Some(service), Some(method)) => PathSpecifier::Path(format!("/{service}/{method}")),
        (Some(service), None) => PathSpecifier::Prefix(format!("/{service}/")),
        _ => PathSpecifier::Prefix("/".into()),
    };
    pb::RouteMatch {
        path_specifier: Some(specifier),
        headers: headers.collect(),
        grpc: Some(pb::route_match::GrpcRouteMatchOptions {}),
        ..pb::RouteMatch::default()
    }
}

/// What matches everything.
pub fn everything() -> pb::RouteMatch {
    pb::RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".into())),
        ..pb::RouteMatch::default()
    }
}

/// How long a request, and a silent one, may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timeouts<'a> {
    pub per_request: Option<&'a api::Duration>,
    pub idle: Option<&'a api::Duration>,
}

impl<'a> Timeouts<'a> {
    pub fn http(given: Option<&'a api::HttpTimeout>) -> Timeouts<'a> {
        Timeouts {
            per_request: given.and_then(|t| t.per_request.as_ref()),
            idle: given.and_then(|t| t.idle.as_ref()),
        }
    }

    pub fn grpc(given: Option<&'a api::GrpcTimeout>) -> Timeouts<'a> {
        Timeouts {
            per_request: given.and_then(|t| t.per_request.as_ref()),
            idle: given.and_then(|t| t.idle.as_ref()),
        }
    }

    /// Those of a virtual node's listener.
    pub fn listener(listener: &'a api::Listener) -> Timeouts<'a> {
        let given = listener.timeout.as_ref();
        let http = given.and_then(|t| t.http.as_ref().or(t.http2.as_ref()));
        match given.and_then(|t| t.grpc.as_ref()) {
            Some(grpc) => Timeouts::grpc(Some(grpc)),
            None => Timeouts::http(http),
        }
    }
}

pub fn action(to: ClusterSpecifier, timeouts: Timeouts<'_>) -> pb::RouteAction {
    let per_request = timeouts.per_request.map_or(TIMEOUT, message::asked);
    pb::RouteAction {
        cluster_specifier: Some(to),
        timeout: Some(duration(per_request)),
        idle_timeout: timeouts.idle.map(|idle| duration(message::asked(idle))),
        ..pb::RouteAction::default()
    }
}

fn previous_hosts() -> pb::retry_policy::RetryHostPredicate {
    use pb::retry_policy::retry_host_predicate::ConfigType;
    pb::retry_policy::RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".into(),
        config_type: Some(ConfigType::TypedConfig(any(&PreviousHostsPredicate {}))),
    }
}

fn policy(on: &[&str], times: u32, codes: Vec<u32>) -> pb::RetryPolicy {
    pb::RetryPolicy {
        retry_on: on.join(","),
        num_retries: number(times),
        retry_host_predicate: vec![previous_hosts()],
        host_selection_retry_max_attempts: 5,
        retriable_status_codes: codes,
        ..pb::RetryPolicy::default()
    }
}

/// Of routes that have no policy of their own (aws-app-mesh-roadmap issue 229).
pub fn usual_retries() -> pb::RetryPolicy {
    let on = [
        "unavailable",
        "connect-failure",
        "refused-stream",
        "retriable-status-codes",
    ];
    policy(&on, 2, vec![503])
}

/// A policy as it was asked for. The codes are those of the API reference (`HttpRetryPolicy`).
fn retries(asked: &api::GrpcRetryPolicy) -> pb::RetryPolicy {
    let has = |of: &Option<Vec<String>>, event: &str| of.iter().flatten().any(|e| e == event);
    let server = has(&asked.http_retry_events, "server-error");
    let gateway = has(&asked.http_retry_events, "gateway-error");
    let client = has(&asked.http_retry_events, "client-error");
    let mut on = Vec::new();
    if server || gateway {
        on.push("reset");
    }
    if has(&asked.http_retry_events, "stream-error") {
        on.push("refused-stream");
    }
    if has(&asked.tcp_retry_events, "connection-error") {
        on.push("connect-failure");
    }
    on.extend(asked.grpc_retry_events.iter().flatten().map(String::as_str));
    let mut codes: Vec<u32> = match (server, gateway) {
        (true, _) => vec![500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511],
        (_, true) => vec![502, 503, 504],
        _ => Vec::new(),
    };
    codes.extend(client.then_some(409));
    if !codes.is_empty() {
        on.push("retriable-status-codes");
    }
    let times = u32::try_from(asked.max_retries).unwrap_or(0);
    pb::RetryPolicy {
        per_try_timeout: Some(duration(message::asked(&asked.per_retry_timeout))),
        ..policy(&on, times, codes)
    }
}

fn of_http(asked: &api::HttpRetryPolicy) -> pb::RetryPolicy {
    retries(&api::GrpcRetryPolicy {
        http_retry_events: asked.http_retry_events.clone(),
        tcp_retry_events: asked.tcp_retry_events.clone(),
        max_retries: asked.max_retries,
        per_retry_timeout: asked.per_retry_timeout.clone(),
        grpc_retry_events: None,
    })
}

/// The clusters of a route's targets with their weights; `None`: none of the targets can be reached.
fn weighted(
    world: &World,
    clusters: &mut Clusters<'_>,
    exit: &Exit<'_>,
    targets: &[api::WeightedTarget],
) -> Option<ClusterSpecifier> {
    let there = targets.iter().filter_map(|of| {
        let (node, listener) = target(world, of)?;
        let weight = u32::try_from(of.weight).ok()?;
        Some((clusters.node(node, listener, exit.policy), weight))
    });
    let there: Vec<(String, u32)> = there.collect();
    if let [(name, _)] = there.as_slice() {
        return Some(ClusterSpecifier::Cluster(name.clone()));
    }
    // Envoy refuses weights that are all zero.
    if there.iter().all(|(_, weight)| *weight == 0) {
        return None;
    }
    let clusters = there.into_iter().map(|(name, weight)| ClusterWeight {
        name,
        weight: number(weight),
        ..ClusterWeight::default()
    });
    Some(ClusterSpecifier::WeightedClusters(pb::WeightedCluster {
        clusters: clusters.collect(),
        ..pb::WeightedCluster::default()
    }))
}

fn made(name: &str, of: pb::RouteMatch, action: pb::RouteAction) -> pb::Route {
    pb::Route {
        name: name.to_owned(),
        r#match: Some(of),
        action: Some(pb::route::Action::Route(action)),
        ..pb::Route::default()
    }
}

/// The routes of an exit that speaks HTTP or gRPC, in the order in which they are tried.
pub fn of_exit(world: &World, clusters: &mut Clusters<'_>, exit: &Exit<'_>) -> Vec<pb::Route> {
    let routes = match &exit.via {
        Via::Node(node, listener) => {
            let to = ClusterSpecifier::Cluster(clusters.node(node, listener, exit.policy));
            let action = pb::RouteAction {
                retry_policy: Some(usual_retries()),
                ..action(to, Timeouts::listener(listener))
            };
            return vec![made("", everything(), action)];
        }
        Via::Routes(routes) => routes,
    };
    let mut all = Vec::new();
    for route in routes {
        let http = route
            .spec
            .http_route
            .as_ref()
            .or(route.spec.http2_route.as_ref());
        let (of, targets, timeouts, retry) = match (http, &route.spec.grpc_route) {
            (Some(http), _) => (
                http_match(&http.r#match),
                &http.action.weighted_targets,
                Timeouts::http(http.timeout.as_ref()),
                http.retry_policy.as_ref().map(of_http),
            ),
            (_, Some(grpc)) => (
                grpc_match(&grpc.r#match),
                &grpc.action.weighted_targets,
                Timeouts::grpc(grpc.timeout.as_ref()),
                grpc.retry_policy.as_ref().map(retries),
            ),
            _ => continue,
        };
        if let Some(to) = weighted(world, clusters, exit, targets) {
            let action = pb::RouteAction {
                retry_policy: Some(retry.unwrap_or_else(usual_retries)),
                ..action(to, timeouts)
            };
            all.push(made(&route.name, of, action));
        }
    }
    all
}
