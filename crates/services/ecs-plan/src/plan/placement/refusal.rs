//! Why a task could not be placed, in ECS's words.

use super::filter::{Lack, concerns, lacks};
use super::instance::InstanceId;
use super::request::Request;
use super::slots::Held;
use std::collections::BTreeMap;

/// So many instances are named one by one in a refusal.
pub const MAX_NAMED: usize = 100;

/// No instance could take the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Instances of the cluster that were considered: ACTIVE, of the launch type and the
    /// capacity provider asked for.
    pub considered: usize,
    /// By reason (see [`Lack::reason`]): how many instances failed for it first.
    pub failed: BTreeMap<&'static str, usize>,
    /// For each instance, by id, what it lacks first: the `failures` of RunTask. The first
    /// [`MAX_NAMED`].
    pub failures: Vec<(InstanceId, Lack)>,
    /// The instance that passed the most filters.
    pub closest: Option<Closest>,
    by_provider: bool,
}

/// The instance nearest to fitting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closest {
    pub instance: InstanceId,
    /// All it lacks, at least one, in the order of the filters.
    pub lacks: Vec<Lack>,
}

impl Refusal {
    /// Looks at every instance; `by_id` is in order of their ids.
    pub(super) fn of<'a>(request: &Request, by_id: impl Iterator<Item = &'a Held>) -> Refusal {
        let mut refusal = Refusal {
            considered: 0,
            failed: BTreeMap::new(),
            failures: Vec::new(),
            closest: None,
            by_provider: request.capacity_provider.is_some(),
        };
        let mut closest: Option<(usize, &Held)> = None;
        for held in by_id.filter(|held| concerns(request, held)) {
            refusal.considered += 1;
            let (mut first, mut count) = (None, 0);
            lacks(request, held, |lack| {
                first.get_or_insert(lack);
                count += 1;
            });
            let Some(first) = first else { continue };
            *refusal.failed.entry(first.reason()).or_default() += 1;
            if refusal.failures.len() < MAX_NAMED {
                refusal.failures.push((held.id.clone(), first));
            }
            if closest.is_none_or(|(least, _)| count < least) {
                closest = Some((count, held));
            }
        }
        refusal.closest = closest.map(|(_, held)| {
            let mut all = Vec::new();
            lacks(request, held, |lack| all.push(lack));
            Closest {
                instance: held.id.clone(),
                lacks: all,
            }
        });
        refusal
    }

    /// The cluster (or capacity provider) has nothing to place on: RunTask answers this with
    /// an InvalidParameterException of this text rather than with failures.
    pub fn nowhere(&self) -> Option<&'static str> {
        (self.considered == 0).then_some(match self.by_provider {
            false => "No Container Instances were found in your cluster.",
            true => "No Container Instances were found in your capacity provider.",
        })
    }

    /// The service event's sentences after `(service NAME) `
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html>).
    pub fn service_event(&self) -> String {
        let reason = match (self.nowhere(), &self.closest) {
            (Some(nowhere), _) => format!(" Reason: {nowhere}"),
            (None, Some(Closest { instance, lacks })) => format!(
                " The closest matching container-instance {instance} {}.",
                lacks[0].clause().trim_end_matches('.')
            ),
            (None, None) => String::new(),
        };
        format!(
            "was unable to place a task because no container instance met all of its \
             requirements.{reason} For more information, see the Troubleshooting section of \
             the Amazon ECS Developer Guide."
        )
    }
}
