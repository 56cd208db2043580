//! The `serviceConnectConfiguration` of a call: what it may be, in ECS's words
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceConnectConfiguration.html>).

use super::namespaces::{self, Namespace};
use crate::error;
use crate::model::{AppProtocol, Cluster, Connect, ConnectEndpoint, Speech};
use neargate_api_ecs as api;
use neargate_service::{AwsError, House, Scope};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

const IDLE_SECS: u32 = 300;
const IDLE_OF_TCP_SECS: u32 = 3600;
const PER_REQUEST_SECS: u32 = 15;

/// What there is of it; `None`: it is not enabled. What it offers is made in Cloud Map.
///
/// # Errors
/// What is wrong with it.
pub(crate) async fn checked(
    house: &Arc<House>,
    scope: &Scope,
    cluster: &Cluster,
    service_arn: &str,
    given: Option<&api::ServiceConnectConfiguration>,
    definition: &api::TaskDefinition,
) -> Result<Option<Connect>, AwsError> {
    let Some(given) = given.filter(|given| given.enabled) else {
        return Ok(None);
    };
    unbuilt(given, definition)?;
    let named = given.namespace.as_deref().filter(|name| !name.is_empty());
    let default = cluster.service_connect_namespace.as_deref();
    let namespace = match (named, default.filter(|name| !name.is_empty())) {
        (Some(named), _) => namespaces::find(house, scope, named).await?,
        // The cluster's own is made when it is used first.
        (None, Some(default)) => Some(namespaces::find_or_make(house, scope, default).await?),
        (None, None) => {
            return Err(error::invalid_parameter(
                "A namespace must be specified in the serviceConnectConfiguration, or the cluster must have a default namespace.",
            ));
        }
    };
    let namespace = namespace.ok_or_else(error::namespace_not_found)?;
    let services = given.services.as_deref().unwrap_or_default();
    let mut endpoints = Vec::new();
    for service in services {
        endpoints.push(endpoint(service, definition, &namespace)?);
    }
    apart(&endpoints)?;
    for endpoint in &mut endpoints {
        let name = &endpoint.discovery_name;
        endpoint.registry_arn =
            namespaces::service(house, scope, &namespace, name, service_arn).await?;
    }
    Ok(Some(Connect {
        given: Json(given.clone()),
        namespace_arn: namespace.arn,
        endpoints,
    }))
}

fn unbuilt(
    given: &api::ServiceConnectConfiguration,
    definition: &api::TaskDefinition,
) -> Result<(), AwsError> {
    let services = given.services.as_deref().unwrap_or_default();
    let aliases = || {
        services
            .iter()
            .flat_map(|s| s.client_aliases.iter().flatten())
    };
    let parts = [
        (
            services.iter().any(|s| s.tls.is_some()),
            "serviceConnectConfiguration with tls",
        ),
        (
            aliases().any(|a| a.test_traffic_rules.is_some()),
            "serviceConnectConfiguration with testTrafficRules",
        ),
        (
            definition.network_mode.as_deref() != Some("awsvpc"),
            "serviceConnectConfiguration with another network mode than awsvpc",
        ),
        (
            definition.proxy_configuration.is_some(),
            "serviceConnectConfiguration of tasks with a proxyConfiguration",
        ),
    ];
    match parts.iter().find(|(used, _)| *used) {
        Some((_, what)) => Err(error::unsupported(what)),
        None => Ok(()),
    }
}

fn endpoint(
    given: &api::ServiceConnectService,
    definition: &api::TaskDefinition,
    namespace: &Namespace,
) -> Result<ConnectEndpoint, AwsError> {
    let port_name = &given.port_name;
    let mappings = definition.container_definitions.iter().flatten();
    let mut mappings = mappings.flat_map(|c| c.port_mappings.iter().flatten());
    let mapping = mappings.find(|p| p.name.as_deref() == Some(port_name.as_str()));
    let mapping = mapping.ok_or_else(|| {
        error::invalid_parameter(format!(
            "The portName '{port_name}' in the Service Connect configuration does not exist in the task definition."
        ))
    })?;
    let port = |given: Option<i32>| given.and_then(|p| u16::try_from(p).ok()).filter(|p| *p > 0);
    let container_port = port(mapping.container_port).ok_or_else(|| {
        error::invalid_parameter("Port ranges are not supported with Service Connect.")
    })?;
    if mapping.protocol.as_deref() == Some("udp") {
        return Err(error::invalid_parameter(
            "The UDP protocol is not supported with Service Connect.",
        ));
    }
    let protocol = match mapping.app_protocol.as_deref() {
        Some("http") => AppProtocol::Http,
        Some("http2") => AppProtocol::Http2,
        Some("grpc") => AppProtocol::Grpc,
        _ => AppProtocol::Tcp,
    };
    let discovery_name = given
        .discovery_name
        .as_ref()
        .filter(|name| !name.is_empty());
    let discovery_name = discovery_name.unwrap_or(port_name).clone();
    if !is_name(&discovery_name, 64, "") {
        return Err(error::invalid_parameter(format!(
            "The discoveryName '{discovery_name}' is not valid: it can have up to 64 lowercase letters, numbers, underscores and hyphens, and cannot start with a hyphen."
        )));
    }
    let aliases = given.client_aliases.as_deref().unwrap_or_default();
    let alias = match aliases {
        [] => None,
        [alias] => Some(alias),
        _ => {
            return Err(error::invalid_parameter(
                "clientAliases can have at most 1 items.",
            ));
        }
    };
    let alias_name = alias
        .and_then(|a| a.dns_name.clone())
        .filter(|n| !n.is_empty());
    let alias_name = alias_name.unwrap_or_else(|| format!("{discovery_name}.{}", namespace.name));
    if !is_name(&alias_name, 127, ".") {
        return Err(error::invalid_parameter(format!(
            "The dnsName '{alias_name}' is not valid: it can have up to 127 lowercase letters, numbers, underscores, hyphens and periods, and cannot start with a hyphen."
        )));
    }
    let numbered = |given: i32, what: &str| {
        port(Some(given))
            .ok_or_else(|| error::invalid_parameter(format!("{what} must be between 1 and 65535.")))
    };
    Ok(ConnectEndpoint {
        registry_arn: String::new(),
        container_port,
        ingress_port: match given.ingress_port_override {
            None => None,
            Some(given) => Some(numbered(given, "ingressPortOverride")?),
        },
        alias: alias_name,
        alias_port: match alias {
            None => container_port,
            Some(alias) => numbered(alias.port, "The port of a client alias")?,
        },
        speech: speech(protocol, given.timeout.as_ref())?,
        discovery_name,
    })
}

fn speech(
    protocol: AppProtocol,
    given: Option<&api::TimeoutConfiguration>,
) -> Result<Speech, AwsError> {
    let is_tcp = protocol == AppProtocol::Tcp;
    let seconds = |given: Option<i32>| given.and_then(|n| u32::try_from(n).ok());
    let per_request = given.and_then(|t| seconds(t.per_request_timeout_seconds));
    if is_tcp && per_request.is_some() {
        return Err(error::invalid_parameter(
            "perRequestTimeout can only be set if the appProtocol is not TCP.",
        ));
    }
    let idle = given.and_then(|t| seconds(t.idle_timeout_seconds));
    let (idle_default, request_default) = match is_tcp {
        true => (IDLE_OF_TCP_SECS, 0),
        false => (IDLE_SECS, PER_REQUEST_SECS),
    };
    Ok(Speech {
        protocol,
        idle_secs: idle.unwrap_or(idle_default),
        per_request_secs: per_request.unwrap_or(request_default),
    })
}

/// Nothing is offered twice.
fn apart(endpoints: &[ConnectEndpoint]) -> Result<(), AwsError> {
    let (mut names, mut aliases, mut ports) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for endpoint in endpoints {
        if !names.insert(&endpoint.discovery_name) {
            return Err(error::invalid_parameter(format!(
                "The discoveryName '{}' is duplicated in the Service Connect configuration.",
                endpoint.discovery_name
            )));
        }
        if !aliases.insert((&endpoint.alias, endpoint.alias_port)) {
            return Err(error::invalid_parameter(format!(
                "The client alias '{}:{}' is duplicated in the Service Connect configuration.",
                endpoint.alias, endpoint.alias_port
            )));
        }
        if !ports.insert(endpoint.port()) {
            return Err(error::invalid_parameter(format!(
                "The ingress port {} is duplicated in the Service Connect configuration.",
                endpoint.port()
            )));
        }
    }
    Ok(())
}

fn is_name(name: &str, most: usize, besides: &str) -> bool {
    let may = |c: char| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c) || besides.contains(c)
    };
    (1..=most).contains(&name.len()) && !name.starts_with('-') && name.chars().all(may)
}
