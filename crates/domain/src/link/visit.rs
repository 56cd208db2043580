//! What goes to and fro when somebody at the control plane is let into a container of a node elsewhere: a
//! program on a terminal, or a connection from inside the container's network.
//!
//! The control plane asks by [`crate::link::Frame::Visit`]; the node opens a request whose body is what
//! the container's side says, and whose answer is what its visitor says. Either body's end is the end of
//! that direction, a break is the end of both.
//!
//! ```text
//! node     Opened (Bytes)* Ended?      or      Failed
//! visitor  (Bytes | Size)*
//! ```
//! On the wire each is a byte that names it, four bytes of length, most significant first, and so many
//! bytes.

use serde::{Deserialize, Serialize};
use std::net::SocketAddrV4;

/// The query with which a node asks for assignments that takes visitors.
pub const VISITS: &str = "visits";

/// The most bytes of one piece.
const MOST_BYTES: usize = 64 << 10;
const HEAD_BYTES: usize = 5;

/// Who is to be let in, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// Names the request that the node opens.
    pub id: String,
    pub task_id: String,
    /// The container's name.
    pub container: String,
    pub to: VisitTo,
}

/// What the visitor wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VisitTo {
    /// A program on a terminal, with its arguments.
    Terminal(Vec<String>),
    /// A TCP connection from inside the container's network.
    Port(SocketAddrV4),
}

/// One thing that either side says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The visitor is in; the node says it once, first.
    Opened,
    /// Why not, as its user is told; the node says nothing more.
    Failed(String),
    Bytes(Vec<u8>),
    /// The terminal's size from now on; its visitor says it.
    Size {
        columns: u16,
        rows: u16,
    },
    /// The program's exit code; the node says nothing more.
    Ended(i32),
}

/// What nobody says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is nothing that is said to a visitor")]
pub struct Unsaid;

impl Said {
    /// As it goes over the wire.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = match self {
            Said::Opened => (0, Vec::new()),
            Said::Failed(why) => (1, why.as_bytes().to_vec()),
            Said::Bytes(bytes) => (2, bytes.clone()),
            Said::Size { columns, rows } => {
                (3, [columns.to_be_bytes(), rows.to_be_bytes()].concat())
            }
            Said::Ended(code) => (4, code.to_be_bytes().to_vec()),
        };
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        [&[kind], &length.to_be_bytes()[..], &body].concat()
    }

    /// The first that the bytes hold whole, and how many bytes it took.
    ///
    /// # Errors
    /// When no more is understood.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Said, usize)>, Unsaid> {
        let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else {
            return Ok(None);
        };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        let length = usize::try_from(length).map_err(|_| Unsaid)?;
        if length > MOST_BYTES {
            return Err(Unsaid);
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let said = match (head[0], body) {
            (0, []) => Said::Opened,
            (1, why) => Said::Failed(String::from_utf8_lossy(why).into_owned()),
            (2, bytes) => Said::Bytes(bytes.to_vec()),
            (3, &[c1, c2, r1, r2]) => Said::Size {
                columns: u16::from_be_bytes([c1, c2]),
                rows: u16::from_be_bytes([r1, r2]),
            },
            (4, &[a, b, c, d]) => Said::Ended(i32::from_be_bytes([a, b, c, d])),
            _ => return Err(Unsaid),
        };
        Ok(Some((said, HEAD_BYTES + length)))
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, Unsaid};

    #[test]
    fn what_is_said_arrives_in_whatever_pieces() {
        let all = [
            Said::Opened,
            Said::Bytes(b"hello".to_vec()),
            Said::Size {
                columns: 300,
                rows: 2,
            },
            Said::Failed("no such program".into()),
            Said::Ended(-1),
        ];
        let wire: Vec<u8> = all.iter().flat_map(Said::encode).collect();
        let (mut seen, mut buffer) = (Vec::new(), Vec::new());
        for byte in wire {
            buffer.push(byte);
            while let Some((said, taken)) = Said::decode(&buffer).unwrap() {
                seen.push(said);
                buffer.drain(..taken);
            }
        }
        assert_eq!((seen.as_slice(), buffer.len()), (&all[..], 0));
    }

    #[test]
    fn what_nobody_says_is_refused() {
        for bad in [
            &[9, 0, 0, 0, 0][..],
            &[0, 0, 0, 0, 1, 7],
            &[2, 255, 0, 0, 0],
            &[3, 0, 0, 0, 1, 1],
        ] {
            assert_eq!(Said::decode(bad), Err(Unsaid), "{bad:?}");
        }
        assert_eq!(Said::decode(&[2, 0, 0, 0, 3, 1]), Ok(None));
    }
}
