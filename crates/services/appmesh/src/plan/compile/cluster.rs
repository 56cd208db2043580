//! Clusters: the applications beside proxies, the virtual nodes that they call, and what is outside the mesh.

use super::exits::Policy;
use super::message::{self, ads, any, duration, number};
use super::{Surroundings, lookup, tls};
use crate::model::{Object, VirtualNode};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_xds::Snapshot;
use neargate_xds::envoy_types::pb::envoy::config::cluster::v3 as pb;
use neargate_xds::envoy_types::pb::envoy::config::core::v3 as config;
use neargate_xds::envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use neargate_xds::envoy_types::pb::envoy::extensions::upstreams::http::v3 as upstream;
use pb::cluster::{ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, LbPolicy};
use std::time::Duration;

/// The extension under which a cluster's protocol is.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// As AWS's: nothing is cut off where nothing is asked for.
const UNLIMITED: u32 = 2_147_483_647;

/// The clusters that were named so far, each once.
#[derive(Debug)]
pub struct Clusters<'a> {
    world: &'a World,
    around: &'a Surroundings,
    into: Snapshot,
}

impl<'a> Clusters<'a> {
    pub fn new(world: &'a World, around: &'a Surroundings) -> Clusters<'a> {
        Clusters {
            world,
            around,
            into: Snapshot::default(),
        }
    }

    /// All of them, in the order of their names.
    pub fn done(mut self) -> Snapshot {
        self.into.clusters.sort_by(|a, b| a.name.cmp(&b.name));
        self.into
            .endpoints
            .sort_by(|a, b| a.cluster_name.cmp(&b.cluster_name));
        self.into
    }

    fn add(&mut self, cluster: pb::Cluster) -> String {
        let name = cluster.name.clone();
        if self.into.clusters.iter().all(|there| there.name != name) {
            self.into.clusters.push(cluster);
        }
        name
    }

    /// The port of a virtual node.
    pub fn node(
        &mut self,
        node: &Object<VirtualNode>,
        listener: &api::Listener,
        policy: Option<Policy<'_>>,
    ) -> String {
        let api::PortMapping { port, protocol } = &listener.port_mapping;
        let mut name = format!("cds_egress_{}_{}_{protocol}_{port}", node.mesh, node.name);
        // A policy for one backend alone must not hold for others that lead to the same node.
        if let Some(of) = policy.and_then(|policy| policy.of) {
            name = format!("{name}_{of}");
        }
        let mut cluster = pb::Cluster {
            connect_timeout: Some(duration(Duration::from_secs(1))),
            circuit_breakers: Some(breakers(None)),
            health_checks: listener.health_check.iter().map(health_check).collect(),
            outlier_detection: listener.outlier_detection.as_ref().map(outliers),
            transport_socket: tls::upstream(node, listener, policy, self.around),
            ..named(&name, protocol)
        };
        self.discovered(&mut cluster, node, message::port(*port));
        self.add(cluster)
    }

    /// Where a virtual node's instances are.
    fn discovered(&mut self, cluster: &mut pb::Cluster, node: &Object<VirtualNode>, port: u32) {
        let discovery = node.spec.service_discovery.as_ref();
        if let Some(dns) = discovery.and_then(|d| d.dns.as_ref()) {
            let is_list = dns.response_type.as_deref() == Some("ENDPOINTS");
            let kind = match is_list {
                true => DiscoveryType::StrictDns,
                false => DiscoveryType::LogicalDns,
            };
            cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind.into()));
            cluster.dns_lookup_family = self.family(dns.ip_preference.as_deref()).into();
            // With its last dot, no search domains are tried.
            let host = format!("{}.", dns.hostname.trim_end_matches('.'));
            cluster.load_assignment = Some(assignment(&cluster.name, [host], port));
        } else {
            let kind = DiscoveryType::Eds;
            cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind.into()));
            cluster.eds_cluster_config = Some(pb::cluster::EdsClusterConfig {
                eds_config: Some(ads()),
                ..pb::cluster::EdsClusterConfig::default()
            });
            let map = discovery.and_then(|d| d.aws_cloud_map.as_ref());
            let preference = map.and_then(|map| map.ip_preference.as_deref());
            let family = self.family(preference);
            let found = lookup(node).and_then(|of| self.around.instances.get(&of));
            let hosts = found.into_iter().flatten().filter(|address| match family {
                DnsLookupFamily::V4Only => address.is_ipv4(),
                DnsLookupFamily::V6Only => address.is_ipv6(),
                _ => true,
            });
            let hosts = hosts.map(ToString::to_string);
            let told = assignment(&cluster.name, hosts, port);
            if self
                .into
                .endpoints
                .iter()
                .all(|e| e.cluster_name != told.cluster_name)
            {
                self.into.endpoints.push(told);
            }
        }
    }

    /// The node's preference, or the mesh's. Where neither says anything IPv4 is asked for first, which is what
    /// the tasks of this house have.
    fn family(&self, own: Option<&str>) -> DnsLookupFamily {
        let mesh = self.world.mesh.spec.service_discovery.as_ref();
        let mesh = mesh.and_then(|mesh| mesh.ip_preference.as_deref());
        match own.or(mesh) {
            Some("IPv4_ONLY") => DnsLookupFamily::V4Only,
            Some("IPv6_ONLY") => DnsLookupFamily::V6Only,
            Some("IPv6_PREFERRED") => DnsLookupFamily::Auto,
            _ => DnsLookupFamily::V4Preferred,
        }
    }

    /// The application beside the proxy.
    pub fn application(&mut self, owner: &str, listener: &api::Listener) -> String {
        let api::PortMapping { port, protocol } = &listener.port_mapping;
        let mesh = &self.world.mesh.name;
        let name = format!("cds_ingress_{mesh}_{owner}_{protocol}_{port}");
        let port = message::port(*port);
        self.local(&name, protocol, port, listener.connection_pool.as_ref())
    }

    /// The proxy itself, once a gateway route has been chosen.
    pub fn itself(
        &mut self,
        name: &str,
        protocol: &str,
        port: u32,
        pool: Option<&api::VirtualNodeConnectionPool>,
    ) -> String {
        self.local(name, protocol, port, pool)
    }

    fn local(
        &mut self,
        name: &str,
        protocol: &str,
        port: u32,
        pool: Option<&api::VirtualNodeConnectionPool>,
    ) -> String {
        let cluster = pb::Cluster {
            connect_timeout: Some(duration(Duration::from_millis(250))),
            circuit_breakers: Some(breakers(pool)),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
            load_assignment: Some(assignment(name, ["127.0.0.1".to_owned()], port)),
            ..named(name, protocol)
        };
        self.add(cluster)
    }

    /// Wherever the application wanted to go.
    pub fn original(&mut self, suffix: &str) -> String {
        use upstream::http_protocol_options::{UpstreamProtocolOptions, UseDownstreamHttpConfig};
        let name = format!("cds_egress_{}_{suffix}", self.world.mesh.name);
        let options = upstream::HttpProtocolOptions {
            upstream_protocol_options: Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(
                UseDownstreamHttpConfig {
                    http_protocol_options: Some(config::Http1ProtocolOptions::default()),
                    http2_protocol_options: Some(config::Http2ProtocolOptions::default()),
                    ..UseDownstreamHttpConfig::default()
                },
            )),
            ..upstream::HttpProtocolOptions::default()
        };
        let cluster = pb::Cluster {
            name,
            connect_timeout: Some(duration(Duration::from_secs(5))),
            circuit_breakers: Some(breakers(None)),
            lb_policy: LbPolicy::ClusterProvided.into(),
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(
                DiscoveryType::OriginalDst.into(),
            )),
            typed_extension_protocol_options: [(HTTP_OPTIONS.to_owned(), any(&options))].into(),
            ..pb::Cluster::default()
        };
        self.add(cluster)
    }
}

/// A cluster that speaks a protocol of App Mesh's.
fn named(name: &str, protocol: &str) -> pb::Cluster {
    use upstream::http_protocol_options::explicit_http_config::ProtocolConfig;
    use upstream::http_protocol_options::{ExplicitHttpConfig, UpstreamProtocolOptions};
    let options = upstream::HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(
            ExplicitHttpConfig {
                protocol_config: Some(ProtocolConfig::Http2ProtocolOptions(
                    config::Http2ProtocolOptions::default(),
                )),
            },
        )),
        ..upstream::HttpProtocolOptions::default()
    };
    let is_http2 = matches!(protocol, "http2" | "grpc");
    let options = is_http2.then(|| (HTTP_OPTIONS.to_owned(), any(&options)));
    pb::Cluster {
        name: name.to_owned(),
        typed_extension_protocol_options: options.into_iter().collect(),
        ..pb::Cluster::default()
    }
}

fn assignment(
    cluster: &str,
    hosts: impl IntoIterator<Item = String>,
    port: u32,
) -> endpoint::ClusterLoadAssignment {
    let endpoint = |host: String| endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: Some(message::address(&host, port)),
                ..endpoint::Endpoint::default()
            },
        )),
        ..endpoint::LbEndpoint::default()
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![endpoint::LocalityLbEndpoints {
            lb_endpoints: hosts.into_iter().map(endpoint).collect(),
            ..endpoint::LocalityLbEndpoints::default()
        }],
        ..endpoint::ClusterLoadAssignment::default()
    }
}

fn breakers(pool: Option<&api::VirtualNodeConnectionPool>) -> pb::CircuitBreakers {
    let limited = |given: Option<i32>| {
        let given = given.and_then(|n| u32::try_from(n).ok());
        number(given.unwrap_or(UNLIMITED))
    };
    let pool = pool.cloned().unwrap_or_default();
    let http = pool.http.as_ref();
    let connections = http
        .map(|p| p.max_connections)
        .or(pool.tcp.as_ref().map(|p| p.max_connections));
    let requests = pool.grpc.as_ref().map(|p| p.max_requests);
    let requests = requests.or(pool.http2.as_ref().map(|p| p.max_requests));
    pb::CircuitBreakers {
        thresholds: vec![pb::circuit_breakers::Thresholds {
            max_connections: limited(connections),
            max_pending_requests: limited(http.and_then(|p| p.max_pending_requests)),
            max_requests: limited(requests),
            max_retries: limited(None),
            ..pb::circuit_breakers::Thresholds::default()
        }],
        ..pb::CircuitBreakers::default()
    }
}

fn health_check(check: &api::HealthCheckPolicy) -> config::HealthCheck {
    use config::health_check::{GrpcHealthCheck, HealthChecker, HttpHealthCheck, TcpHealthCheck};
    let millis = |of: i64| duration(Duration::from_millis(u64::try_from(of).unwrap_or(0)));
    let times = |of: i32| number(u32::try_from(of).unwrap_or(0));
    let path = check.path.clone().unwrap_or_else(|| "/".into());
    config::HealthCheck {
        timeout: Some(millis(check.timeout_millis)),
        interval: Some(millis(check.interval_millis)),
        healthy_threshold: times(check.healthy_threshold),
        unhealthy_threshold: times(check.unhealthy_threshold),
        health_checker: Some(match check.protocol.as_str() {
            "grpc" => HealthChecker::GrpcHealthCheck(GrpcHealthCheck::default()),
            "tcp" => HealthChecker::TcpHealthCheck(TcpHealthCheck::default()),
            protocol => HealthChecker::HttpHealthCheck(HttpHealthCheck {
                path,
                codec_client_type: i32::from(protocol == "http2"),
                ..HttpHealthCheck::default()
            }),
        }),
        ..config::HealthCheck::default()
    }
}

fn outliers(given: &api::OutlierDetection) -> pb::OutlierDetection {
    let percent = u32::try_from(given.max_ejection_percent).unwrap_or(0);
    pb::OutlierDetection {
        consecutive_5xx: number(u32::try_from(given.max_server_errors).unwrap_or(u32::MAX)),
        interval: Some(duration(message::asked(&given.interval))),
        base_ejection_time: Some(duration(message::asked(&given.base_ejection_duration))),
        max_ejection_percent: number(percent),
        // "Will eject at least one host regardless of the value" (API reference).
        always_eject_one_host: message::yes(),
        ..pb::OutlierDetection::default()
    }
}
