//! Where the root key of the installation comes from, and whether it is the one that the state was
//! sealed under.
//!
//! Invariant: a key is made only where nothing is sealed yet. A start with another key, or without
//! the one there was, is refused before anything is written.

use crate::private_file;
use neargate_base::{AccountId, Region, Secret};
use neargate_service::sealing::{self, ROOT_KEY_BYTES, RootKey, Sealed};
use neargate_service::{AwsError, Committed, Db, Resource, Scope, db};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroize;

/// The key's file in the data directory: 64 hexadecimal digits.
const FILE: &str = "root.key";
/// What a passphrase is mixed with, in the data directory; no secret.
const SALT_FILE: &str = "root.salt";
/// 64 MiB of memory and a tenth of a second for each guess at a passphrase.
const SCRYPT_LOG_N: u8 = 16;
const SHORTEST_PASSPHRASE: usize = 12;

/// What the operator chose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Source {
    /// A file in the data directory, made at the first start.
    #[default]
    DataDirectory,
    /// This file, which is never made: 64 hexadecimal digits, or 32 bytes.
    File(PathBuf),
    /// The key is made of the passphrase in this file; nothing in the data directory opens what is
    /// sealed.
    Passphrase(PathBuf),
}

/// Why there is no root key to go on with.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    #[error("cannot read {path}, which the root key comes from")]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write {path}, which the root key comes from")]
    Write { path: PathBuf, source: io::Error },
    #[error("{path} holds no root key: that is 64 hexadecimal digits, or 32 bytes")]
    NoKey { path: PathBuf },
    #[error("the passphrase in {path} has fewer than {SHORTEST_PASSPHRASE} characters")]
    ShortPassphrase { path: PathBuf },
    #[error(
        "{path} is missing, but the state beside it holds secrets that are sealed under its root \
         key: put the file back, or name where the key comes from (--root-key, --root-passphrase). \
         Nothing was changed"
    )]
    Lost { path: PathBuf },
    #[error(
        "{path} gives another root key than the one that the state's secrets are sealed under: put \
         the right one there, or put back the state that belongs to it. Nothing was changed"
    )]
    Wrong { path: PathBuf },
    #[error("cannot check the root key")]
    Check(#[source] AwsError),
}

/// What only the right root key opens: `house/root-key/…/check`, written with the first key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) sealed: Sealed,
}

impl Resource for Check {
    const KIND: &'static str = "house/root-key";
}

const CHECKED: &[u8] = b"neargate";

fn check_key() -> String {
    // The state has one, whatever account and region an operator names.
    let scope = Scope {
        account: AccountId::default(),
        region: Region::default(),
    };
    db::key::<Check>(&scope, "check")
}

/// The root key, once it is known to be the one of this state.
///
/// # Errors
/// See [`RootKeyError`]; nothing is written then.
pub(crate) async fn open(source: &Source, data: &Path, db: &Db) -> Result<RootKey, RootKeyError> {
    let check = db.get_key::<Check>(&check_key()).await;
    let check = check.map_err(RootKeyError::Check)?;
    let (path, key) = match source {
        Source::DataDirectory => {
            let path = data.join(FILE);
            let key = kept(&path, check.is_some())?;
            (path, key)
        }
        Source::File(path) => (path.clone(), parse(path, &read(path)?)?),
        Source::Passphrase(path) => {
            let key = of_passphrase(path, &data.join(SALT_FILE), check.is_some())?;
            (path.clone(), key)
        }
    };
    match check {
        Some(check) if !opens(&key, &check) => Err(RootKeyError::Wrong { path }),
        Some(_) => Ok(key),
        None => {
            mark(&key, db).await.map_err(RootKeyError::Check)?;
            Ok(key)
        }
    }
}

fn opens(key: &RootKey, check: &Check) -> bool {
    key.open(&check_key(), &check.sealed).as_deref() == Some(CHECKED)
}

/// Writes into the state which key it is sealed under: at the first start, and after a reset.
pub(crate) async fn mark(key: &RootKey, db: &Db) -> Result<(), AwsError> {
    let sealed = key.seal(&check_key(), CHECKED);
    let written = db
        .tx()
        .within_reserve()
        .create(check_key(), &Check { sealed });
    let (Committed::At(_) | Committed::Conflict) = written.commit().await?;
    Ok(())
}

/// The key in the data directory; `sealed`: there was one.
fn kept(path: &Path, sealed: bool) -> Result<RootKey, RootKeyError> {
    match std::fs::read(path) {
        Ok(bytes) => parse(path, &Secret::new(bytes)),
        Err(e) if e.kind() == io::ErrorKind::NotFound && sealed => Err(RootKeyError::Lost {
            path: path.to_owned(),
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let key = RootKey::random();
            let mut text = hex::encode(key.expose());
            text.push('\n');
            let written = write(path, text.as_bytes());
            text.zeroize();
            written.map(|()| key)
        }
        Err(source) => Err(RootKeyError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

fn of_passphrase(path: &Path, salt: &Path, sealed: bool) -> Result<RootKey, RootKeyError> {
    let passphrase = read(path)?;
    let passphrase = passphrase.expose().trim_ascii_end();
    if passphrase.len() < SHORTEST_PASSPHRASE {
        return Err(RootKeyError::ShortPassphrase {
            path: path.to_owned(),
        });
    }
    let salt = match std::fs::read(salt) {
        Ok(kept) => kept,
        Err(e) if e.kind() == io::ErrorKind::NotFound && sealed => {
            return Err(RootKeyError::Lost {
                path: salt.to_owned(),
            });
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let mut made = [0; 16];
            sealing::fill(&mut made);
            let text = hex::encode(made).into_bytes();
            write(salt, &text)?;
            text
        }
        Err(source) => {
            return Err(RootKeyError::Read {
                path: salt.to_owned(),
                source,
            });
        }
    };
    let mut key = [0; ROOT_KEY_BYTES];
    let cost = scrypt::Params::new(SCRYPT_LOG_N, 8, 1).expect("known to be good");
    scrypt::scrypt(passphrase, salt.trim_ascii(), &cost, &mut key).expect("32 bytes");
    let root = RootKey::new(key);
    key.zeroize();
    Ok(root)
}

fn parse(path: &Path, bytes: &Secret<Vec<u8>>) -> Result<RootKey, RootKeyError> {
    let bytes = bytes.expose();
    let mut key = [0; ROOT_KEY_BYTES];
    let parsed = match <[u8; ROOT_KEY_BYTES]>::try_from(bytes.as_slice()) {
        Ok(raw) => {
            key = raw;
            Ok(())
        }
        Err(_) => hex::decode_to_slice(bytes.trim_ascii(), &mut key),
    };
    let root = RootKey::new(key);
    key.zeroize();
    match parsed {
        Ok(()) => Ok(root),
        Err(_) => Err(RootKeyError::NoKey {
            path: path.to_owned(),
        }),
    }
}

fn read(path: &Path) -> Result<Secret<Vec<u8>>, RootKeyError> {
    let bytes = std::fs::read(path).map_err(|source| RootKeyError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(Secret::new(bytes))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), RootKeyError> {
    private_file::write(path, bytes).map_err(|source| RootKeyError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_base::time::ManualClock;
    use neargate_service::golden;
    use neargate_store::memory::MemoryStore;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    fn state() -> Db {
        Db::new(MemoryStore::new(Arc::new(ManualClock::default())))
    }

    #[tokio::test]
    async fn the_key_is_made_once_and_is_private() {
        let (dir, db) = (tempfile::tempdir().unwrap(), state());
        let first = open(&Source::DataDirectory, dir.path(), &db).await.unwrap();
        let again = open(&Source::DataDirectory, dir.path(), &db).await.unwrap();
        assert_eq!(first.expose(), again.expose());
        let file = dir.path().join(FILE);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        // The same file elsewhere, as a systemd credential or by an option.
        let named = Source::File(file);
        let elsewhere = tempfile::tempdir().unwrap();
        let named = open(&named, elsewhere.path(), &db).await.unwrap();
        assert_eq!(first.expose(), named.expose());
    }

    #[tokio::test]
    async fn a_wrong_or_missing_key_is_refused_and_nothing_is_lost() {
        let (dir, db) = (tempfile::tempdir().unwrap(), state());
        let first = open(&Source::DataDirectory, dir.path(), &db).await.unwrap();
        let (file, aside) = (dir.path().join(FILE), dir.path().join("aside"));
        std::fs::rename(&file, &aside).unwrap();
        let lost = open(&Source::DataDirectory, dir.path(), &db).await;
        let said = lost.unwrap_err().to_string();
        assert!(said.contains("root.key is missing"), "{said}");
        assert!(!file.exists());
        std::fs::write(&file, "ab".repeat(32)).unwrap();
        let wrong = open(&Source::DataDirectory, dir.path(), &db).await;
        let said = wrong.unwrap_err().to_string();
        assert!(said.contains("another root key"), "{said}");
        for bad in ["", "abc", &"g".repeat(64)] {
            std::fs::write(&file, bad).unwrap();
            let bad = open(&Source::DataDirectory, dir.path(), &db).await;
            assert!(matches!(bad, Err(RootKeyError::NoKey { .. })), "{bad:?}");
        }
        std::fs::rename(&aside, &file).unwrap();
        let back = open(&Source::DataDirectory, dir.path(), &db).await.unwrap();
        assert_eq!(first.expose(), back.expose());
    }

    #[tokio::test]
    async fn a_passphrase_leaves_no_key_behind() {
        let (dir, db) = (tempfile::tempdir().unwrap(), state());
        let phrase = dir.path().join("phrase");
        let source = Source::Passphrase(phrase.clone());
        std::fs::write(&phrase, "short").unwrap();
        let short = open(&source, dir.path(), &db).await;
        assert!(matches!(short, Err(RootKeyError::ShortPassphrase { .. })));
        std::fs::write(&phrase, "correct horse battery staple\n").unwrap();
        let first = open(&source, dir.path(), &db).await.unwrap();
        assert!(!dir.path().join(FILE).exists());
        std::fs::write(&phrase, "correct horse battery staple").unwrap();
        let again = open(&source, dir.path(), &db).await.unwrap();
        assert_eq!(first.expose(), again.expose());
        std::fs::write(&phrase, "incorrect horse battery staple").unwrap();
        let wrong = open(&source, dir.path(), &db).await;
        assert!(matches!(wrong, Err(RootKeyError::Wrong { .. })));
    }

    #[test]
    fn stored_forms() {
        golden::check::<Check>(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"));
    }
}
