//! What a stack's resources and events are shown as.

use super::{paged, view};
use crate::CloudFormation;
use crate::engine::scene;
use crate::error;
use crate::model::{Event, Stack, StackResource};
use neargate_api_cloudformation as api;
use neargate_service::page::page_descending;
use neargate_service::{AwsError, Ctx, Stored, db};
use std::sync::Arc;

pub async fn describe_stack_events(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeStackEventsInput,
) -> Result<api::DescribeStackEventsOutput, AwsError> {
    let named = &input.stack_name;
    let stack = super::stack(&cx, named).await?;
    let stack =
        stack.ok_or_else(|| error::validation(format!("Stack [{named}] does not exist")))?;
    let prefix = db::key::<Event>(&cx.scope, &format!("{}/", stack.id));
    let mut all = cx.db().list_prefix::<Event>(&prefix).await?;
    all.reverse();
    let page = page_descending(all, input.next_token.as_deref(), 100, |e| e.key.clone());
    let page = page.map_err(|_| error::validation("The next token is invalid"))?;
    Ok(api::DescribeStackEventsOutput {
        stack_events: Some(
            page.items
                .iter()
                .map(|e| view::event(&cx.scope, &stack, e))
                .collect(),
        ),
        next_token: page.next_token,
    })
}

async fn of(
    cx: &Ctx,
    named: &str,
) -> Result<(Stored<Stack>, Vec<Stored<StackResource>>), AwsError> {
    let stack = super::stack(cx, named).await?;
    let stack = stack.ok_or_else(|| error::no_stack(named))?;
    let resources = scene::resources(&cx.house, &cx.scope, &stack).await?;
    // One that nothing was begun with has no status to show.
    let shown = resources
        .into_iter()
        .filter(|r| !r.status.is_empty())
        .collect();
    Ok((stack, shown))
}

fn drift() -> api::StackResourceDriftInformation {
    api::StackResourceDriftInformation {
        stack_resource_drift_status: Some("NOT_CHECKED".into()),
        last_check_timestamp: None,
    }
}

pub async fn describe_stack_resource(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeStackResourceInput,
) -> Result<api::DescribeStackResourceOutput, AwsError> {
    let (stack, all) = of(&cx, &input.stack_name).await.map_err(|e| {
        match e.message.starts_with("Stack with id") {
            true => error::validation(format!("Stack '{}' does not exist", input.stack_name)),
            false => e,
        }
    })?;
    let found = all
        .iter()
        .find(|r| r.logical_id == input.logical_resource_id);
    let found = found.ok_or_else(|| {
        error::validation(format!(
            "Resource {} does not exist for stack {}",
            input.logical_resource_id, stack.name
        ))
    })?;
    let shown = view::resource(found);
    Ok(api::DescribeStackResourceOutput {
        stack_resource_detail: Some(api::StackResourceDetail {
            stack_name: Some(stack.name.clone()),
            stack_id: Some(stack.arn(&cx.scope)),
            logical_resource_id: Some(shown.logical_id),
            physical_resource_id: shown.physical_id,
            resource_type: Some(shown.kind),
            last_updated_timestamp: Some(shown.at),
            resource_status: Some(shown.status),
            resource_status_reason: shown.reason,
            metadata: Some(shown.metadata.unwrap_or_else(|| "{}".into())),
            drift_information: Some(drift()),
            ..Default::default()
        }),
    })
}

pub async fn describe_stack_resources(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeStackResourcesInput,
) -> Result<api::DescribeStackResourcesOutput, AwsError> {
    let (stack, all) = match (&input.stack_name, &input.physical_resource_id) {
        (Some(named), _) => {
            of(&cx, named)
                .await
                .map_err(|e| match e.message.starts_with("Stack with id") {
                    true => error::no_stack(named),
                    false => e,
                })?
        }
        (None, Some(id)) => holder(&cx, id).await?,
        (None, None) => {
            return Err(error::validation(
                "At least one of: [stackName, physicalResourceId] must be specified",
            ));
        }
    };
    let wanted = |r: &&Stored<StackResource>| {
        input
            .logical_resource_id
            .as_ref()
            .is_none_or(|id| *id == r.logical_id)
    };
    let shown = all.iter().filter(wanted).map(|r| {
        let shown = view::resource(r);
        api::StackResource {
            stack_name: Some(stack.name.clone()),
            stack_id: Some(stack.arn(&cx.scope)),
            logical_resource_id: Some(shown.logical_id),
            physical_resource_id: shown.physical_id,
            resource_type: Some(shown.kind),
            timestamp: Some(shown.at),
            resource_status: Some(shown.status),
            resource_status_reason: shown.reason,
            drift_information: Some(drift()),
            ..Default::default()
        }
    });
    Ok(api::DescribeStackResourcesOutput {
        stack_resources: Some(shown.collect()),
    })
}

/// The stack that something is of.
async fn holder(
    cx: &Ctx,
    id: &str,
) -> Result<(Stored<Stack>, Vec<Stored<StackResource>>), AwsError> {
    for stack in cx
        .db()
        .list::<Stack>(&cx.scope)
        .await?
        .into_iter()
        .filter(|s| !s.is_deleted())
    {
        let resources = scene::resources(&cx.house, &cx.scope, &stack).await?;
        let has =
            |r: &Stored<StackResource>| r.now.as_ref().is_some_and(|now| now.physical_id == id);
        if resources.iter().any(has) {
            return Ok((stack, resources));
        }
    }
    Err(error::validation(format!("Stack for {id} does not exist")))
}

pub async fn list_stack_resources(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ListStackResourcesInput,
) -> Result<api::ListStackResourcesOutput, AwsError> {
    let (_, all) = of(&cx, &input.stack_name).await?;
    let page = paged(all, input.next_token.as_deref(), |r| r.key.clone())?;
    let shown = page.items.iter().map(|r| {
        let shown = view::resource(r);
        api::StackResourceSummary {
            logical_resource_id: Some(shown.logical_id),
            physical_resource_id: shown.physical_id,
            resource_type: Some(shown.kind),
            last_updated_timestamp: Some(shown.at),
            resource_status: Some(shown.status),
            resource_status_reason: shown.reason,
            drift_information: Some(api::StackResourceDriftInformationSummary {
                stack_resource_drift_status: Some("NOT_CHECKED".into()),
                last_check_timestamp: None,
            }),
            ..Default::default()
        }
    });
    Ok(api::ListStackResourcesOutput {
        stack_resource_summaries: Some(shown.collect()),
        next_token: page.next_token,
    })
}
