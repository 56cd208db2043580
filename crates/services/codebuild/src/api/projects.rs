//! Projects.

use super::paged;
use crate::model::{Build, Project, project_arn};
use crate::plan::environment;
use crate::{CodeBuild, error};
use neargate_api_codebuild as api;
use neargate_base::Arn;
use neargate_service::tags;
use neargate_service::{AwsError, Committed, Ctx, Scope, db};
use neargate_wire::json::Json;
use std::sync::Arc;

const TIMEOUT: i32 = 60;
const QUEUED_TIMEOUT: i32 = 480;
/// Projects of an account and region.
const MOST: usize = 5_000;
const MOST_SECONDARY: usize = 12;

/// The name that a caller's name or ARN means.
pub fn name_of(scope: &Scope, named: &str) -> String {
    let parsed: Result<Arn, _> = named.parse();
    match parsed {
        Ok(arn) if scope.holds(&arn) => arn.resource.trim_start_matches("project/").to_owned(),
        _ => named.to_owned(),
    }
}

pub async fn create_project(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::CreateProjectInput,
) -> Result<api::CreateProjectOutput, AwsError> {
    let given = input.tags.clone().unwrap_or_default();
    let shown = api::Project {
        arn: Some(project_arn(&cx.scope, &input.name)),
        name: Some(input.name.clone()),
        description: input.description,
        source: Some(input.source),
        secondary_sources: Some(input.secondary_sources.unwrap_or_default()),
        source_version: input.source_version,
        secondary_source_versions: Some(input.secondary_source_versions.unwrap_or_default()),
        artifacts: Some(input.artifacts),
        secondary_artifacts: Some(input.secondary_artifacts.unwrap_or_default()),
        cache: Some(input.cache.unwrap_or_else(no_cache)),
        environment: Some(input.environment),
        service_role: Some(input.service_role),
        timeout_in_minutes: Some(input.timeout_in_minutes.unwrap_or(TIMEOUT)),
        queued_timeout_in_minutes: Some(input.queued_timeout_in_minutes.unwrap_or(QUEUED_TIMEOUT)),
        encryption_key: Some(input.encryption_key.unwrap_or_else(|| own_key(&cx.scope))),
        tags: Some(checked_tags(given)?),
        created: Some(cx.now()),
        last_modified: Some(cx.now()),
        vpc_config: input.vpc_config,
        badge: Some(api::ProjectBadge {
            badge_enabled: Some(false),
            badge_request_url: None,
        }),
        logs_config: input.logs_config,
        file_system_locations: input.file_system_locations,
        build_batch_config: input.build_batch_config,
        concurrent_build_limit: input.concurrent_build_limit,
        project_visibility: Some("PRIVATE".to_owned()),
        auto_retry_limit: input.auto_retry_limit,
        ..Default::default()
    };
    if input.badge_enabled == Some(true) {
        return Err(error::not_built("build badges"));
    }
    let shown = check(&cx.scope, shown)?;
    let all = cx.db().list::<Project>(&cx.scope).await?;
    if all.len() >= MOST {
        return Err(error::limit(format!(
            "Cannot have more than {MOST} projects"
        )));
    }
    let made = Project {
        shown: Json(shown.clone()),
        builds: 0,
    };
    let key = db::key::<Project>(&cx.scope, &input.name);
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::At(_) => Ok(api::CreateProjectOutput {
            project: Some(shown),
        }),
        Committed::Conflict => Err(error::project_exists(&project_arn(&cx.scope, &input.name))),
    }
}

fn no_cache() -> api::ProjectCache {
    api::ProjectCache {
        r#type: "NO_CACHE".to_owned(),
        ..Default::default()
    }
}

fn own_key(scope: &Scope) -> String {
    scope.arn("kms", "alias/aws/s3")
}

pub fn checked_tags(given: Vec<api::Tag>) -> Result<Vec<api::Tag>, AwsError> {
    let pairs = given
        .into_iter()
        .map(|t| (t.key.unwrap_or_default(), t.value.unwrap_or_default()));
    let tags = tags::parse(pairs).map_err(|why| error::invalid_tags(&why))?;
    let shown = |(key, value)| api::Tag {
        key: Some(key),
        value: Some(value),
    };
    Ok(tags.into_iter().map(shown).collect())
}

/// Is it something that can be built? What AWS fills in is filled in.
fn check(scope: &Scope, mut project: api::Project) -> Result<api::Project, AwsError> {
    let name = project.name.clone().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !(2..=150).contains(&name.len()) || !begins || !name.chars().all(fits) {
        return Err(error::invalid(
            "Invalid project name: project name must be 2-150 characters, begin with a letter or a digit, and have \
             letters, digits, - and _ only",
        ));
    }
    if let Some(source) = &project.source {
        check_source(source)?;
    }
    let secondary = project.secondary_sources.iter().flatten();
    for source in secondary {
        if source
            .source_identifier
            .as_deref()
            .unwrap_or_default()
            .is_empty()
        {
            return Err(error::invalid(
                "Invalid input: secondary sources must have a source identifier",
            ));
        }
        check_source(source)?;
    }
    if let Some(artifacts) = &mut project.artifacts {
        check_artifacts(artifacts, &name)?;
    }
    for artifacts in project.secondary_artifacts.iter_mut().flatten() {
        if artifacts
            .artifact_identifier
            .as_deref()
            .unwrap_or_default()
            .is_empty()
        {
            return Err(error::invalid(
                "Invalid artifacts: artifact identifier must be specified for secondary artifacts",
            ));
        }
        check_artifacts(artifacts, &name)?;
    }
    for (what, count) in [
        (
            "sources",
            project.secondary_sources.as_ref().map_or(0, Vec::len),
        ),
        (
            "artifacts",
            project.secondary_artifacts.as_ref().map_or(0, Vec::len),
        ),
    ] {
        if count > MOST_SECONDARY {
            return Err(error::invalid(format!(
                "Cannot have more than {MOST_SECONDARY} secondary {what}"
            )));
        }
    }
    if let Some(environment) = &mut project.environment {
        check_environment(environment)?;
    }
    // The role's name is enough, as of old.
    if let Some(role) = &mut project.service_role
        && !role.is_empty()
        && !role.starts_with("arn:")
    {
        *role = format!("arn:aws:iam::{}:role/{role}", scope.account);
    }
    if !project
        .service_role
        .as_deref()
        .unwrap_or_default()
        .starts_with("arn:")
    {
        return Err(error::invalid(
            "Invalid service role: Service role account ID does not match caller's account",
        ));
    }
    if project
        .file_system_locations
        .as_ref()
        .is_some_and(|f| !f.is_empty())
    {
        return Err(error::not_built("fileSystemLocations"));
    }
    if project.concurrent_build_limit.is_some_and(|n| n < 1) {
        return Err(error::invalid(
            "Invalid input: concurrentBuildLimit must be greater than 0",
        ));
    }
    if let Some(vpc) = &project.vpc_config {
        let whole = vpc.vpc_id.is_some()
            && vpc.subnets.as_ref().is_some_and(|s| !s.is_empty())
            && vpc
                .security_group_ids
                .as_ref()
                .is_some_and(|s| !s.is_empty());
        // An empty one takes it away.
        if !whole && *vpc != api::VpcConfig::default() {
            return Err(error::invalid(
                "Invalid vpc config: vpc id, subnets and security group ids must all be specified",
            ));
        }
        if *vpc == api::VpcConfig::default() {
            project.vpc_config = None;
        }
    }
    Ok(project)
}

pub fn check_source(source: &api::ProjectSource) -> Result<(), AwsError> {
    let located = source.location.as_deref().is_some_and(|l| !l.is_empty());
    match source.r#type.as_str() {
        "NO_SOURCE" if located => Err(error::invalid(
            "Invalid project source: location must not be specified for NO_SOURCE source",
        )),
        "NO_SOURCE" if source.buildspec.as_deref().unwrap_or_default().is_empty() => {
            Err(error::invalid(
                "Invalid project source: buildspec must be specified for NO_SOURCE source",
            ))
        }
        "NO_SOURCE" | "CODEPIPELINE" => Ok(()),
        "S3" | "CODECOMMIT" if !located => Err(error::invalid(format!(
            "Invalid project source: location must be specified for {} source",
            source.r#type
        ))),
        _ => Ok(()),
    }
}

pub fn check_artifacts(
    artifacts: &mut api::ProjectArtifacts,
    project: &str,
) -> Result<(), AwsError> {
    if artifacts.r#type == "S3" {
        if artifacts.location.as_deref().unwrap_or_default().is_empty() {
            return Err(error::invalid(
                "Invalid artifacts: location must be specified for S3 artifacts",
            ));
        }
        artifacts.name.get_or_insert_with(|| project.to_owned());
        artifacts.packaging.get_or_insert_with(|| "NONE".to_owned());
        artifacts
            .namespace_type
            .get_or_insert_with(|| "NONE".to_owned());
    }
    Ok(())
}

pub fn check_environment(environment: &mut api::ProjectEnvironment) -> Result<(), AwsError> {
    match environment.r#type.as_str() {
        "LINUX_CONTAINER" | "ARM_CONTAINER" => {}
        other => return Err(error::not_built(&format!("environments of type {other}"))),
    }
    environment::compute(environment).map_err(|what| error::not_built(&what))?;
    if environment.fleet.is_some() {
        return Err(error::not_built("fleets"));
    }
    if environment.docker_server.is_some() {
        return Err(error::not_built("dockerServer"));
    }
    if environment.certificate.is_some() {
        return Err(error::not_built("certificate"));
    }
    environment.privileged_mode.get_or_insert(false);
    environment.environment_variables.get_or_insert_default();
    environment
        .image_pull_credentials_type
        .get_or_insert_with(|| "CODEBUILD".to_owned());
    for variable in environment.environment_variables.iter_mut().flatten() {
        variable
            .r#type
            .get_or_insert_with(|| "PLAINTEXT".to_owned());
    }
    Ok(())
}

pub async fn update_project(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::UpdateProjectInput,
) -> Result<api::UpdateProjectOutput, AwsError> {
    if input.badge_enabled == Some(true) {
        return Err(error::not_built("build badges"));
    }
    let name = name_of(&cx.scope, &input.name);
    let given = input.tags.clone().map(checked_tags).transpose()?;
    let key = db::key::<Project>(&cx.scope, &name);
    let now = cx.now();
    let scope = cx.scope.clone();
    let changed = cx.db().modify::<Project, _>(&key, |project| {
        let before = project.shown.0.clone();
        let input = input.clone();
        let after = api::Project {
            description: input.description.or(before.description),
            source: input.source.or(before.source),
            secondary_sources: input.secondary_sources.or(before.secondary_sources),
            source_version: input.source_version.or(before.source_version),
            secondary_source_versions: input
                .secondary_source_versions
                .or(before.secondary_source_versions),
            artifacts: input.artifacts.or(before.artifacts),
            secondary_artifacts: input.secondary_artifacts.or(before.secondary_artifacts),
            cache: input.cache.or(before.cache),
            environment: input.environment.or(before.environment),
            service_role: input.service_role.or(before.service_role),
            timeout_in_minutes: input.timeout_in_minutes.or(before.timeout_in_minutes),
            queued_timeout_in_minutes: input
                .queued_timeout_in_minutes
                .or(before.queued_timeout_in_minutes),
            encryption_key: input.encryption_key.or(before.encryption_key),
            tags: given.clone().or(before.tags),
            vpc_config: input.vpc_config.or(before.vpc_config),
            logs_config: input.logs_config.or(before.logs_config),
            file_system_locations: input.file_system_locations.or(before.file_system_locations),
            build_batch_config: input.build_batch_config.or(before.build_batch_config),
            // Minus one takes the limit away.
            concurrent_build_limit: match input.concurrent_build_limit {
                Some(-1) => None,
                limit => limit.or(before.concurrent_build_limit),
            },
            auto_retry_limit: input.auto_retry_limit.or(before.auto_retry_limit),
            last_modified: Some(now),
            ..before
        };
        project.shown = Json(check(&scope, after)?);
        Ok(true)
    });
    match changed.await? {
        Some(project) => Ok(api::UpdateProjectOutput {
            project: Some(project.value.shown.0),
        }),
        None => Err(error::no_project(&project_arn(&cx.scope, &name))),
    }
}

/// Its builds stay, and those that run go on.
pub async fn delete_project(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::DeleteProjectInput,
) -> Result<api::DeleteProjectOutput, AwsError> {
    let name = name_of(&cx.scope, &input.name);
    let key = db::key::<Project>(&cx.scope, &name);
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteProjectOutput {})
}

pub async fn batch_get_projects(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::BatchGetProjectsInput,
) -> Result<api::BatchGetProjectsOutput, AwsError> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for named in input.names {
        let name = name_of(&cx.scope, &named);
        match cx.db().get::<Project>(&cx.scope, &name).await? {
            Some(project) => found.push(project.value.shown.0),
            None => missing.push(named),
        }
    }
    Ok(api::BatchGetProjectsOutput {
        projects: Some(found),
        projects_not_found: Some(missing),
    })
}

pub async fn list_projects(
    _: Arc<CodeBuild>,
    cx: Ctx,
    input: api::ListProjectsInput,
) -> Result<api::ListProjectsOutput, AwsError> {
    let all = cx.db().list::<Project>(&cx.scope).await?;
    let sort = input.sort_by.unwrap_or_else(|| "NAME".to_owned());
    let of = |project: &api::Project| {
        let name = project.name.clone().unwrap_or_default();
        let time = match sort.as_str() {
            "CREATED_TIME" => project.created,
            "LAST_MODIFIED_TIME" => project.last_modified,
            _ => None,
        };
        let at = time.map_or(0, |t| t.as_millis());
        (format!("{at:020}/{name}"), name)
    };
    let all: Vec<_> = all.iter().map(|p| of(&p.shown)).collect();
    let descending = input.sort_order.as_deref() == Some("DESCENDING");
    let page = paged(all, input.next_token.as_deref(), descending, |p| {
        p.0.clone()
    })?;
    Ok(api::ListProjectsOutput {
        projects: Some(page.items.into_iter().map(|(_, name)| name).collect()),
        next_token: page.next_token,
    })
}

/// The builds of a project.
pub async fn builds_of(cx: &Ctx, project: &str) -> Result<Vec<Build>, AwsError> {
    let prefix = db::key::<Build>(&cx.scope, &format!("{project}:"));
    let all = cx.db().list_prefix::<Build>(&prefix).await?;
    Ok(all.into_iter().map(|b| b.value).collect())
}
