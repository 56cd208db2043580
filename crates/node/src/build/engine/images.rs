//! Images by name and by id: listed, looked at, named, forgotten.

use super::Engine;
use super::reply::{self, Refusal, Reply};
use super::route::Asked;
use crate::build::{Tag, familiar};
use crate::image::Reference;
use http::StatusCode;
use neargate_blob::Digest;
use neargate_build::image::Image;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An image that a name or an id led to.
pub(super) struct Known {
    pub manifest: Digest,
    pub id: Digest,
    pub image: Image,
    /// Its names.
    pub names: Vec<String>,
    pub is_built: bool,
}

impl Engine {
    /// Every image, by its id.
    async fn known(&self) -> BTreeMap<String, Known> {
        let mut all: BTreeMap<String, Known> = BTreeMap::new();
        let named = self.builder.tags().all();
        let named = named.into_iter().map(|(name, tag)| (Some(name), tag));
        let unnamed = self.unnamed.lock().clone();
        let unnamed = unnamed.into_values().map(|digest| {
            let tag = Tag {
                digest,
                built: true,
            };
            (None, tag)
        });
        for (name, tag) in named.chain(unnamed) {
            let Ok((image, id)) = self.builder.documents(&tag.digest).await else {
                continue;
            };
            let known = all.entry(id.hex()).or_insert_with(|| Known {
                manifest: tag.digest,
                id,
                image,
                names: Vec::new(),
                is_built: tag.built,
            });
            known.names.extend(name);
        }
        all
    }

    /// By a name, or by an id or its beginning.
    pub(super) async fn find(&self, name: &str) -> Result<Known, Refusal> {
        let hex = name.strip_prefix("sha256:").unwrap_or(name);
        let is_id = hex.len() >= 4 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let full = name
            .parse::<Reference>()
            .map(|reference| reference.to_string());
        let mut by_id = None;
        for (id, known) in self.known().await {
            if full.as_ref().is_ok_and(|full| known.names.contains(full)) {
                return Ok(known);
            }
            if is_id && id.starts_with(hex) {
                by_id = Some(known);
            }
        }
        by_id.ok_or_else(|| Refusal::missing(format!("No such image: {name}")))
    }

    pub(super) async fn list(&self, asked: &Asked) -> Result<Reply, Refusal> {
        let filters = asked.get("filters").unwrap_or("{}");
        let filters: Value = serde_json::from_str(filters).unwrap_or_default();
        let wanted: Vec<String> = match &filters["reference"] {
            Value::Array(all) => all
                .iter()
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
            Value::Object(all) => all.keys().cloned().collect(),
            _ => Vec::new(),
        };
        let fits = |name: &str| {
            let bare = name.rsplit_once(':').map_or(name, |(bare, _)| bare);
            wanted.is_empty() || wanted.iter().any(|w| w == name || w == bare)
        };
        let mut all = Vec::new();
        for known in self.known().await.values() {
            let names: Vec<&str> = known
                .names
                .iter()
                .map(|n| familiar(n))
                .filter(|n| fits(n))
                .collect();
            if names.is_empty() && !(wanted.is_empty() && known.names.is_empty()) {
                continue;
            }
            let tags: Vec<&str> = names.iter().copied().filter(|n| !n.contains('@')).collect();
            all.push(json!({
                "Id": known.id.to_string(),
                "ParentId": "",
                "RepoTags": tags,
                "RepoDigests": digests(known),
                "Created": seconds(&known.image.created),
                "Size": size(&known.image),
                "SharedSize": -1,
                "VirtualSize": size(&known.image),
                "Labels": known.image.config.labels,
                "Containers": -1,
            }));
        }
        Ok(reply::json(&json!(all)))
    }

    pub(super) async fn inspect(&self, name: &str) -> Result<Reply, Refusal> {
        let known = self.find(name).await?;
        let image = &known.image;
        let tags: Vec<&str> = known.names.iter().map(|n| familiar(n)).collect();
        let layers: Vec<String> = image.layers.iter().map(|l| l.diff_id.to_string()).collect();
        Ok(reply::json(&json!({
            "Id": known.id.to_string(),
            "RepoTags": tags,
            "RepoDigests": digests(&known),
            "Parent": "",
            "Comment": "",
            "Created": image.created,
            "Author": image.author.clone().unwrap_or_default(),
            "Config": image.config,
            "Architecture": image.architecture,
            "Variant": image.variant,
            "Os": "linux",
            "Size": size(image),
            "VirtualSize": size(image),
            "GraphDriver": {"Name": "overlay2", "Data": {}},
            "RootFS": {"Type": "layers", "Layers": layers},
            "Metadata": {"LastTagTime": image.created},
        })))
    }

    pub(super) async fn history(&self, name: &str) -> Result<Reply, Refusal> {
        let known = self.find(name).await?;
        let mut layers = known.image.layers.iter();
        let mut lines = Vec::new();
        for line in &known.image.history {
            let size = match line.empty_layer {
                true => 0,
                false => layers.next().map_or(0, |layer| layer.size_bytes),
            };
            lines.push(json!({
                "Id": "<missing>",
                "Created": seconds(line.created.as_deref().unwrap_or_default()),
                "CreatedBy": line.created_by,
                "Tags": null,
                "Size": size,
                "Comment": line.comment,
            }));
        }
        lines.reverse();
        if let Some(first) = lines.first_mut() {
            first["Id"] = json!(known.id.to_string());
        }
        Ok(reply::json(&json!(lines)))
    }

    pub(super) async fn tag(&self, name: &str, asked: &Asked) -> Result<Reply, Refusal> {
        let known = self.find(name).await?;
        let repository = asked
            .get("repo")
            .ok_or_else(|| Refusal::bad("repo is missing"))?;
        let new = match asked.get("tag") {
            Some(tag) => format!("{repository}:{tag}"),
            None => repository.to_owned(),
        };
        let tag = Tag {
            digest: known.manifest,
            built: known.is_built,
        };
        let set = self.builder.tags().set(&new, tag);
        set.map_err(|e| Refusal::bad(format!("invalid reference format: {e}")))?;
        let mut reply = reply::bytes(bytes::Bytes::new());
        *reply.status_mut() = StatusCode::CREATED;
        Ok(reply)
    }

    /// By a name, that name goes; by an id, all its names.
    pub(super) async fn remove(&self, name: &str) -> Result<Reply, Refusal> {
        let known = self.find(name).await?;
        let full = name
            .parse::<Reference>()
            .map(|reference| reference.to_string());
        let gone: Vec<&String> = match full {
            Ok(full) if known.names.contains(&full) => {
                known.names.iter().filter(|n| **n == full).collect()
            }
            _ => known.names.iter().collect(),
        };
        let mut told = Vec::new();
        for name in &gone {
            self.builder.tags().remove(name).map_err(Refusal::failed)?;
            told.push(json!({"Untagged": familiar(name)}));
        }
        if gone.len() == known.names.len() {
            self.unnamed.lock().remove(&known.id.hex());
            told.push(json!({"Deleted": known.id.to_string()}));
        }
        Ok(reply::json(&json!(told)))
    }
}

fn size(image: &Image) -> u64 {
    image.layers.iter().map(|layer| layer.size_bytes).sum()
}

fn digests(known: &Known) -> Vec<String> {
    let bare = |name: &String| {
        let name = familiar(name);
        let name = name.split('@').next().unwrap_or(name);
        let at = name.rfind('/').map_or(0, |slash| slash + 1);
        let end = name[at..].find(':').map_or(name.len(), |colon| at + colon);
        format!("{}@{}", &name[..end], known.manifest)
    };
    known.names.iter().map(bare).collect()
}

/// Seconds since 1970 of `2026-11-30T18:00:00.123Z`; 0 where that is not what it is.
fn seconds(text: &str) -> i64 {
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|t| t.parse::<i64>().ok());
    let parts = (|| {
        Some((
            number(0..4)?,
            number(5..7)?,
            number(8..10)?,
            number(11..13)?,
            number(14..16)?,
            number(17..19)?,
        ))
    })();
    let Some((year, month, day, hour, minute, second)) = parts else {
        return 0;
    };
    // Days from the civil calendar: years begin in March, so that leap days come last.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month - 3),
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    (days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_become_seconds() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), 0);
        assert_eq!(seconds("2024-02-29T12:34:56.789Z"), 1_709_210_096);
        assert_eq!(seconds("never"), 0);
    }
}
