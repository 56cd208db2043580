//! Listeners and what is done with a connection, by the port that it was for.

use super::message::{address, ads, any, number, yes};
use http::http_connection_manager::{RouteSpecifier, Tracing, UpgradeConfig};
use neargate_xds::envoy_types::pb::envoy::config::accesslog::v3::AccessLog;
use neargate_xds::envoy_types::pb::envoy::config::core::v3 as config;
use neargate_xds::envoy_types::pb::envoy::config::listener::v3 as pb;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as http;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use neargate_xds::envoy_types::pb::envoy::r#type::v3::Int32Range;
use neargate_xds::envoy_types::pb::google::protobuf::Any;
use pb::listener_filter_chain_match_predicate::{MatchSet, Rule};

/// In or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        }
    }
}

pub fn listener(
    direction: Direction,
    host: &str,
    port: u32,
    filters: Vec<pb::ListenerFilter>,
    filter_chains: Vec<pb::FilterChain>,
) -> pb::Listener {
    pb::Listener {
        name: format!("lds_{}_{host}_{port}", direction.name()),
        address: Some(address(host, port)),
        listener_filters: filters,
        filter_chains,
        traffic_direction: match direction {
            Direction::Ingress => config::TrafficDirection::Inbound.into(),
            Direction::Egress => config::TrafficDirection::Outbound.into(),
        },
        ..pb::Listener::default()
    }
}

/// Tells where a connection was to go before it was led here.
pub fn original_destination() -> pb::ListenerFilter {
    pb::ListenerFilter {
        name: "envoy.filters.listener.original_dst".into(),
        config_type: Some(pb::listener_filter::ConfigType::TypedConfig(any(
            &OriginalDst::default(),
        ))),
        ..pb::ListenerFilter::default()
    }
}

/// Tells whether TLS is spoken. It waits until a client says something, which those of databases do not do
/// first: it must not wait at their ports.
pub fn tls_inspector(not_for: Option<pb::ListenerFilterChainMatchPredicate>) -> pb::ListenerFilter {
    pb::ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".into(),
        filter_disabled: not_for,
        config_type: Some(pb::listener_filter::ConfigType::TypedConfig(any(
            &TlsInspector::default(),
        ))),
    }
}

/// Connections to one of these ports.
pub fn to_ports(ports: &[u32]) -> Option<pb::ListenerFilterChainMatchPredicate> {
    let rule = |port: &u32| {
        let start = i32::try_from(*port).unwrap_or(0);
        pb::ListenerFilterChainMatchPredicate {
            rule: Some(Rule::DestinationPortRange(Int32Range {
                start,
                end: start + 1,
            })),
        }
    };
    let mut rules: Vec<_> = ports.iter().map(rule).collect();
    match rules.len() {
        0 | 1 => rules.pop(),
        _ => Some(pb::ListenerFilterChainMatchPredicate {
            rule: Some(Rule::OrMatch(MatchSet { rules })),
        }),
    }
}

/// Connections to none of these ports.
pub fn but_to_ports(ports: &[u32]) -> Option<pb::ListenerFilterChainMatchPredicate> {
    Some(pb::ListenerFilterChainMatchPredicate {
        rule: Some(match to_ports(ports) {
            Some(to) => Rule::NotMatch(Box::new(to)),
            None => Rule::AnyMatch(true),
        }),
    })
}

fn filter(name: &str, config: Any) -> pb::Filter {
    pb::Filter {
        name: name.into(),
        config_type: Some(pb::filter::ConfigType::TypedConfig(config)),
    }
}

pub fn chain(of: pb::FilterChainMatch, filter: pb::Filter) -> pb::FilterChain {
    pb::FilterChain {
        filter_chain_match: Some(of),
        filters: vec![filter],
        ..pb::FilterChain::default()
    }
}

pub fn for_port(port: u32) -> pb::FilterChainMatch {
    pb::FilterChainMatch {
        destination_port: number(port),
        ..pb::FilterChainMatch::default()
    }
}

/// Requests by a route configuration. Who traces them, and where to, is said in the proxy's bootstrap.
pub fn requests(direction: Direction, routes: &str, log: &[AccessLog]) -> pb::Filter {
    let router = http::HttpFilter {
        name: "envoy.filters.http.router".into(),
        config_type: Some(http::http_filter::ConfigType::TypedConfig(any(
            &Router::default(),
        ))),
        ..http::HttpFilter::default()
    };
    let manager = http::HttpConnectionManager {
        stat_prefix: direction.name().into(),
        http_filters: vec![router],
        route_specifier: Some(RouteSpecifier::Rds(http::Rds {
            config_source: Some(ads()),
            route_config_name: routes.to_owned(),
        })),
        tracing: Some(Tracing::default()),
        access_log: log.to_vec(),
        upgrade_configs: vec![UpgradeConfig {
            upgrade_type: "websocket".into(),
            enabled: yes(),
            ..UpgradeConfig::default()
        }],
        normalize_path: yes(),
        merge_slashes: true,
        ..http::HttpConnectionManager::default()
    };
    filter(
        "envoy.filters.network.http_connection_manager",
        any(&manager),
    )
}

/// Bytes.
pub fn bytes(
    direction: Direction,
    to: tcp::tcp_proxy::ClusterSpecifier,
    idle: Option<std::time::Duration>,
    log: &[AccessLog],
) -> pb::Filter {
    let proxy = tcp::TcpProxy {
        stat_prefix: direction.name().into(),
        cluster_specifier: Some(to),
        idle_timeout: idle.map(super::message::duration),
        access_log: log.to_vec(),
        ..tcp::TcpProxy::default()
    };
    filter("envoy.filters.network.tcp_proxy", any(&proxy))
}
