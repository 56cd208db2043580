//! Manifests, indexes and image configurations (OCI image spec; Docker schema 2 has the same
//! members), read leniently where writers differ and strictly where it matters.

use super::error::{PullError, PullErrorKind};
use neargate_blob::Digest;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// What a manifest request accepts.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json";

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Platform {
    #[serde(default, deserialize_with = "empty_if_null")]
    pub(super) architecture: String,
    #[serde(default, deserialize_with = "empty_if_null")]
    pub(super) os: String,
    #[serde(default)]
    pub(super) variant: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Manifest {
        config: Descriptor,
        layers: Vec<Descriptor>,
    },
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    #[serde(default)]
    schema_version: u32,
    #[serde(default)]
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

/// Parse a manifest or an index. Whatever could be taken for both is refused, as the OCI image
/// spec asks ("manifest.md", image manifest and index ambiguity, CVE-2021-41190).
pub(super) fn parse(bytes: &[u8]) -> Result<Content, PullError> {
    let invalid = |what: &str| PullError::resolving(PullErrorKind::Invalid, 1, what);
    let raw: Raw = serde_json::from_slice(bytes)
        .map_err(|e| invalid(&format!("failed to unmarshal image manifest: {e}")))?;
    match raw {
        Raw {
            schema_version: 1, ..
        } => Err(invalid(
            "image manifest schema version 1 is not supported, rebuild the image",
        )),
        // Without layers some writers leave them out, or write `null`.
        Raw {
            config: Some(config),
            layers,
            manifests: None,
            ..
        } => Ok(Content::Manifest {
            config,
            layers: layers.unwrap_or_default(),
        }),
        Raw {
            config: None,
            layers: None,
            manifests: Some(entries),
            ..
        } => Ok(Content::Index(entries)),
        _ => Err(invalid(
            "the manifest is neither an image manifest nor an index",
        )),
    }
}

/// The platform of this machine in OCI's words.
pub(super) fn host_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

impl Platform {
    /// One word for each, whatever the writer of the image called it: (operating system,
    /// architecture, variant). The names are those that containerd knows.
    fn normal(&self) -> (String, String, String) {
        let lower = |text: &str| text.trim().to_ascii_lowercase();
        let architecture = lower(&self.architecture);
        let variant = lower(self.variant.as_deref().unwrap_or_default());
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
            ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64" | "arm64", variant) => ("arm64", variant),
            ("i386" | "i486" | "i586" | "i686" | "386", _) => ("386", ""),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            other => other,
        };
        let (architecture, variant) = (architecture.to_owned(), variant.to_owned());
        let os = match lower(&self.os) {
            // That of the machine, which is always this one.
            none if none.is_empty() => "linux".to_owned(),
            os => os,
        };
        (os, architecture, variant)
    }

    /// How well a machine of `host` architecture runs it, best first; `None`: not at all. As
    /// containerd, it takes programs of 32 bits where there are no others.
    pub(super) fn rank(&self, host: &str) -> Option<usize> {
        let runs: &[(&str, &str)] = match host {
            "amd64" => &[("amd64", ""), ("386", "")],
            "arm64" => &[
                ("arm64", ""),
                ("arm", "v8"),
                ("arm", "v7"),
                ("arm", "v6"),
                ("arm", "v5"),
            ],
            other => &[(other, "")],
        };
        let (os, architecture, variant) = self.normal();
        let this = (architecture.as_str(), variant.as_str());
        runs.iter()
            .position(|known| os == "linux" && *known == this)
    }
}

/// The entries that may lead to an image for `architecture`, best first. Those that name no
/// platform come last: what they lead to says it.
pub(super) fn candidates<'a>(entries: &'a [Descriptor], architecture: &str) -> Vec<&'a Descriptor> {
    let rank = |entry: &Descriptor| match &entry.platform {
        Some(platform) => platform.rank(architecture),
        None => Some(usize::MAX),
    };
    let mut fit: Vec<&Descriptor> = entries.iter().filter(|e| rank(e).is_some()).collect();
    fit.sort_by_key(|entry| rank(entry));
    fit
}

pub(super) fn wrong_platform(architecture: &str) -> PullError {
    let cause = format!(
        "image Manifest does not contain descriptor matching platform 'linux/{architecture}'"
    );
    PullError::resolving(PullErrorKind::Platform, 1, &cause)
}

/// What an image says about running it (`config` of the OCI image configuration).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageConfig {
    /// `user`, `uid`, `user:group`, ...; `None` means root.
    #[serde(deserialize_with = "none_if_empty")]
    pub user: Option<String>,
    /// `NAME=value`, in the image's order.
    #[serde(deserialize_with = "empty_if_null")]
    pub env: Vec<String>,
    #[serde(deserialize_with = "empty_if_null")]
    pub entrypoint: Vec<String>,
    #[serde(deserialize_with = "empty_if_null")]
    pub cmd: Vec<String>,
    #[serde(deserialize_with = "none_if_empty")]
    pub working_dir: Option<String>,
    /// `SIGQUIT`, `QUIT` or `3`.
    #[serde(deserialize_with = "none_if_empty")]
    pub stop_signal: Option<String>,
    #[serde(deserialize_with = "empty_if_null")]
    pub labels: BTreeMap<String, String>,
    /// `80/tcp`: keys of a JSON object.
    #[serde(deserialize_with = "keys", serialize_with = "as_keys")]
    pub exposed_ports: Vec<String>,
    /// Paths: keys of a JSON object.
    #[serde(deserialize_with = "keys", serialize_with = "as_keys")]
    pub volumes: Vec<String>,
}

/// The whole image configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct ConfigFile {
    #[serde(flatten)]
    pub(super) platform: Platform,
    #[serde(default, deserialize_with = "empty_if_null")]
    pub(super) config: ImageConfig,
    pub(super) rootfs: RootFs,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct RootFs {
    #[serde(default, deserialize_with = "empty_if_null")]
    pub(super) diff_ids: Vec<Digest>,
}

fn empty_if_null<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn none_if_empty<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.filter(|s| !s.is_empty()))
}

fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let map = Option::<BTreeMap<String, serde::de::IgnoredAny>>::deserialize(from)?;
    Ok(map.unwrap_or_default().into_keys().collect())
}

fn as_keys<S: serde::Serializer>(names: &[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(names.iter().map(|n| (n, serde_json::json!({}))))
}
