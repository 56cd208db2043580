//! How long a group keeps its events.

use crate::model::{Group, RETENTION_DAYS};
use crate::{Logs, error};
use neargate_api_logs as api;
use neargate_service::{AwsError, Ctx, db};
use std::sync::Arc;

pub async fn put_retention_policy(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::PutRetentionPolicyInput,
) -> Result<api::PutRetentionPolicyOutput, AwsError> {
    let days = input.retention_in_days;
    if !RETENTION_DAYS.contains(&days) {
        return Err(error::invalid_retention(days));
    }
    set(&cx, &input.log_group_name, Some(days)).await?;
    Ok(api::PutRetentionPolicyOutput::default())
}

pub async fn delete_retention_policy(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteRetentionPolicyInput,
) -> Result<api::DeleteRetentionPolicyOutput, AwsError> {
    set(&cx, &input.log_group_name, None).await?;
    Ok(api::DeleteRetentionPolicyOutput::default())
}

async fn set(cx: &Ctx, name: &str, days: Option<i32>) -> Result<(), AwsError> {
    let change = |group: &mut Group| {
        let changes = group.retention_days != days;
        group.retention_days = days;
        Ok(changes)
    };
    let key = db::key::<Group>(&cx.scope, name);
    cx.db()
        .modify(&key, change)
        .await?
        .ok_or_else(error::group_not_found)?;
    Ok(())
}
