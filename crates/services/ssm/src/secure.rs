//! SecureStrings: KMS encrypts them, bound to the parameter's ARN as AWS binds them.

use crate::error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_kms as kms;
use neargate_service::{AwsError, Caller, Ctx, Scope};
use std::collections::BTreeMap;

/// The key that AWS makes for Parameter Store.
pub(crate) const DEFAULT_KEY: &str = "alias/aws/ssm";

fn context(scope: &Scope, name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("PARAMETER_ARN".to_owned(), crate::name::arn(scope, name))])
}

/// What is stored of a value.
///
/// # Errors
/// KMS refuses.
pub(crate) async fn encrypt(
    cx: &Ctx,
    name: &str,
    key_id: &str,
    value: &str,
) -> Result<String, AwsError> {
    let ask = kms::EncryptInput {
        key_id: key_id.to_owned(),
        plaintext: value.to_owned().into(),
        encryption_context: Some(context(&cx.scope, name)),
        ..Default::default()
    };
    let made = Caller::forward::<kms::ops::Encrypt>(cx, "ssm", &cx.scope, &ask).await;
    let made = made.map_err(|e| error::of_kms(e, &cx.request_id))?;
    Ok(STANDARD.encode(made.ciphertext_blob.unwrap_or_default()))
}

/// # Errors
/// KMS refuses.
pub(crate) async fn decrypt(
    cx: &Ctx,
    scope: &Scope,
    name: &str,
    key_id: &str,
    ciphertext: &str,
) -> Result<String, AwsError> {
    let blob = STANDARD.decode(ciphertext).map_err(AwsError::internal)?;
    let ask = kms::DecryptInput {
        // An alias may have another key by now.
        key_id: key_id.contains(":key/").then(|| key_id.to_owned()),
        ciphertext_blob: Some(blob.into()),
        encryption_context: Some(context(scope, name)),
        ..Default::default()
    };
    let made = Caller::forward::<kms::ops::Decrypt>(cx, "ssm", scope, &ask).await;
    let made = made.map_err(|e| error::of_kms(e, &cx.request_id))?;
    let plain = made.plaintext.unwrap_or_default();
    Ok(String::from_utf8_lossy(&plain).into_owned())
}
