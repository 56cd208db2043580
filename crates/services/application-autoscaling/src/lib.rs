//! Application Auto Scaling: how many tasks ECS's services want, by the alarms of CloudWatch and by
//! the clock.
//!
//! It makes and owns the alarms of the policies that track a target, sees what alarms say in their
//! readings (`neargate_service::alarm`), and scales by ECS's `UpdateService`. Resources of other
//! services are refused by name.

mod activity;
mod alarms;
mod api;
mod controller;
mod ecs;
mod error;
mod metric;
mod model;
mod plan;
mod readings;
mod schedule;
#[cfg(test)]
mod tests;

use activity::Recorded;
use async_trait::async_trait;
use controller::Scaler;
use neargate_api_application_autoscaling::{SERVICE, ops};
use neargate_service::{
    AwsError, Background, Committed, Component, House, OperationTable, Resource, Service,
};
use readings::Readings;
use std::sync::Arc;
use std::time::Duration;

/// Application Auto Scaling.
#[derive(Debug, Default)]
pub struct ApplicationAutoscaling {
    readings: Arc<Readings>,
}

#[async_trait]
impl Component for ApplicationAutoscaling {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(Scaler::new(house.clone(), self.readings.clone()));
        background.spawn("old-scaling-activities", forget(house));
    }
}

/// How long activities are kept
/// (<https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html>).
const KEPT: Duration = Duration::from_secs(42 * 86_400);
/// Between two looks for older ones.
const FORGET: Duration = Duration::from_secs(3_600);

async fn forget(house: Arc<House>) {
    loop {
        tokio::time::sleep(FORGET).await;
        if let Err(error) = forget_old(&house).await {
            tracing::warn!(%error, "old scaling activities are kept for longer");
        }
    }
}

async fn forget_old(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", Recorded::KIND);
    for recorded in house.db.list_prefix::<Recorded>(&all).await? {
        if house.now().since(recorded.activity.started_at) >= KEPT {
            let _: Committed = house.db.tx().delete(&recorded).commit().await?;
        }
    }
    Ok(())
}

const OF_TARGETS: &str = "services of ECS; the resources of other services are refused by name";
const OF_POLICIES: &str = "services of ECS; predictive scaling is refused by name";

/// Which operations are served, and how completely.
fn table(component: Arc<ApplicationAutoscaling>) -> OperationTable<ApplicationAutoscaling> {
    use api::{activities, policies, scheduled, tags, targets};
    OperationTable::new(&SERVICE, component)
        .wording(error::invalid)
        .partly(
            ops::RegisterScalableTarget,
            targets::register_scalable_target,
            OF_TARGETS,
        )
        .on(
            ops::DeregisterScalableTarget,
            targets::deregister_scalable_target,
        )
        .on(
            ops::DescribeScalableTargets,
            targets::describe_scalable_targets,
        )
        .partly(
            ops::PutScalingPolicy,
            policies::put_scaling_policy,
            OF_POLICIES,
        )
        .on(ops::DeleteScalingPolicy, policies::delete_scaling_policy)
        .on(
            ops::DescribeScalingPolicies,
            policies::describe_scaling_policies,
        )
        .partly(
            ops::PutScheduledAction,
            scheduled::put_scheduled_action,
            OF_TARGETS,
        )
        .on(
            ops::DeleteScheduledAction,
            scheduled::delete_scheduled_action,
        )
        .on(
            ops::DescribeScheduledActions,
            scheduled::describe_scheduled_actions,
        )
        .on(
            ops::DescribeScalingActivities,
            activities::describe_scaling_activities,
        )
        .on(ops::ListTagsForResource, tags::list_tags_for_resource)
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
}
