//! Records as the answers show them.

use crate::model::{Event, Stack, StackResource};
use crate::template::Template;
use neargate_api_cloudformation as api;
use neargate_service::Scope;

const NOT_CHECKED: &str = "NOT_CHECKED";

pub fn tags(stack: &Stack) -> Vec<api::Tag> {
    let tag = |(key, value): (&String, &String)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    };
    stack.deployment.tags.iter().map(tag).collect()
}

/// Parameters with their values; those that are not to be shown are masked.
pub fn parameters(
    deployment: &crate::model::Deployment,
    template: Option<&Template>,
) -> Vec<api::Parameter> {
    let declared = template.map(Template::declared).unwrap_or_default();
    let one = |(name, value): (&String, &String)| api::Parameter {
        parameter_key: Some(name.clone()),
        parameter_value: Some(
            declared
                .get(name.as_str())
                .map_or(value.clone(), |d| d.shown(value)),
        ),
        resolved_value: deployment.resolved.get(name).cloned(),
        ..Default::default()
    };
    deployment.parameters.iter().map(one).collect()
}

pub fn stack(scope: &Scope, stack: &Stack, template: Option<&Template>) -> api::Stack {
    let output = |o: &crate::model::StackOutput| api::Output {
        output_key: Some(o.key.clone()),
        output_value: Some(o.value.clone()),
        description: o.description.clone(),
        export_name: o.export.clone(),
    };
    let some = |list: Vec<api::Parameter>| (!list.is_empty()).then_some(list);
    api::Stack {
        stack_id: Some(stack.arn(scope)),
        stack_name: Some(stack.name.clone()),
        change_set_id: stack.change_set_id.clone(),
        description: stack.deployment.description.clone(),
        parameters: some(parameters(&stack.deployment, template)),
        creation_time: Some(stack.created_at),
        deletion_time: stack.deleted_at,
        last_updated_time: stack.updated_at,
        rollback_configuration: Some(api::RollbackConfiguration::default()),
        stack_status: Some(stack.status.clone()),
        stack_status_reason: stack.reason.clone(),
        disable_rollback: Some(stack.on_failure == "DO_NOTHING"),
        notification_arns: Some(Vec::new()),
        timeout_in_minutes: stack.timeout_minutes.and_then(|m| i32::try_from(m).ok()),
        capabilities: (!stack.deployment.capabilities.is_empty())
            .then(|| stack.deployment.capabilities.clone()),
        outputs: (!stack.outputs.is_empty()).then(|| stack.outputs.iter().map(output).collect()),
        role_arn: stack.role_arn.clone(),
        tags: Some(tags(stack)),
        enable_termination_protection: Some(stack.termination_protection),
        parent_id: stack.parent.clone(),
        root_id: stack.root.clone(),
        drift_information: Some(api::StackDriftInformation {
            stack_drift_status: Some(drift_status(stack)),
            last_check_timestamp: stack.drift.as_ref().map(|d| d.at),
        }),
        ..Default::default()
    }
}

fn drift_status(stack: &Stack) -> String {
    stack
        .drift
        .as_ref()
        .map_or(NOT_CHECKED, |d| &d.status)
        .to_owned()
}

pub fn summary(scope: &Scope, stack: &Stack) -> api::StackSummary {
    api::StackSummary {
        stack_id: Some(stack.arn(scope)),
        stack_name: Some(stack.name.clone()),
        template_description: stack.deployment.description.clone(),
        creation_time: Some(stack.created_at),
        last_updated_time: stack.updated_at,
        deletion_time: stack.deleted_at,
        stack_status: Some(stack.status.clone()),
        stack_status_reason: stack.reason.clone(),
        parent_id: stack.parent.clone(),
        root_id: stack.root.clone(),
        drift_information: Some(api::StackDriftInformationSummary {
            stack_drift_status: Some(drift_status(stack)),
            last_check_timestamp: stack.drift.as_ref().map(|d| d.at),
        }),
        ..Default::default()
    }
}

pub fn event(scope: &Scope, stack: &Stack, event: &Event) -> api::StackEvent {
    api::StackEvent {
        stack_id: Some(stack.arn(scope)),
        event_id: Some(event.id.clone()),
        stack_name: Some(stack.name.clone()),
        operation_id: event.operation.clone(),
        logical_resource_id: Some(event.logical_id.clone()),
        physical_resource_id: Some(event.physical_id.clone()),
        resource_type: Some(event.kind.clone()),
        timestamp: Some(event.at),
        resource_status: Some(event.status.clone()),
        resource_status_reason: event.reason.clone(),
        resource_properties: event.properties.clone(),
        client_request_token: event.client_token.clone(),
        ..Default::default()
    }
}

/// What a resource is, or was last.
pub struct Shown {
    pub logical_id: String,
    pub physical_id: Option<String>,
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub at: neargate_base::Timestamp,
    pub metadata: Option<String>,
}

pub fn resource(resource: &StackResource) -> Shown {
    let made = resource
        .now
        .as_ref()
        .or(resource.next.as_ref())
        .or(resource.before.as_ref());
    let physical_id = made
        .map(|m| m.physical_id.clone())
        .filter(|id| !id.is_empty());
    let status = match resource.status.as_str() {
        // Something else of it is still to go.
        "DELETE_PENDING" => "DELETE_IN_PROGRESS",
        status => status,
    };
    Shown {
        logical_id: resource.logical_id.clone(),
        physical_id,
        kind: made.map(|m| m.kind.clone()).unwrap_or_default(),
        status: status.to_owned(),
        reason: resource.reason.clone(),
        at: resource.at,
        metadata: resource.metadata.as_ref().map(ToString::to_string),
    }
}
