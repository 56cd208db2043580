//! [`Origin`]: where the parts of one image come from, whichever way that is.

use super::error::{PullError, PullErrorKind};
use super::manifest::Descriptor;
use super::registry::{Place, Registry};
use super::unpack::Feed;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use neargate_blob::{BlobError, Blobs};
use std::fs::File;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Manifests and configurations larger than this are refused (containerd's bound is 4 or 8 MiB).
pub(super) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;
/// Network pieces under way between the socket and the decompressor.
const QUEUE: usize = 32;

#[derive(Debug, Clone)]
pub(super) enum Origin {
    Own(Arc<Blobs>),
    Remote(Arc<Registry>, Place),
}

impl Origin {
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
            Origin::Own(blobs) => blobs
                .read(&what.digest, MAX_DOCUMENT_BYTES)
                .await
                .map_err(own),
            Origin::Remote(registry, place) => registry.document(place, kind, &what.digest).await,
        }
    }

    /// The compressed bytes of a layer, and the work that makes them flow (nothing to do for a
    /// local file).
    pub(super) fn feed(
        &self,
        what: &Descriptor,
    ) -> Result<(Feed, Option<BoxFuture<'static, ()>>), PullError> {
        match self {
            Origin::Own(blobs) => {
                let missing = || own(BlobError::NotFound(what.digest));
                let path = blobs.path(&what.digest).ok_or_else(missing)?;
                let open = |e| PullError::internal("open", &path, &e);
                Ok((Feed::File(File::open(&path).map_err(open)?), None))
            }
            Origin::Remote(registry, place) => {
                let (sender, receiver) = mpsc::channel(QUEUE);
                let (registry, place) = (registry.clone(), place.clone());
                let (digest, size) = (what.digest, what.size);
                let flow = async move { registry.stream(&place, &digest, size, sender).await };
                Ok((Feed::Channel(receiver), Some(Box::pin(flow))))
            }
        }
    }
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
