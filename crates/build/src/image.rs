//! The documents of an image: its configuration (OCI image spec, config.md, with what Docker adds to
//! it), and its manifest.

use neargate_blob::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// What an image says about running it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_none")]
    pub user: String,
    /// `80/tcp`
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "or_none")]
    pub exposed_ports: Map<String, Value>,
    #[serde(deserialize_with = "or_none")]
    pub env: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "or_none")]
    pub volumes: Map<String, Value>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_none")]
    pub working_dir: String,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "or_none")]
    pub on_build: Vec<String>,
    #[serde(
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "or_none"
    )]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "or_none")]
    pub stop_signal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// Some writers say `null`.
fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl Config {
    /// The value of a variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let mut entries = self.env.iter().rev();
        entries.find_map(|entry| {
            entry
                .split_once('=')
                .filter(|(n, _)| *n == name)
                .map(|(_, v)| v)
        })
    }

    /// Sets a variable, where it stands already or at the end.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let entry = format!("{name}={value}");
        let same = |e: &&mut String| e.split_once('=').is_some_and(|(n, _)| n == name);
        match self.env.iter_mut().find(same) {
            Some(found) => *found = entry,
            None => self.env.push(entry),
        }
    }

    /// The shell of shell forms.
    pub fn shell(&self) -> Vec<String> {
        let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
        self.shell.clone().unwrap_or_else(default)
    }
}

/// A line of an image's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    #[serde(default)]
    pub created_by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// A layer as an image names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub media_type: String,
    /// Of the compressed archive.
    pub digest: Digest,
    pub size_bytes: u64,
    /// Of the archive.
    pub diff_id: Digest,
}

/// An image that is read, or to be written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Image {
    pub architecture: String,
    pub variant: Option<String>,
    pub created: String,
    /// `MAINTAINER`
    pub author: Option<String>,
    pub config: Config,
    pub history: Vec<History>,
    pub layers: Vec<Layer>,
}

/// An image's two documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
}

impl Image {
    /// From its documents.
    ///
    /// # Errors
    /// Why they are not those of an image.
    pub fn read(manifest: &[u8], config: &[u8]) -> Result<Image, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Entry {
            #[serde(default)]
            media_type: String,
            digest: Digest,
            size: u64,
        }
        #[derive(Deserialize)]
        struct Manifest {
            #[serde(default, deserialize_with = "or_none")]
            layers: Vec<Entry>,
        }
        #[derive(Default, Deserialize)]
        struct RootFs {
            #[serde(default, deserialize_with = "or_none")]
            diff_ids: Vec<Digest>,
        }
        #[derive(Deserialize)]
        struct File {
            #[serde(default, deserialize_with = "or_none")]
            architecture: String,
            #[serde(default)]
            variant: Option<String>,
            #[serde(default)]
            author: Option<String>,
            #[serde(default, deserialize_with = "or_none")]
            created: String,
            #[serde(default, deserialize_with = "or_none")]
            config: Config,
            #[serde(default, deserialize_with = "or_none")]
            history: Vec<History>,
            rootfs: RootFs,
        }
        let manifest: Manifest = serde_json::from_slice(manifest).map_err(|e| e.to_string())?;
        let file: File = serde_json::from_slice(config).map_err(|e| e.to_string())?;
        if manifest.layers.len() != file.rootfs.diff_ids.len() {
            return Err("mismatched image rootfs and manifest layers".to_owned());
        }
        let layers = manifest.layers.into_iter().zip(file.rootfs.diff_ids);
        let layer = |(entry, diff_id): (Entry, Digest)| Layer {
            media_type: oci(&entry.media_type),
            digest: entry.digest,
            size_bytes: entry.size,
            diff_id,
        };
        Ok(Image {
            architecture: file.architecture,
            variant: file.variant,
            created: file.created,
            author: file.author,
            config: file.config,
            history: file.history,
            layers: layers.map(layer).collect(),
        })
    }

    pub fn documents(&self) -> Documents {
        let diff_ids: Vec<String> = self.layers.iter().map(|l| l.diff_id.to_string()).collect();
        let mut file = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": self.history,
        });
        if let Some(variant) = &self.variant {
            file["variant"] = json!(variant);
        }
        if let Some(author) = &self.author {
            file["author"] = json!(author);
        }
        if !self.created.is_empty() {
            file["created"] = json!(self.created);
        }
        let config = file.to_string().into_bytes();
        let layer = |l: &Layer| json!({"mediaType": l.media_type, "digest": l.digest.to_string(), "size": l.size_bytes});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": Digest::of(&config).to_string(), "size": config.len()},
            "layers": self.layers.iter().map(layer).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        Documents { config, manifest }
    }
}

/// Docker's name of a layer's type in OCI's words; the bytes are the same.
fn oci(media_type: &str) -> String {
    match media_type {
        "" | "application/vnd.docker.image.rootfs.diff.tar.gzip" => LAYER,
        "application/vnd.docker.image.rootfs.diff.tar" => "application/vnd.oci.image.layer.v1.tar",
        other => other,
    }
    .to_owned()
}
