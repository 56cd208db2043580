//! How objects are encrypted: under the installation's own key (SSE-S3), under one of KMS (SSE-KMS), or
//! under the one that a customer brings (SSE-C)
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/serv-side-encryption.html>).

use crate::access::is_anonymous;
use crate::content::Place;
use crate::content::seal::Master;
use crate::model::{Bucket, Encryption, Kms};
use crate::{S3, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use neargate_api_kms as kms;
use neargate_base::Arn;
use neargate_service::{AwsError, Caller, Ctx, House, Scope};
use std::collections::BTreeMap;

/// The key that AWS makes for S3.
const MANAGED_KEY: &str = "alias/aws/s3";
const HEADER: &str = "x-amz-server-side-encryption";

/// What a request, or a bucket's default, wants.
#[derive(Debug, Default)]
pub struct Wish {
    pub algorithm: Option<String>,
    pub kms_key: Option<String>,
    /// JSON, in base64.
    pub kms_context: Option<String>,
    pub bucket_key: Option<bool>,
    pub customer: Customer,
}

/// The key that a customer brings.
#[derive(Debug, Default)]
pub struct Customer {
    pub algorithm: Option<String>,
    pub key: Option<String>,
    pub md5: Option<String>,
}

macro_rules! customer {
    ($input:ident) => {
        $crate::api::encryption::Customer {
            algorithm: $input.sse_customer_algorithm.clone(),
            key: $input.sse_customer_key.clone(),
            md5: $input.sse_customer_key_md5.clone(),
        }
    };
}
pub(crate) use customer;

/// How an object is encrypted, where an output has its members for that.
macro_rules! show_encryption {
    ($output:ident, $about:expr) => {
        match &$about.encryption {
            $crate::model::Encryption::Installation => {
                $output.server_side_encryption = Some("AES256".into());
            }
            $crate::model::Encryption::Customer { md5, .. } => {
                $output.sse_customer_algorithm = Some("AES256".into());
                $output.sse_customer_key_md5 = Some(md5.clone());
            }
            $crate::model::Encryption::Kms(kms) => {
                $output.server_side_encryption = Some(kms.algorithm.clone());
                $output.ssekms_key_id = Some(kms.key.clone());
                $output.bucket_key_enabled = kms.bucket_key.then_some(true);
            }
        }
    };
}
pub(crate) use show_encryption;

impl Customer {
    /// The key, when one is brought.
    ///
    /// # Errors
    /// `InvalidArgument` of one that is incomplete or wrong.
    pub fn read(&self) -> Result<Option<([u8; 32], String)>, AwsError> {
        let (Some(algorithm), Some(key), Some(md5)) = (&self.algorithm, &self.key, &self.md5)
        else {
            let any = self.algorithm.is_some() || self.key.is_some() || self.md5.is_some();
            if !any {
                return Ok(None);
            }
            let (name, message) = match (&self.algorithm, &self.key) {
                (None, _) => (
                    "x-amz-server-side-encryption-customer-algorithm",
                    "Requests specifying Server Side Encryption with Customer provided keys must \
                     provide a valid encryption algorithm.",
                ),
                (_, None) => (
                    "x-amz-server-side-encryption-customer-key",
                    "Requests specifying Server Side Encryption with Customer provided keys must \
                     provide an appropriate secret key.",
                ),
                _ => (
                    "x-amz-server-side-encryption-customer-key-MD5",
                    "Requests specifying Server Side Encryption with Customer provided keys must \
                     provide the client calculated MD5 of the secret key.",
                ),
            };
            return Err(error::invalid_argument(name, "null", message));
        };
        if algorithm != "AES256" {
            return Err(AwsError::client(
                "InvalidEncryptionAlgorithmError",
                "The Encryption request you specified is not valid. Supported value: AES256.",
            )
            .field("ArgumentName", "x-amz-server-side-encryption")
            .field("ArgumentValue", algorithm.clone()));
        }
        let decoded = STANDARD.decode(key).ok();
        let bytes = decoded
            .and_then(|k| <[u8; 32]>::try_from(k).ok())
            .ok_or_else(|| {
                error::invalid_argument(
                    "x-amz-server-side-encryption-customer-key",
                    "null",
                    "The secret key was invalid for the specified algorithm.",
                )
            })?;
        if STANDARD.encode(Md5::digest(bytes)) != *md5 {
            return Err(error::invalid_argument(
                "x-amz-server-side-encryption-customer-key-MD5",
                md5,
                "The calculated MD5 hash of the key did not match the hash that was provided.",
            ));
        }
        Ok(Some((bytes, md5.clone())))
    }
}

/// What tells whether a key is the one that sealed an object, and does not tell the key.
fn check_of(key: &[u8; 32], house: &House) -> String {
    let pepper = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, house.root_key.expose());
    hex::encode(ring::hmac::sign(&pepper, key))
}

impl Wish {
    /// How the object with this key is encrypted; of SSE-KMS, by a data key of its own.
    ///
    /// # Errors
    /// In S3's words for what is no encryption; KMS refuses.
    pub async fn read(self, cx: &Ctx, bucket: &Bucket, key: &str) -> Result<Encryption, AwsError> {
        let said = self.algorithm.as_deref();
        if let Some((own, md5)) = self.customer.read()? {
            return match said {
                None => Ok(Encryption::Customer {
                    md5,
                    check: check_of(&own, &cx.house),
                }),
                Some(said) => Err(error::invalid_argument(
                    HEADER,
                    said,
                    "Server Side Encryption with Customer provided key is incompatible with the \
                     encryption method specified",
                )),
            };
        }
        let default = bucket.encryption.as_ref().and_then(|e| e.0.rules.first());
        let by_default =
            default.and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
        let algorithm = match said {
            Some(said) => said.to_owned(),
            None => by_default.map_or_else(|| "AES256".into(), |d| d.sse_algorithm.clone()),
        };
        match &*algorithm {
            "AES256" if self.kms_key.is_some() => Err(error::invalid_argument(
                HEADER,
                said.unwrap_or_default(),
                "The encryption method specified is not supported",
            )),
            "AES256" => Ok(Encryption::Installation),
            "aws:kms" | "aws:kms:dsse" => {
                let of_bucket = by_default.filter(|d| d.sse_algorithm == algorithm);
                let of_bucket = of_bucket.and_then(|d| d.kms_master_key_id.clone());
                let bucket_key = self
                    .bucket_key
                    .or(default.and_then(|d| d.bucket_key_enabled));
                let wanted = self.kms_key.or(of_bucket);
                let kms = KmsWish {
                    key: wanted.unwrap_or_else(|| MANAGED_KEY.into()),
                    context: self.kms_context,
                    bucket_key: bucket_key == Some(true) && algorithm == "aws:kms",
                    algorithm,
                };
                kms.read(cx, bucket, key).await
            }
            "aws:fsx" => Err(error::not_built("server-side encryption by aws:fsx")),
            other => Err(error::invalid_argument(
                HEADER,
                other,
                "The encryption method specified is not supported",
            )),
        }
    }
}

/// A key of KMS that something is to be encrypted under.
struct KmsWish {
    algorithm: String,
    key: String,
    context: Option<String>,
    bucket_key: bool,
}

impl KmsWish {
    async fn read(self, cx: &Ctx, bucket: &Bucket, key: &str) -> Result<Encryption, AwsError> {
        require_signature(cx)?;
        let mut context = match &self.context {
            None => BTreeMap::new(),
            Some(text) => context_of(text)?,
        };
        // An object that a bucket's key is for is bound to the bucket.
        let bound = match self.bucket_key {
            true => bucket.arn(),
            false => format!("{}/{key}", bucket.arn()),
        };
        context.entry("aws:s3:arn".into()).or_insert(bound);
        let ask = kms::GenerateDataKeyInput {
            key_id: self.key,
            key_spec: Some("AES_256".into()),
            encryption_context: Some(context.clone()),
            ..Default::default()
        };
        let scope = Scope {
            account: cx.scope.account.clone(),
            region: bucket.region.clone(),
        };
        let made = Caller::forward::<kms::ops::GenerateDataKey>(cx, "s3", &scope, &ask).await;
        let made = made.map_err(of_kms)?;
        Ok(Encryption::Kms(Kms {
            algorithm: self.algorithm,
            key: made.key_id.unwrap_or_default(),
            data_key: STANDARD.encode(made.ciphertext_blob.unwrap_or_default()),
            context,
            bucket_key: self.bucket_key,
        }))
    }
}

impl Kms {
    async fn master(&self, cx: &Ctx) -> Result<Master, AwsError> {
        require_signature(cx)?;
        let arn: Arn = self.key.parse().map_err(AwsError::internal)?;
        let scope = Scope {
            account: cx.scope.account.clone(),
            region: arn.region.parse().map_err(AwsError::internal)?,
        };
        let blob = STANDARD
            .decode(&self.data_key)
            .map_err(AwsError::internal)?;
        let ask = kms::DecryptInput {
            key_id: Some(self.key.clone()),
            ciphertext_blob: Some(blob.into()),
            encryption_context: Some(self.context.clone()),
            ..Default::default()
        };
        let opened = Caller::forward::<kms::ops::Decrypt>(cx, "s3", &scope, &ask).await;
        let plain = opened.map_err(of_kms)?.plaintext.unwrap_or_default();
        let key = <[u8; 32]>::try_from(&plain[..]).map_err(AwsError::internal)?;
        Ok(Master::new(key))
    }
}

/// Nobody asks KMS without a name.
fn require_signature(cx: &Ctx) -> Result<(), AwsError> {
    match is_anonymous(&cx.principal) {
        false => Ok(()),
        true => Err(error::invalid_argument(
            "Authorization",
            "null",
            "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS \
             Signature Version 4.",
        )),
    }
}

fn context_of(text: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let bytes = STANDARD.decode(text).ok();
    let pairs = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    pairs.ok_or_else(|| {
        error::invalid_argument(
            "x-amz-server-side-encryption-context",
            text,
            "The header 'x-amz-server-side-encryption-context' shall be Base64-encoded UTF-8 string \
             holding JSON which represents a string-string map",
        )
    })
}

/// What KMS refused, in S3's words.
fn of_kms(source: AwsError) -> AwsError {
    if source.is("AccessDeniedException") {
        return error::access_denied_because(source.message);
    }
    if source.status >= 500 || source.is("NotImplemented") {
        return source;
    }
    let code = format!("KMS.{}", source.code);
    AwsError::client(code, source.message)
}

impl S3 {
    /// Where an object lies that is sealed so, for who brings this key.
    ///
    /// # Errors
    /// When a key is needed and not brought, or brought and not needed; KMS refuses.
    pub async fn sealed(
        &self,
        cx: &Ctx,
        encryption: &Encryption,
        customer: &Customer,
    ) -> Result<Place, AwsError> {
        let brought = customer.read()?;
        let under = |master| Place {
            extents: self.extents.clone(),
            master,
        };
        match (encryption, brought) {
            (Encryption::Installation, None) => Ok(under(Master::new(*cx.house.root_key.expose()))),
            (Encryption::Kms(kms), None) => Ok(under(kms.master(cx).await?)),
            (Encryption::Installation | Encryption::Kms(_), Some(_)) => {
                Err(error::invalid_request(
                    "The encryption parameters are not applicable to this object.",
                ))
            }
            (Encryption::Customer { .. }, None) => Err(error::invalid_request(
                "The object was stored using a form of Server Side Encryption. The correct \
                 parameters must be provided to retrieve the object.",
            )),
            (Encryption::Customer { check, .. }, Some((key, _))) => {
                use subtle::ConstantTimeEq as _;
                let same: bool = check_of(&key, &cx.house)
                    .as_bytes()
                    .ct_eq(check.as_bytes())
                    .into();
                match same {
                    true => Ok(under(Master::new(key))),
                    false => Err(error::access_denied()),
                }
            }
        }
    }
}
