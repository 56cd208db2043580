//! A message as its sender sent it: what is kept of it in the journal, sealed or not, and the digests by which clients
//! check that it came whole.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use neargate_service::data_keys::DataKey;
use neargate_service::sealing::{self, RootKey, Sealed};
use sha2::Sha256;
use std::collections::BTreeMap;

/// What a message attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    pub data_type: String,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Text(String),
    Binary(Bytes),
}

impl Attribute {
    fn bytes(&self) -> &[u8] {
        match &self.value {
            Value::Text(text) => text.as_bytes(),
            Value::Binary(bytes) => bytes,
        }
    }
}

pub type Attributes = BTreeMap<String, Attribute>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub body: String,
    pub attributes: Attributes,
    /// `AWSTraceHeader`, the one system attribute that is sent.
    pub trace: Option<String>,
    pub sender: String,
    pub group: Option<String>,
    pub dedup: Option<String>,
}

/// What is kept cannot be read: damage, or another root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message that is kept cannot be read")]
pub struct Unreadable;

const PLAIN: u8 = 0;
/// Under the root key.
const SEALED: u8 = 1;
/// Under a data key of KMS, which stands before it with the ARN of the queue that it is bound to.
const BY_DATA_KEY: u8 = 2;

/// How a message is kept.
#[derive(Debug, Clone, Copy)]
pub enum Seal<'a> {
    /// With a checksum only.
    None,
    Root(&'a RootKey),
    /// Of the queue with this ARN.
    Kms(&'a DataKey, &'a str),
}

/// What stands before a message that was sealed under a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The data key, as KMS encrypted it.
    pub encrypted_key: &'a [u8],
    /// The queue that it was sent to.
    pub queue_arn: &'a str,
    sealed: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// `None`: it was sealed otherwise.
    pub fn of(kept: &'a [u8]) -> Option<Envelope<'a>> {
        let (&BY_DATA_KEY, mut rest) = kept.split_first()? else {
            return None;
        };
        Some(Envelope {
            encrypted_key: take_some(&mut rest).ok()?,
            queue_arn: std::str::from_utf8(take_some(&mut rest).ok()?).ok()?,
            sealed: rest,
        })
    }

    /// The message.
    pub fn open(&self, key: &DataKey, id: &[u8; 16]) -> Result<Content, Unreadable> {
        let sealed = Sealed::from_bytes(self.sealed.to_vec());
        let plain = sealing::open(key.expose(), &context(id), &sealed);
        Content::parse(&plain.ok_or(Unreadable)?)
    }
}

impl Content {
    /// So many bytes count against the limit of a message.
    pub fn size_bytes(&self) -> u64 {
        let attribute =
            |(name, a): (&String, &Attribute)| name.len() + a.data_type.len() + a.bytes().len();
        let attributes: usize = self.attributes.iter().map(attribute).sum();
        (self.body.len() + attributes) as u64
    }

    /// As it is kept.
    pub fn keep(&self, seal: Seal<'_>, id: &[u8; 16]) -> Vec<u8> {
        let mut plain = Vec::with_capacity(self.body.len() + 64);
        text(&mut plain, &self.body);
        text(&mut plain, &self.sender);
        for part in [&self.trace, &self.group, &self.dedup] {
            plain.push(u8::from(part.is_some()));
            text(&mut plain, part.as_deref().unwrap_or_default());
        }
        for (name, attribute) in &self.attributes {
            text(&mut plain, name);
            text(&mut plain, &attribute.data_type);
            plain.push(u8::from(matches!(attribute.value, Value::Binary(_))));
            some(&mut plain, attribute.bytes());
        }
        let mut kept = Vec::with_capacity(plain.len() + 48);
        match seal {
            Seal::Root(key) => {
                kept.push(SEALED);
                kept.extend_from_slice(key.seal(&context(id), &plain).as_bytes());
            }
            Seal::Kms(key, queue_arn) => {
                kept.push(BY_DATA_KEY);
                some(&mut kept, &key.encrypted);
                text(&mut kept, queue_arn);
                let sealed = sealing::seal(key.expose(), &context(id), &plain);
                kept.extend_from_slice(sealed.as_bytes());
            }
            Seal::None => {
                kept.push(PLAIN);
                kept.extend_from_slice(&crc32fast::hash(&plain).to_le_bytes());
                kept.extend_from_slice(&plain);
            }
        }
        kept
    }

    /// What was kept, but for what was sealed under a data key.
    pub fn read(key: &RootKey, id: &[u8; 16], kept: &[u8]) -> Result<Content, Unreadable> {
        let (form, rest) = kept.split_first().ok_or(Unreadable)?;
        let plain = match *form {
            SEALED => {
                let sealed = Sealed::from_bytes(rest.to_vec());
                key.open(&context(id), &sealed).ok_or(Unreadable)?
            }
            PLAIN => {
                let (crc, plain) = rest.split_at_checked(4).ok_or(Unreadable)?;
                if crc != crc32fast::hash(plain).to_le_bytes() {
                    return Err(Unreadable);
                }
                plain.to_vec()
            }
            _ => return Err(Unreadable),
        };
        Content::parse(&plain)
    }

    fn parse(mut input: &[u8]) -> Result<Content, Unreadable> {
        let mut content = Content {
            body: take_text(&mut input)?,
            sender: take_text(&mut input)?,
            ..Content::default()
        };
        for part in [&mut content.trace, &mut content.group, &mut content.dedup] {
            let is_some = take(&mut input, 1)?[0] == 1;
            let text = take_text(&mut input)?;
            *part = is_some.then_some(text);
        }
        while !input.is_empty() {
            let (name, data_type) = (take_text(&mut input)?, take_text(&mut input)?);
            let is_binary = take(&mut input, 1)?[0] == 1;
            let value = match is_binary {
                true => Value::Binary(Bytes::copy_from_slice(take_some(&mut input)?)),
                false => Value::Text(take_text(&mut input)?),
            };
            content
                .attributes
                .insert(name, Attribute { data_type, value });
        }
        Ok(content)
    }
}

fn context(id: &[u8; 16]) -> String {
    format!("sqs/message/{}", hex::encode(id))
}

fn some(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn text(out: &mut Vec<u8>, text: &str) {
    some(out, text.as_bytes());
}

fn take<'a>(input: &mut &'a [u8], count: usize) -> Result<&'a [u8], Unreadable> {
    let (taken, rest) = input.split_at_checked(count).ok_or(Unreadable)?;
    *input = rest;
    Ok(taken)
}

fn take_some<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], Unreadable> {
    let len: [u8; 4] = take(input, 4)?.try_into().map_err(|_| Unreadable)?;
    take(input, u32::from_le_bytes(len) as usize)
}

fn take_text(input: &mut &[u8]) -> Result<String, Unreadable> {
    String::from_utf8(take_some(input)?.to_vec()).map_err(|_| Unreadable)
}

/// The MD5 of a body, as clients compute it.
pub fn md5_of(text: &str) -> String {
    hex::encode(Md5::digest(text.as_bytes()))
}

/// The MD5 of message attributes; `None` when there are none
/// (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>).
pub fn md5_of_attributes<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let mut hash = Md5::new();
    let mut any = false;
    for (name, attribute) in attributes {
        any = true;
        for part in [name.as_bytes(), attribute.data_type.as_bytes()] {
            hash.update((part.len() as u32).to_be_bytes());
            hash.update(part);
        }
        hash.update([match attribute.value {
            Value::Text(_) => 1,
            Value::Binary(_) => 2,
        }]);
        let value = attribute.bytes();
        hash.update((value.len() as u32).to_be_bytes());
        hash.update(value);
    }
    any.then(|| hex::encode(hash.finalize()))
}

/// The `MessageDeduplicationId` of a message that has none.
pub fn content_id(body: &str) -> String {
    hex::encode(Sha256::digest(body.as_bytes()))
}

/// A hash that nobody makes without the installation's root key.
fn keyed(key: &RootKey, what: &[&[u8]]) -> [u8; 16] {
    let mac = Hmac::<Sha256>::new_from_slice(key.expose());
    let mut mac = mac.expect("HMAC takes keys of any length");
    for part in what {
        mac.update(&(part.len() as u64).to_le_bytes());
        mac.update(part);
    }
    let all: [u8; 32] = mac.finalize().into_bytes().into();
    let mut first = [0; 16];
    first.copy_from_slice(&all[..16]);
    first
}

/// By what the engine knows duplicates.
pub fn dedup_key(key: &RootKey, queue: u64, group: Option<&str>, id: &str) -> [u8; 16] {
    let group = group.unwrap_or_default().as_bytes();
    keyed(
        key,
        &[b"sqs dedup", &queue.to_le_bytes(), group, id.as_bytes()],
    )
}

/// What a receipt handle stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub seq: u64,
    pub received: u32,
}

impl Receipt {
    /// The handle of a message that was received. Nobody else can make one.
    pub fn handle(self, key: &RootKey, queue: u64) -> String {
        let mut bytes = [0; 28];
        bytes[..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.received.to_le_bytes());
        let mac = keyed(key, &[b"sqs receipt", &queue.to_le_bytes(), &bytes[..12]]);
        bytes[12..].copy_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// `None`: it is no handle of this queue's.
    pub fn read(key: &RootKey, queue: u64, handle: &str) -> Option<Receipt> {
        let bytes = URL_SAFE_NO_PAD.decode(handle).ok()?;
        let bytes: [u8; 28] = bytes.try_into().ok()?;
        let mac = keyed(key, &[b"sqs receipt", &queue.to_le_bytes(), &bytes[..12]]);
        // The handle only saves its holder from mistakes: whoever may use the queue may receive what is in it.
        if mac != bytes[12..] {
            return None;
        }
        Some(Receipt {
            seq: u64::from_le_bytes(bytes[..8].try_into().ok()?),
            received: u32::from_le_bytes(bytes[8..12].try_into().ok()?),
        })
    }
}

/// A message's id as it is written.
pub fn uuid(id: &[u8; 16]) -> String {
    let hex = hex::encode(id);
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32)
    )
}

/// Sequence numbers have twenty digits, as AWS's have.
pub fn sequence_number(seq: u64) -> String {
    (18_849_496_460_467_696_128_u128 + u128::from(seq)).to_string()
}
