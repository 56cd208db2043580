//! Key material that a customer brings
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/importing-keys.html>).
//!
//! The private half of a wrapping key is in the import token, sealed under the root key: nothing is
//! stored between the two calls.

use super::change;
use super::made_pair;
use crate::keys::{Found, find_key};
use crate::model::{Key, Material, Origin, State};
use crate::symmetric::{self, DEFAULT};
use crate::{Kms, asymmetric, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_kms as api;
use neargate_base::Timestamp;
use neargate_service::sealing::{ROOT_KEY_BYTES, Sealed};
use neargate_service::{AwsError, Ctx, db};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// AWS's own.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// What an import token holds.
#[derive(Serialize, Deserialize)]
struct Token {
    algorithm: String,
    /// PKCS #8 in base64.
    private: String,
    valid_to: Timestamp,
}

/// What a token is sealed in: the key that it is for.
fn context(key: &Found) -> String {
    format!("import into {}", key.arn())
}

async fn importable(cx: &Ctx, named: &str, operation: &str) -> Result<Found, AwsError> {
    let found = find_key(cx, named).await?.kept()?;
    if found.origin == Origin::External && found.spec == DEFAULT {
        Ok(found)
    } else {
        Err(error::unsupported_for(&found.arn(), operation))
    }
}

pub async fn get_parameters_for_import(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::GetParametersForImportInput,
) -> Result<api::GetParametersForImportOutput, AwsError> {
    let found = importable(&cx, &input.key_id, "GetParametersForImport").await?;
    let algorithm = input.wrapping_algorithm;
    if !["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"].contains(&algorithm.as_str()) {
        return Err(error::unsupported(&format!(
            "the wrapping algorithm {algorithm}"
        )));
    }
    let pair = made_pair(&input.wrapping_key_spec).await?;
    let valid_to = cx.now() + TOKEN_LIFE;
    let token = Token {
        algorithm,
        private: STANDARD.encode(&pair.private),
        valid_to,
    };
    let token = serde_json::to_vec(&token).map_err(AwsError::internal)?;
    let token = cx.house.root_key.seal(&context(&found), &token);
    Ok(api::GetParametersForImportOutput {
        key_id: Some(found.arn()),
        import_token: Some(token.as_bytes().to_vec().into()),
        public_key: Some(pair.public.into()),
        parameters_valid_to: Some(valid_to),
    })
}

pub async fn import_key_material(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::ImportKeyMaterialInput,
) -> Result<api::ImportKeyMaterialOutput, AwsError> {
    let found = importable(&cx, &input.key_id, "ImportKeyMaterial").await?;
    if input.import_type.as_deref() == Some("NEW_KEY_MATERIAL") && !found.materials.is_empty() {
        return Err(error::unsupported("further imported key material"));
    }
    let expires = input.expiration_model.as_deref() != Some("KEY_MATERIAL_DOES_NOT_EXPIRE");
    let valid_to = match (expires, input.valid_to) {
        (true, Some(end)) if end > cx.now() => Some(end),
        (false, None) => None,
        _ => {
            return Err(error::validation(
                "A ValidTo date in the future must be set where key material expires, and only \
                 there.",
            ));
        }
    };
    let token = Sealed::from_bytes(input.import_token.to_vec());
    let token = cx.house.root_key.open(&context(&found), &token);
    let token = token.ok_or_else(error::invalid_import_token)?;
    let token: Token = serde_json::from_slice(&token).map_err(|_| error::invalid_import_token())?;
    if token.valid_to <= cx.now() {
        return Err(error::expired_import_token());
    }
    let private = STANDARD
        .decode(&token.private)
        .map_err(AwsError::internal)?;
    let wrapped = &input.encrypted_key_material;
    let bytes = asymmetric::decrypt(&private, &token.algorithm, wrapped);
    let bytes = bytes.ok_or_else(error::invalid_ciphertext)?;
    if bytes.len() != ROOT_KEY_BYTES {
        return Err(error::incorrect_key_material());
    }
    let record = db::key::<Key>(&found.scope, &found.id);
    let material = Material {
        valid_to,
        ..symmetric::imported_material(&cx.house, &record, &bytes)
    };
    let id = material.id.clone();
    change(&cx, &found, |key| {
        // A key takes the same material again, and no other one.
        let other = key.imported.as_ref().is_some_and(|before| *before != id);
        if other {
            return Err(error::incorrect_key_material());
        }
        key.imported = Some(id.clone());
        key.materials = vec![material.clone()];
        if key.state == State::PendingImport {
            key.state = State::Enabled;
        }
        Ok(true)
    })
    .await?;
    Ok(api::ImportKeyMaterialOutput {
        key_id: Some(found.arn()),
        key_material_id: Some(id),
    })
}

pub async fn delete_imported_key_material(
    _: Arc<Kms>,
    cx: Ctx,
    input: api::DeleteImportedKeyMaterialInput,
) -> Result<api::DeleteImportedKeyMaterialOutput, AwsError> {
    let found = importable(&cx, &input.key_id, "DeleteImportedKeyMaterial").await?;
    let id = found.materials.last().map(|m| m.id.clone());
    change(&cx, &found, |key| {
        key.materials.clear();
        key.state = State::PendingImport;
        Ok(true)
    })
    .await?;
    Ok(api::DeleteImportedKeyMaterialOutput {
        key_id: Some(found.arn()),
        key_material_id: id,
    })
}
