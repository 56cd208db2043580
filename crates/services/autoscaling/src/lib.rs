//! Amazon EC2 Auto Scaling: groups that keep as many instances as desired.
//!
//! It starts and ends instances by calling EC2's operations by name, and reads their records
//! (`neargate_service::instance`) to see what becomes of them.

mod activity;
mod alarms;
mod api;
mod controller;
mod ec2;
mod elbv2;
mod error;
mod event;
mod hook;
mod launch;
mod metrics;
mod model;
mod plan;
mod refresh;
mod schedule;
mod sentence;
mod tell;
#[cfg(test)]
mod tests;

use activity::Ended;
use async_trait::async_trait;
use controller::Keeper;
use neargate_api_autoscaling::{SERVICE, ops};
use neargate_service::{
    AfterReset, AwsError, Background, Committed, Component, House, OperationTable, Resource,
    Service,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::RwLock;

/// Auto Scaling: its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Autoscaling {
    /// Read while an instance is started.
    starting: Arc<RwLock<()>>,
}

#[async_trait]
impl Component for Autoscaling {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(Keeper::new(house.clone(), self.starting.clone()));
        background.spawn("ended-activities", forget(house));
    }

    /// Nothing is started until the store is empty: nobody would know of it.
    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        let held = self.starting.clone().write_owned().await;
        Ok(AfterReset::new(async move || {
            drop(held);
            Ok(())
        }))
    }
}

/// How long ended activities are kept
/// (<https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_DescribeScalingActivities.html>).
const KEPT: Duration = Duration::from_secs(42 * 86_400);
/// Between two looks for such.
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
    let all = format!("{}/", Ended::KIND);
    for ended in house.db.list_prefix::<Ended>(&all).await? {
        let at = ended.activity.ended_at.unwrap_or(ended.activity.started_at);
        if house.now().since(at) >= KEPT {
            let _: Committed = house.db.tx().delete(&ended).commit().await?;
        }
    }
    Ok(())
}

/// What groups lack.
const OF_GROUPS: &str = "no Spot Instances, weights, instance requirements, zone ids, warm pools and \
    groups made from an instance: they are refused; placement groups, capacity reservations and \
    rebalancing, contexts, zonal shifts and retention are kept and have no effect";
const OF_SOURCES: &str = "target groups of Elastic Load Balancing; there are no Classic Load \
    Balancers and no VPC Lattice: they are refused";
const OF_HOOKS: &str = "targets are topics and queues: there are no Lambda functions";
const OF_POLICIES: &str = "predictive scaling is kept and shown, and does nothing; \
    ASGAverageCPUUtilizationHighResolution is refused";
const OF_METRICS: &str =
    "those of warm pools are kept and shown, and are not published: there are none";

/// Which operations are served, and how completely.
fn table(autoscaling: Arc<Autoscaling>) -> OperationTable<Autoscaling> {
    use api::{
        activities, attach, capacity, delete, groups, hooks, instances, launch_configurations,
        metrics, notifications, policies, processes, refreshes, scheduled, standby, tags, traffic,
        types, update,
    };
    OperationTable::new(&SERVICE, autoscaling)
        .wording(error::invalid)
        .partly(ops::CreateAutoScalingGroup, groups::create_auto_scaling_group, OF_GROUPS)
        .partly(ops::UpdateAutoScalingGroup, update::update_auto_scaling_group, OF_GROUPS)
        .on(ops::DeleteAutoScalingGroup, delete::delete_auto_scaling_group)
        .on(ops::DescribeAutoScalingGroups, groups::describe_auto_scaling_groups)
        .on(ops::DescribeAutoScalingInstances, groups::describe_auto_scaling_instances)
        .partly(
            ops::CreateLaunchConfiguration,
            launch_configurations::create_launch_configuration,
            "no Spot Instances, no ClassicLink, and not made from an instance; volumes, monitoring, \
             tenancy and metadata options are kept and mean nothing",
        )
        .on(ops::DescribeLaunchConfigurations, launch_configurations::describe_launch_configurations)
        .on(ops::DeleteLaunchConfiguration, launch_configurations::delete_launch_configuration)
        .on(ops::SetDesiredCapacity, capacity::set_desired_capacity)
        .on(ops::DescribeAccountLimits, capacity::describe_account_limits)
        .on(
            ops::TerminateInstanceInAutoScalingGroup,
            instances::terminate_instance_in_auto_scaling_group,
        )
        .on(ops::SetInstanceProtection, instances::set_instance_protection)
        .on(ops::SetInstanceHealth, instances::set_instance_health)
        .on(ops::AttachInstances, attach::attach_instances)
        .on(ops::DetachInstances, attach::detach_instances)
        .on(ops::EnterStandby, standby::enter_standby)
        .on(ops::ExitStandby, standby::exit_standby)
        .on(ops::DescribeScalingActivities, activities::describe_scaling_activities)
        .on(ops::SuspendProcesses, processes::suspend_processes)
        .on(ops::ResumeProcesses, processes::resume_processes)
        .on(ops::DescribeScalingProcessTypes, processes::describe_scaling_process_types)
        .on(ops::CreateOrUpdateTags, tags::create_or_update_tags)
        .on(ops::DeleteTags, tags::delete_tags)
        .on(ops::DescribeTags, tags::describe_tags)
        .on(ops::DescribeAdjustmentTypes, types::describe_adjustment_types)
        .on(
            ops::DescribeAutoScalingNotificationTypes,
            types::describe_auto_scaling_notification_types,
        )
        .on(ops::DescribeLifecycleHookTypes, types::describe_lifecycle_hook_types)
        .on(ops::DescribeTerminationPolicyTypes, types::describe_termination_policy_types)
        .on(ops::DescribeMetricCollectionTypes, metrics::describe_metric_collection_types)
        .partly(ops::EnableMetricsCollection, metrics::enable_metrics_collection, OF_METRICS)
        .partly(ops::DisableMetricsCollection, metrics::disable_metrics_collection, OF_METRICS)
        .partly(ops::PutLifecycleHook, hooks::put_lifecycle_hook, OF_HOOKS)
        .on(ops::DescribeLifecycleHooks, hooks::describe_lifecycle_hooks)
        .on(ops::DeleteLifecycleHook, hooks::delete_lifecycle_hook)
        .on(ops::CompleteLifecycleAction, hooks::complete_lifecycle_action)
        .on(
            ops::RecordLifecycleActionHeartbeat,
            hooks::record_lifecycle_action_heartbeat,
        )
        .on(
            ops::PutScheduledUpdateGroupAction,
            scheduled::put_scheduled_update_group_action,
        )
        .on(
            ops::BatchPutScheduledUpdateGroupAction,
            scheduled::batch_put_scheduled_update_group_action,
        )
        .on(ops::DescribeScheduledActions, scheduled::describe_scheduled_actions)
        .on(ops::DeleteScheduledAction, scheduled::delete_scheduled_action)
        .on(ops::BatchDeleteScheduledAction, scheduled::batch_delete_scheduled_action)
        .partly(ops::PutScalingPolicy, policies::put_scaling_policy, OF_POLICIES)
        .on(ops::DescribePolicies, policies::describe_policies)
        .on(ops::DeletePolicy, policies::delete_policy)
        .on(ops::ExecutePolicy, policies::execute_policy)
        .on(
            ops::PutNotificationConfiguration,
            notifications::put_notification_configuration,
        )
        .on(
            ops::DescribeNotificationConfigurations,
            notifications::describe_notification_configurations,
        )
        .on(
            ops::DeleteNotificationConfiguration,
            notifications::delete_notification_configuration,
        )
        .partly(
            ops::AttachLoadBalancerTargetGroups,
            traffic::attach_load_balancer_target_groups,
            OF_SOURCES,
        )
        .on(
            ops::DetachLoadBalancerTargetGroups,
            traffic::detach_load_balancer_target_groups,
        )
        .on(
            ops::DescribeLoadBalancerTargetGroups,
            traffic::describe_load_balancer_target_groups,
        )
        .partly(ops::AttachLoadBalancers, traffic::attach_load_balancers, OF_SOURCES)
        .on(ops::DetachLoadBalancers, traffic::detach_load_balancers)
        .on(ops::DescribeLoadBalancers, traffic::describe_load_balancers)
        .partly(ops::AttachTrafficSources, traffic::attach_traffic_sources, OF_SOURCES)
        .on(ops::DetachTrafficSources, traffic::detach_traffic_sources)
        .on(ops::DescribeTrafficSources, traffic::describe_traffic_sources)
        .partly(
            ops::DescribeWarmPool,
            traffic::describe_warm_pool,
            "there are no warm pools",
        )
        .partly(
            ops::StartInstanceRefresh,
            refreshes::start_instance_refresh,
            "rolling replacement only, and no alarms; AutoRollback is kept and has no effect, as a \
             refresh never fails by itself but for protected instances and those in standby",
        )
        .on(ops::CancelInstanceRefresh, refreshes::cancel_instance_refresh)
        .on(ops::RollbackInstanceRefresh, refreshes::rollback_instance_refresh)
        .on(ops::DescribeInstanceRefreshes, refreshes::describe_instance_refreshes)
}
