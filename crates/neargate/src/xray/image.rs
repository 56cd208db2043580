//! `neargate xray image`: an image of the daemon, made of this very program and the libraries it is linked with.

use crate::view::say;
use anyhow::{Context, Result};
use neargate_blob::Digest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Write an image of the X-Ray daemon: an OCI image layout in one tar file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate xray image xray.tar
  skopeo copy oci-archive:xray.tar docker://localhost:4566/xray/aws-xray-daemon:latest

Tasks then find it by AWS's own names, if the configuration says where they lead:
  [registries.mirrors]
  \"public.ecr.aws\" = [\"localhost:4566\"]")]
pub struct Image {
    /// The file that is written
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The name of the image within the file
    #[arg(long, default_value = "latest", value_name = "TAG")]
    tag: String,
}

const PROGRAM: &str = "usr/bin/neargate";
/// What starts a dynamically linked program, by its fixed name.
const LOADERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

impl Image {
    pub fn run(self) -> Result<()> {
        let scratch = tempfile::tempfile().context("there is no room for a temporary file")?;
        let mut layer = tar::Builder::new(scratch);
        let program = std::env::current_exe().context("cannot find this program")?;
        add(&mut layer, Path::new(PROGRAM), &program)?;
        for library in libraries()? {
            let name = library.strip_prefix("/").unwrap_or(&library).to_owned();
            add(&mut layer, &name, &library)?;
        }
        let mut layer = layer.into_inner()?;
        let (layer_digest, layer_bytes) = digest(&mut layer)?;
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "Entrypoint": [format!("/{PROGRAM}"), "xray", "daemon"],
                "Env": ["PATH=/usr/bin"],
                "ExposedPorts": { "2000/udp": {}, "2000/tcp": {} },
            },
            // The layer is not compressed: its digest is its diff id.
            "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        });
        let config = config.to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": described("application/vnd.oci.image.config.v1+json", &config),
            "layers": [{
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": layer_digest, "size": layer_bytes,
            }],
        });
        let manifest = manifest.to_string();
        let mut named = described("application/vnd.oci.image.manifest.v1+json", &manifest);
        named["annotations"] = json!({ "org.opencontainers.image.ref.name": self.tag });
        let index = json!({ "schemaVersion": 2, "manifests": [named] }).to_string();
        let file = File::create(&self.file);
        let file = file.with_context(|| format!("cannot write {}", self.file.display()))?;
        let mut layout = tar::Builder::new(file);
        text(
            &mut layout,
            "oci-layout",
            "{\"imageLayoutVersion\":\"1.0.0\"}",
        )?;
        text(&mut layout, "index.json", &index)?;
        for document in [&config, &manifest] {
            text(
                &mut layout,
                &blob(&Digest::of(document.as_bytes()).to_string()),
                document,
            )?;
        }
        io::Seek::rewind(&mut layer)?;
        let mut header = header(layer_bytes, 0o644);
        layout.append_data(&mut header, blob(&layer_digest), layer)?;
        layout.into_inner()?.flush()?;
        say(&format!(
            "{} holds an image of the X-Ray daemon, {}.",
            self.file.display(),
            crate::view::bytes(layer_bytes)
        ));
        Ok(())
    }
}

fn described(kind: &str, document: &str) -> Value {
    json!({
        "mediaType": kind,
        "digest": Digest::of(document.as_bytes()).to_string(),
        "size": document.len(),
    })
}

fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn header(bytes: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn text(layout: &mut tar::Builder<File>, name: &str, text: &str) -> Result<()> {
    let mut header = header(text.len() as u64, 0o644);
    Ok(layout.append_data(&mut header, name, text.as_bytes())?)
}

fn add(layer: &mut tar::Builder<File>, name: &Path, from: &Path) -> Result<()> {
    let open = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
    let mut header = header(open.metadata()?.len(), 0o755);
    Ok(layer.append_data(&mut header, name, open)?)
}

/// The digest and the size of what is in a file.
fn digest(file: &mut File) -> Result<(String, u64)> {
    io::Seek::rewind(file)?;
    let (mut hasher, mut bytes) = (neargate_blob::Hasher::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = io::Read::read(file, &mut buffer)?;
        if read == 0 {
            return Ok((hasher.finish().to_string(), bytes));
        }
        hasher.update(&buffer[..read]);
        bytes += read as u64;
    }
}

/// What this program is linked with, as the kernel sees it now. A static program has none.
fn libraries() -> Result<BTreeSet<PathBuf>> {
    let maps = std::fs::read_to_string("/proc/self/maps").context("cannot read /proc/self/maps")?;
    let mapped = maps.lines().filter_map(|line| {
        let path = line.split_whitespace().nth(5)?;
        let is_library = path.starts_with('/') && path.contains(".so");
        is_library.then(|| PathBuf::from(path))
    });
    let mut all: BTreeSet<PathBuf> = mapped.collect();
    if !all.is_empty() {
        let there = LOADERS.iter().map(PathBuf::from).filter(|l| l.exists());
        all.extend(there);
    }
    Ok(all)
}
