//! Where a proxy's requests may go: the ports of the virtual services that it has as backends, and what is
//! behind each.

use crate::model::{Object, Route, VirtualNode};
use crate::plan::spec::route::listens_on;
use crate::plan::world::World;
use neargate_api_appmesh as api;

/// How a proxy speaks TLS with a backend.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    pub tls: &'a api::ClientPolicyTls,
    /// The virtual service that it is for alone; `None`: it is the proxy's for all of them.
    pub of: Option<&'a str>,
}

/// One port of a virtual service.
#[derive(Debug, Clone)]
pub struct Exit<'a> {
    pub service: &'a str,
    pub port: i32,
    pub protocol: &'a str,
    pub policy: Option<Policy<'a>>,
    pub via: Via<'a>,
}

impl Exit<'_> {
    pub fn is_tcp(&self) -> bool {
        self.protocol == "tcp"
    }
}

/// What answers there.
#[derive(Debug, Clone)]
pub enum Via<'a> {
    Node(&'a Object<VirtualNode>, &'a api::Listener),
    /// In the order in which they are tried.
    Routes(Vec<&'a Object<Route>>),
}

/// What a virtual node says of TLS to backends.
pub fn policies(spec: &api::VirtualNodeSpec) -> impl Iterator<Item = &api::ClientPolicyTls> {
    let defaults = spec.backend_defaults.as_ref();
    let defaults = defaults.and_then(|d| d.client_policy.as_ref());
    let backends = spec.backends.as_deref().unwrap_or_default().iter();
    let own = backends.filter_map(|b| b.virtual_service.as_ref()?.client_policy.as_ref());
    defaults
        .into_iter()
        .chain(own)
        .filter_map(|p| p.tls.as_ref())
}

/// Of a virtual node, in the order of the services' names. A backend that is not there, or that nothing
/// provides, is left out until it is.
pub fn of_node<'a>(world: &'a World, spec: &'a api::VirtualNodeSpec) -> Vec<Exit<'a>> {
    let defaults = spec.backend_defaults.as_ref();
    let defaults = defaults.and_then(|d| d.client_policy.as_ref()?.tls.as_ref());
    let defaults = defaults.map(|tls| Policy { tls, of: None });
    let backends = spec.backends.as_deref().unwrap_or_default().iter();
    let mut backends: Vec<_> = backends
        .filter_map(|b| b.virtual_service.as_ref())
        .collect();
    backends.sort_by_key(|backend| &backend.virtual_service_name);
    let all = backends.into_iter().flat_map(|backend| {
        let name = backend.virtual_service_name.as_str();
        // A policy of the backend's own takes the place of the defaults, also one that says nothing.
        let policy = match &backend.client_policy {
            Some(own) => own.tls.as_ref().map(|tls| Policy {
                tls,
                of: Some(name),
            }),
            None => defaults,
        };
        of_service(world, name, policy)
    });
    all.collect()
}

/// All ports of a virtual service.
pub fn of_service<'a>(world: &'a World, name: &str, policy: Option<Policy<'a>>) -> Vec<Exit<'a>> {
    let Some(service) = world.services.get(name) else {
        return Vec::new();
    };
    let Some(provider) = &service.spec.provider else {
        return Vec::new();
    };
    let node = provider.virtual_node.as_ref();
    if let Some(node) = node.and_then(|node| world.nodes.get(&node.virtual_node_name)) {
        let listeners = node.spec.listeners.as_deref().unwrap_or_default().iter();
        let exits = listeners.map(|listener| Exit {
            service: &service.name,
            port: listener.port_mapping.port,
            protocol: &listener.port_mapping.protocol,
            policy,
            via: Via::Node(node, listener),
        });
        return exits.collect();
    }
    let router = provider.virtual_router.as_ref();
    let Some(router) = router.and_then(|router| world.routers.get(&router.virtual_router_name))
    else {
        return Vec::new();
    };
    let listeners = router.spec.listeners.as_deref().unwrap_or_default();
    let exits = listeners.iter().map(|listener| {
        let api::PortMapping { port, protocol } = &listener.port_mapping;
        let is_here = |route: &&Object<Route>| {
            let (of, at) = listens_on(&route.spec);
            of == protocol && at.is_none_or(|at| at == *port)
        };
        let mut routes: Vec<_> = world.routes_of(&router.name).filter(is_here).collect();
        routes.sort_by_key(|route| (super::route::rank(&route.spec), &route.name));
        Exit {
            service: &service.name,
            port: *port,
            protocol,
            policy,
            via: Via::Routes(routes),
        }
    });
    exits.collect()
}

/// The node and the listener that a route's target means. `None`: there is no such port now.
pub fn target<'a>(
    world: &'a World,
    target: &api::WeightedTarget,
) -> Option<(&'a Object<VirtualNode>, &'a api::Listener)> {
    let node = world.nodes.get(&target.virtual_node)?;
    let mut listeners = node.spec.listeners.as_deref().unwrap_or_default().iter();
    let found = match target.port {
        Some(port) => listeners.find(|l| l.port_mapping.port == port),
        None => listeners.next(),
    };
    Some((node, found?))
}
