//! STS's handlers.

use super::Sts;
use neargate_api_sts as api;
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
