//! Time a pull with its unpacking, as the node does it.
//!
//! ```text
//! cargo run --release -p neargate-node --example pull_image -- DIR localhost:5000/app:v1
//! cargo run --release -p neargate-node --example pull_image -- DIR oci:LAYOUT
//! ```
//! `DIR` receives the images. An `oci:` layout is first put into a blob store (not timed), then
//! pulled as an image of our own registry.

use anyhow::{Context, bail};
use neargate_base::time::Stopwatch;
use neargate_blob::{Blobs, Digest};
use neargate_node::image::{Images, RegistryConfig};
use neargate_node::upstream::ImageSource;
use std::path::Path;
use std::sync::Arc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, name] = arguments.as_slice() else {
        bail!("usage: pull_image DIR NAME|oci:LAYOUT")
    };
    let dir = Path::new(dir);
    let blobs = Blobs::open(&dir.join("blobs"))?;
    let source = match name.strip_prefix("oci:") {
        None => ImageSource::Remote,
        Some(layout) => ImageSource::Own {
            digest: import(&blobs, Path::new(layout)).await?,
        },
    };
    let images = Images::open(&dir.join("images"), Some(blobs), RegistryConfig::default())?;
    let watch = Stopwatch::start();
    let image = images.pull(name, source).await?;
    let seconds = watch.elapsed().as_secs_f64();
    let mb = image.size_bytes as f64 / 1e6;
    println!(
        "{} layers, {mb:.0} MB in {seconds:.2} s: {:.0} MB/s, {}",
        image.layers.len(),
        mb / seconds,
        image.digest
    );
    Ok(())
}

/// Put every blob of the layout into the store; the digest of its first manifest.
async fn import(blobs: &Arc<Blobs>, layout: &Path) -> anyhow::Result<Digest> {
    let dir = layout.join("blobs/sha256");
    for entry in std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))? {
        let bytes = std::fs::read(entry?.path())?;
        blobs.put_bytes(bytes.into(), None).await?;
    }
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(layout.join("index.json"))?)?;
    let digest = index["manifests"][0]["digest"]
        .as_str()
        .context("an index without manifests")?;
    Ok(digest.parse()?)
}
