//! What is said to a stack while something is done with it, or after that has failed: that it goes back, that it
//! goes on going back, and that a resource is ready.

use super::{operation, told};
use crate::CloudFormation;
use crate::engine::{resource_key, scene, sealed};
use crate::error;
use crate::model::{Operation, Phase, Signal, Stack, StackResource, Stage};
use neargate_api_cloudformation as api;
use neargate_service::{AwsError, Committed, Ctx, Stored};
use neargate_wire::structure::Unit;
use std::sync::Arc;

async fn found(cx: &Ctx, named: &str) -> Result<Stored<Stack>, AwsError> {
    let stack = super::stack(cx, named).await?.filter(|s| !s.is_deleted());
    stack.ok_or_else(|| error::stack_does_not_exist(named))
}

pub async fn cancel_update_stack(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::CancelUpdateStackInput,
) -> Result<Unit, AwsError> {
    let there = found(&cx, &input.stack_name).await?;
    let cancel = |stack: &mut Stack| match &mut stack.operation {
        Some(operation) if stack.status == "UPDATE_IN_PROGRESS" => {
            operation.cancelled = true;
            Ok(true)
        }
        _ => Err(error::validation(
            "CancelUpdateStack cannot be called from current stack status",
        )),
    };
    cx.db().modify(&there.key, cancel).await?;
    Ok(Unit)
}

pub async fn continue_update_rollback(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ContinueUpdateRollbackInput,
) -> Result<api::ContinueUpdateRollbackOutput, AwsError> {
    let there = found(&cx, &input.stack_name).await?;
    let again =
        input.client_request_token.is_some() && there.last_token == input.client_request_token;
    if again {
        return Ok(api::ContinueUpdateRollbackOutput {});
    }
    let arn = there.arn(&cx.scope);
    let interrupted = there
        .interrupted
        .clone()
        .filter(|_| there.status == "UPDATE_ROLLBACK_FAILED");
    let Some(interrupted) = interrupted else {
        return Err(error::validation(format!(
            "Stack:{arn} is in {} state and can not continue rollback.",
            there.status
        )));
    };
    let skip = input.resources_to_skip.unwrap_or_default();
    if skip.iter().any(|name| name.contains('.')) {
        return Err(error::not_built("ResourcesToSkip of nested stacks"));
    }
    let resources = scene::resources(&cx.house, &cx.scope, &there).await?;
    let failed =
        |r: &&Stored<StackResource>| r.stage == Stage::Failed && r.operation == interrupted.id;
    if let Some(wrong) = skip.iter().find(|name| {
        !resources
            .iter()
            .filter(failed)
            .any(|r| r.logical_id == **name)
    }) {
        return Err(error::validation(format!(
            "One or more of the resources to skip are not in UPDATE_FAILED state: [{wrong}]"
        )));
    }
    let mut stack = there.value.clone();
    stack.status = "UPDATE_ROLLBACK_IN_PROGRESS".into();
    stack.reason = Some("User Initiated".into());
    stack.role_arn = input.role_arn.or(stack.role_arn);
    stack.last_token.clone_from(&input.client_request_token);
    stack.interrupted = None;
    stack.operation = Some(Operation {
        begun_at: cx.now(),
        client_token: input.client_request_token,
        asker: crate::model::Asker::of(&cx.principal),
        ..interrupted.clone()
    });
    let (event, said) = told(&cx, &stack);
    let mut tx = cx.db().tx().update(&there, &stack).put(event, &said);
    for resource in resources.iter().filter(failed) {
        let mut next = resource.value.clone();
        next.reason = None;
        next.at = cx.now();
        if skip.contains(&next.logical_id) {
            // What it is in truth is not known: it counts as what it was to be.
            next.now = next.next.take().or(next.now);
            next.stage = Stage::Done;
            next.status = "UPDATE_COMPLETE".into();
        } else {
            next.token = cx.house.rng.uuid();
            next.stage = Stage::Calling;
            next.status = "UPDATE_IN_PROGRESS".into();
        }
        let key = resource_key(&cx.scope, &there, &next.logical_id);
        let stored = sealed::seal_resource(&cx.house, &key, &next);
        tx = tx.put(key, &stored);
    }
    match tx.commit().await? {
        Committed::At(_) => Ok(api::ContinueUpdateRollbackOutput {}),
        Committed::Conflict => Err(error::state(
            &arn,
            "UPDATE_ROLLBACK_IN_PROGRESS",
            "continued",
        )),
    }
}

pub async fn rollback_stack(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::RollbackStackInput,
) -> Result<api::RollbackStackOutput, AwsError> {
    if input.retain_except_on_create == Some(true) {
        return Err(error::not_built("RetainExceptOnCreate of RollbackStack"));
    }
    let there = found(&cx, &input.stack_name).await?;
    let arn = there.arn(&cx.scope);
    let again =
        input.client_request_token.is_some() && there.last_token == input.client_request_token;
    if again {
        return Ok(api::RollbackStackOutput {
            stack_id: Some(arn),
            operation_id: there.operation.as_ref().map(|o| o.id.clone()),
        });
    }
    let mut stack = there.value.clone();
    let phase = match there.status.as_str() {
        "CREATE_FAILED" => Phase::RollBackCreate,
        "UPDATE_FAILED" => Phase::RollBackUpdate,
        status => {
            return Err(error::validation(format!(
                "Stack:{arn} is in {status} state and can not be rolled back."
            )));
        }
    };
    let Some(interrupted) = stack.interrupted.take() else {
        return Err(error::validation(format!(
            "Stack:{arn} has no last known stable state to roll back to."
        )));
    };
    if interrupted.from_failed {
        return Err(error::not_built(
            "RollbackStack after more than one failed update",
        ));
    }
    let mut next = operation(&cx, phase, input.client_request_token.clone());
    if phase == Phase::RollBackUpdate {
        next.rolls_back = Some(interrupted.id);
        if let Some(before) = interrupted.before {
            stack.deployment = before;
        }
    }
    let id = next.id.clone();
    stack.operation = Some(next);
    stack.role_arn = input.role_arn.or(stack.role_arn);
    stack.last_token = input.client_request_token;
    stack.reason = Some("User Initiated".into());
    stack.status = match phase {
        Phase::RollBackCreate => "ROLLBACK_IN_PROGRESS",
        _ => "UPDATE_ROLLBACK_IN_PROGRESS",
    }
    .into();
    let (event, said) = told(&cx, &stack);
    match cx
        .db()
        .tx()
        .update(&there, &stack)
        .put(event, &said)
        .commit()
        .await?
    {
        Committed::At(_) => Ok(api::RollbackStackOutput {
            stack_id: Some(arn),
            operation_id: Some(id),
        }),
        Committed::Conflict => Err(error::state(&arn, &stack.status, "rolled back")),
    }
}

pub async fn signal_resource(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::SignalResourceInput,
) -> Result<Unit, AwsError> {
    let there = super::stack(&cx, &input.stack_name)
        .await?
        .filter(|s| !s.is_deleted());
    let there = there.ok_or_else(|| error::stack_does_not_exist(&input.stack_name))?;
    if !matches!(
        there.status.as_str(),
        "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "UPDATE_ROLLBACK_IN_PROGRESS"
    ) {
        return Err(error::validation(format!(
            "Stack {} is in {} state and can not be signaled",
            there.arn(&cx.scope),
            there.status
        )));
    }
    let key = resource_key(&cx.scope, &there, &input.logical_resource_id);
    let resource = cx.db().get_key::<StackResource>(&key).await?;
    let resource = resource.ok_or_else(|| {
        error::validation(format!(
            "Resource {} does not exist for stack {}",
            input.logical_resource_id, there.name
        ))
    })?;
    if !resource.status.ends_with("_IN_PROGRESS") {
        return Err(error::validation(format!(
            "Resource {} is in {} state and can not be signaled",
            input.logical_resource_id, resource.status
        )));
    }
    let signal = Signal {
        unique_id: input.unique_id,
        status: input.status,
        at: cx.now(),
        reason: None,
        data: None,
        physical_id: None,
    };
    keep(&cx, &there, &resource, &signal).await.map(|()| Unit)
}

/// Writes what was said with the event of it. The same unique id counts once.
async fn keep(
    cx: &Ctx,
    there: &Stored<Stack>,
    resource: &StackResource,
    signal: &Signal,
) -> Result<(), AwsError> {
    let key = Signal::key(&cx.scope, &there.id, &resource.token, &signal.unique_id);
    let why = format!(
        "Received {} signal with UniqueId {}",
        signal.status, signal.unique_id
    );
    let made = resource.next.as_ref().or(resource.now.as_ref());
    let said = crate::engine::Said {
        logical_id: &resource.logical_id,
        physical_id: made.map_or("", |m| &m.physical_id),
        kind: made.map_or("", |m| &m.kind),
        status: &resource.status,
        reason: Some(&why),
        properties: None,
    };
    let (event, said) = crate::engine::event(&cx.house, &cx.scope, there, said, 1);
    let tx = cx.db().tx().create(key, signal).put(event, &said);
    let (Committed::At(_) | Committed::Conflict) = tx.commit().await?;
    Ok(())
}
