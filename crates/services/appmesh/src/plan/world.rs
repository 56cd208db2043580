//! A mesh with everything in it, as one look at the store found it.

use crate::model::{
    GatewayRoute, Kind, Mesh, Object, Route, VirtualGateway, VirtualNode, VirtualRouter,
    VirtualService,
};
use std::collections::BTreeMap;

/// By what comes behind the mesh in their keys: `name`, or `parent/name`.
pub type Objects<K> = BTreeMap<String, Object<K>>;

#[derive(Debug, Clone, PartialEq)]
pub struct World {
    pub mesh: Object<Mesh>,
    pub nodes: Objects<VirtualNode>,
    pub routers: Objects<VirtualRouter>,
    pub routes: Objects<Route>,
    pub services: Objects<VirtualService>,
    pub gateways: Objects<VirtualGateway>,
    pub gateway_routes: Objects<GatewayRoute>,
}

impl World {
    /// A mesh without anything in it.
    #[cfg(test)]
    pub fn empty(mesh: Object<Mesh>) -> World {
        World {
            mesh,
            nodes: Objects::new(),
            routers: Objects::new(),
            routes: Objects::new(),
            services: Objects::new(),
            gateways: Objects::new(),
            gateway_routes: Objects::new(),
        }
    }

    /// The routes of a router, in the order of their names.
    pub fn routes_of<'a>(&'a self, router: &str) -> impl Iterator<Item = &'a Object<Route>> {
        children(&self.routes, router)
    }

    /// The gateway routes of a gateway, in the order of their names.
    pub fn gateway_routes_of<'a>(
        &'a self,
        gateway: &str,
    ) -> impl Iterator<Item = &'a Object<GatewayRoute>> {
        children(&self.gateway_routes, gateway)
    }
}

fn children<'a, K: Kind>(
    all: &'a Objects<K>,
    parent: &str,
) -> impl Iterator<Item = &'a Object<K>> + use<'a, K> {
    let prefix = format!("{parent}/");
    let range = all.range(prefix.clone()..);
    range
        .take_while(move |(id, _)| id.starts_with(&prefix))
        .map(|(_, object)| object)
}
