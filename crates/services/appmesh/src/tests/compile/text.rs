//! A snapshot as text that people can compare: without what is not set, and with the messages inside messages
//! read.

use neargate_xds::Snapshot;
use neargate_xds::envoy_types::pb::envoy::config::listener::v3 as listener;
use neargate_xds::envoy_types::pb::envoy::extensions::access_loggers::file::v3::FileAccessLog;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as http;
use neargate_xds::envoy_types::pb::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
use neargate_xds::envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    DownstreamTlsContext, UpstreamTlsContext,
};
use neargate_xds::envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use neargate_xds::envoy_types::pb::google::protobuf::Any;
use prost::Message;
use std::collections::BTreeMap;
use std::fmt::Debug;

/// The text of one message.
fn text(message: &impl Debug) -> String {
    let all = format!("{message:#?}");
    let unset = [": None,", ": [],", ": {},", ": \"\",", ": false,", ": 0,"];
    let lines = all
        .lines()
        .filter(|line| !unset.iter().any(|end| line.ends_with(end)));
    lines.map(|line| format!("{line}\n")).collect()
}

/// What is in the `Any`s of a message, each once, by the end of its type.
#[derive(Default)]
struct Inside(BTreeMap<String, Vec<String>>);

impl Inside {
    fn add(&mut self, any: &Any) {
        let kind = any
            .type_url
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        let value = any.value.as_slice();
        let read = match kind.as_str() {
            "HttpConnectionManager" => {
                let manager = http::HttpConnectionManager::decode(value).expect("it was written");
                for log in &manager.access_log {
                    self.add_log(log.config_type.as_ref());
                }
                text(&manager)
            }
            "TcpProxy" => text(&TcpProxy::decode(value).expect("it was written")),
            "DownstreamTlsContext" => {
                text(&DownstreamTlsContext::decode(value).expect("it was written"))
            }
            "UpstreamTlsContext" => {
                text(&UpstreamTlsContext::decode(value).expect("it was written"))
            }
            "HttpProtocolOptions" => {
                text(&HttpProtocolOptions::decode(value).expect("it was written"))
            }
            _ => return,
        };
        let there = self.0.entry(kind).or_default();
        if !there.contains(&read) {
            there.push(read);
        }
    }

    fn add_log(
        &mut self,
        config: Option<
            &neargate_xds::envoy_types::pb::envoy::config::accesslog::v3::access_log::ConfigType,
        >,
    ) {
        use neargate_xds::envoy_types::pb::envoy::config::accesslog::v3::access_log::ConfigType;
        let Some(ConfigType::TypedConfig(any)) = config else {
            return;
        };
        let log = FileAccessLog::decode(any.value.as_slice()).expect("it was written");
        // Its map has no order of its own.
        let format = format!("{:?}", log.access_log_format);
        let mut words: Vec<&str> = format.split('"').skip(1).step_by(2).collect();
        words.sort_unstable();
        let read = format!("{} {words:?}\n", log.path);
        let there = self.0.entry("FileAccessLog".into()).or_default();
        if !there.contains(&read) {
            there.push(read);
        }
    }
}

/// Bytes of messages inside are not for people; what they are is behind.
fn without_bytes(text: String) -> String {
    let mut out = String::new();
    let mut depth = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        match depth {
            Some(at) if indent > at => continue,
            Some(_) => {
                depth = None;
                continue;
            }
            None => {}
        }
        if line.trim() == "value: [" {
            depth = Some(indent);
            continue;
        }
        // Where something ends shows in how far the next line is in.
        if line.chars().any(char::is_alphanumeric) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

pub fn of(snapshot: &Snapshot) -> String {
    let mut inside = Inside::default();
    for cluster in &snapshot.clusters {
        cluster
            .typed_extension_protocol_options
            .values()
            .for_each(|any| inside.add(any));
        use neargate_xds::envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType;
        let socket = cluster
            .transport_socket
            .as_ref()
            .and_then(|s| s.config_type.as_ref());
        if let Some(ConfigType::TypedConfig(any)) = socket {
            inside.add(any);
        }
    }
    for of in &snapshot.listeners {
        for chain in of.filter_chains.iter().chain(&of.default_filter_chain) {
            use neargate_xds::envoy_types::pb::envoy::config::core::v3::transport_socket::ConfigType;
            let socket = chain
                .transport_socket
                .as_ref()
                .and_then(|s| s.config_type.as_ref());
            if let Some(ConfigType::TypedConfig(any)) = socket {
                inside.add(any);
            }
            for filter in &chain.filters {
                if let Some(listener::filter::ConfigType::TypedConfig(any)) = &filter.config_type {
                    inside.add(any);
                }
            }
        }
    }
    let mut out = String::new();
    snapshot
        .clusters
        .iter()
        .for_each(|c| out.push_str(&text(c)));
    snapshot
        .endpoints
        .iter()
        .for_each(|e| out.push_str(&text(e)));
    snapshot
        .listeners
        .iter()
        .for_each(|l| out.push_str(&text(l)));
    snapshot.routes.iter().for_each(|r| out.push_str(&text(r)));
    snapshot.secrets.iter().for_each(|s| out.push_str(&text(s)));
    for (kind, all) in inside.0 {
        for one in all {
            out.push_str(&format!("inside: {kind}\n{one}"));
        }
    }
    without_bytes(out)
}
