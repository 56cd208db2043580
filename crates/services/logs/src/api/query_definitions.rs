//! Saved queries of Logs Insights.

use crate::model::queries::{MAX_DEFINITIONS, Parameter, QueryDefinition};
use crate::{Logs, error};
use neargate_api_logs as api;
use neargate_service::db::{self, Stored};
use neargate_service::{AwsError, Committed, Ctx, page};
use std::sync::Arc;

/// The same token gives the same definition.
pub async fn put_query_definition(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::PutQueryDefinitionInput,
) -> Result<api::PutQueryDefinitionOutput, AwsError> {
    let known = match &input.query_definition_id {
        Some(id) => {
            let known = cx.db().get::<QueryDefinition>(&cx.scope, id).await?;
            Some(known.ok_or_else(error::query_definition_not_found)?)
        }
        None => None,
    };
    let parameter = |p: api::QueryParameter| Parameter {
        name: p.name,
        default: p.default_value,
        description: p.description,
    };
    let definition = QueryDefinition {
        name: input.name,
        text: input.query_string,
        language: input.query_language.unwrap_or_else(|| "CWLI".into()),
        groups: input.log_group_names.unwrap_or_default(),
        modified: cx.now(),
        token: input.client_token,
        parameters: input
            .parameters
            .into_iter()
            .flatten()
            .map(parameter)
            .collect(),
    };
    let output = |id: &str| api::PutQueryDefinitionOutput {
        query_definition_id: Some(id.to_owned()),
    };
    if let Some(known) = known {
        // No current value is retained.
        cx.db()
            .modify(&known.key, |stored: &mut QueryDefinition| {
                *stored = definition.clone();
                Ok(true)
            })
            .await?
            .ok_or_else(error::query_definition_not_found)?;
        return Ok(output(known.id()));
    }
    let all = cx.db().list::<QueryDefinition>(&cx.scope).await?;
    let same = |d: &&Stored<QueryDefinition>| d.token.is_some() && d.token == definition.token;
    if let Some(same) = all.iter().find(same) {
        return Ok(output(same.id()));
    }
    if all.len() >= MAX_DEFINITIONS {
        return Err(error::limit_exceeded());
    }
    let id = cx.house.rng.uuid();
    let key = db::key::<QueryDefinition>(&cx.scope, &id);
    match cx.db().tx().create(key, &definition).commit().await? {
        Committed::At(_) => Ok(output(&id)),
        Committed::Conflict => Err(error::aborted()),
    }
}

pub async fn describe_query_definitions(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeQueryDefinitionsInput,
) -> Result<api::DescribeQueryDefinitionsOutput, AwsError> {
    let prefix = input.query_definition_name_prefix.unwrap_or_default();
    let all = cx.db().list::<QueryDefinition>(&cx.scope).await?;
    let wanted = |d: &Stored<QueryDefinition>| {
        d.name.starts_with(&prefix)
            && input
                .query_language
                .as_ref()
                .is_none_or(|l| *l == d.language)
    };
    let mut all: Vec<_> = all.into_iter().filter(wanted).collect();
    let place = |d: &Stored<QueryDefinition>| format!("{}/{}", d.name, d.id());
    all.sort_by_key(place);
    let most = input.max_results.and_then(|n| usize::try_from(n).ok());
    let page = page::page(
        all,
        input.next_token.as_deref(),
        most.unwrap_or(1_000),
        place,
    )
    .map_err(|_| error::invalid_token())?;
    Ok(api::DescribeQueryDefinitionsOutput {
        query_definitions: Some(page.items.iter().map(shape).collect()),
        next_token: page.next_token,
    })
}

fn shape(definition: &Stored<QueryDefinition>) -> api::QueryDefinition {
    let parameter = |p: &Parameter| api::QueryParameter {
        name: p.name.clone(),
        default_value: p.default.clone(),
        description: p.description.clone(),
    };
    let parameters = &definition.parameters;
    api::QueryDefinition {
        query_language: Some(definition.language.clone()),
        query_definition_id: Some(definition.id().to_owned()),
        name: Some(definition.name.clone()),
        query_string: Some(definition.text.clone()),
        last_modified: Some(definition.modified.as_millis()),
        log_group_names: Some(definition.groups.clone()),
        parameters: (!parameters.is_empty()).then(|| parameters.iter().map(parameter).collect()),
    }
}

pub async fn delete_query_definition(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteQueryDefinitionInput,
) -> Result<api::DeleteQueryDefinitionOutput, AwsError> {
    let id = &input.query_definition_id;
    db::settle(async || {
        let known = cx.db().get::<QueryDefinition>(&cx.scope, id).await?;
        let known = known.ok_or_else(error::query_definition_not_found)?;
        Ok((cx.db().tx().delete(&known), ()))
    })
    .await?;
    Ok(api::DeleteQueryDefinitionOutput {
        success: Some(true),
    })
}
