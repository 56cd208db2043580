//! A pull from beginning to end: resolve the name, choose the platform, get the layers, write the
//! record.

use super::error::{PullError, PullErrorKind};
use super::images::{Image, Images};
use super::layer::{Outcome, Wanted};
use super::manifest::{self, ConfigFile, Content, Descriptor};
use super::name::Reference;
use super::record::{self, ImageRecord, LayerRecord};
use super::source::ContentSource;
use super::unpack::{Budget, describe_differently};
use crate::upstream::ImageSource;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::try_join_all;
use neargate_base::task;
use neargate_blob::Digest;
use neargate_domain::RegistryLogin;
use std::path::PathBuf;
use std::sync::Arc;

/// An index may list indexes; deeper than this is a loop or a joke.
const MAX_INDEX_DEPTH: usize = 3;
/// So many of their entries are looked at.
const MAX_INDEX_DOCUMENTS: usize = 32;

impl Images {
    /// Have the image on this node: resolve `name` by `source`, fetch and unpack what is missing.
    /// Concurrent pulls share their work; when all who wait give up, it stops.
    pub async fn pull(
        self: &Arc<Self>,
        name: &str,
        source: ImageSource,
    ) -> Result<Image, PullError> {
        self.pull_as(name, source, None).await
    }

    /// As [`Images::pull`], from a registry that is told who asks.
    pub async fn pull_as(
        self: &Arc<Self>,
        name: &str,
        source: ImageSource,
        login: Option<RegistryLogin>,
    ) -> Result<Image, PullError> {
        let (source, digest, top) = match source {
            ImageSource::Missing { message } => {
                return Err(PullError::new(PullErrorKind::NotFound, message));
            }
            ImageSource::Own { digest } => {
                if let Some(record) = self.recall(&digest) {
                    return Ok(self.image(name, &record));
                }
                let blobs = self
                    .blobs
                    .clone()
                    .ok_or_else(|| PullError::not_found(name))?;
                let top = blobs.document(&digest).await.map_err(|e| match e.kind() {
                    PullErrorKind::NotFound => PullError::not_found(name),
                    _ => e,
                })?;
                (ContentSource::Own(blobs), digest, Some(top))
            }
            ImageSource::Remote => {
                let invalid = |e: super::InvalidName| {
                    PullError::new(PullErrorKind::InvalidName, e.to_string())
                };
                let reference: Reference = name.parse().map_err(invalid)?;
                let here = reference.digest.and_then(|d| self.recall(&d));
                if let Some(record) = here.filter(|r| r.public) {
                    return Ok(self.image(name, &record));
                }
                let resolved = self.registry.resolve(&reference, login.as_ref()).await?;
                let (place, digest, top) = resolved;
                (
                    ContentSource::Remote(self.registry.clone(), place),
                    digest,
                    top,
                )
            }
        };
        let (images, public) = (self.clone(), source.is_public());
        let work = || async move { images.pull_digest(source, digest, top).await }.boxed();
        let record = self.image_flights.join(&(digest, public), work).await?;
        Ok(self.image(name, &record))
    }

    /// The record of an image that is here, noting that it is wanted now.
    fn recall(&self, digest: &Digest) -> Option<ImageRecord> {
        let path = self.image_path(digest);
        self.layer_pins
            .touch(&path)
            .then(|| record::read(&path))
            .flatten()
    }

    async fn pull_digest(
        self: Arc<Self>,
        source: ContentSource,
        digest: Digest,
        top: Option<Bytes>,
    ) -> Result<Arc<ImageRecord>, PullError> {
        // A registry elsewhere that names the digest of an image has not shown that image.
        let here = self.recall(&digest);
        let public = source.is_public() || here.as_ref().is_some_and(|r| r.public);
        if let Some(record) = here.filter(|r| r.public || !source.is_public()) {
            return Ok(Arc::new(record));
        }
        let top = match top {
            Some(top) => top,
            None => {
                let manifest = Descriptor {
                    digest,
                    size: 0,
                    platform: None,
                };
                source.document(&manifest, "manifests").await?
            }
        };
        let (config, layers) = self.choose(&source, top).await?;
        let keys: Vec<String> = config.rootfs.diff_ids.iter().map(Digest::hex).collect();
        let _pinned = self.layer_pins.pin(keys.iter().cloned());

        let budget = Arc::new(Budget::new(self.options.limits.max_image_bytes));
        let wanted = |i: usize| Wanted {
            blob: layers[i].clone(),
            diff_id: config.rootfs.diff_ids[i],
            key: keys[i].clone(),
            // The bottom layer knows what is below it.
            lower: (i == 0).then(Vec::new),
        };
        let each = (0..layers.len()).map(|i| self.layer(&source, wanted(i), &budget));
        let outcomes = try_join_all(each).await?;

        let mut stack = Stack {
            images: &self,
            keys: Vec::new(),
            size_bytes: 0,
        };
        let mut chain = None;
        let mut pins = Vec::new();
        for (i, outcome) in outcomes.into_iter().enumerate() {
            let diff_id = config.rootfs.diff_ids[i];
            chain = Some(chain_id(chain, diff_id));
            let record = match outcome {
                Outcome::Here(record) if !stack.described_below(&record).await? => {
                    stack.push(keys[i].clone(), &record);
                    continue;
                }
                // Rare: it depends on the layers below, so it is this chain's own.
                _ => {
                    let chain = chain.expect("just set");
                    let key = format!("c-{}", chain.hex());
                    pins.push(self.layer_pins.pin([key.clone()]));
                    let lower = Some(stack.paths());
                    let wanted = Wanted {
                        key: key.clone(),
                        lower,
                        ..wanted(i)
                    };
                    match self.layer(&source, wanted, &budget).await? {
                        Outcome::Here(record) => (key, record),
                        Outcome::NeedsLower => unreachable!("it was given the layers below"),
                    }
                }
            };
            stack.push(record.0, &record.1);
        }
        let (layers, size_bytes) = (stack.keys, stack.size_bytes);
        let record = ImageRecord {
            digest,
            config: config.config,
            layers,
            size_bytes,
            public,
        };
        let path = self.image_path(&digest);
        record::write(&path, &record).map_err(|e| PullError::internal("write", &path, &e))?;
        self.sync_in_background();
        Ok(Arc::new(record))
    }

    /// From what the name leads to, to the image for this machine: its configuration and layers.
    ///
    /// This is containerd's way: in an index the platform must be the machine's; an image that is
    /// named itself is taken as it is, and the kernel says `exec format error` if it cannot run it.
    async fn choose(
        &self,
        source: &ContentSource,
        top: Bytes,
    ) -> Result<(ConfigFile, Vec<Descriptor>), PullError> {
        let ours = manifest::host_architecture();
        let mut left = match manifest::parse(&top)? {
            Content::Manifest { config, layers } => {
                return self.config(source, &config, layers).await;
            }
            Content::Index(entries) => below(0, &entries),
        };
        // Some entries name no platform. One whose configuration names ours is taken before one
        // that names none there either: signatures do not.
        let mut unnamed = None;
        for _ in 0..MAX_INDEX_DOCUMENTS {
            let Some((depth, entry)) = left.pop() else {
                return unnamed.ok_or_else(|| manifest::wrong_platform(ours));
            };
            let says_platform = entry.platform.is_some();
            match manifest::parse(&source.document(&entry, "manifests").await?) {
                Ok(Content::Manifest { config, layers }) => {
                    let image = self.config(source, &config, layers).await;
                    match image {
                        Ok(image)
                            if !says_platform
                                && image.0.platform.architecture.trim().is_empty() =>
                        {
                            unnamed.get_or_insert(image);
                        }
                        Ok((config, _))
                            if !says_platform && config.platform.rank(ours).is_none() => {}
                        // What says nothing of itself need not be an image at all, nor one for us.
                        Err(e)
                            if !says_platform
                                && matches!(
                                    e.kind(),
                                    PullErrorKind::Invalid | PullErrorKind::Platform
                                ) => {}
                        image => return image,
                    }
                }
                Ok(Content::Index(entries)) if depth + 1 < MAX_INDEX_DEPTH => {
                    left.extend(below(depth + 1, &entries));
                }
                Ok(Content::Index(_)) => break,
                Err(_) if !says_platform => {}
                Err(e) => return Err(e),
            }
        }
        let too_deep = "the image index is nested too deeply";
        unnamed.ok_or_else(|| PullError::resolving(PullErrorKind::Invalid, 1, too_deep))
    }

    async fn config(
        &self,
        source: &ContentSource,
        descriptor: &Descriptor,
        layers: Vec<Descriptor>,
    ) -> Result<(ConfigFile, Vec<Descriptor>), PullError> {
        let invalid = |why: String| PullError::resolving(PullErrorKind::Invalid, 1, &why);
        let bytes = source.document(descriptor, "blobs").await?;
        let mut config: ConfigFile = serde_json::from_slice(&bytes)
            .map_err(|e| invalid(format!("failed to unmarshal image config: {e}")))?;
        let os = &mut config.platform.os;
        if os.trim().is_empty() {
            *os = "linux".to_owned();
        }
        if !os.trim().eq_ignore_ascii_case("linux") {
            return Err(manifest::wrong_platform(manifest::host_architecture()));
        }
        if config.rootfs.diff_ids.len() != layers.len() {
            return Err(invalid(
                "mismatched image rootfs and manifest layers".to_owned(),
            ));
        }
        if layers.len() > self.options.limits.max_layers {
            let (layers, max) = (layers.len(), self.options.limits.max_layers);
            let why = format!("the image has {layers} layers, more than the {max} allowed");
            return Err(PullError::resolving(PullErrorKind::TooLarge, 1, &why));
        }
        Ok((config, layers))
    }
}

/// The entries of an index at `depth` that are worth a look, the best one last.
fn below(depth: usize, entries: &[Descriptor]) -> Vec<(usize, Descriptor)> {
    let fit = manifest::candidates(entries, manifest::host_architecture());
    fit.into_iter().rev().map(|e| (depth, e.clone())).collect()
}

/// The layers of an image as they pile up.
struct Stack<'a> {
    images: &'a Images,
    keys: Vec<String>,
    size_bytes: u64,
}

impl Stack<'_> {
    fn push(&mut self, key: String, record: &LayerRecord) {
        if record.opaque_root {
            self.keys.clear();
            self.size_bytes = 0;
        }
        self.keys.push(key);
        self.size_bytes += record.size_bytes;
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.keys
            .iter()
            .map(|k| self.images.layer_dir(k).join("fs"))
            .collect()
    }

    /// Whether the layers so far say of a directory, which this one merely uses, something that
    /// it would hide.
    async fn described_below(&self, record: &LayerRecord) -> Result<bool, PullError> {
        if record.implied.is_empty() || self.keys.is_empty() {
            return Ok(false);
        }
        let (paths, implied, diff_id) = (self.paths(), record.implied.clone(), record.diff_id);
        let looked = task::spawn_blocking(move || describe_differently(&paths, &implied)).await;
        let looked = looked.expect("looking into directories does not panic");
        looked.map_err(|e| e.into_pull_error(&diff_id))
    }
}

/// OCI image spec, config.md, "Layer ChainID".
fn chain_id(below: Option<Digest>, diff_id: Digest) -> Digest {
    match below {
        None => diff_id,
        Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
    }
}
