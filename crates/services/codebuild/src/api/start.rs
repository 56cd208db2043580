//! Builds begin: what the project says, and over it what the call does.

use super::builds::id_of;
use super::projects::{builds_of, check_artifacts, check_environment, check_source, name_of};
use crate::model::{Build, Project, Stage, build_arn, project_arn};
use crate::plan::phases::{self, IN_PROGRESS, QUEUED, SUBMITTED};
use crate::{CodeBuild, error, events};
use neargate_api_codebuild as api;
use neargate_service::identity::Kind;
use neargate_service::{AwsError, Committed, Ctx, db, managed};
use neargate_wire::json::Json;
use std::sync::Arc;
use std::time::Duration;

/// How long a token means the same call.
const TOKEN_LIFE: Duration = Duration::from_secs(300);

pub async fn start_build(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::StartBuildInput,
) -> Result<api::StartBuildOutput, AwsError> {
    let build = start(&cx, input).await?;
    Ok(api::StartBuildOutput { build: Some(build) })
}

/// The same build once more, under the project as it is now.
pub async fn retry_build(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::RetryBuildInput,
) -> Result<api::RetryBuildOutput, AwsError> {
    let id = id_of(&cx.scope, &input.id.unwrap_or_default());
    let stored = cx.db().get::<Build>(&cx.scope, &id).await?;
    let stored = stored.ok_or_else(|| error::no_build(&build_arn(&cx.scope, &id)))?;
    let request = api::StartBuildInput {
        idempotency_token: input.idempotency_token,
        ..stored.value.request.0
    };
    let build = start(&cx, request).await?;
    Ok(api::RetryBuildOutput { build: Some(build) })
}

/// Whoever started it, as AWS names them.
fn initiator(cx: &Ctx) -> String {
    let arn = &cx.principal.arn;
    match cx.principal.kind {
        Kind::AssumedRole => arn
            .rsplit(":assumed-role/")
            .next()
            .unwrap_or(arn)
            .to_owned(),
        Kind::User => arn.rsplit(":user/").next().unwrap_or(arn).to_owned(),
        _ => arn.rsplit(':').next().unwrap_or(arn).to_owned(),
    }
}

fn refuse_unbuilt(input: &api::StartBuildInput) -> Result<(), AwsError> {
    for (used, what) in [
        (input.debug_session_enabled == Some(true), "debug sessions"),
        (input.fleet_override.is_some(), "fleets"),
        (input.host_kernel_override.is_some(), "hostKernelOverride"),
        (input.certificate_override.is_some(), "certificate"),
    ] {
        if used {
            return Err(error::not_built(what));
        }
    }
    Ok(())
}

async fn start(cx: &Ctx, input: api::StartBuildInput) -> Result<api::Build, AwsError> {
    refuse_unbuilt(&input)?;
    let name = name_of(&cx.scope, &input.project_name);
    if managed::is_managed(&name) && managed::may_make(cx, &name) {
        return for_service(cx, &name, &input).await;
    }
    loop {
        let stored = cx.db().get::<Project>(&cx.scope, &name).await?;
        let project = stored.ok_or_else(|| error::no_project(&project_arn(&cx.scope, &name)))?;
        let before = builds_of(cx, &name).await?;
        if let Some(again) = earlier(cx, &before, &input)? {
            return Ok(again);
        }
        let active = before.iter().filter(|b| b.stage != Stage::Complete).count();
        let limit = project.shown.concurrent_build_limit;
        if limit.is_some_and(|limit| i64::try_from(active).unwrap_or(i64::MAX) >= i64::from(limit))
        {
            return Err(error::limit(format!(
                "Cannot have more than {} builds in queue for the account",
                limit.unwrap_or_default()
            )));
        }
        let mut counted = project.value.clone();
        counted.builds += 1;
        let made = build(cx, &counted, &input)?;
        let key = db::key::<Build>(&cx.scope, made.id());
        let tx = cx.db().tx().update(&project, &counted).create(key, &made);
        let tx = events::tell(&cx.house, tx, &cx.scope, None, &made);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(made.shown.0);
        }
    }
}

/// A build that a service asks for, for a customer who has no project: the call says all of it. Its project is
/// nowhere, and lists and events leave it out.
async fn for_service(
    cx: &Ctx,
    name: &str,
    input: &api::StartBuildInput,
) -> Result<api::Build, AwsError> {
    if let Some(again) = earlier(cx, &builds_of(cx, name).await?, input)? {
        return Ok(again);
    }
    let project = Project {
        shown: Json(api::Project {
            name: Some(name.to_owned()),
            source: Some(api::ProjectSource {
                r#type: "NO_SOURCE".to_owned(),
                ..Default::default()
            }),
            artifacts: Some(api::ProjectArtifacts {
                r#type: "NO_ARTIFACTS".to_owned(),
                ..Default::default()
            }),
            environment: Some(api::ProjectEnvironment::default()),
            timeout_in_minutes: Some(60),
            queued_timeout_in_minutes: Some(480),
            ..Default::default()
        }),
        builds: 1,
    };
    let made = build(cx, &project, input)?;
    let key = db::key::<Build>(&cx.scope, made.id());
    // Its id is new.
    let _ = cx.db().tx().create(key, &made).commit().await?;
    Ok(made.shown.0)
}

/// The build that the call's token has begun already.
fn earlier(
    cx: &Ctx,
    builds: &[Build],
    input: &api::StartBuildInput,
) -> Result<Option<api::Build>, AwsError> {
    let Some(token) = &input.idempotency_token else {
        return Ok(None);
    };
    let found = builds.iter().find(|build| {
        build.request.idempotency_token.as_ref() == Some(token)
            && cx.now().since(build.queued_at) < TOKEN_LIFE
    });
    match found {
        Some(build) if build.request.0 == *input => Ok(Some(build.shown.0.clone())),
        Some(_) => Err(error::invalid(
            "Idempotency token was used with different parameters in an earlier request",
        )),
        None => Ok(None),
    }
}

/// The build that a project and a call make.
fn build(cx: &Ctx, project: &Project, input: &api::StartBuildInput) -> Result<Build, AwsError> {
    let of = project.shown.0.clone();
    let name = of.name.clone().unwrap_or_default();
    let input = input.clone();
    let request = Json(input.clone());
    let uuid = cx.house.rng.uuid();
    let id = format!("{name}:{uuid}");
    let now = cx.now();

    let mut source = of.source.unwrap_or_default();
    if let Some(r#type) = input.source_type_override {
        if r#type == "NO_SOURCE" {
            source.location = None;
        }
        source.r#type = r#type;
    }
    source.location = input.source_location_override.or(source.location);
    source.buildspec = input.buildspec_override.or(source.buildspec);
    source.auth = input.source_auth_override.or(source.auth);
    source.git_clone_depth = input.git_clone_depth_override.or(source.git_clone_depth);
    check_source(&source)?;
    if source.r#type == "CODEPIPELINE" && source.location.as_deref().unwrap_or_default().is_empty()
    {
        return Err(error::invalid(
            "Invalid project source: a project of CODEPIPELINE source is started by its pipeline, which says where \
             the source is",
        ));
    }

    let mut environment = of.environment.unwrap_or_default();
    let given = input.environment_variables_override.unwrap_or_default();
    let variables = environment.environment_variables.get_or_insert_default();
    for variable in given {
        match variables
            .iter_mut()
            .find(|known| known.name == variable.name)
        {
            Some(known) => *known = variable,
            None => variables.push(variable),
        }
    }
    let set = |member: &mut String, given: Option<String>| {
        if let Some(given) = given {
            *member = given;
        }
    };
    set(&mut environment.r#type, input.environment_type_override);
    set(&mut environment.image, input.image_override);
    set(&mut environment.compute_type, input.compute_type_override);
    environment.privileged_mode = input
        .privileged_mode_override
        .or(environment.privileged_mode);
    environment.registry_credential = input
        .registry_credential_override
        .or(environment.registry_credential);
    environment.image_pull_credentials_type = input
        .image_pull_credentials_type_override
        .or(environment.image_pull_credentials_type);
    check_environment(&mut environment)?;

    let mut artifacts = input
        .artifacts_override
        .or(of.artifacts)
        .unwrap_or_default();
    check_artifacts(&mut artifacts, &name)?;
    let mut secondary = input
        .secondary_artifacts_override
        .or(of.secondary_artifacts)
        .unwrap_or_default();
    for artifacts in &mut secondary {
        check_artifacts(artifacts, &name)?;
    }
    let encryption_key = input.encryption_key_override.or(of.encryption_key);
    let logs = logs(
        cx,
        input.logs_config_override.or(of.logs_config),
        &name,
        &uuid,
    )?;
    let mut shown = api::Build {
        arn: Some(build_arn(&cx.scope, &id)),
        id: Some(id),
        build_number: Some(project.builds),
        start_time: Some(now),
        build_status: Some(IN_PROGRESS.to_owned()),
        source_version: input.source_version.or(of.source_version),
        project_name: Some(name.clone()),
        secondary_sources: Some(
            input
                .secondary_sources_override
                .or(of.secondary_sources)
                .unwrap_or_default(),
        ),
        secondary_source_versions: Some(
            input
                .secondary_sources_version_override
                .or(of.secondary_source_versions)
                .unwrap_or_default(),
        ),
        artifacts: Some(shown_artifacts(&artifacts, &name, &uuid)),
        secondary_artifacts: match secondary.is_empty() {
            true => None,
            false => Some(
                secondary
                    .iter()
                    .map(|a| shown_artifacts(a, &name, &uuid))
                    .collect(),
            ),
        },
        source: Some(source),
        cache: input.cache_override.or(of.cache),
        environment: Some(environment),
        service_role: input.service_role_override.or(of.service_role),
        logs: Some(logs),
        timeout_in_minutes: input.timeout_in_minutes_override.or(of.timeout_in_minutes),
        queued_timeout_in_minutes: input
            .queued_timeout_in_minutes_override
            .or(of.queued_timeout_in_minutes),
        build_complete: Some(false),
        initiator: Some(initiator(cx)),
        vpc_config: of.vpc_config,
        encryption_key,
        ..Default::default()
    };
    phases::begin(&mut shown, SUBMITTED, now);
    phases::turn(&mut shown, QUEUED, now);
    Ok(Build {
        shown: Json(shown),
        stage: Stage::Queued,
        artifacts: Json(artifacts),
        secondary_artifacts: secondary.into_iter().map(Json).collect(),
        request,
        stopping: false,
        verdict: None,
        definition: None,
        task: None,
        logged_bytes: 0,
        kept: None,
        secrets: None,
        logs_closed: false,
        queued_at: now,
    })
}

/// Where an artifact will be, as far as that is known before the build.
fn shown_artifacts(of: &api::ProjectArtifacts, project: &str, uuid: &str) -> api::BuildArtifacts {
    let located = of.location.as_deref().is_some_and(|l| !l.is_empty());
    let location = located.then(|| {
        let (bucket, key) = crate::run::location(of, project, uuid, None);
        format!("arn:aws:s3:::{bucket}/{key}")
    });
    api::BuildArtifacts {
        location: location.or_else(|| Some(String::new())),
        override_artifact_name: of.override_artifact_name,
        encryption_disabled: of.encryption_disabled,
        artifact_identifier: of.artifact_identifier.clone(),
        bucket_owner_access: of.bucket_owner_access.clone(),
        ..Default::default()
    }
}

fn logs(
    cx: &Ctx,
    config: Option<api::LogsConfig>,
    project: &str,
    uuid: &str,
) -> Result<api::LogsLocation, AwsError> {
    let config = config.unwrap_or_default();
    let in_s3 = config.s3_logs.as_ref().filter(|s| s.status == "ENABLED");
    if in_s3.is_some_and(|s| s.location.as_deref().unwrap_or_default().is_empty()) {
        return Err(error::invalid(
            "Invalid logsConfig: location must be specified for s3Logs that are ENABLED",
        ));
    }
    let s3_logs_arn = in_s3.and_then(|s| s.location.clone());
    let s3_logs_arn = s3_logs_arn.map(|location| {
        let location = location
            .trim_start_matches("arn:aws:s3:::")
            .trim_end_matches('/');
        format!("arn:aws:s3:::{location}/{uuid}.gz")
    });
    let watch = config
        .cloud_watch_logs
        .unwrap_or(api::CloudWatchLogsConfig {
            status: "ENABLED".to_owned(),
            ..Default::default()
        });
    let mut location = api::LogsLocation {
        s3_logs_arn,
        s3_logs: Some(config.s3_logs.unwrap_or(api::S3LogsConfig {
            status: "DISABLED".to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    };
    if watch.status == "ENABLED" {
        let group = watch.group_name.clone();
        let group = group.unwrap_or_else(|| format!("/aws/codebuild/{project}"));
        let stream = match &watch.stream_name {
            Some(prefix) => format!("{prefix}/{uuid}"),
            None => uuid.to_owned(),
        };
        let arn = cx
            .scope
            .arn("logs", format!("log-group:{group}:log-stream:{stream}"));
        location.cloud_watch_logs_arn = Some(arn);
        location.group_name = Some(group);
        location.stream_name = Some(stream);
    }
    location.cloud_watch_logs = Some(watch);
    Ok(location)
}
