//! Triggers of repositories.

use super::repository;
use crate::git::names;
use crate::model::{Change, Repository, Triggered, Triggers};
use crate::triggers::{is_topic, message, publish};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Ctx, db};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// "10 triggers for a repository", each for so many branches at most.
const MOST: usize = 10;
const MOST_BRANCHES: usize = 10;

fn check(cx: &Ctx, triggers: &[api::RepositoryTrigger]) -> Result<(), AwsError> {
    let wrong = |code: &str, text: &str| Err(error::shown(code, text));
    if triggers.len() > MOST {
        return wrong(
            "MaximumRepositoryTriggersExceededException",
            "The number of triggers allowed for the repository was exceeded.",
        );
    }
    let mut named = BTreeSet::new();
    for trigger in triggers {
        let bad = |c: char| !(c.is_ascii_alphanumeric() || "-_. ".contains(c));
        if trigger.name.is_empty() || trigger.name.contains(bad) || !named.insert(&trigger.name) {
            return wrong(
                "InvalidRepositoryTriggerNameException",
                "The name of the trigger is not valid.",
            );
        }
        if trigger.destination_arn.starts_with("arn:aws:lambda:") {
            return Err(AwsError::not_implemented(
                "codecommit",
                "triggers of Lambda functions",
            ));
        }
        let topic: Option<Arn> = is_topic(&trigger.destination_arn);
        let Some(topic) = topic else {
            return wrong(
                "InvalidRepositoryTriggerDestinationArnException",
                "The Amazon Resource Name (ARN) for the trigger is not valid for the specified destination. The most \
                 common reason for this error is that the ARN does not meet the requirements for the service type.",
            );
        };
        if topic.region != cx.scope.region.as_str() {
            return wrong(
                "InvalidRepositoryTriggerRegionException",
                "The Amazon Web Services Region for the trigger target does not match the Amazon Web Services Region \
                 for the repository. Triggers must be created in the same Amazon Web Services Region as the target \
                 for the trigger.",
            );
        }
        if trigger.events.is_empty() {
            return wrong(
                "RepositoryTriggerEventsListRequiredException",
                "At least one event for the trigger is required, but was not specified.",
            );
        }
        if trigger.events.len() > 1 && trigger.events.iter().any(|e| e == "all") {
            return wrong(
                "InvalidRepositoryTriggerEventsException",
                "One or more events specified for the trigger is not valid. Check to make sure that all events \
                 specified match the requirements for allowed events.",
            );
        }
        let branches = trigger.branches.as_deref().unwrap_or_default();
        if branches.len() > MOST_BRANCHES {
            return wrong(
                "MaximumBranchesExceededException",
                "The number of branches for the trigger was exceeded.",
            );
        }
        if !branches.iter().all(|b| names::is_reference(b)) {
            return wrong(
                "InvalidRepositoryTriggerBranchNameException",
                "One or more branch names specified for the trigger is not valid.",
            );
        }
    }
    Ok(())
}

pub async fn put_repository_triggers(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::PutRepositoryTriggersInput,
) -> Result<api::PutRepositoryTriggersOutput, AwsError> {
    check(&cx, &input.triggers)?;
    let put = Triggers {
        id: cx.house.rng.uuid(),
        triggers: input.triggers.into_iter().map(Json).collect(),
    };
    loop {
        let found = repository(&cx, &input.repository_name).await?;
        let key = db::key::<Triggers>(&cx.scope, &found.id);
        let tx = cx.db().tx().put(key, &put).unchanged(&found);
        if let neargate_service::Committed::At(_) = tx.commit().await? {
            return Ok(api::PutRepositoryTriggersOutput {
                configuration_id: Some(put.id),
            });
        }
    }
}

pub async fn get_repository_triggers(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetRepositoryTriggersInput,
) -> Result<api::GetRepositoryTriggersOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    let put = cx.db().get::<Triggers>(&cx.scope, &found.id).await?;
    let (id, triggers) = match put {
        Some(put) => (Some(put.value.id), put.value.triggers),
        None => (None, Vec::new()),
    };
    Ok(api::GetRepositoryTriggersOutput {
        configuration_id: id,
        triggers: Some(triggers.into_iter().map(|trigger| trigger.0).collect()),
    })
}

pub async fn test_repository_triggers(
    _: Arc<CodeCommit>,
    cx: Ctx,
    input: api::TestRepositoryTriggersInput,
) -> Result<api::TestRepositoryTriggersOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    check(&cx, &input.triggers)?;
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for trigger in &input.triggers {
        match publish(&cx.house, &cx.scope, &test(&cx, &found, trigger)).await {
            Ok(()) => good.push(trigger.name.clone()),
            Err(e) => bad.push(api::RepositoryTriggerExecutionFailure {
                trigger: Some(trigger.name.clone()),
                failure_message: Some(e.message),
            }),
        }
    }
    Ok(api::TestRepositoryTriggersOutput {
        successful_executions: Some(good),
        failed_executions: Some(bad),
    })
}

fn test(cx: &Ctx, repository: &Repository, trigger: &api::RepositoryTrigger) -> Triggered {
    let change = Change {
        repository_id: repository.id.clone(),
        repository_name: repository.name.clone(),
        caller: cx.principal.arn.clone(),
        references: Vec::new(),
        merge: None,
    };
    let configuration = cx.house.rng.uuid();
    Triggered {
        repository_arn: repository.arn(&cx.scope),
        topic: trigger.destination_arn.clone(),
        trigger: trigger.name.clone(),
        message: message(
            &cx.house,
            &cx.scope,
            repository,
            &configuration,
            trigger,
            &change,
            None,
        ),
    }
}
