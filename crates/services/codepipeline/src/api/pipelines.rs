//! Pipelines and their versions.

use super::{pipeline, tags};
use crate::controller::executions;
use crate::model::{CustomType, Job, Pipeline, Seen, Version, pipeline_arn};
use crate::start::{self, Start};
use crate::{CodePipeline, error, structure};
use neargate_api_codepipeline as api;
use neargate_service::page;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::json::Json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

async fn check(cx: &Ctx, given: &api::PipelineDeclaration) -> Result<(), AwsError> {
    let custom = cx.db().list::<CustomType>(&cx.scope).await?;
    let custom = custom.into_iter().map(|of| of.value.action_type.0);
    structure::check(given, &custom.collect())?;
    let actions = given.stages.iter().flat_map(|stage| &stage.actions);
    let roles = actions.filter_map(|action| action.role_arn.as_deref());
    for role in roles.chain([given.role_arn.as_str()]) {
        let house = &cx.house;
        if house.settings.enforced && house.identities.get().role(role).is_none() {
            return Err(error::structure(format!(
                "CodePipeline is not authorized to perform AssumeRole on role {role}"
            )));
        }
    }
    Ok(())
}

pub async fn create_pipeline(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::CreatePipelineInput,
) -> Result<api::CreatePipelineOutput, AwsError> {
    let given = input.tags.clone().unwrap_or_default();
    let parsed = tags::parse(given)?;
    check(&cx, &input.pipeline).await?;
    let declaration = structure::completed(input.pipeline, 1);
    let name = declaration.name.clone();
    let made = Pipeline {
        declaration: Json(declaration),
        created_at: cx.now(),
        updated_at: cx.now(),
        tags: parsed,
        disabled: BTreeMap::new(),
        started: 0,
        active: BTreeSet::new(),
    };
    // AWS runs a new pipeline at once.
    let begin = Start {
        trigger: ("CreatePipeline".into(), cx.principal.arn.clone()),
        ..Start::default()
    };
    let first = start::execution(&cx.house, &made, begin);
    let made = start::counted(&made, &first);
    let tx = start::told(cx.db().tx(), &cx.house, &cx.scope, None, &first);
    let tx = tx
        .create(db::key::<Pipeline>(&cx.scope, &name), &made)
        .create(start::key(&cx.scope, &first), &first);
    match tx.commit().await? {
        Committed::At(_) => Ok(api::CreatePipelineOutput {
            pipeline: Some(made.declaration.0),
            tags: Some(input.tags.unwrap_or_default()),
        }),
        Committed::Conflict => Err(error::name_in_use(&cx.scope, &name)),
    }
}

pub async fn update_pipeline(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::UpdatePipelineInput,
) -> Result<api::UpdatePipelineOutput, AwsError> {
    check(&cx, &input.pipeline).await?;
    let name = input.pipeline.name.clone();
    loop {
        let found = cx.db().get::<Pipeline>(&cx.scope, &name).await?;
        let there = found.ok_or_else(|| error::resource_not_found(&cx.scope, &name))?;
        let version = there.declaration.version.unwrap_or(1);
        let mut after = there.value.clone();
        let declaration = structure::completed(input.pipeline.clone(), version + 1);
        after
            .disabled
            .retain(|stage, _| declaration.stages.iter().any(|s| s.name == *stage));
        after.declaration = Json(declaration);
        after.updated_at = cx.now();
        let old = Version {
            declaration: there.declaration.clone(),
        };
        let key = db::key::<Version>(&cx.scope, &format!("{name}/{version}"));
        let tx = cx.db().tx().update(&there, &after).put(key, &old);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::UpdatePipelineOutput {
                pipeline: Some(after.declaration.0),
            });
        }
    }
}

pub async fn get_pipeline(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::GetPipelineInput,
) -> Result<api::GetPipelineOutput, AwsError> {
    let there = pipeline(&cx, &input.name).await?;
    let newest = there.declaration.version;
    let declaration = match input.version {
        Some(version) if Some(version) != newest => {
            let id = format!("{}/{version}", input.name);
            let old = cx.db().get::<Version>(&cx.scope, &id).await?;
            let old = old.ok_or_else(|| error::version_not_found(&input.name, version))?;
            old.value.declaration.0
        }
        _ => there.declaration.0.clone(),
    };
    Ok(api::GetPipelineOutput {
        pipeline: Some(declaration),
        metadata: Some(api::PipelineMetadata {
            pipeline_arn: Some(pipeline_arn(&cx.scope, &input.name)),
            created: Some(there.created_at),
            updated: Some(there.updated_at),
            polling_disabled_at: None,
        }),
    })
}

pub async fn list_pipelines(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListPipelinesInput,
) -> Result<api::ListPipelinesOutput, AwsError> {
    let all = cx.db().list::<Pipeline>(&cx.scope).await?;
    let limit = page::Size::up_to(1_000).clamp(input.max_results);
    let page = page::page(all, input.next_token.as_deref(), limit, |p| p.key.clone())
        .map_err(|_| error::next_token())?;
    let shown = |there: Stored<Pipeline>| {
        let there = there.value;
        let declaration = there.declaration.0;
        api::PipelineSummary {
            name: Some(declaration.name),
            version: declaration.version,
            pipeline_type: declaration.pipeline_type,
            execution_mode: declaration.execution_mode,
            created: Some(there.created_at),
            updated: Some(there.updated_at),
        }
    };
    Ok(api::ListPipelinesOutput {
        pipelines: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

/// What runs goes with it; actions that were begun elsewhere go on there.
pub async fn delete_pipeline(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::DeletePipelineInput,
) -> Result<api::ops::DeletePipelineOutput, AwsError> {
    loop {
        let Some(there) = cx.db().get::<Pipeline>(&cx.scope, &input.name).await? else {
            return Ok(Default::default());
        };
        let mut tx = cx.db().tx().within_reserve().delete(&there);
        for execution in executions(cx.db(), &cx.scope, &input.name).await? {
            for run in execution.running() {
                tx = tx.delete_key(db::key::<Job>(&cx.scope, &run.id));
            }
            tx = tx.delete_key(execution.key.clone());
        }
        let versions = db::key::<Version>(&cx.scope, &format!("{}/", input.name));
        for version in cx.db().list_prefix::<Version>(&versions).await? {
            tx = tx.delete_key(version.key.clone());
        }
        tx = tx.delete_key(db::key::<Seen>(&cx.scope, &input.name));
        if let Committed::At(_) = tx.commit().await? {
            return Ok(Default::default());
        }
    }
}
