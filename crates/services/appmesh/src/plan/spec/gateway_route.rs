//! Gateway routes' specifications.

use super::matching::{self, headers, starts_with_slash};
use super::{Checked, alike, limit, of_protocol, one_of, room};
use crate::error;
use crate::model::{At, GatewayRoute, Kind, VirtualGateway, VirtualService};
use crate::plan::world::World;
use neargate_api_appmesh as api;
use neargate_service::AwsError;

/// Where its requests go.
pub fn target(spec: &api::GatewayRouteSpec) -> Option<&api::GatewayRouteTarget> {
    let http = spec.http_route.as_ref().or(spec.http2_route.as_ref());
    let of_http = http.map(|route| &route.action.target);
    of_http.or(spec.grpc_route.as_ref().map(|route| &route.action.target))
}

/// The virtual service that it leads to.
pub fn service(spec: &api::GatewayRouteSpec) -> Option<&String> {
    target(spec).map(|target| &target.virtual_service.virtual_service_name)
}

/// The protocol that it is for, and the gateway's port that it names.
pub fn listens_on(spec: &api::GatewayRouteSpec) -> (&'static str, Option<i32>) {
    match spec {
        api::GatewayRouteSpec {
            grpc_route: Some(route),
            ..
        } => ("grpc", route.r#match.port),
        api::GatewayRouteSpec {
            http2_route: Some(route),
            ..
        } => ("http2", route.r#match.port),
        api::GatewayRouteSpec { http_route, .. } => (
            "http",
            http_route.as_ref().and_then(|route| route.r#match.port),
        ),
    }
}

/// Is it for one of the gateway's listeners?
pub fn on_listener(
    spec: &api::GatewayRouteSpec,
    gateway: &api::VirtualGatewaySpec,
    name: &str,
) -> Result<(), AwsError> {
    let (protocol, port) = listens_on(spec);
    let listeners = gateway.listeners.as_slice();
    let found = match (port, listeners) {
        (None, [_, _, ..]) => {
            return Err(error::bad_request(
                "GatewayRoute must define a port match criteria if the Virtual Gateway has multiple listeners",
            ));
        }
        (None, listeners) => listeners.first(),
        (Some(port), listeners) => {
            let found = listeners.iter().find(|l| l.port_mapping.port == port);
            Some(found.ok_or_else(|| {
                error::bad_request(format!(
                    "VirtualGateway {name} has no listener with port {port}, which the gateway route matches"
                ))
            })?)
        }
    };
    match found {
        Some(listener) if listener.port_mapping.protocol != protocol => {
            Err(error::bad_request(format!(
                "The gateway route's protocol {protocol} does not match the protocol {} of the listener of \
                 VirtualGateway {name}",
                listener.port_mapping.protocol
            )))
        }
        _ => Ok(()),
    }
}

fn hostname(given: Option<&api::GatewayRouteHostnameMatch>) -> Result<(), AwsError> {
    let Some(given) = given else { return Ok(()) };
    let members = [
        ("exact", given.exact.is_some()),
        ("suffix", given.suffix.is_some()),
    ];
    one_of("The hostname match", &members)?;
    let text = given.exact.as_ref().or(given.suffix.as_ref());
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    match text {
        Some(text) if !text.chars().all(is_good) => Err(error::bad_request(format!(
            "The hostname {text} is invalid"
        ))),
        _ => Ok(()),
    }
}

fn http(route: &api::HttpGatewayRoute) -> Result<(), AwsError> {
    let of = &route.r#match;
    matching::path(of.prefix.as_deref(), of.path.as_ref())?;
    matching::parameters(of.query_parameters.as_deref())?;
    let given = of.headers.as_deref().unwrap_or_default();
    given
        .iter()
        .try_for_each(|h| headers(&h.name, h.r#match.as_ref()))?;
    hostname(of.hostname.as_ref())?;
    match &route.action.rewrite {
        Some(rewrite) => rewritten(of, rewrite),
        None => Ok(()),
    }
}

/// The CDK's sentences, which checks the same before it deploys.
fn rewritten(
    of: &api::HttpGatewayRouteMatch,
    rewrite: &api::HttpGatewayRouteRewrite,
) -> Result<(), AwsError> {
    if rewrite.prefix.is_some() && rewrite.path.is_some() {
        return Err(error::bad_request(
            "Only one of prefix and path can be specified in a rewrite",
        ));
    }
    if let Some(api::HttpGatewayRoutePathRewrite { exact: Some(exact) }) = &rewrite.path {
        starts_with_slash("Exact Path for the rewrite", exact)?;
    }
    let Some(prefix) = &rewrite.prefix else {
        return Ok(());
    };
    if of.path.is_some() {
        return Err(error::bad_request(
            "A prefix can be rewritten only where a prefix is matched",
        ));
    }
    let members = [
        ("defaultPrefix", prefix.default_prefix.is_some()),
        ("value", prefix.value.is_some()),
    ];
    one_of("The prefix rewrite", &members)?;
    let Some(value) = &prefix.value else {
        return Ok(());
    };
    if let Some(matched) = of.prefix.as_ref().filter(|prefix| !prefix.ends_with('/')) {
        return Err(error::bad_request(format!(
            "When prefix path for the rewrite is specified, prefix path for the match must end with '/', got: \
             {matched}"
        )));
    }
    match value.starts_with('/') && value.ends_with('/') {
        true => Ok(()),
        false => Err(error::bad_request(format!(
            "Prefix Path for the rewrite must start and end with '/', got: {value}"
        ))),
    }
}

fn grpc(route: &api::GrpcGatewayRoute) -> Result<(), AwsError> {
    let of = &route.r#match;
    hostname(of.hostname.as_ref())?;
    let given = of.metadata.as_deref().unwrap_or_default();
    given.iter().try_for_each(|m| {
        let method = m.r#match.as_ref().map(alike);
        headers(&m.name, method.as_ref())
    })
}

impl Checked for GatewayRoute {
    fn checked(spec: &api::GatewayRouteSpec) -> Result<(), AwsError> {
        let members = [
            ("grpc", spec.grpc_route.is_some()),
            ("http2", spec.http2_route.is_some()),
            ("http", spec.http_route.is_some()),
        ];
        of_protocol("The gateway route", listens_on(spec).0, &members)?;
        match (&spec.http_route, &spec.http2_route, &spec.grpc_route) {
            (Some(route), ..) | (_, Some(route), _) => http(route),
            (_, _, Some(route)) => grpc(route),
            _ => Ok(()),
        }
    }

    fn fits(world: &World, at: &At, spec: &api::GatewayRouteSpec) -> Result<(), AwsError> {
        let gateway = at.parent.as_deref().unwrap_or_default();
        if let Some(of) = world.gateways.get(gateway) {
            on_listener(spec, &of.spec, gateway)?;
        }
        match service(spec) {
            Some(service) if !world.services.contains_key(service) => {
                Err(error::missing(VirtualService::NOUN, service))
            }
            _ => Ok(()),
        }
    }

    fn has_room(world: &World, at: &At, account: &str) -> Result<(), AwsError> {
        let gateway = at.parent.as_deref().unwrap_or_default();
        if !world.gateways.contains_key(gateway) {
            let noun = VirtualGateway::NOUN;
            return Err(error::not_present(noun, gateway, &at.mesh, account));
        }
        let there = world.gateway_routes_of(gateway).count();
        let most = limit::GATEWAY_ROUTES_OF_GATEWAY;
        room(there, most, "gateway routes per virtual gateway")
    }
}
