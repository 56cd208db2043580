//! Encryption and decryption of what a caller sends.

use super::{sign::public_of, unless_dry};
use crate::keys::{Found, find};
use crate::spec::ENCRYPT_DECRYPT;
use crate::symmetric::{self, Context, DEFAULT};
use crate::{Kms, asymmetric, error};
use bytes::Bytes;
use neargate_api_kms::{self as api, ops};
use neargate_service::{AwsError, Ctx};
use neargate_wire::schema::Operation;
use neargate_wire::structure::OperationDef as _;
use neargate_wire::value::Value;
use std::sync::Arc;

/// The key for an operation that encrypts, and the algorithm that it does it by.
async fn encrypting(
    cx: &Ctx,
    named: &str,
    algorithm: Option<String>,
    operation: &str,
) -> Result<(Found, String), AwsError> {
    let found = find(cx, named).await?;
    let found = found.enabled()?.used_for(ENCRYPT_DECRYPT, operation)?;
    let algorithm = algorithm.unwrap_or_else(|| DEFAULT.into());
    fits(&found, &algorithm)?;
    Ok((found, algorithm))
}

fn fits(found: &Found, algorithm: &str) -> Result<(), AwsError> {
    if (found.spec == DEFAULT) == (algorithm == DEFAULT) {
        Ok(())
    } else {
        Err(error::incompatible(algorithm, &found.spec))
    }
}

fn encrypted(
    cx: &Ctx,
    found: &Found,
    algorithm: &str,
    context: &Context,
    plain: &[u8],
) -> Result<Vec<u8>, AwsError> {
    if algorithm != DEFAULT {
        let public = public_of(found, "Encrypt")?;
        return asymmetric::encrypt(&public, algorithm, plain).ok_or_else(|| {
            let longest = asymmetric::longest(&public, algorithm).unwrap_or_default();
            error::validation(format!(
                "Algorithm {algorithm} and key spec {} cannot encrypt data larger than {longest} \
                 bytes.",
                found.spec
            ))
        });
    }
    symmetric::encrypt(&cx.house, found, context, plain)
}

pub async fn encrypt(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::EncryptInput,
) -> Result<api::EncryptOutput, AwsError> {
    let algorithm = input.encryption_algorithm;
    let (found, algorithm) = encrypting(&cx, &input.key_id, algorithm, "Encrypt").await?;
    unless_dry(input.dry_run)?;
    let context = input.encryption_context.unwrap_or_default();
    let blob = encrypted(&cx, &found, &algorithm, &context, &input.plaintext)?;
    Ok(api::EncryptOutput {
        ciphertext_blob: Some(blob.into()),
        key_id: Some(found.arn()),
        encryption_algorithm: Some(algorithm),
    })
}

/// What was decrypted, by which key and material.
struct Decrypted {
    key: Found,
    plain: Vec<u8>,
    algorithm: String,
    material: Option<String>,
}

/// A key that only the ciphertext named is gone.
fn of_no_key(e: AwsError, named: &str, blob: &[u8]) -> AwsError {
    let said_by_it = symmetric::read(blob).is_some_and(|made| made.key_id == named);
    match e.is("NotFoundException") && said_by_it {
        true => error::ciphertext_of_no_key(),
        false => e,
    }
}

/// A ciphertext says which key it needs: with that, whoever judges the call knows what it is about.
pub fn admit(operation: &'static Operation, input: &mut Value) {
    let (key, algorithm) = match operation.name {
        ops::Decrypt::NAME => ("KeyId", "EncryptionAlgorithm"),
        ops::ReEncrypt::NAME => ("SourceKeyId", "SourceEncryptionAlgorithm"),
        _ => return,
    };
    let Some(shape) = operation.input.map(|input| input.get()) else {
        return;
    };
    let at = |name| shape.member(name).map(|(at, _)| at);
    let (Some(blob), Some(key), Some(algorithm)) = (at("CiphertextBlob"), at(key), at(algorithm))
    else {
        return;
    };
    let is_given = |at| input.field(at).is_some_and(|value| *value != Value::Null);
    if is_given(key) || is_given(algorithm) {
        return;
    }
    let Some(Value::Blob(bytes)) = input.field(blob) else {
        return;
    };
    let Some(key_id) = symmetric::read(bytes).map(|made| made.key_id) else {
        return;
    };
    if let Value::Struct(members) = input {
        members.push((key, Value::Str(key_id)));
        members.sort_by_key(|(at, _)| *at);
    }
}

async fn decrypted(
    cx: &Ctx,
    blob: Option<Bytes>,
    named: Option<&str>,
    algorithm: Option<String>,
    context: &Context,
    operation: &str,
) -> Result<Decrypted, AwsError> {
    let blob = blob.ok_or_else(|| error::validation("CiphertextBlob is missing."))?;
    let algorithm = algorithm.unwrap_or_else(|| DEFAULT.into());
    let named = match named {
        Some(named) => {
            let found = find(cx, named).await;
            Some(found.map_err(|e| of_no_key(e, named, &blob))?)
        }
        None if algorithm != DEFAULT => {
            return Err(error::validation(
                "You must specify a KeyId value for asymmetric KMS keys.",
            ));
        }
        None => None,
    };
    let named = match named {
        Some(named) if algorithm != DEFAULT => {
            Some(named.enabled()?.used_for(ENCRYPT_DECRYPT, operation)?)
        }
        named => named,
    };
    if let Some(named) = &named {
        fits(named, &algorithm)?;
    }
    if let Some(key) = named.as_ref().filter(|_| algorithm != DEFAULT) {
        let private = symmetric::opened(&cx.house, key, key.current()?)?;
        let plain = asymmetric::decrypt(&private, &algorithm, &blob);
        let plain = plain.ok_or_else(error::invalid_ciphertext)?;
        let key = named.ok_or_else(error::incorrect_key)?;
        return Ok(Decrypted {
            key,
            plain,
            algorithm,
            material: None,
        });
    }
    let made = symmetric::read(&blob).ok_or_else(error::invalid_ciphertext)?;
    if named.is_none() && !made.is_own(cx) {
        return Err(error::ciphertext_of_no_key());
    }
    let key = symmetric::key_of(cx, &made).await?;
    if named.is_some_and(|named| named.arn() != key.arn()) {
        return Err(error::incorrect_key());
    }
    let key = key.enabled()?.used_for(ENCRYPT_DECRYPT, operation)?;
    let (plain, material) = symmetric::decrypt(&cx.house, &key, &made, context)?;
    Ok(Decrypted {
        key,
        plain,
        algorithm,
        material: Some(material),
    })
}

pub async fn decrypt(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DecryptInput,
) -> Result<api::DecryptOutput, AwsError> {
    if input.recipient.is_some() {
        return Err(error::unsupported("a Recipient"));
    }
    let context = input.encryption_context.unwrap_or_default();
    let (blob, named) = (input.ciphertext_blob, input.key_id.as_deref());
    let algorithm = input.encryption_algorithm;
    let opened = decrypted(&cx, blob, named, algorithm, &context, "Decrypt").await?;
    unless_dry(input.dry_run)?;
    Ok(api::DecryptOutput {
        key_id: Some(opened.key.arn()),
        plaintext: Some(opened.plain.into()),
        encryption_algorithm: Some(opened.algorithm),
        key_material_id: opened.material,
        ciphertext_for_recipient: None,
    })
}

pub async fn re_encrypt(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ReEncryptInput,
) -> Result<api::ReEncryptOutput, AwsError> {
    let algorithm = input.destination_encryption_algorithm;
    let to = encrypting(&cx, &input.destination_key_id, algorithm, "ReEncrypt").await?;
    let (to, to_algorithm) = to;
    let context = input.source_encryption_context.unwrap_or_default();
    let (blob, named) = (input.ciphertext_blob, input.source_key_id.as_deref());
    let algorithm = input.source_encryption_algorithm;
    let from = decrypted(&cx, blob, named, algorithm, &context, "ReEncrypt").await?;
    unless_dry(input.dry_run)?;
    let context = input.destination_encryption_context.unwrap_or_default();
    let blob = encrypted(&cx, &to, &to_algorithm, &context, &from.plain)?;
    let symmetric = to_algorithm == DEFAULT;
    let material = to.current()?.id.clone();
    Ok(api::ReEncryptOutput {
        ciphertext_blob: Some(blob.into()),
        source_key_id: Some(from.key.arn()),
        key_id: Some(to.arn()),
        source_encryption_algorithm: Some(from.algorithm),
        destination_encryption_algorithm: Some(to_algorithm),
        source_key_material_id: from.material,
        destination_key_material_id: symmetric.then_some(material),
    })
}
