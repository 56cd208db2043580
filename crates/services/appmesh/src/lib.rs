//! AWS App Mesh: meshes of proxies that split, retry and watch the calls between services.
//!
//! [`api`] keeps the objects of meshes; [`plan`] is what they may be, and what is made of them for a proxy, pure;
//! [`source`] tells it to proxies.

mod api;
mod error;
mod model;
mod plan;
mod source;

#[cfg(test)]
mod tests;

pub use source::MeshSource;

use neargate_api_appmesh::{SERVICE, ops};
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct AppMesh;

impl Component for AppMesh {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::resource::{
            gateway_routes, routes, virtual_gateways, virtual_nodes, virtual_routers,
            virtual_services,
        };
        use api::{mesh, tags};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .on(ops::CreateMesh, mesh::create_mesh)
            .on(ops::UpdateMesh, mesh::update_mesh)
            .on(ops::DescribeMesh, mesh::describe_mesh)
            .on(ops::DeleteMesh, mesh::delete_mesh)
            .on(ops::ListMeshes, mesh::list_meshes)
            .on(ops::CreateVirtualNode, virtual_nodes::create_virtual_node)
            .on(ops::UpdateVirtualNode, virtual_nodes::update_virtual_node)
            .on(
                ops::DescribeVirtualNode,
                virtual_nodes::describe_virtual_node,
            )
            .on(ops::DeleteVirtualNode, virtual_nodes::delete_virtual_node)
            .on(ops::ListVirtualNodes, virtual_nodes::list_virtual_nodes)
            .on(
                ops::CreateVirtualRouter,
                virtual_routers::create_virtual_router,
            )
            .on(
                ops::UpdateVirtualRouter,
                virtual_routers::update_virtual_router,
            )
            .on(
                ops::DescribeVirtualRouter,
                virtual_routers::describe_virtual_router,
            )
            .on(
                ops::DeleteVirtualRouter,
                virtual_routers::delete_virtual_router,
            )
            .on(
                ops::ListVirtualRouters,
                virtual_routers::list_virtual_routers,
            )
            .on(ops::CreateRoute, routes::create_route)
            .on(ops::UpdateRoute, routes::update_route)
            .on(ops::DescribeRoute, routes::describe_route)
            .on(ops::DeleteRoute, routes::delete_route)
            .on(ops::ListRoutes, routes::list_routes)
            .on(
                ops::CreateVirtualService,
                virtual_services::create_virtual_service,
            )
            .on(
                ops::UpdateVirtualService,
                virtual_services::update_virtual_service,
            )
            .on(
                ops::DescribeVirtualService,
                virtual_services::describe_virtual_service,
            )
            .on(
                ops::DeleteVirtualService,
                virtual_services::delete_virtual_service,
            )
            .on(
                ops::ListVirtualServices,
                virtual_services::list_virtual_services,
            )
            .on(
                ops::CreateVirtualGateway,
                virtual_gateways::create_virtual_gateway,
            )
            .on(
                ops::UpdateVirtualGateway,
                virtual_gateways::update_virtual_gateway,
            )
            .on(
                ops::DescribeVirtualGateway,
                virtual_gateways::describe_virtual_gateway,
            )
            .on(
                ops::DeleteVirtualGateway,
                virtual_gateways::delete_virtual_gateway,
            )
            .on(
                ops::ListVirtualGateways,
                virtual_gateways::list_virtual_gateways,
            )
            .on(
                ops::CreateGatewayRoute,
                gateway_routes::create_gateway_route,
            )
            .on(
                ops::UpdateGatewayRoute,
                gateway_routes::update_gateway_route,
            )
            .on(
                ops::DescribeGatewayRoute,
                gateway_routes::describe_gateway_route,
            )
            .on(
                ops::DeleteGatewayRoute,
                gateway_routes::delete_gateway_route,
            )
            .on(ops::ListGatewayRoutes, gateway_routes::list_gateway_routes)
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource)
            .on(ops::ListTagsForResource, tags::list_tags_for_resource);
        Arc::new(table)
    }
}
