//! Images against their promises, with layers, images and a registry made on the spot.

mod archive;
mod collecting;
mod hostile;
mod names;
mod pulling;
mod remote;
mod server;
mod unpacking;

use super::options::{Limits, PullOptions, Retry};
use super::unpack::{Budget, Feed, LayerError, Pieces, Unpacked, apply, inflate};
use super::{Image, Images, PullError, RegistryConfig};
use crate::upstream::ImageSource;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use neargate_blob::{Blobs, Digest};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;
use tempfile::TempDir;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Tiny bounds and no patience.
fn options() -> PullOptions {
    let limits = Limits {
        max_layer_bytes: 64 << 20,
        max_image_bytes: 128 << 20,
        max_layer_entries: 2000,
        max_layers: 20,
        keep_free_bytes: 0,
    };
    let retry = Retry {
        tries: 3,
        first_delay: Duration::ZERO,
        max_delay: Duration::ZERO,
    };
    PullOptions {
        limits,
        retry,
        idle_timeout: Duration::from_secs(5),
        ..PullOptions::default()
    }
}

struct Unpack {
    dir: TempDir,
    result: Result<Unpacked, LayerError>,
}

impl Unpack {
    fn fs(&self) -> PathBuf {
        assert!(self.result.is_ok(), "{:?}", self.result);
        self.dir.path().join("fs")
    }

    /// The error as a pull would say it.
    fn error(self) -> String {
        let error = self.result.expect_err("it should have been refused");
        error.into_pull_error(&Digest::of(b"blob")).to_string()
    }
}

/// Unpack `blob` (compressed or not), whose content is `tar`.
fn unpack_blob(blob: &[u8], tar: &[u8], lower: Option<&[PathBuf]>, limits: Limits) -> Unpack {
    let dir = tempfile::tempdir().unwrap();
    let file = tempfile::tempfile().unwrap();
    (&file).write_all(blob).unwrap();
    std::io::Seek::rewind(&mut &file).unwrap();
    let expected = (Digest::of(blob), blob.len() as u64);
    let (out, from) = sync_channel(4);
    let (back, recycled) = sync_channel(5);
    let result = std::thread::scope(|threads| {
        threads.spawn(move || {
            let budget = Budget::new(limits.max_image_bytes);
            inflate(Feed::File(file), expected, limits, &budget, &out, &recycled);
        });
        apply(
            Pieces::new(from, back),
            dir.path(),
            lower,
            &limits,
            &Digest::of(tar),
        )
    });
    Unpack { dir, result }
}

fn unpack(tar: &[u8]) -> Unpack {
    unpack_blob(&gzip(tar), tar, Some(&[]), options().limits)
}

fn unpack_over(tar: &[u8], lower: &[PathBuf]) -> Unpack {
    unpack_blob(tar, tar, Some(lower), options().limits)
}

/// An image as its registry has it.
#[derive(Debug, Clone)]
struct Pushed {
    digest: Digest,
    manifest: Bytes,
    config: Bytes,
    layers: Vec<Bytes>,
}

/// Put together an image for this machine from uncompressed layers.
fn image(layers: &[Vec<u8>]) -> Pushed {
    image_for(super::manifest::host_architecture(), layers)
}

fn image_for(architecture: &str, layers: &[Vec<u8>]) -> Pushed {
    let diff_ids: Vec<_> = layers.iter().map(|l| Digest::of(l)).collect();
    image_with(
        architecture,
        layers.iter().map(|l| gzip(l).into()).collect(),
        &diff_ids,
    )
}

fn image_with(architecture: &str, layers: Vec<Bytes>, diff_ids: &[Digest]) -> Pushed {
    image_of("linux", architecture, layers, diff_ids)
}

fn image_of(os: &str, architecture: &str, layers: Vec<Bytes>, diff_ids: &[Digest]) -> Pushed {
    let config = serde_json::json!({
        "architecture": architecture,
        "os": os,
        "config": {
            "Env": ["PATH=/bin", "A=b"], "Entrypoint": null, "Cmd": ["/bin/sh"], "WorkingDir": "",
            "User": "1000:1000", "StopSignal": "SIGQUIT", "ExposedPorts": {"80/tcp": {}},
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = Bytes::from(config.to_string());
    let descriptor = |bytes: &Bytes| {
        serde_json::json!({
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": Digest::of(bytes), "size": bytes.len(),
        })
    };
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor(&config),
        "layers": layers.iter().map(descriptor).collect::<Vec<_>>(),
    });
    let manifest = Bytes::from(manifest.to_string());
    Pushed {
        digest: Digest::of(&manifest),
        manifest,
        config,
        layers,
    }
}

/// An index over images for several platforms.
fn index(entries: &[(&str, &Pushed)]) -> Bytes {
    let entries = entries.iter().map(|(architecture, image)| {
        serde_json::json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": image.digest, "size": image.manifest.len(),
            "platform": { "os": "linux", "architecture": architecture },
        })
    });
    let entries: Vec<_> = entries.collect();
    serde_json::json!({ "schemaVersion": 2, "manifests": entries })
        .to_string()
        .into()
}

/// An image directory of its own, over a blob store of its own.
struct Node {
    dir: TempDir,
    blobs: Arc<Blobs>,
    images: Arc<Images>,
}

impl Node {
    fn new() -> Node {
        Node::with(options(), RegistryConfig::default())
    }

    fn with(options: PullOptions, registries: RegistryConfig) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
        let root = dir.path().join("images");
        let images = Images::open_with(&root, Some(blobs.clone()), registries, options).unwrap();
        Node { dir, blobs, images }
    }

    /// As after a kill: the same directory, opened anew.
    fn reopen(&mut self) {
        let root = self.root();
        let registries = RegistryConfig::default();
        self.images =
            Images::open_with(&root, Some(self.blobs.clone()), registries, options()).unwrap();
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("images")
    }

    async fn store(&self, image: &Pushed) {
        let all = [&image.manifest, &image.config]
            .into_iter()
            .chain(&image.layers);
        for blob in all {
            self.blobs.put_bytes(blob.clone(), None).await.unwrap();
        }
    }

    async fn pull_own(&self, digest: Digest) -> Result<Image, PullError> {
        self.images.pull("own", ImageSource::Own { digest }).await
    }

    fn names(&self, dir: &str) -> Vec<String> {
        list(&self.root().join(dir))
    }

    /// Nothing of an attempt is left but complete layers.
    fn assert_no_rest(&self) {
        assert!(self.names("tmp").is_empty(), "{:?}", self.names("tmp"));
        assert!(self.names("images").is_empty());
        while self.images.trash.remove_batch(1000).unwrap() {}
        assert!(self.names("trash").is_empty());
    }
}

fn list(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    let mut names: Vec<_> = names.map(|n| n.into_string().unwrap()).collect();
    names.sort();
    names
}
