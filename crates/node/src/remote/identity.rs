//! Who this node is to its control plane: its key, its certificate and the authority it trusts,
//! in one file that only root reads, replaced whole.

use neargate_base::{AccountId, Region, Timestamp};
use neargate_domain::NodeKind;
use neargate_domain::link::Certificate;
use neargate_domain::vpc::VpcRange;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is damaged: join again")]
    Damaged { path: PathBuf },
    #[error("the node's key is damaged: join again")]
    Key,
    #[error("the node's certificate cannot be used")]
    Tls(#[from] rustls::Error),
}

/// A P-256 key, PKCS #8 in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    /// A new key.
    pub fn generate() -> Result<Key, IdentityError> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new());
        made.map(|pkcs8| Key(hex::encode(pkcs8)))
            .map_err(|_| IdentityError::Key)
    }

    /// The key kept in `path` until the node has joined, made if there is none: whoever asks
    /// twice to join asks with the same key.
    pub fn pending(path: &Path) -> Result<Key, IdentityError> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                let key = Key(text.trim().to_owned());
                key.public().map(|_| key)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let key = Key::generate()?;
                write(path, key.0.as_bytes())?;
                Ok(key)
            }
            Err(source) => Err(IdentityError::File {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn pkcs8(&self) -> Result<Vec<u8>, IdentityError> {
        hex::decode(&self.0).map_err(|_| IdentityError::Key)
    }

    /// Its public half: an uncompressed point in hexadecimal digits.
    pub fn public(&self) -> Result<String, IdentityError> {
        let (pkcs8, rng) = (self.pkcs8()?, SystemRandom::new());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, &rng);
        let pair = pair.map_err(|_| IdentityError::Key)?;
        Ok(hex::encode(pair.public_key()))
    }

    pub(super) fn private(&self) -> Result<PrivateKeyDer<'static>, IdentityError> {
        Ok(PrivatePkcs8KeyDer::from(self.pkcs8()?).into())
    }
}

/// A node that has joined. Written at joining and at each renewal, by this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// `https://host:port` of the control plane.
    pub url: String,
    pub node_id: String,
    pub kind: NodeKind,
    pub account: AccountId,
    pub region: Region,
    pub cluster: Option<String>,
    /// The addresses of its tasks are of this range.
    #[serde(default)]
    pub vpc: VpcRange,
    pub key: Key,
    pub certificate: Certificate,
    /// When the certificate came.
    pub since: Timestamp,
}

impl Identity {
    /// `None`: it has not joined.
    pub fn load(path: &Path) -> Result<Option<Identity>, IdentityError> {
        match std::fs::read(path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes)
                    .map(Some)
                    .map_err(|_| IdentityError::Damaged {
                        path: path.to_owned(),
                    })
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IdentityError::File {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub fn save(&self, path: &Path) -> Result<(), IdentityError> {
        write(path, &serde_json::to_vec(self).expect("string keys only"))
    }

    /// When to ask for the next certificate: after two thirds of this one's life.
    pub(super) fn renew_at(&self) -> Timestamp {
        let life = self.certificate.not_after.since(self.since);
        self.since + life * 2 / 3
    }

    /// Whether the certificate is good for nothing any more.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.certificate.not_after <= now
    }

    pub(super) fn certificates(
        &self,
    ) -> Result<(CertificateDer<'static>, CertificateDer<'static>), IdentityError> {
        let der = |text: &str| hex::decode(text).map_err(|_| IdentityError::Key);
        let (own, authority) = (
            der(&self.certificate.der)?,
            der(&self.certificate.authority)?,
        );
        Ok((own.into(), authority.into()))
    }
}

/// Whole or not at all, readable by its owner only.
fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    let dir = path.parent().expect("a file in a directory");
    let written = std::fs::create_dir_all(dir)
        .and_then(|()| tempfile::NamedTempFile::new_in(dir))
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            std::fs::File::open(dir)?.sync_all()
        });
    written.map_err(|source| IdentityError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_pending_key_stays_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node/join-key");
        let key = Key::pending(&path).unwrap();
        assert_eq!(Key::pending(&path).unwrap(), key);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(key.public().unwrap().len(), 130);
        assert_eq!(format!("{key:?}"), "Key(***)");
        std::fs::write(&path, "00").unwrap();
        assert!(Key::pending(&path).is_err());
    }

    #[test]
    fn an_identity_is_kept_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity.json");
        assert_eq!(Identity::load(&path).unwrap(), None);
        let since = Timestamp::from_millis(1_000_000);
        let identity = Identity {
            url: "https://10.0.0.1:4567".into(),
            node_id: "i-1".into(),
            kind: NodeKind::Ec2,
            account: AccountId::default(),
            region: Region::default(),
            cluster: Some("default".into()),
            vpc: VpcRange::default(),
            key: Key::generate().unwrap(),
            certificate: Certificate {
                der: "00".into(),
                authority: "00".into(),
                not_after: since + Duration::from_secs(300),
            },
            since,
        };
        identity.save(&path).unwrap();
        assert_eq!(Identity::load(&path).unwrap().as_ref(), Some(&identity));
        assert_eq!(identity.renew_at(), since + Duration::from_secs(200));
        let ended = [299, 300].map(|s| identity.has_ended(since + Duration::from_secs(s)));
        assert_eq!(ended, [false, true]);
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(
            Identity::load(&path),
            Err(IdentityError::Damaged { .. })
        ));
    }
}
