//! Pairs of data keys, which callers sign and encrypt with themselves.

use super::data_keys::encrypting;
use super::{made_pair, unless_dry};
use crate::keys::Found;
use crate::symmetric::{self, Context};
use crate::{Kms, asymmetric, error};
use neargate_api_kms as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// A new pair, and its private half as the key encrypts it.
async fn data_key_pair(
    cx: &Ctx,
    named: &str,
    spec: &str,
    context: Option<Context>,
    dry_run: Option<bool>,
    operation: &str,
) -> Result<(Found, asymmetric::Pair, Vec<u8>), AwsError> {
    let key = encrypting(cx, named, operation).await?;
    unless_dry(dry_run)?;
    let pair = made_pair(spec).await?;
    let context = context.unwrap_or_default();
    let blob = symmetric::encrypt(&cx.house, &key, &context, &pair.private)?;
    Ok((key, pair, blob))
}

pub async fn generate_data_key_pair(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GenerateDataKeyPairInput,
) -> Result<api::GenerateDataKeyPairOutput, AwsError> {
    if input.recipient.is_some() {
        return Err(error::unsupported("a Recipient"));
    }
    let (named, spec) = (&input.key_id, &input.key_pair_spec);
    let (context, operation) = (input.encryption_context, "GenerateDataKeyPair");
    let made = data_key_pair(&cx, named, spec, context, input.dry_run, operation).await?;
    let (key, pair, blob) = made;
    Ok(api::GenerateDataKeyPairOutput {
        private_key_ciphertext_blob: Some(blob.into()),
        private_key_plaintext: Some(pair.private.to_vec().into()),
        public_key: Some(pair.public.into()),
        key_id: Some(key.arn()),
        key_pair_spec: Some(input.key_pair_spec),
        ciphertext_for_recipient: None,
        key_material_id: Some(key.current()?.id.clone()),
    })
}

pub async fn generate_data_key_pair_without_plaintext(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GenerateDataKeyPairWithoutPlaintextInput,
) -> Result<api::GenerateDataKeyPairWithoutPlaintextOutput, AwsError> {
    let (named, spec) = (&input.key_id, &input.key_pair_spec);
    let context = input.encryption_context;
    let operation = "GenerateDataKeyPairWithoutPlaintext";
    let made = data_key_pair(&cx, named, spec, context, input.dry_run, operation).await?;
    let (key, pair, blob) = made;
    Ok(api::GenerateDataKeyPairWithoutPlaintextOutput {
        private_key_ciphertext_blob: Some(blob.into()),
        public_key: Some(pair.public.into()),
        key_id: Some(key.arn()),
        key_pair_spec: Some(input.key_pair_spec),
        key_material_id: Some(key.current()?.id.clone()),
    })
}
