//! A virtual gateway's proxy. A request is looked at twice, as AWS's gateways do: its gateway route chooses a
//! virtual service and rewrites it, and hands it to the proxy itself; there the service's own routes choose a
//! virtual node. Between the two a header names the service, which no client can set.

use super::cluster::Clusters;
use super::exits::{Exit, Policy, of_service};
use super::listener::{self as l, Direction};
use super::message::{self, matches, regex};
use super::node::{configuration, host};
use super::route::{Timeouts, action, grpc_match, header_is, http_match, of_exit, rank, specific};
use super::{Surroundings, log, tls};
use crate::model::{GatewayRoute, Object, VirtualGateway};
use crate::plan::spec::alike;
use crate::plan::spec::gateway::{client, listener as as_node};
use crate::plan::spec::gateway_route::{listens_on, target};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_xds::Snapshot;
use neargate_xds::envoy_types::pb::envoy::config::core::v3 as config;
use neargate_xds::envoy_types::pb::envoy::config::listener::v3 as pb;
use neargate_xds::envoy_types::pb::envoy::config::route::v3 as rt;
use neargate_xds::envoy_types::pb::envoy::r#type::matcher::v3 as matcher;
use rt::header_matcher::HeaderMatchSpecifier;
use rt::route_action::{ClusterSpecifier, HostRewriteSpecifier};
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the proxy hands a request to itself.
const INWARDS: &str = "127.0.0.1";
const INWARD_PORT: u32 = 15_001;
const ROUTES: &str = "rds_egress_http_15001";
/// Names the virtual service, and its port.
const CHOSEN: &str = "x-app-mesh-virtual-service";

pub fn compile(world: &World, gateway: &Object<VirtualGateway>, around: &Surroundings) -> Snapshot {
    let mut clusters = Clusters::new(world, around);
    let logging: Option<api::Logging> = gateway.spec.logging.as_ref().map(alike);
    let log = log::access(logging.as_ref());
    let policy = client(&gateway.spec);
    let policy = policy.as_ref().map(|tls| Policy { tls, of: None });
    let mut chosen: BTreeMap<String, Exit<'_>> = BTreeMap::new();
    let mut listeners = Vec::new();
    let mut routes = Vec::new();
    let mut secrets = Vec::new();
    let own: Vec<api::Listener> = gateway.spec.listeners.iter().map(as_node).collect();
    for listener in &own {
        let api::PortMapping { port, protocol } = &listener.port_mapping;
        let number = message::port(*port);
        let here = format!(
            "cds_ingress_{}_{}_self_redirect",
            world.mesh.name, gateway.name
        );
        let here = match own.len() {
            1 => format!("{here}_{protocol}_{INWARD_PORT}"),
            _ => format!("{here}_{port}_{protocol}_{INWARD_PORT}"),
        };
        let pool = listener.connection_pool.as_ref();
        let here = clusters.itself(&here, protocol, INWARD_PORT, pool);
        let is_here = |route: &&Object<GatewayRoute>| {
            let (of, at) = listens_on(&route.spec);
            of == protocol && at.is_none_or(|at| at == *port)
        };
        let mut of: Vec<_> = world
            .gateway_routes_of(&gateway.name)
            .filter(is_here)
            .collect();
        of.sort_by_key(|route| (order(&route.spec), &route.name));
        let mut leads = Vec::new();
        for route in of {
            let Some((key, exit)) = exit(world, &route.spec, policy) else {
                continue;
            };
            leads.push(lead(route, &key, exit.service, &here));
            chosen.entry(key).or_insert(exit);
        }
        let name = format!("rds_ingress_{protocol}_{port}");
        routes.push(configuration(
            &name,
            vec![host("self_redirect", &["*".into()], leads)],
        ));
        let filter = l::requests(Direction::Ingress, &name, &log);
        listeners.push(entrance(listener, number, protocol, filter));
        secrets.extend(tls::secret(listener, around));
    }
    let mut inner = Vec::new();
    for (key, exit) in &chosen {
        for mut route in of_exit(world, &mut clusters, exit) {
            let of = route.r#match.get_or_insert_default();
            of.headers.push(header_is(CHOSEN, key));
            route.request_headers_to_remove = vec![CHOSEN.into()];
            inner.push(route);
        }
    }
    routes.push(configuration(
        ROUTES,
        vec![host("services", &["*".into()], inner)],
    ));
    let chain = pb::FilterChain {
        filters: vec![l::requests(Direction::Egress, ROUTES, &log)],
        ..pb::FilterChain::default()
    };
    listeners.push(l::listener(
        Direction::Egress,
        INWARDS,
        INWARD_PORT,
        Vec::new(),
        vec![chain],
    ));
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    secrets.dedup_by(|a, b| a.name == b.name);
    Snapshot {
        listeners,
        routes,
        secrets,
        ..clusters.done()
    }
}

/// A port that clients connect to.
fn entrance(
    listener: &api::Listener,
    port: u32,
    protocol: &str,
    filter: pb::Filter,
) -> pb::Listener {
    let in_clear = |transport: &str| pb::FilterChainMatch {
        transport_protocol: transport.into(),
        ..pb::FilterChainMatch::default()
    };
    let secured = listener.tls.as_ref().filter(|tls| tls.mode != "DISABLED");
    let Some(of) = secured else {
        let chains = vec![l::chain(in_clear(""), filter)];
        return l::listener(Direction::Ingress, "0.0.0.0", port, Vec::new(), chains);
    };
    let mut chains = vec![pb::FilterChain {
        transport_socket: Some(tls::downstream(of, protocol)),
        ..l::chain(in_clear("tls"), filter.clone())
    }];
    if of.mode == "PERMISSIVE" {
        chains.push(l::chain(in_clear("raw_buffer"), filter));
    }
    let filters = vec![l::tls_inspector(None)];
    l::listener(Direction::Ingress, "0.0.0.0", port, filters, chains)
}

/// The port of the virtual service that a gateway route leads to, and what the header says for it.
fn exit<'a>(
    world: &'a World,
    spec: &api::GatewayRouteSpec,
    policy: Option<Policy<'a>>,
) -> Option<(String, Exit<'a>)> {
    let target = target(spec)?;
    let name = &target.virtual_service.virtual_service_name;
    let mut exits = of_service(world, name, policy)
        .into_iter()
        .filter(|exit| !exit.is_tcp());
    let found = exits.find(|exit| target.port.is_none_or(|port| port == exit.port))?;
    Some((format!("{name}:{}", found.port), found))
}

/// Which gateway route is tried first: by priority, then whoever names a host, then what is more specific.
fn order(spec: &api::GatewayRouteSpec) -> (i32, bool, super::route::Rank) {
    let http = spec.http_route.as_ref().or(spec.http2_route.as_ref());
    if let Some(of) = http.map(|route| &route.r#match) {
        let further = of.headers.as_ref().map_or(0, Vec::len)
            + of.query_parameters.as_ref().map_or(0, Vec::len)
            + usize::from(of.method.is_some());
        let within = specific(0, of.prefix.as_deref(), of.path.as_ref(), further);
        return (
            spec.priority.unwrap_or(1_001),
            of.hostname.is_none(),
            within,
        );
    }
    let grpc = spec.grpc_route.as_ref();
    let of = grpc.map(|route| route.r#match.clone()).unwrap_or_default();
    let as_route = api::RouteSpec {
        grpc_route: Some(api::GrpcRoute {
            r#match: as_grpc(&of),
            ..api::GrpcRoute::default()
        }),
        ..api::RouteSpec::default()
    };
    (
        spec.priority.unwrap_or(1_001),
        of.hostname.is_none(),
        rank(&as_route),
    )
}

fn as_http(of: &api::HttpGatewayRouteMatch) -> api::HttpRouteMatch {
    let headers = of.headers.as_ref();
    api::HttpRouteMatch {
        headers: headers.map(|all| all.iter().map(alike).collect()),
        method: of.method.clone(),
        path: of.path.clone(),
        prefix: of.prefix.clone(),
        query_parameters: of.query_parameters.clone(),
        ..api::HttpRouteMatch::default()
    }
}

fn as_grpc(of: &api::GrpcGatewayRouteMatch) -> api::GrpcRouteMatch {
    let metadata = of.metadata.as_ref();
    api::GrpcRouteMatch {
        metadata: metadata.map(|all| {
            let of = |m: &api::GrpcGatewayRouteMetadata| api::GrpcRouteMetadata {
                invert: m.invert,
                name: m.name.clone(),
                r#match: m.r#match.as_ref().map(alike),
            };
            all.iter().map(of).collect()
        }),
        service_name: of.service_name.clone(),
        ..api::GrpcRouteMatch::default()
    }
}

/// A host, whatever port is behind it.
fn is_host(of: &api::GatewayRouteHostnameMatch) -> rt::HeaderMatcher {
    let pattern = match (&of.exact, &of.suffix) {
        (Some(exact), _) => regex::escape(exact),
        (_, suffix) => format!(".*{}", regex::escape(suffix.as_deref().unwrap_or_default())),
    };
    let pattern =
        matcher::string_matcher::MatchPattern::SafeRegex(regex(&format!("{pattern}(:[0-9]+)?")));
    rt::HeaderMatcher {
        name: ":authority".into(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(matches(pattern))),
        ..rt::HeaderMatcher::default()
    }
}

/// A gateway route as it hands a request on.
fn lead(route: &Object<GatewayRoute>, key: &str, service: &str, here: &str) -> rt::Route {
    let spec = &route.spec;
    let http = spec.http_route.as_ref().or(spec.http2_route.as_ref());
    let to = ClusterSpecifier::Cluster(here.to_owned());
    let mut action = rt::RouteAction {
        // The service's own routes say how long it may take.
        timeout: Some(message::duration(Duration::ZERO)),
        ..action(to, Timeouts::default())
    };
    let (mut of, hostname, host_rewrite) = match (http, &spec.grpc_route) {
        (Some(route), _) => {
            rewritten(&mut action, route);
            let rewrite = route.action.rewrite.as_ref();
            (
                http_match(&as_http(&route.r#match)),
                route.r#match.hostname.as_ref(),
                rewrite.and_then(|r| r.hostname.as_ref()),
            )
        }
        (_, Some(route)) => {
            let rewrite = route.action.rewrite.as_ref();
            (
                grpc_match(&as_grpc(&route.r#match)),
                route.r#match.hostname.as_ref(),
                rewrite.and_then(|r| r.hostname.as_ref()),
            )
        }
        _ => (rt::RouteMatch::default(), None, None),
    };
    of.headers.extend(hostname.map(is_host));
    let keeps = host_rewrite.and_then(|r| r.default_target_hostname.as_deref()) == Some("DISABLED");
    if !keeps {
        let name = HostRewriteSpecifier::HostRewriteLiteral(service.to_owned());
        action.host_rewrite_specifier = Some(name);
    }
    rt::Route {
        name: route.name.clone(),
        r#match: Some(of),
        action: Some(rt::route::Action::Route(action)),
        request_headers_to_add: vec![config::HeaderValueOption {
            header: Some(config::HeaderValue {
                key: CHOSEN.into(),
                value: key.to_owned(),
                ..config::HeaderValue::default()
            }),
            append_action: config::header_value_option::HeaderAppendAction::OverwriteIfExistsOrAdd
                .into(),
            ..config::HeaderValueOption::default()
        }],
        ..rt::Route::default()
    }
}

/// What becomes of the path: a prefix that was matched becomes `/`, unless something else is said.
fn rewritten(action: &mut rt::RouteAction, route: &api::HttpGatewayRoute) {
    let rewrite = route.action.rewrite.as_ref();
    if let Some(exact) = rewrite.and_then(|r| r.path.as_ref()?.exact.as_ref()) {
        action.regex_rewrite = Some(matcher::RegexMatchAndSubstitute {
            pattern: Some(regex("^.*$")),
            // A backslash would name a group.
            substitution: exact.replace('\\', "\\\\"),
        });
        return;
    }
    let Some(prefix) = route
        .r#match
        .prefix
        .as_deref()
        .filter(|prefix| *prefix != "/")
    else {
        // Everything was matched: what is behind the first slash stays, unless it is to be elsewhere.
        let value = rewrite.and_then(|r| r.prefix.as_ref()?.value.clone());
        action.prefix_rewrite = value
            .filter(|_| route.r#match.path.is_none())
            .unwrap_or_default();
        return;
    };
    let asked = rewrite.and_then(|r| r.prefix.as_ref());
    action.prefix_rewrite = match asked {
        Some(api::HttpGatewayRoutePrefixRewrite {
            value: Some(value), ..
        }) => value.clone(),
        Some(of) if of.default_prefix.as_deref() == Some("DISABLED") => prefix.to_owned(),
        _ => "/".into(),
    };
}
