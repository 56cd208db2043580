//! The filters an instance must pass, and what one that fails them lacks.
//!
//! The order is ECS's own: agent, attributes, resources, constraints
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html>). It
//! decides which of several lacks an instance is reported with.

use super::instance::{Instance, Port};
use super::request::{Constraint, Request};
use super::slots::{Free, Held};
use std::fmt;

/// ECS reserves no more fixed host ports than this on an instance at a time
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>).
pub const MAX_HOST_PORTS: usize = 100;

/// Why an instance cannot take a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Its agent is not connected.
    Agent,
    /// It is deregistered.
    Inactive,
    /// It lacks this attribute, or has it with another value.
    Attribute(String),
    Cpu {
        needed: u32,
        free: i64,
    },
    Memory {
        needed: u32,
        free: i64,
    },
    /// The port is taken; none named means that there are [`MAX_HOST_PORTS`] already.
    Port(Option<Port>),
    Eni,
    Gpu {
        needed: u32,
        free: i64,
    },
    /// The `memberOf` expression that does not select it.
    MemberOf(String),
    /// A task of the same group is there already.
    DistinctInstance,
}

/// Shows each lack to `each` in order until it answers false.
pub(super) fn lacks(request: &Request, held: &Held, each: &mut dyn FnMut(Lack) -> bool) {
    let _ = by_registration(request, held, each) && by_load(request, held, each);
}

/// Whether the instance is one of those the request is about at all: of its launch type and
/// capacity provider, and not on its way out.
pub(super) fn concerns(request: &Request, held: &Held) -> bool {
    held.instance.as_ref().is_some_and(|i| {
        i.status == super::InstanceStatus::Active
            && i.external == request.external
            && (request.capacity_provider.is_none()
                || request.capacity_provider == i.capacity_provider)
    })
}

/// The filters that depend only on what was registered: false when one failed and `each` had
/// enough.
fn by_registration(request: &Request, held: &Held, each: &mut dyn FnMut(Lack) -> bool) -> bool {
    let Some(instance) = &held.instance else {
        return each(Lack::Inactive);
    };
    if instance.status == super::InstanceStatus::Inactive && !each(Lack::Inactive) {
        return false;
    }
    if !instance.agent_connected && !each(Lack::Agent) {
        return false;
    }
    let missing = request.required_attributes.iter().find(|(name, value)| {
        match (instance.attributes.get(name), value) {
            (None, _) => true,
            (Some(own), Some(_)) => own != value,
            (Some(_), None) => false,
        }
    });
    if let Some((name, _)) = missing {
        return each(Lack::Attribute(name.clone()));
    }
    in_zones(request, instance) || each(Lack::Attribute(ZONE.into()))
}

/// The attribute that says an instance's zone.
const ZONE: &str = "ecs.availability-zone";

fn in_zones(request: &Request, instance: &Instance) -> bool {
    let zone = || instance.attributes.get(ZONE)?.as_ref();
    request.constraints.iter().all(|c| match c {
        Constraint::Zones(zones) => zone().is_some_and(|zone| zones.contains(zone)),
        Constraint::MemberOf(_) | Constraint::DistinctInstance => true,
    })
}

fn by_load(request: &Request, held: &Held, each: &mut dyn FnMut(Lack) -> bool) -> bool {
    let (claim, free) = (&request.claim, held.free());
    let short = |needed: u32, free: i64| needed > 0 && free < i64::from(needed);
    let needed = claim.cpu_units;
    if short(needed, free.cpu_units)
        && !each(Lack::Cpu {
            needed,
            free: free.cpu_units,
        })
    {
        return false;
    }
    let needed = claim.memory_mib;
    if short(needed, free.memory_mib)
        && !each(Lack::Memory {
            needed,
            free: free.memory_mib,
        })
    {
        return false;
    }
    if let Some(lack) = port(request, held)
        && !each(lack)
    {
        return false;
    }
    if claim.eni && free.enis < 1 && !each(Lack::Eni) {
        return false;
    }
    let needed = claim.gpus;
    if short(needed, free.gpus)
        && !each(Lack::Gpu {
            needed,
            free: free.gpus,
        })
    {
        return false;
    }
    constraints(request, held, each)
}

fn port(request: &Request, held: &Held) -> Option<Lack> {
    let ports = &request.claim.ports;
    if ports.is_empty() {
        return None;
    }
    let taken = ports.iter().enumerate().find(|(nth, port)| {
        // A task cannot have one port twice either.
        ports[..*nth].contains(port) || held.port_in_use(port)
    });
    match taken {
        Some((_, port)) => Some(Lack::Port(Some(*port))),
        None if held.ports_in_use() + ports.len() > MAX_HOST_PORTS => Some(Lack::Port(None)),
        None => None,
    }
}

fn constraints(request: &Request, held: &Held, each: &mut dyn FnMut(Lack) -> bool) -> bool {
    request.constraints.iter().all(|constraint| {
        let lack = match constraint {
            Constraint::DistinctInstance => {
                (held.of_group(&request.claim.group) > 0).then_some(Lack::DistinctInstance)
            }
            // Among the attributes.
            Constraint::Zones(_) => None,
            Constraint::MemberOf(expression) => {
                (!expression.selects(held)).then(|| Lack::MemberOf(expression.source().to_owned()))
            }
        };
        lack.is_none_or(&mut *each)
    })
}

/// Whether the instance has the attributes and satisfies the `memberOf` constraints, whatever
/// is free on it and whether or not its agent is connected now.
pub(super) fn allows(request: &Request, held: &Held) -> bool {
    passes_fixed(request, held)
        && request.constraints.iter().all(|c| match c {
            Constraint::MemberOf(e) => e.selects(held),
            Constraint::DistinctInstance | Constraint::Zones(_) => true,
        })
}

/// The filters whose answer changes only with an instance's registration. Their answer is
/// kept by an index; [`passes_moving`] asks the others.
pub(super) fn passes_fixed(request: &Request, held: &Held) -> bool {
    let Some(instance) = &held.instance else {
        return false;
    };
    instance.external == request.external
        && (request.capacity_provider.is_none()
            || request.capacity_provider == instance.capacity_provider)
        && request.required_attributes.iter().all(|(name, value)| {
            let own = instance.attributes.get(name);
            own.is_some_and(|own| value.is_none() || own == value)
        })
        && in_zones(request, instance)
        && request.constraints.iter().all(|c| match c {
            Constraint::MemberOf(e) if !e.of_tasks() => e.selects(held),
            Constraint::MemberOf(_) | Constraint::DistinctInstance | Constraint::Zones(_) => true,
        })
}

/// The filters whose answer changes with tasks, connection and status. `free` is what the
/// instance has free, `of_group` how many tasks of the request's group it has.
pub(super) fn passes_moving(request: &Request, held: &Held, free: &Free, of_group: u32) -> bool {
    let claim = &request.claim;
    let fits = |needed: u32, free: i64| needed == 0 || free >= i64::from(needed);
    free.placeable
        && fits(claim.cpu_units, free.cpu_units)
        && fits(claim.memory_mib, free.memory_mib)
        && fits(claim.gpus, free.gpus)
        && (!claim.eni || free.enis > 0)
        && port(request, held).is_none()
        && request.constraints.iter().all(|c| match c {
            Constraint::DistinctInstance => of_group == 0,
            Constraint::MemberOf(e) => !e.of_tasks() || e.selects(held),
            Constraint::Zones(_) => true,
        })
}

impl Lack {
    /// The `reason` of a `failure`
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>).
    pub fn reason(&self) -> &'static str {
        match self {
            Lack::Agent => "AGENT",
            Lack::Inactive => "INACTIVE",
            Lack::Attribute(_) => "ATTRIBUTE",
            Lack::Cpu { .. } => "RESOURCE:CPU",
            Lack::Memory { .. } => "RESOURCE:MEMORY",
            Lack::Port(_) => "RESOURCE:PORTS",
            Lack::Eni => "RESOURCE:ENI",
            Lack::Gpu { .. } => "RESOURCE:GPU",
            Lack::MemberOf(_) => "MemberOf placement constraint unsatisfied.",
            Lack::DistinctInstance => "DistinctInstance placement constraint unsatisfied.",
        }
    }

    /// What a service event says of the closest matching instance.
    pub(super) fn clause(&self) -> String {
        match self {
            Lack::Cpu { .. } => "has insufficient CPU units available".into(),
            Lack::Memory { .. } => "has insufficient memory available".into(),
            Lack::Port(_) => "is already using a port required by your task".into(),
            Lack::Attribute(_) => "is missing an attribute required by your task".into(),
            Lack::Agent
            | Lack::Inactive
            | Lack::Eni
            | Lack::Gpu { .. }
            | Lack::MemberOf(_)
            | Lack::DistinctInstance => format!("encountered error \"{}\"", self.reason()),
        }
    }
}

/// For people: the numbers and names that AWS's words leave out.
impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lack::Agent => f.write_str("its agent is not connected"),
            Lack::Inactive => f.write_str("it is not registered"),
            Lack::Attribute(name) => write!(f, "it lacks the attribute {name}"),
            Lack::Cpu { needed, free } => {
                write!(f, "{free} CPU units are free, {needed} are needed")
            }
            Lack::Memory { needed, free } => {
                write!(f, "{free} MiB of memory are free, {needed} are needed")
            }
            Lack::Port(Some((protocol, port))) => {
                write!(f, "{} port {port} is in use", protocol.as_str())
            }
            Lack::Port(None) => write!(f, "{MAX_HOST_PORTS} host ports are in use"),
            Lack::Eni => f.write_str("no network interface is free"),
            Lack::Gpu { needed, free } => write!(f, "{free} GPUs are free, {needed} are needed"),
            Lack::MemberOf(expression) => write!(f, "it is not selected by '{expression}'"),
            Lack::DistinctInstance => f.write_str("a task of the same group is there"),
        }
    }
}
