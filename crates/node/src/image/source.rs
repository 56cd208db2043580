//! [`ContentSource`]: where the parts of one image come from, whichever way that is; [`OwnBlobs`]: our own
//! registry's blobs, on this host or behind its control plane.

use super::error::{PullError, PullErrorKind};
use super::manifest::Descriptor;
use super::registry::{Place, Registry};
use super::unpack::Feed;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use neargate_blob::{BlobError, Blobs, Digest};
use std::fs::File;
use std::io;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Manifests and configurations larger than this are refused (containerd's bound is 4 or 8 MiB).
pub(super) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// Network pieces under way between the socket and the decompressor.
const QUEUE: usize = 32;

/// Blobs of our own registry that are not on this host.
#[async_trait]
pub trait BlobSource: std::fmt::Debug + Send + Sync {
    /// A whole blob, verified; refused when larger than `max_bytes`.
    async fn read(&self, digest: &Digest, max_bytes: u64) -> io::Result<Bytes>;

    /// Hand on a blob's bytes, for the listener to verify. Ends early when nobody listens.
    async fn stream(
        &self,
        digest: &Digest,
        to: &mpsc::Sender<Result<Bytes, PullError>>,
    ) -> io::Result<()>;
}

/// The blobs of our own registry.
#[derive(Debug, Clone)]
pub enum OwnBlobs {
    Here(Arc<Blobs>),
    Elsewhere(Arc<dyn BlobSource>),
}

impl From<Arc<Blobs>> for OwnBlobs {
    fn from(blobs: Arc<Blobs>) -> Self {
        OwnBlobs::Here(blobs)
    }
}

impl OwnBlobs {
    /// A manifest or configuration.
    pub(super) async fn document(&self, digest: &Digest) -> Result<Bytes, PullError> {
        match self {
            OwnBlobs::Here(blobs) => blobs.read(digest, MAX_DOCUMENT_BYTES).await.map_err(own),
            OwnBlobs::Elsewhere(blobs) => blobs
                .read(digest, MAX_DOCUMENT_BYTES)
                .await
                .map_err(|e| elsewhere(&e)),
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum ContentSource {
    Own(OwnBlobs),
    Remote(Arc<Registry>, Place),
}

impl ContentSource {
    /// Does it show its content to anybody? Our own registry shows it to accounts, and another one
    /// that asks for a password to those who have it.
    pub(super) fn is_public(&self) -> bool {
        matches!(self, ContentSource::Remote(_, place) if place.is_public())
    }

    /// A manifest or configuration, verified.
    pub(super) async fn document(&self, what: &Descriptor, kind: &str) -> Result<Bytes, PullError> {
        if what.size > MAX_DOCUMENT_BYTES {
            let cause = format!(
                "{} has {} bytes, too large for a manifest",
                what.digest, what.size
            );
            return Err(PullError::resolving(PullErrorKind::TooLarge, 1, &cause));
        }
        match self {
            ContentSource::Own(blobs) => blobs.document(&what.digest).await,
            ContentSource::Remote(registry, place) => {
                registry.document(place, kind, &what.digest).await
            }
        }
    }

    /// The compressed bytes of a layer, and the work that makes them flow (nothing to do for a
    /// local file).
    pub(super) fn feed(
        &self,
        what: &Descriptor,
    ) -> Result<(Feed, Option<BoxFuture<'static, ()>>), PullError> {
        match self {
            ContentSource::Own(OwnBlobs::Here(blobs)) => {
                let missing = || own(BlobError::NotFound(what.digest));
                let path = blobs.path(&what.digest).ok_or_else(missing)?;
                let open = |e| PullError::internal("open", &path, &e);
                Ok((Feed::File(File::open(&path).map_err(open)?), None))
            }
            ContentSource::Own(OwnBlobs::Elsewhere(blobs)) => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                let (blobs, digest) = (blobs.clone(), what.digest);
                let flow = async move {
                    let end = match blobs.stream(&digest, &sender).await {
                        Ok(()) => Ok(Bytes::new()),
                        Err(error) => Err(elsewhere(&error)),
                    };
                    // Nobody may listen any more.
                    let _ = sender.send(end).await;
                };
                Ok((Feed::Channel(receiver), Some(Box::pin(flow))))
            }
            ContentSource::Remote(registry, place) => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                let (registry, place) = (registry.clone(), place.clone());
                let (digest, size) = (what.digest, what.size);
                let flow = async move { registry.stream(&place, &digest, size, sender).await };
                Ok((Feed::Channel(receiver), Some(Box::pin(flow))))
            }
        }
    }
}

/// Our own registry, on another host, did not give what it should have.
fn elsewhere(error: &io::Error) -> PullError {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => PullErrorKind::NotFound,
        io::ErrorKind::FileTooLarge => PullErrorKind::TooLarge,
        io::ErrorKind::InvalidData => PullErrorKind::Invalid,
        _ => PullErrorKind::Network,
    };
    PullError::fetching(kind, 1, &format!("failed to copy: {error}"))
}

/// Our own registry lacks what it should have.
pub(super) fn own(error: BlobError) -> PullError {
    let kind = match &error {
        BlobError::NotFound(_) => PullErrorKind::NotFound,
        BlobError::TooLarge { .. } => PullErrorKind::TooLarge,
        _ => PullErrorKind::Internal,
    };
    PullError::fetching(kind, 1, &format!("failed to copy: {error}"))
}
