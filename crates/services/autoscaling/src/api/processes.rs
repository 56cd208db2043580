//! Processes of a group that may be suspended
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-suspend-resume-processes.html>).

use super::{change, text};
use crate::{Autoscaling, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

const PROCESSES: [&str; 9] = [
    "AZRebalance",
    "AddToLoadBalancer",
    "AlarmNotification",
    "HealthCheck",
    "InstanceRefresh",
    "Launch",
    "ReplaceUnhealthy",
    "ScheduledActions",
    "Terminate",
];

fn named(given: Option<Vec<String>>) -> Result<Vec<String>, AwsError> {
    let given = given.filter(|names| !names.is_empty());
    let names = given.unwrap_or_else(|| PROCESSES.map(str::to_owned).into());
    match names.iter().find(|n| !PROCESSES.contains(&n.as_str())) {
        Some(other) => Err(error::unknown_process(other)),
        None => Ok(names),
    }
}

pub async fn suspend_processes(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::SuspendProcessesInput,
) -> Result<Unit, AwsError> {
    let names = named(input.scaling_processes)?;
    let time = crate::sentence::at(cx.now(), "");
    let time = time.trim_start_matches("At ").trim_end();
    change(&cx, &input.auto_scaling_group_name, |group| {
        for name in &names {
            let reason = format!("User suspended at {time}");
            group.suspended.entry(name.clone()).or_insert(reason);
        }
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn resume_processes(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::ResumeProcessesInput,
) -> Result<Unit, AwsError> {
    let names = named(input.scaling_processes)?;
    change(&cx, &input.auto_scaling_group_name, |group| {
        group.suspended.retain(|name, _| !names.contains(name));
        Ok(())
    })
    .await?;
    Ok(Unit)
}

pub async fn describe_scaling_process_types(
    _: Arc<Autoscaling>,
    _: Ctx,
    _: Unit,
) -> Result<api::DescribeScalingProcessTypesOutput, AwsError> {
    let process = |name| api::ProcessType {
        process_name: text(name),
    };
    Ok(api::DescribeScalingProcessTypesOutput {
        processes: Some(PROCESSES.map(process).into()),
    })
}
