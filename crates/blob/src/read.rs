//! Reading blobs: whole when small, as a stream of pieces when large.

use crate::disk::blocking;
use crate::{BlobError, Blobs, Digest};
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use neargate_base::task;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Large enough that a hop to the blocking pool costs nothing beside the copy.
const PIECE_BYTES: u64 = 512 * 1024;

impl Blobs {
    /// An open file, positioned at the start.
    pub async fn open_file(
        self: &Arc<Self>,
        digest: &Digest,
    ) -> Result<tokio::fs::File, BlobError> {
        let (path, digest) = (self.place(digest), *digest);
        blocking(move || open(&path, digest))
            .await
            .map(tokio::fs::File::from_std)
    }

    /// The whole blob, refused when larger than `max_bytes`: for manifests and configurations.
    pub async fn read(
        self: &Arc<Self>,
        digest: &Digest,
        max_bytes: u64,
    ) -> Result<Bytes, BlobError> {
        let (path, digest) = (self.place(digest), *digest);
        blocking(move || {
            let file = open(&path, digest)?;
            let size_bytes = size(&file, &path)?;
            if size_bytes > max_bytes {
                return Err(BlobError::TooLarge {
                    digest,
                    size_bytes,
                    max_bytes,
                });
            }
            read_piece(&file, 0, size_bytes).map_err(|e| BlobError::io(&path, e))
        })
        .await
    }

    /// The bytes in `range` (`None`: all) in pieces of up to 512 KiB, and how many they are.
    /// One piece is read ahead. No thread waits for a slow reader.
    pub async fn stream(
        self: &Arc<Self>,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<
        (
            u64,
            impl Stream<Item = io::Result<Bytes>> + Send + Unpin + use<>,
        ),
        BlobError,
    > {
        let (path, digest) = (self.place(digest), *digest);
        let (file, Range { start, end }) = blocking(move || {
            let file = open(&path, digest)?;
            let size_bytes = size(&file, &path)?;
            let range = range.unwrap_or(0..size_bytes);
            if range.start > range.end || range.end > size_bytes {
                let Range { start, end } = range;
                return Err(BlobError::BadRange {
                    digest,
                    start,
                    end,
                    size_bytes,
                });
            }
            Ok((file, range))
        })
        .await?;
        let ahead = ReadAhead::new(Arc::new(file), start, end);
        Ok((
            end - start,
            Box::pin(stream::unfold(ahead, ReadAhead::next)),
        ))
    }
}

/// One piece being read while the one before is being sent.
struct ReadAhead {
    file: Arc<File>,
    next: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl ReadAhead {
    fn new(file: Arc<File>, start: u64, end: u64) -> Self {
        let mut ahead = ReadAhead {
            file,
            next: start,
            end,
            reading: None,
        };
        ahead.begin();
        ahead
    }

    fn begin(&mut self) {
        let (file, at, length) = (
            self.file.clone(),
            self.next,
            PIECE_BYTES.min(self.end - self.next),
        );
        self.next += length;
        let reading =
            (length > 0).then(|| task::spawn_blocking(move || read_piece(&file, at, length)));
        self.reading = reading;
    }

    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let piece = self
            .reading
            .take()?
            .await
            .unwrap_or_else(|e| Err(io::Error::other(e)));
        if piece.is_ok() {
            self.begin();
        }
        Some((piece, self))
    }
}

fn open(path: &Path, digest: Digest) -> Result<File, BlobError> {
    File::open(path).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => BlobError::NotFound(digest),
        _ => BlobError::io(path, e),
    })
}

fn size(file: &File, path: &Path) -> Result<u64, BlobError> {
    file.metadata()
        .map(|m| m.len())
        .map_err(|e| BlobError::io(path, e))
}

fn read_piece(file: &File, at: u64, length: u64) -> io::Result<Bytes> {
    let mut piece = vec![0; length as usize];
    file.read_exact_at(&mut piece, at)?;
    Ok(piece.into())
}
