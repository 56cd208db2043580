//! The filters that depend on what the instance has free.

use super::{Candidate, Filter, Lack};
use crate::plan::placement::instance::Port;
use crate::plan::placement::request::Request;
use crate::plan::placement::slots::Held;

/// ECS reserves no more fixed host ports than this on an instance at a time
/// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_PortMapping.html>).
pub(super) const MAX_HOST_PORTS: usize = 100;

/// As many CPU units as the task claims are free.
pub(super) struct Cpu;

impl Filter for Cpu {
    fn enable(&self, request: &Request) -> bool {
        request.claim.cpu_units > 0
    }

    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool {
        on.free.cpu_units >= i64::from(request.claim.cpu_units)
    }

    fn explain(&self, request: &Request, on: &Candidate<'_>) -> Lack {
        Lack::Cpu {
            needed: request.claim.cpu_units,
            free: on.free.cpu_units,
        }
    }
}

/// As much memory as the task claims is free.
pub(super) struct Memory;

impl Filter for Memory {
    fn enable(&self, request: &Request) -> bool {
        request.claim.memory_mib > 0
    }

    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool {
        on.free.memory_mib >= i64::from(request.claim.memory_mib)
    }

    fn explain(&self, request: &Request, on: &Candidate<'_>) -> Lack {
        Lack::Memory {
            needed: request.claim.memory_mib,
            free: on.free.memory_mib,
        }
    }
}

/// The host ports that the task names are free, and do not exceed [`MAX_HOST_PORTS`].
pub(super) struct Ports;

impl Filter for Ports {
    fn enable(&self, request: &Request) -> bool {
        !request.claim.ports.is_empty()
    }

    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool {
        taken(request, on.held).is_none() && !too_many(request, on.held)
    }

    fn explain(&self, request: &Request, on: &Candidate<'_>) -> Lack {
        Lack::Port(taken(request, on.held).copied())
    }
}

/// The first of the ports that is in use.
fn taken<'a>(request: &'a Request, held: &Held) -> Option<&'a Port> {
    let ports = &request.claim.ports;
    let taken = |(nth, port): &(usize, &Port)| {
        // A task cannot have one port twice either.
        ports[..*nth].contains(*port) || held.port_in_use(port)
    };
    ports.iter().enumerate().find(taken).map(|(_, port)| port)
}

fn too_many(request: &Request, held: &Held) -> bool {
    held.ports_in_use() + request.claim.ports.len() > MAX_HOST_PORTS
}

/// One more task may have a network interface of its own.
pub(super) struct Eni;

impl Filter for Eni {
    fn enable(&self, request: &Request) -> bool {
        request.claim.eni
    }

    fn check(&self, _: &Request, on: &Candidate<'_>) -> bool {
        on.free.enis > 0
    }

    fn explain(&self, _: &Request, _: &Candidate<'_>) -> Lack {
        Lack::Eni
    }
}

/// As many GPUs as the task claims are free.
pub(super) struct Gpu;

impl Filter for Gpu {
    fn enable(&self, request: &Request) -> bool {
        request.claim.gpus > 0
    }

    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool {
        on.free.gpus >= i64::from(request.claim.gpus)
    }

    fn explain(&self, request: &Request, on: &Candidate<'_>) -> Lack {
        Lack::Gpu {
            needed: request.claim.gpus,
            free: on.free.gpus,
        }
    }
}
