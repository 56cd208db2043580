//! Action types: AWS's that are served here, and those of customers' job workers.

use super::tags;
use crate::model::{CustomType, Pipeline};
use crate::{CodePipeline, catalogue, error};
use neargate_api_codepipeline as api;
use neargate_service::{AwsError, Committed, Ctx, db};
use neargate_wire::json::Json;
use std::sync::Arc;

pub fn id(category: &str, provider: &str, version: &str) -> String {
    format!("{category}/{provider}/{version}")
}

pub async fn create_custom_action_type(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::CreateCustomActionTypeInput,
) -> Result<api::CreateCustomActionTypeOutput, AwsError> {
    let parsed = tags::parse(input.tags.clone().unwrap_or_default())?;
    let made = api::ActionType {
        id: Some(api::ActionTypeId {
            category: input.category.clone(),
            owner: "Custom".into(),
            provider: input.provider.clone(),
            version: input.version.clone(),
        }),
        settings: Some(input.settings.unwrap_or_default()),
        action_configuration_properties: Some(input.configuration_properties.unwrap_or_default()),
        input_artifact_details: Some(input.input_artifact_details),
        output_artifact_details: Some(input.output_artifact_details),
    };
    let stored = CustomType {
        action_type: Json(made.clone()),
        tags: parsed,
    };
    let key = id(&input.category, &input.provider, &input.version);
    let key = db::key::<CustomType>(&cx.scope, &key);
    match cx.db().tx().create(key, &stored).commit().await? {
        Committed::At(_) => Ok(api::CreateCustomActionTypeOutput {
            action_type: Some(made),
            tags: Some(input.tags.unwrap_or_default()),
        }),
        Committed::Conflict => Err(error::action_type_exists(&input.provider)),
    }
}

pub async fn delete_custom_action_type(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::DeleteCustomActionTypeInput,
) -> Result<api::ops::DeleteCustomActionTypeOutput, AwsError> {
    let key = id(&input.category, &input.provider, &input.version);
    let found = cx.db().get::<CustomType>(&cx.scope, &key).await?;
    let found = found.ok_or_else(|| {
        error::action_type_not_found(&input.category, &input.provider, &input.version)
    })?;
    let of = found.action_type.id.clone();
    for pipeline in cx.db().list::<Pipeline>(&cx.scope).await? {
        let actions = pipeline.declaration.stages.iter().flat_map(|s| &s.actions);
        if actions
            .into_iter()
            .any(|a| Some(&a.action_type_id) == of.as_ref())
        {
            return Err(error::validation(format!(
                "The action type is in use by the pipeline '{}'",
                pipeline.declaration.name
            )));
        }
    }
    // Whoever took it away meanwhile did the same.
    let _ = cx.db().tx().delete(&found).commit().await?;
    Ok(Default::default())
}

pub async fn list_action_types(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListActionTypesInput,
) -> Result<api::ListActionTypesOutput, AwsError> {
    let owner = input.action_owner_filter.as_deref();
    let mut all = Vec::new();
    if owner.is_none_or(|owner| owner == "AWS") {
        all.extend(catalogue::KNOWN.iter().map(catalogue::shown));
    }
    if owner.is_none_or(|owner| owner == "Custom") {
        let custom = cx.db().list::<CustomType>(&cx.scope).await?;
        all.extend(custom.into_iter().map(|of| of.value.action_type.0));
    }
    Ok(api::ListActionTypesOutput {
        action_types: Some(all),
        next_token: None,
    })
}
