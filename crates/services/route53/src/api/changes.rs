//! Changes (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetChange.html>).

use super::id;
use crate::model::Change;
use crate::{Route53, error};
use neargate_api_route53 as api;
use neargate_service::dns::{self, HostedZone};
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

/// A new change's id.
pub fn new_id(cx: &Ctx) -> String {
    HostedZone::new_id(&cx.house.rng).replacen('Z', "C", 1)
}

pub fn key(cx: &Ctx, id: &str) -> String {
    db::key::<Change>(&dns::global(&cx.scope.account), id)
}

pub fn submitted(cx: &Ctx, comment: Option<&String>) -> Change {
    Change {
        submitted_at: cx.now(),
        comment: comment.cloned().filter(|comment| !comment.is_empty()),
        rest: None,
    }
}

/// As whoever asked for it is answered.
pub fn pending(id: &str, change: &Change) -> api::ChangeInfo {
    info(id, change, "PENDING")
}

fn info(id: &str, change: &Change, status: &str) -> api::ChangeInfo {
    api::ChangeInfo {
        id: Some(format!("/change/{id}")),
        status: Some(status.to_owned()),
        submitted_at: Some(change.submitted_at),
        comment: change.comment.clone(),
    }
}

/// A change is in sync once everybody who answers was told.
pub async fn get_change(
    route53: Arc<Route53>,
    cx: Ctx,
    input: api::GetChangeInput,
) -> Result<api::GetChangeOutput, AwsError> {
    let id = id(&input.id);
    let found = cx.db().get_key::<Change>(&key(&cx, id)).await?;
    let found = found.ok_or_else(|| error::no_such_change(id))?;
    let is_told = found.rest.is_none() && route53.zones.has_told(found.revision);
    let status = if is_told { "INSYNC" } else { "PENDING" };
    Ok(api::GetChangeOutput {
        change_info: Some(info(id, &found, status)),
    })
}
