//! ListObjects, in its two versions: keys in the order of their bytes, those that a delimiter rolls
//! up told once.

use super::{owner, quoted, seconds};
use crate::model::{Bucket, Object, keys};
use crate::{S3, bucket, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_s3 as api;
use neargate_service::{AwsError, Ctx, db};
use neargate_store::MAX_PAGE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

pub const MAX_KEYS: i32 = 1000;

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/');

/// How names are written in an answer.
#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    url: bool,
}

impl Encoding {
    /// # Errors
    /// `InvalidArgument`.
    pub fn of(name: Option<&str>) -> Result<Encoding, AwsError> {
        match name {
            None => Ok(Encoding { url: false }),
            Some("url") => Ok(Encoding { url: true }),
            Some(other) => {
                let message = "Invalid Encoding Method specified in Request";
                Err(error::invalid_argument("encoding-type", other, message))
            }
        }
    }

    pub fn write(self, text: &str) -> String {
        match self.url {
            true => utf8_percent_encode(text, PLAIN).to_string(),
            false => text.to_owned(),
        }
    }
}

/// How many are wanted.
///
/// # Errors
/// `InvalidArgument` of a negative number.
pub fn limit(given: Option<i32>, name: &str) -> Result<usize, AwsError> {
    let given = given.unwrap_or(MAX_KEYS);
    if given < 0 {
        let message = format!("Argument {name} must be an integer between 0 and 2147483647");
        return Err(error::invalid_argument(name, &given.to_string(), message));
    }
    Ok(given.min(MAX_KEYS) as usize)
}

/// A continuation token: where a listing goes on, in a form that nobody takes for a key.
pub fn token(after: &str) -> String {
    STANDARD.encode(format!("1{after}"))
}

/// # Errors
/// `InvalidArgument` of what is none.
pub fn open_token(token: &str) -> Result<String, AwsError> {
    let decoded = STANDARD.decode(token).ok();
    let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
    let after = text.as_ref().and_then(|t| t.strip_prefix('1'));
    after.map(str::to_owned).ok_or_else(|| {
        let message = "The continuation token provided is incorrect";
        error::invalid_argument("continuation-token", token, message)
    })
}

/// What a listing is about.
#[derive(Debug)]
pub struct Query<'a> {
    pub prefix: &'a str,
    /// `None` of an empty one, too.
    pub delimiter: Option<&'a str>,
    pub after: &'a str,
    pub limit: usize,
}

/// One line of a listing.
#[derive(Debug)]
pub enum Line {
    Object(String, Box<Object>),
    Prefix(String),
}

impl Line {
    pub fn name(&self) -> &str {
        match self {
            Line::Object(key, _) => key,
            Line::Prefix(prefix) => prefix,
        }
    }
}

/// The common prefix that rolls this key up.
pub fn rolled<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let rest = key.strip_prefix(prefix)?;
    let at = rest.find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// Behind every key that begins with `prefix`, or nearly so.
pub fn behind(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
}

/// The lines that a query finds, and whether there are more.
pub async fn lines(
    cx: &Ctx,
    bucket: &Bucket,
    query: &Query<'_>,
) -> Result<(Vec<Line>, bool), AwsError> {
    let base = keys::objects(bucket);
    let begin = format!("{base}{}", query.prefix);
    let mut lines: Vec<Line> = Vec::new();
    if query.limit == 0 {
        return Ok((lines, false));
    }
    let mut at = None;
    // A marker may be a common prefix that was told already.
    let mut after = match rolled(query.after, query.prefix, query.delimiter) {
        Some(told) if told == query.after => behind(told),
        _ => query.after.to_owned(),
    };
    let mut told = rolled(query.after, query.prefix, query.delimiter).map(str::to_owned);
    loop {
        let cursor = (!after.is_empty()).then(|| format!("{base}{after}"));
        // A listing with a delimiter jumps, and takes little at a time.
        let size = match query.delimiter {
            Some(_) => 100.min(query.limit + 1),
            None => (query.limit + 1 - lines.len()).min(MAX_PAGE),
        };
        let page = cx
            .db()
            .store()
            .range(&begin, cursor.as_deref(), size, at)
            .await?;
        at = Some(page.revision);
        let mut jumped = false;
        for entry in &page.entries {
            let key = entry.key[base.len()..].to_owned();
            let prefix = rolled(&key, query.prefix, query.delimiter).map(str::to_owned);
            if prefix.is_some() && prefix == told {
                after = key;
                continue;
            }
            let object = db::decode::<Object>(entry)?.value;
            if object.content.is_none() {
                after = key;
                continue;
            }
            if lines.len() == query.limit {
                return Ok((lines, true));
            }
            match prefix {
                Some(prefix) => {
                    lines.push(Line::Prefix(prefix.clone()));
                    after = behind(&prefix);
                    told = Some(prefix);
                    jumped = true;
                    break;
                }
                None => {
                    after.clone_from(&key);
                    lines.push(Line::Object(key, Box::new(object)));
                }
            }
        }
        if !jumped && !page.more {
            return Ok((lines, false));
        }
    }
}

fn shown(
    bucket: &Bucket,
    key: &str,
    object: &Object,
    with_owner: bool,
    encoding: Encoding,
) -> api::Object {
    let content = object.content.as_ref();
    let checksum = content.and_then(|c| c.checksum.as_ref());
    let class = content.and_then(|c| c.about.storage_class.clone());
    api::Object {
        key: Some(encoding.write(key)),
        last_modified: Some(seconds(object.modified_at)),
        e_tag: content.map(|c| quoted(&c.etag)),
        checksum_algorithm: checksum.map(|c| vec![c.algorithm.name().to_owned()]),
        checksum_type: checksum.map(|c| c.kind.name().to_owned()),
        size: content.map(|c| c.bytes as i64),
        storage_class: Some(class.unwrap_or_else(|| "STANDARD".into())),
        owner: with_owner.then(|| owner(&bucket.account)),
        restore_status: None,
    }
}

/// Lines as the two lists that answers have.
fn divided(
    bucket: &Bucket,
    lines: &[Line],
    with_owner: bool,
    encoding: Encoding,
) -> (Vec<api::Object>, Vec<api::CommonPrefix>) {
    let (mut objects, mut prefixes) = (Vec::new(), Vec::new());
    for line in lines {
        match line {
            Line::Object(key, object) => {
                objects.push(shown(bucket, key, object, with_owner, encoding));
            }
            Line::Prefix(prefix) => prefixes.push(api::CommonPrefix {
                prefix: Some(encoding.write(prefix)),
            }),
        }
    }
    (objects, prefixes)
}

pub async fn list_objects_v2(
    _: Arc<S3>,
    cx: Ctx,
    input: api::ListObjectsV2Input,
) -> Result<api::ListObjectsV2Output, AwsError> {
    let encoding = Encoding::of(input.encoding_type.as_deref())?;
    let limit = limit(input.max_keys, "max-keys")?;
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:ListBucket", None).await?;
    let after = match input.continuation_token.as_ref().filter(|t| !t.is_empty()) {
        Some(token) => open_token(token)?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|d| !d.is_empty()),
        after: &after,
        limit,
    };
    let (lines, more) = lines(&cx, &open, &query).await?;
    let with_owner = input.fetch_owner.unwrap_or(false);
    let (objects, prefixes) = divided(&open, &lines, with_owner, encoding);
    Ok(api::ListObjectsV2Output {
        is_truncated: Some(more),
        contents: Some(objects),
        name: Some(input.bucket.clone()),
        prefix: Some(encoding.write(query.prefix)),
        delimiter: query.delimiter.map(|d| encoding.write(d)),
        max_keys: Some(limit as i32),
        common_prefixes: Some(prefixes),
        encoding_type: input.encoding_type.clone(),
        key_count: Some(lines.len() as i32),
        continuation_token: input.continuation_token.clone(),
        next_continuation_token: lines.last().filter(|_| more).map(|line| token(line.name())),
        start_after: input.start_after.as_deref().map(|s| encoding.write(s)),
        request_charged: None,
    })
}

pub async fn list_objects(
    _: Arc<S3>,
    cx: Ctx,
    input: api::ListObjectsInput,
) -> Result<api::ListObjectsOutput, AwsError> {
    let encoding = Encoding::of(input.encoding_type.as_deref())?;
    let limit = limit(input.max_keys, "max-keys")?;
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:ListBucket", None).await?;
    let query = Query {
        prefix: input.prefix.as_deref().unwrap_or_default(),
        delimiter: input.delimiter.as_deref().filter(|d| !d.is_empty()),
        after: input.marker.as_deref().unwrap_or_default(),
        limit,
    };
    let (lines, more) = lines(&cx, &open, &query).await?;
    let (objects, prefixes) = divided(&open, &lines, true, encoding);
    // Without a delimiter the last key is the next marker, and is not said.
    let next = lines.last().filter(|_| more && query.delimiter.is_some());
    Ok(api::ListObjectsOutput {
        is_truncated: Some(more),
        marker: Some(encoding.write(query.after)),
        next_marker: next.map(|line| encoding.write(line.name())),
        contents: Some(objects),
        name: Some(input.bucket.clone()),
        prefix: Some(encoding.write(query.prefix)),
        delimiter: query.delimiter.map(|d| encoding.write(d)),
        max_keys: Some(limit as i32),
        common_prefixes: Some(prefixes),
        encoding_type: input.encoding_type.clone(),
        request_charged: None,
    })
}
