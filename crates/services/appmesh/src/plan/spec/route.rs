//! Routes' specifications.

use super::matching::{self, headers, metadata};
use super::{Checked, limit, node, of_protocol, room};
use crate::error;
use crate::model::{At, Kind, Route, VirtualNode, VirtualRouter};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_service::AwsError;

/// Where the requests of a route go.
pub fn targets(spec: &api::RouteSpec) -> impl Iterator<Item = &api::WeightedTarget> {
    let http = spec.http_route.as_ref().or(spec.http2_route.as_ref());
    let of_http = http.map(|route| &route.action.weighted_targets);
    let of_grpc = spec.grpc_route.as_ref();
    let of_grpc = of_grpc.map(|route| &route.action.weighted_targets);
    let of_tcp = spec.tcp_route.as_ref();
    let of_tcp = of_tcp.map(|route| &route.action.weighted_targets);
    let all = of_http.or(of_grpc).or(of_tcp);
    all.into_iter().flatten()
}

/// The protocol that a route is for, and the router's port that it names.
pub fn listens_on(spec: &api::RouteSpec) -> (&'static str, Option<i32>) {
    match spec {
        api::RouteSpec {
            grpc_route: Some(route),
            ..
        } => ("grpc", route.r#match.port),
        api::RouteSpec {
            http2_route: Some(route),
            ..
        } => ("http2", route.r#match.port),
        api::RouteSpec {
            http_route: Some(route),
            ..
        } => ("http", route.r#match.port),
        api::RouteSpec { tcp_route, .. } => {
            let of = tcp_route.as_ref().and_then(|route| route.r#match.as_ref());
            ("tcp", of.and_then(|of| of.port))
        }
    }
}

/// Is the route for one of the router's listeners?
pub fn on_listener(
    spec: &api::RouteSpec,
    router: &api::VirtualRouterSpec,
    name: &str,
) -> Result<(), AwsError> {
    let (protocol, port) = listens_on(spec);
    let listeners = router.listeners.as_deref().unwrap_or_default();
    let found = match (port, listeners) {
        // AWS's sentence (aws-app-mesh-controller-for-k8s issue 710).
        (None, [_, _, ..]) => {
            return Err(error::bad_request(
                "Route must define a port match criteria if the Virtual Router has multiple listeners",
            ));
        }
        (None, listeners) => listeners.first(),
        (Some(port), listeners) => {
            let found = listeners.iter().find(|l| l.port_mapping.port == port);
            Some(found.ok_or_else(|| {
                error::bad_request(format!(
                    "VirtualRouter {name} has no listener with port {port}, which the route matches"
                ))
            })?)
        }
    };
    match found {
        Some(listener) if listener.port_mapping.protocol != protocol => {
            Err(error::bad_request(format!(
                "The route's protocol {protocol} does not match the protocol {} of the listener of VirtualRouter \
                 {name}",
                listener.port_mapping.protocol
            )))
        }
        _ => Ok(()),
    }
}

fn weights(targets: &[api::WeightedTarget]) -> Result<(), AwsError> {
    let total: i32 = targets.iter().map(|target| target.weight).sum();
    match total {
        0 => Err(error::bad_request(
            "The total weight of the weighted targets must be greater than 0",
        )),
        // "The total weight for all targets combined must be less than or equal to 100" (API reference).
        101.. => Err(error::bad_request(
            "The total weight for all targets combined must be less than or equal to 100",
        )),
        _ => Ok(()),
    }
}

fn retries(has_events: bool) -> Result<(), AwsError> {
    match has_events {
        true => Ok(()),
        false => Err(error::bad_request(
            "A retry policy must have at least one retry event",
        )),
    }
}

fn http(route: &api::HttpRoute) -> Result<(), AwsError> {
    weights(&route.action.weighted_targets)?;
    matching::path(route.r#match.prefix.as_deref(), route.r#match.path.as_ref())?;
    matching::parameters(route.r#match.query_parameters.as_deref())?;
    let given = route.r#match.headers.as_deref().unwrap_or_default();
    given
        .iter()
        .try_for_each(|h| headers(&h.name, h.r#match.as_ref()))?;
    if let Some(policy) = &route.retry_policy {
        retries(policy.http_retry_events.is_some() || policy.tcp_retry_events.is_some())?;
    }
    Ok(())
}

fn grpc(route: &api::GrpcRoute) -> Result<(), AwsError> {
    weights(&route.action.weighted_targets)?;
    let of = &route.r#match;
    if of.method_name.is_some() && of.service_name.is_none() {
        return Err(error::bad_request(
            "If you specify a methodName, you must also specify a serviceName",
        ));
    }
    let given = of.metadata.as_deref().unwrap_or_default();
    given
        .iter()
        .try_for_each(|m| metadata(&m.name, m.r#match.as_ref()))?;
    if let Some(policy) = &route.retry_policy {
        retries(
            policy.grpc_retry_events.is_some()
                || policy.http_retry_events.is_some()
                || policy.tcp_retry_events.is_some(),
        )?;
    }
    Ok(())
}

impl Checked for Route {
    fn checked(spec: &api::RouteSpec) -> Result<(), AwsError> {
        let members = [
            ("grpc", spec.grpc_route.is_some()),
            ("http2", spec.http2_route.is_some()),
            ("http", spec.http_route.is_some()),
            ("tcp", spec.tcp_route.is_some()),
        ];
        of_protocol("The route", listens_on(spec).0, &members)?;
        match (
            &spec.http_route,
            &spec.http2_route,
            &spec.grpc_route,
            &spec.tcp_route,
        ) {
            (Some(route), ..) | (_, Some(route), ..) => http(route),
            (_, _, Some(route), _) => grpc(route),
            (_, _, _, Some(route)) => weights(&route.action.weighted_targets),
            _ => Ok(()),
        }
    }

    fn fits(world: &World, at: &At, spec: &api::RouteSpec) -> Result<(), AwsError> {
        let router = at.parent.as_deref().unwrap_or_default();
        if let Some(of) = world.routers.get(router) {
            on_listener(spec, &of.spec, router)?;
        }
        for target in targets(spec) {
            let Some(found) = world.nodes.get(&target.virtual_node) else {
                return Err(error::missing(VirtualNode::NOUN, &target.virtual_node));
            };
            let listeners = found.spec.listeners.as_deref().unwrap_or_default();
            let ports: Vec<i32> = listeners.iter().map(|l| l.port_mapping.port).collect();
            node::target_port(&ports, target.port, &target.virtual_node)
                .map_err(error::bad_request)?;
        }
        Ok(())
    }

    fn has_room(world: &World, at: &At, account: &str) -> Result<(), AwsError> {
        let router = at.parent.as_deref().unwrap_or_default();
        if !world.routers.contains_key(router) {
            let noun = VirtualRouter::NOUN;
            return Err(error::not_present(noun, router, &at.mesh, account));
        }
        let there = world.routes_of(router).count();
        room(there, limit::ROUTES_OF_ROUTER, "routes per virtual router")
    }
}
