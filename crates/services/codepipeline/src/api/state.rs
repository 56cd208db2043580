//! `GetPipelineState`: where executions are, stage by stage.

use super::pipeline;
use crate::CodePipeline;
use crate::controller::executions;
use crate::model::{ActionRun, ActionStatus, Execution, Moment, Pipeline, StageRun, conditions};
use crate::plan::conditions::found;
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn get_pipeline_state(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::GetPipelineStateInput,
) -> Result<api::GetPipelineStateOutput, AwsError> {
    let there = pipeline(&cx, &input.name).await?;
    let all = executions(cx.db(), &cx.scope, &input.name).await?;
    let mut all: Vec<Execution> = all.into_iter().map(|e| e.value).collect();
    all.sort_by_key(|e| e.number);
    let stages = there.declaration.stages.iter();
    let stages = stages.map(|stage| of_stage(&there, &all, stage)).collect();
    Ok(api::GetPipelineStateOutput {
        pipeline_name: Some(input.name),
        pipeline_version: there.declaration.version,
        stage_states: Some(stages),
        created: Some(there.created_at),
        updated: Some(there.updated_at),
    })
}

fn of_stage(
    pipeline: &Pipeline,
    all: &[Execution],
    stage: &api::StageDeclaration,
) -> api::StageState {
    let told = |execution: &Execution, status: &str| api::StageExecution {
        pipeline_execution_id: Some(execution.id.clone()),
        status: Some(status.into()),
        r#type: Some(
            if execution.rolls_back_to.is_some() {
                "ROLLBACK"
            } else {
                "STANDARD"
            }
            .into(),
        ),
    };
    let waits = |e: &&Execution| {
        let here = e.here().is_some_and(|here| here.name == stage.name);
        here && e.waits && !e.status.is_over()
    };
    let inbound: Vec<api::StageExecution> = all
        .iter()
        .filter(waits)
        .map(|e| told(e, e.status.name()))
        .collect();
    let latest = all.iter().rev();
    let latest = latest
        .filter_map(|e| Some((e, e.stage_run(&stage.name)?)))
        .max_by_key(|(e, run)| (run.entered_at, e.number));
    let disabled = pipeline.disabled.get(&stage.name);
    let retries = latest.map(|(_, run)| run.retries).filter(|r| *r != (0, 0));
    let number = |n: u32| i32::try_from(n).ok();
    api::StageState {
        stage_name: Some(stage.name.clone()),
        inbound_execution: inbound.last().cloned(),
        inbound_executions: Some(inbound),
        inbound_transition_state: Some(api::TransitionState {
            enabled: Some(disabled.is_none()),
            last_changed_by: disabled.map(|d| d.by.clone()),
            last_changed_at: disabled.map(|d| d.at),
            disabled_reason: disabled.map(|d| d.reason.clone()),
        }),
        action_states: Some(
            stage
                .actions
                .iter()
                .map(|action| of_action(all, latest.map(|(e, _)| e), stage, action))
                .collect(),
        ),
        latest_execution: latest.map(|(e, run)| told(e, run.status.name())),
        retry_stage_metadata: retries.map(|(by_itself, by_hand)| api::RetryStageMetadata {
            auto_stage_retry_attempt: number(by_itself).filter(|n| *n > 0),
            manual_stage_retry_attempt: number(by_hand).filter(|n| *n > 0),
            latest_retry_trigger: None,
        }),
        before_entry_condition_state: told_conditions(latest, stage, Moment::BeforeEntry),
        on_success_condition_state: told_conditions(latest, stage, Moment::OnSuccess),
        on_failure_condition_state: told_conditions(latest, stage, Moment::OnFailure),
    }
}

/// A stage's conditions of a moment in its newest execution; `None` where it has none.
fn told_conditions(
    latest: Option<(&Execution, &StageRun)>,
    stage: &api::StageDeclaration,
    moment: Moment,
) -> Option<api::StageConditionState> {
    let declared = conditions(stage, moment);
    if declared.is_empty() {
        return None;
    }
    let overridden = latest.is_some_and(|(_, run)| run.overridden.contains(&moment));
    let mut all = Vec::new();
    let mut worst = None;
    for condition in declared {
        let mut rules = Vec::new();
        let mut statuses = Vec::new();
        let mut changed = None;
        for rule in condition.rules.iter().flatten() {
            let run = latest.and_then(|(e, _)| found(e, &stage.name, moment, &rule.name));
            statuses.extend(run.map(|run| run.status));
            changed = changed.max(run.map(|run| run.updated_at));
            rules.push(api::RuleState {
                rule_name: Some(rule.name.clone()),
                latest_execution: run.map(|run| api::RuleExecution {
                    rule_execution_id: Some(run.id.clone()),
                    status: Some(run.status.name().into()),
                    summary: run.summary.clone(),
                    last_status_change: Some(run.updated_at),
                    last_updated_by: run.updated_by.clone(),
                    external_execution_id: run.external_id.clone(),
                    external_execution_url: run.external_url.clone(),
                    error_details: details(run),
                    ..Default::default()
                }),
                ..Default::default()
            });
        }
        let status = match () {
            () if statuses.is_empty() => None,
            () if overridden => Some("Overridden"),
            () if statuses.contains(&ActionStatus::Failed) => Some("Failed"),
            () if statuses.contains(&ActionStatus::Abandoned) => Some("Abandoned"),
            () if statuses.contains(&ActionStatus::InProgress) => Some("InProgress"),
            () => Some("Succeeded"),
        };
        worst = worst.or(status);
        all.push(api::ConditionState {
            latest_execution: status.map(|status| api::ConditionExecution {
                status: Some(status.into()),
                last_status_change: changed,
                ..Default::default()
            }),
            rule_states: Some(rules),
        });
    }
    Some(api::StageConditionState {
        latest_execution: worst.map(|status| api::StageConditionsExecution {
            status: Some(status.into()),
            ..Default::default()
        }),
        condition_states: Some(all),
    })
}

/// An action that the stage's newest execution has not come to shows what it came to before, as AWS does.
fn of_action(
    all: &[Execution],
    latest: Option<&Execution>,
    stage: &api::StageDeclaration,
    action: &api::ActionDeclaration,
) -> api::ActionState {
    let run_in = |e: &Execution| {
        let run = e.last_run(&stage.name, &action.name)?;
        Some((run.clone(), revision(e, &action.name)))
    };
    let found = latest.and_then(run_in);
    let found = found.or_else(|| all.iter().rev().find_map(run_in));
    let (run, current) = found.unzip();
    api::ActionState {
        action_name: Some(action.name.clone()),
        current_revision: current.flatten(),
        latest_execution: run.map(|run| executed(&run)),
        entity_url: None,
        revision_url: None,
    }
}

fn revision(execution: &Execution, action: &str) -> Option<api::ActionRevision> {
    let found = execution.revisions.iter().find(|r| r.action == action)?;
    Some(api::ActionRevision {
        revision_id: found.id.clone(),
        revision_change_id: found.id.clone(),
        created: found.created?,
    })
}

fn executed(run: &ActionRun) -> api::ActionExecution {
    let waits = run.status == ActionStatus::InProgress;
    api::ActionExecution {
        action_execution_id: Some(run.id.clone()),
        status: Some(run.status.name().into()),
        summary: run.summary.clone(),
        last_status_change: Some(run.updated_at),
        // It is of use while the answer is waited for.
        token: run.token.clone().filter(|_| waits),
        last_updated_by: run.updated_by.clone(),
        external_execution_id: run.external_id.clone(),
        external_execution_url: run.external_url.clone(),
        percent_complete: run.percent,
        error_details: details(run),
        log_stream_arn: run.progress.get("log").cloned(),
    }
}

pub fn details(run: &ActionRun) -> Option<api::ErrorDetails> {
    let (code, message) = run.error.clone()?;
    Some(api::ErrorDetails {
        code: Some(code),
        message: Some(message),
    })
}
