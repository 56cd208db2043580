//! The root key of an installation, and what is sealed under it: every secret that is stored.
//!
//! It knows neither where the key comes from (`neargate_control::root_key`) nor what is sealed.
//!
//! Invariants: what is sealed opens only under the same key and in the same context, so that a
//! value cannot be moved to another record; no two values are sealed under the same derived key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_base::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// How many bytes a root key has.
pub const ROOT_KEY_BYTES: usize = 32;

/// The first byte of what is sealed: salt, HKDF-SHA256, AES-256-GCM.
const FORM: u8 = 1;
const SALT_BYTES: usize = 16;
const TAG_BYTES: usize = 16;

/// The key under which everything secret of an installation is sealed.
pub struct RootKey(Zeroizing<[u8; ROOT_KEY_BYTES]>);

impl RootKey {
    pub fn new(key: [u8; ROOT_KEY_BYTES]) -> RootKey {
        RootKey(Zeroizing::new(key))
    }

    /// A new key, by the kernel's randomness.
    ///
    /// # Panics
    /// When the kernel gives none: no key would be safe then.
    pub fn random() -> RootKey {
        let mut key = RootKey::new([0; ROOT_KEY_BYTES]);
        fill(&mut key.0[..]);
        key
    }

    /// The key itself, for who keeps it.
    pub fn expose(&self) -> &[u8; ROOT_KEY_BYTES] {
        &self.0
    }

    /// Encrypts `plain`. It opens only in the same `context`: the key of the record that holds it.
    ///
    /// # Panics
    /// When the kernel gives no randomness.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Sealed {
        seal(&self.0, context, plain)
    }

    /// What was sealed. `None`: under another key, in another context, or it was changed.
    pub fn open(&self, context: &str, sealed: &Sealed) -> Option<Vec<u8>> {
        open(&self.0, context, sealed)
    }
}

/// [`RootKey::seal`] with another key, such as a data key of KMS.
///
/// # Panics
/// When the kernel gives no randomness.
pub fn seal(key: &[u8; ROOT_KEY_BYTES], context: &str, plain: &[u8]) -> Sealed {
    let mut salt = [0; SALT_BYTES];
    fill(&mut salt);
    let (key, nonce) = derived(key, &salt);
    let mut body = plain.to_vec();
    let aad = Aad::from(context.as_bytes());
    let tag = key
        .seal_in_place_separate_tag(nonce, aad, &mut body)
        .expect("no value is as long as AES-GCM's limit");
    let mut bytes = Vec::with_capacity(1 + SALT_BYTES + body.len() + TAG_BYTES);
    bytes.push(FORM);
    bytes.extend_from_slice(&salt);
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(tag.as_ref());
    Sealed(bytes)
}

/// [`RootKey::open`] with another key.
pub fn open(key: &[u8; ROOT_KEY_BYTES], context: &str, sealed: &Sealed) -> Option<Vec<u8>> {
    let (&form, rest) = sealed.0.split_first()?;
    let (salt, body) = rest.split_at_checked(SALT_BYTES)?;
    if form != FORM {
        return None;
    }
    let (key, nonce) = derived(key, salt);
    let mut body = body.to_vec();
    let aad = Aad::from(context.as_bytes());
    let plain_bytes = key.open_in_place(nonce, aad, &mut body).ok()?.len();
    body.truncate(plain_bytes);
    Some(body)
}

/// The key and nonce of one value. They are used once, so that no number of values wears the
/// key out.
fn derived(key: &[u8; ROOT_KEY_BYTES], salt: &[u8]) -> (LessSafeKey, Nonce) {
    let root = Salt::new(HKDF_SHA256, salt).extract(key);
    let mut material = [0; AES_KEY_BYTES + NONCE_LEN];
    root.expand(&[b"neargate sealing"], Material)
        .and_then(|okm| okm.fill(&mut material))
        .expect("HKDF gives as many bytes");
    let (key, nonce) = material.split_at(AES_KEY_BYTES);
    let key = UnboundKey::new(&AES_256_GCM, key).expect("a key of AES-256 has 32 bytes");
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce has 12 bytes");
    material.zeroize();
    (LessSafeKey::new(key), nonce)
}

const AES_KEY_BYTES: usize = 32;

/// How much HKDF is asked for.
struct Material;

impl KeyType for Material {
    fn len(&self) -> usize {
        AES_KEY_BYTES + NONCE_LEN
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(***)")
    }
}

/// What was sealed: base64 text in stored forms.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sealed(Vec<u8>);

impl Sealed {
    pub fn from_bytes(bytes: Vec<u8>) -> Sealed {
        Sealed(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Sealed> for String {
    fn from(sealed: Sealed) -> String {
        STANDARD.encode(sealed.0)
    }
}

impl TryFrom<String> for Sealed {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Sealed, base64::DecodeError> {
        STANDARD.decode(text).map(Sealed)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Fills with randomness fit for keys: the kernel's, whatever seed a test gives the house.
///
/// # Panics
/// When the kernel gives none.
pub fn fill(bytes: &mut [u8]) {
    let filled = SystemRandom::new().fill(bytes);
    filled.expect("the kernel gives randomness");
}

/// A new secret access key: forty characters, as AWS's have.
///
/// # Panics
/// When the kernel gives no randomness.
pub fn access_secret() -> Secret<String> {
    let mut bytes = [0; 30];
    fill(&mut bytes);
    let secret = Secret::new(STANDARD.encode(bytes));
    bytes.zeroize();
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_context_open() {
        let key = RootKey::new([7; ROOT_KEY_BYTES]);
        for plain in [&b""[..], b"hunter2", &[0; 70_000]] {
            let sealed = key.seal("a/b", plain);
            assert_eq!(key.open("a/b", &sealed).as_deref(), Some(plain));
            assert_eq!(key.open("a/c", &sealed), None);
            assert_eq!(RootKey::random().open("a/b", &sealed), None);
            for at in [0, 1, sealed.0.len() - 1] {
                let mut changed = sealed.clone();
                changed.0[at] ^= 1;
                assert_eq!(key.open("a/b", &changed), None, "{at}");
            }
        }
        assert_eq!(key.open("a/b", &Sealed(Vec::new())), None);
        assert_ne!(key.seal("a", b"x"), key.seal("a", b"x"));
    }

    #[test]
    fn it_prints_nothing_and_is_stored_as_text() {
        let key = RootKey::new([7; ROOT_KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "RootKey(***)");
        let sealed = key.seal("k", b"plain");
        let json = serde_json::to_string(&sealed).unwrap();
        let read: Sealed = serde_json::from_str(&json).unwrap();
        assert_eq!(key.open("k", &read).unwrap(), b"plain");
        assert!(serde_json::from_str::<Sealed>("\"%\"").is_err());
    }

    /// What was sealed by an earlier version still opens.
    #[test]
    fn the_form_is_pinned() {
        let key = RootKey::new([7; ROOT_KEY_BYTES]);
        let sealed = Sealed::try_from(PINNED.to_owned()).unwrap();
        assert_eq!(key.open("golden", &sealed).unwrap(), b"plain");
    }

    const PINNED: &str = "AQABAgMEBQYHCAkKCwwNDg+gS1HQdKrxwmpznXLZkzG1C0KK6jY=";
}
