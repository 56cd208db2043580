//! What an instance lacks, in ECS's words and in words for people.

use super::resources::MAX_HOST_PORTS;
use crate::plan::placement::instance::Port;
use std::fmt;

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
    /// The port is taken; none named means that as many are in use as ECS reserves.
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
    pub(in crate::plan::placement) fn clause(&self) -> String {
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
