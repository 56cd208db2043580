//! Flow logs (<https://docs.aws.amazon.com/vpc/latest/userguide/working-with-flow-logs.html>). How they
//! come by what they say is [`crate::flow_logs`]'s.

use super::{tags, text};
use crate::change::{self, all, find, fresh, settle};
use crate::error::flow_log as say;
use crate::flow_logs::deliver::bucket_of;
use crate::flow_logs::format::{self, Bad};
use crate::kind::{self, Kind};
use crate::model::{FlowDestination, FlowLog, LoggedKind, Place};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_api_s3 as s3;
use neargate_service::db::{Stored, Tx};
use neargate_service::eni::Interface;
use neargate_service::tags::Tags;
use neargate_service::vpc::{Subnet, Vpc};
use neargate_service::{AwsError, Caller, Ctx};
use std::sync::Arc;

/// Resources of one call.
const MAX_RESOURCES: usize = 1_000;
const LOGS: &str = "cloud-watch-logs";

pub async fn create_flow_logs(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateFlowLogsInput,
) -> Result<api::CreateFlowLogsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let specified = tags::specified(input.tag_specifications.clone(), &kind::FLOW_LOG)?;
    let token = input.client_token.clone();
    let resources = input.resource_ids.clone();
    let asked = asked(&cx, input)?;
    if resources.is_empty() || resources.len() > MAX_RESOURCES {
        return Err(error::missing_parameter("ResourceId"));
    }
    for id in &resources {
        check(&cx, asked.of, id).await?;
    }
    let answer = |ids: Vec<String>, unsuccessful: Vec<api::UnsuccessfulItem>| {
        Ok(api::CreateFlowLogsOutput {
            client_token: token.clone(),
            flow_log_ids: Some(ids),
            unsuccessful: Some(unsuccessful),
        })
    };
    if let Some(why) = no_bucket(&cx, &asked.destination).await? {
        let item = |id: String| api::UnsuccessfulItem {
            resource_id: Some(id),
            error: Some(api::UnsuccessfulItemError {
                code: text("400"),
                message: Some(why.clone()),
            }),
        };
        return answer(Vec::new(), resources.into_iter().map(item).collect());
    }
    let ids = settle(|| made(&cx, &resources, &asked, &specified)).await?;
    answer(ids, Vec::new())
}

/// The transaction that makes a log for each resource, or finds those that a call with the same token
/// made.
async fn made(
    cx: &Ctx,
    resources: &[String],
    asked: &FlowLog,
    tags: &Tags,
) -> Result<(Tx, Vec<String>), AwsError> {
    let there = all::<FlowLog>(cx).await?;
    if asked.client_token.is_some() {
        let before = there
            .iter()
            .filter(|l| l.client_token == asked.client_token);
        let before: Vec<_> = before.collect();
        let same = |log: &&&Stored<FlowLog>| {
            let as_asked = FlowLog {
                resource_id: log.resource_id.clone(),
                created_at: log.created_at,
                failure: log.failure.clone(),
                ..asked.clone()
            };
            log.value == as_asked && resources.contains(&log.resource_id)
        };
        if !before.is_empty() {
            return match before.iter().filter(same).count() == resources.len() {
                true => {
                    let ids = before.iter().map(|log| log.id().to_owned()).collect();
                    let first = before.first().copied();
                    let tx = first.map_or_else(|| cx.db().tx(), |f| cx.db().tx().unchanged(f));
                    Ok((tx, ids))
                }
                false => Err(say::token_used()),
            };
        }
    }
    let mut tx = cx.db().tx();
    let mut ids = Vec::new();
    for resource_id in resources {
        let is_same = |log: &Stored<FlowLog>| {
            log.resource_id == *resource_id && goes_to(log) == goes_to(asked)
        };
        if there.iter().any(is_same) {
            return Err(say::exists());
        }
        let id = fresh(cx, "fl");
        let new = FlowLog {
            resource_id: resource_id.clone(),
            ..asked.clone()
        };
        tx = change::create(tx, cx, &id, &new, tags);
        ids.push(id);
    }
    Ok((tx, ids))
}

/// A log group by its name, or a bucket with its prefix.
fn goes_to(log: &FlowLog) -> &str {
    match &log.destination {
        FlowDestination::LogGroup { name, .. } => name,
        FlowDestination::Bucket { arn, .. } => arn,
    }
}

/// The log that is asked for, but for whose it is.
fn asked(cx: &Ctx, input: api::CreateFlowLogsInput) -> Result<FlowLog, AwsError> {
    let of = match input.resource_type.as_str() {
        "VPC" => LoggedKind::Vpc,
        "Subnet" => LoggedKind::Subnet,
        "NetworkInterface" => LoggedKind::Interface,
        "TransitGateway" | "TransitGatewayAttachment" | "RegionalNatGateway" => {
            return Err(error::unsupported("ResourceType"));
        }
        other => return Err(error::invalid_value("ResourceType", other)),
    };
    super::refuse(&[
        (
            "DeliverCrossAccountRole",
            input.deliver_cross_account_role.is_some(),
        ),
        (
            "TagFieldSpecifications",
            input.tag_field_specifications.is_some(),
        ),
    ])?;
    let traffic_type = input.traffic_type.clone();
    let traffic_type = traffic_type.ok_or_else(|| error::missing_parameter("TrafficType"))?;
    if !matches!(traffic_type.as_str(), "ACCEPT" | "REJECT" | "ALL") {
        return Err(error::invalid_value("TrafficType", &traffic_type));
    }
    let interval = input.max_aggregation_interval.unwrap_or(600);
    let interval = u32::try_from(interval).unwrap_or_default();
    if interval != 60 && interval != 600 {
        return Err(say::interval());
    }
    let format = input.log_format.clone();
    let format = format.unwrap_or_else(|| format::DEFAULT.to_owned());
    format::fields(&format).map_err(|bad| match bad {
        Bad::Form => say::format(&format),
        Bad::NotBuilt(field) => error::unsupported(&format!("LogFormat ${{{field}}}")),
    })?;
    let destination = destination(&input)?;
    let role = input.deliver_logs_permission_arn;
    if matches!(destination, FlowDestination::LogGroup { .. }) && role.is_none() {
        let kind = "LogDestinationType";
        return Err(say::empty("DeliverLogsPermissionArn", kind, LOGS));
    }
    Ok(FlowLog {
        resource_id: String::new(),
        of,
        traffic_type,
        destination,
        role,
        format,
        interval_seconds: interval,
        client_token: input.client_token,
        failure: None,
        created_at: cx.now(),
    })
}

fn destination(input: &api::CreateFlowLogsInput) -> Result<FlowDestination, AwsError> {
    let (group, arn) = (
        input.log_group_name.as_ref(),
        input.log_destination.as_ref(),
    );
    let options = input.destination_options.clone().unwrap_or_default();
    match input.log_destination_type.as_deref() {
        None | Some(LOGS) => {
            let named = |arn: &String| {
                let name = arn.split_once(":log-group:").map(|(_, name)| name);
                let name = name.filter(|_| arn.starts_with("arn:aws:logs:"));
                let name = name.map(|name| name.trim_end_matches(":*").to_owned());
                name.filter(|name| !name.is_empty())
                    .ok_or_else(|| say::destination(arn))
            };
            match (group, arn) {
                (Some(_), Some(_)) => Err(error::combination("LogGroupName", "LogDestination")),
                (Some(name), None) => Ok(FlowDestination::LogGroup {
                    name: name.clone(),
                    arn: None,
                }),
                (None, Some(arn)) => Ok(FlowDestination::LogGroup {
                    name: named(arn)?,
                    arn: Some(arn.clone()),
                }),
                (None, None) => Err(say::empty("LogDestination", "LogGroupName", "not provided")),
            }
        }
        Some("s3") => {
            if group.is_some() {
                return Err(say::other_type(LOGS));
            }
            let arn =
                arn.ok_or_else(|| say::empty("LogDestination", "LogGroupName", "not provided"))?;
            bucket_of(arn).ok_or_else(|| say::destination(arn))?;
            match options.file_format.as_deref() {
                None | Some("plain-text") => {}
                Some("parquet") => return Err(error::unsupported("DestinationOptions.FileFormat")),
                Some(other) => {
                    return Err(error::invalid_value("DestinationOptions.FileFormat", other));
                }
            }
            Ok(FlowDestination::Bucket {
                arn: arn.clone(),
                hive_compatible: options.hive_compatible_partitions.unwrap_or_default(),
                by_hour: options.per_hour_partition.unwrap_or_default(),
            })
        }
        Some("kinesis-data-firehose") => Err(error::unsupported("LogDestinationType")),
        Some(other) => Err(error::invalid_value("LogDestinationType", other)),
    }
}

/// The resource is there.
async fn check(cx: &Ctx, of: LoggedKind, id: &str) -> Result<(), AwsError> {
    match of {
        LoggedKind::Vpc => find::<Vpc>(cx, id).await.map(drop),
        LoggedKind::Subnet => find::<Subnet>(cx, id).await.map(drop),
        LoggedKind::Interface => find::<Interface>(cx, id).await.map(drop),
    }
}

/// What AWS says of a bucket that is not there, or that the caller may not look at.
async fn no_bucket(cx: &Ctx, to: &FlowDestination) -> Result<Option<String>, AwsError> {
    let FlowDestination::Bucket { arn, .. } = to else {
        return Ok(None);
    };
    let Some((bucket, _)) = bucket_of(arn) else {
        return Ok(None);
    };
    let input = s3::HeadBucketInput {
        bucket: bucket.to_owned(),
        ..Default::default()
    };
    match Caller::forward::<s3::ops::HeadBucket>(cx, "ec2", &cx.scope, &input).await {
        Ok(_) => Ok(None),
        Err(error) if error.status >= 500 => Err(error),
        Err(error) if error.status == 403 => Ok(Some(format!(
            "Access Denied for LogDestination: {bucket}. Please check LogDestination permission"
        ))),
        Err(_) => Ok(Some(format!("LogDestination: {bucket} does not exist."))),
    }
}

pub async fn delete_flow_logs(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteFlowLogsInput,
) -> Result<api::DeleteFlowLogsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let ids = input.flow_log_ids;
    for id in &ids {
        kind::FLOW_LOG.check(id)?;
    }
    let deleted = async || -> Result<(Tx, ()), AwsError> {
        let there = all::<FlowLog>(&cx).await?;
        let is_there = |id: &&String| there.iter().any(|log| log.id() == **id);
        let missing: Vec<String> = ids.iter().filter(|id| !is_there(id)).cloned().collect();
        if !missing.is_empty() {
            return Err(say::not_found(&missing));
        }
        let doomed = there
            .iter()
            .filter(|log| ids.iter().any(|id| id == log.id()));
        let tx = cx.db().tx().within_reserve();
        Ok((doomed.fold(tx, |tx, log| change::delete(tx, &cx, log)), ()))
    };
    settle(deleted).await?;
    Ok(api::DeleteFlowLogsOutput {
        unsuccessful: Some(Vec::new()),
    })
}

pub async fn describe_flow_logs(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeFlowLogsInput,
) -> Result<api::DescribeFlowLogsOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.flow_log_ids,
        input.filter,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let logs = all::<FlowLog>(&cx).await?;
    let shown = logs.iter().map(|log| shown(&place, log));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeFlowLogsOutput {
        flow_logs: Some(found.items),
        next_token: found.next_token,
    })
}

fn shown(place: &Place, log: &Stored<FlowLog>) -> api::FlowLog {
    let (kind, group, arn, options) = match &log.destination {
        FlowDestination::LogGroup { name, arn } => (LOGS, Some(name.clone()), arn.clone(), None),
        FlowDestination::Bucket {
            arn,
            hive_compatible,
            by_hour,
        } => {
            let options = api::DestinationOptionsResponse {
                file_format: text("plain-text"),
                hive_compatible_partitions: Some(*hive_compatible),
                per_hour_partition: Some(*by_hour),
            };
            ("s3", None, Some(arn.clone()), Some(options))
        }
    };
    api::FlowLog {
        creation_time: Some(log.created_at),
        flow_log_id: text(log.id()),
        flow_log_status: text("ACTIVE"),
        resource_id: text(&log.resource_id),
        traffic_type: text(&log.traffic_type),
        log_destination_type: text(kind),
        log_group_name: group,
        log_destination: arn,
        destination_options: options,
        log_format: text(&log.format),
        max_aggregation_interval: i32::try_from(log.interval_seconds).ok(),
        deliver_logs_permission_arn: log.role.clone(),
        deliver_logs_status: text(match log.failure {
            None => "SUCCESS",
            Some(_) => "FAILED",
        }),
        deliver_logs_error_message: log.failure.clone(),
        tags: place.tags_of(log.id()),
        ..Default::default()
    }
}

impl Describe for api::FlowLog {
    const KIND: Kind = kind::FLOW_LOG;

    fn id(&self) -> &str {
        self.flow_log_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "deliver-log-status" => one(&self.deliver_logs_status),
            "flow-log-id" => one(&self.flow_log_id),
            "log-destination-type" => one(&self.log_destination_type),
            "log-group-name" => one(&self.log_group_name),
            "resource-id" => one(&self.resource_id),
            "traffic-type" => one(&self.traffic_type),
            _ => None,
        }
    }
}
