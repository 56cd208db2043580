//! Rules of conditions: their types, how they were asked, and conditions that somebody overrides.

use super::{execution, paged, pipeline, stages, state};
use crate::controller::executions;
use crate::model::{ActionStatus, Execution, Moment, PARALLEL, RuleRun, Status};
use crate::plan::conditions::{Verdict, verdict};
use crate::{CodePipeline, catalogue, error, start};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Committed, Ctx};
use std::sync::Arc;

pub async fn list_rule_types(
    _: Arc<CodePipeline>,
    _: Ctx,
    _: api::ListRuleTypesInput,
) -> Result<api::ListRuleTypesOutput, AwsError> {
    Ok(api::ListRuleTypesOutput {
        rule_types: Some(catalogue::RULES.iter().map(catalogue::shown_rule).collect()),
    })
}

pub async fn list_rule_executions(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListRuleExecutionsInput,
) -> Result<api::ListRuleExecutionsOutput, AwsError> {
    pipeline(&cx, &input.pipeline_name).await?;
    let mut all = executions(cx.db(), &cx.scope, &input.pipeline_name).await?;
    let filter = input.filter.unwrap_or_default();
    let latest = filter.latest_in_pipeline_execution;
    let only_latest = latest
        .as_ref()
        .is_some_and(|latest| latest.start_time_range == "Latest");
    let of = latest.map(|latest| latest.pipeline_execution_id);
    if let Some(id) = of.or(filter.pipeline_execution_id) {
        all.retain(|e| e.id == id);
        if all.is_empty() {
            return Err(error::execution_not_found(&input.pipeline_name, &id));
        }
    }
    all.sort_by_key(|e| e.number);
    let mut found: Vec<(String, &Execution, &RuleRun)> = Vec::new();
    for execution in &all {
        for (n, rule) in execution.rules.iter().enumerate() {
            if !(only_latest && rule.run.retired) {
                found.push((format!("{:020}/{n:06}", execution.number), execution, rule));
            }
        }
    }
    found.reverse();
    let token = input.next_token.as_deref();
    let page = paged(found, token, input.max_results, 100, |(id, _, _)| {
        id.clone()
    })?;
    let shown = |(_, execution, rule): &(String, &Execution, &RuleRun)| shown(execution, rule);
    Ok(api::ListRuleExecutionsOutput {
        rule_execution_details: Some(page.items.iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

fn shown(execution: &Execution, rule: &RuleRun) -> api::RuleExecutionDetail {
    let run = &rule.run;
    let declared = execution.declared_as(&run.id);
    let id = declared.as_ref().map(|d| api::RuleTypeId {
        category: d.action_type_id.category.clone(),
        owner: Some(d.action_type_id.owner.clone()),
        provider: d.action_type_id.provider.clone(),
        version: Some(d.action_type_id.version.clone()),
    });
    api::RuleExecutionDetail {
        pipeline_execution_id: Some(execution.id.clone()),
        rule_execution_id: Some(run.id.clone()),
        pipeline_version: execution.declaration.version,
        stage_name: Some(run.stage.clone()),
        rule_name: Some(run.action.clone()),
        start_time: Some(run.started_at),
        last_update_time: Some(run.updated_at),
        updated_by: run.updated_by.clone(),
        status: Some(run.status.name().into()),
        input: Some(api::RuleExecutionInput {
            rule_type_id: id,
            configuration: declared.as_ref().and_then(|d| d.configuration.clone()),
            resolved_configuration: Some(run.configuration.clone()),
            role_arn: declared.as_ref().and_then(|d| d.role_arn.clone()),
            region: declared.and_then(|d| d.region),
            input_artifacts: Some(super::history::artifacts(&run.inputs)),
        }),
        output: Some(api::RuleExecutionOutput {
            execution_result: Some(api::RuleExecutionResult {
                external_execution_id: run.external_id.clone(),
                external_execution_summary: run.summary.clone(),
                external_execution_url: run.external_url.clone(),
                error_details: state::details(run),
            }),
        }),
    }
}

/// Lets an execution on where a condition holds it up or has failed its stage.
pub async fn override_stage_condition(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::OverrideStageConditionInput,
) -> Result<api::ops::OverrideStageConditionOutput, AwsError> {
    let id = &input.pipeline_execution_id;
    let moment = match input.condition_type.as_str() {
        "BEFORE_ENTRY" => Moment::BeforeEntry,
        _ => Moment::OnSuccess,
    };
    loop {
        let there = pipeline(&cx, &input.pipeline_name).await?;
        let stage = stages::declared(&there, &input.stage_name)?;
        let before = execution(&cx, &input.pipeline_name, id).await?;
        if before.mode() != PARALLEL {
            stages::latest(&cx, &input.pipeline_name, &input.stage_name, &before).await?;
        }
        let mut after = before.value.clone();
        let is_here = after.here().is_some_and(|here| here.name == stage.name) && !after.waits;
        let status = after.stage_run(&stage.name).map(|run| run.status);
        let asked = after
            .rules
            .iter()
            .any(|rule| rule.moment == moment && rule.run.stage == stage.name && !rule.run.retired);
        let holds = match verdict(&mut after, stage, moment, cx.now()) {
            _ if !asked || !is_here || after.stop.is_some() => false,
            Verdict::Waits => status == Some(Status::InProgress),
            // One that rolls back does so already.
            Verdict::Result(result) => status == Some(Status::Failed) && result == "FAIL",
            Verdict::Met => false,
        };
        if !holds {
            return Err(error::not_overridable(&stage.name));
        }
        let now = cx.now();
        for rule in &mut after.rules {
            let run = &mut rule.run;
            if run.stage == stage.name
                && rule.moment == moment
                && run.status == ActionStatus::InProgress
            {
                run.status = ActionStatus::Abandoned;
                run.updated_at = now;
            }
        }
        if let Some(run) = after.stage_run_mut(&stage.name) {
            run.overridden.insert(moment);
            run.status = Status::InProgress;
        }
        after.status = Status::InProgress;
        after.summary = None;
        after.updated_at = now;
        let mut pipeline = there.value.clone();
        let tx = cx.db().tx();
        let tx = start::changed(tx, &cx.house, &cx.scope, &mut pipeline, &before, &after);
        if let Committed::At(_) = tx.update(&there, &pipeline).commit().await? {
            return Ok(Default::default());
        }
    }
}
