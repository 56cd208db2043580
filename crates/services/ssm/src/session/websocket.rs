//! WebSockets (RFC 6455), as far as a data channel needs it: no extension, no
//! subprotocol.

use super::message::Side;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// A longer message is none of a data channel's.
const LONGEST: u64 = 1 << 20;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    /// To be answered with a pong of the same content.
    Ping(Vec<u8>),
    Pong,
    Close,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// The last one: a code (section 7.4.1).
    Close(u16),
}

/// The headers that accept a client's opening handshake (section 4.2); `None`: it is none.
pub fn accept(headers: &HeaderMap) -> Option<[(HeaderName, HeaderValue); 3]> {
    let says = |name: &HeaderName, word: &str| {
        let values = headers.get_all(name).iter();
        let mut words = values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','));
        words.any(|w| w.trim().eq_ignore_ascii_case(word))
    };
    let version = HeaderName::from_static("sec-websocket-version");
    if !says(&UPGRADE, "websocket") || !says(&CONNECTION, "upgrade") || !says(&version, "13") {
        return None;
    }
    let key = headers.get("sec-websocket-key")?.to_str().ok()?.trim();
    let told = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, told.as_bytes());
    let accept = HeaderValue::from_str(&STANDARD.encode(digest)).ok()?;
    Some([
        (UPGRADE, HeaderValue::from_static("websocket")),
        (CONNECTION, HeaderValue::from_static("Upgrade")),
        (HeaderName::from_static("sec-websocket-accept"), accept),
    ])
}

/// Reads one whole message, or a control frame that comes between its parts. `side`: who reads.
///
/// # Errors
/// When the connection ends, or what comes is against the protocol.
pub async fn read(
    from: &mut (impl AsyncRead + Unpin),
    partial: &mut Option<(u8, Vec<u8>)>,
    side: Side,
) -> io::Result<Frame> {
    loop {
        let (is_last, opcode, content) = read_frame(from, side).await?;
        match opcode {
            CLOSE => return Ok(Frame::Close),
            PING => return Ok(Frame::Ping(content)),
            PONG => return Ok(Frame::Pong),
            CONTINUATION => match partial {
                Some((_, so_far)) if (so_far.len() + content.len()) as u64 <= LONGEST => {
                    so_far.extend(content);
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            },
            TEXT | BINARY if partial.is_none() => *partial = Some((opcode, content)),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
        if is_last && let Some((opcode, whole)) = partial.take() {
            return Ok(match opcode {
                TEXT => Frame::Text(whole),
                _ => Frame::Binary(whole),
            });
        }
    }
}

async fn read_frame(
    from: &mut (impl AsyncRead + Unpin),
    side: Side,
) -> io::Result<(bool, u8, Vec<u8>)> {
    let [first, second] = [from.read_u8().await?, from.read_u8().await?];
    let (is_last, opcode) = (first & 0x80 != 0, first & 0x0f);
    // Section 5.1: a client masks everything, a server nothing; 5.2: reserved bits belong to extensions.
    let is_masked = second & 0x80 != 0;
    let is_control = opcode & 0x08 != 0;
    let length = match second & 0x7f {
        126 => u64::from(from.read_u16().await?),
        127 => from.read_u64().await?,
        short => u64::from(short),
    };
    let is_bad_control = is_control && (!is_last || length > 125);
    let is_badly_masked = is_masked != (side == Side::Container);
    if is_badly_masked || first & 0x70 != 0 || length > LONGEST || is_bad_control {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    if is_masked {
        from.read_exact(&mut mask).await?;
    }
    let mut content = vec![0; usize::try_from(length).expect("checked above")];
    from.read_exact(&mut content).await?;
    for (byte, mask) in content.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok((is_last, opcode, content))
}

/// Writes one frame; a client gives a new random mask for each.
///
/// # Errors
/// When the connection takes it no more.
pub async fn write(
    to: &mut (impl AsyncWrite + Unpin),
    frame: Outgoing,
    mask: Option<[u8; 4]>,
) -> io::Result<()> {
    let (opcode, mut content) = match frame {
        Outgoing::Text(content) => (TEXT, content),
        Outgoing::Binary(content) => (BINARY, content),
        Outgoing::Pong(content) => (PONG, content),
        Outgoing::Close(code) => (CLOSE, code.to_be_bytes().to_vec()),
    };
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![0x80 | opcode];
    match content.len() {
        short @ 0..126 => bytes.push(masked | short as u8),
        long if long <= usize::from(u16::MAX) => {
            bytes.push(masked | 126);
            bytes.extend((long as u16).to_be_bytes());
        }
        longer => {
            bytes.push(masked | 127);
            bytes.extend((longer as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        bytes.extend(mask);
        for (byte, mask) in content.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
    }
    bytes.extend(content);
    to.write_all(&bytes).await?;
    to.flush().await
}
