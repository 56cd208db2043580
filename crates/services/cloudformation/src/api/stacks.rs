//! Stacks: created, changed, deleted and looked at.

use super::prepare::{Asked, Prepared, prepare, stored};
use super::{check_name, key, operation, paged, told, view};
use crate::CloudFormation;
use crate::engine::changes::Comparison;
use crate::engine::in_use;
use crate::engine::scene::{self, Outside};
use crate::error;
use crate::model::{Name, Phase, Stack, TemplateText};
use crate::template::Template;
use neargate_api_cloudformation as api;
use neargate_service::{AwsError, Committed, Ctx, Stored, Tx, db};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Statuses from which a stack may be updated.
const SETTLED: [&str; 6] = [
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_ROLLBACK_COMPLETE",
    "UPDATE_FAILED",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
];

/// What a call may say, and what of it is not built.
pub struct Refusable<'a> {
    pub notification_arns: Option<&'a Vec<String>>,
    pub rollback: Option<&'a api::RollbackConfiguration>,
    pub resource_types: Option<&'a Vec<String>>,
}

pub fn refuse(of: Refusable<'_>) -> Result<(), AwsError> {
    let some = |list: Option<&Vec<String>>| list.is_some_and(|list| !list.is_empty());
    if some(of.notification_arns) {
        return Err(error::not_built("NotificationARNs"));
    }
    if some(of.resource_types) {
        return Err(error::not_built("ResourceTypes"));
    }
    let triggers = of.rollback.and_then(|r| r.rollback_triggers.as_ref());
    if triggers.is_some_and(|t| !t.is_empty()) {
        return Err(error::not_built("RollbackConfiguration"));
    }
    Ok(())
}

pub async fn create_stack(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::CreateStackInput,
) -> Result<api::CreateStackOutput, AwsError> {
    check_name(&input.stack_name, "stackName")?;
    refuse(Refusable {
        notification_arns: input.notification_arns.as_ref(),
        rollback: input.rollback_configuration.as_ref(),
        resource_types: input.resource_types.as_ref(),
    })?;
    let policy = policy(&cx, input.stack_policy_body, input.stack_policy_url).await?;
    let on_failure = match (input.on_failure.as_deref(), input.disable_rollback) {
        (Some(_), Some(_)) => {
            return Err(error::validation(
                "You can specify either DisableRollback or OnFailure, but not both.",
            ));
        }
        (Some(chosen), None) => chosen.to_owned(),
        (None, Some(true)) => "DO_NOTHING".to_owned(),
        (None, _) => "ROLLBACK".to_owned(),
    };
    if let Some(there) = super::stack(&cx, &input.stack_name).await? {
        let again =
            input.client_request_token.is_some() && there.last_token == input.client_request_token;
        if again {
            return Ok(created(&cx, &there));
        }
        return Err(error::exists(&input.stack_name));
    }
    let prepared = prepare(
        &cx,
        Asked {
            body: input.template_body,
            url: input.template_url,
            parameters: input.parameters.unwrap_or_default(),
            capabilities: input.capabilities.unwrap_or_default(),
            tags: Some(input.tags.unwrap_or_default()),
            role_arn: input.role_arn.clone(),
            ..Asked::default()
        },
        None,
    )
    .await?;
    let mut stack = new(&cx, &input.stack_name, &prepared);
    check_values(&cx, &stack, &prepared).await?;
    stack.on_failure = on_failure;
    stack.role_arn = input.role_arn;
    stack.timeout_minutes = input.timeout_in_minutes.and_then(|m| u32::try_from(m).ok());
    stack.termination_protection = input.enable_termination_protection.unwrap_or(false);
    stack.policy = policy;
    stack.last_token.clone_from(&input.client_request_token);
    stack.status = "CREATE_IN_PROGRESS".into();
    stack.reason = Some("User Initiated".into());
    stack.operation = Some(operation(&cx, Phase::Create, input.client_request_token));
    let (event, said) = told(&cx, &stack);
    let tx = first(&cx, &stack, &prepared).put(event, &said);
    match tx.commit().await? {
        Committed::At(_) => Ok(created(&cx, &stack)),
        Committed::Conflict => Err(error::exists(&input.stack_name)),
    }
}

fn created(cx: &Ctx, stack: &Stack) -> api::CreateStackOutput {
    api::CreateStackOutput {
        stack_id: Some(stack.arn(&cx.scope)),
        operation_id: stack.operation.as_ref().map(|o| o.id.clone()),
    }
}

/// A stack that nothing was done with yet.
pub fn new(cx: &Ctx, name: &str, prepared: &Prepared) -> Stack {
    Stack {
        name: name.to_owned(),
        id: cx.house.rng.uuid(),
        status: "REVIEW_IN_PROGRESS".into(),
        reason: Some("User Initiated".into()),
        created_at: cx.now(),
        updated_at: None,
        deleted_at: None,
        deployment: prepared.stored(cx),
        role_arn: None,
        on_failure: "ROLLBACK".into(),
        timeout_minutes: None,
        termination_protection: false,
        policy: None,
        change_set_id: None,
        outputs: Vec::new(),
        imports: Vec::new(),
        operation: None,
        last_token: None,
        interrupted: None,
        parent: None,
        root: None,
        drift: None,
    }
}

/// Writes a stack, its name and its template.
pub fn first(cx: &Ctx, stack: &Stack, prepared: &Prepared) -> Tx {
    let name = Name {
        id: stack.id.clone(),
    };
    let tx = cx
        .db()
        .tx()
        .create(db::key::<Name>(&cx.scope, &stack.name), &name);
    tx.create(key(cx, stack), stack)
        .put(text_key(cx, prepared), &prepared.text)
}

pub fn text_key(cx: &Ctx, prepared: &Prepared) -> String {
    db::key::<TemplateText>(&cx.scope, &prepared.deployment.template)
}

/// What functions come to, as far as that is known before anything is done.
pub async fn check_values(cx: &Ctx, stack: &Stack, prepared: &Prepared) -> Result<(), AwsError> {
    let arn = stack.arn(&cx.scope);
    let outside = Outside::of(&cx.house, &cx.scope, &prepared.template).await?;
    let comparison = Comparison {
        scope: &cx.scope,
        named: (&stack.name, &arn),
        stack: None,
        resources: &[],
        template: &prepared.template,
        deployment: &prepared.deployment,
        outside: &outside,
    };
    match comparison.changes() {
        // The stack fails with it, and not the call.
        Err(why) if why.starts_with("No export named") => Ok(()),
        Err(why) => Err(error::validation(why)),
        Ok(_) => Ok(()),
    }
}

pub async fn update_stack(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::UpdateStackInput,
) -> Result<api::UpdateStackOutput, AwsError> {
    refuse(Refusable {
        notification_arns: input.notification_arns.as_ref(),
        rollback: input.rollback_configuration.as_ref(),
        resource_types: input.resource_types.as_ref(),
    })?;
    let new_policy = policy(&cx, input.stack_policy_body, input.stack_policy_url).await?;
    let during = policy(
        &cx,
        input.stack_policy_during_update_body,
        input.stack_policy_during_update_url,
    )
    .await?;
    let Some(there) = super::stack(&cx, &input.stack_name).await? else {
        return Err(error::stack_does_not_exist(&input.stack_name));
    };
    let again =
        input.client_request_token.is_some() && there.last_token == input.client_request_token;
    if again {
        return Ok(updated(&cx, &there));
    }
    may_update(&cx, &there)?;
    let role_arn = input.role_arn.or_else(|| there.role_arn.clone());
    let prepared = prepare(
        &cx,
        Asked {
            body: input.template_body,
            url: input.template_url,
            use_previous: input.use_previous_template.unwrap_or(false),
            parameters: input.parameters.unwrap_or_default(),
            capabilities: input.capabilities.unwrap_or_default(),
            tags: input.tags,
            role_arn: role_arn.clone(),
            is_change_set: false,
        },
        Some(&there),
    )
    .await?;
    let arn = there.arn(&cx.scope);
    let resources = scene::resources(&cx.house, &cx.scope, &there).await?;
    let outside = Outside::of(&cx.house, &cx.scope, &prepared.template).await?;
    let changes = Comparison {
        scope: &cx.scope,
        named: (&there.name, &arn),
        stack: Some(&there),
        resources: &resources,
        template: &prepared.template,
        deployment: &prepared.deployment,
        outside: &outside,
    }
    .changes()
    .map_err(error::validation)?;
    let same_tags = prepared.deployment.tags == there.deployment.tags;
    let same_policy = new_policy.is_none() || new_policy == there.policy;
    if changes.resources.is_empty() && !changes.outputs && same_tags && same_policy {
        return Err(error::validation("No updates are to be performed."));
    }
    let mut stack = there.value.clone();
    stack.role_arn = role_arn;
    stack.policy = new_policy.or(stack.policy);
    stack.last_token.clone_from(&input.client_request_token);
    if let Some(disable) = input.disable_rollback {
        stack.on_failure = if disable { "DO_NOTHING" } else { "ROLLBACK" }.into();
    }
    let tx = begin_update(
        &cx,
        &there,
        &mut stack,
        &prepared,
        during,
        input.client_request_token,
    );
    match tx.commit().await? {
        Committed::At(_) => Ok(updated(&cx, &stack)),
        Committed::Conflict => Err(error::state(&arn, "UPDATE_IN_PROGRESS", "updated")),
    }
}

fn updated(cx: &Ctx, stack: &Stack) -> api::UpdateStackOutput {
    api::UpdateStackOutput {
        stack_id: Some(stack.arn(&cx.scope)),
        operation_id: stack.operation.as_ref().map(|o| o.id.clone()),
    }
}

pub fn may_update(cx: &Ctx, stack: &Stack) -> Result<(), AwsError> {
    if SETTLED.contains(&stack.status.as_str()) {
        return Ok(());
    }
    Err(error::state(
        &stack.arn(&cx.scope),
        &stack.status,
        "updated",
    ))
}

/// Writes that a stack is on its way to another deployment.
pub fn begin_update(
    cx: &Ctx,
    there: &Stored<Stack>,
    stack: &mut Stack,
    prepared: &Prepared,
    policy: Option<String>,
    token: Option<String>,
) -> Tx {
    let mut operation = operation(cx, Phase::Update, token);
    operation.before = Some(there.deployment.clone());
    operation.policy = policy;
    operation.from_failed = there.status == "UPDATE_FAILED";
    stack.operation = Some(operation);
    stack.interrupted = None;
    stack.deployment = prepared.stored(cx);
    stack.status = "UPDATE_IN_PROGRESS".into();
    stack.reason = Some("User Initiated".into());
    stack.updated_at = Some(cx.now());
    let (event, said) = told(cx, stack);
    let tx = cx.db().tx().update(there, stack).put(event, &said);
    tx.put(text_key(cx, prepared), &prepared.text)
}

pub async fn delete_stack(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DeleteStackInput,
) -> Result<Unit, AwsError> {
    let is_forced = input.deletion_mode.as_deref() == Some("FORCE_DELETE_STACK");
    loop {
        let Some(there) = super::stack(&cx, &input.stack_name)
            .await?
            .filter(|s| !s.is_deleted())
        else {
            return Ok(Unit);
        };
        if there.termination_protection {
            return Err(error::validation(format!(
                "Stack [{}] cannot be deleted while TerminationProtection is enabled",
                there.name
            )));
        }
        let retain = input.retain_resources.clone().unwrap_or_default();
        if !retain.is_empty() && there.status != "DELETE_FAILED" {
            return Err(error::validation(
                "Invalid operation on stack. specify only resources that failed to delete (RetainResources), when the stack is in DELETE_FAILED state",
            ));
        }
        if is_forced && there.status != "DELETE_FAILED" {
            return Err(error::validation(
                "Invalid operation on stack. FORCE_DELETE_STACK can only be specified when the stack is in DELETE_FAILED state",
            ));
        }
        match there.status.as_str() {
            "DELETE_IN_PROGRESS" => return Ok(Unit),
            "CREATE_IN_PROGRESS" => {}
            status if status.ends_with("_IN_PROGRESS") && status != "REVIEW_IN_PROGRESS" => {
                return Err(error::validation(format!(
                    "Stack [{}] cannot be deleted while in status {status}",
                    there.name
                )));
            }
            _ => {}
        }
        let mut stack = there.value.clone();
        let used = in_use(&cx.db().list::<Stack>(&cx.scope).await?, &there);
        if let Some((export, by)) = used {
            stack.reason = Some(format!(
                "Delete canceled. Cannot delete export {export} as it is in use by {}.",
                by.join(", ")
            ));
        } else {
            stack.status = "DELETE_IN_PROGRESS".into();
            stack.reason = Some("User Initiated".into());
            let mut operation = operation(&cx, Phase::Delete, input.client_request_token.clone());
            operation.retain = retain;
            operation.forced = is_forced;
            stack.interrupted = None;
            stack.operation = Some(operation);
            stack.role_arn = input.role_arn.clone().or(stack.role_arn);
        }
        let (event, said) = told(&cx, &stack);
        if let Committed::At(_) = cx
            .db()
            .tx()
            .update(&there, &stack)
            .put(event, &said)
            .commit()
            .await?
        {
            return Ok(Unit);
        }
    }
}

pub async fn describe_stacks(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeStacksInput,
) -> Result<api::DescribeStacksOutput, AwsError> {
    let mut all = match &input.stack_name {
        Some(named) => {
            let found = super::stack(&cx, named).await?;
            vec![found.ok_or_else(|| error::no_stack(named))?]
        }
        None => cx
            .db()
            .list::<Stack>(&cx.scope)
            .await?
            .into_iter()
            .filter(|s| !s.is_deleted())
            .collect(),
    };
    all.sort_by(|a, b| a.key.cmp(&b.key));
    let page = paged(all, input.next_token.as_deref(), |stack| stack.key.clone())?;
    let mut stacks = Vec::new();
    for stack in &page.items {
        let text = stored(&cx, &stack.deployment.template).await.ok();
        let parameters = &stack.deployment.parameters;
        let template = text.and_then(|text| Template::read_with(&text, parameters).ok());
        let template = template.map(|(template, _)| template);
        stacks.push(view::stack(&cx.scope, stack, template.as_ref()));
    }
    Ok(api::DescribeStacksOutput {
        stacks: Some(stacks),
        next_token: page.next_token,
    })
}

pub async fn list_stacks(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ListStacksInput,
) -> Result<api::ListStacksOutput, AwsError> {
    let filter = input.stack_status_filter.unwrap_or_default();
    let mut all = cx.db().list::<Stack>(&cx.scope).await?;
    all.retain(|stack| filter.is_empty() || filter.contains(&stack.status));
    let page = paged(all, input.next_token.as_deref(), |stack| stack.key.clone())?;
    Ok(api::ListStacksOutput {
        stack_summaries: Some(
            page.items
                .iter()
                .map(|s| view::summary(&cx.scope, s))
                .collect(),
        ),
        next_token: page.next_token,
    })
}

pub async fn update_termination_protection(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::UpdateTerminationProtectionInput,
) -> Result<api::UpdateTerminationProtectionOutput, AwsError> {
    let Some(there) = super::stack(&cx, &input.stack_name)
        .await?
        .filter(|s| !s.is_deleted())
    else {
        return Err(error::stack_does_not_exist(&input.stack_name));
    };
    let set = |stack: &mut Stack| {
        stack.termination_protection = input.enable_termination_protection;
        Ok(true)
    };
    cx.db().modify(&there.key, set).await?;
    Ok(api::UpdateTerminationProtectionOutput {
        stack_id: Some(there.arn(&cx.scope)),
    })
}

/// A policy as a call gives it.
async fn policy(
    cx: &Ctx,
    body: Option<String>,
    url: Option<String>,
) -> Result<Option<String>, AwsError> {
    let text = match (body, url) {
        (Some(_), Some(_)) => {
            return Err(error::validation(
                "You cannot specify both StackPolicyBody and StackPolicyURL",
            ));
        }
        (Some(body), None) => body,
        (None, Some(url)) => super::prepare::fetched(cx, &url).await?,
        (None, None) => return Ok(None),
    };
    if text.len() > MAX_POLICY_BYTES {
        return Err(error::validation(format!(
            "Stack policy may not exceed {MAX_POLICY_BYTES} bytes in size."
        )));
    }
    crate::engine::policy::check(&text).map_err(error::validation)?;
    Ok(Some(text))
}

/// The longest stack policy.
const MAX_POLICY_BYTES: usize = 16_384;

pub async fn set_stack_policy(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::SetStackPolicyInput,
) -> Result<Unit, AwsError> {
    let Some(there) = super::stack(&cx, &input.stack_name)
        .await?
        .filter(|s| !s.is_deleted())
    else {
        return Err(error::stack_does_not_exist(&input.stack_name));
    };
    let policy = policy(&cx, input.stack_policy_body, input.stack_policy_url).await?;
    let policy = policy.ok_or_else(|| {
        error::validation(
            "You must specify either the StackPolicyBody or the StackPolicyURL parameter",
        )
    })?;
    let set = |stack: &mut Stack| {
        stack.policy = Some(policy.clone());
        Ok(true)
    };
    cx.db().modify(&there.key, set).await?;
    Ok(Unit)
}

pub async fn get_stack_policy(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::GetStackPolicyInput,
) -> Result<api::GetStackPolicyOutput, AwsError> {
    match super::stack(&cx, &input.stack_name)
        .await?
        .filter(|s| !s.is_deleted())
    {
        Some(stack) => Ok(api::GetStackPolicyOutput {
            stack_policy_body: stack.policy.clone(),
        }),
        None => Err(error::stack_does_not_exist(&input.stack_name)),
    }
}
