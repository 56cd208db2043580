//! Values of versions: sealed under a data key that KMS encrypts.

use crate::error;
use crate::model::{Secret, Value};
use crate::secrets::arn;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use neargate_api_kms as kms;
use neargate_base::Secret as Hidden;
use neargate_service::sealing::{self, ROOT_KEY_BYTES};
use neargate_service::{AwsError, Caller, Ctx, Scope, db};
use std::collections::BTreeMap;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// What a caller sends as a value.
#[derive(Debug, Clone)]
pub(crate) struct Plain {
    pub(crate) is_binary: bool,
    bytes: Hidden<Bytes>,
}

impl Plain {
    /// # Errors
    /// Both were sent.
    pub(crate) fn of(
        text: Option<String>,
        binary: Option<Bytes>,
    ) -> Result<Option<Plain>, AwsError> {
        let plain = |is_binary, bytes| Plain {
            is_binary,
            bytes: Hidden::new(bytes),
        };
        match (text, binary) {
            (Some(_), Some(_)) => Err(error::both_values()),
            (Some(text), None) => Ok(Some(plain(false, text.into()))),
            (None, Some(bytes)) => Ok(Some(plain(true, bytes))),
            (None, None) => Ok(None),
        }
    }

    pub(crate) fn is_same(&self, other: &Plain) -> bool {
        let (a, b) = (self.bytes.expose(), other.bytes.expose());
        self.is_binary == other.is_binary && bool::from(a.ct_eq(b))
    }

    /// As `SecretString` and `SecretBinary`.
    pub(crate) fn shown(self) -> (Option<String>, Option<Bytes>) {
        let bytes = self.bytes.expose().clone();
        match self.is_binary {
            true => (None, Some(bytes)),
            false => (Some(String::from_utf8_lossy(&bytes).into_owned()), None),
        }
    }
}

pub(crate) fn record(scope: &Scope, secret: &Secret, version: &str) -> String {
    let Secret { name, suffix, .. } = secret;
    db::key::<Value>(scope, &format!("{name}:{suffix}:{version}"))
}

/// What AWS binds the data key of a version to.
fn context(scope: &Scope, secret: &Secret, version: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("SecretARN", arn(scope, secret)),
        ("SecretVersionId", version.to_owned()),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}

/// The key that AWS makes for Secrets Manager.
const MANAGED_KEY: &str = "alias/aws/secretsmanager";

/// The KMS key's ARN where the caller chose one; AWS shows its own key by this name.
pub(crate) const DEFAULT_KEY: &str = "DefaultEncryptionKey";

/// A value as it is stored, and the key that it is encrypted by.
///
/// # Errors
/// KMS refuses.
pub(crate) async fn seal(
    cx: &Ctx,
    scope: &Scope,
    secret: &Secret,
    version: &str,
    plain: &Plain,
) -> Result<(Value, String), AwsError> {
    let chosen = secret.kms_key_id.clone();
    let ask = kms::GenerateDataKeyInput {
        key_id: chosen.clone().unwrap_or_else(|| MANAGED_KEY.into()),
        key_spec: Some("AES_256".into()),
        encryption_context: Some(context(scope, secret, version)),
        ..Default::default()
    };
    let made =
        Caller::forward::<kms::ops::GenerateDataKey>(cx, "secretsmanager", scope, &ask).await;
    let made = made.map_err(error::cannot_encrypt)?;
    let data_key = key(made.plaintext.unwrap_or_default())?;
    let record = record(scope, secret, version);
    let value = Value {
        is_binary: plain.is_binary,
        data_key: STANDARD.encode(made.ciphertext_blob.unwrap_or_default()),
        sealed: sealing::seal(&data_key, &record, plain.bytes.expose()),
    };
    let shown = match chosen {
        Some(_) => made.key_id.unwrap_or_default(),
        None => DEFAULT_KEY.into(),
    };
    Ok((value, shown))
}

/// # Errors
/// KMS refuses, or the value was changed.
pub(crate) async fn open(
    cx: &Ctx,
    scope: &Scope,
    secret: &Secret,
    version: &str,
) -> Result<Plain, AwsError> {
    let record = record(scope, secret, version);
    let value = cx.db().get_key::<Value>(&record).await?;
    let value = value.ok_or_else(|| error::version_not_found(version))?;
    let blob = STANDARD
        .decode(&value.data_key)
        .map_err(AwsError::internal)?;
    let ask = kms::DecryptInput {
        key_id: Some(key_of(secret, version)),
        ciphertext_blob: Some(blob.into()),
        encryption_context: Some(context(scope, secret, version)),
        ..Default::default()
    };
    let opened = Caller::forward::<kms::ops::Decrypt>(cx, "secretsmanager", scope, &ask).await;
    let opened = opened.map_err(error::cannot_decrypt)?;
    let data_key = key(opened.plaintext.unwrap_or_default())?;
    let plain = sealing::open(&data_key, &record, &value.sealed);
    let plain = plain.ok_or_else(|| AwsError::internal(Changed(record)))?;
    Ok(Plain {
        is_binary: value.is_binary,
        bytes: Hidden::new(plain.into()),
    })
}

/// The key of a version: the one that a caller chose, or AWS's own.
fn key_of(secret: &Secret, version: &str) -> String {
    let chosen = secret.versions.get(version).map(|v| &v.kms_key);
    let chosen = chosen.filter(|key| *key != DEFAULT_KEY);
    chosen.map_or_else(|| MANAGED_KEY.into(), String::clone)
}

fn key(bytes: Bytes) -> Result<Zeroizing<[u8; ROOT_KEY_BYTES]>, AwsError> {
    let key = <[u8; ROOT_KEY_BYTES]>::try_from(&bytes[..]);
    key.map(Zeroizing::new).map_err(AwsError::internal)
}

#[derive(Debug)]
struct Changed(String);

impl std::fmt::Display for Changed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is not as it was sealed", self.0)
    }
}

impl std::error::Error for Changed {}
