//! CopyObject, and the source that UploadPartCopy has too.

use super::encryption::{Customer, customer, show_encryption};
use super::put::{
    Given, Incoming, MAX_PUT_BYTES, check_key, place_object, receive, said, show_checksum,
};
use super::tagging::shown_version;
use super::{get, quoted, seconds, tagging};
use crate::bucket;
use crate::content::checksum::{Algorithm, Checksum};
use crate::content::read::Reader;
use crate::content::source::Source;
use crate::content::write::Written;
use crate::content::{Piece, Place};
use crate::model::{Content, Encryption};
use crate::notify::Change;
use crate::versions::{Conditions, etag_matches};
use crate::{S3, error};
use neargate_api_s3 as api;
use neargate_base::{Timestamp, task};
use neargate_blob::Held;
use neargate_service::{AwsError, Ctx};
use percent_encoding::percent_decode_str;
use std::ops::Range;
use std::sync::Arc;

/// How often a source may be replaced while it is copied.
pub const ATTEMPTS: usize = 10;

/// What is copied, and what must hold of it.
#[derive(Debug, Default)]
pub struct Origin {
    pub source: String,
    pub owner: Option<String>,
    pub if_match: Option<String>,
    pub if_none_match: Option<String>,
    pub if_modified_since: Option<Timestamp>,
    pub if_unmodified_since: Option<Timestamp>,
    pub customer: Customer,
}

macro_rules! origin {
    ($input:ident) => {
        $crate::api::copy::Origin {
            source: $input.copy_source.clone(),
            owner: $input.expected_source_bucket_owner.clone(),
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since,
            if_unmodified_since: $input.copy_source_if_unmodified_since,
            customer: $crate::api::encryption::Customer {
                algorithm: $input.copy_source_sse_customer_algorithm.clone(),
                key: $input.copy_source_sse_customer_key.clone(),
                md5: $input.copy_source_sse_customer_key_md5.clone(),
            },
        }
    };
}
pub(crate) use origin;

/// A source that was found.
#[derive(Debug)]
pub struct Found {
    pub bucket: String,
    pub key: String,
    pub content: Content,
    pub version_id: Option<String>,
    pub place: Place,
}

/// `bucket/key`, percent-encoded, with `?versionId=…` behind it.
fn parse(source: &str) -> Result<(String, String, Option<String>), AwsError> {
    let wrong = || {
        let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        error::invalid_argument("x-amz-copy-source", source, message)
    };
    let (path, version) = match source.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version.to_owned())),
        None => (source, None),
    };
    let decoded = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| wrong())?;
    let decoded = decoded.strip_prefix('/').unwrap_or(&decoded);
    if decoded.starts_with("arn:") {
        return Err(error::not_built("access points"));
    }
    let (bucket, key) = decoded.split_once('/').ok_or_else(wrong)?;
    if bucket.is_empty() || key.is_empty() {
        return Err(wrong());
    }
    Ok((bucket.to_owned(), key.to_owned(), version))
}

impl Origin {
    /// # Errors
    /// `NoSuchKey` and its like, `AccessDenied`, `PreconditionFailed`.
    pub async fn find(&self, s3: &S3, cx: &Ctx) -> Result<Found, AwsError> {
        let (name, key, version) = parse(&self.source)?;
        let action = match version {
            None => "s3:GetObject",
            Some(_) => "s3:GetObjectVersion",
        };
        let open = bucket::open(cx, &name, self.owner.as_deref(), action, Some(&key)).await?;
        let (found, content) = match get::content(cx, &open, &key, version.as_deref(), "GET").await
        {
            Err(why) if why.code == "MethodNotAllowed" => {
                return Err(error::invalid_request(
                    "The source of a copy request may not specifically refer to a delete marker by \
                     version id.",
                ));
            }
            found => found?,
        };
        open.require(cx, &content.about.acl)?;
        let modified = seconds(found.object.modified_at);
        let fails = |name: &str| Err(error::precondition_failed(name));
        match (&self.if_match, self.if_unmodified_since) {
            (Some(list), _) if !etag_matches(list, &content.etag) => {
                return fails("x-amz-copy-source-If-Match");
            }
            (None, Some(since)) if modified > since => {
                return fails("x-amz-copy-source-If-Unmodified-Since");
            }
            _ => {}
        }
        match (&self.if_none_match, self.if_modified_since) {
            (Some(list), _) if etag_matches(list, &content.etag) => {
                return fails("x-amz-copy-source-If-None-Match");
            }
            (None, Some(since)) if modified <= since => {
                return fails("x-amz-copy-source-If-Modified-Since");
            }
            _ => {}
        }
        let place = s3
            .sealed(cx, &content.about.encryption, &self.customer)
            .await?;
        Ok(Found {
            version_id: shown_version(&open, &found.object),
            bucket: name,
            key,
            content,
            place,
        })
    }
}

/// Bytes of their own, however they came to be.
pub enum Copied {
    /// Links to what the source has.
    Linked(Vec<Piece>, Vec<Held>),
    Written(Written),
}

impl Found {
    /// The bytes once more. What is sealed alike and has the digests that are wanted is linked.
    /// `None`: the source was replaced meanwhile.
    pub async fn copy(
        &self,
        s3: &S3,
        cx: &Ctx,
        into: (&Encryption, Place),
        range: Option<Range<u64>>,
        algorithm: Algorithm,
    ) -> Result<Option<(Copied, Checksum)>, AwsError> {
        let (encryption, place) = into;
        let plain = [encryption, &self.content.about.encryption]
            .iter()
            .all(|e| **e == Encryption::Installation);
        let checksum = self.content.checksum.clone();
        let checksum = checksum.filter(|c| c.algorithm == algorithm);
        if plain
            && range.is_none()
            && self.content.parts.is_empty()
            && let Some(checksum) = checksum
        {
            let extents = s3.extents.clone();
            let pieces: Vec<(Piece, String)> = self
                .content
                .pieces
                .iter()
                .map(|piece| (piece.clone(), cx.house.rng.hex(16)))
                .collect();
            let linked = task::spawn_blocking(move || {
                let mut all = (Vec::new(), Vec::new());
                for (piece, name) in pieces {
                    all.1.push(extents.link(&piece.name, &name).ok()?);
                    all.0.push(Piece {
                        salt: Some(piece.salt().to_owned()),
                        bytes: piece.bytes,
                        name,
                    });
                }
                Some(all)
            });
            let linked = linked.await.expect("linking does not panic");
            if let Some((pieces, held)) = linked {
                return Ok(Some((Copied::Linked(pieces, held), checksum)));
            }
        }
        let range = range.unwrap_or(0..self.content.bytes);
        let reader = Reader::open(&self.place, &self.content.pieces, range).await;
        let Some(reader) = reader else {
            return Ok(None);
        };
        let mut incoming = Incoming {
            source: Source::Object(reader),
            sha256: None,
            trailer: None,
            bounds: None,
            is_form: false,
        };
        let given = Given {
            sum: Some((algorithm, None)),
            ..Given::default()
        };
        let (written, checksum) = receive(cx, place, &mut incoming, &given).await?;
        Ok(Some((Copied::Written(written), checksum)))
    }
}

impl Copied {
    pub fn pieces(&self) -> Vec<Piece> {
        match self {
            Copied::Linked(pieces, _) => pieces.clone(),
            Copied::Written(written) => written.piece.clone().into_iter().collect(),
        }
    }

    /// The MD5, where it was computed anew.
    pub fn etag(&self) -> Option<String> {
        match self {
            Copied::Linked(..) => None,
            Copied::Written(written) => Some(hex::encode(written.md5)),
        }
    }

    /// A durable record has them now.
    pub fn keep(self) {
        match self {
            Copied::Linked(_, held) => held.into_iter().for_each(Held::keep),
            Copied::Written(written) => written.keep(),
        }
    }
}

pub async fn copy_object(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::CopyObjectInput,
) -> Result<api::CopyObjectOutput, AwsError> {
    let key = &input.key;
    check_key(key)?;
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObject", Some(key)).await?;
    let origin = origin!(input);
    let replace = directive(
        input.metadata_directive.as_deref(),
        "x-amz-metadata-directive",
    )?;
    let replace_tags = directive(
        input.tagging_directive.as_deref(),
        "x-amz-tagging-directive",
    )?;
    let algorithm = match input.checksum_algorithm.as_deref() {
        Some(name) => Some(Algorithm::of(name).ok_or_else(super::put::unknown_algorithm)?),
        None => None,
    };
    for _ in 0..ATTEMPTS {
        let found = origin.find(&s3, &cx).await?;
        if found.content.bytes > MAX_PUT_BYTES {
            return Err(error::invalid_request(format!(
                "The specified copy source is larger than the maximum allowable size for a copy \
                 source: {MAX_PUT_BYTES}"
            )));
        }
        let itself = found.bucket == input.bucket && found.key == *key;
        let changes = replace
            || input.storage_class.is_some()
            || input.website_redirect_location.is_some()
            || input.server_side_encryption.is_some()
            || input.sse_customer_key.is_some()
            || input.checksum_algorithm.is_some();
        if itself && !changes && !origin.source.contains("?versionId=") {
            return Err(error::invalid_request(
                "This copy request is illegal because it is trying to copy an object to itself \
                 without changing the object's metadata, storage class, website redirect location \
                 or encryption attributes.",
            ));
        }
        let mut about = said!(input).read(&cx, &open, key).await?;
        let old = &found.content.about;
        if !replace {
            about.content_type.clone_from(&old.content_type);
            about.metadata.clone_from(&old.metadata);
            let redirect = about.headers.remove(REDIRECT);
            about.headers.clone_from(&old.headers);
            about.headers.remove(REDIRECT);
            about
                .headers
                .extend(redirect.map(|r| (REDIRECT.to_owned(), r)));
        }
        if !replace_tags {
            about.tags.clone_from(&old.tags);
        }
        let algorithm = algorithm
            .or_else(|| found.content.checksum.as_ref().map(|c| c.algorithm))
            .unwrap_or(Algorithm::Crc64Nvme);
        let place = s3.sealed(&cx, &about.encryption, &customer!(input)).await?;
        s3.extents.require_room(0).map_err(error::blob)?;
        let into = (&about.encryption, place);
        let Some((copied, checksum)) = found.copy(&s3, &cx, into, None, algorithm).await? else {
            continue;
        };
        let content = Content {
            bytes: found.content.bytes,
            etag: copied.etag().unwrap_or_else(|| found.content.etag.clone()),
            pieces: copied.pieces(),
            parts: Vec::new(),
            checksum: Some(checksum),
            about,
        };
        let conditions = Conditions {
            if_match: input.if_match.clone(),
            if_none_match: input.if_none_match.clone(),
        };
        let placed =
            place_object(&s3, &cx, &open, key, content, &conditions, Change::Copied).await?;
        copied.keep();
        let mut result = api::CopyObjectResult {
            last_modified: Some(seconds(placed.modified_at)),
            ..Default::default()
        };
        let mut output = api::CopyObjectOutput {
            copy_source_version_id: found.version_id,
            version_id: tagging::shown_version(&open, &placed),
            ..Default::default()
        };
        if let Some(content) = &placed.content {
            result.e_tag = Some(quoted(&content.etag));
            show_checksum!(result, &content.checksum);
            result.checksum_type = content.checksum.as_ref().map(|c| c.kind.name().to_owned());
            show_encryption!(output, content.about);
        }
        output.copy_object_result = Some(result);
        return Ok(output);
    }
    Err(error::operation_aborted())
}

const REDIRECT: &str = "x-amz-website-redirect-location";

/// Is it `REPLACE`?
fn directive(given: Option<&str>, name: &str) -> Result<bool, AwsError> {
    match given {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => {
            let message = "Unknown directive.";
            Err(error::invalid_argument(name, other, message))
        }
    }
}
