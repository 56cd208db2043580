//! ListObjectVersions: of every key its newest version and the older ones behind it.

use super::list::{Encoding, behind, limit, rolled};
use super::{owner, quoted, seconds};
use crate::model::{Bucket, Object, keys};
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_service::{AwsError, Ctx, db};
use neargate_store::MAX_PAGE;
use std::sync::Arc;

pub async fn list_object_versions(
    _: Arc<S3>,
    cx: Ctx,
    input: api::ListObjectVersionsInput,
) -> Result<api::ListObjectVersionsOutput, AwsError> {
    let encoding = Encoding::of(input.encoding_type.as_deref())?;
    let limit = limit(input.max_keys, "max-keys")?;
    let owner = input.expected_bucket_owner.as_deref();
    let bucket = bucket::open(&cx, &input.bucket, owner, "s3:ListBucketVersions", None).await?;
    let marker = input.key_marker.clone().unwrap_or_default();
    let version_marker = input.version_id_marker.clone().filter(|v| !v.is_empty());
    if version_marker.is_some() && marker.is_empty() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(error::invalid_argument(
            "version-id-marker",
            version_marker.as_deref().unwrap_or_default(),
            message,
        ));
    }
    let mut walk = Walk {
        cx: &cx,
        bucket: &bucket,
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|d| !d.is_empty()),
        limit,
        at: None,
        lines: Vec::new(),
    };
    let more = walk.go(&marker, version_marker.as_deref()).await?;
    let last = walk.lines.last().filter(|_| more);
    let mut output = api::ListObjectVersionsOutput {
        is_truncated: Some(more),
        key_marker: Some(encoding.write(&marker)),
        version_id_marker: Some(version_marker.unwrap_or_default()),
        next_key_marker: last.map(|l| encoding.write(l.name())),
        next_version_id_marker: last.and_then(|l| match l {
            Line::Version { object, .. } => Some(object.version_name().to_owned()),
            Line::Prefix(_) => None,
        }),
        name: Some(input.bucket.clone()),
        prefix: Some(encoding.write(walk.prefix)),
        delimiter: walk.delimiter.map(|d| encoding.write(d)),
        max_keys: Some(limit as i32),
        encoding_type: input.encoding_type.clone(),
        ..Default::default()
    };
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for line in &walk.lines {
        match line {
            Line::Prefix(prefix) => prefixes.push(api::CommonPrefix {
                prefix: Some(encoding.write(prefix)),
            }),
            Line::Version {
                key,
                object,
                is_latest,
            } => show(
                &bucket,
                encoding.write(key),
                object,
                *is_latest,
                &mut versions,
                &mut markers,
            ),
        }
    }
    output.versions = Some(versions);
    output.delete_markers = Some(markers);
    output.common_prefixes = Some(prefixes);
    Ok(output)
}

fn show(
    bucket: &Bucket,
    key: String,
    object: &Object,
    is_latest: bool,
    versions: &mut Vec<api::ObjectVersion>,
    markers: &mut Vec<api::DeleteMarkerEntry>,
) {
    let owner = Some(owner(&bucket.account));
    let version_id = Some(object.version_name().to_owned());
    let last_modified = Some(seconds(object.modified_at));
    let Some(content) = &object.content else {
        markers.push(api::DeleteMarkerEntry {
            owner,
            key: Some(key),
            version_id,
            is_latest: Some(is_latest),
            last_modified,
        });
        return;
    };
    let class = content.about.storage_class.clone();
    let checksum = content.checksum.as_ref();
    versions.push(api::ObjectVersion {
        e_tag: Some(quoted(&content.etag)),
        checksum_algorithm: checksum.map(|c| vec![c.algorithm.name().to_owned()]),
        checksum_type: checksum.map(|c| c.kind.name().to_owned()),
        size: Some(content.bytes as i64),
        storage_class: Some(class.unwrap_or_else(|| "STANDARD".into())),
        key: Some(key),
        version_id,
        is_latest: Some(is_latest),
        last_modified,
        owner,
        restore_status: None,
    });
}

enum Line {
    Version {
        key: String,
        object: Box<Object>,
        is_latest: bool,
    },
    Prefix(String),
}

impl Line {
    fn name(&self) -> &str {
        match self {
            Line::Version { key, .. } => key,
            Line::Prefix(prefix) => prefix,
        }
    }
}

struct Walk<'a> {
    cx: &'a Ctx,
    bucket: &'a Bucket,
    prefix: &'a str,
    delimiter: Option<&'a str>,
    limit: usize,
    /// The snapshot that is walked.
    at: Option<u64>,
    lines: Vec<Line>,
}

impl Walk<'_> {
    /// Collects lines; are there more?
    async fn go(&mut self, marker: &str, version_marker: Option<&str>) -> Result<bool, AwsError> {
        if self.limit == 0 {
            return Ok(false);
        }
        let base = keys::objects(self.bucket);
        let begin = format!("{base}{}", self.prefix);
        let mut told = rolled(marker, self.prefix, self.delimiter).map(str::to_owned);
        let mut after = match &told {
            Some(told) if told == marker => behind(told),
            _ => marker.to_owned(),
        };
        // The key that the marker is within is gone through once more, up to its version.
        if let Some(version) = version_marker {
            let place = keys::object(self.bucket, marker);
            if let Some(newest) = self.cx.db().get_key::<Object>(&place).await?
                && self
                    .versions_of(marker, newest.value, Some(version))
                    .await?
            {
                return Ok(true);
            }
        }
        loop {
            let cursor = (!after.is_empty()).then(|| format!("{base}{after}"));
            let store = self.cx.db().store();
            let page = store.range(&begin, cursor.as_deref(), 100, self.at).await?;
            self.at = Some(page.revision);
            let mut jumped = false;
            for entry in &page.entries {
                let key = entry.key[base.len()..].to_owned();
                let prefix = rolled(&key, self.prefix, self.delimiter).map(str::to_owned);
                after.clone_from(&key);
                if prefix.is_some() && prefix == told {
                    continue;
                }
                if self.lines.len() == self.limit {
                    return Ok(true);
                }
                if let Some(prefix) = prefix {
                    after = behind(&prefix);
                    self.lines.push(Line::Prefix(prefix.clone()));
                    told = Some(prefix);
                    jumped = true;
                    break;
                }
                let newest = db::decode::<Object>(entry)?.value;
                if self.versions_of(&key, newest, None).await? {
                    return Ok(true);
                }
            }
            if !jumped && !page.more {
                return Ok(false);
            }
        }
    }

    /// All versions of a key, behind the one named; true: there was no room for all.
    async fn versions_of(
        &mut self,
        key: &str,
        newest: Object,
        behind: Option<&str>,
    ) -> Result<bool, AwsError> {
        let mut passed = behind.is_none();
        let mut take = |walk: &mut Self, object: Object, is_latest: bool| {
            if !passed {
                passed = behind == Some(object.version_name());
                return true;
            }
            if walk.lines.len() == walk.limit {
                return false;
            }
            walk.lines.push(Line::Version {
                key: key.to_owned(),
                object: Box::new(object),
                is_latest,
            });
            true
        };
        if !take(self, newest, true) {
            return Ok(true);
        }
        let prefix = keys::versions_of(self.bucket, key);
        let mut after: Option<String> = None;
        loop {
            let store = self.cx.db().store();
            let page = store
                .range(&prefix, after.as_deref(), MAX_PAGE, self.at)
                .await?;
            self.at = Some(page.revision);
            for entry in &page.entries {
                if !take(self, db::decode::<Object>(entry)?.value, false) {
                    return Ok(true);
                }
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(false),
            }
        }
    }
}
