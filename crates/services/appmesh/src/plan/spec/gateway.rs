//! Virtual gateways' specifications.

use super::{Checked, alike, distinct_ports, gateway_route, limit, node, room, tls};
use crate::error;
use crate::model::{At, Kind, VirtualGateway};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_service::AwsError;

/// A gateway's listener as a virtual node's.
pub fn listener(given: &api::VirtualGatewayListener) -> api::Listener {
    api::Listener {
        connection_pool: given.connection_pool.as_ref().map(alike),
        health_check: given.health_check.as_ref().map(alike),
        port_mapping: alike(&given.port_mapping),
        tls: given.tls.as_ref().map(alike),
        ..api::Listener::default()
    }
}

/// How a gateway connects to backends.
pub fn client(spec: &api::VirtualGatewaySpec) -> Option<api::ClientPolicyTls> {
    let defaults = spec.backend_defaults.as_ref()?;
    let tls = defaults.client_policy.as_ref()?.tls.as_ref()?;
    Some(alike(tls))
}

impl Checked for VirtualGateway {
    fn checked(spec: &api::VirtualGatewaySpec) -> Result<(), AwsError> {
        let ports = spec.listeners.iter().map(|l| l.port_mapping.port);
        distinct_ports(Self::NOUN, ports)?;
        if spec.listeners.is_empty() {
            return Err(error::bad_request(
                "A VirtualGateway must have at least one listener",
            ));
        }
        spec.listeners
            .iter()
            .try_for_each(|l| node::listener(&listener(l)))?;
        if let Some(policy) = client(spec) {
            tls::client(&policy)?;
        }
        let logging: Option<api::Logging> = spec.logging.as_ref().map(alike);
        node::logging(logging.as_ref())
    }

    /// The routes that it has must go on fitting.
    fn fits(world: &World, at: &At, spec: &api::VirtualGatewaySpec) -> Result<(), AwsError> {
        let mut routes = world.gateway_routes_of(&at.name);
        routes.try_for_each(|of| gateway_route::on_listener(&of.spec, spec, &at.name))
    }

    fn has_room(world: &World, _: &At, _: &str) -> Result<(), AwsError> {
        let most = limit::GATEWAYS_OF_MESH;
        room(world.gateways.len(), most, "virtual gateways per mesh")
    }
}
