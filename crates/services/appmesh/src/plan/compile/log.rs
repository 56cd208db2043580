//! Access logs.

use super::message::any;
use config::substitution_format_string::Format;
use file::file_access_log::AccessLogFormat;
use neargate_api_appmesh as api;
use neargate_xds::envoy_types::pb::envoy::config::accesslog::v3 as pb;
use neargate_xds::envoy_types::pb::envoy::config::core::v3 as config;
use neargate_xds::envoy_types::pb::envoy::extensions::access_loggers::file::v3 as file;
use neargate_xds::envoy_types::pb::google::protobuf;

fn formatted(path: &str, format: Option<Format>) -> file::FileAccessLog {
    let format = format.map(|format| {
        AccessLogFormat::LogFormat(config::SubstitutionFormatString {
            format: Some(format),
            ..config::SubstitutionFormatString::default()
        })
    });
    file::FileAccessLog {
        path: path.to_owned(),
        access_log_format: format,
    }
}

/// None where none is asked for.
pub fn access(logging: Option<&api::Logging>) -> Vec<pb::AccessLog> {
    let log = logging.and_then(|l| l.access_log.as_ref()?.file.as_ref());
    let Some(log) = log else { return Vec::new() };
    let format = log.format.as_ref();
    let text = format
        .and_then(|f| f.text.as_ref())
        .map(|text| Format::TextFormatSource(super::message::text(text)));
    let mut written = any(&formatted(&log.path, text));
    let json = format.and_then(|f| f.json.as_deref());
    if let Some(pairs) = json {
        // A map of several keys would be written in another order each time. Messages that are written one
        // behind the other are read as one, so each key is written by itself.
        written.value = pairs
            .iter()
            .flat_map(|pair| keyed(&log.path, pair))
            .collect();
    }
    vec![pb::AccessLog {
        name: "envoy.access_loggers.file".into(),
        config_type: Some(pb::access_log::ConfigType::TypedConfig(written)),
        ..pb::AccessLog::default()
    }]
}

fn keyed(path: &str, pair: &api::JsonFormatRef) -> Vec<u8> {
    let value = protobuf::Value {
        kind: Some(protobuf::value::Kind::StringValue(pair.value.clone())),
    };
    let fields = [(pair.key.clone(), value)].into();
    any(&formatted(
        path,
        Some(Format::JsonFormat(protobuf::Struct { fields })),
    ))
    .value
}
