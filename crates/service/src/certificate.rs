//! Certificates with their keys: AWS Certificate Manager keeps them, Elastic Load Balancing's
//! listeners use them.
//!
//! Invariant: whoever begins or ceases to use a certificate writes that into its record in the same
//! transaction, so that none which is used is deleted.

use crate::db::{Resource, Stored};
use crate::sealing::{RootKey, Sealed};
use crate::tags::Tags;
use crate::{AwsError, House, Scope, Tx};
use async_trait::async_trait;
use neargate_base::{Arn, Secret, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// `acm/certificate/…/<uuid>`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Its subject's common name, or the name that it was asked for.
    pub domain_name: String,
    /// The names that it holds for, `domain_name` too.
    pub alternative_names: Vec<String>,
    pub origin: Origin,
    /// In PEM.
    pub certificate: String,
    /// Those that vouch for it, in PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    pub private_key: KeptKey,
    pub facts: Facts,
    /// `ENABLED` or `DISABLED`: certificate transparency logging, as it was asked for.
    pub transparency_logging: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    #[serde(default)]
    pub tags: Tags,
    /// ARNs of the load balancers that use it; they write it.
    #[serde(default)]
    pub in_use_by: BTreeSet<String>,
    /// When it was asked for, or imported.
    pub created_at: Timestamp,
}

/// What the certificate itself says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Such as `4a:01:…`.
    pub serial: String,
    /// Such as `CN=example.com`.
    pub subject: String,
    /// Its issuer's common name.
    pub issuer: String,
    /// Such as `RSA-2048` or `EC-prime256v1`.
    pub key_algorithm: String,
    /// Such as `SHA256WITHRSA`.
    pub signature_algorithm: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Such as `DIGITAL_SIGNATURE`.
    #[serde(default)]
    pub key_usages: Vec<String>,
    /// By their object identifiers.
    #[serde(default)]
    pub extended_key_usages: Vec<String>,
}

/// A private key in PEM as it is stored, in a record whose key is its context.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKey {
    /// Under the installation's root key.
    Sealed(Sealed),
    /// By a version that sealed nothing; ACM seals it when it starts.
    Plain(String),
}

impl KeptKey {
    pub fn seal(root_key: &RootKey, record: &str, pem: &str) -> KeptKey {
        KeptKey::Sealed(root_key.seal(record, pem.as_bytes()))
    }

    /// `None`: it was not sealed for this record.
    pub fn open(&self, root_key: &RootKey, record: &str) -> Option<Secret<String>> {
        match self {
            KeptKey::Sealed(sealed) => {
                let pem = root_key.open(record, sealed)?;
                String::from_utf8(pem).ok().map(Secret::new)
            }
            KeptKey::Plain(pem) => Some(Secret::new(pem.clone())),
        }
    }

    /// The same key, sealed, if it is not yet.
    pub fn sealed(&self, root_key: &RootKey, record: &str) -> Option<KeptKey> {
        match self {
            KeptKey::Sealed(_) => None,
            KeptKey::Plain(pem) => Some(KeptKey::seal(root_key, record, pem)),
        }
    }

    /// What version 1 of a record stored at `private_key`, as version 2 has it.
    pub fn upgrade(mut record: serde_json::Value) -> serde_json::Value {
        if let Some(key) = record.get_mut("private_key") {
            *key = serde_json::json!({ "plain": key.take() });
        }
        record
    }
}

impl fmt::Debug for KeptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// By `ImportCertificate`.
    Imported,
    /// By `RequestCertificate`; `DNS` or `EMAIL`.
    Issued { validation_method: String },
}

impl Resource for Certificate {
    const KIND: &'static str = "acm/certificate";
    const VERSION: u32 = 2;

    fn upgrade(version: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        match version {
            1 => Ok(KeptKey::upgrade(value)),
            other => Err(format!("{} has no stored version {other}", Self::KIND)),
        }
    }
}

impl fmt::Debug for Certificate {
    /// Without its key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut certificate = f.debug_struct("Certificate");
        let certificate = certificate.field("domain_name", &self.domain_name);
        certificate
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// The certificate and those that vouch for it, in PEM.
    pub fn full_chain(&self) -> String {
        let own = self.certificate.trim_end();
        match self.chain.as_deref() {
            Some(chain) => format!("{own}\n{}\n", chain.trim()),
            None => format!("{own}\n"),
        }
    }
}

/// The ARN of a certificate of this scope.
pub fn arn(scope: &Scope, id: &str) -> String {
    scope.arn("acm", format!("certificate/{id}"))
}

/// The id in a certificate's ARN, if that is one of this scope.
pub fn id(scope: &Scope, arn: &str) -> Option<String> {
    let arn: Arn = arn.parse().ok()?;
    let id = arn.resource.strip_prefix("certificate/")?;
    (arn.service == "acm" && scope.holds(&arn) && !id.contains('/')).then(|| id.to_owned())
}

/// The certificate that an ARN names.
///
/// # Errors
/// The store's.
pub async fn find(
    house: &House,
    scope: &Scope,
    arn: &str,
) -> Result<Option<Stored<Certificate>>, AwsError> {
    match id(scope, arn) {
        Some(id) => house.db.get::<Certificate>(scope, &id).await,
        None => Ok(None),
    }
}

/// Adds to a transaction that `user` uses the certificate, or does no longer. It is written in any
/// case, so that nobody deletes it meanwhile.
pub fn used(tx: Tx, certificate: &Stored<Certificate>, user: &str, uses: bool) -> Tx {
    let mut new = certificate.value.clone();
    match uses {
        true => new.in_use_by.insert(user.to_owned()),
        false => new.in_use_by.remove(user),
    };
    tx.update(certificate, &new)
}

/// Certifies keys of Neargate's own parts, as the authority of this installation. ACM's service is it.
#[async_trait]
pub trait Authority: fmt::Debug + Send + Sync {
    /// The certificate of a private key (PKCS #8, in PEM) for this name, and the authority's own behind it,
    /// in PEM.
    ///
    /// # Errors
    /// The store's, and that of a key that cannot be certified.
    async fn certify(&self, house: &House, name: &str, key: &str) -> Result<String, AwsError>;

    /// The authority's own certificate, in PEM: whoever believes it believes what it certified.
    ///
    /// # Errors
    /// The store's; [`AwsError::not_implemented`] of one that has none.
    async fn root(&self, _house: &House) -> Result<String, AwsError> {
        Err(AwsError::not_implemented("acm", "an authority of our own"))
    }
}

/// Where the authority takes its place in the house.
#[derive(Debug, Default)]
pub struct Seat(OnceLock<Arc<dyn Authority>>);

impl Seat {
    /// # Panics
    /// When somebody has taken it.
    pub fn take(&self, authority: Arc<dyn Authority>) {
        let taken = self.0.set(authority);
        taken.expect("one service is the authority");
    }

    /// # Errors
    /// As [`Authority::certify`]; [`AwsError::not_implemented`] where there is no authority.
    pub async fn certify(&self, house: &House, name: &str, key: &str) -> Result<String, AwsError> {
        match self.0.get() {
            Some(authority) => authority.certify(house, name, key).await,
            None => Err(AwsError::not_implemented("acm", "certificates of our own")),
        }
    }

    /// # Errors
    /// As [`Authority::root`]; [`AwsError::not_implemented`] where there is no authority.
    pub async fn root(&self, house: &House) -> Result<String, AwsError> {
        match self.0.get() {
            Some(authority) => authority.root(house).await,
            None => Err(AwsError::not_implemented("acm", "an authority of our own")),
        }
    }
}
