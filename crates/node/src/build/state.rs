//! A stage as far as it has come.

use super::copy::Origin;
use super::snapshot::{Sealing, Snapshot};
use neargate_blob::Digest;
use neargate_build::expand;
use neargate_build::image::{Config, History};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the next instruction finds.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// What all so far depends on.
    pub key: Digest,
    /// Directories to overlay, lowest first.
    pub layers: Vec<PathBuf>,
    /// The same as the image names them.
    pub parts: Vec<Sealing>,
    pub config: Config,
    pub history: Vec<History>,
    pub author: Option<String>,
    pub architecture: String,
    pub variant: Option<String>,
    pub created: String,
    /// `ARG`s of this stage that have a value.
    pub arguments: BTreeMap<String, String>,
    /// `CMD` came after the `FROM`: an `ENTRYPOINT` leaves it alone.
    pub has_command: bool,
}

impl State {
    /// `FROM scratch`
    pub fn scratch() -> State {
        State {
            key: Digest::of(b"scratch"),
            layers: Vec::new(),
            parts: Vec::new(),
            config: Config::default(),
            history: Vec::new(),
            author: None,
            architecture: architecture().to_owned(),
            variant: None,
            created: String::new(),
            arguments: BTreeMap::new(),
            has_command: false,
        }
    }

    /// A variable, as instructions see it.
    pub fn variable(&self, name: &str) -> Option<String> {
        let of_image = self.config.variable(name).map(str::to_owned);
        of_image.or_else(|| self.arguments.get(name).cloned())
    }

    pub fn word(&self, text: &str, escape: char) -> Result<String, String> {
        expand::word(text, escape, &|name| self.variable(name))
    }

    pub fn words(&self, text: &str, escape: char) -> Result<Vec<String>, String> {
        expand::words(text, escape, &|name| self.variable(name))
    }

    /// The path from the working directory; a slash at its end stays.
    pub fn absolute(&self, path: &str) -> String {
        let whole = match path.starts_with('/') {
            true => path.to_owned(),
            false => format!("{}/{path}", self.config.working_dir),
        };
        let clean = neargate_build::ignore::cleaned(&whole);
        let is_directory = path.ends_with('/') || path == "." || path.ends_with("/.");
        match is_directory && !clean.is_empty() {
            true => format!("/{clean}/"),
            false => format!("/{clean}"),
        }
    }

    /// A layer on top.
    pub fn add(&mut self, key: Digest, snapshot: Snapshot, by: String) {
        self.key = key;
        self.layers.push(snapshot.fs);
        self.parts.push(snapshot.layer);
        self.created.clone_from(&snapshot.created);
        self.note(by, false);
    }

    /// A line of history.
    pub fn note(&mut self, created_by: String, empty_layer: bool) {
        self.history.push(History {
            created: Some(self.created.clone()).filter(|at| !at.is_empty()),
            created_by,
            comment: "neargate".to_owned(),
            empty_layer,
        });
    }

    pub fn origin(&self) -> Origin {
        Origin::Layers {
            layers: self.layers.clone(),
            key: self.key,
        }
    }
}

/// This machine's, in OCI's words.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
