//! The registry of types, as far as it is read: the types that are served here. And the account's limits.

use super::paged;
use crate::CloudFormation;
use crate::error;
use crate::types::{self, Kind};
use neargate_api_cloudformation as api;
use neargate_service::{AwsError, Ctx};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const RESOURCE: &str = "RESOURCE";

fn arn(cx: &Ctx, name: &str) -> String {
    let region = &cx.scope.region;
    format!(
        "arn:aws:cloudformation:{region}::type/resource/{}",
        name.replace("::", "-")
    )
}

fn is_public(name: &str) -> bool {
    name.starts_with("AWS::") && name != super::prepare::FUNCTION
}

pub async fn list_types(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::ListTypesInput,
) -> Result<api::ListTypesOutput, AwsError> {
    let is_ours = input.r#type.as_deref().is_none_or(|t| t == RESOURCE)
        && input.visibility.as_deref() == Some("PUBLIC");
    let prefix = input
        .filters
        .and_then(|f| f.type_name_prefix)
        .unwrap_or_default();
    let names = types::all()
        .keys()
        .filter(|name| is_ours && is_public(name) && name.starts_with(&prefix))
        .cloned();
    let page = paged(names.collect(), input.next_token.as_deref(), String::clone)?;
    let shown = page.items.into_iter().map(|name| api::TypeSummary {
        r#type: Some(RESOURCE.into()),
        type_arn: Some(arn(&cx, &name)),
        type_name: Some(name),
        ..Default::default()
    });
    Ok(api::ListTypesOutput {
        type_summaries: Some(shown.collect()),
        next_token: page.next_token,
    })
}

pub async fn describe_type(
    _: Arc<CloudFormation>,
    cx: Ctx,
    input: api::DescribeTypeInput,
) -> Result<api::DescribeTypeOutput, AwsError> {
    let named = match (input.type_name, input.arn) {
        (Some(name), _) => name,
        (None, Some(arn)) => arn
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .replace('-', "::"),
        (None, None) => {
            return Err(error::validation(
                "Either TypeName or Arn must be specified.",
            ));
        }
    };
    let Some(kind) = types::kind(&named).filter(|_| is_public(&named)) else {
        return Err(error::no_type(&named));
    };
    Ok(api::DescribeTypeOutput {
        arn: Some(arn(&cx, &named)),
        r#type: Some(RESOURCE.into()),
        schema: Some(schema(&named, kind)),
        type_name: Some(named),
        visibility: Some("PUBLIC".into()),
        provisioning_type: Some(provisioning(kind).into()),
        deprecated_status: Some("LIVE".into()),
        ..Default::default()
    })
}

fn provisioning(kind: &Kind) -> &'static str {
    let all = kind.properties();
    match all.iter().any(|property| kind.can_change(property)) {
        true => "FULLY_MUTABLE",
        false => "IMMUTABLE",
    }
}

/// The properties that are known here, as AWS's schemas have them. Of what is in them the operations judge.
fn schema(name: &str, kind: &Kind) -> String {
    let place = |property: &String| format!("/properties/{}", property.replace('.', "/"));
    let attributes: Vec<&String> = kind.attributes.keys().chain(kind.keeps.keys()).collect();
    let mut properties: Map<String, Value> = kind
        .properties()
        .into_iter()
        .map(|property| (property, json!({})))
        .collect();
    for attribute in &attributes {
        let first = attribute.split('.').next().unwrap_or_default();
        properties.entry(first).or_insert_with(|| json!({}));
    }
    let given = kind.properties();
    let replaces: Vec<String> = given
        .iter()
        .filter(|p| kind.replaces(p))
        .map(place)
        .collect();
    let read_only: Vec<String> = attributes
        .iter()
        .filter(|a| !given.contains(a.as_str()))
        .map(|a| place(a))
        .collect();
    json!({
        "typeName": name,
        "description": format!("The properties of {name} that are served here"),
        "additionalProperties": false,
        "properties": properties,
        "createOnlyProperties": replaces,
        "readOnlyProperties": read_only,
    })
    .to_string()
}

pub async fn describe_account_limits(
    _: Arc<CloudFormation>,
    _: Ctx,
    _: api::DescribeAccountLimitsInput,
) -> Result<api::DescribeAccountLimitsOutput, AwsError> {
    let limit = |name: &str, value| api::AccountLimit {
        name: Some(name.into()),
        value: Some(value),
    };
    Ok(api::DescribeAccountLimitsOutput {
        account_limits: Some(vec![limit("StackOutputsLimit", 200)]),
        next_token: None,
    })
}
