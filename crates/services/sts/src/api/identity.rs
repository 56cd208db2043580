//! Who calls, and whose a key is.

use crate::{Sts, error};
use neargate_api_sts as api;
use neargate_base::access_key;
use neargate_service::authority::message;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Answers every caller, whatever it may do
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html>).
pub async fn get_caller_identity(
    _: Arc<Sts>,
    cx: Ctx,
    _: api::GetCallerIdentityInput,
) -> Result<api::GetCallerIdentityOutput, AwsError> {
    Ok(api::GetCallerIdentityOutput {
        user_id: Some(cx.principal.user_id),
        account: Some(cx.scope.account.to_string()),
        arn: Some(cx.principal.arn),
    })
}

/// The account is part of a key's id; whether there is such a key is not said, as on AWS
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_GetAccessKeyInfo.html>).
pub async fn get_access_key_info(
    _: Arc<Sts>,
    cx: Ctx,
    input: api::GetAccessKeyInfoInput,
) -> Result<api::GetAccessKeyInfoOutput, AwsError> {
    let id = input.access_key_id;
    let account = match id == cx.principal.access_key {
        true => Some(cx.scope.account),
        false => access_key::account(&id),
    };
    let account = account.ok_or_else(|| error::invalid_access_key_id(&id))?;
    Ok(api::GetAccessKeyInfoOutput {
        account: Some(account.to_string()),
    })
}

/// What a service that denied something wrote down of it
/// (<https://docs.aws.amazon.com/STS/latest/APIReference/API_DecodeAuthorizationMessage.html>).
pub async fn decode_authorization_message(
    _: Arc<Sts>,
    cx: Ctx,
    input: api::DecodeAuthorizationMessageInput,
) -> Result<api::DecodeAuthorizationMessageOutput, AwsError> {
    let decoded = message::decode(&cx.house, &input.encoded_message);
    Ok(api::DecodeAuthorizationMessageOutput {
        decoded_message: Some(decoded.ok_or_else(error::invalid_authorization_message)?),
    })
}
