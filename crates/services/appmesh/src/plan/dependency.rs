//! What keeps an object from being deleted.

use super::spec::route;
use super::world::World;
use crate::error;
use crate::model::{
    At, GatewayRoute, Kind, Mesh, Route, VirtualGateway, VirtualNode, VirtualRouter, VirtualService,
};
use neargate_service::AwsError;

/// A kind whose objects may be needed by others.
pub trait Needed: Kind {
    /// # Errors
    /// `ResourceInUseException`, with what needs it.
    fn is_free(world: &World, at: &At, account: &str) -> Result<(), AwsError>;
}

impl Needed for Mesh {
    fn is_free(world: &World, at: &At, account: &str) -> Result<(), AwsError> {
        let in_it = [
            (world.services.is_empty(), "VirtualServices"),
            (world.gateways.is_empty(), "VirtualGateways"),
            (world.routers.is_empty(), "VirtualRouters"),
            (world.nodes.is_empty(), "VirtualNodes"),
        ];
        match in_it.into_iter().find(|(is_empty, _)| !is_empty) {
            Some((_, plural)) => Err(error::mesh_has(&at.mesh, account, plural)),
            None => Ok(()),
        }
    }
}

impl Needed for VirtualNode {
    fn is_free(world: &World, at: &At, _: &str) -> Result<(), AwsError> {
        let provides = world.services.values().any(|service| {
            let provider = service.spec.provider.as_ref();
            let node = provider.and_then(|p| p.virtual_node.as_ref());
            node.is_some_and(|node| node.virtual_node_name == at.name)
        });
        if provides {
            return Err(error::is_provider(VirtualNode::NOUN, &at.name));
        }
        let mut targets = world.routes.values().flat_map(|r| route::targets(&r.spec));
        match targets.any(|target| target.virtual_node == at.name) {
            true => Err(error::is_target(&at.name)),
            false => Ok(()),
        }
    }
}

impl Needed for VirtualRouter {
    fn is_free(world: &World, at: &At, _: &str) -> Result<(), AwsError> {
        let provides = world.services.values().any(|service| {
            let provider = service.spec.provider.as_ref();
            let router = provider.and_then(|p| p.virtual_router.as_ref());
            router.is_some_and(|router| router.virtual_router_name == at.name)
        });
        if provides {
            return Err(error::is_provider(VirtualRouter::NOUN, &at.name));
        }
        match world.routes_of(&at.name).next() {
            Some(_) => Err(error::has_children(VirtualRouter::NOUN, &at.name, "Routes")),
            None => Ok(()),
        }
    }
}

impl Needed for VirtualService {
    fn is_free(world: &World, at: &At, _: &str) -> Result<(), AwsError> {
        let by: Vec<String> = world
            .gateway_routes
            .values()
            .filter(|route| super::spec::gateway_route::service(&route.spec) == Some(&at.name))
            .map(|route| route.uid.clone())
            .collect();
        match by.is_empty() {
            true => Ok(()),
            false => Err(error::is_referenced(&at.name, &by)),
        }
    }
}

impl Needed for VirtualGateway {
    fn is_free(world: &World, at: &At, _: &str) -> Result<(), AwsError> {
        match world.gateway_routes_of(&at.name).next() {
            Some(_) => {
                let noun = VirtualGateway::NOUN;
                Err(error::has_children(noun, &at.name, "GatewayRoutes"))
            }
            None => Ok(()),
        }
    }
}

impl Needed for Route {
    fn is_free(_: &World, _: &At, _: &str) -> Result<(), AwsError> {
        Ok(())
    }
}

impl Needed for GatewayRoute {
    fn is_free(_: &World, _: &At, _: &str) -> Result<(), AwsError> {
        Ok(())
    }
}
