//! Repositories.

use super::{paged, repository};
use crate::git::names::{self, HEADS};
use crate::model::{Repository, Told, clone_url_http, clone_url_ssh};
use crate::{CodeCommit, error, sweep};
use neargate_api_codecommit as api;
use neargate_service::tags;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// "Maximum number of repositories: 5,000 per AWS account" and region.
const MOST: usize = 5_000;
const PAGE: usize = 100;
/// What AWS answers where no key was named: its own for CodeCommit.
const MANAGED_KEY: &str = "alias/aws/codecommit";

fn shown(cx: &Ctx, repository: &Repository) -> api::RepositoryMetadata {
    let name = &repository.name;
    let key = repository.kms_key_id.clone();
    api::RepositoryMetadata {
        account_id: Some(cx.scope.account.to_string()),
        repository_id: Some(repository.id.clone()),
        repository_name: Some(name.clone()),
        repository_description: repository.description.clone(),
        default_branch: repository.default_branch.clone(),
        last_modified_date: Some(repository.modified_at),
        creation_date: Some(repository.created_at),
        clone_url_http: Some(clone_url_http(
            &cx.endpoint(),
            &cx.house.settings,
            &cx.scope,
            name,
        )),
        clone_url_ssh: Some(clone_url_ssh(&cx.scope, name)),
        arn: Some(repository.arn(&cx.scope)),
        kms_key_id: Some(key.unwrap_or_else(|| cx.arn("kms", MANAGED_KEY))),
    }
}

pub async fn create_repository(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::CreateRepositoryInput,
) -> Result<api::CreateRepositoryOutput, AwsError> {
    let name = input.repository_name;
    if !names::is_repository(&name) {
        return Err(error::invalid_repository_name());
    }
    let made = Repository {
        id: cx.house.rng.uuid(),
        description: input.repository_description,
        default_branch: None,
        kms_key_id: input.kms_key_id,
        tags: tags::parse(input.tags.unwrap_or_default()).map_err(error::tags)?,
        created_at: cx.now(),
        modified_at: cx.now(),
        name,
    };
    codecommit.git.takes_more()?;
    if cx.db().list::<Repository>(&cx.scope).await?.len() >= MOST {
        return Err(error::too_many_repositories());
    }
    let key = db::key::<Repository>(&cx.scope, &made.name);
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::Conflict => return Err(error::repository_exists(&made.name)),
        Committed::At(_) => {}
    }
    // The record is what counts: whoever finds no directory makes it.
    codecommit.git.ensure(&made.id).await?;
    Ok(api::CreateRepositoryOutput {
        repository_metadata: Some(shown(&cx, &made)),
    })
}

pub async fn get_repository(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetRepositoryInput,
) -> Result<api::GetRepositoryOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    Ok(api::GetRepositoryOutput {
        repository_metadata: Some(shown(&cx, &found)),
    })
}

pub async fn batch_get_repositories(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::BatchGetRepositoriesInput,
) -> Result<api::BatchGetRepositoriesOutput, AwsError> {
    let names = input.repository_names;
    match names.len() {
        0 => {
            return Err(error::shown(
                "RepositoryNamesRequiredException",
                "At least one repository name object is required, but was not specified.",
            ));
        }
        101.. => {
            return Err(error::shown(
                "MaximumRepositoryNamesExceededException",
                "The maximum number of allowed repository names was exceeded. Currently, this number is 100.",
            ));
        }
        _ => {}
    }
    let (mut found, mut missing, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        match repository(&cx, &name).await {
            Ok(repository) => found.push(shown(&cx, &repository)),
            Err(e) if e.is("RepositoryDoesNotExistException") => {
                errors.push(api::BatchGetRepositoriesError {
                    repository_id: None,
                    repository_name: Some(name.clone()),
                    error_code: Some(e.code),
                    error_message: Some(e.message),
                });
                missing.push(name);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(api::BatchGetRepositoriesOutput {
        repositories: Some(found),
        repositories_not_found: Some(missing),
        errors: Some(errors),
    })
}

pub async fn list_repositories(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListRepositoriesInput,
) -> Result<api::ListRepositoriesOutput, AwsError> {
    let mut all = cx.db().list::<Repository>(&cx.scope).await?;
    let by_date = input.sort_by.as_deref() == Some("lastModifiedDate");
    // What orders them names them, too, so that a page begins behind one.
    let key = move |r: &Stored<Repository>| match by_date {
        true => format!("{:020} {}", r.modified_at.as_millis(), r.name),
        false => r.name.clone(),
    };
    all.sort_by_key(key);
    let token = input.next_token.as_deref();
    let page = match input.order.as_deref() {
        Some("descending") => {
            all.reverse();
            let page = neargate_service::page::page_descending(all, token, PAGE, key);
            page.map_err(|_| error::invalid_token())?
        }
        _ => paged(all, token, PAGE, key)?,
    };
    let shown = |r: Stored<Repository>| api::RepositoryNameIdPair {
        repository_name: Some(r.value.name),
        repository_id: Some(r.value.id),
    };
    Ok(api::ListRepositoriesOutput {
        repositories: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

/// One that is not there was deleted before, as AWS sees it.
pub async fn delete_repository(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DeleteRepositoryInput,
) -> Result<api::DeleteRepositoryOutput, AwsError> {
    loop {
        let found = match repository(&cx, &input.repository_name).await {
            Err(e) if e.is("RepositoryDoesNotExistException") => {
                return Ok(api::DeleteRepositoryOutput {
                    repository_id: None,
                });
            }
            found => found?,
        };
        let Committed::At(_) = cx.db().tx().delete(&found).commit().await? else {
            continue;
        };
        // It is deleted; what is left is taken away now, or at the next start.
        let told = db::key::<Told>(&cx.scope, &format!("{}/", found.id));
        if let Err(error) = sweep::forget(cx.db(), &told).await {
            tracing::warn!(%error, "references of a deleted repository are left");
        }
        if let Err(error) = sweep::forget_talk(cx.db(), &cx.scope, &found.id).await {
            tracing::warn!(%error, "pull requests of a deleted repository are left");
        }
        if let Err(error) = codecommit.git.remove(&found.id).await {
            tracing::warn!(%error, "the directory of a deleted repository is left");
        }
        return Ok(api::DeleteRepositoryOutput {
            repository_id: Some(found.value.id),
        });
    }
}

pub async fn update_repository_name(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateRepositoryNameInput,
) -> Result<Unit, AwsError> {
    let (old, new) = (input.old_name, input.new_name);
    if !names::is_repository(&new) {
        return Err(error::invalid_repository_name());
    }
    loop {
        let found = repository(&cx, &old).await?;
        let key = db::key::<Repository>(&cx.scope, &new);
        if cx.db().get_key::<Repository>(&key).await?.is_some() {
            return Err(error::repository_exists(&new));
        }
        let renamed = Repository {
            name: new.clone(),
            modified_at: cx.now(),
            ..found.value.clone()
        };
        let tx = cx.db().tx().delete(&found).create(key, &renamed);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(Unit {});
        }
    }
}

/// Changes a repository that is there.
pub(super) async fn change(
    cx: &Ctx,
    name: &str,
    mut change: impl FnMut(&mut Repository) -> Result<(), AwsError>,
) -> Result<Stored<Repository>, AwsError> {
    let found = repository(cx, name).await?;
    let now = cx.now();
    let changed = cx.db().modify::<Repository, _>(&found.key, |repository| {
        change(repository)?;
        repository.modified_at = now;
        Ok(true)
    });
    changed.await?.ok_or_else(|| error::no_repository(name))
}

pub async fn update_repository_description(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateRepositoryDescriptionInput,
) -> Result<Unit, AwsError> {
    let description = input.repository_description.filter(|d| !d.is_empty());
    let set = change(&cx, &input.repository_name, |repository| {
        repository.description.clone_from(&description);
        Ok(())
    });
    set.await.map(|_| Unit {})
}

pub async fn update_repository_encryption_key(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateRepositoryEncryptionKeyInput,
) -> Result<api::UpdateRepositoryEncryptionKeyOutput, AwsError> {
    let mut before = None;
    let set = change(&cx, &input.repository_name, |repository| {
        before = repository.kms_key_id.replace(input.kms_key_id.clone());
        Ok(())
    });
    let set = set.await?;
    Ok(api::UpdateRepositoryEncryptionKeyOutput {
        repository_id: Some(set.value.id),
        kms_key_id: set.value.kms_key_id,
        original_kms_key_id: Some(before.unwrap_or_else(|| cx.arn("kms", MANAGED_KEY))),
    })
}

pub async fn update_default_branch(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateDefaultBranchInput,
) -> Result<Unit, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    let branch = input.default_branch_name;
    if !names::is_reference(&branch) {
        return Err(error::invalid_branch_name());
    }
    codecommit.git.ensure(&found.id).await?;
    let full = format!("{HEADS}{branch}");
    if codecommit.git.reference(&found.id, &full).await?.is_none() {
        return Err(error::no_branch(&branch));
    }
    let set = change(&cx, &input.repository_name, |repository| {
        repository.default_branch = Some(branch.clone());
        Ok(())
    });
    let set = set.await?;
    codecommit.git.set_head(&set.id, &branch).await?;
    Ok(Unit {})
}
