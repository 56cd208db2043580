//! Data keys of KMS that a service seals many small things by: each is asked for in the name of who
//! called, and used again by the same principal for a while, as SQS and SNS do
//! (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html>).
//!
//! Keys are in memory only. Another principal never uses what one was given.

use crate::caller::Caller;
use crate::ctx::{Ctx, Scope};
use crate::error::AwsError;
use crate::sealing::ROOT_KEY_BYTES;
use bytes::Bytes;
use neargate_api_kms as kms;
use neargate_base::Timestamp;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The most keys of either direction: beyond them all are asked for again.
const KEPT: usize = 4_096;

/// What KMS binds a key to.
pub type EncryptionContext = BTreeMap<String, String>;

/// A data key, and what KMS gives it back for.
pub struct DataKey {
    plain: Zeroizing<[u8; ROOT_KEY_BYTES]>,
    pub encrypted: Bytes,
}

impl DataKey {
    /// For [`crate::sealing::seal`] and [`crate::sealing::open`].
    pub fn expose(&self) -> &[u8; ROOT_KEY_BYTES] {
        &self.plain
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(***)")
    }
}

/// For whom a key is used again, and which: a key of KMS with its context, or an encrypted key.
type Of = (String, Vec<u8>);

/// The keys that are used again.
#[derive(Debug, Default)]
pub struct DataKeys {
    made: Mutex<HashMap<Of, (Timestamp, Arc<DataKey>)>>,
    opened: Mutex<HashMap<Of, (Timestamp, Arc<DataKey>)>>,
}

/// Whose key it is, for which service, and for how long it is used again.
#[derive(Debug, Clone, Copy)]
pub struct Under<'a> {
    /// `sqs`.
    pub via: &'a str,
    /// Of what is sealed.
    pub scope: &'a Scope,
    pub context: &'a EncryptionContext,
    pub reuse: Duration,
}

impl DataKeys {
    /// The key to seal by now.
    ///
    /// # Errors
    /// KMS's.
    pub async fn current(
        &self,
        cx: &Ctx,
        key_id: &str,
        under: Under<'_>,
    ) -> Result<Arc<DataKey>, AwsError> {
        let mut name = format!("{}\n{}\n{key_id}", under.scope.account, under.scope.region);
        for (key, value) in under.context {
            name.push_str(&format!("\n{key}={value}"));
        }
        let of = (cx.principal.arn.clone(), name.into_bytes());
        if let Some(key) = kept(&self.made, &of, cx.now()) {
            return Ok(key);
        }
        let ask = kms::GenerateDataKeyInput {
            key_id: key_id.to_owned(),
            key_spec: Some("AES_256".into()),
            encryption_context: Some(under.context.clone()),
            ..Default::default()
        };
        let made = Caller::forward::<kms::ops::GenerateDataKey>(cx, under.via, under.scope, &ask);
        let made = made.await?;
        let encrypted = made.ciphertext_blob.unwrap_or_default();
        let key = data_key(made.plaintext, encrypted)?;
        keep(&self.made, of, cx.now() + under.reuse, &key);
        Ok(key)
    }

    /// The key that something was sealed by.
    ///
    /// # Errors
    /// KMS's.
    pub async fn opened(
        &self,
        cx: &Ctx,
        encrypted: &[u8],
        under: Under<'_>,
    ) -> Result<Arc<DataKey>, AwsError> {
        let of = (cx.principal.arn.clone(), encrypted.to_vec());
        if let Some(key) = kept(&self.opened, &of, cx.now()) {
            return Ok(key);
        }
        let encrypted = Bytes::copy_from_slice(encrypted);
        let ask = kms::DecryptInput {
            ciphertext_blob: Some(encrypted.clone()),
            encryption_context: Some(under.context.clone()),
            ..Default::default()
        };
        let opened = Caller::forward::<kms::ops::Decrypt>(cx, under.via, under.scope, &ask);
        let key = data_key(opened.await?.plaintext, encrypted)?;
        keep(&self.opened, of, cx.now() + under.reuse, &key);
        Ok(key)
    }
}

fn data_key(plain: Option<Bytes>, encrypted: Bytes) -> Result<Arc<DataKey>, AwsError> {
    let plain = plain.unwrap_or_default();
    let plain = <[u8; ROOT_KEY_BYTES]>::try_from(&plain[..]).map_err(AwsError::internal)?;
    Ok(Arc::new(DataKey {
        plain: Zeroizing::new(plain),
        encrypted,
    }))
}

fn kept(
    keys: &Mutex<HashMap<Of, (Timestamp, Arc<DataKey>)>>,
    of: &Of,
    now: Timestamp,
) -> Option<Arc<DataKey>> {
    let keys = keys.lock();
    let (until, key) = keys.get(of)?;
    (now < *until).then(|| key.clone())
}

fn keep(
    keys: &Mutex<HashMap<Of, (Timestamp, Arc<DataKey>)>>,
    of: Of,
    until: Timestamp,
    key: &Arc<DataKey>,
) {
    let mut keys = keys.lock();
    if keys.len() >= KEPT {
        keys.clear();
    }
    keys.insert(of, (until, key.clone()));
}
