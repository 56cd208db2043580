//! GetObject and HeadObject: which version, which of its bytes, under which conditions
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>).

use super::encryption::{Customer, customer, show_encryption};
use super::put::show_checksum;
use super::tagging::shown_version;
use super::{quoted, seconds};
use crate::bucket::{self, Open};
use crate::content::read::Reader;
use crate::model::{Bucket, Content, Object};
use crate::versions::{self, Found, etag_matches};
use crate::{S3, error};
use neargate_api_s3 as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use neargate_wire::schema::TimestampFormat;
use neargate_wire::timestamp;
use std::ops::Range;
use std::sync::Arc;

/// What the internal caller gets of an object: it is all in memory.
const MAX_WHOLE_BYTES: u64 = 64 << 20;

/// What is asked for, of a GET or a HEAD.
#[derive(Debug, Default)]
struct Asked {
    key: String,
    version: Option<String>,
    if_match: Option<String>,
    if_none_match: Option<String>,
    if_modified_since: Option<Timestamp>,
    if_unmodified_since: Option<Timestamp>,
    range: Option<String>,
    part_number: Option<i32>,
    customer: Customer,
}

macro_rules! asked {
    ($input:ident) => {
        Asked {
            key: $input.key.clone(),
            version: $input.version_id.clone(),
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since,
            if_unmodified_since: $input.if_unmodified_since,
            range: $input.range.clone(),
            part_number: $input.part_number,
            customer: customer!($input),
        }
    };
}

/// There is no such version.
pub fn missing(key: &str, version: Option<&str>) -> AwsError {
    match version {
        None => error::no_such_key(key),
        Some(version) => error::no_such_version(key, version),
    }
}

/// A version that has content.
///
/// # Errors
/// `NoSuchKey`, `NoSuchVersion`, and S3's answers to who asks for a delete marker.
pub async fn content(
    cx: &Ctx,
    bucket: &Bucket,
    key: &str,
    version: Option<&str>,
    method: &str,
) -> Result<(Found, Content), AwsError> {
    let found = versions::find(cx.db(), bucket, key, version).await?;
    let found = found.ok_or_else(|| missing(key, version))?;
    match &found.object.content {
        Some(content) => {
            let content = content.clone();
            Ok((found, content))
        }
        // The headers say that a marker stands there.
        None => {
            let error = match version {
                None => error::no_such_key(key),
                Some(_) => error::method_not_allowed(method, "DeleteMarker").field(
                    LAST_MODIFIED,
                    timestamp::format(seconds(found.object.modified_at), TimestampFormat::HttpDate),
                ),
            };
            Err(error
                .field(DELETE_MARKER, "true")
                .field(VERSION_ID, found.object.version_name()))
        }
    }
}

/// Fields of errors that the door writes as headers.
pub const DELETE_MARKER: &str = "x-amz-delete-marker";
pub const VERSION_ID: &str = "x-amz-version-id";
pub const LAST_MODIFIED: &str = "last-modified";

/// Which bytes are answered.
struct Chosen {
    range: Range<u64>,
    partial: bool,
    parts: Option<usize>,
}

fn choose(asked: &Asked, content: &Content) -> Result<Chosen, AwsError> {
    let all = content.bytes;
    if let Some(number) = asked.part_number {
        if asked.range.is_some() {
            return Err(error::invalid_request(
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        if !(1..=10_000).contains(&number) {
            return Err(error::invalid_part_number(number));
        }
        let count = content.parts.len().max(1);
        if number as usize > count {
            return Err(error::part_not_satisfiable(number, count));
        }
        let before: u64 = content
            .parts
            .iter()
            .take(number as usize - 1)
            .map(|p| p.bytes)
            .sum();
        let own = content
            .parts
            .get(number as usize - 1)
            .map_or(all, |p| p.bytes);
        return Ok(Chosen {
            range: before..before + own,
            partial: own > 0,
            parts: (!content.parts.is_empty()).then_some(count),
        });
    }
    let wanted = asked.range.as_deref().and_then(|range| ranged(range, all));
    match wanted {
        None => Ok(Chosen {
            range: 0..all,
            partial: false,
            parts: None,
        }),
        Some(range) if range.is_empty() => {
            let text = asked.range.as_deref().unwrap_or_default();
            Err(error::invalid_range(text, all))
        }
        Some(range) => Ok(Chosen {
            range,
            partial: true,
            parts: None,
        }),
    }
}

/// What a `Range` header asks of so many bytes (RFC 9110, 14.2); empty: nothing of them. Several
/// ranges, other units and nonsense are answered with the whole, as S3 does.
pub fn ranged(header: &str, bytes: u64) -> Option<Range<u64>> {
    let spec = header.trim().strip_prefix("bytes=")?.trim();
    let (first, last) = spec.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>();
    match (number(first), number(last)) {
        (Ok(first), Ok(last)) if first <= last && first < bytes => {
            Some(first..last.saturating_add(1).min(bytes))
        }
        (Ok(first), Ok(last)) if first <= last => Some(0..0),
        (Ok(first), Err(_)) if last.trim().is_empty() => match first < bytes {
            true => Some(first..bytes),
            false => Some(0..0),
        },
        (Err(_), Ok(suffix)) if first.trim().is_empty() => {
            Some(bytes.saturating_sub(suffix)..bytes)
        }
        _ => None,
    }
}

/// Do the conditions hold? (RFC 9110, 13.2.2)
///
/// # Errors
/// `PreconditionFailed`, 304.
fn check(asked: &Asked, object: &Object, content: &Content) -> Result<(), AwsError> {
    let modified = seconds(object.modified_at);
    match (&asked.if_match, asked.if_unmodified_since) {
        (Some(list), _) if !etag_matches(list, &content.etag) => {
            return Err(error::precondition_failed("If-Match"));
        }
        (None, Some(since)) if modified > since => {
            return Err(error::precondition_failed("If-Unmodified-Since"));
        }
        _ => {}
    }
    let same = match (&asked.if_none_match, asked.if_modified_since) {
        (Some(list), _) => etag_matches(list, &content.etag),
        (None, Some(since)) => modified <= since,
        (None, None) => false,
    };
    match same {
        true => Err(error::not_modified(&quoted(&content.etag)).field(
            LAST_MODIFIED,
            timestamp::format(modified, TimestampFormat::HttpDate),
        )),
        false => Ok(()),
    }
}

async fn open(
    cx: &Ctx,
    bucket: &str,
    owner: Option<&str>,
    key: &str,
    version: Option<&str>,
) -> Result<Open, AwsError> {
    let action = match version {
        None => "s3:GetObject",
        Some(_) => "s3:GetObjectVersion",
    };
    bucket::open(cx, bucket, owner, action, Some(key)).await
}

/// The version that is asked for, if the caller may read it.
async fn look(
    cx: &Ctx,
    open: &Open,
    asked: &Asked,
    method: &str,
) -> Result<(Found, Content), AwsError> {
    let looked = content(cx, open, &asked.key, asked.version.as_deref(), method).await;
    let (found, content) = match looked {
        // Who may not list is not told what is not there.
        Err(why) if why.status == 404 && !open.may_be_listed(cx) => {
            return Err(error::access_denied());
        }
        looked => looked?,
    };
    open.require(cx, &content.about.acl)?;
    check(asked, &found.object, &content)?;
    Ok((found, content))
}

/// What GET and HEAD answer alike.
macro_rules! describe {
    ($output:ident, $bucket:ident, $found:ident, $content:ident, $chosen:ident, $input:ident) => {
        let about = &$content.about;
        let header = |name: &str| about.headers.get(name).cloned();
        $output.accept_ranges = Some("bytes".into());
        $output.last_modified = Some(seconds($found.object.modified_at));
        $output.content_length = Some(($chosen.range.end - $chosen.range.start) as i64);
        $output.e_tag = Some(quoted(&$content.etag));
        $output.version_id = shown_version(&$bucket, &$found.object);
        $output.cache_control = $input
            .response_cache_control
            .or_else(|| header("cache-control"));
        $output.content_disposition = $input
            .response_content_disposition
            .or_else(|| header("content-disposition"));
        $output.content_encoding = $input
            .response_content_encoding
            .or_else(|| header("content-encoding"));
        $output.content_language = $input
            .response_content_language
            .or_else(|| header("content-language"));
        let binary = || Some("binary/octet-stream".to_owned());
        $output.content_type = $input
            .response_content_type
            .or_else(|| about.content_type.clone())
            .or_else(binary);
        $output.expires = $input
            .response_expires
            .map(|t| timestamp::format(t, TimestampFormat::HttpDate))
            .or_else(|| header("expires"));
        $output.website_redirect_location = header("x-amz-website-redirect-location");
        $output.metadata = (!about.metadata.is_empty()).then(|| about.metadata.clone());
        $output.storage_class = about.storage_class.clone();
        $output.parts_count = $chosen.parts.map(|p| p as i32);
        $output.tag_count = (!about.tags.is_empty()).then_some(about.tags.len() as i32);
        $output.object_lock_mode = about.retention.as_ref().map(|r| r.mode.clone());
        $output.object_lock_retain_until_date = about.retention.as_ref().map(|r| r.until);
        $output.object_lock_legal_hold_status = about.legal_hold.then(|| "ON".to_owned());
        show_encryption!($output, about);
        if $chosen.partial {
            let Range { start, end } = $chosen.range;
            let all = $content.bytes;
            $output.content_range = Some(format!("bytes {start}-{}/{all}", end.saturating_sub(1)));
        }
        if $input.checksum_mode.as_deref() == Some("ENABLED") && !$chosen.partial {
            show_checksum!($output, &$content.checksum);
            $output.checksum_type = $content.checksum.as_ref().map(|c| c.kind.name().to_owned());
        }
    };
}

pub async fn head_object(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::HeadObjectInput,
) -> Result<api::HeadObjectOutput, AwsError> {
    let asked = asked!(input);
    let owner = input.expected_bucket_owner.as_deref();
    let version = input.version_id.as_deref();
    let open = open(&cx, &input.bucket, owner, &input.key, version).await?;
    let (found, content) = look(&cx, &open, &asked, "HEAD").await?;
    s3.sealed(&cx, &content.about.encryption, &asked.customer)
        .await?;
    let chosen = choose(&asked, &content)?;
    let mut output = api::HeadObjectOutput::default();
    describe!(output, open, found, content, chosen, input);
    Ok(output)
}

/// GetObject, with its body as a stream.
///
/// # Errors
/// In S3's words.
pub async fn get_object_as_stream(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectInput,
) -> Result<(api::GetObjectOutput, Reader), AwsError> {
    let asked = asked!(input);
    let owner = input.expected_bucket_owner.as_deref();
    let version = input.version_id.as_deref();
    let open = open(&cx, &input.bucket, owner, &input.key, version).await?;
    loop {
        let (found, content) = look(&cx, &open, &asked, "GET").await?;
        let place = s3
            .sealed(&cx, &content.about.encryption, &asked.customer)
            .await?;
        let chosen = choose(&asked, &content)?;
        let reader = Reader::open(&place, &content.pieces, chosen.range.clone()).await;
        let Some(reader) = reader else {
            gone(&cx, &open, &asked, &found).await?;
            continue;
        };
        let mut output = api::GetObjectOutput::default();
        describe!(output, open, found, content, chosen, input);
        return Ok((output, reader));
    }
}

/// An object's bytes were not there. That is only so when it was replaced since its record was read.
async fn gone(cx: &Ctx, bucket: &Bucket, asked: &Asked, found: &Found) -> Result<(), AwsError> {
    let again = versions::find(cx.db(), bucket, &asked.key, asked.version.as_deref()).await?;
    let same = again.is_some_and(|a| a.object.sequence == found.object.sequence);
    match same {
        true => Err(error::unreadable(std::io::Error::other(
            "the bytes of an object are not on the disk",
        ))),
        false => Ok(()),
    }
}

pub async fn get_object(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::GetObjectInput,
) -> Result<api::GetObjectOutput, AwsError> {
    let (mut output, mut reader) = get_object_as_stream(s3, cx, input).await?;
    if output.content_length.unwrap_or_default() as u64 > MAX_WHOLE_BYTES {
        return Err(error::not_built(
            "objects over 64 MiB for calls within Neargate",
        ));
    }
    let mut all = Vec::new();
    while let Some(more) = reader.next().await {
        all.extend_from_slice(&more.map_err(error::unreadable)?);
    }
    output.body = Some(all.into());
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::ranged;

    #[test]
    fn ranges() {
        for (header, expected) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=2-", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=5-99", Some(5..10)),
            ("bytes=-99", Some(0..10)),
            ("bytes=10-", Some(0..0)),
            ("bytes=10-12", Some(0..0)),
            ("bytes=-0", Some(10..10)),
            ("bytes=5-2", None),
            ("bytes=0-1,3-4", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(ranged(header, 10), expected, "{header}");
        }
    }
}
