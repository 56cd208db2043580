//! Amazon ECS: clusters, task definitions and tasks.
//!
//! `RunTask` writes a task's whole spec, its network interface and its node in one
//! transaction; the node reports what it observes, and [`observe`] turns reports into status.
//!
//! What is stored ([`model`]) and the pure planners ([`plan`]) are the crate below,
//! `neargate-ecs-plan`. Modules use those before them only: `nodes` and [`fleet`], what is known in memory; `clusters`, `settings` and `describe`, which
//! all above share; [`launch`]; [`alarms`], `balancing`, `registries`, [`service`], [`task_sets`], [`instances`], [`slices`],
//! [`waiting`], [`scaling`], `express` and [`events`]; and the handlers of `api`. [`Ecs`] holds what they share.

mod admit;
pub mod alarms;
mod api;
mod balancing;
mod clusters;
mod component;
pub mod connect;
mod controller;
mod deletion;
mod describe;
pub mod events;
mod express;
pub mod fleet;
mod halt;
pub mod instances;
pub mod launch;
pub mod lost;
pub mod metrics;
mod nodes;
pub mod observe;
mod operations;
mod registries;
mod role;
pub mod scaling;
pub mod secrets;
pub mod service;
mod settings;
pub mod slices;
pub mod spot;
pub mod targets;
pub mod task_sets;
pub mod waiting;

#[cfg(test)]
mod tests;

pub use alarms::Alarms;
pub use controller::{Expire, ForgetTokens};
pub use deletion::Deletion;
pub use events::Events;
pub use fleet::Fleet;
pub use halt::{elsewhere, halt, have_joined, running};
pub use instances::Deregistration;
pub use neargate_ecs_plan::{model, plan};
pub use nodes::Nodes;
pub use plan::task_definition::definition as as_described;
pub use scaling::Scaling;
pub use service::Scheduler;
pub use task_sets::TaskSets;
pub use waiting::Waiting;

use neargate_api_ecs::{SERVICE, ops};
use neargate_ecs_plan::{error, reference, wording};
use neargate_service::OperationTable;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// What ECS's handlers share.
#[derive(Debug, Default)]
pub struct Ecs {
    pub nodes: Arc<Nodes>,
    pub fleet: Arc<Fleet>,
    pub events: Arc<Events>,
    pub alarms: Arc<Alarms>,
    pub usages: metrics::Usages,
    balancing: balancing::Balancing,
    /// Who is behind the names of Service Connect.
    pub connect: Arc<connect::Endpoints>,
    pub times: Times,
    /// Read while tasks are started.
    starting: Arc<RwLock<()>>,
}

/// Times that the operator chooses.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// How long a task of a service without health checks runs before it counts as healthy.
    pub settle: Duration,
    /// A node elsewhere that is away for longer is lost.
    pub node_lease: Duration,
    /// How long the group of a capacity provider must be too large before it shrinks.
    pub scale_in_after: Duration,
}

/// CloudWatch's alarm on the reservation of a capacity provider wants 15 minutes
/// (<https://aws.amazon.com/blogs/containers/deep-dive-on-amazon-ecs-cluster-auto-scaling/>).
pub const SCALE_IN_AFTER: Duration = Duration::from_secs(900);

impl Default for Times {
    fn default() -> Self {
        Times {
            settle: plan::service::SETTLE,
            node_lease: lost::DEFAULT_LEASE,
            scale_in_after: SCALE_IN_AFTER,
        }
    }
}

impl Ecs {
    pub fn new(times: Times) -> Ecs {
        Ecs {
            times,
            ..Ecs::default()
        }
    }

    /// While what this answers exists no task is started, by nobody: whoever wants to, waits. It
    /// is answered once every start under way has ended.
    pub async fn hold(&self) -> OwnedRwLockWriteGuard<()> {
        self.starting.clone().write_owned().await
    }
}

/// Which operations are served, and how completely.
fn table(ecs: Arc<Ecs>) -> OperationTable<Ecs> {
    use api::{clusters, execute_command, services, tags, task_definitions, task_sets, tasks};
    let table = OperationTable::new(&SERVICE, ecs)
        .wording(wording::invalid)
        .admitting(admit::admit)
        .on(ops::CreateCluster, clusters::create_cluster)
        .on(ops::DeleteCluster, clusters::delete_cluster)
        .on(ops::DescribeClusters, clusters::describe_clusters)
        .on(ops::ListClusters, clusters::list_clusters)
        .on(ops::UpdateCluster, clusters::update_cluster)
        .on(
            ops::UpdateClusterSettings,
            clusters::update_cluster_settings,
        )
        .on(
            ops::RegisterTaskDefinition,
            task_definitions::register_task_definition,
        )
        .on(
            ops::DescribeTaskDefinition,
            task_definitions::describe_task_definition,
        )
        .on(
            ops::ListTaskDefinitions,
            task_definitions::list_task_definitions,
        )
        .on(
            ops::ListTaskDefinitionFamilies,
            task_definitions::list_task_definition_families,
        )
        .on(
            ops::DeregisterTaskDefinition,
            task_definitions::deregister_task_definition,
        )
        .on(
            ops::DeleteTaskDefinitions,
            task_definitions::delete_task_definitions,
        )
        .partly(
            ops::RunTask,
            tasks::run_task,
            "where the host can make a task no disk of its \
             own, one that takes more than its ephemeral storage is stopped instead of getting \
             ENOSPC; an EFS volume is a directory of the \
             host that the task is on, or what its operator names (file_systems), and IAM does not \
             say who mounts it; permissions of devices are read and write; \
             EBS volumes are files of the host that no other call knows, as fast as that, and not \
             made of snapshots or encrypted; no \
             FSx and S3 Files volumes, volume drivers but local, inference accelerators \
             and GPUs: such tasks are refused; awslogs takes no secret \
             options and no endpoint but AWS's own, syslog no TLS, splunk no splunk-capath or \
             index acknowledgment, and a driver's names are resolved by the host; \
             faults are injected in awsvpc mode alone, and latency where the host has netem",
        )
        .on(ops::StopTask, tasks::stop_task)
        .on(ops::ExecuteCommand, execute_command::execute_command)
        .partly(
            ops::CreateService,
            services::create_service,
            "no Classic Load Balancers, VPC Lattice, Lambda hooks, early success criteria, \
             and of Service Connect no TLS, test traffic, and other network modes than awsvpc: such \
             services are refused. Proxies of Service Connect are not on nodes of other hosts, and have no metrics. Tasks that end by themselves before they count as healthy are \
             started ever more slowly, though they ran",
        )
        .partly(
            ops::UpdateService,
            services::update_service,
            "as CreateService; the deployment controller cannot be changed",
        )
        .on(ops::DeleteService, services::delete_service)
        .on(ops::DescribeServices, services::describe_services)
        .on(ops::ListServices, services::list_services)
        .on(
            ops::ListServicesByNamespace,
            services::list_services_by_namespace,
        )
        .on(
            ops::ListServiceDeployments,
            services::deployments::list_service_deployments,
        )
        .on(
            ops::DescribeServiceDeployments,
            services::deployments::describe_service_deployments,
        )
        .partly(
            ops::DescribeServiceRevisions,
            services::deployments::describe_service_revisions,
            "without image digests",
        )
        .on(
            ops::StopServiceDeployment,
            services::deployments::stop_service_deployment,
        )
        .partly(
            ops::ContinueServiceDeployment,
            services::deployments::continue_service_deployment,
            "hooks of the target type PAUSE: there are no others yet",
        )
        .on(ops::CreateTaskSet, task_sets::create_task_set)
        .on(ops::UpdateTaskSet, task_sets::update_task_set)
        .on(ops::DeleteTaskSet, task_sets::delete_task_set)
        .on(ops::DescribeTaskSets, task_sets::describe_task_sets)
        .on(
            ops::UpdateServicePrimaryTaskSet,
            task_sets::update_service_primary_task_set,
        )
        .on(ops::DescribeTasks, tasks::describe_tasks)
        .partly(ops::ListTasks, tasks::list_tasks, "no daemons to filter by")
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
        .on(ops::ListTagsForResource, tags::list_tags_for_resource);
    operations::add(table)
}
