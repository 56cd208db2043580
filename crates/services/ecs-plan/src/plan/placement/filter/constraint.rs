//! Each placement constraint of a request is a filter.

use super::registration::ZONE;
use super::{Candidate, Filter, Lack};
use crate::plan::placement::request::{Constraint, Request};

impl Filter for Constraint {
    fn enable(&self, _: &Request) -> bool {
        // The zones are checked among the attributes.
        !matches!(self, Constraint::Zones(_))
    }

    fn check(&self, request: &Request, on: &Candidate<'_>) -> bool {
        match self {
            Constraint::DistinctInstance => on.of_group(&request.claim.group) == 0,
            Constraint::MemberOf(expression) => expression.selects(on.held),
            Constraint::Zones(_) => true,
        }
    }

    fn explain(&self, _: &Request, _: &Candidate<'_>) -> Lack {
        match self {
            Constraint::DistinctInstance => Lack::DistinctInstance,
            Constraint::MemberOf(expression) => Lack::MemberOf(expression.source().to_owned()),
            Constraint::Zones(_) => Lack::Attribute(ZONE.into()),
        }
    }
}
