//! What a proxy of Service Connect is told: a listener and a cluster for each name of its namespace, and what it
//! does with what comes for its task's ports. Pure; equal tasks make equal snapshots.
//!
//! ```text
//! 127.255.0.n:port of a name  ->  the tasks behind it, in turn, past those that fail
//! ingress port                ->  127.0.0.1:port of the container
//! ```
//! Two retries, the ejection of hosts that fail five times, and the timeouts are AWS's
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-connect-concepts-deploy.html>).
//! Only what never reached a task's program is tried again: its proxy marks such answers.

use crate::model::{
    AppProtocol, CONNECT_INGRESS_PORT, ConnectAlias, ConnectEndpoint, Speech, TaskConnect,
};
use neargate_xds::envoy_types::pb::envoy as pb;
use neargate_xds::envoy_types::pb::google::protobuf::{BoolValue, Duration, UInt32Value};
use neargate_xds::{Snapshot, any};
use pb::config::accesslog::v3 as accesslog;
use pb::config::cluster::v3 as cluster;
use pb::config::core::v3 as core;
use pb::config::endpoint::v3 as endpoint;
use pb::config::listener::v3 as listener;
use pb::config::route::v3 as route;
use pb::extensions::access_loggers::stream::v3::{StdoutAccessLog, stdout_access_log};
use pb::extensions::filters::http::router::v3::Router;
use pb::extensions::filters::listener::original_dst::v3::OriginalDst;
use pb::extensions::filters::network::http_connection_manager::v3 as manager;
use pb::extensions::filters::network::tcp_proxy::v3 as tcp;
use pb::extensions::upstreams::http::v3 as upstream;
use std::collections::{BTreeSet, HashMap};
use std::net::{Ipv4Addr, SocketAddrV4};

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// In answers to what never reached the program.
const UNREACHED: &str = "x-neargate-unreached";
const CONNECT_SECS: i64 = 3;
const RETRIES: u32 = 2;
const FAILURES: u32 = 5;
const EJECTED_SECS: i64 = 30;
const EJECTED_MOST_SECS: i64 = 300;
const LOOK_SECS: i64 = 10;

/// `behind`: the tasks that a name leads to, by the ARN of its service of Cloud Map.
pub(super) fn compile(
    task: &TaskConnect,
    behind: impl Fn(&str) -> BTreeSet<SocketAddrV4>,
) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut outward = BTreeSet::new();
    for alias in &task.aliases {
        let name = outward_name(alias);
        snapshot.listeners.push(egress(task, alias));
        // Several names may lead to one.
        if outward.insert(name.clone()) {
            snapshot
                .clusters
                .push(outward_cluster(&name, &alias.speech));
            let addresses = behind(&alias.registry_arn);
            snapshot.endpoints.push(assignment(&name, &addresses));
        }
    }
    let endpoints = &task.connect.endpoints;
    let redirected = endpoints.iter().filter(|e| e.ingress_port.is_none());
    let chains: Vec<_> = redirected
        .map(|endpoint| chain(task, endpoint, Some(endpoint.container_port)))
        .collect();
    if !chains.is_empty() {
        snapshot.listeners.push(listener::Listener {
            listener_filters: vec![listener::ListenerFilter {
                name: "envoy.filters.listener.original_dst".to_owned(),
                config_type: Some(listener::listener_filter::ConfigType::TypedConfig(any(
                    &OriginalDst::default(),
                ))),
                ..Default::default()
            }],
            ..listening(
                "ingress",
                Ipv4Addr::UNSPECIFIED,
                CONNECT_INGRESS_PORT,
                chains,
            )
        });
    }
    for endpoint in endpoints {
        let port = endpoint.container_port;
        snapshot.clusters.push(inward_cluster(endpoint));
        if let Some(ingress) = endpoint.ingress_port {
            let chains = vec![chain(task, endpoint, None)];
            let name = format!("ingress_{port}");
            let at = listening(&name, Ipv4Addr::UNSPECIFIED, ingress, chains);
            snapshot.listeners.push(at);
        }
    }
    snapshot
}

fn outward_name(alias: &ConnectAlias) -> String {
    let id = alias.registry_arn.rsplit('/').next().unwrap_or_default();
    format!("outbound/{}/{id}", alias.discovery_name)
}

fn inward_name(endpoint: &ConnectEndpoint) -> String {
    format!("inbound/{}", endpoint.container_port)
}

fn seconds(seconds: impl Into<i64>) -> Option<Duration> {
    let seconds = seconds.into();
    Some(Duration { seconds, nanos: 0 })
}

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

fn address(ip: Ipv4Addr, port: u16) -> core::Address {
    core::Address {
        address: Some(core::address::Address::SocketAddress(core::SocketAddress {
            address: ip.to_string(),
            port_specifier: Some(core::socket_address::PortSpecifier::PortValue(port.into())),
            ..Default::default()
        })),
    }
}

fn listening(
    name: &str,
    ip: Ipv4Addr,
    port: u16,
    filter_chains: Vec<listener::FilterChain>,
) -> listener::Listener {
    listener::Listener {
        name: name.to_owned(),
        stat_prefix: name.to_owned(),
        address: Some(address(ip, port)),
        filter_chains,
        ..Default::default()
    }
}

fn outward_cluster(name: &str, speech: &Speech) -> cluster::Cluster {
    let from_ads = core::ConfigSource {
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource {},
        )),
        ..Default::default()
    };
    cluster::Cluster {
        name: name.to_owned(),
        connect_timeout: seconds(CONNECT_SECS),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(
            cluster::cluster::DiscoveryType::Eds.into(),
        )),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: Some(from_ads),
            ..Default::default()
        }),
        lb_policy: cluster::cluster::LbPolicy::RoundRobin.into(),
        outlier_detection: Some(cluster::OutlierDetection {
            consecutive_5xx: number(FAILURES),
            interval: seconds(LOOK_SECS),
            base_ejection_time: seconds(EJECTED_SECS),
            max_ejection_time: seconds(EJECTED_MOST_SECS),
            max_ejection_percent: number(50),
            enforcing_success_rate: number(0),
            ..Default::default()
        }),
        typed_extension_protocol_options: http_options(speech),
        ..Default::default()
    }
}

fn inward_cluster(endpoint: &ConnectEndpoint) -> cluster::Cluster {
    let name = inward_name(endpoint);
    let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, endpoint.container_port);
    cluster::Cluster {
        connect_timeout: seconds(CONNECT_SECS),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(
            cluster::cluster::DiscoveryType::Static.into(),
        )),
        load_assignment: Some(assignment(&name, &BTreeSet::from([to]))),
        typed_extension_protocol_options: http_options(&endpoint.speech),
        name,
        ..Default::default()
    }
}

fn assignment(name: &str, to: &BTreeSet<SocketAddrV4>) -> endpoint::ClusterLoadAssignment {
    let hosts = to.iter().map(|at| endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: Some(address(*at.ip(), at.port())),
                ..Default::default()
            },
        )),
        ..Default::default()
    });
    let hosts: Vec<_> = hosts.collect();
    let group = endpoint::LocalityLbEndpoints {
        lb_endpoints: hosts,
        ..Default::default()
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: match to.is_empty() {
            true => Vec::new(),
            false => vec![group],
        },
        ..Default::default()
    }
}

/// How the other end is spoken to.
fn http_options(
    speech: &Speech,
) -> HashMap<String, neargate_xds::envoy_types::pb::google::protobuf::Any> {
    use upstream::http_protocol_options::explicit_http_config::ProtocolConfig;
    use upstream::http_protocol_options::{ExplicitHttpConfig, UpstreamProtocolOptions};
    let protocol = match speech.protocol {
        AppProtocol::Tcp => return HashMap::new(),
        AppProtocol::Http => ProtocolConfig::HttpProtocolOptions(Default::default()),
        AppProtocol::Http2 | AppProtocol::Grpc => {
            ProtocolConfig::Http2ProtocolOptions(Default::default())
        }
    };
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(protocol),
    };
    let options = upstream::HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..Default::default()
    };
    HashMap::from([(HTTP_OPTIONS.to_owned(), any(&options))])
}

/// Where a name is answered in its tasks' place.
fn egress(task: &TaskConnect, alias: &ConnectAlias) -> listener::Listener {
    let cluster = outward_name(alias);
    let name = format!("egress_{}_{}", alias.name, alias.port);
    let filter = match alias.speech.protocol {
        AppProtocol::Tcp => tcp_filter(task, "egress", &cluster, &alias.speech, 1 + RETRIES),
        _ => {
            let action = route::RouteAction {
                timeout: seconds(alias.speech.per_request_secs),
                retry_policy: Some(retries(alias.speech.protocol)),
                ..to_cluster(&cluster)
            };
            // Between the proxies only.
            let taken = vec![UNREACHED.to_owned()];
            http_filter(
                task,
                "egress",
                &alias.speech,
                routes(&name, action, taken),
                None,
            )
        }
    };
    let chain = listener::FilterChain {
        filters: vec![filter],
        ..Default::default()
    };
    listening(&name, alias.address, alias.port, vec![chain])
}

/// What is done with what comes for a port of the task.
fn chain(
    task: &TaskConnect,
    endpoint: &ConnectEndpoint,
    destination: Option<u16>,
) -> listener::FilterChain {
    let cluster = inward_name(endpoint);
    let filter = match endpoint.speech.protocol {
        AppProtocol::Tcp => tcp_filter(task, "ingress", &cluster, &endpoint.speech, 1),
        _ => {
            let action = route::RouteAction {
                // Whoever asks waits as long as it wants to.
                timeout: seconds(0),
                ..to_cluster(&cluster)
            };
            let speech = &endpoint.speech;
            let routes = routes(&cluster, action, Vec::new());
            http_filter(task, "ingress", speech, routes, Some(marks_unreached()))
        }
    };
    listener::FilterChain {
        name: cluster,
        filter_chain_match: destination.map(|port| listener::FilterChainMatch {
            destination_port: number(port.into()),
            ..Default::default()
        }),
        filters: vec![filter],
        ..Default::default()
    }
}

fn to_cluster(cluster: &str) -> route::RouteAction {
    route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(
            cluster.to_owned(),
        )),
        ..Default::default()
    }
}

fn retries(protocol: AppProtocol) -> route::RetryPolicy {
    let on = "connect-failure,refused-stream,reset-before-request,retriable-headers";
    let on = match protocol {
        AppProtocol::Grpc => format!("{on},unavailable"),
        _ => on.to_owned(),
    };
    route::RetryPolicy {
        retry_on: on,
        num_retries: number(RETRIES),
        retriable_headers: vec![route::HeaderMatcher {
            name: UNREACHED.to_owned(),
            header_match_specifier: Some(
                route::header_matcher::HeaderMatchSpecifier::PresentMatch(true),
            ),
            ..Default::default()
        }],
        retry_host_predicate: vec![route::retry_policy::RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
            config_type: Some(
                route::retry_policy::retry_host_predicate::ConfigType::TypedConfig(any(
                    &pb::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate {},
                )),
            ),
        }],
        host_selection_retry_max_attempts: 3,
        ..Default::default()
    }
}

fn routes(
    name: &str,
    action: route::RouteAction,
    response_headers_to_remove: Vec<String>,
) -> route::RouteConfiguration {
    let everything = route::Route {
        r#match: Some(route::RouteMatch {
            path_specifier: Some(route::route_match::PathSpecifier::Prefix("/".to_owned())),
            ..Default::default()
        }),
        action: Some(route::route::Action::Route(action)),
        ..Default::default()
    };
    route::RouteConfiguration {
        name: name.to_owned(),
        virtual_hosts: vec![route::VirtualHost {
            name: name.to_owned(),
            domains: vec!["*".to_owned()],
            routes: vec![everything],
            ..Default::default()
        }],
        response_headers_to_remove,
        ..Default::default()
    }
}

/// The program was not there: whoever asked may ask another task.
fn marks_unreached() -> manager::LocalReplyConfig {
    let flags = accesslog::ResponseFlagFilter {
        flags: vec!["UF".to_owned(), "UH".to_owned()],
    };
    manager::LocalReplyConfig {
        mappers: vec![manager::ResponseMapper {
            filter: Some(accesslog::AccessLogFilter {
                filter_specifier: Some(
                    accesslog::access_log_filter::FilterSpecifier::ResponseFlagFilter(flags),
                ),
            }),
            headers_to_add: vec![core::HeaderValueOption {
                header: Some(core::HeaderValue {
                    key: UNREACHED.to_owned(),
                    value: "1".to_owned(),
                    ..Default::default()
                }),
                ..Default::default()
            }],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn http_filter(
    task: &TaskConnect,
    prefix: &str,
    speech: &Speech,
    routes: route::RouteConfiguration,
    local_reply_config: Option<manager::LocalReplyConfig>,
) -> listener::Filter {
    let manager = manager::HttpConnectionManager {
        stat_prefix: prefix.to_owned(),
        route_specifier: Some(
            manager::http_connection_manager::RouteSpecifier::RouteConfig(routes),
        ),
        http_filters: vec![manager::HttpFilter {
            name: "envoy.filters.http.router".to_owned(),
            config_type: Some(manager::http_filter::ConfigType::TypedConfig(any(
                &Router::default(),
            ))),
            ..Default::default()
        }],
        common_http_protocol_options: Some(core::HttpProtocolOptions {
            idle_timeout: seconds(speech.idle_secs),
            ..Default::default()
        }),
        stream_idle_timeout: seconds(speech.idle_secs),
        server_header_transformation:
            manager::http_connection_manager::ServerHeaderTransformation::PassThrough.into(),
        use_remote_address: Some(BoolValue { value: false }),
        upgrade_configs: vec![manager::http_connection_manager::UpgradeConfig {
            upgrade_type: "websocket".to_owned(),
            ..Default::default()
        }],
        access_log: access_log(task),
        local_reply_config,
        ..Default::default()
    };
    listener::Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(any(&manager))),
    }
}

fn tcp_filter(
    task: &TaskConnect,
    prefix: &str,
    cluster: &str,
    speech: &Speech,
    attempts: u32,
) -> listener::Filter {
    let proxy = tcp::TcpProxy {
        stat_prefix: prefix.to_owned(),
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster(
            cluster.to_owned(),
        )),
        idle_timeout: seconds(speech.idle_secs),
        max_connect_attempts: number(attempts),
        access_log: access_log(task),
        ..Default::default()
    };
    listener::Filter {
        name: "envoy.filters.network.tcp_proxy".to_owned(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(any(&proxy))),
    }
}

/// Lines on the proxy's output, which goes where its log configuration says. Of what was asked for, the query
/// is left out unless it is wanted.
fn access_log(task: &TaskConnect) -> Vec<accesslog::AccessLog> {
    let Some(asked) = &task.connect.given.0.access_log_configuration else {
        return Vec::new();
    };
    let with_query = asked.include_query_parameters.as_deref() == Some("ENABLED");
    let path = match with_query {
        true => "%REQ(:PATH)%",
        false => "%PATH(NQ)%",
    };
    let fields = [
        ("start_time", "%START_TIME%"),
        ("method", "%REQ(:METHOD)%"),
        ("path", path),
        ("protocol", "%PROTOCOL%"),
        ("response_code", "%RESPONSE_CODE%"),
        ("response_flags", "%RESPONSE_FLAGS%"),
        ("bytes_received", "%BYTES_RECEIVED%"),
        ("bytes_sent", "%BYTES_SENT%"),
        ("duration", "%DURATION%"),
        ("request_id", "%REQ(X-REQUEST-ID)%"),
        ("authority", "%REQ(:AUTHORITY)%"),
        ("upstream_host", "%UPSTREAM_HOST%"),
        ("upstream_cluster", "%UPSTREAM_CLUSTER%"),
    ];
    let text = match asked.format.as_str() {
        "JSON" => {
            let object: serde_json::Map<String, serde_json::Value> = fields
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).into()))
                .collect();
            serde_json::Value::Object(object).to_string()
        }
        _ => {
            let words: Vec<&str> = fields.iter().map(|(_, value)| *value).collect();
            words.join(" ")
        }
    };
    let format = core::SubstitutionFormatString {
        format: Some(core::substitution_format_string::Format::TextFormatSource(
            core::DataSource {
                specifier: Some(core::data_source::Specifier::InlineString(text + "\n")),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let output = StdoutAccessLog {
        access_log_format: Some(stdout_access_log::AccessLogFormat::LogFormat(format)),
    };
    vec![accesslog::AccessLog {
        name: "envoy.access_loggers.stdout".to_owned(),
        config_type: Some(accesslog::access_log::ConfigType::TypedConfig(any(&output))),
        ..Default::default()
    }]
}
