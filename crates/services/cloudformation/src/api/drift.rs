//! Whether stacks are what they were made.

use super::{paged, stack};
use crate::CloudFormation;
use crate::engine::provision::Provider;
use crate::engine::{resource_key, scene, sealed};
use crate::error;
use crate::model::{Asker, Drift, ResourceDrift, Stack, StackResource};
use crate::template::Template;
use crate::types;
use neargate_api_cloudformation as api;
use neargate_service::{AwsError, Ctx, Stored};
use serde_json::Value;
use std::sync::Arc;

async fn found(cx: &Ctx, named: &str) -> Result<Stored<Stack>, AwsError> {
    let found = stack(cx, named).await?.filter(|s| !s.is_deleted());
    found.ok_or_else(|| error::stack_does_not_exist(named))
}

/// Looks at one, and writes down what was found.
async fn look(
    cx: &Ctx,
    stack: &Stored<Stack>,
    resource: &StackResource,
) -> Result<Option<ResourceDrift>, AwsError> {
    let Some((made, kind)) = resource
        .now
        .as_ref()
        .and_then(|made| Some((made, types::kind(&made.kind)?)))
    else {
        return Ok(None);
    };
    let (arn, asker) = (stack.arn(&cx.scope), Asker::of(&cx.principal));
    let deployment = sealed::open(&cx.house, &stack.deployment);
    let provider = Provider {
        house: &cx.house,
        scope: &cx.scope,
        stack,
        deployment: &deployment,
        is_revert: false,
        since: cx.now(),
        role: None,
        asker: &asker,
        stack_name: &stack.name,
        stack_arn: &arn,
        logical_id: &resource.logical_id,
        token: &resource.token,
    };
    let drift = provider
        .drift(kind, made)
        .await
        .map_err(|problem| error::validation(problem.reason))?;
    let mut stored = drift.clone();
    if made.secret {
        for difference in &mut stored.differences {
            difference.expected = Value::from("****");
            difference.actual = Value::from("****");
        }
    }
    let key = resource_key(&cx.scope, stack, &resource.logical_id);
    let set = |resource: &mut StackResource| {
        resource.drift = Some(stored.clone());
        Ok(true)
    };
    cx.db().modify(&key, set).await?;
    Ok(Some(stored))
}

pub async fn detect_stack_drift(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DetectStackDriftInput,
) -> Result<api::DetectStackDriftOutput, AwsError> {
    let there = found(&cx, &input.stack_name).await?;
    if there.operation.is_some() || there.status == "REVIEW_IN_PROGRESS" {
        return Err(error::validation(format!(
            "Drift detection cannot be performed on stack [{}] while it is in {} state",
            there.arn(&cx.scope),
            there.status
        )));
    }
    let only = input.logical_resource_ids.unwrap_or_default();
    let mut drifted = 0;
    for resource in scene::resources(&cx.house, &cx.scope, &there).await? {
        if !only.is_empty() && !only.contains(&resource.logical_id) {
            continue;
        }
        let drift = look(&cx, &there, &resource).await?;
        drifted +=
            u32::from(drift.is_some_and(|d| d.status == "MODIFIED" || d.status == "DELETED"));
    }
    let drift = Drift {
        id: cx.house.rng.uuid(),
        status: if drifted > 0 { "DRIFTED" } else { "IN_SYNC" }.into(),
        drifted,
        at: cx.now(),
    };
    let id = drift.id.clone();
    let set = |stack: &mut Stack| {
        stack.drift = Some(drift.clone());
        Ok(true)
    };
    cx.db().modify(&there.key, set).await?;
    Ok(api::DetectStackDriftOutput {
        stack_drift_detection_id: Some(id),
    })
}

pub async fn describe_stack_drift_detection_status(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeStackDriftDetectionStatusInput,
) -> Result<api::DescribeStackDriftDetectionStatusOutput, AwsError> {
    let id = input.stack_drift_detection_id;
    let all = cx.db().list::<Stack>(&cx.scope).await?;
    let of = all
        .iter()
        .find_map(|s| Some((s, s.drift.as_ref().filter(|d| d.id == id)?)));
    let Some((stack, drift)) = of else {
        return Err(error::validation(format!(
            "StackDriftDetectionId {id} does not exist"
        )));
    };
    Ok(api::DescribeStackDriftDetectionStatusOutput {
        stack_id: Some(stack.arn(&cx.scope)),
        stack_drift_detection_id: Some(id),
        stack_drift_status: Some(drift.status.clone()),
        detection_status: Some("DETECTION_COMPLETE".into()),
        drifted_stack_resource_count: i32::try_from(drift.drifted).ok(),
        timestamp: Some(drift.at),
        ..Default::default()
    })
}

/// What answers show of a resource's drift.
fn shown(
    arn: &str,
    resource: &StackResource,
    drift: &ResourceDrift,
    hidden: &[&str],
) -> api::StackResourceDrift {
    let made = resource.now.as_ref();
    let expected = made
        .map(|m| scene::masked(&m.properties, hidden))
        .unwrap_or_default();
    let mut actual = expected.clone();
    for difference in &drift.differences {
        if let Some(at) = actual.pointer_mut(&difference.path) {
            *at = difference.actual.clone();
        }
    }
    let is_there = drift.status == "IN_SYNC" || drift.status == "MODIFIED";
    let text = |value: &Value| crate::template::text_of(value);
    let differences = drift.differences.iter().map(|d| api::PropertyDifference {
        property_path: Some(d.path.clone()),
        expected_value: Some(text(&d.expected)),
        actual_value: Some(text(&d.actual)),
        difference_type: Some(d.kind.clone()),
    });
    api::StackResourceDrift {
        stack_id: Some(arn.to_owned()),
        logical_resource_id: Some(resource.logical_id.clone()),
        physical_resource_id: made.map(|m| m.physical_id.clone()),
        resource_type: Some(made.map(|m| m.kind.clone()).unwrap_or_default()),
        expected_properties: Some(expected.to_string()),
        actual_properties: is_there.then(|| actual.to_string()),
        property_differences: Some(differences.collect()),
        stack_resource_drift_status: Some(drift.status.clone()),
        timestamp: Some(drift.at),
        ..Default::default()
    }
}

/// The values that are not shown.
async fn hidden(cx: &Ctx, stack: &Stack) -> Result<Vec<String>, AwsError> {
    let text = super::prepare::stored(cx, &stack.deployment.template).await?;
    let deployment = sealed::open(&cx.house, &stack.deployment);
    let Ok((template, _)) = Template::read_with(&text, &deployment.parameters) else {
        return Ok(Vec::new());
    };
    let declared = template.declared();
    let values = deployment.parameters.iter();
    let hidden = values.filter(|(name, value)| {
        declared.get(name.as_str()).is_some_and(|d| d.no_echo) && !value.is_empty()
    });
    Ok(hidden.map(|(_, value)| value.clone()).collect())
}

pub async fn detect_stack_resource_drift(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DetectStackResourceDriftInput,
) -> Result<api::DetectStackResourceDriftOutput, AwsError> {
    let there = found(&cx, &input.stack_name).await?;
    let all = scene::resources(&cx.house, &cx.scope, &there).await?;
    let resource = all
        .iter()
        .find(|r| r.logical_id == input.logical_resource_id);
    let Some(resource) = resource.filter(|r| r.now.is_some()) else {
        return Err(error::validation(format!(
            "Resource {} does not exist for stack {}",
            input.logical_resource_id, there.name
        )));
    };
    let drift = look(&cx, &there, resource).await?;
    let Some(drift) = drift.filter(|d| d.status != "NOT_CHECKED") else {
        return Err(error::validation(format!(
            "Drift detection is not supported for resource {}",
            input.logical_resource_id
        )));
    };
    let hidden = hidden(&cx, &there).await?;
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    Ok(api::DetectStackResourceDriftOutput {
        stack_resource_drift: Some(shown(&there.arn(&cx.scope), resource, &drift, &hidden)),
    })
}

pub async fn describe_stack_resource_drifts(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeStackResourceDriftsInput,
) -> Result<api::DescribeStackResourceDriftsOutput, AwsError> {
    let there = found(&cx, &input.stack_name).await?;
    let filter = input
        .stack_resource_drift_status_filters
        .unwrap_or_default();
    let all = scene::resources(&cx.house, &cx.scope, &there).await?;
    let asked = all.into_iter().filter(|r| {
        r.drift
            .as_ref()
            .is_some_and(|d| filter.is_empty() || filter.contains(&d.status))
    });
    let page = paged(asked.collect(), input.next_token.as_deref(), |r| {
        r.key.clone()
    })?;
    let hidden = hidden(&cx, &there).await?;
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    let arn = there.arn(&cx.scope);
    let drifts = page
        .items
        .iter()
        .filter_map(|r| Some(shown(&arn, r, r.drift.as_ref()?, &hidden)));
    Ok(api::DescribeStackResourceDriftsOutput {
        stack_resource_drifts: Some(drifts.collect()),
        next_token: page.next_token,
    })
}
