//! Rotation: in AWS a function of the customer's does it, and there are none here.

use crate::secrets::find;
use crate::{SecretsManager, error};
use neargate_api_secretsmanager as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn rotate_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::RotateSecretInput,
) -> Result<api::RotateSecretOutput, AwsError> {
    find(&cx, &input.secret_id).await?.kept()?;
    if input.rotation_lambda_arn.is_some() {
        return Err(error::unsupported("rotation by a Lambda function"));
    }
    if input.external_secret_rotation_role_arn.is_some() {
        return Err(error::unsupported("rotation by an external service"));
    }
    Err(error::request(
        "No Lambda rotation function ARN is associated with this secret.",
    ))
}

pub async fn cancel_rotate_secret(
    _: Arc<SecretsManager>,
    cx: Ctx,
    input: api::CancelRotateSecretInput,
) -> Result<api::CancelRotateSecretOutput, AwsError> {
    find(&cx, &input.secret_id).await?.kept()?;
    Err(error::request(
        "You tried to enable rotation on a secret that doesn't already have a Lambda function ARN \
         configured and you didn't include such an ARN as a parameter in this call.",
    ))
}
