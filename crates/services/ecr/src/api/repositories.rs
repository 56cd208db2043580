//! Repositories.

use super::{cut, open, own_registry};
use crate::Ecr;
use crate::model::Repository;
use crate::{error, names};
use neargate_api_ecr as api;
use neargate_service::{AwsError, Committed, Ctx, Scope, db, tags};
use std::sync::Arc;

pub async fn create_repository(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::CreateRepositoryInput,
) -> Result<api::CreateRepositoryOutput, AwsError> {
    let scope = own_registry(&cx, input.registry_id.as_deref(), "CreateRepository")?;
    let name = input.repository_name;
    if !names::is_repository(&name) {
        return Err(error::invalid_repository_name());
    }
    if scope == cx.house.settings.default_scope && names::split_scope(&name).is_some() {
        return Err(error::name_of_another_registry());
    }
    let given = input
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|t| (t.key, t.value));
    let tags = tags::parse(given).map_err(error::invalid_tags)?;
    let mutability = input
        .image_tag_mutability
        .unwrap_or_else(|| "MUTABLE".into());
    let exclusions = exclusions(&mutability, input.image_tag_mutability_exclusion_filters)?;
    let encryption = input.encryption_configuration;
    let repository = Repository {
        name: name.clone(),
        uid: cx.house.rng.hex(12),
        created_at: cx.now(),
        tag_mutability: mutability,
        mutability_exclusions: exclusions,
        scan_on_push: input
            .image_scanning_configuration
            .and_then(|c| c.scan_on_push)
            .unwrap_or_default(),
        encryption_type: encryption
            .as_ref()
            .map_or_else(|| "AES256".into(), |e| e.encryption_type.clone()),
        kms_key: encryption.and_then(|e| e.kms_key),
        policy: None,
        lifecycle_policy: None,
        tags,
        changes: 0,
    };
    let key = db::key::<Repository>(&scope, &name);
    match cx.db().tx().create(key, &repository).commit().await? {
        Committed::At(_) => {
            let repository = Some(shown(&cx, &scope, &repository));
            Ok(api::CreateRepositoryOutput { repository })
        }
        Committed::Conflict => Err(error::repository_already_exists(&scope, &name)),
    }
}

/// The patterns of `imageTagMutabilityExclusionFilters`, which only the two settings with
/// exclusion have.
pub(super) fn exclusions(
    mutability: &str,
    filters: Option<Vec<api::ImageTagMutabilityExclusionFilter>>,
) -> Result<Vec<String>, AwsError> {
    let patterns: Vec<String> = filters
        .unwrap_or_default()
        .into_iter()
        .map(|f| f.filter)
        .collect();
    if mutability.ends_with("_WITH_EXCLUSION") == patterns.is_empty() {
        return Err(error::misplaced_exclusions(!patterns.is_empty()));
    }
    Ok(patterns)
}

pub async fn delete_repository(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::DeleteRepositoryInput,
) -> Result<api::DeleteRepositoryOutput, AwsError> {
    let mut contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "DeleteRepository",
    )
    .await?;
    let force = input.force.unwrap_or_default();
    loop {
        if !force && !contents.images().await?.is_empty() {
            return Err(error::repository_not_empty(
                &contents.scope,
                contents.name(),
            ));
        }
        // What it held is found by its id only, and collected later.
        if let Committed::At(_) = cx.db().tx().delete(&contents.repository).commit().await? {
            let repository = Some(shown(&cx, &contents.scope, &contents.repository));
            return Ok(api::DeleteRepositoryOutput { repository });
        }
        contents.reopen().await?;
    }
}

pub async fn describe_repositories(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::DescribeRepositoriesInput,
) -> Result<api::DescribeRepositoriesOutput, AwsError> {
    let registry_id = input.registry_id.as_deref();
    if let Some(names) = input.repository_names.filter(|n| !n.is_empty()) {
        let mut found = Vec::with_capacity(names.len());
        for name in names {
            let contents = open(&cx, registry_id, &name, "DescribeRepositories").await?;
            found.push(shown(&cx, &contents.scope, &contents.repository));
        }
        return Ok(api::DescribeRepositoriesOutput {
            repositories: Some(found),
            next_token: None,
        });
    }
    let scope = own_registry(&cx, registry_id, "DescribeRepositories")?;
    let all = cx.db().list::<Repository>(&scope).await?;
    let token = input.next_token.as_deref();
    let page = cut(all, token, input.max_results, |r| r.name.clone())?;
    let repositories = page.items.iter().map(|r| shown(&cx, &scope, r)).collect();
    Ok(api::DescribeRepositoriesOutput {
        repositories: Some(repositories),
        next_token: page.next_token,
    })
}

fn shown(cx: &Ctx, scope: &Scope, repository: &Repository) -> api::Repository {
    let name = &repository.name;
    api::Repository {
        repository_arn: Some(scope.arn("ecr", format!("repository/{name}"))),
        registry_id: Some(scope.account.to_string()),
        repository_name: Some(name.clone()),
        repository_uri: Some(names::repository_uri(&cx.house.settings, scope, name)),
        created_at: Some(repository.created_at),
        image_tag_mutability: Some(repository.tag_mutability.clone()),
        image_tag_mutability_exclusion_filters: filters(&repository.mutability_exclusions),
        image_scanning_configuration: Some(api::ImageScanningConfiguration {
            scan_on_push: Some(repository.scan_on_push),
        }),
        encryption_configuration: Some(api::EncryptionConfiguration {
            encryption_type: repository.encryption_type.clone(),
            kms_key: repository.kms_key.clone(),
        }),
    }
}

pub(super) fn filters(patterns: &[String]) -> Option<Vec<api::ImageTagMutabilityExclusionFilter>> {
    let filter = |pattern: &String| api::ImageTagMutabilityExclusionFilter {
        filter_type: "WILDCARD".into(),
        filter: pattern.clone(),
    };
    (!patterns.is_empty()).then(|| patterns.iter().map(filter).collect())
}
