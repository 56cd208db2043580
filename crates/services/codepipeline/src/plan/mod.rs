//! What comes next of a pipeline's executions. Pure: the controller writes what this decides in one transaction,
//! and carries out the actions that it began.

pub mod conditions;
pub mod stage;
pub mod tell;
pub mod variables;

use crate::model::{Execution, PARALLEL, Pipeline, QUEUED, StageRun, Status};
use neargate_base::Timestamp;

/// What changes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Next {
    pub changed: Vec<Execution>,
    /// Stages that failed and are to be rolled back: the execution's id, and the stage.
    pub rollbacks: Vec<(String, String)>,
}

/// Takes every step that needs nothing but a decision. `active` are the executions that are not over, in any order.
pub fn next(pipeline: &Pipeline, active: &[Execution], now: Timestamp) -> Next {
    let mut all = active.to_vec();
    all.sort_by_key(|execution| execution.number);
    let mut rollbacks = Vec::new();
    loop {
        let before = all.clone();
        for execution in &mut all {
            if let Some(stage) = stage::work(execution, now) {
                rollbacks.push((execution.id.clone(), stage));
            }
        }
        enter(pipeline, &mut all, now);
        if all == before {
            break;
        }
    }
    let was = |execution: &Execution| active.iter().any(|before| before == execution);
    all.retain(|execution| !was(execution));
    for execution in &mut all {
        execution.updated_at = now;
    }
    Next {
        changed: all,
        rollbacks,
    }
}

/// Lets executions into the stages that they wait for, one into each, and replaces those that wait by a newer one
/// that came behind them.
fn enter(pipeline: &Pipeline, all: &mut [Execution], now: Timestamp) {
    let most = all.iter().map(|e| e.declaration.stages.len()).max();
    for stage in 0..most.unwrap_or(0) {
        let at = |e: &Execution| !e.status.is_over() && e.stage == stage;
        let mut waiting: Vec<usize> = (0..all.len())
            .filter(|&i| at(&all[i]) && all[i].waits && all[i].status == Status::InProgress)
            .collect();
        let occupied = all.iter().any(|e| at(e) && !e.waits);
        let Some(&newest) = waiting.last() else {
            continue;
        };
        match all[newest].mode() {
            PARALLEL => {
                for i in waiting {
                    go_in(&mut all[i], now);
                }
                continue;
            }
            QUEUED => waiting.truncate(1),
            _ => {
                for i in waiting.drain(..waiting.len() - 1) {
                    supersede(&mut all[i]);
                }
            }
        }
        let name = all[newest].here().map(|s| s.name.as_str());
        let closed = name.is_some_and(|name| pipeline.disabled.contains_key(name));
        if !occupied && !closed {
            for i in waiting {
                go_in(&mut all[i], now);
            }
        }
    }
}

fn supersede(execution: &mut Execution) {
    execution.status = Status::Superseded;
}

fn go_in(execution: &mut Execution, now: Timestamp) {
    let Some(name) = execution.here().map(|stage| stage.name.clone()) else {
        return;
    };
    execution.waits = false;
    let run = StageRun {
        name: name.clone(),
        status: Status::InProgress,
        entered_at: now,
        retries: (0, 0),
        overridden: Default::default(),
    };
    match execution.stage_run_mut(&name) {
        Some(there) => *there = run,
        None => execution.stages.push(run),
    }
}
