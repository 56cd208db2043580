//! What messages are signed with: a key of RSA, made when the first message is signed, and its
//! certificate by the installation's authority
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>).

use crate::message::SignatureVersion;
use crate::model::Signing;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_base::Timestamp;
use neargate_service::certificate::KeptKey;
use neargate_service::{AwsError, Committed, House, db, sealing};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use rsa::{Pkcs1v15Sign, PrivateKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

const ID: &str = "local";
const BITS: usize = 2048;
/// Whose certificate it is, as that of AWS says.
const NAME: &str = "sns.amazonaws.com";
/// A certificate is good for 395 days.
const RENEWED_AFTER: Duration = Duration::from_secs(330 * 24 * 60 * 60);
/// Where the certificate's path begins, as AWS's does.
pub const PATH: &str = "/SimpleNotificationService-";

/// The key and its certificate.
pub struct Signer {
    key: PrivateKey,
    /// With the authority's, in PEM.
    pub certificate: String,
    /// The path of the certificate.
    pub path: String,
    certified_at: Timestamp,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// The signature of a text, in base64.
    ///
    /// # Errors
    /// When the key cannot sign, which no key of ours is.
    pub fn sign(&self, version: SignatureVersion, text: &str) -> Result<String, AwsError> {
        let signed = match version {
            SignatureVersion::One => {
                let digest = Sha1::digest(text.as_bytes());
                self.key.sign(Pkcs1v15Sign::new::<Sha1>(), &digest)
            }
            SignatureVersion::Two => {
                let digest = Sha256::digest(text.as_bytes());
                self.key.sign(Pkcs1v15Sign::new::<Sha256>(), &digest)
            }
        };
        Ok(STANDARD.encode(signed.map_err(AwsError::internal)?))
    }

    #[cfg(test)]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}

/// The signer, once it is needed.
#[derive(Debug, Default)]
pub struct Signers(Mutex<Option<Arc<Signer>>>);

impl Signers {
    /// # Errors
    /// The store's, and the authority's.
    pub async fn get(&self, house: &House) -> Result<Arc<Signer>, AwsError> {
        let mut known = self.0.lock().await;
        let fresh = |s: &Arc<Signer>| house.now().since(s.certified_at) < RENEWED_AFTER;
        if let Some(signer) = known.as_ref().filter(|s| fresh(s)) {
            return Ok(signer.clone());
        }
        let signer = Arc::new(opened(house).await?);
        *known = Some(signer.clone());
        Ok(signer)
    }

    /// After a reset there is another.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

async fn opened(house: &House) -> Result<Signer, AwsError> {
    let scope = &house.settings.default_scope;
    let record = db::key::<Signing>(scope, ID);
    loop {
        let kept = house.db.get_key::<Signing>(&record).await?;
        let tx = house.db.tx();
        let (signing, tx) = match kept {
            Some(kept) if house.now().since(kept.certified_at) < RENEWED_AFTER => {
                return signer(house, &record, &kept.value);
            }
            Some(kept) => {
                let key = kept.private_key.open(&house.root_key, &record);
                let key = key.ok_or_else(not_ours)?;
                let new = certified(house, &record, key.expose()).await?;
                let tx = tx.update(&kept, &new);
                (new, tx)
            }
            None => {
                let new = certified(house, &record, &new_key().await?).await?;
                let tx = tx.create(record.clone(), &new);
                (new, tx)
            }
        };
        // Of two who make it, one finds that it is there.
        if let Committed::At(_) = tx.commit().await? {
            return signer(house, &record, &signing);
        }
    }
}

fn not_ours() -> AwsError {
    AwsError::internal(std::io::Error::other(
        "the key that messages are signed with is not sealed under this root key",
    ))
}

async fn certified(house: &House, record: &str, key: &str) -> Result<Signing, AwsError> {
    let certificate = house.authority.certify(house, NAME, key).await?;
    Ok(Signing {
        private_key: KeptKey::seal(&house.root_key, record, key),
        certificate,
        certified_at: house.now(),
    })
}

/// A new key in PEM. It takes its time.
async fn new_key() -> Result<String, AwsError> {
    let made = neargate_base::task::spawn_blocking(|| {
        let mut seed = [0; 32];
        sealing::fill(&mut seed);
        let key = PrivateKey::new(&mut ChaCha20Rng::from_seed(seed), BITS).ok()?;
        let der = key.to_pkcs8_der().ok()?;
        Some(pem(der.as_bytes()))
    });
    let made = made.await.map_err(AwsError::internal)?;
    made.ok_or_else(|| AwsError::internal(std::io::Error::other("no key could be made")))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    let lines = lines.join("\n");
    format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
}

fn signer(house: &House, record: &str, kept: &Signing) -> Result<Signer, AwsError> {
    let pem = kept
        .private_key
        .open(&house.root_key, record)
        .ok_or_else(not_ours)?;
    let inner = pem.expose().lines().filter(|line| !line.starts_with('-'));
    let der = STANDARD
        .decode(inner.collect::<String>())
        .map_err(AwsError::internal)?;
    let name = hex::encode(&Sha256::digest(kept.certificate.as_bytes())[..16]);
    Ok(Signer {
        key: PrivateKey::from_pkcs8_der(&der).map_err(AwsError::internal)?,
        certificate: kept.certificate.clone(),
        path: format!("{PATH}{name}.pem"),
        certified_at: kept.certified_at,
    })
}
