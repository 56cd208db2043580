//! AWS CloudFormation: stacks of resources that templates describe. `template` is the language of templates and
//! `types` the types of resources as data, both pure; `engine` carries out what is being done with a stack, by
//! operations of other services that it calls by name; the API writes down what is to be done.

mod api;
mod engine;
mod error;
mod model;
mod template;
mod types;

#[cfg(test)]
mod tests;

use neargate_api_cloudformation::{SERVICE, ops};
use neargate_service::{Background, Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CloudFormation;

impl Component for CloudFormation {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        use api::{change_sets, exports, registry, resources, stacks, templates};
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .partly(ops::CreateStack, stacks::create_stack, STACKS)
            .partly(ops::UpdateStack, stacks::update_stack, STACKS)
            .partly(
                ops::DeleteStack,
                stacks::delete_stack,
                "FORCE_DELETE_STACK is refused",
            )
            .on(ops::DescribeStacks, stacks::describe_stacks)
            .on(ops::ListStacks, stacks::list_stacks)
            .on(
                ops::UpdateTerminationProtection,
                stacks::update_termination_protection,
            )
            .partly(ops::SetStackPolicy, stacks::set_stack_policy, POLICIES)
            .partly(ops::GetStackPolicy, stacks::get_stack_policy, POLICIES)
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
            .partly(ops::DescribeType, registry::describe_type, "no schema")
            .partly(
                ops::DescribeAccountLimits,
                registry::describe_account_limits,
                "the limits that hold here",
            );
        Arc::new(table)
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.control(engine::Engine::new(house));
    }
}

const STACKS: &str = "NotificationARNs, RollbackConfiguration, ResourceTypes, StackPolicyURL, nested stacks, \
                      CreationPolicy, UpdatePolicy, custom resources and transforms but AWS::LanguageExtensions are \
                      refused; the types of docs/cloudformation.md";
const POLICIES: &str = "the policy is kept, and updates are not yet held to it";
const SETS: &str = "as CreateStack; IMPORT is refused, and ImportExistingResources imports nothing: a resource fails whose name is taken";
