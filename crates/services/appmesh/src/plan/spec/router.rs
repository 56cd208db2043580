//! Virtual routers' specifications.

use super::{Checked, distinct_ports, limit, room, route};
use crate::model::{At, Kind, VirtualRouter};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_service::AwsError;

impl Checked for VirtualRouter {
    fn checked(spec: &api::VirtualRouterSpec) -> Result<(), AwsError> {
        let listeners = spec.listeners.as_deref().unwrap_or_default();
        distinct_ports(Self::NOUN, listeners.iter().map(|l| l.port_mapping.port))
    }

    /// The routes that it has must go on fitting.
    fn fits(world: &World, at: &At, spec: &api::VirtualRouterSpec) -> Result<(), AwsError> {
        let mut routes = world.routes_of(&at.name);
        routes.try_for_each(|of| route::on_listener(&of.spec, spec, &at.name))
    }

    fn has_room(world: &World, _: &At, _: &str) -> Result<(), AwsError> {
        let most = limit::ROUTERS_OF_MESH;
        room(world.routers.len(), most, "virtual routers per mesh")
    }
}
