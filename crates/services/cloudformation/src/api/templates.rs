//! What is asked of templates: what a stack has, what one declares, and whether it is one.

use super::prepare::{record, stored, text};
use crate::CloudFormation;
use crate::error;
use crate::model::ChangeSet;
use crate::template::Template;
use crate::types;
use neargate_api_cloudformation as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn get_template(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::GetTemplateInput,
) -> Result<api::GetTemplateOutput, AwsError> {
    let template = match (&input.stack_name, &input.change_set_name) {
        (stack, Some(name)) => {
            let (_, set) = super::change_sets::find(&cx, name, stack.as_deref()).await?;
            set.deployment.template.clone()
        }
        (Some(named), None) => match super::stack(&cx, named).await? {
            Some(stack) => stack.deployment.template.clone(),
            None => return Err(error::no_stack(named)),
        },
        (None, None) => {
            return Err(error::validation(
                "StackName is required if ChangeSetName is not specified.",
            ));
        }
    };
    let record = record(&cx, &template).await?;
    let body = match (input.template_stage.as_deref(), record.processed) {
        (Some("Processed"), Some(processed)) => processed,
        _ => record.text,
    };
    Ok(api::GetTemplateOutput {
        template_body: Some(body),
        stages_available: Some(vec!["Original".into(), "Processed".into()]),
    })
}

fn reason(asked: &[String]) -> Option<String> {
    let list = asked.join(", ");
    (!asked.is_empty()).then(|| format!("The following resource(s) require capabilities: [{list}]"))
}

pub async fn get_template_summary(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::GetTemplateSummaryInput,
) -> Result<api::GetTemplateSummaryOutput, AwsError> {
    if input.stack_set_name.is_some() {
        return Err(error::not_built("stack sets"));
    }
    let body = match &input.stack_name {
        Some(named) => match super::stack(&cx, named).await? {
            Some(stack) => stored(&cx, &stack.deployment.template).await?,
            None => return Err(error::no_stack(named)),
        },
        None => text(&cx, input.template_body, input.template_url).await?,
    };
    let template = Template::read(&body).map_err(error::validation)?;
    let (capability, asked) = template.capabilities();
    let declared = template
        .parameters
        .iter()
        .map(|(name, parameter)| api::ParameterDeclaration {
            parameter_key: Some(name.clone()),
            default_value: parameter.default.clone(),
            parameter_type: Some(parameter.kind.clone()),
            no_echo: Some(parameter.no_echo),
            description: parameter.description.clone(),
            parameter_constraints: Some(api::ParameterConstraints {
                allowed_values: parameter.allowed_values.clone(),
            }),
        });
    let unknown: Vec<String> = template
        .types()
        .into_iter()
        .filter(|kind| {
            types::kind(kind).is_none()
                || (kind == super::prepare::FUNCTION && !super::prepare::is_replaced(&template))
        })
        .collect();
    let identified = template.types().into_iter().map(|kind| {
        let of_kind = template.resources.iter().filter(|(_, r)| r.kind == kind);
        api::ResourceIdentifierSummary {
            logical_resource_ids: Some(of_kind.map(|(name, _)| name.clone()).collect()),
            resource_type: Some(kind),
            resource_identifiers: None,
        }
    });
    let as_warnings = input.template_summary_config.as_ref();
    let as_warnings = as_warnings.and_then(|c| c.treat_unrecognized_resource_types_as_warnings);
    Ok(api::GetTemplateSummaryOutput {
        parameters: Some(declared.collect()),
        description: template.description.clone(),
        capabilities: capability.map(|c| vec![c.to_owned()]),
        capabilities_reason: reason(&asked),
        resource_types: Some(template.types()),
        version: template.version.clone(),
        metadata: template.metadata.as_ref().map(ToString::to_string),
        declared_transforms: Some(template.transforms.clone()),
        resource_identifier_summaries: Some(identified.collect()),
        warnings: as_warnings
            .filter(|asked| *asked && !unknown.is_empty())
            .map(|_| api::Warnings {
                unrecognized_resource_types: Some(unknown),
            }),
    })
}

pub async fn validate_template(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ValidateTemplateInput,
) -> Result<api::ValidateTemplateOutput, AwsError> {
    let body = text(&cx, input.template_body, input.template_url).await?;
    let template = Template::read(&body).map_err(error::validation)?;
    let (capability, asked) = template.capabilities();
    let declared = template
        .parameters
        .iter()
        .map(|(name, parameter)| api::TemplateParameter {
            parameter_key: Some(name.clone()),
            default_value: parameter.default.clone(),
            no_echo: Some(parameter.no_echo),
            description: parameter.description.clone(),
        });
    Ok(api::ValidateTemplateOutput {
        parameters: Some(declared.collect()),
        description: template.description.clone(),
        capabilities: capability.map(|c| vec![c.to_owned()]),
        capabilities_reason: reason(&asked),
        declared_transforms: (!template.transforms.is_empty()).then(|| template.transforms.clone()),
    })
}

/// Of a change set that is stored: its template, read.
pub async fn of(cx: &Ctx, set: &ChangeSet) -> Result<Template, AwsError> {
    let text = stored(cx, &set.deployment.template).await?;
    let read = Template::read_with(&text, &set.deployment.parameters);
    read.map(|(template, _)| template)
        .map_err(error::validation)
}
