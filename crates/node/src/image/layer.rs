//! One layer: found, or fetched and unpacked by two threads, and put in its place.

use super::error::{PullError, PullErrorKind};
use super::images::Images;
use super::manifest::Descriptor;
use super::record::{self, LayerRecord};
use super::source::ContentSource;
use super::unpack::{Budget, LayerError, Pieces, apply, inflate};
use futures_util::FutureExt;
use neargate_base::task;
use neargate_blob::Digest;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Decompressed pieces under way between the two threads of a layer.
const QUEUE: usize = 4;

/// A layer as asked for.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) blob: Descriptor,
    pub(super) diff_id: Digest,
    pub(super) key: String,
    /// The layers below, bottom first; `None` while they may not be there yet.
    pub(super) lower: Option<Vec<PathBuf>>,
}

/// What became of a layer.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Here(Arc<LayerRecord>),
    /// It links into the layers below: ask again with those.
    NeedsLower,
}

impl Images {
    /// Have the layer unpacked under its key, once for all who want it now. The caller keeps the
    /// key pinned.
    pub(super) async fn layer(
        self: &Arc<Self>,
        source: &ContentSource,
        wanted: Wanted,
        budget: &Arc<Budget>,
    ) -> Result<Outcome, PullError> {
        let (images, source, budget) = (self.clone(), source.clone(), budget.clone());
        // Work is shared by those to whom the same is shown.
        let (key, blob, public) = (&wanted.key, wanted.blob.digest, source.is_public());
        let key = format!("{key} {blob} {public}");
        let fly = || async move { images.fetch_layer(source, wanted, budget).await }.boxed();
        self.layer_flights.join(&key, fly).await
    }

    async fn fetch_layer(
        self: Arc<Self>,
        source: ContentSource,
        wanted: Wanted,
        budget: Arc<Budget>,
    ) -> Result<Outcome, PullError> {
        if let Some(record) = self.layer_record(&wanted.key)
            && self.was_shown(&wanted.key, &wanted.blob.digest, &source)
        {
            return Ok(Outcome::Here(Arc::new(record)));
        }
        let (key, blob) = (wanted.key.clone(), wanted.blob.digest);
        let slot = self
            .slots
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let (feed, flow) = source.feed(&wanted.blob)?;
        let expected = (wanted.blob.digest, wanted.blob.size);
        let limits = self.options.limits;
        let (pieces, from) = sync_channel(QUEUE);
        let (back, recycled) = sync_channel(QUEUE + 1);
        drop(task::spawn_blocking(move || {
            inflate(feed, expected, limits, &budget, &pieces, &recycled);
        }));
        let images = self.clone();
        let mut unpacking = task::spawn_blocking(move || {
            // Held by the thread, so that a pull given up and begun anew stays within the bound.
            let _slot = slot;
            let _quiet = images.trash.quiet();
            images.unpack(Pieces::new(from, back), &wanted)
        });
        let unpacked = match flow {
            None => unpacking.await,
            // When unpacking fails, nothing more needs to be fetched.
            Some(flow) => tokio::select! {
                biased;
                done = &mut unpacking => done,
                () = flow => unpacking.await,
            },
        };
        let outcome = unpacked.unwrap_or_else(|e| {
            Err(PullError::fetching(
                PullErrorKind::Internal,
                1,
                &format!("unpacking failed: {e}"),
            ))
        })?;
        if matches!(outcome, Outcome::Here(_)) {
            let noted = self.note_shown(&key, &blob, &source);
            noted.map_err(|e| PullError::internal("note", &self.layer_dir(&key), &e))?;
        }
        Ok(outcome)
    }

    /// On a thread of its own: unpack, then make the layer visible by one rename.
    fn unpack(&self, content: Pieces, wanted: &Wanted) -> Result<Outcome, PullError> {
        let at = |what, path: PathBuf| move |e| PullError::internal(what, &path, &e);
        let dir = self
            .temporary()
            .map_err(at("mkdir", self.root.join("tmp")))?;
        let lower = wanted.lower.as_deref();
        let unpacked = apply(content, &dir, lower, &self.options.limits, &wanted.diff_id);
        let placed = match unpacked {
            Ok(unpacked) => {
                let record = LayerRecord::new(unpacked, &self.boot);
                record::write(&dir.join("layer.json"), &record)
                    .and_then(|()| self.discard(&dir.join("aside")))
                    .and_then(|()| self.layer_pins.place(&dir, &self.layer_dir(&wanted.key)))
                    .map(|()| Outcome::Here(Arc::new(record)))
                    .map_err(at("place layer", dir.clone()))
            }
            Err(LayerError::NeedsLower) if lower.is_none() => Ok(Outcome::NeedsLower),
            Err(error) => Err(error.into_pull_error(&wanted.blob.digest)),
        };
        // Still there when it failed, or when somebody else was faster.
        if let Err(error) = self.discard(&dir) {
            tracing::warn!(%error, dir = %dir.display(), "cannot remove a partial layer");
        }
        placed
    }

    /// Remove a directory if it is there: at once when empty, else in the background.
    fn discard(&self, dir: &Path) -> io::Result<()> {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(_) => self.trash.take(dir)?,
        }
        self.trash.empty_in_background();
        Ok(())
    }
}
