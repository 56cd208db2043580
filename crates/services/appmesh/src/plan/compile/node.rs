//! A virtual node's proxy: what arrives for the application beside it, and what that sends.
//!
//! The task's network leads both here, to two ports; each connection keeps where it was to go, and that port
//! says what is done with it. Services of TCP on one port cannot be told apart: the first one by name has the
//! port, and so has, where services of different protocols share one, the first one's protocol.

use super::cluster::Clusters;
use super::exits::{self, Exit, Via, target};
use super::listener::{self as l, Direction, for_port};
use super::message::{self, number};
use super::route::{Timeouts, action, everything, of_exit};
use super::{Surroundings, log, tls};
use crate::model::{Object, VirtualNode};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_xds::Snapshot;
use neargate_xds::envoy_types::pb::envoy::config::accesslog::v3::AccessLog;
use neargate_xds::envoy_types::pb::envoy::config::core::v3::CidrRange;
use neargate_xds::envoy_types::pb::envoy::config::listener::v3 as pb;
use neargate_xds::envoy_types::pb::envoy::config::route::v3 as rt;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::{
    self, ClusterSpecifier,
};
use rt::route_action;
use std::collections::BTreeMap;
use std::time::Duration;

/// Where the task's network leads what arrives, and what leaves (`ProxyIngressPort`, `ProxyEgressPort`).
const INGRESS_PORT: u32 = 15_000;
const EGRESS_PORT: u32 = 15_001;
const ANYWHERE: &str = "0.0.0.0";
/// AWS's own services, which every application may call.
const AWS: &str = "*.amazonaws.com";

pub fn compile(world: &World, node: &Object<VirtualNode>, around: &Surroundings) -> Snapshot {
    let mut clusters = Clusters::new(world, around);
    let log = log::access(node.spec.logging.as_ref());
    let mut listeners = Vec::new();
    let mut routes = Vec::new();
    let own = node.spec.listeners.as_deref().unwrap_or_default();
    if !own.is_empty() {
        listeners.push(ingress(node, own, &log, &mut clusters, &mut routes));
    }
    let exits = exits::of_node(world, &node.spec);
    listeners.push(egress(world, &exits, &log, &mut clusters, &mut routes));
    let mut secrets: Vec<_> = own
        .iter()
        .filter_map(|of| tls::secret(of, around))
        .collect();
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    secrets.dedup_by(|a, b| a.name == b.name);
    Snapshot {
        listeners,
        routes,
        secrets,
        ..clusters.done()
    }
}

fn ingress(
    node: &Object<VirtualNode>,
    own: &[api::Listener],
    log: &[AccessLog],
    clusters: &mut Clusters<'_>,
    routes: &mut Vec<rt::RouteConfiguration>,
) -> pb::Listener {
    let mut chains = Vec::new();
    let mut inspected = Vec::new();
    for listener in own {
        let api::PortMapping { port, protocol } = &listener.port_mapping;
        let port = message::port(*port);
        let cluster = clusters.application(&node.name, listener);
        let filter = if protocol == "tcp" {
            let idle = listener
                .timeout
                .as_ref()
                .and_then(|t| t.tcp.as_ref()?.idle.as_ref());
            let idle = idle.map(message::asked);
            l::bytes(
                Direction::Ingress,
                ClusterSpecifier::Cluster(cluster),
                idle,
                log,
            )
        } else {
            let name = format!("rds_ingress_{protocol}_{port}");
            let filter = l::requests(Direction::Ingress, &name, log);
            let to = route_action::ClusterSpecifier::Cluster(cluster);
            let action = action(to, Timeouts::listener(listener));
            routes.push(configuration(
                &name,
                vec![host("local", &["*".into()], vec![to_all(action)])],
            ));
            filter
        };
        let mode = listener
            .tls
            .as_ref()
            .map_or("DISABLED", |tls| tls.mode.as_str());
        let secured = listener.tls.as_ref().filter(|_| mode != "DISABLED");
        if let Some(of) = secured {
            inspected.push(port);
            let over_tls = pb::FilterChainMatch {
                transport_protocol: "tls".into(),
                ..for_port(port)
            };
            chains.push(pb::FilterChain {
                transport_socket: Some(tls::downstream(of, protocol)),
                ..l::chain(over_tls, filter.clone())
            });
        }
        if mode != "STRICT" {
            let of = pb::FilterChainMatch {
                transport_protocol: secured.map_or("", |_| "raw_buffer").into(),
                ..for_port(port)
            };
            chains.push(l::chain(of, filter));
        }
    }
    let mut filters = vec![l::original_destination()];
    if !inspected.is_empty() {
        filters.push(l::tls_inspector(l::but_to_ports(&inspected)));
    }
    l::listener(Direction::Ingress, ANYWHERE, INGRESS_PORT, filters, chains)
}

fn egress(
    world: &World,
    exits: &[Exit<'_>],
    log: &[AccessLog],
    clusters: &mut Clusters<'_>,
    routes: &mut Vec<rt::RouteConfiguration>,
) -> pb::Listener {
    let mut by_port: BTreeMap<u32, Vec<&Exit<'_>>> = BTreeMap::new();
    for exit in exits {
        by_port
            .entry(message::port(exit.port))
            .or_default()
            .push(exit);
    }
    let filter = world.mesh.spec.egress_filter.as_ref();
    let is_open = filter.is_some_and(|filter| filter.r#type == "ALLOW_ALL");
    let outside = clusters.original(if is_open { "allow_all" } else { "amazonaws" });
    let through = || ClusterSpecifier::Cluster(outside.clone());
    let past = l::bytes(Direction::Egress, through(), None, log);
    let mut chains = Vec::new();
    let (mut of_tcp, mut of_http) = (Vec::new(), Vec::new());
    for (port, exits) in &by_port {
        if exits.first().is_some_and(|exit| exit.is_tcp()) {
            of_tcp.push(*port);
            let to = exits
                .first()
                .and_then(|exit| connected(world, clusters, exit));
            let to = to.map(|(to, idle)| l::bytes(Direction::Egress, to, idle, log));
            chains.extend(to.map(|filter| l::chain(for_port(*port), filter)));
            continue;
        }
        of_http.push(*port);
        let name = format!("rds_egress_http_{port}");
        let exits = exits.iter().filter(|exit| !exit.is_tcp());
        let mut hosts: Vec<rt::VirtualHost> = exits
            .map(|exit| {
                let names = [exit.service.to_owned(), format!("{}:{port}", exit.service)];
                host(exit.service, &names, of_exit(world, clusters, exit))
            })
            .collect();
        if is_open {
            let to = route_action::ClusterSpecifier::Cluster(outside.clone());
            let others = rt::RouteAction {
                // What is outside the mesh takes as long as it takes.
                timeout: Some(message::duration(Duration::ZERO)),
                ..action(to, Timeouts::default())
            };
            hosts.push(host("outside", &["*".into()], vec![to_all(others)]));
        }
        routes.push(configuration(&name, hosts));
        let in_clear = pb::FilterChainMatch {
            transport_protocol: "raw_buffer".into(),
            ..for_port(*port)
        };
        chains.push(l::chain(
            in_clear,
            l::requests(Direction::Egress, &name, log),
        ));
    }
    let mut filters = vec![l::original_destination()];
    let mut default = None;
    if is_open {
        if !of_http.is_empty() {
            filters.push(l::tls_inspector(l::but_to_ports(&of_http)));
        }
        default = Some(pb::FilterChain {
            filters: vec![past],
            ..pb::FilterChain::default()
        });
    } else {
        filters.push(l::tls_inspector(l::to_ports(&of_tcp)));
        // A port that a chain is for hides the chains that are for every port.
        let ports = of_http.iter().map(|port| Some(*port)).chain([None]);
        for of in ports.flat_map(always) {
            chains.push(l::chain(of, past.clone()));
        }
        for port in of_tcp {
            let of = always(Some(port))
                .into_iter()
                .filter(|of| !of.prefix_ranges.is_empty());
            chains.extend(of.map(|of| l::chain(of, past.clone())));
        }
    }
    pb::Listener {
        default_filter_chain: default,
        ..l::listener(Direction::Egress, ANYWHERE, EGRESS_PORT, filters, chains)
    }
}

/// What may be called although it is no backend: AWS's services by their names, and what stands for them here
/// and has addresses of the link: the endpoint that tasks are given, and what tells them of themselves.
fn always(port: Option<u32>) -> [pb::FilterChainMatch; 2] {
    let at = || pb::FilterChainMatch {
        destination_port: port.and_then(number),
        ..pb::FilterChainMatch::default()
    };
    [
        pb::FilterChainMatch {
            transport_protocol: "tls".into(),
            server_names: vec![AWS.into()],
            ..at()
        },
        pb::FilterChainMatch {
            prefix_ranges: vec![CidrRange {
                address_prefix: "169.254.0.0".into(),
                prefix_len: number(16),
            }],
            ..at()
        },
    ]
}

/// Where connections of an exit go, and how long they may be silent.
fn connected(
    world: &World,
    clusters: &mut Clusters<'_>,
    exit: &Exit<'_>,
) -> Option<(ClusterSpecifier, Option<Duration>)> {
    let routes = match &exit.via {
        Via::Node(node, listener) => {
            let idle = listener
                .timeout
                .as_ref()
                .and_then(|t| t.tcp.as_ref()?.idle.as_ref());
            let name = clusters.node(node, listener, exit.policy);
            return Some((ClusterSpecifier::Cluster(name), idle.map(message::asked)));
        }
        Via::Routes(routes) => routes,
    };
    let route = routes
        .iter()
        .find_map(|route| route.spec.tcp_route.as_ref())?;
    let targets = route.action.weighted_targets.iter().filter_map(|of| {
        let (node, listener) = target(world, of)?;
        // Envoy refuses weights of zero here.
        let weight = u32::try_from(of.weight).ok().filter(|weight| *weight > 0)?;
        Some(tcp_proxy::weighted_cluster::ClusterWeight {
            name: clusters.node(node, listener, exit.policy),
            weight,
            ..tcp_proxy::weighted_cluster::ClusterWeight::default()
        })
    });
    let mut weighted: Vec<_> = targets.collect();
    let idle = route.timeout.as_ref().and_then(|t| t.idle.as_ref());
    let to = match weighted.len() {
        0 => return None,
        1 => ClusterSpecifier::Cluster(weighted.remove(0).name),
        _ => ClusterSpecifier::WeightedClusters(tcp_proxy::WeightedCluster { clusters: weighted }),
    };
    Some((to, idle.map(message::asked)))
}

fn to_all(action: rt::RouteAction) -> rt::Route {
    rt::Route {
        r#match: Some(everything()),
        action: Some(rt::route::Action::Route(action)),
        ..rt::Route::default()
    }
}

pub fn host(name: &str, domains: &[String], routes: Vec<rt::Route>) -> rt::VirtualHost {
    rt::VirtualHost {
        name: name.to_owned(),
        domains: domains.to_vec(),
        routes,
        ..rt::VirtualHost::default()
    }
}

pub fn configuration(name: &str, virtual_hosts: Vec<rt::VirtualHost>) -> rt::RouteConfiguration {
    rt::RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts,
        ..rt::RouteConfiguration::default()
    }
}
