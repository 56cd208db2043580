//! [`Pieces`]: the decompressed layer as the second thread reads it, hashed on the way.

use super::LayerError;
use super::inflate::Piece;
use neargate_blob::{Digest, Hasher};
use std::sync::mpsc::{Receiver, SyncSender};

/// A reader over the pieces that [`super::inflate`] sends.
#[derive(Debug)]
pub(in crate::image) struct Pieces {
    from: Receiver<Result<Piece, LayerError>>,
    back: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    at: usize,
    filled: usize,
    length: u64,
    hasher: Hasher,
    ended: bool,
}

impl Pieces {
    pub(in crate::image) fn new(
        from: Receiver<Result<Piece, LayerError>>,
        back: SyncSender<Vec<u8>>,
    ) -> Self {
        let (current, hasher) = (Vec::new(), Hasher::new());
        Pieces {
            from,
            back,
            current,
            at: 0,
            filled: 0,
            length: 0,
            hasher,
            ended: false,
        }
    }

    /// What is there of the content, at least one byte unless it has ended.
    pub(super) fn fill(&mut self) -> Result<&[u8], LayerError> {
        while self.at == self.filled && !self.ended {
            let (piece, filled) = self.from.recv().map_err(|_| LayerError::Abandoned)??;
            self.ended = filled == 0;
            self.hasher.update(&piece[..filled]);
            self.length += filled as u64;
            let used = std::mem::replace(&mut self.current, piece);
            (self.at, self.filled) = (0, filled);
            let _ = self.back.try_send(used);
        }
        Ok(&self.current[self.at..self.filled])
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.at += n;
        debug_assert!(self.at <= self.filled);
    }

    /// Fill `to` whole; `false` when the content ends before its first byte.
    pub(super) fn read_exact(&mut self, to: &mut [u8]) -> Result<bool, LayerError> {
        let mut filled = 0;
        while filled < to.len() {
            let available = self.fill()?;
            let n = available.len().min(to.len() - filled);
            if n == 0 && filled == 0 {
                return Ok(false);
            }
            if n == 0 {
                return Err(truncated());
            }
            to[filled..filled + n].copy_from_slice(&available[..n]);
            self.consume(n);
            filled += n;
        }
        Ok(true)
    }

    pub(super) fn skip(&mut self, mut bytes: u64) -> Result<(), LayerError> {
        while bytes > 0 {
            let n = (self.fill()?.len() as u64).min(bytes);
            if n == 0 {
                return Err(truncated());
            }
            self.consume(n as usize);
            bytes -= n;
        }
        Ok(())
    }

    /// Read to the end; the digest of all content and its length. Only once this succeeds was
    /// the compressed form verified, too.
    pub(super) fn finish(mut self) -> Result<(Digest, u64), LayerError> {
        loop {
            let n = self.fill()?.len();
            if n == 0 {
                return Ok((self.hasher.finish(), self.length));
            }
            self.consume(n);
        }
    }
}

pub(super) fn truncated() -> LayerError {
    LayerError::Malformed("the archive is truncated (unexpected EOF)".to_owned())
}
