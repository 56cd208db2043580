//! `gelf`: each line a JSON document, for Graylog and its like
//! (<https://docs.docker.com/engine/logging/drivers/gelf/>,
//! <https://go2docs.graylog.org/current/getting_in_log_data/gelf.html>).

use super::options::Options;
use super::reach::{Address, Reach, Wire};
use super::{About, Sink};
use crate::runtime::Record;
use async_trait::async_trait;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Map, Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};

const OPTIONS: [&str; 5] = [
    "gelf-address",
    "gelf-compression-type",
    "gelf-compression-level",
    "gelf-tcp-max-reconnect",
    "gelf-tcp-reconnect-delay",
];
const ERROR: u8 = 3;
const INFO: u8 = 6;
/// A datagram of the usual path, and its head as one of several.
const DATAGRAM_BYTES: usize = 1420;
const HEAD_BYTES: usize = 12;
const MOST_CHUNKS: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Zlib,
    None,
}

#[derive(Debug)]
pub struct Gelf {
    wire: Wire,
    packing: Packing,
    level: u32,
    /// What every document has beside its line.
    fields: Map<String, Value>,
    /// Names messages that are sent in parts: a receiver tells those of several containers apart.
    id: u64,
}

impl Gelf {
    /// # Errors
    /// Docker's words for options that its driver does not take.
    pub fn new(options: &Options, about: &About, reach: Reach) -> Result<Gelf, String> {
        options.only(&OPTIONS)?;
        let given = options
            .get("gelf-address")
            .ok_or("gelf: gelf-address is a required parameter")?;
        let address = Address::parse(given, "", 12201)
            .ok()
            .filter(|a| matches!(a, Address::Tcp(..) | Address::Udp(..)))
            .ok_or("gelf: endpoint needs to be TCP or UDP")?;
        let packing = match options.get("gelf-compression-type") {
            _ if address.is_stream() => Packing::None,
            None | Some("gzip") => Packing::Gzip,
            Some("zlib") => Packing::Zlib,
            Some("none") => Packing::None,
            Some(other) => {
                return Err(format!(
                    "gelf: invalid compression type {other:?}; known are gzip, zlib and none"
                ));
            }
        };
        let mut fields = Map::new();
        for (name, value) in [
            ("_container_id", &about.id),
            ("_container_name", &about.name),
            ("_image_id", &about.image_id),
            ("_image_name", &about.image),
            ("_command", &about.command),
            ("_tag", &options.tag(about)?),
        ] {
            fields.insert(name.to_owned(), json!(value));
        }
        for (name, value) in options.attributes(about)? {
            fields.insert(format!("_{name}"), json!(value));
        }
        fields.insert("version".into(), json!("1.1"));
        fields.insert("host".into(), json!(about.host));
        let level = options.number("gelf-compression-level")?;
        let mut hasher = DefaultHasher::new();
        about.id.hash(&mut hasher);
        let id = hasher.finish();
        Ok(Gelf {
            wire: Wire::new(reach, address),
            packing,
            level: level
                .and_then(|l| u32::try_from(l).ok())
                .unwrap_or(1)
                .min(9),
            fields,
            id,
        })
    }

    fn document(&self, line: &Record<'_>) -> Vec<u8> {
        let mut document = self.fields.clone();
        let text = String::from_utf8_lossy(line.message);
        let level = if line.stderr { ERROR } else { INFO };
        document.insert("short_message".into(), json!(text));
        document.insert("timestamp".into(), json!(line.timestamp.as_secs_f64()));
        document.insert("level".into(), json!(level));
        Value::Object(document).to_string().into_bytes()
    }

    fn packed(&self, document: Vec<u8>) -> io::Result<Vec<u8>> {
        let level = Compression::new(self.level);
        match self.packing {
            Packing::None => Ok(document),
            Packing::Gzip => {
                let mut packer = GzEncoder::new(Vec::new(), level);
                packer.write_all(&document)?;
                packer.finish()
            }
            Packing::Zlib => {
                let mut packer = ZlibEncoder::new(Vec::new(), level);
                packer.write_all(&document)?;
                packer.finish()
            }
        }
    }
}

/// As few datagrams as a message takes; none if it takes more than a receiver puts together.
pub(super) fn chunks(message: &[u8], id: u64) -> Vec<Vec<u8>> {
    if message.len() <= DATAGRAM_BYTES {
        return vec![message.to_owned()];
    }
    let parts: Vec<&[u8]> = message.chunks(DATAGRAM_BYTES - HEAD_BYTES).collect();
    let Some(count) = u8::try_from(parts.len())
        .ok()
        .filter(|_| parts.len() <= MOST_CHUNKS)
    else {
        return Vec::new();
    };
    let chunk = |(number, part): (u8, &&[u8])| {
        let mut chunk = vec![0x1e, 0x0f];
        chunk.extend_from_slice(&id.to_be_bytes());
        chunk.extend_from_slice(&[number, count]);
        chunk.extend_from_slice(part);
        chunk
    };
    (0..count).zip(&parts).map(chunk).collect()
}

#[async_trait]
impl Sink for Gelf {
    async fn probe(&mut self) -> io::Result<()> {
        self.wire.connect().await
    }

    async fn send(&mut self, lines: &[Record<'_>]) -> io::Result<()> {
        if self.wire.is_stream() {
            let mut documents = Vec::new();
            for line in lines {
                documents.extend(self.document(line));
                documents.push(0);
            }
            return self.wire.send(&documents).await;
        }
        for line in lines {
            let message = self.packed(self.document(line))?;
            self.id = self.id.wrapping_add(1);
            for chunk in chunks(&message, self.id) {
                self.wire.datagram(&chunk).await?;
            }
        }
        Ok(())
    }
}
