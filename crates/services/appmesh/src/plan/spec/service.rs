//! Virtual services' specifications.

use super::{Checked, limit, one_of, room};
use crate::error;
use crate::model::{At, Kind, VirtualNode, VirtualRouter, VirtualService};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_service::AwsError;

impl Checked for VirtualService {
    fn checked(spec: &api::VirtualServiceSpec) -> Result<(), AwsError> {
        let Some(provider) = &spec.provider else {
            return Ok(());
        };
        let members = [
            ("virtualNode", provider.virtual_node.is_some()),
            ("virtualRouter", provider.virtual_router.is_some()),
        ];
        one_of("The virtual service's provider", &members)
    }

    fn fits(world: &World, _: &At, spec: &api::VirtualServiceSpec) -> Result<(), AwsError> {
        let Some(provider) = &spec.provider else {
            return Ok(());
        };
        if let Some(api::VirtualNodeServiceProvider { virtual_node_name }) = &provider.virtual_node
            && !world.nodes.contains_key(virtual_node_name)
        {
            return Err(error::missing(VirtualNode::NOUN, virtual_node_name));
        }
        match &provider.virtual_router {
            Some(router) if !world.routers.contains_key(&router.virtual_router_name) => {
                let name = &router.virtual_router_name;
                Err(error::missing(VirtualRouter::NOUN, name))
            }
            _ => Ok(()),
        }
    }

    fn has_room(world: &World, _: &At, _: &str) -> Result<(), AwsError> {
        let most = limit::SERVICES_OF_MESH;
        room(world.services.len(), most, "virtual services per mesh")
    }
}
