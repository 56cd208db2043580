//! `ListActionExecutions`: every action that was begun, the newest first.

use super::{paged, pipeline, state};
use crate::controller::executions;
use crate::model::{ActionRun, Execution, Place};
use crate::{CodePipeline, error};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

pub async fn list_action_executions(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListActionExecutionsInput,
) -> Result<api::ListActionExecutionsOutput, AwsError> {
    pipeline(&cx, &input.pipeline_name).await?;
    let mut all = executions(cx.db(), &cx.scope, &input.pipeline_name).await?;
    let filter = input.filter.unwrap_or_default();
    let latest = filter.latest_in_pipeline_execution;
    let of = latest.map(|latest| latest.pipeline_execution_id);
    if let Some(id) = of.or(filter.pipeline_execution_id) {
        all.retain(|e| e.id == id);
        if all.is_empty() {
            return Err(error::execution_not_found(&input.pipeline_name, &id));
        }
    }
    all.sort_by_key(|e| e.number);
    let mut runs: Vec<(String, &Execution, &ActionRun)> = Vec::new();
    for execution in &all {
        for (n, run) in execution.actions.iter().enumerate() {
            runs.push((format!("{:020}/{n:06}", execution.number), execution, run));
        }
    }
    runs.reverse();
    let token = input.next_token.as_deref();
    let page = paged(runs, token, input.max_results, 100, |(id, _, _)| id.clone())?;
    let shown = |(_, execution, run): &(String, &Execution, &ActionRun)| shown(execution, run);
    Ok(api::ListActionExecutionsOutput {
        action_execution_details: Some(page.items.iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

fn shown(execution: &Execution, run: &ActionRun) -> api::ActionExecutionDetail {
    let declared = execution.declared(run);
    api::ActionExecutionDetail {
        pipeline_execution_id: Some(execution.id.clone()),
        action_execution_id: Some(run.id.clone()),
        pipeline_version: execution.declaration.version,
        stage_name: Some(run.stage.clone()),
        action_name: Some(run.action.clone()),
        start_time: Some(run.started_at),
        last_update_time: Some(run.updated_at),
        updated_by: run.updated_by.clone(),
        status: Some(run.status.name().into()),
        input: Some(api::ActionExecutionInput {
            action_type_id: declared.map(|d| d.action_type_id.clone()),
            configuration: declared.and_then(|d| d.configuration.clone()),
            resolved_configuration: Some(run.configuration.clone()),
            role_arn: declared.and_then(|d| d.role_arn.clone()),
            region: declared.and_then(|d| d.region.clone()),
            input_artifacts: Some(artifacts(&run.inputs)),
            namespace: declared.and_then(|d| d.namespace.clone()),
        }),
        output: Some(api::ActionExecutionOutput {
            output_artifacts: Some(artifacts(&run.outputs)),
            execution_result: Some(api::ActionExecutionResult {
                external_execution_id: run.external_id.clone(),
                external_execution_summary: run.summary.clone(),
                external_execution_url: run.external_url.clone(),
                error_details: state::details(run),
                log_stream_arn: run.progress.get("log").cloned(),
            }),
            output_variables: Some(run.variables.clone()),
        }),
    }
}

pub fn artifacts(places: &BTreeMap<String, Place>) -> Vec<api::ArtifactDetail> {
    let shown = |(name, place): (&String, &Place)| api::ArtifactDetail {
        name: Some(name.clone()),
        s3location: Some(api::S3Location {
            bucket: Some(place.bucket.clone()),
            key: Some(place.key.clone()),
        }),
    };
    places.iter().map(shown).collect()
}
