//! AWS CloudFormation: stacks of resources that templates describe. `template` is the language of templates and
//! `types` the types of resources as data, both pure; `engine` carries out what is being done with a stack, by
//! operations of other services that it calls by name; the API writes down what is to be done.

mod api;
mod door;
mod engine;
mod error;
mod model;
mod template;
mod types;

#[cfg(test)]
mod tests;

use neargate_api_cloudformation::{SERVICE, ops};
use neargate_service::door::HttpDoor;
use neargate_service::{Background, Component, OperationTable, Service};
use neargate_wire::route::Door;
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CloudFormation;

impl Component for CloudFormation {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{change_sets, drift, exports, registry, resources, rollback, stacks, templates};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreateStack, stacks::create_stack, STACKS)
            .partly(ops::UpdateStack, stacks::update_stack, STACKS)
            .on(ops::DeleteStack, stacks::delete_stack)
            .on(ops::CancelUpdateStack, rollback::cancel_update_stack)
            .partly(
                ops::ContinueUpdateRollback,
                rollback::continue_update_rollback,
                "resources of nested stacks cannot be skipped",
            )
            .partly(
                ops::RollbackStack,
                rollback::rollback_stack,
                "after more than one failed update, and with RetainExceptOnCreate, it is refused",
            )
            .on(ops::SignalResource, rollback::signal_resource)
            .on(ops::DescribeStacks, stacks::describe_stacks)
            .on(ops::ListStacks, stacks::list_stacks)
            .on(
                ops::UpdateTerminationProtection,
                stacks::update_termination_protection,
            )
            .on(ops::SetStackPolicy, stacks::set_stack_policy)
            .on(ops::GetStackPolicy, stacks::get_stack_policy)
            .on(ops::DescribeStackEvents, resources::describe_stack_events)
            .on(
                ops::DescribeStackResource,
                resources::describe_stack_resource,
            )
            .on(
                ops::DescribeStackResources,
                resources::describe_stack_resources,
            )
            .on(ops::ListStackResources, resources::list_stack_resources)
            .partly(ops::CreateChangeSet, change_sets::create_change_set, SETS)
            .on(ops::ExecuteChangeSet, change_sets::execute_change_set)
            .on(ops::DeleteChangeSet, change_sets::delete_change_set)
            .partly(
                ops::DescribeChangeSet,
                change_sets::describe_change_set,
                "the values of properties are not shown",
            )
            .on(ops::ListChangeSets, change_sets::list_change_sets)
            .on(
                ops::DescribeChangeSetHooks,
                change_sets::describe_change_set_hooks,
            )
            .partly(ops::DetectStackDrift, drift::detect_stack_drift, DRIFT)
            .partly(
                ops::DetectStackResourceDrift,
                drift::detect_stack_resource_drift,
                DRIFT,
            )
            .on(
                ops::DescribeStackDriftDetectionStatus,
                drift::describe_stack_drift_detection_status,
            )
            .on(
                ops::DescribeStackResourceDrifts,
                drift::describe_stack_resource_drifts,
            )
            .on(ops::ListExports, exports::list_exports)
            .on(ops::ListImports, exports::list_imports)
            .on(ops::GetTemplate, templates::get_template)
            .partly(
                ops::GetTemplateSummary,
                templates::get_template_summary,
                "no identifiers of resources",
            )
            .on(ops::ValidateTemplate, templates::validate_template)
            .partly(
                ops::ListTypes,
                registry::list_types,
                "the types that are served here",
            )
            .partly(
                ops::DescribeType,
                registry::describe_type,
                "the schema has the properties' names, and not their forms",
            )
            .partly(
                ops::DescribeAccountLimits,
                registry::describe_account_limits,
                "the limits that hold here",
            );
        Arc::new(table)
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        vec![(Door::Signals, Arc::new(door::SignalDoor))]
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(engine::Engine::new(house));
    }
}

const STACKS: &str = "NotificationARNs, RollbackConfiguration, ResourceTypes, macros and transforms but \
                      AWS::LanguageExtensions are refused; custom resources are asked by topics of SNS: there is no \
                      Lambda; the types of docs/cloudformation.md";
const DRIFT: &str = "the properties that the type's read call answers in the same form are compared; types without one, and tags, are not checked";
const SETS: &str = "as CreateStack; IMPORT is refused, and ImportExistingResources imports nothing: a resource fails whose name is taken";
