//! What comes next with a stack. Pure.

use super::scene::Scene;
use crate::model::{Phase, StackResource, Stage};
use neargate_base::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// A resource that is not as it should be by then will not be.
const LONGEST: Duration = Duration::from_secs(3 * 60 * 60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make the resource what the template says.
    Begin(String),
    /// Go on with one that is being made.
    Continue(String),
    /// Something else has failed: let it be.
    Cancel(String),
    /// Make it what it was.
    Revert(String),
    /// Take away what it is, when all of it is to go, and what it was.
    Delete(String, Whole),
    /// See whether the stack above has decided.
    Hold,
    /// This phase is over.
    Finish,
    /// This phase cannot go on.
    Fail(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    All,
    /// Only what it is no longer.
    Doomed,
}

pub fn next(scene: &Scene, now: Timestamp) -> Vec<Step> {
    match scene.operation.phase {
        Phase::Create | Phase::Update => forward(scene, now),
        Phase::RollBackUpdate => back(scene),
        Phase::Held => vec![Step::Hold],
        Phase::CleanUp | Phase::CleanUpRollBack => sweep(scene),
        Phase::Delete | Phase::RollBackCreate => take_away(scene),
    }
}

fn forward(scene: &Scene, now: Timestamp) -> Vec<Step> {
    let own = |name: &String| scene.resources.get(name).filter(|r| scene.is_of_this(r));
    let working = |r: &StackResource| matches!(r.stage, Stage::Calling | Stage::Settling);
    let begun = scene.operation.begun_at;
    let limit = scene
        .stack
        .timeout_minutes
        .filter(|_| scene.operation.phase == Phase::Create);
    let limit = limit.map_or(LONGEST, |minutes| {
        Duration::from_secs(u64::from(minutes) * 60)
    });
    let failed: Vec<&str> = scene
        .wanted
        .iter()
        .filter(|name| own(name).is_some_and(|r| r.stage == Stage::Failed))
        .map(String::as_str)
        .collect();
    let is_late = now > begun + limit;
    let is_cancelled = scene.operation.cancelled;
    if !failed.is_empty() || is_late || scene.broken.is_some() || is_cancelled {
        let open = scene
            .wanted
            .iter()
            .filter(|name| own(name).is_some_and(|r| working(r)));
        let cancels: Vec<Step> = open.cloned().map(Step::Cancel).collect();
        if !cancels.is_empty() {
            return cancels;
        }
        let verb = if scene.operation.phase == Phase::Create {
            "create"
        } else {
            "update"
        };
        return vec![Step::Fail(match &scene.broken {
            Some(why) => why.clone(),
            None if is_cancelled => "User Initiated".into(),
            None if failed.is_empty() => format!("Stack {verb} timed out."),
            None => format!(
                "The following resource(s) failed to {verb}: [{}]. ",
                failed.join(", ")
            ),
        })];
    }
    let is_done = |name: &String| own(name).is_some_and(|r| r.stage == Stage::Done);
    let mut steps = Vec::new();
    for name in &scene.wanted {
        match own(name) {
            Some(resource) if working(resource) => steps.push(Step::Continue(name.clone())),
            Some(_) => {}
            None => {
                let needs = scene.dependencies.get(name).into_iter().flatten();
                // What its condition leaves out is not waited for.
                let mut needs = needs.filter(|need| scene.wanted.contains(need));
                if needs.all(is_done) {
                    steps.push(Step::Begin(name.clone()));
                }
            }
        }
    }
    if scene.wanted.iter().all(is_done) {
        return vec![Step::Finish];
    }
    steps
}

/// Those that the failed update has changed, and that are not yet what they were.
fn back(scene: &Scene) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, resource) in &scene.resources {
        let is_own = scene.is_of_this(resource);
        match resource.stage {
            Stage::Failed if is_own => {
                return vec![Step::Fail(format!(
                    "The following resource(s) failed to update: [{name}]. "
                ))];
            }
            Stage::Calling | Stage::Settling if is_own => steps.push(Step::Continue(name.clone())),
            _ if !is_own && was_changed(scene, resource) && resource.before.is_some() => {
                steps.push(Step::Revert(name.clone()));
            }
            _ => {}
        }
    }
    if steps.is_empty() {
        vec![Step::Finish]
    } else {
        steps
    }
}

fn was_changed(scene: &Scene, resource: &StackResource) -> bool {
    scene.operation.rolls_back.as_ref() == Some(&resource.operation)
}

/// What is left over once all is as it should be.
fn sweep(scene: &Scene) -> Vec<Step> {
    if let Some(why) = &scene.broken {
        return vec![Step::Fail(why.clone())];
    }
    let wanted: BTreeSet<&String> = scene.wanted.iter().collect();
    let mut over: Vec<(&String, Whole)> = Vec::new();
    for (name, resource) in &scene.resources {
        if !wanted.contains(name) {
            over.push((name, Whole::All));
        } else if !resource.doomed.is_empty() {
            over.push((name, Whole::Doomed));
        }
    }
    deletions(scene, &over)
}

fn take_away(scene: &Scene) -> Vec<Step> {
    let left = scene.resources.iter().filter(|(_, r)| {
        let is_over = scene.is_of_this(r)
            && matches!(
                r.status.as_str(),
                "DELETE_COMPLETE" | "DELETE_SKIPPED" | "DELETE_FAILED"
            );
        !is_over
    });
    let left: Vec<(&String, Whole)> = left.map(|(name, _)| (name, Whole::All)).collect();
    deletions(scene, &left)
}

/// Of what is to go, that on which nothing else depends that is to go.
fn deletions(scene: &Scene, left: &[(&String, Whole)]) -> Vec<Step> {
    if left.is_empty() {
        return vec![Step::Finish];
    }
    let names: BTreeSet<&String> = left.iter().map(|(name, _)| *name).collect();
    let needed: BTreeSet<&String> = names
        .iter()
        .filter_map(|name| scene.resources.get(*name))
        .flat_map(|resource| {
            resource
                .depends_on
                .iter()
                .filter(|need| **need != resource.logical_id)
        })
        .collect();
    let free = left.iter().filter(|(name, _)| !needed.contains(name));
    let steps: Vec<Step> = free
        .map(|(name, whole)| Step::Delete((*name).clone(), *whole))
        .collect();
    if !steps.is_empty() {
        return steps;
    }
    // Old and new dependencies may make a circle: then any order does.
    left.iter()
        .map(|(name, whole)| Step::Delete((*name).clone(), *whole))
        .collect()
}
