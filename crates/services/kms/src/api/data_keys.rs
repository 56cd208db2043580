//! Data keys, which callers encrypt with themselves, and random bytes.

use super::unless_dry;
use crate::keys::{Found, find};
use crate::spec::ENCRYPT_DECRYPT;
use crate::symmetric::{self, Context, DEFAULT};
use crate::{Kms, error};
use neargate_api_kms as api;
use neargate_service::{AwsError, Ctx, sealing};
use std::sync::Arc;
use zeroize::Zeroizing;

/// A new data key.
struct DataKey {
    key: Found,
    plain: Zeroizing<Vec<u8>>,
    blob: Vec<u8>,
    material: String,
}

fn length(spec: Option<&str>, bytes: Option<i32>) -> Result<usize, AwsError> {
    match (spec, bytes) {
        (Some("AES_128"), None) => Ok(16),
        (Some(_), None) => Ok(32),
        (None, Some(bytes)) => Ok(usize::try_from(bytes).unwrap_or_default()),
        _ => Err(error::validation(
            "Please specify either number of bytes or key spec.",
        )),
    }
}

/// The symmetric key that encrypts a data key.
pub(super) async fn encrypting(cx: &Ctx, named: &str, operation: &str) -> Result<Found, AwsError> {
    let key = find(cx, named).await?.enabled()?;
    let key = key.used_for(ENCRYPT_DECRYPT, operation)?;
    match key.spec.as_str() {
        DEFAULT => Ok(key),
        _ => Err(error::wrong_usage(&key.arn(), &key.usage, operation)),
    }
}

async fn data_key(
    cx: &Ctx,
    named: &str,
    length: usize,
    context: Option<Context>,
    dry_run: Option<bool>,
    operation: &str,
) -> Result<DataKey, AwsError> {
    let key = encrypting(cx, named, operation).await?;
    unless_dry(dry_run)?;
    let mut plain = Zeroizing::new(vec![0; length]);
    sealing::fill(&mut plain);
    let context = context.unwrap_or_default();
    let blob = symmetric::encrypt(&cx.house, &key, &context, &plain)?;
    let material = key.current()?.id.clone();
    Ok(DataKey {
        key,
        plain,
        blob,
        material,
    })
}

pub async fn generate_data_key(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GenerateDataKeyInput,
) -> Result<api::GenerateDataKeyOutput, AwsError> {
    if input.recipient.is_some() {
        return Err(error::unsupported("a Recipient"));
    }
    let length = length(input.key_spec.as_deref(), input.number_of_bytes)?;
    let (named, context) = (&input.key_id, input.encryption_context);
    let made = data_key(
        &cx,
        named,
        length,
        context,
        input.dry_run,
        "GenerateDataKey",
    )
    .await?;
    Ok(api::GenerateDataKeyOutput {
        ciphertext_blob: Some(made.blob.into()),
        plaintext: Some(made.plain.to_vec().into()),
        key_id: Some(made.key.arn()),
        ciphertext_for_recipient: None,
        key_material_id: Some(made.material),
    })
}

pub async fn generate_data_key_without_plaintext(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GenerateDataKeyWithoutPlaintextInput,
) -> Result<api::GenerateDataKeyWithoutPlaintextOutput, AwsError> {
    let length = length(input.key_spec.as_deref(), input.number_of_bytes)?;
    let (named, context) = (&input.key_id, input.encryption_context);
    let operation = "GenerateDataKeyWithoutPlaintext";
    let made = data_key(&cx, named, length, context, input.dry_run, operation).await?;
    Ok(api::GenerateDataKeyWithoutPlaintextOutput {
        ciphertext_blob: Some(made.blob.into()),
        key_id: Some(made.key.arn()),
        key_material_id: Some(made.material),
    })
}

pub async fn generate_random(
    _: Arc<Kms>,
    _: Ctx,
    input: api::GenerateRandomInput,
) -> Result<api::GenerateRandomOutput, AwsError> {
    if input.recipient.is_some() || input.custom_key_store_id.is_some() {
        return Err(error::unsupported("a Recipient or a custom key store"));
    }
    let Some(bytes) = input.number_of_bytes else {
        return Err(error::validation("NumberOfBytes is required."));
    };
    let mut random = vec![0; usize::try_from(bytes).unwrap_or_default()];
    sealing::fill(&mut random);
    Ok(api::GenerateRandomOutput {
        plaintext: Some(random.into()),
        ciphertext_for_recipient: None,
    })
}
