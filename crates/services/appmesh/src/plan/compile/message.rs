//! Envoy's small messages, as the rest of the compiler puts them together.

use neargate_api_appmesh as api;
use neargate_xds::envoy_types::pb::envoy::config::core::v3 as config;
use neargate_xds::envoy_types::pb::envoy::r#type::matcher::v3 as matcher;
use neargate_xds::envoy_types::pb::google::protobuf;
use prost::{Message, Name};
use std::time::Duration;

pub fn any<T: Message + Name>(message: &T) -> protobuf::Any {
    protobuf::Any {
        type_url: T::type_url(),
        value: message.encode_to_vec(),
    }
}

pub fn duration(of: Duration) -> protobuf::Duration {
    protobuf::Duration {
        seconds: i64::try_from(of.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(of.subsec_nanos()).unwrap_or(0),
    }
}

/// A duration of App Mesh's.
pub fn asked(of: &api::Duration) -> Duration {
    let value = of
        .value
        .and_then(|value| u64::try_from(value).ok())
        .unwrap_or(0);
    // Envoy takes no duration beyond 10,000 years; nobody waits for a year.
    match of.unit.as_deref() {
        Some("ms") => Duration::from_millis(value.min(31_536_000_000)),
        _ => Duration::from_secs(value.min(31_536_000)),
    }
}

pub fn number(value: u32) -> Option<protobuf::UInt32Value> {
    Some(protobuf::UInt32Value { value })
}

pub fn yes() -> Option<protobuf::BoolValue> {
    Some(protobuf::BoolValue { value: true })
}

pub fn address(host: &str, port: u32) -> config::Address {
    config::Address {
        address: Some(config::address::Address::SocketAddress(
            config::SocketAddress {
                address: host.to_owned(),
                port_specifier: Some(config::socket_address::PortSpecifier::PortValue(port)),
                ..config::SocketAddress::default()
            },
        )),
    }
}

/// From the server that sends everything else.
pub fn ads() -> config::ConfigSource {
    use config::config_source::ConfigSourceSpecifier::Ads;
    config::ConfigSource {
        resource_api_version: config::ApiVersion::V3.into(),
        config_source_specifier: Some(Ads(config::AggregatedConfigSource::default())),
        ..config::ConfigSource::default()
    }
}

pub fn file(name: &str) -> config::DataSource {
    config::DataSource {
        specifier: Some(config::data_source::Specifier::Filename(name.to_owned())),
        ..config::DataSource::default()
    }
}

pub fn text(content: &str) -> config::DataSource {
    config::DataSource {
        specifier: Some(config::data_source::Specifier::InlineString(
            content.to_owned(),
        )),
        ..config::DataSource::default()
    }
}

pub fn regex(expression: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher {
        regex: expression.to_owned(),
        ..matcher::RegexMatcher::default()
    }
}

pub fn matches(pattern: matcher::string_matcher::MatchPattern) -> matcher::StringMatcher {
    matcher::StringMatcher {
        match_pattern: Some(pattern),
        ..matcher::StringMatcher::default()
    }
}

pub fn exactly(value: &str) -> matcher::StringMatcher {
    matches(matcher::string_matcher::MatchPattern::Exact(
        value.to_owned(),
    ))
}

/// A port of a model that has none beyond 65535.
pub fn port(given: i32) -> u32 {
    u32::try_from(given).unwrap_or(0)
}
