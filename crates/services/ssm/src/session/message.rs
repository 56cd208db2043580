//! The messages of a data channel, as AWS's session-manager-plugin reads and writes them
//! (aws/session-manager-plugin, `src/message/clientmessage.go`). Pure.
//!
//! ```text
//! | header length 4 | type 32 | schema version 4 | created 8 | sequence 8 | flags 8 |
//! | message id 16 | SHA-256 of the payload 32 | payload type 4 | payload length 4 | payload |
//! ```
//! Numbers are big-endian; the halves of a message id are the other way round.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub const INPUT: &str = "input_stream_data";
pub const OUTPUT: &str = "output_stream_data";
pub const ACKNOWLEDGE: &str = "acknowledge";
pub const CHANNEL_CLOSED: &str = "channel_closed";
pub const START_PUBLICATION: &str = "start_publication";
pub const PAUSE_PUBLICATION: &str = "pause_publication";

const TYPE_BYTES: usize = 32;
const DIGEST: usize = 80;
const PAYLOAD_TYPE: usize = 112;
/// What the header length says: where the payload's length is.
const HEADER_BYTES: usize = 116;
const PAYLOAD: usize = HEADER_BYTES + 4;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The agent of a container.
    Container,
    Client,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Payload {
    None = 0,
    /// What is typed and shown, or passes through a port.
    Output = 1,
    Size = 3,
    HandshakeRequest = 5,
    HandshakeResponse = 6,
    HandshakeComplete = 7,
    ChallengeRequest = 8,
    ChallengeResponse = 9,
    Flag = 10,
}

/// What a flag says.
pub mod flag {
    /// The client's connection to the port has ended; another may come.
    pub const DISCONNECT_TO_PORT: u32 = 1;
    pub const TERMINATE_SESSION: u32 = 2;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub kind: String,
    pub created_millis: u64,
    pub sequence: i64,
    pub flags: u64,
    pub id: [u8; 16],
    /// May be one that we do not know.
    pub payload_type: u32,
    pub payload: Vec<u8>,
}

impl Message {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(PAYLOAD + self.payload.len());
        out.extend((HEADER_BYTES as u32).to_be_bytes());
        let mut kind = [b' '; TYPE_BYTES];
        kind[..self.kind.len()].copy_from_slice(self.kind.as_bytes());
        out.extend(kind);
        out.extend(1_u32.to_be_bytes());
        out.extend(self.created_millis.to_be_bytes());
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        out.extend(&self.id[8..]);
        out.extend(&self.id[..8]);
        out.extend(Sha256::digest(&self.payload));
        out.extend(self.payload_type.to_be_bytes());
        let length = u32::try_from(self.payload.len()).expect("payloads are a few KiB");
        out.extend(length.to_be_bytes());
        out.extend(&self.payload);
        out
    }

    /// `None`: it is no message, or not the one that was sent.
    pub fn decode(bytes: &[u8]) -> Option<Message> {
        let header = u32::from_be_bytes(array(bytes, 0)?) as usize;
        if header < HEADER_BYTES {
            return None;
        }
        let payload = bytes.get(header.checked_add(4)?..)?;
        let digest: [u8; 32] = array(bytes, DIGEST)?;
        if !payload.is_empty() && Sha256::digest(payload).as_slice() != digest {
            return None;
        }
        let kind = bytes.get(4..4 + TYPE_BYTES)?;
        let kind = std::str::from_utf8(kind).ok()?;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&array::<8>(bytes, 64)?);
        id[..8].copy_from_slice(&array::<8>(bytes, 72)?);
        Some(Message {
            kind: kind.trim_matches(['\0', ' ']).to_owned(),
            created_millis: u64::from_be_bytes(array(bytes, 40)?),
            sequence: i64::from_be_bytes(array(bytes, 48)?),
            flags: u64::from_be_bytes(array(bytes, 56)?),
            id,
            payload_type: u32::from_be_bytes(array(bytes, PAYLOAD_TYPE)?),
            payload: payload.to_owned(),
        })
    }

    pub fn is(&self, payload: Payload) -> bool {
        self.payload_type == payload as u32
    }

    /// Its id as text.
    pub fn uuid(&self) -> String {
        let hex: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (a, b, c, d, e) = (
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..],
        );
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The first text on a connection.
#[derive(Debug, Deserialize)]
pub struct OpenDataChannel {
    #[serde(rename = "TokenValue")]
    pub token: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Acknowledged {
    pub acknowledged_message_type: String,
    pub acknowledged_message_id: String,
    pub acknowledged_message_sequence_number: i64,
    pub is_sequential_message: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChannelClosed<'a> {
    pub message_id: String,
    pub created_date: String,
    pub destination_id: &'a str,
    pub session_id: &'a str,
    pub message_type: &'static str,
    pub schema_version: u32,
    /// Empty: it has just ended.
    pub output: &'a str,
    /// AWS's plugin passes it over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// As a client of our own reads it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ChannelEnd {
    pub output: String,
    #[serde(default)]
    pub exit_code: Option<i32>,
}

#[derive(Debug, Deserialize)]
pub struct Size {
    pub cols: u32,
    pub rows: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    #[serde(default)]
    pub processed_client_actions: Vec<ProcessedAction>,
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

/// What a client did of what it was asked.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    pub action_type: String,
    #[serde(default)]
    pub action_result: serde_json::Value,
}
