//! Scaling activities, those of targets that are gone too.

use super::{PAGE, check_filter, size};
use crate::activity::Recorded;
use crate::model::{DIMENSION, NAMESPACE, Named};
use crate::{ApplicationAutoscaling, error};
use neargate_api_application_autoscaling as api;
use neargate_service::page::page_descending;
use neargate_service::{AwsError, Ctx, Stored, db};
use std::cmp::Reverse;
use std::sync::Arc;

pub async fn describe_scaling_activities(
    _: Arc<ApplicationAutoscaling>,
    cx: Ctx,
    input: api::DescribeScalingActivitiesInput,
) -> Result<api::DescribeScalingActivitiesOutput, AwsError> {
    let limit = size(PAGE, input.max_results)?;
    let dimension = input.scalable_dimension.as_ref();
    check_filter("ResourceId", input.resource_id.is_some(), dimension)?;
    let mut found = match input.service_namespace == NAMESPACE {
        true => recorded(&cx, input.resource_id.as_deref()).await?,
        false => Vec::new(),
    };
    if dimension.is_some_and(|d| d != DIMENSION) {
        found.clear();
    }
    let with_not_scaled = input.include_not_scaled_activities == Some(true);
    found.retain(|r| with_not_scaled || r.activity.not_scaled.is_none());
    let position = |r: &Stored<Recorded>| {
        format!(
            "{:020}/{}",
            r.activity.started_at.as_millis(),
            r.activity.id
        )
    };
    found.sort_by_key(|r| Reverse(position(r)));
    let token = input.next_token.as_deref().filter(|t| !t.is_empty());
    let found = page_descending(found, token, limit, position);
    let found = found.map_err(|_| error::invalid_next_token())?;
    let shown = found.items.into_iter().map(|r| r.value.shown());
    Ok(api::DescribeScalingActivitiesOutput {
        scaling_activities: Some(shown.collect()),
        next_token: found.next_token,
    })
}

async fn recorded(cx: &Ctx, resource_id: Option<&str>) -> Result<Vec<Stored<Recorded>>, AwsError> {
    let prefix = match resource_id {
        None => db::prefix::<Recorded>(&cx.scope),
        Some(id) => {
            let named = Named::parse(id).ok_or_else(error::unsupported_resource)?;
            format!("{}/", db::key::<Recorded>(&cx.scope, &named.place()))
        }
    };
    cx.db().list_prefix::<Recorded>(&prefix).await
}
