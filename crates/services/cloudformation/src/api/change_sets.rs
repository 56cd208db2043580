//! Change sets: what would be done, kept until it is.

use super::prepare::{Asked, prepare};
use super::stacks::{self, Refusable};
use super::{check_name, operation, paged, stack, told, view};
use crate::CloudFormation;
use crate::engine::changes::Comparison;
use crate::engine::scene::{self, Outside};
use crate::error;
use crate::model::{Change, ChangeSet, Phase, Stack};
use neargate_api_cloudformation as api;
use neargate_base::Arn;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;

const NO_CHANGES: &str = "The submitted information didn't contain changes. Submit different information to create a change set.";

fn set_key(cx: &Ctx, stack: &Stack, name: &str) -> String {
    db::key::<ChangeSet>(&cx.scope, &format!("{}/{name}", stack.id))
}

async fn sets(cx: &Ctx, stack: &Stack) -> Result<Vec<Stored<ChangeSet>>, AwsError> {
    cx.db()
        .list_prefix::<ChangeSet>(&set_key(cx, stack, ""))
        .await
}

/// The change set of that name of a stack, or of that ARN.
pub async fn find(
    cx: &Ctx,
    named: &str,
    of: Option<&str>,
) -> Result<(Stored<Stack>, Stored<ChangeSet>), AwsError> {
    if let Ok(arn) = named.parse::<Arn>() {
        let id = arn.resource.rsplit('/').next().unwrap_or_default();
        let all = cx.db().list::<ChangeSet>(&cx.scope).await?;
        let Some(set) = all.into_iter().find(|set| set.id == id) else {
            return Err(error::no_change_set(named));
        };
        let stacks = cx.db().list::<Stack>(&cx.scope).await?;
        let stack = stacks
            .into_iter()
            .find(|s| set.key.contains(&format!("/{}/", s.id)));
        let stack = stack.ok_or_else(|| error::no_change_set(named))?;
        return Ok((stack, set));
    }
    let Some(of) = of else {
        return Err(error::validation(
            "StackName must be specified if ChangeSetName is not specified as an ARN.",
        ));
    };
    let Some(stack) = stack(cx, of).await? else {
        return Err(error::stack_does_not_exist(of));
    };
    match cx
        .db()
        .get_key::<ChangeSet>(&set_key(cx, &stack, named))
        .await?
    {
        Some(set) => Ok((stack, set)),
        None => Err(error::no_change_set(named)),
    }
}

pub async fn create_change_set(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::CreateChangeSetInput,
) -> Result<api::CreateChangeSetOutput, AwsError> {
    check_name(&input.change_set_name, "changeSetName")?;
    stacks::refuse(Refusable {
        notification_arns: input.notification_arns.as_ref(),
        rollback: input.rollback_configuration.as_ref(),
        resource_types: input.resource_types.as_ref(),
    })?;
    let kind = input
        .change_set_type
        .clone()
        .unwrap_or_else(|| "UPDATE".into());
    if kind == "IMPORT"
        || input
            .resources_to_import
            .as_ref()
            .is_some_and(|r| !r.is_empty())
    {
        return Err(error::not_built("change sets of type IMPORT"));
    }
    if input.deployment_mode.is_some() {
        return Err(error::not_built("DeploymentMode"));
    }
    let there = stack(&cx, &input.stack_name)
        .await?
        .filter(|s| !s.is_deleted());
    match (&there, kind.as_str()) {
        (None, "CREATE") => check_name(&input.stack_name, "stackName")?,
        (None, _) => return Err(error::stack_does_not_exist(&input.stack_name)),
        (Some(stack), "CREATE") if stack.status != "REVIEW_IN_PROGRESS" => {
            return Err(error::validation(format!(
                "Stack [{}] already exists and cannot be created again with the changeSet [{}].",
                stack.name, input.change_set_name
            )));
        }
        (Some(_), "CREATE") => {}
        (Some(stack), _) => stacks::may_update(&cx, stack)?,
    }
    if let Some(stack) = &there
        && let Some(old) = cx
            .db()
            .get_key::<ChangeSet>(&set_key(&cx, stack, &input.change_set_name))
            .await?
    {
        if input.client_token.is_some() && old.client_token == input.client_token {
            return Ok(made(&cx, stack, &old));
        }
        return Err(error::change_set_exists(
            &input.change_set_name,
            &stack.name,
        ));
    }
    let previous = there.as_deref().filter(|_| kind != "CREATE");
    let role_arn = input
        .role_arn
        .clone()
        .or_else(|| previous.and_then(|s| s.role_arn.clone()));
    let asked = Asked {
        body: input.template_body,
        url: input.template_url,
        use_previous: input.use_previous_template.unwrap_or(false),
        parameters: input.parameters.unwrap_or_default(),
        capabilities: input.capabilities.unwrap_or_default(),
        tags: input.tags,
        role_arn: role_arn.clone(),
        is_change_set: true,
    };
    let prepared = prepare(&cx, asked, previous).await?;
    let stack = match &there {
        Some(stack) => stack.value.clone(),
        None => stacks::new(&cx, &input.stack_name, &prepared),
    };
    let arn = stack.arn(&cx.scope);
    let resources = scene::resources(&cx.house, &cx.scope, &stack).await?;
    let outside = Outside::of(&cx.house, &cx.scope, &prepared.template).await?;
    let found = Comparison {
        scope: &cx.scope,
        named: (&stack.name, &arn),
        stack: previous,
        resources: &resources,
        template: &prepared.template,
        deployment: &prepared.deployment,
        outside: &outside,
    }
    .changes();
    let same_tags = previous.is_some_and(|stack| stack.deployment.tags == prepared.deployment.tags);
    let (status, reason, changes) = match found {
        Ok(found) if found.resources.is_empty() && !found.outputs && same_tags => {
            ("FAILED", Some(NO_CHANGES.to_owned()), Vec::new())
        }
        Ok(found) => ("CREATE_COMPLETE", None, found.resources),
        Err(why) if why.starts_with("No export named") => ("FAILED", Some(why), Vec::new()),
        Err(why) => return Err(error::validation(why)),
    };
    let set = ChangeSet {
        name: input.change_set_name,
        id: cx.house.rng.uuid(),
        kind,
        created_at: cx.now(),
        description: input.description,
        status: status.into(),
        reason,
        execution_status: if status == "FAILED" {
            "UNAVAILABLE"
        } else {
            "AVAILABLE"
        }
        .into(),
        deployment: prepared.stored(&cx),
        role_arn,
        on_failure: input.on_stack_failure,
        changes,
        client_token: input.client_token,
    };
    let tx = match &there {
        None => {
            let (event, said) = told(&cx, &stack);
            stacks::first(&cx, &stack, &prepared).put(event, &said)
        }
        Some(there) => cx
            .db()
            .tx()
            .unchanged(there)
            .put(stacks::text_key(&cx, &prepared), &prepared.text),
    };
    let answer = made(&cx, &stack, &set);
    match tx
        .create(set_key(&cx, &stack, &set.name), &set)
        .commit()
        .await?
    {
        Committed::At(_) => Ok(answer),
        Committed::Conflict => Err(error::change_set_exists(&set.name, &stack.name)),
    }
}

fn made(cx: &Ctx, stack: &Stack, set: &ChangeSet) -> api::CreateChangeSetOutput {
    api::CreateChangeSetOutput {
        id: Some(set.arn(&cx.scope)),
        stack_id: Some(stack.arn(&cx.scope)),
    }
}

pub async fn execute_change_set(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ExecuteChangeSetInput,
) -> Result<api::ExecuteChangeSetOutput, AwsError> {
    let (there, set) = find(&cx, &input.change_set_name, input.stack_name.as_deref()).await?;
    let arn = set.arn(&cx.scope);
    if set.execution_status != "AVAILABLE" {
        return Err(error::change_set_status(&arn, &set.status));
    }
    let is_new = there.status == "REVIEW_IN_PROGRESS";
    if !is_new {
        stacks::may_update(&cx, &there)?;
    }
    let mut stack = there.value.clone();
    let token = input.client_request_token;
    stack.change_set_id = Some(arn.clone());
    stack.last_token.clone_from(&token);
    stack.role_arn.clone_from(&set.role_arn);
    let chosen = match input.disable_rollback {
        Some(true) => Some("DO_NOTHING".to_owned()),
        _ => set.on_failure.clone(),
    };
    stack.on_failure = chosen.unwrap_or_else(|| "ROLLBACK".into());
    let phase = if is_new { Phase::Create } else { Phase::Update };
    let mut operation = operation(&cx, phase, token);
    operation.before = (!is_new).then(|| there.deployment.clone());
    operation.from_failed = there.status == "UPDATE_FAILED";
    stack.interrupted = None;
    stack.operation = Some(operation);
    stack.deployment = set.deployment.clone();
    stack.status = if is_new {
        "CREATE_IN_PROGRESS"
    } else {
        "UPDATE_IN_PROGRESS"
    }
    .into();
    stack.reason = Some("User Initiated".into());
    if !is_new {
        stack.updated_at = Some(cx.now());
    }
    let (event, said) = told(&cx, &stack);
    let done = ChangeSet {
        execution_status: "EXECUTE_COMPLETE".into(),
        ..set.value.clone()
    };
    // The others were made for what the stack was.
    let others = sets(&cx, &stack)
        .await?
        .into_iter()
        .filter(|other| other.key != set.key)
        .take(100);
    let tx = cx
        .db()
        .tx()
        .update(&there, &stack)
        .update(&set, &done)
        .put(event, &said);
    let tx = others.fold(tx, |tx, other| tx.delete_key(other.key));
    match tx.commit().await? {
        Committed::At(_) => Ok(api::ExecuteChangeSetOutput {}),
        Committed::Conflict => Err(error::change_set_status(&arn, "EXECUTE_IN_PROGRESS")),
    }
}

pub async fn delete_change_set(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DeleteChangeSetInput,
) -> Result<api::DeleteChangeSetOutput, AwsError> {
    match find(&cx, &input.change_set_name, input.stack_name.as_deref()).await {
        Ok((_, set)) => {
            cx.db().tx().delete_key(set.key).commit().await.map(drop)?;
            Ok(api::DeleteChangeSetOutput {})
        }
        Err(error) if error.is("ChangeSetNotFound") => Ok(api::DeleteChangeSetOutput {}),
        Err(error) => Err(error),
    }
}

pub async fn describe_change_set(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeChangeSetInput,
) -> Result<api::DescribeChangeSetOutput, AwsError> {
    let (stack, set) = find(&cx, &input.change_set_name, input.stack_name.as_deref()).await?;
    let template = super::templates::of(&cx, &set).await.ok();
    let numbered: Vec<(usize, &Change)> = set.changes.iter().enumerate().collect();
    let page = paged(numbered, input.next_token.as_deref(), |(at, _)| {
        format!("{at:06}")
    })?;
    let tags = set.deployment.tags.iter().map(|(key, value)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    });
    Ok(api::DescribeChangeSetOutput {
        change_set_name: Some(set.name.clone()),
        change_set_id: Some(set.arn(&cx.scope)),
        stack_id: Some(stack.arn(&cx.scope)),
        stack_name: Some(stack.name.clone()),
        description: set.description.clone(),
        parameters: Some(view::parameters(&set.deployment, template.as_ref()))
            .filter(|p| !p.is_empty()),
        creation_time: Some(set.created_at),
        execution_status: Some(set.execution_status.clone()),
        status: Some(set.status.clone()),
        status_reason: set.reason.clone(),
        notification_arns: Some(Vec::new()),
        rollback_configuration: Some(api::RollbackConfiguration::default()),
        capabilities: Some(set.deployment.capabilities.clone()),
        tags: Some(tags.collect::<Vec<_>>()).filter(|t| !t.is_empty()),
        changes: Some(
            page.items
                .into_iter()
                .map(|(_, change)| shown(change))
                .collect(),
        ),
        next_token: page.next_token,
        include_nested_stacks: Some(false),
        on_stack_failure: set.on_failure.clone(),
        ..Default::default()
    })
}

fn shown(change: &Change) -> api::Change {
    let detail = |property: &crate::model::ChangedProperty| api::ResourceChangeDetail {
        target: Some(api::ResourceTargetDefinition {
            attribute: Some(
                if property.name == "Tags" {
                    "Tags"
                } else {
                    "Properties"
                }
                .into(),
            ),
            name: (property.name != "Tags").then(|| property.name.clone()),
            requires_recreation: Some(property.recreation.clone()),
            ..Default::default()
        }),
        evaluation: Some(property.evaluation.clone()),
        change_source: Some("DirectModification".into()),
        causing_entity: None,
    };
    api::Change {
        r#type: Some("Resource".into()),
        resource_change: Some(api::ResourceChange {
            action: Some(change.action.clone()),
            logical_resource_id: Some(change.logical_id.clone()),
            physical_resource_id: change.physical_id.clone(),
            resource_type: Some(change.kind.clone()),
            replacement: change.replacement.clone(),
            scope: Some(change.scope.clone()),
            details: Some(change.properties.iter().map(detail).collect()),
            ..Default::default()
        }),
        ..Default::default()
    }
}

pub async fn list_change_sets(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ListChangeSetsInput,
) -> Result<api::ListChangeSetsOutput, AwsError> {
    let Some(stack) = stack(&cx, &input.stack_name).await? else {
        return Err(error::stack_does_not_exist(&input.stack_name));
    };
    let all = sets(&cx, &stack).await?;
    let page = paged(all, input.next_token.as_deref(), |set| set.key.clone())?;
    let shown = page.items.iter().map(|set| api::ChangeSetSummary {
        stack_id: Some(stack.arn(&cx.scope)),
        stack_name: Some(stack.name.clone()),
        change_set_id: Some(set.arn(&cx.scope)),
        change_set_name: Some(set.name.clone()),
        execution_status: Some(set.execution_status.clone()),
        status: Some(set.status.clone()),
        status_reason: set.reason.clone(),
        creation_time: Some(set.created_at),
        description: set.description.clone(),
        include_nested_stacks: Some(false),
        ..Default::default()
    });
    Ok(api::ListChangeSetsOutput {
        summaries: Some(shown.collect()),
        next_token: page.next_token,
    })
}

pub async fn describe_change_set_hooks(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeChangeSetHooksInput,
) -> Result<api::DescribeChangeSetHooksOutput, AwsError> {
    let (stack, set) = find(&cx, &input.change_set_name, input.stack_name.as_deref()).await?;
    Ok(api::DescribeChangeSetHooksOutput {
        change_set_id: Some(set.arn(&cx.scope)),
        change_set_name: Some(set.name.clone()),
        hooks: Some(Vec::new()),
        status: Some("PLANNED".into()),
        next_token: None,
        stack_id: Some(stack.arn(&cx.scope)),
        stack_name: Some(stack.name.clone()),
    })
}
