//! What Envoy begins with: where its configuration comes from, its administration, and what App Mesh's image
//! makes of its variables (<https://docs.aws.amazon.com/app-mesh/latest/userguide/envoy-config.html>). Pure.

use super::{DIR, RESOURCE, SOCKET};
use neargate_domain::{Assignment, ContainerSpec};
use serde_json::{Value, json};

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const TYPES: &str = "type.googleapis.com";

fn variable<'a>(spec: &'a ContainerSpec, name: &str) -> Option<&'a str> {
    let value = spec.environment.get(name).map(String::as_str);
    value.filter(|value| !value.is_empty())
}

fn is_on(spec: &ContainerSpec, name: &str) -> bool {
    matches!(variable(spec, name), Some("1" | "true" | "True" | "TRUE"))
}

fn number<T: std::str::FromStr>(spec: &ContainerSpec, name: &str, default: T) -> Result<T, String> {
    let Some(value) = variable(spec, name) else {
        return Ok(default);
    };
    let parsed = value.trim().parse();
    parsed.map_err(|_| format!("the proxy's variable {name} is no number: {value:?}"))
}

/// Where Envoy is administered.
pub(super) fn admin_port(spec: &ContainerSpec) -> Result<u16, String> {
    number(spec, "ENVOY_ADMIN_ACCESS_PORT", 9901)
}

/// What the proxy stands for; nothing with Service Connect.
fn resource(spec: &ContainerSpec) -> &str {
    let mut given = RESOURCE.iter().filter_map(|name| variable(spec, name));
    given.next().unwrap_or_default()
}

/// Envoy's arguments.
pub(super) fn arguments(spec: &ContainerSpec, path: &str) -> Vec<String> {
    let level = match variable(spec, "ENVOY_LOG_LEVEL") {
        Some(level @ ("trace" | "debug" | "info" | "error" | "critical" | "off")) => level,
        Some("warn" | "warning") => "warning",
        _ => "info",
    };
    let threads = variable(spec, "ENVOY_CONCURRENCY").and_then(|n| n.parse::<u16>().ok());
    let words = [
        "-c",
        path,
        "--log-level",
        level,
        // Listeners that are replaced or taken away close their connections over this time.
        "--drain-time-s",
        "20",
        "--drain-strategy",
        "immediate",
        "--disable-hot-restart",
    ];
    let mut arguments: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
    // One for each of the host's processors would be many for a task.
    let threads = threads.filter(|n| *n > 0).unwrap_or(2).to_string();
    arguments.extend(["--concurrency".to_owned(), threads]);
    arguments
}

/// The whole of it.
///
/// # Errors
/// A variable that makes no sense.
pub(super) fn bootstrap(task: &Assignment, spec: &ContainerSpec) -> Result<String, String> {
    let resource = resource(spec);
    let admin = match resource {
        "" => "127.0.0.1",
        _ => "0.0.0.0",
    };
    let ads = json!({
        "api_type": "GRPC",
        "transport_api_version": "V3",
        "grpc_services": [{"envoy_grpc": {"cluster_name": "neargate-ads"}}],
        "set_node_on_first_message_only": true,
    });
    let from_ads = json!({"ads": {}, "resource_api_version": "V3"});
    let keepalive = json!({"connection_keepalive": {"interval": "30s", "timeout": "10s"}});
    let mut whole = json!({
        "node": {
            "id": if resource.is_empty() { &task.task_arn } else { resource },
            "cluster": if resource.is_empty() { &task.cluster } else { resource },
        },
        "admin": {"address": address("TCP", admin, admin_port(spec)?)},
        "dynamic_resources": {
            "ads_config": ads,
            "cds_config": from_ads,
            "lds_config": from_ads,
        },
        "static_resources": {"clusters": [{
            "name": "neargate-ads",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {HTTP_OPTIONS: {
                "@type": format!("{TYPES}/{HTTP_OPTIONS}"),
                "explicit_http_config": {"http2_protocol_options": keepalive},
            }},
            "load_assignment": {"cluster_name": "neargate-ads", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": {"pipe": {"path": format!("{DIR}/{SOCKET}")}}}},
            ]}]},
        }]},
    });
    if is_on(spec, "ENABLE_ENVOY_STATS_TAGS")
        && let Some(tags) = stats_tags(resource)
    {
        whole["stats_config"] = json!({"stats_tags": tags});
    }
    if is_on(spec, "ENABLE_ENVOY_DOG_STATSD") {
        let host = variable(spec, "STATSD_ADDRESS").unwrap_or("127.0.0.1");
        let to = address("UDP", host, number(spec, "STATSD_PORT", 8125)?);
        whole["stats_sinks"] = json!([{
            "name": "envoy.stat_sinks.dog_statsd",
            "typed_config": {
                "@type": format!("{TYPES}/envoy.config.metrics.v3.DogStatsdSink"),
                "address": to,
            },
        }]);
    }
    if is_on(spec, "ENABLE_ENVOY_XRAY_TRACING") {
        whole["tracing"] = tracing(spec, resource)?;
    }
    Ok(whole.to_string())
}

fn address(protocol: &str, host: &str, port: u16) -> Value {
    json!({"socket_address": {"protocol": protocol, "address": host, "port_value": port}})
}

/// `mesh/NAME/virtualNode/NAME`, at the end of an ARN or alone.
fn parts(resource: &str) -> Option<(&str, &str, &str)> {
    let path = resource.rsplit(':').next()?;
    let mut parts = path.split('/');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    let (_, mesh, kind, name) = (next()?, next()?, next()?, next()?);
    Some((mesh, kind, name))
}

fn stats_tags(resource: &str) -> Option<Value> {
    let (mesh, kind, name) = parts(resource)?;
    let kind = match kind {
        "virtualGateway" => "appmesh.virtual_gateway",
        _ => "appmesh.virtual_node",
    };
    Some(json!([
        {"tag_name": "appmesh.mesh", "fixed_value": mesh},
        {"tag_name": kind, "fixed_value": name},
    ]))
}

fn tracing(spec: &ContainerSpec, resource: &str) -> Result<Value, String> {
    let (mesh, name) = parts(resource).map_or(("", ""), |(mesh, _, name)| (mesh, name));
    let segment = variable(spec, "XRAY_SEGMENT_NAME").map(str::to_owned);
    let rate: f64 = number(spec, "XRAY_SAMPLING_RATE", 0.05)?;
    let rules = json!({"version": 2, "default": {"fixed_target": 1, "rate": rate.clamp(0.0, 1.0)}});
    let host = variable(spec, "XRAY_DAEMON_HOST").unwrap_or("127.0.0.1");
    Ok(json!({"http": {
        "name": "envoy.tracers.xray",
        "typed_config": {
            "@type": format!("{TYPES}/envoy.config.trace.v3.XRayConfig"),
            "segment_name": segment.unwrap_or_else(|| format!("{mesh}/{name}")),
            "daemon_endpoint": {
                "protocol": "UDP",
                "address": host,
                "port_value": number::<u16>(spec, "XRAY_DAEMON_PORT", 2000)?,
            },
            "sampling_rule_manifest": {"inline_string": rules.to_string()},
        },
    }}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::tests::assignment;

    fn of(variables: &[(&str, &str)]) -> Result<Value, String> {
        let task = assignment(Vec::new());
        let mut spec = ContainerSpec::default();
        for (name, value) in variables {
            spec.environment.insert((*name).into(), (*value).into());
        }
        bootstrap(&task, &spec).map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_virtual_node_says_what_it_is() {
        let whole = of(&[
            (
                "APPMESH_RESOURCE_ARN",
                "arn:aws:appmesh:r:1:mesh/m/virtualNode/n",
            ),
            ("ENVOY_ADMIN_ACCESS_PORT", "9902"),
            ("ENABLE_ENVOY_STATS_TAGS", "1"),
            ("ENABLE_ENVOY_XRAY_TRACING", "1"),
            ("ENABLE_ENVOY_DOG_STATSD", "1"),
        ]);
        let whole = whole.unwrap();
        assert_eq!(
            whole["node"]["id"],
            "arn:aws:appmesh:r:1:mesh/m/virtualNode/n"
        );
        let admin = &whole["admin"]["address"]["socket_address"];
        assert_eq!(
            (&admin["address"], &admin["port_value"]),
            (&"0.0.0.0".into(), &9902.into())
        );
        assert_eq!(whole["stats_config"]["stats_tags"][1]["fixed_value"], "n");
        let tracer = &whole["tracing"]["http"]["typed_config"];
        assert_eq!(tracer["segment_name"], "m/n");
        assert_eq!(
            whole["stats_sinks"][0]["typed_config"]["address"]["socket_address"]["port_value"],
            8125
        );
    }

    #[test]
    fn a_variable_that_is_no_number_is_named() {
        let wrong = of(&[("ENVOY_ADMIN_ACCESS_PORT", "many")]).unwrap_err();
        assert!(wrong.contains("ENVOY_ADMIN_ACCESS_PORT"), "{wrong}");
    }
}
