//! Virtual nodes' specifications.

use super::{Checked, distinct_ports, limit, of_protocol, one_of, room, route, tls};
use crate::error;
use crate::model::{At, Kind, VirtualNode};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_service::AwsError;
use std::collections::BTreeSet;

impl Checked for VirtualNode {
    fn checked(spec: &api::VirtualNodeSpec) -> Result<(), AwsError> {
        let listeners = spec.listeners.as_deref().unwrap_or_default();
        discovery(spec.service_discovery.as_ref(), !listeners.is_empty())?;
        distinct_ports(Self::NOUN, listeners.iter().map(|l| l.port_mapping.port))?;
        listeners.iter().try_for_each(listener)?;
        let defaults = spec.backend_defaults.as_ref();
        if let Some(policy) = defaults.and_then(|d| d.client_policy.as_ref()) {
            client_policy(policy)?;
        }
        backends(spec.backends.as_deref().unwrap_or_default())?;
        logging(spec.logging.as_ref())
    }

    fn fits(world: &World, at: &At, spec: &api::VirtualNodeSpec) -> Result<(), AwsError> {
        let listeners = spec.listeners.as_deref().unwrap_or_default();
        let ports: Vec<i32> = listeners.iter().map(|l| l.port_mapping.port).collect();
        for of in world.routes.values() {
            let targets = route::targets(&of.spec);
            for target in targets.filter(|target| target.virtual_node == at.name) {
                target_port(&ports, target.port, &at.name).map_err(|why| {
                    error::bad_request(format!("{why}: it is a target of route {}", of.name))
                })?;
            }
        }
        Ok(())
    }

    fn has_room(world: &World, _: &At, _: &str) -> Result<(), AwsError> {
        room(
            world.nodes.len(),
            limit::NODES_OF_MESH,
            "virtual nodes per mesh",
        )
    }
}

/// A target names one of a node's ports, and must where there are several.
pub fn target_port(ports: &[i32], asked: Option<i32>, node: &str) -> Result<(), String> {
    match asked {
        Some(port) if !ports.contains(&port) => Err(format!(
            "VirtualNode {node} has no listener with port {port}"
        )),
        None if ports.len() > 1 => Err(format!(
            "The target VirtualNode {node} must define a port if it has multiple listeners"
        )),
        _ => Ok(()),
    }
}

fn discovery(given: Option<&api::ServiceDiscovery>, listens: bool) -> Result<(), AwsError> {
    let Some(given) = given else {
        return match listens {
            true => Err(error::bad_request(
                "Service discovery information is required for a VirtualNode with a listener.",
            )),
            false => Ok(()),
        };
    };
    if !listens {
        // AWS's sentence (terraform-provider-aws pull request 13337).
        return Err(error::bad_request(
            "Service Discovery can't be set without a listener.",
        ));
    }
    let members = [
        ("awsCloudMap", given.aws_cloud_map.is_some()),
        ("dns", given.dns.is_some()),
    ];
    one_of("Service discovery", &members)?;
    match given.dns.as_ref().map(|dns| dns.hostname.as_str()) {
        Some(name) if !is_host_name(name) => Err(error::bad_request(format!(
            "The hostname {name} is invalid"
        ))),
        _ => Ok(()),
    }
}

/// A name that a resolver can be asked for.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=253).contains(&name.len())
        && name.chars().all(is_good)
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

pub fn listener(listener: &api::Listener) -> Result<(), AwsError> {
    let api::PortMapping { port, protocol } = &listener.port_mapping;
    if let Some(check) = &listener.health_check {
        health_check(check, *port)?;
    }
    if let Some(timeout) = &listener.timeout {
        let members = [
            ("grpc", timeout.grpc.is_some()),
            ("http", timeout.http.is_some()),
            ("http2", timeout.http2.is_some()),
            ("tcp", timeout.tcp.is_some()),
        ];
        of_protocol("The listener's timeout", protocol, &members)?;
    }
    if let Some(pool) = &listener.connection_pool {
        let members = [
            ("grpc", pool.grpc.is_some()),
            ("http", pool.http.is_some()),
            ("http2", pool.http2.is_some()),
            ("tcp", pool.tcp.is_some()),
        ];
        of_protocol("The listener's connection pool", protocol, &members)?;
    }
    listener.tls.as_ref().map_or(Ok(()), tls::listener)
}

fn health_check(check: &api::HealthCheckPolicy, port: i32) -> Result<(), AwsError> {
    let with_path = matches!(check.protocol.as_str(), "http" | "http2");
    match &check.path {
        None if with_path => Err(error::bad_request(format!(
            "The health check's path must be specified for protocol {}",
            check.protocol
        ))),
        Some(path) if with_path && !path.starts_with('/') => Err(error::bad_request(
            "The health check's path must start with /",
        )),
        _ if check.port.is_some_and(|of| of != port) => Err(error::bad_request(
            "The health check's port must match the port of the listener",
        )),
        _ => Ok(()),
    }
}

fn client_policy(policy: &api::ClientPolicy) -> Result<(), AwsError> {
    policy.tls.as_ref().map_or(Ok(()), tls::client)
}

fn backends(backends: &[api::Backend]) -> Result<(), AwsError> {
    if backends.len() > limit::BACKENDS_OF_NODE {
        let most = limit::BACKENDS_OF_NODE;
        return Err(error::limit("backends per virtual node", most));
    }
    let mut seen = BTreeSet::new();
    for backend in backends {
        let Some(service) = &backend.virtual_service else {
            return Err(error::bad_request("A backend must name a virtualService"));
        };
        if !seen.insert(&service.virtual_service_name) {
            return Err(error::bad_request(format!(
                "VirtualService {} is specified as a backend more than once",
                service.virtual_service_name
            )));
        }
        service
            .client_policy
            .as_ref()
            .map_or(Ok(()), client_policy)?;
    }
    Ok(())
}

pub fn logging(logging: Option<&api::Logging>) -> Result<(), AwsError> {
    let log = logging.and_then(|l| l.access_log.as_ref());
    let format = log.and_then(|l| l.file.as_ref()?.format.as_ref());
    let Some(format) = format else {
        return Ok(());
    };
    let members = [
        ("json", format.json.is_some()),
        ("text", format.text.is_some()),
    ];
    one_of("The access log's format", &members)
}
