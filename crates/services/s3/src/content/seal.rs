//! The encryption of what lies in an extent.
//!
//! Each extent has a key of its own, derived from a master key (the installation's, or the one that
//! the customer brings) and the extent's salt. Its bytes are cut in frames, each sealed by
//! AES-256-GCM with the frame's number as the nonce, so that any range can be read, and frames can be
//! neither changed nor exchanged. How many bytes there are is in the record.

use neargate_base::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use std::ops::Range;

/// The bytes of a frame before they are sealed.
pub const FRAME_BYTES: u64 = 64 << 10;
/// What sealing adds.
pub const TAG_BYTES: u64 = 16;

/// What the keys of extents are derived from.
#[derive(Debug, Clone)]
pub struct Master(Secret<[u8; 32]>);

/// The key of one extent.
pub struct Key(LessSafeKey);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Master {
    pub fn new(key: [u8; 32]) -> Master {
        Master(Secret::new(key))
    }

    /// The key of the extent with this salt.
    pub fn key(&self, salt: &str) -> Key {
        let master = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        let derived = hmac::sign(&master, format!("neargate s3 extent {salt}").as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, derived.as_ref());
        Key(LessSafeKey::new(
            key.expect("an HMAC-SHA256 has a key's length"),
        ))
    }
}

impl Key {
    /// Seals the frames that `plain` is, the first of which has this number, and appends them to
    /// `out`. All but the last of an extent must be whole.
    pub fn seal(&self, mut number: u64, plain: &[u8], out: &mut Vec<u8>) {
        for frame in plain.chunks(FRAME_BYTES as usize) {
            let begin = out.len();
            out.extend_from_slice(frame);
            let tag = self
                .0
                .seal_in_place_separate_tag(nonce(number), Aad::empty(), &mut out[begin..])
                .expect("a frame is shorter than AES-GCM's limit");
            out.extend_from_slice(tag.as_ref());
            number += 1;
        }
    }

    /// Opens one frame in place; how long it is then. `None`: it is not what was sealed.
    pub fn open(&self, number: u64, frame: &mut [u8]) -> Option<usize> {
        let opened = self.0.open_in_place(nonce(number), Aad::empty(), frame);
        opened.ok().map(|plain| plain.len())
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// How many bytes `plain` bytes take when they are sealed.
pub fn sealed_bytes(plain: u64) -> u64 {
    plain + plain.div_ceil(FRAME_BYTES) * TAG_BYTES
}

/// Where the frames lie that hold this range of what was sealed.
pub fn frames(range: &Range<u64>) -> Range<u64> {
    range.start / FRAME_BYTES..range.end.div_ceil(FRAME_BYTES)
}
