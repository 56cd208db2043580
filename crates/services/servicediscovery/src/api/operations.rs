//! Operations: what became of a call whose effect comes later
//! (<https://docs.aws.amazon.com/cloud-map/latest/api/API_Operation.html>).

use super::{Filter, random};
use crate::model::{Operation, Status};
use crate::{ServiceDiscovery, error};
use neargate_api_servicediscovery as api;
use neargate_service::page::{Size, page_descending};
use neargate_service::{AwsError, Ctx, House, Resource, Stored, db};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long an operation is known.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Between two looks for those that are not.
pub const LOOK: Duration = Duration::from_secs(600);
const AT_ONCE: usize = 100;
const PAGE: Size = Size::up_to(100);

/// A new operation's id.
pub fn new_id(cx: &Ctx) -> String {
    format!("{}-{}", random(cx, 32), random(cx, 8))
}

/// An operation that is submitted now.
pub fn submitted(cx: &Ctx, kind: &str, targets: &[(&str, &str)]) -> Operation {
    let target = |(kind, id): &(&str, &str)| ((*kind).to_owned(), (*id).to_owned());
    Operation {
        kind: kind.to_owned(),
        status: Status::Submitted,
        created_at: cx.now(),
        updated_at: cx.now(),
        targets: targets.iter().map(target).collect(),
        error: None,
    }
}

/// One that its own transaction carries out.
pub fn succeeded(cx: &Ctx, kind: &str, targets: &[(&str, &str)]) -> Operation {
    Operation {
        status: Status::Success,
        ..submitted(cx, kind, targets)
    }
}

pub fn key(cx: &Ctx, id: &str) -> String {
    db::key::<Operation>(&cx.scope, id)
}

pub async fn get_operation(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::GetOperationInput,
) -> Result<api::GetOperationOutput, AwsError> {
    let id = &input.operation_id;
    let found = cx.db().get::<Operation>(&cx.scope, id).await?;
    let found = found.ok_or_else(|| error::operation_not_found(id))?.value;
    let (code, message) = found.error.unzip();
    Ok(api::GetOperationOutput {
        operation: Some(api::Operation {
            id: Some(id.clone()),
            owner_account: Some(cx.scope.account.to_string()),
            r#type: Some(found.kind),
            status: Some(found.status.as_str().to_owned()),
            error_code: code,
            error_message: message,
            create_date: Some(found.created_at),
            update_date: Some(found.updated_at),
            targets: Some(found.targets),
        }),
    })
}

pub async fn list_operations(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::ListOperationsInput,
) -> Result<api::ListOperationsOutput, AwsError> {
    let filters = input.filters.unwrap_or_default();
    let filters: Vec<Filter<'_>> = filters
        .iter()
        .map(|f| Filter::of(&f.name, f.condition.as_deref(), &f.values))
        .collect::<Result<_, _>>()?;
    let mut all = cx.db().list::<Operation>(&cx.scope).await?;
    all.retain(|one| filters.iter().all(|filter| takes(filter, one)));
    // The newest first.
    let place =
        |one: &Stored<Operation>| format!("{:020} {}", one.created_at.as_millis(), one.id());
    all.sort_by_key(|one| std::cmp::Reverse(place(one)));
    let size = PAGE.clamp(input.max_results);
    let page = page_descending(all, input.next_token.as_deref(), size, place)
        .map_err(|_| error::invalid_token())?;
    let shown = |one: &Stored<Operation>| api::OperationSummary {
        id: Some(one.id().to_owned()),
        status: Some(one.status.as_str().to_owned()),
    };
    Ok(api::ListOperationsOutput {
        operations: Some(page.items.iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

fn takes(filter: &Filter<'_>, one: &Operation) -> bool {
    let target = |kind: &str| one.targets.get(kind).is_some_and(|id| filter.takes(id));
    match filter.name {
        "NAMESPACE_ID" => target("NAMESPACE"),
        "SERVICE_ID" => target("SERVICE"),
        "STATUS" => filter.takes(one.status.as_str()),
        "TYPE" => filter.takes(&one.kind),
        _ => {
            let at = one.updated_at.as_secs_f64();
            let bound = |n: usize| filter.values.get(n)?.parse::<f64>().ok();
            bound(0).is_some_and(|from| from <= at) && bound(1).is_some_and(|to| at <= to)
        }
    }
}

/// Forgets the operations that are over for long.
///
/// # Errors
/// The store's.
pub async fn forget_old(house: &House) -> Result<(), AwsError> {
    let all = house
        .db
        .list_prefix::<Operation>(&format!("{}/", Operation::KIND))
        .await?;
    let now = house.now();
    let is_old =
        |one: &&Stored<Operation>| one.status != Status::Submitted && one.updated_at + KEPT < now;
    let old: Vec<_> = all.iter().filter(is_old).collect();
    for some in old.chunks(AT_ONCE) {
        let tx = some.iter().fold(house.db.tx(), |tx, one| tx.delete(*one));
        // Whoever was first has changed none that is over.
        let _ = tx.commit().await?;
    }
    Ok(())
}

/// An operation that failed.
pub fn failed(
    cx: &Ctx,
    kind: &str,
    targets: BTreeMap<String, String>,
    (code, message): (&str, String),
) -> Operation {
    Operation {
        status: Status::Fail,
        targets,
        error: Some((code.to_owned(), message)),
        ..submitted(cx, kind, &[])
    }
}
