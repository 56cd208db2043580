//! The operations on clusters' capacity, settings and agents: container instances, attributes,
//! capacity providers, account settings, task protection.

use super::Ecs;
use super::api::{
    account_settings, agents, attributes, capacity_providers, express, instances, protection,
    start_task,
};
use neargate_api_ecs::ops;
use neargate_service::OperationTable;

const SUBMITTED: &str = "acknowledged and dropped: what a task is seen as is what its node \
                         observes, and no caller can say otherwise";
const PROVIDERS: &str = "there are no managed instances: such a provider is kept, and its capacity are \
                         the container instances registered with its name; the reservation is no \
                         metric yet, and the group shows no scaling policy of ECS's";

pub(super) fn add(table: OperationTable<Ecs>) -> OperationTable<Ecs> {
    let table = express_services(providers(settings(instances(table))));
    table
        .partly(
            ops::SubmitTaskStateChange,
            agents::submit_task_state_change,
            SUBMITTED,
        )
        .partly(
            ops::SubmitContainerStateChange,
            agents::submit_container_state_change,
            SUBMITTED,
        )
        .partly(
            ops::SubmitAttachmentStateChanges,
            agents::submit_attachment_state_changes,
            SUBMITTED,
        )
        .partly(
            ops::DiscoverPollEndpoint,
            agents::discover_poll_endpoint,
            "answers with this endpoint; what another agent would poll there is not served",
        )
        .on(
            ops::UpdateTaskProtection,
            protection::update_task_protection,
        )
        .on(ops::GetTaskProtection, protection::get_task_protection)
}

fn express_services(table: OperationTable<Ecs>) -> OperationTable<Ecs> {
    const MADE: &str = "one certificate serves all Express services of a load balancer; a service's own is not made";
    table
        .partly(
            ops::CreateExpressGatewayService,
            express::create_express_gateway_service,
            MADE,
        )
        .on(
            ops::DescribeExpressGatewayService,
            express::describe_express_gateway_service,
        )
        .partly(
            ops::UpdateExpressGatewayService,
            express::update_express_gateway_service,
            "a health check path is changed once a deployment that is under way has ended",
        )
        .on(
            ops::DeleteExpressGatewayService,
            express::delete_express_gateway_service,
        )
}

fn instances(table: OperationTable<Ecs>) -> OperationTable<Ecs> {
    table
        .partly(
            ops::RegisterContainerInstance,
            instances::register_container_instance,
            "the identity document's signature is not checked; no task is placed on an instance \
             whose agent is not Neargate's (neargate instance add, neargate node join)",
        )
        .partly(
            ops::DeregisterContainerInstance,
            instances::deregister_container_instance,
            "with force, the tasks are stopped rather than left behind, and the instance is \
             DEREGISTERING until the last has stopped",
        )
        .on(
            ops::DescribeContainerInstances,
            instances::describe_container_instances,
        )
        .on(
            ops::ListContainerInstances,
            instances::list_container_instances,
        )
        .on(
            ops::UpdateContainerInstancesState,
            instances::update_container_instances_state,
        )
        .partly(
            ops::UpdateContainerAgent,
            instances::update_container_agent,
            "always NoUpdateAvailableException: the agent is updated with Neargate on its host",
        )
        .partly(
            ops::StartTask,
            start_task::start_task,
            "what RunTask does not do either; each instance's task starts in its own transaction",
        )
        .on(ops::PutAttributes, attributes::put_attributes)
        .on(ops::DeleteAttributes, attributes::delete_attributes)
        .on(ops::ListAttributes, attributes::list_attributes)
}

fn settings(table: OperationTable<Ecs>) -> OperationTable<Ecs> {
    const STORED: &str = "containerInsights is new clusters' default; the other settings are \
                          stored and change nothing; the short ARN format cannot be chosen";
    table
        .partly(
            ops::PutAccountSetting,
            account_settings::put_account_setting,
            STORED,
        )
        .partly(
            ops::PutAccountSettingDefault,
            account_settings::put_account_setting_default,
            STORED,
        )
        .on(
            ops::DeleteAccountSetting,
            account_settings::delete_account_setting,
        )
        .on(
            ops::ListAccountSettings,
            account_settings::list_account_settings,
        )
}

fn providers(table: OperationTable<Ecs>) -> OperationTable<Ecs> {
    table
        .partly(
            ops::CreateCapacityProvider,
            capacity_providers::create_capacity_provider,
            PROVIDERS,
        )
        .on(
            ops::DescribeCapacityProviders,
            capacity_providers::describe_capacity_providers,
        )
        .partly(
            ops::UpdateCapacityProvider,
            capacity_providers::update_capacity_provider,
            PROVIDERS,
        )
        .on(
            ops::DeleteCapacityProvider,
            capacity_providers::delete_capacity_provider,
        )
        .on(
            ops::PutClusterCapacityProviders,
            capacity_providers::put_cluster_capacity_providers,
        )
}
