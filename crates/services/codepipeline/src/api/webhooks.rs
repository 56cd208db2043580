//! Webhooks: addresses whose callers start a pipeline.

use super::tags;
use crate::model::{Pipeline, Webhook};
use crate::{CodePipeline, error, webhook};
use neargate_api_codepipeline as api;
use neargate_service::page;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use neargate_wire::json::Json;
use std::sync::Arc;

/// What AWS shows in a secret's place.
const REDACTED: &str = "****";
const MOST_WEBHOOKS: usize = 300;

fn check(given: &api::WebhookDefinition) -> Result<(), AwsError> {
    let config = &given.authentication_configuration;
    match given.authentication.as_str() {
        "UNAUTHENTICATED" => {
            if config.secret_token.is_some() || config.allowed_ip_range.is_some() {
                return Err(error::webhook_authentication(
                    "For UNAUTHENTICATED, no properties of the authentication configuration can be set.",
                ));
            }
        }
        "GITHUB_HMAC" => {
            if config.secret_token.is_none() || config.allowed_ip_range.is_some() {
                return Err(error::webhook_authentication(
                    "For GITHUB_HMAC, only the SecretToken property must be set.",
                ));
            }
        }
        // Who calls is not known behind a balancer or a proxy.
        _ => return Err(error::not_built("webhooks that are authenticated by IP:")),
    }
    for filter in &given.filters {
        if webhook::steps(&filter.json_path).is_none() {
            return Err(error::webhook_filter(&filter.json_path));
        }
    }
    Ok(())
}

pub async fn put_webhook(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::PutWebhookInput,
) -> Result<api::PutWebhookOutput, AwsError> {
    let given = input.webhook;
    check(&given)?;
    let found = cx
        .db()
        .get::<Pipeline>(&cx.scope, &given.target_pipeline)
        .await?;
    let pipeline =
        found.ok_or_else(|| error::pipeline_not_found(&cx.scope, &given.target_pipeline))?;
    let sources = pipeline.declaration.stages.first();
    let mut sources = sources.into_iter().flat_map(|stage| &stage.actions);
    if !sources.any(|action| action.name == given.target_action) {
        return Err(error::validation(format!(
            "The pipeline '{}' does not have a source action with the name '{}'",
            given.target_pipeline, given.target_action
        )));
    }
    let given_tags = input.tags.map(tags::parse).transpose()?;
    let key = db::key::<Webhook>(&cx.scope, &given.name);
    loop {
        let there = cx.db().get::<Webhook>(&cx.scope, &given.name).await?;
        if there.is_none() && cx.db().list::<Webhook>(&cx.scope).await?.len() >= MOST_WEBHOOKS {
            return Err(AwsError::client(
                "LimitExceededException",
                format!("The limit of {MOST_WEBHOOKS} webhooks is reached"),
            ));
        }
        let mut definition = given.clone();
        let secret = definition.authentication_configuration.secret_token.take();
        let mut made = match &there {
            Some(there) => there.value.clone(),
            // A webhook that is put again keeps its address.
            None => Webhook {
                definition: Json(definition.clone()),
                token: cx.house.rng.uuid(),
                secret: None,
                last_triggered: None,
                tags: Default::default(),
            },
        };
        made.definition = Json(definition);
        made.secret = secret.map(|text| cx.house.root_key.seal(&key, text.as_bytes()));
        if let Some(tags) = &given_tags {
            made.tags = tags.clone();
        }
        let tx = match &there {
            Some(there) => cx.db().tx().update(there, &made),
            None => cx.db().tx().create(key.clone(), &made),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::PutWebhookOutput {
                webhook: Some(shown(&cx, &made)),
            });
        }
    }
}

fn shown(cx: &Ctx, of: &Webhook) -> api::ListWebhookItem {
    let mut definition = of.definition.0.clone();
    if of.secret.is_some() {
        definition.authentication_configuration.secret_token = Some(REDACTED.into());
    }
    let name = definition.name.clone();
    let tags = of.tags.iter().map(|(key, value)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    });
    api::ListWebhookItem {
        url: Some(webhook::address(cx, &name, &of.token)),
        arn: Some(cx.scope.arn("codepipeline", format!("webhook:{name}"))),
        definition: Some(definition),
        last_triggered: of.last_triggered,
        tags: Some(tags.collect()),
        ..Default::default()
    }
}

pub async fn list_webhooks(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::ListWebhooksInput,
) -> Result<api::ListWebhooksOutput, AwsError> {
    let all = cx.db().list::<Webhook>(&cx.scope).await?;
    let limit = page::Size::up_to(100).clamp(input.max_results);
    let page = page::page(all, input.next_token.as_deref(), limit, |w| w.key.clone())
        .map_err(|_| error::next_token())?;
    let each = |there: &Stored<Webhook>| shown(&cx, there);
    Ok(api::ListWebhooksOutput {
        webhooks: Some(page.items.iter().map(each).collect()),
        next_token: page.next_token,
    })
}

pub async fn delete_webhook(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::DeleteWebhookInput,
) -> Result<api::DeleteWebhookOutput, AwsError> {
    let key = db::key::<Webhook>(&cx.scope, &input.name);
    // One that is not there is deleted already.
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteWebhookOutput {})
}

async fn there(cx: &Ctx, name: Option<String>) -> Result<(), AwsError> {
    let name = name.unwrap_or_default();
    let found = cx.db().get::<Webhook>(&cx.scope, &name).await?;
    found
        .map(drop)
        .ok_or_else(|| error::webhook_not_found(&name))
}

pub async fn register_webhook_with_third_party(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::RegisterWebhookWithThirdPartyInput,
) -> Result<api::RegisterWebhookWithThirdPartyOutput, AwsError> {
    there(&cx, input.webhook_name).await?;
    Err(error::not_built("registration of webhooks at GitHub:"))
}

/// What was never registered is not registered afterwards.
pub async fn deregister_webhook_with_third_party(
    _: Arc<CodePipeline>,
    cx: Ctx,
    input: api::DeregisterWebhookWithThirdPartyInput,
) -> Result<api::DeregisterWebhookWithThirdPartyOutput, AwsError> {
    there(&cx, input.webhook_name).await?;
    Ok(api::DeregisterWebhookWithThirdPartyOutput {})
}
