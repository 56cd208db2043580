//! Deletion.

use crate::event::{self, Change};
use crate::name::{self, find};
use crate::{Ssm, error};
use neargate_api_ssm as api;
use neargate_service::db::settle;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Deletes the parameter; answers whether there was one.
async fn delete(cx: &Ctx, text: &str) -> Result<bool, AwsError> {
    let named = name::parse(cx, text)?;
    settle(async || {
        let tx = cx.db().tx();
        match find(cx, &named).await? {
            Some(stored) => {
                let tx = tx.delete(&stored);
                let tx = event::posted(tx, &cx.house, &cx.scope, &stored, Change::Delete);
                Ok((tx, true))
            }
            None => Ok((tx, false)),
        }
    })
    .await
}

pub async fn delete_parameter(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::DeleteParameterInput,
) -> Result<api::DeleteParameterOutput, AwsError> {
    match delete(&cx, &input.name).await? {
        true => Ok(api::DeleteParameterOutput {}),
        false => Err(error::not_found()),
    }
}

pub async fn delete_parameters(
    _: Arc<Ssm>,
    cx: Ctx,
    input: api::DeleteParametersInput,
) -> Result<api::DeleteParametersOutput, AwsError> {
    let (mut deleted, mut invalid) = (Vec::new(), Vec::new());
    for name in input.names {
        match delete(&cx, &name).await? {
            true => deleted.push(name),
            false => invalid.push(name),
        }
    }
    Ok(api::DeleteParametersOutput {
        deleted_parameters: Some(deleted),
        invalid_parameters: Some(invalid),
    })
}
