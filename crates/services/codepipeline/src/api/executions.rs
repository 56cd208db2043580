//! Executions: started, stopped, told of.

use super::{execution, paged, pipeline};
use crate::controller::executions;
use crate::model::{Execution, PARALLEL, QUEUED, Status, Stop};
use crate::start::{self, Start};
use crate::{CodePipeline, error};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Committed, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many executions may be under way where none replaces another.
const MOST_EXECUTIONS: usize = 50;

pub async fn start_pipeline_execution(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::StartPipelineExecutionInput,
) -> Result<api::StartPipelineExecutionOutput, AwsError> {
    let answer = |id: &str| api::StartPipelineExecutionOutput {
        pipeline_execution_id: Some(id.to_owned()),
    };
    loop {
        let there = pipeline(&cx, &input.name).await?;
        if let Some(token) = &input.client_request_token {
            let all = executions(cx.db(), &cx.scope, &input.name).await?;
            let again = all.iter().find(|e| e.client_token.as_ref() == Some(token));
            if let Some(again) = again {
                return Ok(answer(&again.id));
            }
        }
        let mode = there.declaration.execution_mode.as_deref();
        if matches!(mode, Some(QUEUED | PARALLEL)) && there.active.len() >= MOST_EXECUTIONS {
            return Err(error::too_many_executions());
        }
        let by_service = cx.principal.is_service();
        let trigger = if by_service {
            "CloudWatchEvent"
        } else {
            "StartPipelineExecution"
        };
        let begin = Start {
            trigger: (trigger.into(), cx.principal.arn.clone()),
            variables: variables(&there.declaration, &input)?,
            client_token: input.client_request_token.clone(),
            pinned: pinned(&there.declaration, &input)?,
        };
        let made = start::execution(&cx.house, &there, begin);
        let tx = start::told(cx.db().tx(), &cx.house, &cx.scope, None, &made);
        let tx = tx
            .create(start::key(&cx.scope, &made), &made)
            .update(&there, &start::counted(&there, &made));
        if let Committed::At(_) = tx.commit().await? {
            return Ok(answer(&made.id));
        }
    }
}

fn variables(
    declaration: &api::PipelineDeclaration,
    input: &api::StartPipelineExecutionInput,
) -> Result<BTreeMap<String, String>, AwsError> {
    let declared = declaration.variables.as_deref().unwrap_or_default();
    let mut given = BTreeMap::new();
    for variable in input.variables.iter().flatten() {
        if !declared.iter().any(|of| of.name == variable.name) {
            return Err(error::validation(format!(
                "The pipeline does not declare a variable with the name '{}'",
                variable.name
            )));
        }
        given.insert(variable.name.clone(), variable.value.clone());
    }
    let missing = |of: &&api::PipelineVariableDeclaration| {
        of.default_value.is_none() && !given.contains_key(&of.name)
    };
    match declared.iter().find(missing) {
        Some(of) => Err(error::validation(format!(
            "The variable '{}' has no default value and must be given",
            of.name
        ))),
        None => Ok(given),
    }
}

fn pinned(
    declaration: &api::PipelineDeclaration,
    input: &api::StartPipelineExecutionInput,
) -> Result<BTreeMap<String, String>, AwsError> {
    let sources = declaration.stages.first();
    let mut pinned = BTreeMap::new();
    for revision in input.source_revisions.iter().flatten() {
        let mut actions = sources.into_iter().flat_map(|stage| &stage.actions);
        let action = actions.find(|action| action.name == revision.action_name);
        let action = action.ok_or_else(|| {
            error::validation(format!(
                "The pipeline does not have a source action with the name '{}'",
                revision.action_name
            ))
        })?;
        let fits = matches!(
            (
                action.action_type_id.provider.as_str(),
                revision.revision_type.as_str()
            ),
            ("CodeCommit", "COMMIT_ID") | ("ECR", "IMAGE_DIGEST") | ("S3", "S3_OBJECT_VERSION_ID")
        );
        if !fits {
            return Err(error::validation(format!(
                "Revision type {} is not supported for the source action '{}'",
                revision.revision_type, revision.action_name
            )));
        }
        pinned.insert(
            revision.action_name.clone(),
            revision.revision_value.clone(),
        );
    }
    Ok(pinned)
}

pub async fn stop_pipeline_execution(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::StopPipelineExecutionInput,
) -> Result<api::StopPipelineExecutionOutput, AwsError> {
    let abandon = input.abandon.unwrap_or(false);
    loop {
        pipeline(&cx, &input.pipeline_name).await?;
        let id = &input.pipeline_execution_id;
        let before = execution(&cx, &input.pipeline_name, id).await?;
        match (before.status, &before.stop) {
            // Who waits may still abandon.
            (Status::Stopping, Some(stop)) if stop.abandon || !abandon => {
                return Err(error::stopped_twice(id));
            }
            (Status::InProgress | Status::Stopping, _) => {}
            _ => return Err(error::not_stoppable(id)),
        }
        let mut after = before.value.clone();
        after.status = Status::Stopping;
        after.updated_at = cx.now();
        after.stop = Some(Stop {
            abandon,
            reason: input.reason.clone(),
        });
        let (scope, house) = (&cx.scope, &cx.house);
        let tx = start::told(cx.db().tx(), house, scope, Some(&before.value), &after);
        if let Committed::At(_) = tx.update(&before, &after).commit().await? {
            return Ok(api::StopPipelineExecutionOutput {
                pipeline_execution_id: Some(id.clone()),
            });
        }
    }
}

fn trigger(execution: &Execution) -> api::ExecutionTrigger {
    api::ExecutionTrigger {
        trigger_type: Some(execution.trigger.0.clone()),
        trigger_detail: Some(execution.trigger.1.clone()),
    }
}

fn rolls_back(execution: &Execution) -> Option<api::PipelineRollbackMetadata> {
    let target = execution.rolls_back_to.clone();
    target.map(|target| api::PipelineRollbackMetadata {
        rollback_target_pipeline_execution_id: Some(target),
    })
}

fn kind(execution: &Execution) -> String {
    let rolls_back = execution.rolls_back_to.is_some();
    (if rolls_back { "ROLLBACK" } else { "STANDARD" }).into()
}

pub async fn get_pipeline_execution(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::GetPipelineExecutionInput,
) -> Result<api::GetPipelineExecutionOutput, AwsError> {
    pipeline(&cx, &input.pipeline_name).await?;
    let id = &input.pipeline_execution_id;
    let found = execution(&cx, &input.pipeline_name, id).await?.value;
    let revision = |r: &crate::model::Revision| api::ArtifactRevision {
        name: Some(r.artifact.clone()),
        revision_id: Some(r.id.clone()),
        revision_summary: r.summary.clone(),
        created: r.created,
        revision_url: r.url.clone(),
        revision_change_identifier: None,
    };
    let variable = |(name, value): (&String, &String)| api::ResolvedPipelineVariable {
        name: Some(name.clone()),
        resolved_value: Some(value.clone()),
    };
    Ok(api::GetPipelineExecutionOutput {
        pipeline_execution: Some(api::PipelineExecution {
            pipeline_name: Some(input.pipeline_name),
            pipeline_version: found.declaration.version,
            pipeline_execution_id: Some(found.id.clone()),
            status: Some(found.status.name().into()),
            status_summary: found.summary.clone(),
            artifact_revisions: Some(found.revisions.iter().map(revision).collect()),
            variables: Some(found.variables.iter().map(variable).collect()),
            trigger: Some(trigger(&found)),
            execution_mode: Some(found.mode().into()),
            execution_type: Some(kind(&found)),
            rollback_metadata: rolls_back(&found),
        }),
    })
}

pub async fn list_pipeline_executions(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListPipelineExecutionsInput,
) -> Result<api::ListPipelineExecutionsOutput, AwsError> {
    pipeline(&cx, &input.pipeline_name).await?;
    let all = executions(cx.db(), &cx.scope, &input.pipeline_name).await?;
    let mut all: Vec<Execution> = all.into_iter().map(|e| e.value).collect();
    let succeeded = input.filter.and_then(|f| f.succeeded_in_stage);
    if let Some(stage) = succeeded.and_then(|f| f.stage_name) {
        all.retain(|e| e.stage_run(&stage).map(|run| run.status) == Some(Status::Succeeded));
    }
    all.sort_by_key(|e| std::cmp::Reverse(e.number));
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.max_results, 100, |e| {
        format!("{:020}", e.number)
    })?;
    let shown = |found: &Execution| api::PipelineExecutionSummary {
        pipeline_execution_id: Some(found.id.clone()),
        status: Some(found.status.name().into()),
        status_summary: found.summary.clone(),
        start_time: Some(found.started_at),
        last_update_time: Some(found.updated_at),
        source_revisions: Some(found.revisions.iter().map(source).collect()),
        trigger: Some(trigger(found)),
        stop_trigger: found.stop.as_ref().map(|stop| api::StopExecutionTrigger {
            reason: stop.reason.clone(),
        }),
        execution_mode: Some(found.mode().into()),
        execution_type: Some(kind(found)),
        rollback_metadata: rolls_back(found),
    };
    Ok(api::ListPipelineExecutionsOutput {
        pipeline_execution_summaries: Some(page.items.iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

fn source(revision: &crate::model::Revision) -> api::SourceRevision {
    api::SourceRevision {
        action_name: Some(revision.action.clone()),
        revision_id: Some(revision.id.clone()),
        revision_summary: revision.summary.clone(),
        revision_url: revision.url.clone(),
    }
}
