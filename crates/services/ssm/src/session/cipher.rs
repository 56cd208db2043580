//! What passes between client and container, encrypted under a data key of the cluster's `kmsKeyId`
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html#ecs-exec-logging>).
//!
//! The client has KMS make the key; the container's side has it decrypted under the task's role. Each
//! half is for one direction: AES-256-GCM, the nonce in front.

use neargate_api_kms as kms;
use neargate_base::Rng;
use neargate_service::session::Session;
use neargate_service::{Caller, House};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::sync::Arc;

const KEY_BYTES: usize = 32;

/// Both directions, as the container's side has them.
#[derive(Debug)]
pub struct Cipher {
    sends: LessSafeKey,
    receives: LessSafeKey,
}

impl Cipher {
    /// `key`: both halves.
    pub fn new(key: &[u8]) -> Option<Cipher> {
        let (sends, receives) = key.split_at_checked(KEY_BYTES)?;
        let of = |half: &[u8]| Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, half).ok()?));
        Some(Cipher {
            sends: of(sends)?,
            receives: of(receives)?,
        })
    }

    /// The key that the client had made, decrypted. The error is what the client is told.
    pub async fn of_session(
        house: &Arc<House>,
        session: &Session,
        role: &str,
        ciphertext: Vec<u8>,
    ) -> Result<Cipher, String> {
        let context = [
            ("aws:ssm:SessionId", &session.wanted.id),
            ("aws:ssm:TargetId", &session.wanted.target),
        ];
        let context = context.map(|(name, value)| (name.to_owned(), value.clone()));
        let input = kms::DecryptInput {
            ciphertext_blob: Some(ciphertext.into()),
            encryption_context: Some(context.into()),
            ..Default::default()
        };
        let scope = &session.wanted.scope;
        let decrypted = Caller::call::<kms::ops::Decrypt>(house, scope, role, &input).await;
        let key = decrypted.map_err(|error| format!("Unable to retrieve data key, {error}"))?;
        let key = key.plaintext.unwrap_or_default();
        Cipher::new(&key).ok_or_else(|| "The data key has another length than 64 bytes.".to_owned())
    }

    pub fn seal(&self, rng: &Rng, text: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill(&mut nonce);
        let mut sealed = text.to_vec();
        let named = Nonce::assume_unique_for_key(nonce);
        let done = self
            .sends
            .seal_in_place_append_tag(named, Aad::empty(), &mut sealed);
        done.expect("a piece is shorter than AES-GCM's limit");
        [&nonce[..], &sealed].concat()
    }

    /// `None`: it is not from the client.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self
            .receives
            .open_in_place(nonce, Aad::empty(), &mut text)
            .ok()?;
        Some(opened.to_vec())
    }
}
