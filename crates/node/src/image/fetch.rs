//! An image copied as it is from a registry into our own blobs: what a build starts from, and hands on
//! with what it made.

use super::error::{PullError, PullErrorKind};
use super::images::Images;
use super::manifest::{self, Content, Descriptor};
use super::name::{InvalidName, Reference};
use super::source::{ContentSource, OwnBlobs, own};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use neargate_blob::{Blobs, Digest};
use neargate_domain::RegistryLogin;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Indexes within indexes that are followed.
const MAX_DEPTH: usize = 3;
/// Pieces between the network and the disk.
const QUEUE: usize = 16;

impl Images {
    /// Has the image that `name` leads to, of this machine's platform, in our own blobs whole; answers
    /// its manifest's digest. [`Images::pull`] finds it there. What is there already is not fetched.
    ///
    /// # Errors
    /// As [`Images::pull`].
    pub async fn fetch(
        &self,
        name: &str,
        login: Option<&RegistryLogin>,
    ) -> Result<Digest, PullError> {
        let blobs = self.here()?;
        let invalid = |e: InvalidName| PullError::new(PullErrorKind::InvalidName, e.to_string());
        let reference: Reference = name.parse().map_err(invalid)?;
        let (place, mut digest, mut top) = self.registry.resolve(&reference, login).await?;
        let source = ContentSource::Remote(self.registry.clone(), place);
        for _ in 0..=MAX_DEPTH {
            let bytes = match (top.take(), blobs.has(&digest).await) {
                (Some(bytes), _) => bytes,
                (None, true) => OwnBlobs::Here(blobs.clone()).document(&digest).await?,
                (None, false) => {
                    let what = descriptor(digest, 0);
                    source.document(&what, "manifests").await?
                }
            };
            match manifest::parse(&bytes)? {
                Content::Manifest { config, layers } => {
                    self.copy(&source, &blobs, &config, &layers).await?;
                    // Last: whoever finds it finds all that it names.
                    let stored = blobs.put_bytes(bytes, Some(&digest)).await;
                    stored.map_err(own)?;
                    return Ok(digest);
                }
                Content::Index(entries) => {
                    let ours = manifest::host_architecture();
                    let chosen = manifest::candidates(&entries, ours).first().copied();
                    digest = chosen.ok_or_else(|| manifest::wrong_platform(ours))?.digest;
                }
            }
        }
        let too_deep = "the image index is nested too deeply";
        Err(PullError::resolving(PullErrorKind::Invalid, 1, too_deep))
    }

    /// Our own blobs, which must be on this host.
    pub(super) fn here(&self) -> Result<Arc<Blobs>, PullError> {
        match &self.blobs {
            Some(OwnBlobs::Here(blobs)) => Ok(blobs.clone()),
            _ => Err(PullError::new(
                PullErrorKind::Internal,
                "there are no blobs on this host to copy an image into",
            )),
        }
    }

    async fn copy(
        &self,
        source: &ContentSource,
        blobs: &Arc<Blobs>,
        config: &Descriptor,
        layers: &[Descriptor],
    ) -> Result<(), PullError> {
        if !blobs.has(&config.digest).await {
            let bytes = source.document(config, "blobs").await?;
            let stored = blobs.put_bytes(bytes, Some(&config.digest)).await;
            stored.map_err(own)?;
        }
        let bytes: u64 = layers.iter().map(|layer| layer.size).sum();
        if bytes > self.options.limits.max_image_bytes {
            let cause = format!("the image's layers have {bytes} bytes");
            return Err(PullError::fetching(PullErrorKind::TooLarge, 1, &cause));
        }
        for layer in layers {
            if blobs.size(&layer.digest).await != Some(layer.size) {
                self.copy_layer(source, blobs, layer).await?;
            }
        }
        Ok(())
    }

    async fn copy_layer(
        &self,
        source: &ContentSource,
        blobs: &Arc<Blobs>,
        layer: &Descriptor,
    ) -> Result<(), PullError> {
        let ContentSource::Remote(registry, place) = source else {
            return Ok(());
        };
        let (sender, receiver) = mpsc::channel(QUEUE);
        let flow = registry.stream(place, &layer.digest, layer.size, sender);
        let pieces = stream::unfold(receiver, |mut receiver| async move {
            let piece: Result<Bytes, PullError> = receiver.recv().await?;
            // An empty one is the end.
            (!matches!(&piece, Ok(bytes) if bytes.is_empty())).then_some((piece, receiver))
        });
        let id = format!("fetch-{}", layer.digest.hex());
        let stored = async {
            // What an earlier try left is begun anew: whether its bytes are right is not known.
            if let Some(earlier) = blobs.resume(&id).await? {
                earlier.cancel().await?;
            }
            let mut upload = blobs.begin(&id).await?;
            upload.append(pieces.fuse()).await?;
            upload.finish(Some(&layer.digest)).await
        };
        let ((), stored) = tokio::join!(flow, stored);
        stored.map(drop).map_err(own)
    }
}

fn descriptor(digest: Digest, size: u64) -> Descriptor {
    Descriptor {
        digest,
        size,
        platform: None,
    }
}
