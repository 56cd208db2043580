//! Instance refreshes are started, ended early and described.

use super::source::source;
use super::{PAGE, change, find, paged_descending, size, text};
use crate::launch::{candidates, template_of};
use crate::model::{From, Group, Lifecycle, Member, Source, Template};
use crate::refresh::{KEPT, Refresh, Rollback, Status};
use crate::{Autoscaling, ec2, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

pub async fn start_instance_refresh(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::StartInstanceRefreshInput,
) -> Result<api::StartInstanceRefreshOutput, AwsError> {
    if input.strategy.as_deref().is_some_and(|s| s != "Rolling") {
        return Err(error::unsupported("the strategy ReplaceRootVolume"));
    }
    let name = &input.auto_scaling_group_name;
    let group = find(&cx, name).await?;
    let preferences = input.preferences.clone().unwrap_or_default();
    check(&preferences)?;
    let asked = input.desired_configuration.clone();
    let given = asked.clone().unwrap_or_default();
    let wanted = source(
        &cx,
        None,
        given.launch_template.as_ref(),
        given.mixed_instances_policy.as_ref(),
    );
    let wanted = wanted.await?;
    if preferences.auto_rollback == Some(true) && wanted.is_none() {
        return Err(error::validation(
            "AutoRollback requires a desired configuration.",
        ));
    }
    let matching = match preferences.skip_matching {
        Some(true) => templates(&cx, wanted.as_ref().unwrap_or(&group.source)).await?,
        _ => Vec::new(),
    };
    let id = cx.house.rng.uuid();
    change(&cx, name, |group| {
        if group.active_refresh().is_some() {
            return Err(error::refresh_in_progress());
        }
        let left: BTreeSet<String> = group
            .instances
            .iter()
            .filter(|(_, m)| replaceable(m) && !matches(m, &matching))
            .map(|(id, _)| id.clone())
            .collect();
        let refresh = Refresh {
            id: id.clone(),
            status: Status::Pending,
            reason: None,
            started_at: cx.now(),
            ended_at: None,
            preferences: Json(preferences.clone()),
            asked: asked.clone().map(Json),
            source: wanted.clone(),
            total: u32::try_from(left.len()).unwrap_or(u32::MAX),
            left,
            waits_until: None,
            checkpoints: 0,
            rollback: None,
        };
        group.refreshes.push(refresh);
        let over = group.refreshes.len().saturating_sub(KEPT);
        group.refreshes.drain(..over);
        Ok(())
    })
    .await?;
    Ok(api::StartInstanceRefreshOutput {
        instance_refresh_id: Some(id),
    })
}

fn check(preferences: &api::RefreshPreferences) -> Result<(), AwsError> {
    let percentages = preferences.checkpoint_percentages.as_deref();
    let percentages = percentages.unwrap_or_default();
    if percentages.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(error::validation(
            "Checkpoint percentages must be in ascending order.",
        ));
    }
    if preferences.checkpoint_delay.is_some() && percentages.is_empty() {
        return Err(error::validation(
            "CheckpointDelay requires CheckpointPercentages.",
        ));
    }
    if preferences.alarm_specification.is_some() {
        return Err(error::unsupported(
            "AlarmSpecification: there are no alarms",
        ));
    }
    let (min, max) = (
        preferences.min_healthy_percentage,
        preferences.max_healthy_percentage,
    );
    if let (Some(min), Some(max)) = (min, max)
        && max - min > 100
    {
        return Err(error::validation(
            "The difference between MinHealthyPercentage and MaxHealthyPercentage cannot be greater than 100.",
        ));
    }
    Ok(())
}

fn replaceable(member: &Member) -> bool {
    !member.state.ends() && member.state != Lifecycle::Detaching
}

/// The templates of a source, with numbers for versions.
async fn templates(cx: &Ctx, source: &Source) -> Result<Vec<(Template, Option<String>)>, AwsError> {
    let mut found = Vec::new();
    for candidate in 0..candidates(source) {
        let (template, kind) = match source {
            Source::Configuration(_) => return Ok(Vec::new()),
            Source::Template(template) => (template.clone(), None),
            Source::Mixed(policy) => {
                let overrides = policy.launch_template.as_ref();
                let overrides = overrides.and_then(|t| t.overrides.as_ref());
                let kind = overrides.and_then(|o| o.get(candidate)?.instance_type.clone());
                (template_of(policy, candidate), kind)
            }
        };
        let (template, data) = ec2::template(&cx.house, &cx.scope, &template).await?;
        found.push((template, kind.or(data.instance_type)));
    }
    Ok(found)
}

fn matches(member: &Member, templates: &[(Template, Option<String>)]) -> bool {
    let From::Template(of) = &member.from else {
        return false;
    };
    templates
        .iter()
        .any(|(t, kind)| t == of && kind.as_ref().is_none_or(|k| *k == member.instance_type))
}

/// What was replaced stays so.
pub async fn cancel_instance_refresh(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::CancelInstanceRefreshInput,
) -> Result<api::CancelInstanceRefreshOutput, AwsError> {
    let name = &input.auto_scaling_group_name;
    let waits = input.wait_for_transitioning_instances != Some(false);
    let id = change(&cx, name, |group| {
        let found = group.active_refresh_mut();
        let refresh = found.ok_or_else(|| error::no_refresh(name))?;
        refresh.reason = Some("Cancelled due to user request.".into());
        if waits {
            refresh.status = Status::Cancelling;
        } else {
            refresh.status = Status::Cancelled;
            refresh.ended_at = Some(cx.now());
        }
        Ok(refresh.id.clone())
    });
    Ok(api::CancelInstanceRefreshOutput {
        instance_refresh_id: Some(id.await?),
    })
}

/// What was replaced is replaced once more, by what the group is configured for.
pub async fn rollback_instance_refresh(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::RollbackInstanceRefreshInput,
) -> Result<api::RollbackInstanceRefreshOutput, AwsError> {
    let name = &input.auto_scaling_group_name;
    let id = change(&cx, name, |group| {
        let found = group.active_refresh().cloned();
        let mut refresh = found.ok_or_else(|| error::no_refresh(name))?;
        if !matches!(
            refresh.status,
            Status::Pending | Status::InProgress | Status::Baking
        ) {
            return Err(error::no_refresh(name));
        }
        if refresh.source.is_none() {
            return Err(error::irreversible_refresh(
                "The instance refresh has no desired configuration to roll back.",
            ));
        }
        if let Source::Template(template) = &group.source
            && matches!(template.version.as_deref(), Some("$Latest" | "$Default"))
        {
            return Err(error::irreversible_refresh(
                "The AutoScalingGroup uses the launch template's $Latest or $Default version.",
            ));
        }
        refresh.rollback = Some(Rollback {
            reason: "Rollback due to user request.".into(),
            at: cx.now(),
            percentage: refresh.percentage(),
            left: refresh.left_count(),
        });
        refresh.status = Status::RollbackInProgress;
        refresh.waits_until = None;
        refresh.left = started_since(group, &refresh);
        refresh.total = u32::try_from(refresh.left.len()).unwrap_or(u32::MAX);
        let id = refresh.id.clone();
        if let Some(kept) = group.active_refresh_mut() {
            *kept = refresh;
        }
        Ok(id)
    });
    Ok(api::RollbackInstanceRefreshOutput {
        instance_refresh_id: Some(id.await?),
    })
}

fn started_since(group: &Group, refresh: &Refresh) -> BTreeSet<String> {
    let members = group.instances.iter();
    members
        .filter(|(_, m)| replaceable(m) && m.since >= refresh.started_at)
        .map(|(id, _)| id.clone())
        .collect()
}

pub async fn describe_instance_refreshes(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DescribeInstanceRefreshesInput,
) -> Result<api::DescribeInstanceRefreshesOutput, AwsError> {
    let limit = size(PAGE, input.max_records)?;
    let group = find(&cx, &input.auto_scaling_group_name).await?;
    let ids = input.instance_refresh_ids.unwrap_or_default();
    let mut all: Vec<&Refresh> = group.refreshes.iter().collect();
    all.retain(|r| ids.is_empty() || ids.contains(&r.id));
    let position = |r: &&Refresh| format!("{:020}/{}", r.started_at.as_millis(), r.id);
    all.sort_by_key(|r| std::cmp::Reverse(position(r)));
    let found = paged_descending(all, input.next_token.as_deref(), limit, position)?;
    Ok(api::DescribeInstanceRefreshesOutput {
        instance_refreshes: Some(found.items.into_iter().map(|r| shown(&group, r)).collect()),
        next_token: found.next_token,
    })
}

fn shown(group: &Group, refresh: &Refresh) -> api::InstanceRefresh {
    let progress = |percentage: i32, left: i32| api::InstanceRefreshProgressDetails {
        live_pool_progress: Some(api::InstanceRefreshLivePoolProgress {
            percentage_complete: Some(percentage),
            instances_to_update: Some(left),
        }),
        warm_pool_progress: None,
    };
    let (percentage, left) = (refresh.percentage(), refresh.left_count());
    api::InstanceRefresh {
        instance_refresh_id: text(&refresh.id),
        auto_scaling_group_name: text(&group.name),
        status: text(refresh.status.shown()),
        status_reason: refresh.reason.clone(),
        start_time: Some(refresh.started_at),
        end_time: refresh.ended_at,
        percentage_complete: Some(percentage),
        instances_to_update: Some(left),
        progress_details: Some(progress(percentage, left)),
        preferences: Some(refresh.preferences.0.clone()),
        desired_configuration: refresh.asked.as_ref().map(|a| a.0.clone()),
        rollback_details: refresh.rollback.as_ref().map(|r| api::RollbackDetails {
            rollback_reason: text(&r.reason),
            rollback_start_time: Some(r.at),
            percentage_complete_on_rollback: Some(r.percentage),
            instances_to_update_on_rollback: Some(r.left),
            progress_details_on_rollback: Some(progress(r.percentage, r.left)),
        }),
        strategy: text("Rolling"),
    }
}
