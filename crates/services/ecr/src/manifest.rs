//! Reading a manifest or an index: what it is, and what it refers to. Pure.
//!
//! Sources: OCI image spec (manifest.md, image-index.md), Docker's "Image Manifest Version 2,
//! Schema 2". Schema 1 is refused, as by ECR for new pushes.

use neargate_blob::Digest;
use serde::Deserialize;

/// ECR's limit, and the OCI distribution spec's least that a registry must take.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// "Maximum layer parts" and layers of an image
/// (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>).
const MAX_REFERENCES: usize = 4_200;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// What a manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub media_type: String,
    pub artifact_type: Option<String>,
    pub config_media_type: Option<String>,
    /// Configuration and layers, but those kept elsewhere; each once.
    pub blobs: Vec<Digest>,
    /// The images of an index; each once.
    pub images: Vec<Digest>,
    /// Configuration and layers.
    pub size_bytes: u64,
    pub subject: Option<Digest>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u32>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: Option<String>,
    digest: Digest,
    size: u64,
    #[serde(default)]
    urls: Vec<String>,
}

impl Descriptor {
    /// Docker's foreign and OCI's non-distributable layers are fetched from their `urls`.
    fn is_elsewhere(&self) -> bool {
        let kind = self.media_type.as_deref().unwrap_or_default();
        !self.urls.is_empty() && (kind.contains("foreign") || kind.contains("nondistributable"))
    }
}

/// Read a manifest that was sent as `declared`.
///
/// # Errors
/// What is wrong with it, in words for the caller.
pub fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Manifest, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("the manifest is larger than {MAX_BYTES} bytes"));
    }
    let document: Document = serde_json::from_slice(bytes).map_err(|e| {
        if e.is_data() {
            format!("Invalid image manifest: {e}")
        } else {
            "Invalid JSON syntax".into()
        }
    })?;
    if document.schema_version != Some(2) {
        return Err("Unsupported image manifest schema version: only 2 is supported".into());
    }
    let media_type = media_type(&document, declared)?;
    let is_index = media_type == OCI_INDEX || media_type == DOCKER_LIST;
    let (blobs, images) = match (
        is_index,
        document.config,
        document.layers,
        document.manifests,
    ) {
        (true, None, None, Some(manifests)) => (Vec::new(), manifests),
        (false, Some(config), Some(layers), None) => {
            let config_media_type = config.media_type.clone();
            let subject = document.subject.map(|s| s.digest);
            let artifact = document.artifact_type.or_else(|| config_media_type.clone());
            let mut all = vec![config];
            all.extend(layers);
            return finish(
                media_type,
                artifact,
                config_media_type,
                all,
                Vec::new(),
                subject,
            );
        }
        (true, ..) => {
            return Err(format!(
                "Invalid image manifest: not a {media_type}: it must have manifests, and neither config nor layers"
            ));
        }
        (false, ..) => {
            return Err(format!(
                "Invalid image manifest: not a {media_type}: it must have config and layers, and no manifests"
            ));
        }
    };
    let subject = document.subject.map(|s| s.digest);
    finish(
        media_type,
        document.artifact_type,
        None,
        blobs,
        images,
        subject,
    )
}

fn finish(
    media_type: String,
    artifact_type: Option<String>,
    config_media_type: Option<String>,
    blobs: Vec<Descriptor>,
    images: Vec<Descriptor>,
    subject: Option<Digest>,
) -> Result<Manifest, String> {
    if blobs.len() + images.len() > MAX_REFERENCES {
        return Err(format!(
            "Invalid image manifest: more than {MAX_REFERENCES} layers or images"
        ));
    }
    let size_bytes = blobs.iter().fold(0u64, |sum, d| sum.saturating_add(d.size));
    if i64::try_from(size_bytes).is_err() {
        return Err("Invalid image manifest: the sizes are out of range".into());
    }
    let mut own: Vec<Digest> = blobs
        .iter()
        .filter(|d| !d.is_elsewhere())
        .map(|d| d.digest)
        .collect();
    let mut images: Vec<Digest> = images.iter().map(|d| d.digest).collect();
    for digests in [&mut own, &mut images] {
        digests.sort_unstable();
        digests.dedup();
    }
    Ok(Manifest {
        media_type,
        artifact_type,
        config_media_type,
        blobs: own,
        images,
        size_bytes,
        subject,
    })
}

/// The media type as sent, as written in the document, or as its members tell.
fn media_type(document: &Document, declared: Option<&str>) -> Result<String, String> {
    let declared = declared
        .map(|d| d.split(';').next().unwrap_or_default().trim())
        // What clients send that set none.
        .filter(|d| {
            !d.is_empty()
                && !matches!(
                    *d,
                    "application/json"
                        | "application/octet-stream"
                        | "application/x-www-form-urlencoded"
                )
        });
    let written = document.media_type.as_deref().filter(|w| !w.is_empty());
    let media_type = match (declared, written) {
        (Some(declared), Some(written)) if declared != written => {
            return Err(format!(
                "Invalid image manifest: sent as {declared}, its mediaType is {written}"
            ));
        }
        (Some(given), _) | (None, Some(given)) => given,
        (None, None) if document.manifests.is_some() => OCI_INDEX,
        (None, None) => OCI_MANIFEST,
    };
    match media_type {
        OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_LIST => Ok(media_type.to_owned()),
        other => Err(format!("Unsupported image manifest media type: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn blob(content: &str) -> serde_json::Value {
        json!({ "mediaType": "x/y", "digest": Digest::of(content.as_bytes()), "size": content.len() })
    }

    fn read(value: serde_json::Value, declared: Option<&str>) -> Result<Manifest, String> {
        parse(value.to_string().as_bytes(), declared)
    }

    #[test]
    fn an_image() {
        let value = json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": blob("c"),
            "layers": [blob("one"), blob("one"), blob("three")], "subject": blob("s") });
        let m = read(value.clone(), None).unwrap();
        assert_eq!((m.blobs.len(), m.size_bytes), (3, 12));
        assert_eq!(m.subject, Some(Digest::of(b"s")));
        assert_eq!(m.artifact_type.as_deref(), Some("x/y"));
        assert!(
            read(value, Some(DOCKER_MANIFEST))
                .unwrap_err()
                .contains("its mediaType")
        );
    }

    #[test]
    fn an_index_without_media_type() {
        let value = json!({ "schemaVersion": 2, "manifests": [blob("m")] });
        let m = read(value.clone(), Some("application/json; charset=utf-8")).unwrap();
        assert_eq!((m.media_type.as_str(), m.images.len()), (OCI_INDEX, 1));
        assert_eq!(
            read(value, Some(DOCKER_LIST)).unwrap().media_type,
            DOCKER_LIST
        );
    }

    #[test]
    fn foreign_layers_need_not_be_here() {
        let mut foreign = blob("f");
        foreign["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip".into();
        foreign["urls"] = json!(["https://example.com/f"]);
        let value = json!({ "schemaVersion": 2, "config": blob("c"), "layers": [foreign] });
        assert_eq!(read(value, None).unwrap().blobs, [Digest::of(b"c")]);
    }

    #[test]
    fn what_is_none() {
        assert_eq!(parse(b"{", None).unwrap_err(), "Invalid JSON syntax");
        assert_eq!(parse(b"", None).unwrap_err(), "Invalid JSON syntax");
        for bad in [
            json!([]),
            json!({}),
            json!({ "schemaVersion": 1, "fsLayers": [] }),
            json!({ "schemaVersion": 2, "config": blob("c") }),
            json!({ "schemaVersion": 2, "manifests": [], "layers": [] }),
            json!({ "schemaVersion": 2, "config": { "digest": "md5:1", "size": 1 }, "layers": [] }),
            json!({ "schemaVersion": 2, "config": { "digest": Digest::of(b""), "size": -1 }, "layers": [] }),
            json!({ "schemaVersion": 2, "mediaType": "text/html", "manifests": [] }),
        ] {
            assert!(read(bad.clone(), None).is_err(), "{bad}");
        }
    }
}
