//! The filters an instance must pass. Each is one value that says whether a request enables it,
//! whether an instance passes, and what an instance that does not pass lacks; the functions here
//! are the one pipeline that runs them.
//!
//! The order is ECS's own: agent, attributes, resources, constraints
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-placement.html>). It
//! decides which of several lacks an instance is reported with.

mod constraint;
mod lack;
mod registration;
mod resources;

pub use lack::Lack;

use super::InstanceStatus;
use super::instance::Instance;
use super::request::{Constraint, Request};
use super::slots::{Free, Held};
use registration::{Agent, Attributes, Registered};
use resources::{Cpu, Eni, Gpu, Memory, Ports};

/// One filter.
trait Filter {
    /// Whether the request asks for anything that this filter looks at.
    fn enable(&self, request: &Request) -> bool;
    /// Whether the instance passes.
    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool;
    /// What an instance that did not pass lacks.
    fn explain(&self, request: &Request, on: &Candidate<'_>) -> Lack;
}

/// An instance as the filters look at it.
struct Candidate<'a> {
    held: &'a Held,
    /// What the instance has free.
    free: Free,
    /// How many tasks of the request's group it has, where that was counted already.
    of_group: Option<u32>,
}

impl Candidate<'_> {
    fn of_group(&self, group: &str) -> u32 {
        self.of_group.unwrap_or_else(|| self.held.of_group(group))
    }
}

/// The filters whose answer is [`Free::placeable`] for an instance that is `ACTIVE`.
const STANDING: [&dyn Filter; 2] = [&Registered, &Agent];
/// The filters, besides constraints, whose answer changes only with a registration.
const FIXED: [&dyn Filter; 1] = [&Attributes];
/// The filters, besides constraints, whose answer changes with every task.
const MOVING: [&dyn Filter; 5] = [&Cpu, &Memory, &Ports, &Eni, &Gpu];

/// Shows `each` what the instance lacks for one more such task, in order; nothing when it passes.
pub(super) fn lacks(request: &Request, held: &Held, mut each: impl FnMut(Lack)) {
    let on = Candidate {
        held,
        free: held.free(),
        of_group: None,
    };
    let mut run = |filter: &dyn Filter| {
        if filter.enable(request) && !filter.check(request, &on) {
            each(filter.explain(request, &on));
        }
    };
    STANDING.into_iter().for_each(&mut run);
    FIXED.into_iter().for_each(&mut run);
    MOVING.into_iter().for_each(&mut run);
    let constraints = request.constraints.iter();
    constraints.for_each(|constraint| run(constraint));
}

/// Whether the instance is one of those the request is about at all: of its launch type and
/// capacity provider, and not on its way out.
pub(super) fn concerns(request: &Request, held: &Held) -> bool {
    let active = |i: &Instance| i.status == InstanceStatus::Active && is_meant(request, i);
    held.instance.as_ref().is_some_and(active)
}

/// Whether the instance has the launch type and the capacity provider that are asked for.
fn is_meant(request: &Request, instance: &Instance) -> bool {
    instance.external == request.external
        && (request.capacity_provider.is_none()
            || request.capacity_provider == instance.capacity_provider)
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
    let on = Candidate {
        held,
        free: Free::default(),
        of_group: None,
    };
    let meant = |i: &Instance| is_meant(request, i);
    held.instance.as_ref().is_some_and(meant)
        && pass(FIXED, request, &on)
        && pass(constraints(request, true), request, &on)
}

/// The filters whose answer changes with tasks, connection and status. `free` is what the
/// instance has free, `of_group` how many tasks of the request's group it has.
pub(super) fn passes_moving(request: &Request, held: &Held, free: &Free, of_group: u32) -> bool {
    let on = Candidate {
        held,
        free: *free,
        of_group: Some(of_group),
    };
    free.placeable && pass(MOVING, request, &on) && pass(constraints(request, false), request, &on)
}

/// The constraints that ask for the registration only, or the others.
fn constraints(request: &Request, fixed: bool) -> impl Iterator<Item = &dyn Filter> {
    let constraints = request.constraints.iter();
    let those = constraints.filter(move |c| c.is_of_registration() == fixed);
    those.map(|c| c as &dyn Filter)
}

fn pass<'a>(
    filters: impl IntoIterator<Item = &'a dyn Filter>,
    request: &Request,
    on: &Candidate<'_>,
) -> bool {
    let mut filters = filters.into_iter();
    filters.all(|filter| !filter.enable(request) || filter.check(request, on))
}
