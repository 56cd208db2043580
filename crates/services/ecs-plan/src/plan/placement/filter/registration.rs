//! The filters that depend on what was registered. An instance of which only tasks are known fails
//! the first of them and passes the others.

use super::{Candidate, Filter, Lack};
use crate::plan::placement::InstanceStatus;
use crate::plan::placement::instance::Instance;
use crate::plan::placement::request::{Constraint, Request};

/// The attribute that says an instance's zone.
pub(super) const ZONE: &str = "ecs.availability-zone";

/// The instance is registered.
pub(super) struct Registered;

impl Filter for Registered {
    fn enable(&self, _: &Request) -> bool {
        true
    }

    fn check(&self, _: &Request, on: &Candidate<'_>) -> bool {
        let instance = on.held.instance.as_ref();
        instance.is_some_and(|i| i.status != InstanceStatus::Inactive)
    }

    fn explain(&self, _: &Request, _: &Candidate<'_>) -> Lack {
        Lack::Inactive
    }
}

/// Its agent is connected.
pub(super) struct Agent;

impl Filter for Agent {
    fn enable(&self, _: &Request) -> bool {
        true
    }

    fn check(&self, _: &Request, on: &Candidate<'_>) -> bool {
        on.held.instance.as_ref().is_none_or(|i| i.agent_connected)
    }

    fn explain(&self, _: &Request, _: &Candidate<'_>) -> Lack {
        Lack::Agent
    }
}

/// It has the attributes that the task definition requires, and is in one of the zones that the
/// task may be in: ECS counts the zone among the attributes.
pub(super) struct Attributes;

impl Filter for Attributes {
    fn enable(&self, request: &Request) -> bool {
        let zones = |c: &Constraint| matches!(c, Constraint::Zones(_));
        !request.required_attributes.is_empty() || request.constraints.iter().any(zones)
    }

    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool {
        let instance = on.held.instance.as_ref();
        instance.is_none_or(|i| missing(request, i).is_none())
    }

    fn explain(&self, request: &Request, on: &Candidate<'_>) -> Lack {
        let instance = on.held.instance.as_ref();
        let name = instance.and_then(|i| missing(request, i));
        Lack::Attribute(name.unwrap_or_default().to_owned())
    }
}

/// The first attribute that the instance lacks or has with another value.
fn missing<'a>(request: &'a Request, instance: &Instance) -> Option<&'a str> {
    let mut required = request.required_attributes.iter();
    let lacks = |(name, value): &&(String, Option<String>)| {
        let own = instance.attributes.get(name);
        !own.is_some_and(|own| value.is_none() || own == value)
    };
    if let Some((name, _)) = required.find(lacks) {
        return Some(name);
    }
    (!in_zones(request, instance)).then_some(ZONE)
}

fn in_zones(request: &Request, instance: &Instance) -> bool {
    let zone = || instance.attributes.get(ZONE)?.as_ref();
    request.constraints.iter().all(|c| match c {
        Constraint::Zones(zones) => zone().is_some_and(|zone| zones.contains(zone)),
        Constraint::MemberOf(_) | Constraint::DistinctInstance => true,
    })
}
