//! The list of addresses to which nothing is sent.

use super::refuse_some;
use crate::model::settings::{Suppressed, id};
use crate::{Ses, error, identity};
use neargate_api_sesv2 as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Stored, db};
use std::sync::Arc;

async fn found(cx: &Ctx, address: &str) -> Result<Stored<Suppressed>, AwsError> {
    let name = identity::named(address);
    let found = cx.db().get::<Suppressed>(&cx.scope, &id(&name)).await?;
    found.ok_or_else(|| error::not_suppressed(address))
}

pub async fn put_suppressed_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutSuppressedDestinationInput,
) -> Result<api::PutSuppressedDestinationOutput, AwsError> {
    refuse_some(input.tenant_name.as_ref(), "tenants")?;
    super::worded(crate::api::identities::address(&input.email_address))?;
    let suppressed = Suppressed {
        address: identity::named(&input.email_address),
        reason: input.reason,
        updated_at: cx.now(),
        message_id: None,
    };
    let key = db::key::<Suppressed>(&cx.scope, &id(&suppressed.address));
    let _ = cx.db().tx().put(key, &suppressed).commit().await?;
    Ok(api::PutSuppressedDestinationOutput {})
}

pub async fn get_suppressed_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetSuppressedDestinationInput,
) -> Result<api::GetSuppressedDestinationOutput, AwsError> {
    refuse_some(input.tenant_name.as_ref(), "tenants")?;
    let there = found(&cx, &input.email_address).await?.value;
    let attributes = there
        .message_id
        .map(|id| api::SuppressedDestinationAttributes {
            feedback_id: Some(format!("{id}-feedback")),
            message_id: Some(id),
        });
    Ok(api::GetSuppressedDestinationOutput {
        suppressed_destination: Some(api::SuppressedDestination {
            email_address: Some(there.address),
            reason: Some(there.reason),
            last_update_time: Some(there.updated_at),
            attributes,
            tenant_name: None,
        }),
    })
}

pub async fn delete_suppressed_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteSuppressedDestinationInput,
) -> Result<api::DeleteSuppressedDestinationOutput, AwsError> {
    refuse_some(input.tenant_name.as_ref(), "tenants")?;
    let there = found(&cx, &input.email_address).await?;
    let _ = cx.db().tx().delete_key(there.key).commit().await?;
    Ok(api::DeleteSuppressedDestinationOutput {})
}

pub async fn list_suppressed_destinations(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListSuppressedDestinationsInput,
) -> Result<api::ListSuppressedDestinationsOutput, AwsError> {
    refuse_some(input.tenant_name.as_ref(), "tenants")?;
    let reasons = input.reasons.unwrap_or_default();
    let all = cx.db().list::<Suppressed>(&cx.scope).await?.into_iter();
    let all = all.filter(|s| {
        let after = input.start_date.is_none_or(|at| s.updated_at >= at);
        let before = input.end_date.is_none_or(|at| s.updated_at <= at);
        after && before && (reasons.is_empty() || reasons.contains(&s.reason))
    });
    let (token, size) = (input.next_token.as_deref(), Size::up_to(1_000));
    let paged = page(all, token, size.clamp(input.page_size), |s| {
        s.id().to_owned()
    })
    .map_err(|_| error::next_token_invalid())?;
    let shown = paged
        .items
        .into_iter()
        .map(|s| api::SuppressedDestinationSummary {
            last_update_time: Some(s.updated_at),
            reason: Some(s.value.reason),
            email_address: Some(s.value.address),
        });
    Ok(api::ListSuppressedDestinationsOutput {
        suppressed_destination_summaries: Some(shown.collect()),
        next_token: paged.next_token,
    })
}
