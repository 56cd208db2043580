//! Instances that were there before, and those that are to go on without their group
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-detach-attach-instances.html>).

use super::{all, change, standby};
use crate::activity::Activity;
use crate::model::{From, Group, Lifecycle, Member, Place, group_of};
use crate::{Autoscaling, error, sentence};
use neargate_api_autoscaling as api;
use neargate_service::instance::{Instance, State};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most instances of one call.
const MAX_IDS: usize = 20;

pub async fn attach_instances(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::AttachInstancesInput,
) -> Result<Unit, AwsError> {
    let ids = input.instance_ids.unwrap_or_default();
    if ids.len() > MAX_IDS {
        return Err(error::limit_exceeded("Instance ID", MAX_IDS));
    }
    let mut found = BTreeMap::new();
    for id in &ids {
        let instance = cx.db().get::<Instance>(&cx.scope, id).await?;
        let instance = instance.ok_or_else(|| error::cannot_attach(id, "it does not exist"))?;
        if instance.shown_state() != State::Running {
            return Err(error::cannot_attach(
                id,
                "it is not in correct state. Instance(s) must be in 'running' state",
            ));
        }
        found.insert(id.clone(), instance.value);
    }
    let groups = all(&cx).await?;
    for id in &ids {
        if let Some(of) = group_of(&groups, id) {
            let why = format!("it is part of AutoScalingGroup {} already", of.name);
            return Err(error::cannot_attach(id, &why));
        }
    }
    change(&cx, &input.auto_scaling_group_name, |group| {
        let count = u32::try_from(found.len()).unwrap_or(u32::MAX);
        let wanted = group.desired.saturating_add(count);
        if wanted > group.max {
            let what = match count {
                1 => "attach 1 more instance".into(),
                n => format!("attach {n} more instances"),
            };
            return Err(error::sizes(group, &what));
        }
        let sizes = (group.desired, wanted);
        for (id, instance) in &found {
            attach(group, &cx, id, instance, sizes)?;
        }
        group.desired = wanted;
        Ok(())
    })
    .await?;
    Ok(Unit)
}

fn attach(
    group: &mut Group,
    cx: &Ctx,
    id: &str,
    instance: &Instance,
    sizes: (u32, u32),
) -> Result<(), AwsError> {
    let zone = &instance.interface.availability_zone;
    if !group.zones().contains(zone) {
        let why = format!("its Availability Zone, {zone}, is not one of the group's");
        return Err(error::cannot_attach(id, &why));
    }
    let place = Place {
        zone: zone.clone(),
        subnet: Some(instance.interface.subnet_id.clone()),
    };
    let cause = sentence::at(
        cx.now(),
        &format!(
            "an instance was attached in response to a user request, increasing the capacity from \
             {} to {}.",
            sizes.0, sizes.1
        ),
    );
    let description = format!("Attaching an existing EC2 instance: {id}");
    let activity = Activity::begin(group, description, cause, &place, cx.now());
    let member = Member {
        instance_type: instance.instance_type.clone(),
        image_id: instance.image_id.clone(),
        place,
        state: Lifecycle::Pending,
        healthy: true,
        protected: group.settings.protects_new,
        from: From::Elsewhere,
        since: cx.now(),
        in_service_at: None,
        activity: Some(activity.at("PreInService", 30)),
        waits: BTreeMap::new(),
        untagged: true,
    };
    group.instances.insert(id.to_owned(), member);
    Ok(())
}

pub async fn detach_instances(
    _: Arc<Autoscaling>,
    cx: Ctx,
    input: api::DetachInstancesInput,
) -> Result<api::DetachInstancesOutput, AwsError> {
    let ids = input.instance_ids.unwrap_or_default();
    if ids.len() > MAX_IDS {
        return Err(error::limit_exceeded("Instance ID", MAX_IDS));
    }
    let activities = change(&cx, &input.auto_scaling_group_name, |group| {
        for id in &ids {
            match group.instances.get(id).map(|m| m.state) {
                None => return Err(error::not_in_group(id, &group.name)),
                Some(Lifecycle::InService | Lifecycle::Standby) => {}
                Some(_) => return Err(error::not_in_state(id, "InService or Standby")),
            }
        }
        let sizes = match input.should_decrement_desired_capacity {
            true => Some(standby::shrink(group, ids.len(), "detach")?),
            false => None,
        };
        standby::begin(
            group,
            &cx,
            &ids,
            Lifecycle::Detaching,
            |id| format!("Detaching EC2 instance: {id}"),
            |id| sentence::by_user(cx.now(), id, "detached", sizes),
        )
    });
    Ok(api::DetachInstancesOutput {
        activities: Some(activities.await?),
    })
}
