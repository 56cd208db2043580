//! The bytes of objects: how they come in, are hashed, sealed and kept, and are read again.
//!
//! Memory is bounded: a batch is sealed and written while the next arrives, and one piece is read
//! ahead of who takes it. It knows no buckets and no records.

pub mod checksum;
mod crc;
pub mod read;
pub mod seal;
pub mod source;
pub mod write;

use neargate_blob::Extents;
use seal::Master;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A run of bytes that an object has, in an extent of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The extent's name.
    #[serde(rename = "n")]
    pub name: String,
    /// What its key is derived with, where that is not its name: it is a copy.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// Before sealing.
    #[serde(rename = "b")]
    pub bytes: u64,
}

impl Piece {
    pub fn salt(&self) -> &str {
        self.salt.as_deref().unwrap_or(&self.name)
    }
}

/// Where bytes are kept, and under which key.
#[derive(Debug, Clone)]
pub struct Place {
    pub extents: Arc<Extents>,
    pub master: Master,
}

#[cfg(test)]
mod tests;
