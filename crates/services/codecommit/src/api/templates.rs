//! Approval rule templates, and the repositories that they are for.

use super::approvals::{check_content, check_hash};
use super::pulls::{NOTHING, of_id};
use super::{paged, repository};
use crate::model::RuleTemplate;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::sigv4::sha256_hex;
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// "1,000 in a Region" and "25 for a repository".
const MOST: usize = 1_000;
const MOST_OF_REPOSITORY: usize = 25;
const PAGE: usize = 100;

fn shown(template: &RuleTemplate) -> Option<api::ApprovalRuleTemplate> {
    Some(api::ApprovalRuleTemplate {
        approval_rule_template_id: Some(template.id.clone()),
        approval_rule_template_name: Some(template.name.clone()),
        approval_rule_template_description: template.description.clone(),
        approval_rule_template_content: Some(template.content.clone()),
        rule_content_sha256: Some(sha256_hex(template.content.as_bytes())),
        last_modified_date: Some(template.modified_at),
        creation_date: Some(template.created_at),
        last_modified_user: Some(template.by.clone()),
    })
}

fn no_template() -> AwsError {
    error::shown(
        "ApprovalRuleTemplateDoesNotExistException",
        "The specified approval rule template does not exist. Verify that the name is correct and that you are \
         signed in to the Amazon Web Services Region where the template was created, and then try again.",
    )
}

fn exists() -> AwsError {
    error::shown(
        "ApprovalRuleTemplateNameAlreadyExistsException",
        "You cannot create an approval rule template with that name because a template with that name already \
         exists in this Amazon Web Services Region for your Amazon Web Services account. Approval rule template \
         names must be unique.",
    )
}

/// Names hold what keys do not.
fn key(cx: &Ctx, name: &str) -> String {
    db::key::<RuleTemplate>(&cx.scope, &neargate_service::page::encode(name))
}

async fn template(cx: &Ctx, name: &str) -> Result<Stored<RuleTemplate>, AwsError> {
    let found = cx.db().get_key::<RuleTemplate>(&key(cx, name)).await?;
    found.ok_or_else(no_template)
}

async fn change(
    cx: &Ctx,
    name: &str,
    mut change: impl FnMut(&mut RuleTemplate) -> Result<(), AwsError>,
) -> Result<Stored<RuleTemplate>, AwsError> {
    let key = key(cx, name);
    let changed = cx
        .db()
        .modify::<RuleTemplate, _>(&key, |template| change(template).map(|()| true));
    changed.await?.ok_or_else(no_template)
}

pub async fn create_approval_rule_template(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::CreateApprovalRuleTemplateInput,
) -> Result<api::CreateApprovalRuleTemplateOutput, AwsError> {
    check_content(&input.approval_rule_template_content).map_err(|_| {
        error::shown(
            "InvalidApprovalRuleTemplateContentException",
            "The content of the approval rule template is not valid.",
        )
    })?;
    if cx.db().list::<RuleTemplate>(&cx.scope).await?.len() >= MOST {
        return Err(error::shown(
            "NumberOfRuleTemplatesExceededException",
            "The maximum number of approval rule templates has been exceeded for this Amazon Web Services Region. ",
        ));
    }
    let made = RuleTemplate {
        id: cx.house.rng.uuid(),
        name: input.approval_rule_template_name,
        description: input.approval_rule_template_description,
        content: input.approval_rule_template_content,
        by: cx.principal.arn.clone(),
        created_at: cx.now(),
        modified_at: cx.now(),
        repositories: Default::default(),
    };
    let tx = cx.db().tx().create(key(&cx, &made.name), &made);
    match tx.commit().await? {
        Committed::Conflict => Err(exists()),
        Committed::At(_) => Ok(api::CreateApprovalRuleTemplateOutput {
            approval_rule_template: shown(&made),
        }),
    }
}

pub async fn get_approval_rule_template(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetApprovalRuleTemplateInput,
) -> Result<api::GetApprovalRuleTemplateOutput, AwsError> {
    let found = template(&cx, &input.approval_rule_template_name).await?;
    Ok(api::GetApprovalRuleTemplateOutput {
        approval_rule_template: shown(&found),
    })
}

pub async fn list_approval_rule_templates(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListApprovalRuleTemplatesInput,
) -> Result<api::ListApprovalRuleTemplatesOutput, AwsError> {
    let all = cx.db().list::<RuleTemplate>(&cx.scope).await?;
    let (names, next_token) = names(&all, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListApprovalRuleTemplatesOutput {
        approval_rule_template_names: Some(names),
        next_token,
    })
}

fn names(
    all: &[Stored<RuleTemplate>],
    token: Option<&str>,
    most: Option<i32>,
) -> Result<(Vec<String>, Option<String>), AwsError> {
    let mut names: Vec<String> = all.iter().map(|t| t.name.clone()).collect();
    names.sort();
    page_of(names, token, most)
}

fn page_of(
    names: Vec<String>,
    token: Option<&str>,
    most: Option<i32>,
) -> Result<(Vec<String>, Option<String>), AwsError> {
    let most = most.and_then(|n| usize::try_from(n).ok());
    let most = most.map_or(PAGE, |n| n.clamp(1, PAGE));
    let page = paged(names, token, most, String::clone)?;
    Ok((page.items, page.next_token))
}

pub async fn delete_approval_rule_template(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DeleteApprovalRuleTemplateInput,
) -> Result<api::DeleteApprovalRuleTemplateOutput, AwsError> {
    loop {
        let found = match template(&cx, &input.approval_rule_template_name).await {
            Err(e) if e.is("ApprovalRuleTemplateDoesNotExistException") => {
                return Ok(api::DeleteApprovalRuleTemplateOutput {
                    approval_rule_template_id: None,
                });
            }
            found => found?,
        };
        for id in &found.repositories {
            if of_id(&cx, id).await?.is_some() {
                return Err(error::shown(
                    "ApprovalRuleTemplateInUseException",
                    "The approval rule template is associated with one or more repositories. You cannot delete a \
                     template that is associated with a repository. Remove all associations, and then try again.",
                ));
            }
        }
        if let Committed::At(_) = cx.db().tx().delete(&found).commit().await? {
            return Ok(api::DeleteApprovalRuleTemplateOutput {
                approval_rule_template_id: Some(found.value.id),
            });
        }
    }
}

pub async fn update_approval_rule_template_content(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateApprovalRuleTemplateContentInput,
) -> Result<api::UpdateApprovalRuleTemplateContentOutput, AwsError> {
    check_content(&input.new_rule_content).map_err(|_| {
        error::shown(
            "InvalidApprovalRuleTemplateContentException",
            "The content of the approval rule template is not valid.",
        )
    })?;
    let changed = change(&cx, &input.approval_rule_template_name, |template| {
        check_hash(
            input.existing_rule_content_sha256.as_deref(),
            &template.content,
        )?;
        template.content.clone_from(&input.new_rule_content);
        template.by.clone_from(&cx.principal.arn);
        template.modified_at = cx.now();
        Ok(())
    });
    Ok(api::UpdateApprovalRuleTemplateContentOutput {
        approval_rule_template: shown(&changed.await?.value),
    })
}

pub async fn update_approval_rule_template_description(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateApprovalRuleTemplateDescriptionInput,
) -> Result<api::UpdateApprovalRuleTemplateDescriptionOutput, AwsError> {
    let changed = change(&cx, &input.approval_rule_template_name, |template| {
        template.description = Some(input.approval_rule_template_description.clone());
        template.by.clone_from(&cx.principal.arn);
        template.modified_at = cx.now();
        Ok(())
    });
    Ok(api::UpdateApprovalRuleTemplateDescriptionOutput {
        approval_rule_template: shown(&changed.await?.value),
    })
}

pub async fn update_approval_rule_template_name(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::UpdateApprovalRuleTemplateNameInput,
) -> Result<api::UpdateApprovalRuleTemplateNameOutput, AwsError> {
    loop {
        let found = template(&cx, &input.old_approval_rule_template_name).await?;
        let name = input.new_approval_rule_template_name.clone();
        let new = key(&cx, &name);
        if cx.db().get_key::<RuleTemplate>(&new).await?.is_some() {
            return Err(exists());
        }
        let renamed = RuleTemplate {
            name,
            by: cx.principal.arn.clone(),
            modified_at: cx.now(),
            ..found.value.clone()
        };
        let tx = cx.db().tx().delete(&found).create(new, &renamed);
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::UpdateApprovalRuleTemplateNameOutput {
                approval_rule_template: shown(&renamed),
            });
        }
    }
}

async fn associate(cx: &Ctx, name: &str, repository_name: &str) -> Result<(), AwsError> {
    let found = template(cx, name).await?;
    let repository = repository(cx, repository_name).await?;
    let all = cx.db().list::<RuleTemplate>(&cx.scope).await?;
    let of = all
        .iter()
        .filter(|t| t.repositories.contains(&repository.id));
    if of.count() >= MOST_OF_REPOSITORY && !found.repositories.contains(&repository.id) {
        return Err(error::shown(
            "MaximumRuleTemplatesAssociatedWithRepositoryException",
            "The maximum number of approval rule templates for a repository has been exceeded. You cannot associate \
             more than 25 approval rule templates with a repository.",
        ));
    }
    let changed = change(cx, name, |template| {
        template.repositories.insert(repository.id.clone());
        Ok(())
    });
    changed.await.map(drop)
}

async fn disassociate(cx: &Ctx, name: &str, repository_name: &str) -> Result<(), AwsError> {
    template(cx, name).await?;
    let repository = repository(cx, repository_name).await?;
    let changed = change(cx, name, |template| {
        template.repositories.remove(&repository.id);
        Ok(())
    });
    changed.await.map(drop)
}

pub async fn associate_approval_rule_template_with_repository(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::AssociateApprovalRuleTemplateWithRepositoryInput,
) -> Result<Unit, AwsError> {
    associate(
        &cx,
        &input.approval_rule_template_name,
        &input.repository_name,
    )
    .await?;
    Ok(NOTHING)
}

pub async fn disassociate_approval_rule_template_from_repository(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DisassociateApprovalRuleTemplateFromRepositoryInput,
) -> Result<Unit, AwsError> {
    disassociate(
        &cx,
        &input.approval_rule_template_name,
        &input.repository_name,
    )
    .await?;
    Ok(NOTHING)
}

pub async fn batch_associate_approval_rule_template_with_repositories(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::BatchAssociateApprovalRuleTemplateWithRepositoriesInput,
) -> Result<api::BatchAssociateApprovalRuleTemplateWithRepositoriesOutput, AwsError> {
    template(&cx, &input.approval_rule_template_name).await?;
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for name in input.repository_names {
        match associate(&cx, &input.approval_rule_template_name, &name).await {
            Ok(()) => done.push(name),
            Err(e) => errors.push(
                api::BatchAssociateApprovalRuleTemplateWithRepositoriesError {
                    repository_name: Some(name),
                    error_code: Some(e.code),
                    error_message: Some(e.message),
                },
            ),
        }
    }
    Ok(
        api::BatchAssociateApprovalRuleTemplateWithRepositoriesOutput {
            associated_repository_names: Some(done),
            errors: Some(errors),
        },
    )
}

pub async fn batch_disassociate_approval_rule_template_from_repositories(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::BatchDisassociateApprovalRuleTemplateFromRepositoriesInput,
) -> Result<api::BatchDisassociateApprovalRuleTemplateFromRepositoriesOutput, AwsError> {
    template(&cx, &input.approval_rule_template_name).await?;
    let (mut done, mut errors) = (Vec::new(), Vec::new());
    for name in input.repository_names {
        match disassociate(&cx, &input.approval_rule_template_name, &name).await {
            Ok(()) => done.push(name),
            Err(e) => errors.push(
                api::BatchDisassociateApprovalRuleTemplateFromRepositoriesError {
                    repository_name: Some(name),
                    error_code: Some(e.code),
                    error_message: Some(e.message),
                },
            ),
        }
    }
    Ok(
        api::BatchDisassociateApprovalRuleTemplateFromRepositoriesOutput {
            disassociated_repository_names: Some(done),
            errors: Some(errors),
        },
    )
}

pub async fn list_associated_approval_rule_templates_for_repository(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListAssociatedApprovalRuleTemplatesForRepositoryInput,
) -> Result<api::ListAssociatedApprovalRuleTemplatesForRepositoryOutput, AwsError> {
    let repository = repository(&cx, &input.repository_name).await?;
    let mut all = cx.db().list::<RuleTemplate>(&cx.scope).await?;
    all.retain(|t| t.repositories.contains(&repository.id));
    let (names, next_token) = names(&all, input.next_token.as_deref(), input.max_results)?;
    Ok(
        api::ListAssociatedApprovalRuleTemplatesForRepositoryOutput {
            approval_rule_template_names: Some(names),
            next_token,
        },
    )
}

pub async fn list_repositories_for_approval_rule_template(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListRepositoriesForApprovalRuleTemplateInput,
) -> Result<api::ListRepositoriesForApprovalRuleTemplateOutput, AwsError> {
    let found = template(&cx, &input.approval_rule_template_name).await?;
    let mut names = Vec::new();
    for id in &found.repositories {
        if let Some(repository) = of_id(&cx, id).await? {
            names.push(repository.name.clone());
        }
    }
    names.sort();
    let (names, next_token) = page_of(names, input.next_token.as_deref(), input.max_results)?;
    Ok(api::ListRepositoriesForApprovalRuleTemplateOutput {
        repository_names: Some(names),
        next_token,
    })
}
