//! The events of what changed in an execution
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html>). Pure.

use crate::model::{ActionRun, ActionStatus, Execution, Status};
use neargate_service::Scope;
use serde_json::{Value, json};

pub const PIPELINE: &str = "CodePipeline Pipeline Execution State Change";
pub const STAGE: &str = "CodePipeline Stage Execution State Change";
pub const ACTION: &str = "CodePipeline Action Execution State Change";

/// What is to be told: the detail's type, and the detail.
pub fn changes(
    scope: &Scope,
    before: Option<&Execution>,
    after: &Execution,
) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    if before.map(|b| b.status) != Some(after.status) {
        let resumed = before.is_some_and(|b| b.status.is_over());
        let mut detail = head(after, state(after.status, resumed));
        detail["execution-trigger"] = json!({
            "trigger-type": after.trigger.0,
            "trigger-detail": after.trigger.1,
        });
        all.push((PIPELINE, detail));
    }
    for run in &after.stages {
        let was = before.and_then(|b| b.stage_run(&run.name));
        if was.map(|was| was.status) != Some(run.status) {
            let resumed = was.is_some_and(|was| was.status.is_over());
            let mut detail = head(after, state(run.status, resumed));
            detail["stage"] = json!(run.name);
            all.push((STAGE, detail));
        }
    }
    for run in &after.actions {
        let was = before.and_then(|b| b.actions.iter().find(|was| was.id == run.id));
        if was.is_none() && run.status != ActionStatus::InProgress {
            all.push((ACTION, action(scope, after, run, "STARTED")));
        }
        if was.map(|was| was.status) != Some(run.status) {
            let state = match run.status {
                ActionStatus::InProgress => "STARTED",
                ActionStatus::Abandoned => "ABANDONED",
                ActionStatus::Succeeded => "SUCCEEDED",
                ActionStatus::Failed => "FAILED",
            };
            all.push((ACTION, action(scope, after, run, state)));
        }
    }
    all
}

fn state(status: Status, resumed: bool) -> &'static str {
    match status {
        Status::InProgress if resumed => "RESUMED",
        Status::InProgress => "STARTED",
        Status::Stopping => "STOPPING",
        Status::Stopped => "STOPPED",
        Status::Succeeded => "SUCCEEDED",
        Status::Superseded => "SUPERSEDED",
        Status::Failed => "FAILED",
        Status::Cancelled => "CANCELED",
        Status::Skipped => "SKIPPED",
    }
}

fn head(execution: &Execution, state: &str) -> Value {
    json!({
        "pipeline": execution.declaration.name,
        "execution-id": execution.id,
        "start-time": execution.started_at.rfc3339(),
        "state": state,
        "version": f64::from(execution.declaration.version.unwrap_or(1)),
        "pipeline-execution-attempt": 1.0,
    })
}

fn action(scope: &Scope, execution: &Execution, run: &ActionRun, state: &str) -> Value {
    let mut detail = head(execution, state);
    detail["stage"] = json!(run.stage);
    detail["action"] = json!(run.action);
    detail["action-execution-id"] = json!(run.id);
    detail["region"] = json!(scope.region.as_str());
    if let Some(declared) = execution.declared(run) {
        let id = &declared.action_type_id;
        detail["type"] = json!({
            "owner": id.owner, "provider": id.provider, "category": id.category, "version": id.version,
        });
    }
    let mut result = json!({});
    if let Some(id) = &run.external_id {
        result["external-execution-id"] = json!(id);
    }
    if let Some(summary) = &run.summary {
        result["external-execution-summary"] = json!(summary);
    }
    if let Some((code, message)) = &run.error {
        result["error-code"] = json!(code);
        result["external-execution-summary"] = json!(message);
    }
    if result != json!({}) {
        detail["execution-result"] = result;
    }
    detail
}
