//! Bytes on their way into an extent: hashed, sealed and written in batches, off the async threads.

use super::checksum::{Algorithm, Summer};
use super::seal::{FRAME_BYTES, Key};
use super::source::Source;
use super::{Piece, Place};
use crate::error;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use neargate_base::task;
use neargate_blob::{BlobError, ExtentWriter, Held};
use neargate_service::AwsError;
use sha2::Sha256;

/// So much is gathered before it is worked on.
const BATCH_BYTES: usize = 1 << 20;

/// What is to be known of the bytes beside their MD5.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub sums: Vec<Algorithm>,
    /// The SHA-256 that the request's signature covers.
    pub sha256: bool,
    pub max_bytes: u64,
}

/// Bytes that are durable, and in no record yet: dropping it removes them.
#[derive(Debug)]
pub struct Written {
    /// `None`: there are no bytes.
    pub piece: Option<Piece>,
    held: Option<Held>,
    pub bytes: u64,
    pub md5: [u8; 16],
    sums: Vec<(Algorithm, String)>,
    /// In hexadecimal, when it was asked for.
    pub sha256: Option<String>,
}

impl Written {
    pub fn sum(&self, algorithm: Algorithm) -> Option<&str> {
        let found = self.sums.iter().find(|(a, _)| *a == algorithm);
        found.map(|(_, value)| value.as_str())
    }

    /// A durable record has them now.
    pub fn keep(self) {
        if let Some(held) = self.held {
            held.keep();
        }
    }
}

struct Work {
    place: Place,
    name: String,
    writer: Option<(ExtentWriter, Key)>,
    md5: Md5,
    sums: Vec<(Algorithm, Summer)>,
    sha256: Option<Sha256>,
    /// Less than a frame, not yet sealed.
    rest: Vec<u8>,
    frame: u64,
    bytes: u64,
}

/// Take everything `source` gives and make it durable in an extent of that name.
///
/// # Errors
/// The source's; `EntityTooLarge`; those of the disk. Nothing is left of it then.
pub async fn write(
    place: Place,
    name: String,
    source: &mut Source,
    wanted: &Wanted,
) -> Result<Written, AwsError> {
    let mut work = Work {
        place,
        name,
        writer: None,
        md5: Md5::new(),
        sums: wanted.sums.iter().map(|a| (*a, Summer::new(*a))).collect(),
        sha256: wanted.sha256.then(Sha256::new),
        rest: Vec::new(),
        frame: 0,
        bytes: 0,
    };
    let mut bytes = 0u64;
    let (mut batch, mut over) = gather(source).await?;
    loop {
        bytes += batch.iter().map(|b| b.len() as u64).sum::<u64>();
        if bytes > wanted.max_bytes {
            return Err(error::entity_too_large(bytes, wanted.max_bytes));
        }
        if over {
            let done = task::spawn_blocking(move || {
                work.take(&batch)?;
                work.finish()
            });
            return done
                .await
                .expect("writing does not panic")
                .map_err(error::blob);
        }
        let taken = task::spawn_blocking(move || work.take(&batch).map(|()| work));
        let (taken, next) = tokio::join!(taken, gather(source));
        work = taken
            .expect("writing does not panic")
            .map_err(error::blob)?;
        (batch, over) = next?;
    }
}

/// A batch, and whether it is the last.
async fn gather(source: &mut Source) -> Result<(Vec<Bytes>, bool), AwsError> {
    let (mut batch, mut length) = (Vec::new(), 0);
    while length < BATCH_BYTES {
        match source.next().await? {
            Some(piece) => {
                length += piece.len();
                batch.push(piece);
            }
            None => return Ok((batch, true)),
        }
    }
    Ok((batch, false))
}

impl Work {
    fn take(&mut self, batch: &[Bytes]) -> Result<(), BlobError> {
        for piece in batch {
            self.md5.update(piece);
            self.sums.iter_mut().for_each(|(_, s)| s.update(piece));
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(piece);
            }
            self.bytes += piece.len() as u64;
            self.rest.extend_from_slice(piece);
        }
        let whole = self.rest.len() - self.rest.len() % FRAME_BYTES as usize;
        self.seal(whole)
    }

    /// Seals and writes the first bytes of the rest.
    fn seal(&mut self, length: usize) -> Result<(), BlobError> {
        if length == 0 {
            return Ok(());
        }
        let (writer, key) = match &mut self.writer {
            Some(open) => open,
            none => {
                let writer = self.place.extents.create(&self.name)?;
                none.insert((writer, self.place.master.key(&self.name)))
            }
        };
        let mut sealed = Vec::with_capacity(length + length / 1024);
        key.seal(self.frame, &self.rest[..length], &mut sealed);
        self.frame += (length as u64).div_ceil(FRAME_BYTES);
        self.rest.drain(..length);
        writer.write(&sealed)
    }

    fn finish(mut self) -> Result<Written, BlobError> {
        self.seal(self.rest.len())?;
        let held = match self.writer.take() {
            Some((writer, _)) => Some(writer.finish()?),
            None => None,
        };
        let piece = held.as_ref().map(|_| Piece {
            name: self.name.clone(),
            salt: None,
            bytes: self.bytes,
        });
        Ok(Written {
            piece,
            held,
            bytes: self.bytes,
            md5: self.md5.finalize().into(),
            sums: self
                .sums
                .into_iter()
                .map(|(a, s)| (a, s.finish()))
                .collect(),
            sha256: self.sha256.map(|s| hex::encode(s.finalize())),
        })
    }
}
