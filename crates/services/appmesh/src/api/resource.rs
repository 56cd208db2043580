//! The handlers of what is in a mesh. The six kinds differ in names alone.

/// A module with the five handlers of one kind.
macro_rules! resource {
    (
        $(#[$doc:meta])*
        $module:ident, $kind:ident, name: $name:ident, $(parent: $parent:ident: $parent_kind:ident,)?
        shown: $data:ident.$field:ident / $status:ident, listed: $reference:ident.$list_field:ident,
        $create:ident($create_in:ident) -> $create_out:ident,
        $update:ident($update_in:ident) -> $update_out:ident,
        $describe:ident($describe_in:ident) -> $describe_out:ident,
        $delete:ident($delete_in:ident) -> $delete_out:ident,
        $list:ident($list_in:ident) -> $list_out:ident $(,)?
    ) => {
        $(#[$doc])*
        pub mod $module {
            use crate::AppMesh;
            use crate::api::{self as flow, ACTIVE, Asked, DELETED};
            use crate::model::{self, At, Object};
            use neargate_api_appmesh as api;
            use neargate_service::{AwsError, Ctx};
            use std::sync::Arc;

            type Kind = model::$kind;

            fn shown(cx: &Ctx, object: Object<Kind>, status: &str) -> Option<api::$data> {
                Some(api::$data {
                    metadata: Some(flow::metadata(cx, &object)),
                    mesh_name: Some(object.mesh),
                    $($parent: object.parent,)?
                    $name: Some(object.name),
                    spec: Some(object.spec.0),
                    status: Some(api::$status { status: Some(status.into()) }),
                })
            }

            pub async fn $create(
                _: Arc<AppMesh>, cx: Ctx, mut input: api::$create_in,
            ) -> Result<api::$create_out, AwsError> {
                let mut client_token = input.client_token.take();
                let asked = Asked::<Kind> {
                    token: flow::token(&mut client_token, |_| input.clone()),
                    at: At {
                        mesh: input.mesh_name,
                        parent: resource!(@parent $(input.$parent)?),
                        name: input.$name,
                    },
                    owner: input.mesh_owner,
                    tags: input.tags.unwrap_or_default(),
                    spec: input.spec,
                };
                let made = flow::create(&cx, asked).await?;
                Ok(api::$create_out { $field: shown(&cx, made, ACTIVE) })
            }

            pub async fn $update(
                _: Arc<AppMesh>, cx: Ctx, mut input: api::$update_in,
            ) -> Result<api::$update_out, AwsError> {
                let mut client_token = input.client_token.take();
                let asked = Asked::<Kind> {
                    token: flow::token(&mut client_token, |_| input.clone()),
                    at: At {
                        mesh: input.mesh_name,
                        parent: resource!(@parent $(input.$parent)?),
                        name: input.$name,
                    },
                    owner: input.mesh_owner,
                    tags: Vec::new(),
                    spec: input.spec,
                };
                let changed = flow::update(&cx, asked).await?;
                Ok(api::$update_out { $field: shown(&cx, changed, ACTIVE) })
            }

            pub async fn $describe(
                _: Arc<AppMesh>, cx: Ctx, input: api::$describe_in,
            ) -> Result<api::$describe_out, AwsError> {
                let at = At {
                    mesh: input.mesh_name,
                    parent: resource!(@parent $(input.$parent)?),
                    name: input.$name,
                };
                let found = flow::describe::<Kind>(&cx, input.mesh_owner.as_deref(), &at).await?;
                Ok(api::$describe_out { $field: shown(&cx, found, ACTIVE) })
            }

            pub async fn $delete(
                _: Arc<AppMesh>, cx: Ctx, input: api::$delete_in,
            ) -> Result<api::$delete_out, AwsError> {
                let at = At {
                    mesh: input.mesh_name,
                    parent: resource!(@parent $(input.$parent)?),
                    name: input.$name,
                };
                let gone = flow::delete::<Kind>(&cx, input.mesh_owner.as_deref(), &at).await?;
                Ok(api::$delete_out { $field: shown(&cx, gone, DELETED) })
            }

            pub async fn $list(
                _: Arc<AppMesh>, cx: Ctx, input: api::$list_in,
            ) -> Result<api::$list_out, AwsError> {
                let parent: Option<String> = resource!(@parent $(input.$parent)?);
                let page = flow::list::<Kind, resource!(@kind $($parent_kind)?)>(
                    &cx,
                    input.mesh_owner.as_deref(),
                    (&input.mesh_name, parent.as_deref()),
                    (input.limit, input.next_token.as_deref()),
                );
                let page = page.await?;
                let shown = |object: Object<Kind>| {
                    let about = flow::metadata(&cx, &object);
                    api::$reference {
                        arn: about.arn,
                        created_at: about.created_at,
                        last_updated_at: about.last_updated_at,
                        mesh_name: Some(object.mesh),
                        mesh_owner: about.mesh_owner,
                        resource_owner: about.resource_owner,
                        version: about.version,
                        $($parent: object.parent,)?
                        $name: Some(object.name),
                    }
                };
                Ok(api::$list_out {
                    next_token: page.next_token,
                    $list_field: Some(page.items.into_iter().map(shown).collect()),
                })
            }
        }
    };
    (@parent) => { None };
    (@parent $parent:expr) => { Some($parent) };
    (@kind) => { model::Mesh };
    (@kind $kind:ident) => { model::$kind };
}

resource! {
    /// Virtual nodes.
    virtual_nodes, VirtualNode, name: virtual_node_name,
    shown: VirtualNodeData.virtual_node / VirtualNodeStatus,
    listed: VirtualNodeRef.virtual_nodes,
    create_virtual_node(CreateVirtualNodeInput) -> CreateVirtualNodeOutput,
    update_virtual_node(UpdateVirtualNodeInput) -> UpdateVirtualNodeOutput,
    describe_virtual_node(DescribeVirtualNodeInput) -> DescribeVirtualNodeOutput,
    delete_virtual_node(DeleteVirtualNodeInput) -> DeleteVirtualNodeOutput,
    list_virtual_nodes(ListVirtualNodesInput) -> ListVirtualNodesOutput,
}

resource! {
    /// Virtual routers.
    virtual_routers, VirtualRouter, name: virtual_router_name,
    shown: VirtualRouterData.virtual_router / VirtualRouterStatus,
    listed: VirtualRouterRef.virtual_routers,
    create_virtual_router(CreateVirtualRouterInput) -> CreateVirtualRouterOutput,
    update_virtual_router(UpdateVirtualRouterInput) -> UpdateVirtualRouterOutput,
    describe_virtual_router(DescribeVirtualRouterInput) -> DescribeVirtualRouterOutput,
    delete_virtual_router(DeleteVirtualRouterInput) -> DeleteVirtualRouterOutput,
    list_virtual_routers(ListVirtualRoutersInput) -> ListVirtualRoutersOutput,
}

resource! {
    /// Routes of virtual routers.
    routes, Route, name: route_name, parent: virtual_router_name: VirtualRouter,
    shown: RouteData.route / RouteStatus,
    listed: RouteRef.routes,
    create_route(CreateRouteInput) -> CreateRouteOutput,
    update_route(UpdateRouteInput) -> UpdateRouteOutput,
    describe_route(DescribeRouteInput) -> DescribeRouteOutput,
    delete_route(DeleteRouteInput) -> DeleteRouteOutput,
    list_routes(ListRoutesInput) -> ListRoutesOutput,
}

resource! {
    /// Virtual services.
    virtual_services, VirtualService, name: virtual_service_name,
    shown: VirtualServiceData.virtual_service / VirtualServiceStatus,
    listed: VirtualServiceRef.virtual_services,
    create_virtual_service(CreateVirtualServiceInput) -> CreateVirtualServiceOutput,
    update_virtual_service(UpdateVirtualServiceInput) -> UpdateVirtualServiceOutput,
    describe_virtual_service(DescribeVirtualServiceInput) -> DescribeVirtualServiceOutput,
    delete_virtual_service(DeleteVirtualServiceInput) -> DeleteVirtualServiceOutput,
    list_virtual_services(ListVirtualServicesInput) -> ListVirtualServicesOutput,
}

resource! {
    /// Virtual gateways.
    virtual_gateways, VirtualGateway, name: virtual_gateway_name,
    shown: VirtualGatewayData.virtual_gateway / VirtualGatewayStatus,
    listed: VirtualGatewayRef.virtual_gateways,
    create_virtual_gateway(CreateVirtualGatewayInput) -> CreateVirtualGatewayOutput,
    update_virtual_gateway(UpdateVirtualGatewayInput) -> UpdateVirtualGatewayOutput,
    describe_virtual_gateway(DescribeVirtualGatewayInput) -> DescribeVirtualGatewayOutput,
    delete_virtual_gateway(DeleteVirtualGatewayInput) -> DeleteVirtualGatewayOutput,
    list_virtual_gateways(ListVirtualGatewaysInput) -> ListVirtualGatewaysOutput,
}

resource! {
    /// Routes of virtual gateways.
    gateway_routes, GatewayRoute, name: gateway_route_name, parent: virtual_gateway_name: VirtualGateway,
    shown: GatewayRouteData.gateway_route / GatewayRouteStatus,
    listed: GatewayRouteRef.gateway_routes,
    create_gateway_route(CreateGatewayRouteInput) -> CreateGatewayRouteOutput,
    update_gateway_route(UpdateGatewayRouteInput) -> UpdateGatewayRouteOutput,
    describe_gateway_route(DescribeGatewayRouteInput) -> DescribeGatewayRouteOutput,
    delete_gateway_route(DeleteGatewayRouteInput) -> DeleteGatewayRouteOutput,
    list_gateway_routes(ListGatewayRoutesInput) -> ListGatewayRoutesOutput,
}
