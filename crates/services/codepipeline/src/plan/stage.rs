//! An execution within a stage: which actions begin, and what the stage comes to. Pure.

use super::conditions::{Verdict, verdict};
use super::variables;
use crate::catalogue;
use crate::model::{ActionRun, ActionStatus, Execution, Moment, Place, Status};
use neargate_api_codepipeline as api;
use neargate_base::{Timestamp, uuid};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest that a custom action may take, as AWS's do.
const CUSTOM_MINUTES: u64 = 24 * 60;

/// Takes the execution as far as it goes without waiting. Answers the stage that is to be rolled back, if one is.
pub fn work(execution: &mut Execution, now: Timestamp) -> Option<String> {
    if execution.status.is_over() {
        return None;
    }
    if let Some(stop) = execution.stop.clone() {
        if stop.abandon {
            for run in every(execution) {
                abandon(run, now);
            }
        }
        if execution.running().next().is_none() && execution.asking().next().is_none() {
            end_stopped(execution);
            return None;
        }
    }
    if execution.waits {
        return None;
    }
    time_out(execution, now);
    if execution.stop.is_some() && execution.running().next().is_none() {
        // Rules are still being asked.
        return None;
    }
    let Some(stage) = execution.here().cloned() else {
        execution.status = Status::Succeeded;
        return None;
    };
    if execution.stop.is_none() && execution.stage_run(&stage.name).is_some() {
        match verdict(execution, &stage, Moment::BeforeEntry, now) {
            Verdict::Waits => return None,
            Verdict::Met => {}
            Verdict::Result(result) if result == "SKIP" => {
                leave(execution, &stage.name, Status::Skipped);
                return None;
            }
            Verdict::Result(_) => {
                end_failed(execution, &stage.name);
                return None;
            }
        }
    }
    let mut orders: Vec<i32> = stage
        .actions
        .iter()
        .map(|a| a.run_order.unwrap_or(1))
        .collect();
    orders.sort_unstable();
    orders.dedup();
    for order in orders {
        let of = |a: &&api::ActionDeclaration| a.run_order.unwrap_or(1) == order;
        let group: Vec<&api::ActionDeclaration> = stage.actions.iter().filter(of).collect();
        if execution.stop.is_none() {
            for action in &group {
                if execution.run(&stage.name, &action.name).is_none() {
                    let id = next_id(execution, &stage.name, &action.name);
                    let run = begun(execution, &stage.name, action, id, now);
                    execution.actions.push(run);
                }
            }
        }
        let status = |a: &&api::ActionDeclaration| {
            let run = execution.run(&stage.name, &a.name);
            run.map(|run| run.status)
        };
        let all: Vec<Option<ActionStatus>> = group.iter().map(status).collect();
        if all.contains(&Some(ActionStatus::InProgress)) {
            return None;
        }
        if all.iter().any(|s| *s != Some(ActionStatus::Succeeded)) {
            return fail(execution, &stage, now);
        }
    }
    succeed(execution, &stage, now)
}

/// All that was begun, actions and rules.
fn every(execution: &mut Execution) -> impl Iterator<Item = &mut ActionRun> {
    let rules = execution.rules.iter_mut().map(|rule| &mut rule.run);
    execution.actions.iter_mut().chain(rules)
}

fn abandon(run: &mut ActionRun, now: Timestamp) {
    if run.status == ActionStatus::InProgress {
        run.status = ActionStatus::Abandoned;
        run.updated_at = now;
    }
}

fn end_stopped(execution: &mut Execution) {
    execution.status = Status::Stopped;
    execution.summary = execution.stop.as_ref().and_then(|stop| stop.reason.clone());
    if !execution.waits
        && let Some(name) = execution.here().map(|s| s.name.clone())
        && let Some(run) = execution.stage_run_mut(&name)
    {
        run.status = Status::Stopped;
    }
}

fn time_out(execution: &mut Execution, now: Timestamp) {
    for run in every(execution) {
        if run.status == ActionStatus::InProgress && run.expires_at <= now {
            run.status = ActionStatus::Failed;
            run.updated_at = now;
            let message = match run.token {
                Some(_) => "The approval action expired before it was answered",
                None => "The action failed because it was not completed within its time",
            };
            run.error = Some(("TimeoutError".into(), message.into()));
        }
    }
}

fn succeed(
    execution: &mut Execution,
    stage: &api::StageDeclaration,
    now: Timestamp,
) -> Option<String> {
    if execution.stop.is_none() {
        match verdict(execution, stage, Moment::OnSuccess, now) {
            Verdict::Waits => return None,
            Verdict::Met => {}
            Verdict::Result(result) => {
                end_failed(execution, &stage.name);
                return rolled_back(execution, stage, &result);
            }
        }
    }
    leave(execution, &stage.name, Status::Succeeded);
    None
}

/// The execution goes on behind the stage, or is over where that was the last one.
fn leave(execution: &mut Execution, stage: &str, status: Status) {
    if let Some(run) = execution.stage_run_mut(stage) {
        run.status = status;
    }
    let is_last = execution.stage + 1 >= execution.declaration.stages.len();
    if is_last || execution.rolls_back_to.is_some() {
        execution.status = Status::Succeeded;
    } else {
        execution.stage += 1;
        execution.waits = true;
    }
}

fn end_failed(execution: &mut Execution, stage: &str) {
    if let Some(run) = execution.stage_run_mut(stage) {
        run.status = Status::Failed;
    }
    execution.status = Status::Failed;
}

/// The stage, where the result is that it is rolled back. What rolls back is not rolled back.
fn rolled_back(
    execution: &Execution,
    stage: &api::StageDeclaration,
    result: &str,
) -> Option<String> {
    let rolls = result == "ROLLBACK" && execution.rolls_back_to.is_none();
    rolls.then(|| stage.name.clone())
}

fn fail(
    execution: &mut Execution,
    stage: &api::StageDeclaration,
    now: Timestamp,
) -> Option<String> {
    let failure = stage.on_failure.as_ref();
    let declared = failure.and_then(|f| f.result.clone()).unwrap_or_default();
    let result = match execution.stop {
        Some(_) => declared,
        None => match verdict(execution, stage, Moment::OnFailure, now) {
            Verdict::Waits => return None,
            Verdict::Met => declared,
            Verdict::Result(result) => result,
        },
    };
    let retries = execution.stage_run(&stage.name).map(|run| run.retries);
    if result == "RETRY" && retries.is_some_and(|(by_itself, _)| by_itself == 0) {
        let mode = failure.and_then(|f| f.retry_configuration.as_ref());
        let mode = mode.and_then(|r| r.retry_mode.clone());
        again(
            execution,
            &stage.name,
            mode.as_deref() == Some("ALL_ACTIONS"),
            now,
        );
        if let Some(run) = execution.stage_run_mut(&stage.name) {
            run.retries.0 += 1;
        }
        return None;
    }
    if result == "SKIP" {
        leave(execution, &stage.name, Status::Skipped);
        return None;
    }
    end_failed(execution, &stage.name);
    rolled_back(execution, stage, &result)
}

/// Its actions are to be made again: all of them, or those that failed.
pub fn again(execution: &mut Execution, stage: &str, all: bool, now: Timestamp) {
    for run in &mut execution.actions {
        if run.stage == stage && (all || run.status != ActionStatus::Succeeded) {
            run.retired = true;
        }
    }
    for rule in &mut execution.rules {
        let settled = rule.moment == Moment::BeforeEntry
            && rule.run.status == ActionStatus::Succeeded
            && !all;
        if rule.run.stage == stage && !settled {
            rule.run.retired = true;
        }
    }
    execution.status = Status::InProgress;
    execution.stop = None;
    execution.summary = None;
    execution.waits = false;
    if let Some(run) = execution.stage_run_mut(stage) {
        run.status = Status::InProgress;
        run.entered_at = now;
    }
}

/// The id of the action's next attempt.
fn next_id(execution: &Execution, stage: &str, action: &str) -> String {
    let of = |run: &&ActionRun| run.stage == stage && run.action == action;
    let attempt = execution.actions.iter().filter(of).count();
    derived(&[&execution.id, stage, action, &attempt.to_string()])
}

/// An attempt of an action. One whose variables or inputs are not there has failed at once.
pub fn begun(
    execution: &Execution,
    stage: &str,
    action: &api::ActionDeclaration,
    id: String,
    now: Timestamp,
) -> ActionRun {
    let mut run = ActionRun {
        expires_at: now + lasts(action),
        inputs: BTreeMap::new(),
        outputs: places(execution, action, &id),
        id,
        stage: stage.to_owned(),
        action: action.name.clone(),
        status: ActionStatus::InProgress,
        started_at: now,
        updated_at: now,
        retired: false,
        configuration: BTreeMap::new(),
        summary: None,
        updated_by: None,
        external_id: None,
        external_url: None,
        percent: None,
        error: None,
        token: None,
        progress: BTreeMap::new(),
        variables: BTreeMap::new(),
    };
    let mut failed = |code: &str, message: String| {
        run.status = ActionStatus::Failed;
        run.error = Some((code.into(), message));
    };
    let empty = BTreeMap::new();
    let configuration = action.configuration.as_ref().unwrap_or(&empty);
    match variables::resolved(configuration, execution) {
        Ok(filled) => run.configuration = filled,
        Err(reference) => failed(
            "ConfigurationError",
            format!(
                "Invalid action configuration. The variable reference {reference} could not be resolved"
            ),
        ),
    }
    for input in action.input_artifacts.as_deref().unwrap_or_default() {
        match execution.artifacts.get(&input.name) {
            Some(place) => {
                run.inputs.insert(input.name.clone(), place.clone());
            }
            None => {
                run.status = ActionStatus::Failed;
                let message = format!("The input artifact {} was not made", input.name);
                run.error = Some(("ConfigurationError".into(), message));
            }
        }
    }
    run
}

/// How long an action may take.
fn lasts(action: &api::ActionDeclaration) -> Duration {
    let known = catalogue::find(&action.action_type_id);
    let most = known.map_or(CUSTOM_MINUTES, |known| known.timeout_minutes);
    let given = action
        .timeout_in_minutes
        .and_then(|n| u64::try_from(n).ok());
    let text = |key| action.configuration.as_ref()?.get(key)?.parse().ok();
    let given = given.or_else(|| text("DeploymentTimeout"));
    Duration::from_secs(60 * given.unwrap_or(most).max(1))
}

/// Where its artifacts come: names as AWS shortens them, and a part that no other action execution has.
fn places(
    execution: &Execution,
    action: &api::ActionDeclaration,
    id: &str,
) -> BTreeMap<String, Place> {
    let declaration = &execution.declaration;
    let regional = declaration.artifact_stores.as_ref();
    let of_region = regional.and_then(|all| match &action.region {
        Some(region) => all.get(region),
        None => all.values().next(),
    });
    let Some(store) = declaration.artifact_store.as_ref().or(of_region) else {
        return BTreeMap::new();
    };
    let cut = |text: &str, most| text.chars().take(most).collect::<String>();
    let outputs = action.output_artifacts.as_deref().unwrap_or_default();
    let place = |output: &api::OutputArtifact| {
        let own = derived(&[id, &output.name]).replace('-', "");
        let place = Place {
            bucket: store.location.clone(),
            key: format!(
                "{}/{}/{}",
                cut(&declaration.name, 20),
                cut(&output.name, 10),
                cut(&own, 12)
            ),
        };
        (output.name.clone(), place)
    };
    outputs.iter().map(place).collect()
}

/// An id that the same parts always make.
pub fn derived(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::text(bytes, 4)
}
