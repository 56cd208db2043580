//! What a bus's policy lets others do.

use super::change_bus;
use crate::name::{self, BusName};
use crate::{Events, error, policy};
use neargate_api_events as api;
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::sync::Arc;

pub async fn put_permission(
    _: Arc<Events>,
    cx: Ctx,
    input: api::PutPermissionInput,
) -> Result<Unit, AwsError> {
    let name = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let scope = cx.scope.clone();
    let arn = BusName {
        scope,
        name: name.clone(),
    };
    let arn = arn.arn();
    let now = cx.now();
    let changed = change_bus(&cx, &name, |bus| {
        bus.policy = Some(policy::with(bus.policy.take(), &input, &arn)?);
        bus.modified_at = now;
        Ok(())
    });
    changed.await.map(|_| Unit)
}

pub async fn remove_permission(
    _: Arc<Events>,
    cx: Ctx,
    input: api::RemovePermissionInput,
) -> Result<Unit, AwsError> {
    let name = name::own_bus(&cx, input.event_bus_name.as_deref())?;
    let all = input.remove_all_permissions.unwrap_or_default();
    let now = cx.now();
    let changed = change_bus(&cx, &name, |bus| {
        bus.policy = match (&input.statement_id, all) {
            (_, true) => None,
            (Some(sid), false) => policy::without(bus.policy.as_ref(), sid)?,
            (None, false) => {
                return Err(error::validation(
                    "Parameter StatementId must be specified.",
                ));
            }
        };
        bus.modified_at = now;
        Ok(())
    });
    changed.await.map(|_| Unit)
}
