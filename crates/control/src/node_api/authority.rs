//! The authority that nodes and control plane know each other by: a key that never leaves the
//! data directory, and the certificates it signs. It knows no node, no token and no store.
//!
//! A node's certificate can only act as a client, the control plane's only as a server: neither
//! passes for the other, though one authority signs both.

use crate::private_file;
use neargate_base::{Rng, Timestamp};
use neargate_domain::link::SERVER_NAME;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A node asks for the next one long before.
const NODE_LIFE: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const AUTHORITY_LIFE: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);
/// An uncompressed P-256 point (SEC 1, section 2.3.3).
const POINT_BYTES: usize = 65;

/// Why there is no authority, or no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} does not hold an authority")]
    Damaged { path: PathBuf },
    #[error("a certificate cannot be made")]
    Certificate(#[from] rcgen::Error),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("nodes' certificates cannot be checked")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    #[error("this is not a P-256 public key")]
    PublicKey,
}

/// Signs certificates.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// What its file keeps; both in hexadecimal digits.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// PKCS #8.
    key: String,
    /// DER.
    certificate: String,
}

/// A certificate just signed.
#[derive(Debug, Clone)]
pub struct Signed {
    pub der: CertificateDer<'static>,
    pub not_after: Timestamp,
}

/// A node's public key.
struct Point(Vec<u8>);

impl PublicKeyData for Point {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl Authority {
    /// The authority kept in `path`; made at the first use, readable by root only.
    pub fn open(path: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
        let at = |source| AuthorityError::File {
            path: path.to_owned(),
            source,
        };
        match std::fs::read(path) {
            Ok(bytes) => Self::read(&bytes).ok_or_else(|| AuthorityError::Damaged {
                path: path.to_owned(),
            }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
                let mut params = own_params();
                validity(&mut params, now, AUTHORITY_LIFE);
                let certificate = params.self_signed(&key)?;
                let kept = Kept {
                    key: hex::encode(key.serialize_der()),
                    certificate: hex::encode(certificate.der()),
                };
                let bytes = serde_json::to_vec(&kept).expect("two strings");
                private_file::write(path, &bytes).map_err(at)?;
                Self::read(&bytes).ok_or_else(|| AuthorityError::Damaged {
                    path: path.to_owned(),
                })
            }
            Err(e) => Err(at(e)),
        }
    }

    fn read(bytes: &[u8]) -> Option<Authority> {
        let kept: Kept = serde_json::from_slice(bytes).ok()?;
        let key = PrivatePkcs8KeyDer::from(hex::decode(kept.key).ok()?);
        let key = KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).ok()?;
        Some(Authority {
            certificate: hex::decode(kept.certificate).ok()?.into(),
            issuer: Issuer::new(own_params(), key),
        })
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What join tokens name it by.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.certificate).into()
    }

    /// TLS 1.3 as the control plane. Callers may come without a certificate, to join; one that
    /// they show must be of this authority. The server's own key is made anew at each start.
    pub fn server_config(&self, now: Timestamp) -> Result<Arc<ServerConfig>, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new([SERVER_NAME.to_owned()])?;
        params.distinguished_name = named("Neargate control plane");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        validity(&mut params, now, AUTHORITY_LIFE);
        let certificate = params.signed_by(&key, &self.issuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients)
            .with_single_cert(
                vec![certificate.der().clone(), self.certificate.clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Arc::new(config))
    }

    /// A node's certificate for its own key, given in hexadecimal digits.
    pub fn sign(
        &self,
        node: &str,
        public_key: &str,
        now: Timestamp,
        rng: &Rng,
    ) -> Result<Signed, AuthorityError> {
        let point = hex::decode(public_key).map_err(|_| AuthorityError::PublicKey)?;
        if point.len() != POINT_BYTES || point[0] != 4 {
            return Err(AuthorityError::PublicKey);
        }
        let mut params = CertificateParams::default();
        params.distinguished_name = named(node);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let mut serial = [0; 16];
        rng.fill(&mut serial);
        serial[0] &= 0x7f;
        params.serial_number = Some(serial.to_vec().into());
        validity(&mut params, now, NODE_LIFE);
        let signed = params.signed_by(&Point(point), &self.issuer)?;
        Ok(Signed {
            der: signed.der().clone(),
            not_after: now + NODE_LIFE,
        })
    }
}

/// What a certificate is known by in the store.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(certificate))
}

fn own_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Neargate node authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// From a day ago, for clocks that are behind.
fn validity(params: &mut CertificateParams, now: Timestamp, life: Duration) {
    let at = |t: Timestamp| {
        let seconds = t.as_millis().div_euclid(1000);
        OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    params.not_before = at(now - DAY);
    params.not_after = at(now + life);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_stays_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("scratch");
        let path = dir.path().join("authority.json");
        let now = Timestamp::from_millis(1_700_000_000_000);
        let first = Authority::open(&path, now).expect("made");
        let again = Authority::open(&path, now).expect("read");
        assert_eq!(first.hash(), again.hash());
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        again.server_config(now).expect("serves");
        std::fs::write(&path, "{}").expect("written");
        assert!(matches!(
            Authority::open(&path, now),
            Err(AuthorityError::Damaged { .. })
        ));
    }

    #[test]
    fn only_public_keys_are_signed() {
        let dir = tempfile::tempdir().expect("scratch");
        let now = Timestamp::from_millis(1_700_000_000_000);
        let authority = Authority::open(&dir.path().join("authority.json"), now).expect("made");
        let rng = Rng::seeded(1);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("generates");
        let point = hex::encode(key.public_key_raw());
        let signed = authority.sign("i-1", &point, now, &rng).expect("signs");
        assert_eq!(signed.not_after, now + NODE_LIFE);
        for bad in ["", "04", "zz", &point[2..], &format!("02{}", &point[2..])] {
            assert!(matches!(
                authority.sign("i-1", bad, now, &rng),
                Err(AuthorityError::PublicKey)
            ));
        }
    }
}
