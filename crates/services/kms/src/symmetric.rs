//! Symmetric keys: their material, and what they encrypt.
//!
//! A ciphertext says by which key and material it was made; it opens only with the encryption
//! context that it was made with.

use crate::error;
use crate::keys::{self, Found};
use crate::model::Material;
use neargate_service::sealing::{self, ROOT_KEY_BYTES, Sealed};
use neargate_service::{AwsError, Ctx, House};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// What a caller binds a ciphertext to; it is no secret.
pub(crate) type Context = BTreeMap<String, String>;

pub(crate) const DEFAULT: &str = "SYMMETRIC_DEFAULT";

/// The first byte of a ciphertext.
const FORM: u8 = 1;
const ACCOUNT_BYTES: usize = 12;
const KEY_BYTES: usize = 16;
const MATERIAL_BYTES: usize = 16;
const HEAD_BYTES: usize = 1 + ACCOUNT_BYTES + KEY_BYTES + MATERIAL_BYTES;

/// New material of a symmetric key; `rotated`: why it is made, if it is not the first.
pub(crate) fn new_material(house: &House, key_key: &str, rotated: Option<&str>) -> Material {
    let mut bytes = Zeroizing::new([0; ROOT_KEY_BYTES]);
    sealing::fill(&mut bytes[..]);
    material_of(house, key_key, &bytes[..], rotated)
}

/// The stored form of these bytes, for the key whose record is `key_key`.
pub(crate) fn material_of(
    house: &House,
    key_key: &str,
    bytes: &[u8],
    rotated: Option<&str>,
) -> Material {
    let mut salt = [0; 16];
    sealing::fill(&mut salt);
    let id = Sha256::new().chain_update(salt).chain_update(key_key);
    Material {
        id: hex::encode(id.finalize()),
        sealed: house.root_key.seal(key_key, bytes),
        public_key: None,
        made_at: house.now(),
        rotated: rotated.map(str::to_owned),
        valid_to: None,
    }
}

/// Imported material: its id follows from its bytes, so that it is known again.
pub(crate) fn imported_material(house: &House, key_key: &str, bytes: &[u8]) -> Material {
    let id = Sha256::new().chain_update(key_key).chain_update(bytes);
    Material {
        id: hex::encode(id.finalize()),
        ..material_of(house, key_key, bytes, None)
    }
}

/// The bytes of a key's material.
///
/// # Errors
/// It was sealed under another root key.
pub(crate) fn opened(
    house: &House,
    found: &Found,
    material: &Material,
) -> Result<Zeroizing<Vec<u8>>, AwsError> {
    let opened = house.root_key.open(&found.stored.key, &material.sealed);
    opened.map(Zeroizing::new).ok_or_else(|| not_ours(found))
}

/// The material of a key cannot be used: it was damaged.
pub(crate) fn not_ours(key: &Found) -> AwsError {
    AwsError::internal(NotOurs(key.arn()))
}

#[derive(Debug, thiserror::Error)]
#[error("the material of {0} is not what was sealed under this root key")]
struct NotOurs(String);

fn aes_key(bytes: &[u8]) -> Zeroizing<[u8; ROOT_KEY_BYTES]> {
    let mut key = Zeroizing::new([0; ROOT_KEY_BYTES]);
    key.copy_from_slice(bytes);
    key
}

/// What a ciphertext is bound to: the key, and the context in one form.
fn binding(arn: &str, context: &Context) -> String {
    let context = serde_json::to_string(context).expect("strings have a JSON form");
    format!("{arn} {context}")
}

/// # Errors
/// The key has no material.
pub(crate) fn encrypt(
    house: &House,
    key: &Found,
    context: &Context,
    plain: &[u8],
) -> Result<Vec<u8>, AwsError> {
    let material = key.current()?;
    let bytes = opened(house, key, material)?;
    let sealed = sealing::seal(&aes_key(&bytes), &binding(&key.arn(), context), plain);
    let mut blob = Vec::with_capacity(HEAD_BYTES + sealed.as_bytes().len());
    blob.push(FORM);
    blob.extend_from_slice(key.scope.account.as_str().as_bytes());
    blob.extend(hex::decode(key.id.replace('-', "")).expect("a UUID"));
    blob.extend_from_slice(&hex::decode(&material.id).expect("hexadecimal")[..MATERIAL_BYTES]);
    blob.extend_from_slice(sealed.as_bytes());
    Ok(blob)
}

/// Which key and material a ciphertext says that it was made by.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    account: &'a str,
    pub(crate) key_id: String,
    material: String,
    sealed: Sealed,
}

/// `None`: it is no ciphertext of ours.
pub(crate) fn read(blob: &[u8]) -> Option<Made<'_>> {
    let (head, sealed) = blob.split_at_checked(HEAD_BYTES)?;
    let (&form, head) = head.split_first()?;
    let (account, head) = head.split_at(ACCOUNT_BYTES);
    let (key, material) = head.split_at(KEY_BYTES);
    let digits = hex::encode(key);
    let key_id = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    (form == FORM).then_some(())?;
    Some(Made {
        account: str::from_utf8(account).ok()?,
        key_id: key_id.join("-"),
        material: hex::encode(material),
        sealed: Sealed::from_bytes(sealed.to_vec()),
    })
}

impl Made<'_> {
    /// Is its key the caller's account's own? That of another account must be named, so that its
    /// policy is asked.
    pub(crate) fn is_own(&self, cx: &Ctx) -> bool {
        self.account == cx.scope.account.as_str()
    }
}

/// The key that made this ciphertext.
///
/// # Errors
/// It is no ciphertext of ours, or its key is gone.
pub(crate) async fn key_of(cx: &Ctx, made: &Made<'_>) -> Result<Found, AwsError> {
    let account = made.account.parse();
    let scope = cx
        .scope
        .of_account(account.map_err(|_| error::invalid_ciphertext())?);
    let found = keys::by_id(&cx.house, &scope, &made.key_id).await;
    found.map_err(|e| match e.is("NotFoundException") {
        true => error::ciphertext_of_no_key(),
        false => e,
    })
}

/// The plain text, and the id of the material that it was encrypted by.
///
/// # Errors
/// Another context, another key, or the ciphertext was changed: which one is not said.
pub(crate) fn decrypt(
    house: &House,
    key: &Found,
    made: &Made<'_>,
    context: &Context,
) -> Result<(Vec<u8>, String), AwsError> {
    let mut materials = key.materials.iter();
    let material = materials.find(|m| m.id.starts_with(&made.material));
    let material = material.ok_or_else(error::invalid_ciphertext)?;
    let bytes = opened(house, key, material)?;
    let plain = sealing::open(
        &aes_key(&bytes),
        &binding(&key.arn(), context),
        &made.sealed,
    );
    let plain = plain.ok_or_else(error::invalid_ciphertext)?;
    Ok((plain, material.id.clone()))
}
