//! Ends, stops, starts and reboots instances: what is asked for is written, and hosts do it.
//!
//! All instances of a call are checked before the first one is changed.

use super::named;
use crate::Ec2;
use crate::error::instance as say;
use crate::query::dry_run;
use neargate_api_ec2 as api;
use neargate_service::instance::{Instance, Power, State};
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// The code and the sentence of what a user ended
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html>).
const BY_USER: (&str, &str) = (
    "Client.UserInitiatedShutdown",
    "Client.UserInitiatedShutdown: User initiated shutdown",
);

pub async fn terminate_instances(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::TerminateInstancesInput,
) -> Result<api::TerminateInstancesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let all = named(&cx, &input.instance_ids).await?;
    // Auto Scaling ends protected instances, too.
    if !cx.principal.is_service() {
        all.iter().try_for_each(check_end)?;
    }
    let changed = ask(&cx, &all, |instance| {
        if instance.wanted == Power::Terminated {
            return false;
        }
        instance.wanted = Power::Terminated;
        instance.reason = Some((BY_USER.0.into(), BY_USER.1.into()));
        true
    });
    Ok(api::TerminateInstancesOutput {
        terminating_instances: Some(changed.await?),
    })
}

fn check_end(instance: &Stored<Instance>) -> Result<(), AwsError> {
    match instance.disable_api_termination && !instance.has_ended() {
        true => Err(say::protected(
            instance.id(),
            "terminated",
            "disableApiTermination",
        )),
        false => Ok(()),
    }
}

pub async fn stop_instances(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::StopInstancesInput,
) -> Result<api::StopInstancesOutput, AwsError> {
    dry_run(input.dry_run)?;
    crate::api::refuse(&[("Hibernate", input.hibernate == Some(true))])?;
    let all = named(&cx, &input.instance_ids).await?;
    for instance in &all {
        if instance.wanted == Power::Terminated {
            return Err(say::incorrect_state(instance.id(), "stopped"));
        }
        if instance.disable_api_stop {
            return Err(say::protected(instance.id(), "stopped", "disableApiStop"));
        }
    }
    let changed = ask(&cx, &all, |instance| {
        if instance.wanted != Power::Running {
            return false;
        }
        instance.wanted = Power::Stopped;
        instance.reason = Some((BY_USER.0.into(), BY_USER.1.into()));
        true
    });
    Ok(api::StopInstancesOutput {
        stopping_instances: Some(changed.await?),
    })
}

pub async fn start_instances(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::StartInstancesInput,
) -> Result<api::StartInstancesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let all = named(&cx, &input.instance_ids).await?;
    for instance in &all {
        match instance.shown_state() {
            State::Stopped | State::Running | State::Pending => {}
            State::Stopping | State::ShuttingDown | State::Terminated => {
                return Err(say::incorrect_state(instance.id(), "started"));
            }
        }
    }
    let now = cx.now();
    let changed = ask(&cx, &all, |instance| {
        if instance.wanted != Power::Stopped || instance.state != State::Stopped {
            return false;
        }
        instance.wanted = Power::Running;
        instance.reason = None;
        instance.launched_at = now;
        true
    });
    Ok(api::StartInstancesOutput {
        starting_instances: Some(changed.await?),
    })
}

pub async fn reboot_instances(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::RebootInstancesInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let all = named(&cx, &input.instance_ids).await?;
    for instance in &all {
        if !matches!(instance.shown_state(), State::Running | State::Pending) {
            return Err(say::incorrect_state(instance.id(), "rebooted"));
        }
    }
    ask(&cx, &all, |instance| {
        let runs = instance.wanted == Power::Running;
        instance.reboots += u32::from(runs);
        runs
    })
    .await?;
    Ok(Unit)
}

/// Changes each; answers what each was and what it has become.
async fn ask(
    cx: &Ctx,
    all: &[Stored<Instance>],
    change: impl Fn(&mut Instance) -> bool,
) -> Result<Vec<api::InstanceStateChange>, AwsError> {
    let mut changes = Vec::new();
    for instance in all {
        let mut before = instance.shown_state();
        let change = |now: &mut Instance| {
            before = now.shown_state();
            Ok(change(now))
        };
        let changed = cx.db().modify::<Instance, _>(&instance.key, change).await?;
        let after = changed.map_or(State::Terminated, |i| i.shown_state());
        changes.push(api::InstanceStateChange {
            instance_id: Some(instance.id().to_owned()),
            previous_state: Some(shown(before)),
            current_state: Some(shown(after)),
        });
    }
    Ok(changes)
}

/// A state as answers carry it.
pub(super) fn shown(state: State) -> api::InstanceState {
    let (name, code) = state.shown();
    api::InstanceState {
        code: Some(code),
        name: Some(name.into()),
    }
}
