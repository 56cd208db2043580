//! Scaling activities, the newest first.

use super::{all, ended_with, error, paged_descending, size};
use crate::Autoscaling;
use crate::activity::Activity;
use neargate_api_autoscaling as api;
use neargate_base::Timestamp;
use neargate_service::page::Size;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const PAGE: Size = Size::up_to(100);

pub async fn describe_scaling_activities(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeScalingActivitiesInput,
) -> Result<api::DescribeScalingActivitiesOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let filters = input.filters.unwrap_or_default();
    for filter in &filters {
        let name = filter.name.as_deref().unwrap_or_default();
        if !["StartTimeLowerBound", "StartTimeUpperBound", "Status"].contains(&name) {
            return Err(error::validation(format!(
                "The filter {name} is not valid."
            )));
        }
    }
    let groups = all(&cx).await?;
    let name = input.auto_scaling_group_name.filter(|n| !n.is_empty());
    let deleted_too = input.include_deleted_groups == Some(true);
    if let Some(name) = &name
        && !deleted_too
        && !groups.iter().any(|g| g.name == *name)
    {
        return Err(error::group_not_found(name));
    }
    let is_of = |group: &str| name.as_deref().is_none_or(|n| n == group);
    let mut shown: Vec<(Timestamp, api::Activity)> = Vec::new();
    for group in groups.iter().filter(|g| is_of(&g.name)) {
        let mut running: Vec<&Activity> = Vec::new();
        running.extend(group.launches.values().map(|l| &l.activity));
        running.extend(group.instances.values().filter_map(|m| m.activity.as_ref()));
        let show = |a: &Activity| (a.started_at, group.shown_activity(&cx.scope, a));
        shown.extend(running.into_iter().map(show));
    }
    let under = match &name {
        Some(name) => format!("{}/", crate::model::escaped(name)),
        None => String::new(),
    };
    for ended in ended_with(cx.db(), &cx.scope, &under).await? {
        let exists = groups.iter().any(|g| g.id == ended.group_id);
        if exists || deleted_too {
            let resource = format!(
                "autoScalingGroup:{}:autoScalingGroupName/{}",
                ended.group_id, ended.group
            );
            let arn = cx.arn("autoscaling", resource);
            let mut activity = ended.activity.shown(&ended.group, arn);
            if !exists {
                activity.auto_scaling_group_state = Some("Deleted".into());
            }
            shown.push((ended.activity.started_at, activity));
        }
    }
    if let Some(ids) = input.activity_ids.filter(|ids| !ids.is_empty()) {
        shown.retain(|(_, a)| a.activity_id.as_ref().is_some_and(|id| ids.contains(id)));
    }
    shown.retain(|(at, a)| filters.iter().all(|f| fits(f, *at, a)));
    let position = |(at, a): &(Timestamp, api::Activity)| {
        let id = a.activity_id.as_deref().unwrap_or_default();
        format!("{:020}/{id}", at.as_millis())
    };
    shown.sort_by_key(|one| std::cmp::Reverse(position(one)));
    let found = paged_descending(shown, input.next_token.as_deref(), limit, position)?;
    Ok(api::DescribeScalingActivitiesOutput {
        activities: Some(found.items.into_iter().map(|(_, a)| a).collect()),
        next_token: found.next_token,
    })
}

fn fits(filter: &api::Filter, at: Timestamp, activity: &api::Activity) -> bool {
    let values = filter.values.as_deref().unwrap_or_default();
    let time = |of: fn(&str, &str) -> bool| {
        let at = at.rfc3339();
        values.iter().all(|v| of(&at, v))
    };
    match filter.name.as_deref() {
        Some("StartTimeLowerBound") => time(|at, bound| at >= bound),
        Some("StartTimeUpperBound") => time(|at, bound| at <= bound),
        _ => activity
            .status_code
            .as_ref()
            .is_some_and(|s| values.contains(s)),
    }
}
