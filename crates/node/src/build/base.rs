//! `FROM`: an image to begin with.

use super::builder::Builder;
use super::error::wrong;
use super::snapshot::Sealing;
use super::state::State;
use super::tags::Tag;
use crate::upstream::ImageSource;
use futures_util::FutureExt;
use neargate_blob::Digest;
use neargate_build::Located;
use neargate_build::image::{Image, Layer};
use neargate_build::key::Key;
use std::sync::Arc;

/// Documents of an image are no larger (containerd's bound is 4 or 8 MiB).
const LARGEST_DOCUMENT: u64 = 4 << 20;

impl Builder {
    /// The digest of the manifest that a name leads to, fetched if it is not here. What was built here
    /// is at no registry; what was fetched before is asked for again if `pull` says so.
    pub async fn resolve(&self, name: &str, pull: bool) -> Result<Digest, String> {
        let known = self.tags.find(name).map_err(|e| format!("{name}: {e}"))?;
        if let Some(tag) = known.filter(|tag| tag.built || !pull)
            && self.blobs.has(&tag.digest).await
        {
            return Ok(tag.digest);
        }
        let (reached, login) = self.config.reach.reach(name).await?;
        let fetched = self.images.fetch(&reached, login.as_ref()).await;
        let digest = fetched.map_err(|e| format!("{name}: {e}"))?;
        let tag = Tag {
            digest,
            built: false,
        };
        self.tags.set(name, tag).map_err(|e| e.to_string())?;
        Ok(digest)
    }

    /// An image of our own blobs, by its manifest.
    pub async fn image(&self, digest: &Digest) -> Result<Image, String> {
        let (image, _) = self.documents(digest).await?;
        Ok(image)
    }

    /// The same, and the digest of its configuration.
    pub async fn documents(&self, digest: &Digest) -> Result<(Image, Digest), String> {
        #[derive(serde::Deserialize)]
        struct Entry {
            digest: Digest,
        }
        #[derive(serde::Deserialize)]
        struct Manifest {
            config: Entry,
        }
        let read = |digest: Digest| async move {
            let bytes = self.blobs.read(&digest, LARGEST_DOCUMENT).await;
            bytes.map_err(|e| e.to_string())
        };
        let manifest = read(*digest).await?;
        let named: Manifest = serde_json::from_slice(&manifest).map_err(|e| e.to_string())?;
        let config = read(named.config.digest).await?;
        Ok((Image::read(&manifest, &config)?, named.config.digest))
    }

    /// The state that an image begins a stage with.
    pub(super) async fn begin(self: &Arc<Self>, name: &str, pull: bool) -> Result<State, Located> {
        let digest = self.resolve(name, pull).await.map_err(wrong)?;
        let image = self.image(&digest).await;
        let image = image.map_err(|e| wrong(format!("{name}: {e}")))?;
        let unpacked = self.images.pull(name, ImageSource::Own { digest }).await;
        let unpacked = unpacked.map_err(|e| wrong(format!("{name}: {e}")))?;
        let ready =
            |layer: Layer| -> Sealing { futures_util::future::ready(Ok(layer)).boxed().shared() };
        let mut state = State::scratch();
        if !image.architecture.is_empty() {
            state.architecture = image.architecture;
        }
        state.key = Key::of("image", &digest).finish();
        state.layers = unpacked.layers;
        state.parts = image.layers.into_iter().map(ready).collect();
        state.config = image.config;
        state.history = image.history;
        state.variant = image.variant;
        state.created = image.created;
        state.author = image.author;
        Ok(state)
    }
}
