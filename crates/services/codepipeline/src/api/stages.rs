//! What people do with stages: transitions, retries, rollbacks, approvals.

use super::{execution, pipeline};
use crate::controller::executions;
use crate::model::{ActionStatus, Disabled, Execution, PARALLEL, Pipeline, Status};
use crate::plan::stage;
use crate::{CodePipeline, error, start};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use std::sync::Arc;

pub fn declared<'a>(
    pipeline: &'a Pipeline,
    name: &str,
) -> Result<&'a api::StageDeclaration, AwsError> {
    let declaration = &pipeline.declaration;
    let found = declaration.stages.iter().find(|stage| stage.name == name);
    found.ok_or_else(|| error::stage_not_found(&declaration.name, name))
}

fn inbound(kind: &str) -> Result<(), AwsError> {
    match kind {
        "Inbound" => Ok(()),
        _ => Err(error::not_built("transitions that are not Inbound:")),
    }
}

async fn transition(
    cx: &Ctx,
    name: &str,
    stage: &str,
    disabled: Option<Disabled>,
) -> Result<(), AwsError> {
    loop {
        let there = pipeline(cx, name).await?;
        declared(&there, stage)?;
        if there.declaration.execution_mode.as_deref() == Some(PARALLEL) {
            return Err(error::validation(
                "Stage transitions cannot be changed for pipelines in PARALLEL mode",
            ));
        }
        let mut after = there.value.clone();
        match &disabled {
            Some(disabled) => after.disabled.insert(stage.to_owned(), disabled.clone()),
            None => after.disabled.remove(stage),
        };
        if let Committed::At(_) = cx.db().tx().update(&there, &after).commit().await? {
            return Ok(());
        }
    }
}

pub async fn disable_stage_transition(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::DisableStageTransitionInput,
) -> Result<api::ops::DisableStageTransitionOutput, AwsError> {
    inbound(&input.transition_type)?;
    let disabled = Disabled {
        reason: input.reason,
        by: cx.principal.arn.clone(),
        at: cx.now(),
    };
    transition(&cx, &input.pipeline_name, &input.stage_name, Some(disabled)).await?;
    Ok(Default::default())
}

pub async fn enable_stage_transition(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::EnableStageTransitionInput,
) -> Result<api::ops::EnableStageTransitionOutput, AwsError> {
    inbound(&input.transition_type)?;
    transition(&cx, &input.pipeline_name, &input.stage_name, None).await?;
    Ok(Default::default())
}

pub async fn retry_stage_execution(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::RetryStageExecutionInput,
) -> Result<api::RetryStageExecutionOutput, AwsError> {
    let id = &input.pipeline_execution_id;
    loop {
        let there = pipeline(&cx, &input.pipeline_name).await?;
        declared(&there, &input.stage_name)?;
        let before = execution(&cx, &input.pipeline_name, id).await?;
        let run = before.stage_run(&input.stage_name);
        let failed = run.is_some_and(|run| {
            let ended = matches!(run.status, Status::Failed | Status::Stopped);
            ended && matches!(before.status, Status::Failed | Status::Stopped)
        });
        if !failed {
            return Err(error::not_retryable(format!(
                "The stage '{}' of the execution '{id}' is not in a failed state",
                input.stage_name
            )));
        }
        if before.declaration.version != there.declaration.version {
            return Err(error::not_retryable(
                "The pipeline has changed since the execution started",
            ));
        }
        if before.mode() != PARALLEL {
            latest(&cx, &input.pipeline_name, &input.stage_name, &before).await?;
        }
        let mut after = before.value.clone();
        let all = input.retry_mode == "ALL_ACTIONS";
        stage::again(&mut after, &input.stage_name, all, cx.now());
        if let Some(run) = after.stage_run_mut(&input.stage_name) {
            run.retries.1 += 1;
        }
        after.updated_at = cx.now();
        let mut pipeline = there.value.clone();
        let tx = cx.db().tx();
        let tx = start::changed(tx, &cx.house, &cx.scope, &mut pipeline, &before, &after);
        if let Committed::At(_) = tx.update(&there, &pipeline).commit().await? {
            return Ok(api::RetryStageExecutionOutput {
                pipeline_execution_id: Some(id.clone()),
            });
        }
    }
}

/// No later execution may have come to the stage, and none may be in it.
pub async fn latest(
    cx: &Ctx,
    pipeline: &str,
    stage: &str,
    of: &Stored<Execution>,
) -> Result<(), AwsError> {
    for other in executions(cx.db(), &cx.scope, pipeline).await? {
        if other.id != of.id && other.number > of.number && other.stage_run(stage).is_some() {
            return Err(error::not_latest(&of.id));
        }
        let there = other.here().is_some_and(|here| here.name == stage);
        if other.id != of.id && there && !other.waits && !other.status.is_over() {
            return Err(error::not_retryable("Another execution is in the stage"));
        }
    }
    Ok(())
}

pub async fn rollback_stage(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::RollbackStageInput,
) -> Result<api::RollbackStageOutput, AwsError> {
    loop {
        let there = pipeline(&cx, &input.pipeline_name).await?;
        declared(&there, &input.stage_name)?;
        let target = &input.target_pipeline_execution_id;
        let target = execution(&cx, &input.pipeline_name, target).await?;
        let at = target.stage_named(&input.stage_name).unwrap_or(0);
        if at == 0 {
            return Err(error::no_rollback("The source stage cannot be rolled back"));
        }
        if target.declaration.version != there.declaration.version {
            return Err(error::outdated(&target.id));
        }
        let succeeded = target.stage_run(&input.stage_name);
        if succeeded.map(|run| run.status) != Some(Status::Succeeded) {
            return Err(error::no_rollback(format!(
                "The execution '{}' did not succeed in the stage '{}'",
                target.id, input.stage_name
            )));
        }
        if target.rolls_back_to.is_some() {
            return Err(error::no_rollback(
                "The target is a rollback execution itself",
            ));
        }
        let trigger = ("ManualRollback".to_owned(), cx.principal.arn.clone());
        let made = start::rollback(&cx.house, &there, &target, at, trigger);
        let tx = start::told(cx.db().tx(), &cx.house, &cx.scope, None, &made);
        let tx = tx
            .create(start::key(&cx.scope, &made), &made)
            .update(&there, &start::counted(&there, &made));
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::RollbackStageOutput {
                pipeline_execution_id: Some(made.id),
            });
        }
    }
}

pub async fn put_approval_result(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::PutApprovalResultInput,
) -> Result<api::PutApprovalResultOutput, AwsError> {
    loop {
        let there = pipeline(&cx, &input.pipeline_name).await?;
        let stage = declared(&there, &input.stage_name)?;
        let action = stage.actions.iter().find(|a| a.name == input.action_name);
        if action.is_none() {
            return Err(error::action_not_found(
                &input.stage_name,
                &input.action_name,
            ));
        }
        let all = executions(cx.db(), &cx.scope, &input.pipeline_name).await?;
        let asked = |e: &Execution| {
            e.actions.iter().position(|run| {
                run.stage == input.stage_name
                    && run.action == input.action_name
                    && run.token.as_ref() == Some(&input.token)
            })
        };
        let found = all.iter().find_map(|e| Some((e, asked(e)?)));
        let (before, place) = found.ok_or_else(error::approval_token)?;
        let mut after = before.value.clone();
        let run = &mut after.actions[place];
        match run.status {
            ActionStatus::InProgress if run.expires_at > cx.now() => {}
            ActionStatus::InProgress | ActionStatus::Abandoned => {
                return Err(error::approval_token());
            }
            _ => return Err(error::approval_over()),
        }
        let approved = input.result.status == "Approved";
        run.status = if approved {
            ActionStatus::Succeeded
        } else {
            ActionStatus::Failed
        };
        run.summary = Some(input.result.summary.clone()).filter(|text| !text.is_empty());
        run.updated_at = cx.now();
        run.updated_by = Some(cx.principal.arn.clone());
        after.updated_at = cx.now();
        let (scope, house) = (&cx.scope, &cx.house);
        let tx = start::told(cx.db().tx(), house, scope, Some(&before.value), &after);
        if let Committed::At(_) = tx.update(before, &after).commit().await? {
            return Ok(api::PutApprovalResultOutput {
                approved_at: Some(cx.now()),
            });
        }
    }
}
