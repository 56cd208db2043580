//! What specifications may be: alone ([`Checked::checked`]), and beside what else is in the mesh
//! ([`Checked::fits`]).

pub mod gateway;
pub mod gateway_route;
pub mod matching;
pub mod node;
pub mod route;
pub mod router;
pub mod service;
pub mod tls;

use super::dependency::Needed;
use super::world::World;
use crate::error;
use crate::model::{At, Mesh};
use neargate_service::AwsError;
use neargate_wire::structure::{self, Structure};

/// How many objects of a kind there may be. AWS's quotas can be raised by asking
/// (<https://docs.aws.amazon.com/general/latest/gr/appmesh.html>); here there is nobody to ask, so that these
/// are ten times AWS's defaults.
pub mod limit {
    pub const BACKENDS_OF_NODE: usize = 500;
    pub const GATEWAY_ROUTES_OF_GATEWAY: usize = 100;
    pub const GATEWAYS_OF_MESH: usize = 30;
    pub const NODES_OF_MESH: usize = 2_000;
    pub const ROUTERS_OF_MESH: usize = 2_000;
    pub const ROUTES_OF_ROUTER: usize = 500;
    pub const SERVICES_OF_MESH: usize = 2_000;
}

pub trait Checked: Needed {
    /// # Errors
    /// `BadRequestException` where the specification contradicts itself.
    fn checked(spec: &Self::Spec) -> Result<(), AwsError>;

    /// # Errors
    /// Where it names what is not there, or does not go with it.
    fn fits(world: &World, at: &At, spec: &Self::Spec) -> Result<(), AwsError>;

    /// May there be one more?
    ///
    /// # Errors
    /// `LimitExceededException`; that its parent is not there.
    fn has_room(world: &World, at: &At, account: &str) -> Result<(), AwsError>;
}

impl Checked for Mesh {
    fn checked(_: &Self::Spec) -> Result<(), AwsError> {
        Ok(())
    }

    fn fits(_: &World, _: &At, _: &Self::Spec) -> Result<(), AwsError> {
        Ok(())
    }

    fn has_room(_: &World, _: &At, _: &str) -> Result<(), AwsError> {
        Ok(())
    }
}

fn room(there: usize, most: usize, what: &str) -> Result<(), AwsError> {
    match there < most {
        true => Ok(()),
        false => Err(error::limit(what, most)),
    }
}

/// Of a union exactly one member must be set.
pub fn one_of(what: &str, members: &[(&str, bool)]) -> Result<(), AwsError> {
    if members.iter().filter(|(_, is_set)| *is_set).count() == 1 {
        return Ok(());
    }
    let names: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    Err(error::bad_request(format!(
        "{what} must have exactly one of: {}",
        names.join(", ")
    )))
}

/// Members of a union of which the one with a protocol's name alone may be set.
pub fn of_protocol(what: &str, protocol: &str, members: &[(&str, bool)]) -> Result<(), AwsError> {
    one_of(what, members)?;
    let named = members.iter().find(|(_, is_set)| *is_set);
    match named {
        Some((name, _)) if *name != protocol => Err(error::bad_request(format!(
            "{what} of protocol {name} does not match the listener's protocol {protocol}"
        ))),
        _ => Ok(()),
    }
}

/// Listeners have different ports.
pub fn distinct_ports(noun: &str, ports: impl IntoIterator<Item = i32>) -> Result<(), AwsError> {
    let mut seen = std::collections::BTreeSet::new();
    for port in ports {
        if !seen.insert(port) {
            return Err(error::bad_request(format!(
                "{noun} has more than one listener with port {port}"
            )));
        }
    }
    Ok(())
}

/// A structure of a virtual gateway as the virtual nodes' that has the same members under another name. What
/// the other has beyond these stays unset.
pub fn alike<A: Structure, B: Structure>(given: &A) -> B {
    structure::from_value(given.to_value())
}
