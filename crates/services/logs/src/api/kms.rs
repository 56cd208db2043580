//! Keys of KMS for log groups. Events are not encrypted by one: a group that asks for it later is
//! refused, so that nobody believes it is.

use crate::model::Group;
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn disassociate_kms_key(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::DisassociateKmsKeyInput,
) -> Result<api::DisassociateKmsKeyOutput, AwsError> {
    let group = match (&input.log_group_name, &input.resource_identifier) {
        (Some(name), None) => reference::group(cx.db(), &cx.scope, name).await?,
        // Results of queries have no key that could be taken away.
        (None, Some(arn)) if arn.contains(":query-result:") => return Ok(Default::default()),
        (None, Some(arn)) => reference::of_arn(&cx, arn).await?,
        _ => return Err(error::exclusive("logGroupName", "resourceIdentifier")),
    };
    let forget = |group: &mut Group| Ok(group.kms_key_id.take().is_some());
    cx.db()
        .modify(&group.key, forget)
        .await?
        .ok_or_else(error::group_not_found)?;
    Ok(api::DisassociateKmsKeyOutput::default())
}

pub async fn associate_kms_key(
    _: Arc<Logs>,
    _: Ctx,
    _: api::AssociateKmsKeyInput,
) -> Result<api::AssociateKmsKeyOutput, AwsError> {
    Err(error::not_supported(
        "the encryption of log events by a key of KMS",
    ))
}
