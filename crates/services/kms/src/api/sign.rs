//! Signatures, and what asymmetric keys give away of themselves.

use super::unless_dry;
use crate::keys::{Found, find};
use crate::spec::{self, Family, KEY_AGREEMENT, SIGN_VERIFY};
use crate::{Kms, asymmetric, error, symmetric};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_kms as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The public half of a key.
///
/// # Errors
/// The key has none.
pub(super) fn public_of(key: &Found, operation: &str) -> Result<Vec<u8>, AwsError> {
    let public = key.materials.last().and_then(|m| m.public_key.as_deref());
    let public = public.ok_or_else(|| error::unsupported_for(&key.arn(), operation))?;
    STANDARD.decode(public).map_err(AwsError::internal)
}

async fn signing(
    cx: &Ctx,
    named: &str,
    algorithm: &str,
    operation: &str,
) -> Result<Found, AwsError> {
    let key = find(cx, named).await?.enabled()?;
    let key = key.used_for(SIGN_VERIFY, operation)?;
    if algorithm == "ED25519_PH_SHA_512" {
        return Err(error::unsupported(
            "the signing algorithm ED25519_PH_SHA_512",
        ));
    }
    let algorithms = spec::signing_algorithms(&key.spec);
    if algorithms.iter().any(|a| a == algorithm) {
        Ok(key)
    } else {
        Err(error::incompatible(algorithm, &key.spec))
    }
}

/// What is signed of a message: its digest, or what the caller says is one.
fn signed(
    key: &Found,
    algorithm: &str,
    message: &[u8],
    kind: Option<&str>,
) -> Result<Vec<u8>, AwsError> {
    match (kind.unwrap_or("RAW"), spec::family(&key.spec)) {
        ("RAW", Family::Ed25519) => Ok(message.to_vec()),
        ("RAW", _) => Ok(asymmetric::digest(algorithm, message)),
        ("DIGEST", family) if family != Family::Ed25519 => {
            if message.len() == asymmetric::digest_bytes(algorithm) {
                return Ok(message.to_vec());
            }
            Err(error::validation(format!(
                "Digest is invalid length for algorithm {algorithm}."
            )))
        }
        (other, _) => Err(error::validation(format!(
            "MessageType {other} is not compatible with {algorithm}."
        ))),
    }
}

pub async fn sign(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::SignInput,
) -> Result<api::SignOutput, AwsError> {
    let algorithm = &input.signing_algorithm;
    let key = signing(&cx, &input.key_id, algorithm, "Sign").await?;
    let of = signed(
        &key,
        algorithm,
        &input.message,
        input.message_type.as_deref(),
    )?;
    unless_dry(input.dry_run)?;
    let private = symmetric::opened(&cx.house, &key, key.current()?)?;
    let signature = asymmetric::sign(&key.spec, &private, algorithm, &of);
    let signature = signature.ok_or_else(|| symmetric::not_ours(&key))?;
    Ok(api::SignOutput {
        key_id: Some(key.arn()),
        signature: Some(signature.into()),
        signing_algorithm: Some(input.signing_algorithm),
    })
}

pub async fn verify(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::VerifyInput,
) -> Result<api::VerifyOutput, AwsError> {
    let algorithm = &input.signing_algorithm;
    let key = signing(&cx, &input.key_id, algorithm, "Verify").await?;
    let of = signed(
        &key,
        algorithm,
        &input.message,
        input.message_type.as_deref(),
    )?;
    unless_dry(input.dry_run)?;
    let public = public_of(&key, "Verify")?;
    asymmetric::verify(&key.spec, &public, algorithm, &of, &input.signature)
        .ok_or_else(error::invalid_signature)?;
    Ok(api::VerifyOutput {
        key_id: Some(key.arn()),
        signature_valid: Some(true),
        signing_algorithm: Some(input.signing_algorithm),
    })
}

pub async fn get_public_key(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GetPublicKeyInput,
) -> Result<api::GetPublicKeyOutput, AwsError> {
    let key = find(&cx, &input.key_id).await?.enabled()?;
    let public = public_of(&key, "GetPublicKey")?;
    let metadata = super::keys::metadata(&key);
    Ok(api::GetPublicKeyOutput {
        key_id: metadata.arn,
        public_key: Some(public.into()),
        customer_master_key_spec: metadata.customer_master_key_spec,
        key_spec: metadata.key_spec,
        key_usage: metadata.key_usage,
        encryption_algorithms: metadata.encryption_algorithms,
        signing_algorithms: metadata.signing_algorithms,
        key_agreement_algorithms: metadata.key_agreement_algorithms,
        encapsulation_algorithms: None,
    })
}

pub async fn derive_shared_secret(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DeriveSharedSecretInput,
) -> Result<api::DeriveSharedSecretOutput, AwsError> {
    if input.recipient.is_some() {
        return Err(error::unsupported("a Recipient"));
    }
    let key = find(&cx, &input.key_id).await?.enabled()?;
    let key = key.used_for(KEY_AGREEMENT, "DeriveSharedSecret")?;
    unless_dry(input.dry_run)?;
    let private = symmetric::opened(&cx.house, &key, key.current()?)?;
    let agreed = asymmetric::agreed(&key.spec, &private, &input.public_key);
    let agreed = agreed.ok_or_else(|| {
        error::validation("The public key is not valid, or not on the curve of the KMS key.")
    })?;
    Ok(api::DeriveSharedSecretOutput {
        key_id: Some(key.arn()),
        shared_secret: Some(agreed.into()),
        ciphertext_for_recipient: None,
        key_agreement_algorithm: Some(input.key_agreement_algorithm),
        key_origin: Some("AWS_KMS".into()),
    })
}
