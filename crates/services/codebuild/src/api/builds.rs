//! Builds that were started.

use super::paged;
use super::projects::builds_of;
use crate::model::{Build, Project, Stage, build_arn, project_arn};
use crate::{CodeBuild, error};
use neargate_api_codebuild as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, Scope, db, managed};
use std::sync::Arc;

/// The id that a caller's id or ARN means.
pub fn id_of(scope: &Scope, named: &str) -> String {
    let parsed: Result<Arn, _> = named.parse();
    match parsed {
        Ok(arn) if scope.holds(&arn) => arn.resource.trim_start_matches("build/").to_owned(),
        _ => named.to_owned(),
    }
}

pub async fn batch_get_builds(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::BatchGetBuildsInput,
) -> Result<api::BatchGetBuildsOutput, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for named in input.ids {
        let id = id_of(&cx.scope, &named);
        match cx.db().get::<Build>(&cx.scope, &id).await? {
            Some(build) => found.push(build.value.shown.0),
            None => missing.push(named),
        }
    }
    Ok(api::BatchGetBuildsOutput {
        builds: Some(found),
        builds_not_found: Some(missing),
    })
}

/// Those that run are not deleted.
pub async fn batch_delete_builds(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::BatchDeleteBuildsInput,
) -> Result<api::BatchDeleteBuildsOutput, AwsError> {
    let (mut deleted, mut kept) = (Vec::new(), Vec::new());
    for named in input.ids {
        let id = id_of(&cx.scope, &named);
        let not = |code: &str| api::BuildNotDeleted {
            id: Some(named.clone()),
            status_code: Some(code.to_owned()),
        };
        match cx.db().get::<Build>(&cx.scope, &id).await? {
            Some(build) if build.stage == Stage::Complete => {
                let _ = cx.db().tx().delete(&build).commit().await?;
                deleted.push(build_arn(&cx.scope, &id));
            }
            Some(_) => kept.push(not("BUILD_IN_PROGRESS")),
            None => kept.push(not("BUILD_NOT_FOUND")),
        }
    }
    Ok(api::BatchDeleteBuildsOutput {
        builds_deleted: Some(deleted),
        builds_not_deleted: Some(kept),
    })
}

/// Asks for its end; its driver sees to it.
pub async fn stop_build(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::StopBuildInput,
) -> Result<api::StopBuildOutput, AwsError> {
    let id = id_of(&cx.scope, &input.id);
    let key = db::key::<Build>(&cx.scope, &id);
    let changed = cx.db().modify::<Build, _>(&key, |build| {
        let goes_on = !matches!(build.stage, Stage::Finalizing | Stage::Complete);
        let is_new = goes_on && !build.stopping;
        build.stopping |= goes_on;
        Ok(is_new)
    });
    match changed.await? {
        Some(build) => Ok(api::StopBuildOutput {
            build: Some(build.value.shown.0),
        }),
        None => Err(error::no_build(&build_arn(&cx.scope, &id))),
    }
}

/// When it was started, and its id: in this order they are listed.
fn place(build: &Build) -> String {
    let at = build.shown.start_time.map_or(0, |t| t.as_millis());
    format!("{at:020}/{}", build.id())
}

/// A page of ids, newest first unless the call says otherwise.
fn ids(
    builds: Vec<Build>,
    token: Option<&str>,
    order: Option<&str>,
) -> Result<(Vec<String>, Option<String>), AwsError> {
    let descending = order != Some("ASCENDING");
    let page = paged(builds, token, descending, place)?;
    let ids = page.items.iter().map(|build| build.id().to_owned());
    Ok((ids.collect(), page.next_token))
}

pub async fn list_builds(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::ListBuildsInput,
) -> Result<api::ListBuildsOutput, AwsError> {
    let all = cx.db().list::<Build>(&cx.scope).await?;
    let all = all.into_iter().map(|b| b.value);
    let all = all.filter(|b| !managed::is_managed(b.project())).collect();
    let order = input.sort_order.as_deref();
    let (ids, next_token) = ids(all, input.next_token.as_deref(), order)?;
    Ok(api::ListBuildsOutput {
        ids: Some(ids),
        next_token,
    })
}

pub async fn list_builds_for_project(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::ListBuildsForProjectInput,
) -> Result<api::ListBuildsForProjectOutput, AwsError> {
    let name = super::projects::name_of(&cx.scope, &input.project_name);
    let all = builds_of(&cx, &name).await?;
    if all.is_empty() && cx.db().get::<Project>(&cx.scope, &name).await?.is_none() {
        return Err(error::no_project(&project_arn(&cx.scope, &name)));
    }
    let order = input.sort_order.as_deref();
    let (ids, next_token) = ids(all, input.next_token.as_deref(), order)?;
    Ok(api::ListBuildsForProjectOutput {
        ids: Some(ids),
        next_token,
    })
}
