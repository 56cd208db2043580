//! What is told of sources and targets: new revisions of custom sources, and where a deployment goes.

use super::{pipeline, stages};
use crate::controller::executions;
use crate::model::{Pipeline, Seen};
use crate::start::{self, Start};
use crate::{CodePipeline, error};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

/// A revision that was not told of yet starts the pipeline.
pub async fn put_action_revision(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::PutActionRevisionInput,
) -> Result<api::PutActionRevisionOutput, AwsError> {
    loop {
        let there = pipeline(&cx, &input.pipeline_name).await?;
        let stage = stages::declared(&there, &input.stage_name)?;
        let mut actions = stage.actions.iter();
        let action = actions.find(|action| action.name == input.action_name);
        let action =
            action.ok_or_else(|| error::action_not_found(&input.stage_name, &input.action_name))?;
        if action.action_type_id.category != "Source" || action.action_type_id.owner != "Custom" {
            return Err(error::validation(format!(
                "The action '{}' is not a custom source action",
                action.name
            )));
        }
        let seen = cx.db().get::<Seen>(&cx.scope, &input.pipeline_name).await?;
        let mut now_seen = seen.as_ref().map(|s| s.value.clone()).unwrap_or_default();
        let revision = input.action_revision.revision_id.clone();
        let known = now_seen
            .revisions
            .insert(action.name.clone(), revision.clone());
        if known.as_ref() == Some(&revision) {
            let newest = executions(cx.db(), &cx.scope, &input.pipeline_name).await?;
            let newest = newest.into_iter().max_by_key(|e| e.number);
            return Ok(api::PutActionRevisionOutput {
                new_revision: Some(false),
                pipeline_execution_id: newest.map(|e| e.id.clone()),
            });
        }
        let begin = Start {
            trigger: ("PutActionRevision".into(), cx.principal.arn.clone()),
            ..Start::default()
        };
        let made = start::execution(&cx.house, &there, begin);
        let tx = start::told(cx.db().tx(), &cx.house, &cx.scope, None, &made);
        let tx = tx
            .create(start::key(&cx.scope, &made), &made)
            .update(&there, &start::counted(&there, &made));
        let tx = match &seen {
            Some(seen) => tx.update(seen, &now_seen),
            None => tx.create(db::key::<Seen>(&cx.scope, &input.pipeline_name), &now_seen),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::PutActionRevisionOutput {
                new_revision: Some(true),
                pipeline_execution_id: Some(made.id),
            });
        }
    }
}

/// Only deployments to instances have targets, and those are not built here.
pub async fn list_deploy_action_execution_targets(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListDeployActionExecutionTargetsInput,
) -> Result<api::ListDeployActionExecutionTargetsOutput, AwsError> {
    let names = match input.pipeline_name {
        Some(name) => vec![pipeline(&cx, &name).await?.value.declaration.name.clone()],
        None => {
            let all = cx.db().list::<Pipeline>(&cx.scope).await?;
            all.into_iter()
                .map(|p| p.declaration.name.clone())
                .collect()
        }
    };
    for name in names {
        for execution in executions(cx.db(), &cx.scope, &name).await? {
            if execution
                .actions
                .iter()
                .any(|run| run.id == input.action_execution_id)
            {
                return Err(error::validation(
                    "The action execution is not of a deployment to Amazon EC2 instances",
                ));
            }
        }
    }
    Err(error::action_execution_not_found(
        &input.action_execution_id,
    ))
}
