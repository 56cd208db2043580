//! `docker save` and `docker load`: images as archives, in Docker's own form.

use super::Engine;
use super::build::Reading;
use super::reply::{self, Refusal, Reply};
use crate::build::{Context, Tag, familiar, unpack};
use bytes::Bytes;
use flate2::read::GzDecoder;
use hyper::body::Incoming;
use neargate_base::task::{spawn, spawn_blocking};
use neargate_blob::{Blobs, Digest, Hasher};
use neargate_build::image::{Image, LAYER, Layer};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tar::{Builder, EntryType, Header};

/// An entry of `manifest.json`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

const LARGEST_DOCUMENT: u64 = 4 << 20;
const PIECE_BYTES: usize = 256 << 10;

impl Engine {
    pub(super) async fn save(self: Arc<Self>, names: Vec<String>) -> Result<Reply, Refusal> {
        if names.is_empty() {
            return Err(Refusal::bad("no image was named"));
        }
        let mut images: BTreeMap<String, (Image, Vec<String>)> = BTreeMap::new();
        for name in &names {
            let known = self.find(name).await?;
            let full = name
                .parse::<crate::image::Reference>()
                .map(|r| r.to_string());
            let named = full.ok().filter(|full| known.names.contains(full));
            let entry = images.entry(known.id.hex());
            let (_, tags) = entry.or_insert_with(|| (known.image, Vec::new()));
            tags.extend(named.map(|full| familiar(&full).to_owned()));
        }
        let blobs = self.builder.blobs().clone();
        let (lines, mut reply) = reply::lines();
        reply::typed(&mut reply, "application/x-tar");
        let file = tempfile::tempfile_in(
            self.builder
                .context_dir()
                .parent()
                .unwrap_or(Path::new("/")),
        );
        let mut file = file.map_err(Refusal::failed)?;
        drop(spawn("save", async move {
            let written = spawn_blocking(move || {
                write(&blobs, &images, &mut file)?;
                io::Seek::rewind(&mut file)?;
                Ok::<_, io::Error>(file)
            });
            let mut file = match written.await {
                Ok(Ok(file)) => file,
                Ok(Err(error)) => return lines.raw(Err(error)),
                Err(error) => return lines.raw(Err(io::Error::other(error))),
            };
            let sent = spawn_blocking(move || {
                let mut piece = vec![0; PIECE_BYTES];
                loop {
                    match file.read(&mut piece) {
                        Ok(0) => return,
                        Ok(n) => lines.raw(Ok(Bytes::copy_from_slice(&piece[..n]))),
                        Err(error) => return lines.raw(Err(error)),
                    }
                }
            });
            drop(sent.await);
        }));
        Ok(reply)
    }

    pub(super) async fn load(self: Arc<Self>, body: Incoming) -> Result<Reply, Refusal> {
        let dir = self.builder.context_dir();
        let (into, reading) = (dir.clone(), Reading::of(body));
        let blobs = self.builder.blobs().clone();
        let read = spawn_blocking(move || {
            let read = unpack(reading, &into).and_then(|()| read_archive(&blobs, &into));
            let _ = std::fs::remove_dir_all(&into);
            read
        });
        let images = read.await.map_err(Refusal::failed)?;
        let images =
            images.map_err(|e| Refusal::bad(format!("the archive cannot be loaded: {e}")))?;
        let (lines, reply) = reply::lines();
        for (image, tags) in images {
            let documents = image.documents();
            let id = Digest::of(&documents.config);
            let blobs = self.builder.blobs();
            let config = blobs.put_bytes(documents.config.into(), None).await;
            config.map_err(Refusal::failed)?;
            let manifest = blobs.put_bytes(documents.manifest.into(), None).await;
            let digest = manifest.map_err(Refusal::failed)?.digest;
            if tags.is_empty() {
                self.unnamed.lock().insert(id.hex(), digest);
                lines.say(&json!({"stream": format!("Loaded image ID: {id}\n")}));
            }
            for tag in tags {
                let made = Tag {
                    digest,
                    built: true,
                };
                self.builder
                    .tags()
                    .set(&tag, made)
                    .map_err(Refusal::failed)?;
                lines.say(&json!({"stream": format!("Loaded image: {tag}\n")}));
            }
        }
        Ok(reply)
    }
}

/// Blocking.
fn write(
    blobs: &Arc<Blobs>,
    images: &BTreeMap<String, (Image, Vec<String>)>,
    to: &mut File,
) -> io::Result<()> {
    let mut archive = Builder::new(io::BufWriter::new(to));
    let mut written = std::collections::BTreeSet::new();
    let mut entries = Vec::new();
    for (image, tags) in images.values() {
        let config = image.documents().config;
        let id = Digest::of(&config).hex();
        let mut layers = Vec::new();
        for layer in &image.layers {
            let path = format!("{}/layer.tar", layer.diff_id.hex());
            if written.insert(path.clone()) {
                write_layer(blobs, layer, &path, &mut archive)?;
            }
            layers.push(path);
        }
        let name = format!("{id}.json");
        small(&mut archive, &name, &config)?;
        entries.push(Entry {
            config: name,
            repo_tags: Some(tags.clone()),
            layers,
        });
    }
    let manifest = serde_json::to_vec(&entries).map_err(io::Error::other)?;
    small(&mut archive, "manifest.json", &manifest)?;
    archive.into_inner()?.flush()
}

/// An archive says how long a file is before the file: the layer is unpacked twice.
fn write_layer<W: Write>(
    blobs: &Arc<Blobs>,
    layer: &Layer,
    path: &str,
    archive: &mut Builder<W>,
) -> io::Result<()> {
    let open = || -> io::Result<Box<dyn Read>> {
        let path = blobs.path(&layer.digest);
        let file = File::open(path.ok_or(io::ErrorKind::NotFound)?)?;
        Ok(match layer.media_type.rsplit(['+', '.']).next() {
            Some("gzip") => Box::new(GzDecoder::new(io::BufReader::new(file))),
            Some("zstd") => Box::new(zstd::Decoder::new(file)?),
            _ => Box::new(file),
        })
    };
    let size = io::copy(&mut open()?, &mut io::sink())?;
    let mut header = header(size);
    archive.append_data(&mut header, path, open()?)
}

fn small<W: Write>(archive: &mut Builder<W>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = header(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes)
}

fn header(size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header
}

/// The images of an unpacked archive, their layers put into the blobs. Blocking.
fn read_archive(blobs: &Arc<Blobs>, dir: &Path) -> io::Result<Vec<(Image, Vec<String>)>> {
    let manifest = Context::read(dir, "manifest.json", LARGEST_DOCUMENT)?;
    let entries: Vec<Entry> = serde_json::from_str(&manifest).map_err(io::Error::other)?;
    let root = crate::build::context::open_directory(dir)?;
    let mut images = Vec::new();
    for entry in entries {
        let config = Context::read(dir, &entry.config, LARGEST_DOCUMENT)?;
        let mut layers = Vec::new();
        for (number, path) in entry.layers.iter().enumerate() {
            let file = crate::build::root::open_in(&root, path, OFlags::RDONLY | OFlags::NONBLOCK)?;
            let copy = dir.join(format!(".layer-{}-{number}", images.len()));
            layers.push(take(blobs, File::from(file), &copy)?);
        }
        let listed = |l: &Layer| json!({"mediaType": l.media_type, "digest": l.digest, "size": l.size_bytes});
        let manifest = json!({"layers": layers.iter().map(listed).collect::<Vec<_>>()});
        let image = Image::read(manifest.to_string().as_bytes(), config.as_bytes());
        let image = image.map_err(io::Error::other)?;
        let same = image
            .layers
            .iter()
            .zip(&layers)
            .all(|(a, b)| a.diff_id == b.diff_id);
        if !same {
            return Err(io::Error::other(
                "a layer is not what the image's configuration says",
            ));
        }
        images.push((image, entry.repo_tags.unwrap_or_default()));
    }
    Ok(images)
}

/// A layer's archive, compressed or not, into the blobs.
fn take(blobs: &Arc<Blobs>, mut file: File, copy: &PathBuf) -> io::Result<Layer> {
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("a layer is not a file"));
    }
    let mut head = [0; 2];
    let is_gzip = file.read(&mut head)? == 2 && head == [0x1f, 0x8b];
    io::Seek::rewind(&mut file)?;
    let mut to = File::create_new(copy)?;
    let size_bytes = io::copy(&mut file, &mut to)?;
    let digest = hashed(File::open(copy)?)?;
    let (media_type, diff_id) = match is_gzip {
        true => (LAYER, hashed(GzDecoder::new(File::open(copy)?))?),
        false => ("application/vnd.oci.image.layer.v1.tar", digest),
    };
    blobs
        .take(copy, &digest, size_bytes)
        .map_err(io::Error::other)?;
    Ok(Layer {
        media_type: media_type.to_owned(),
        digest,
        size_bytes,
        diff_id,
    })
}

fn hashed(mut from: impl Read) -> io::Result<Digest> {
    let (mut hasher, mut piece) = (Hasher::new(), vec![0; PIECE_BYTES]);
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            n => hasher.update(&piece[..n]),
        }
    }
}
