//! `ListEventTypes`.

use super::paged;
use crate::CodeStarNotifications;
use crate::kinds::{KINDS, Kind};
use neargate_api_codestar_notifications as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub fn shown(kind: &Kind) -> api::EventTypeSummary {
    api::EventTypeSummary {
        event_type_id: Some(kind.id.into()),
        service_name: Some(kind.of.name().into()),
        event_type_name: Some(kind.name.into()),
        resource_type: Some(kind.of.resource_type().into()),
    }
}

pub async fn list_event_types(
    _: Arc<CodeStarNotifications>,
    _: Ctx,
    input: api::ListEventTypesInput,
) -> Result<api::ListEventTypesOutput, AwsError> {
    let filters = input.filters.unwrap_or_default();
    let fits = |kind: &&Kind| {
        filters.iter().all(|filter| {
            let value = match filter.name.as_str() {
                "SERVICE_NAME" => kind.of.name(),
                _ => kind.of.resource_type(),
            };
            value.eq_ignore_ascii_case(&filter.value)
        })
    };
    let all: Vec<&Kind> = KINDS.iter().filter(fits).collect();
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.max_results, |kind| kind.id.to_owned())?;
    Ok(api::ListEventTypesOutput {
        event_types: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}
