//! AWS Cloud Map: namespaces, their services, and the instances that are found by DNS and by
//! `DiscoverInstances`. A namespace that has names in the DNS has a hosted zone of Route 53
//! ([`neargate_service::dns`]), whose records the [controller] keeps.

mod api;
mod checks;
mod controller;
mod error;
mod model;
mod plan;
#[cfg(test)]
mod tests;

use controller::Registrar;
use neargate_api_servicediscovery::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Cloud Map's handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct ServiceDiscovery;

impl Component for ServiceDiscovery {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{attributes, discover, instances, list, namespaces, operations, services, tags};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .on(ops::CreateHttpNamespace, namespaces::create_http_namespace)
            .on(
                ops::CreatePrivateDnsNamespace,
                namespaces::create_private_dns_namespace,
            )
            .on(
                ops::CreatePublicDnsNamespace,
                namespaces::create_public_dns_namespace,
            )
            .on(ops::DeleteNamespace, namespaces::delete_namespace)
            .on(ops::GetNamespace, namespaces::get_namespace)
            .on(ops::UpdateHttpNamespace, namespaces::update_http_namespace)
            .on(
                ops::UpdatePrivateDnsNamespace,
                namespaces::update_private_dns_namespace,
            )
            .on(
                ops::UpdatePublicDnsNamespace,
                namespaces::update_public_dns_namespace,
            )
            .on(ops::ListNamespaces, list::list_namespaces)
            .on(ops::CreateService, services::create_service)
            .on(ops::DeleteService, services::delete_service)
            .on(ops::GetService, services::get_service)
            .on(ops::UpdateService, services::update_service)
            .on(ops::ListServices, list::list_services)
            .on(ops::RegisterInstance, instances::register_instance)
            .on(ops::DeregisterInstance, instances::deregister_instance)
            .on(ops::GetInstance, instances::get_instance)
            .on(ops::ListInstances, list::list_instances)
            .on(
                ops::GetInstancesHealthStatus,
                instances::get_instances_health_status,
            )
            .on(
                ops::UpdateInstanceCustomHealthStatus,
                instances::update_instance_custom_health_status,
            )
            .on(ops::DiscoverInstances, discover::discover_instances)
            .on(
                ops::DiscoverInstancesRevision,
                discover::discover_instances_revision,
            )
            .on(ops::GetOperation, operations::get_operation)
            .on(ops::ListOperations, operations::list_operations)
            .on(
                ops::GetServiceAttributes,
                attributes::get_service_attributes,
            )
            .on(
                ops::UpdateServiceAttributes,
                attributes::update_service_attributes,
            )
            .on(
                ops::DeleteServiceAttributes,
                attributes::delete_service_attributes,
            )
            .on(ops::ListTagsForResource, tags::list_tags_for_resource)
            .on(ops::TagResource, tags::tag_resource)
            .on(ops::UntagResource, tags::untag_resource);
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(Registrar {
            house: house.clone(),
        });
        background.spawn("cloud-map-operations", operations_end(house));
    }
}

async fn operations_end(house: Arc<neargate_service::House>) {
    loop {
        if let Err(error) = api::operations::forget_old(&house).await {
            tracing::warn!(%error, "old operations of Cloud Map are kept for longer");
        }
        tokio::time::sleep(api::operations::LOOK).await;
    }
}
