//! PutObject, and what it shares with all that makes objects: what is said of one, its encryption,
//! its checksums.

use super::encryption::{Wish, customer, show_encryption};
use super::tagging::shown_version;
use super::{acl, lock, quoted, tagging};
use crate::access::BUCKET_OWNER_ENFORCED;
use crate::bucket::{self, Open};
use crate::content::checksum::{Algorithm, Checksum, Type};
use crate::content::source::Source;
use crate::content::write::{Wanted, Written, write};
use crate::content::{Place, checksum::is_well_formed};
use crate::model::{About, Bucket, Content};
use crate::notify::Change;
use crate::versions::{self, Conditions, Write};
use crate::{S3, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_s3 as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What one request can bring.
pub const MAX_PUT_BYTES: u64 = 5 << 30;
const MAX_KEY_BYTES: usize = 1024;
const MAX_METADATA_BYTES: usize = 2 << 10;

/// The classes that are taken. All are kept alike.
const STORAGE_CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// What a request says of an object that it makes.
#[derive(Debug, Default)]
pub struct Said {
    pub acl: Option<String>,
    pub grants: acl::Headers,
    pub content_type: Option<String>,
    pub headers: Vec<(&'static str, Option<String>)>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub storage_class: Option<String>,
    pub tagging: Option<String>,
    pub wish: Wish,
    pub lock_mode: Option<String>,
    pub lock_until: Option<Timestamp>,
    pub legal_hold: Option<String>,
    /// A hold until an event, which is not built.
    pub event_hold: Option<String>,
}

/// What is said, in terms of an input's members.
macro_rules! said {
    ($input:ident) => {
        $crate::api::put::Said {
            acl: $input.acl.clone(),
            grants: $crate::api::acl::Headers {
                full_control: $input.grant_full_control.clone(),
                read: $input.grant_read.clone(),
                read_acp: $input.grant_read_acp.clone(),
                write: None,
                write_acp: $input.grant_write_acp.clone(),
            },
            content_type: $input.content_type.clone(),
            headers: vec![
                ("cache-control", $input.cache_control.clone()),
                ("content-disposition", $input.content_disposition.clone()),
                ("content-encoding", $input.content_encoding.clone()),
                ("content-language", $input.content_language.clone()),
                ("expires", $input.expires.clone()),
                (
                    "x-amz-website-redirect-location",
                    $input.website_redirect_location.clone(),
                ),
            ],
            metadata: $input.metadata.clone(),
            storage_class: $input.storage_class.clone(),
            tagging: $input.tagging.clone(),
            wish: $crate::api::encryption::Wish {
                algorithm: $input.server_side_encryption.clone(),
                kms_key: $input.ssekms_key_id.clone(),
                kms_context: $input.ssekms_encryption_context.clone(),
                bucket_key: $input.bucket_key_enabled,
                customer: $crate::api::encryption::customer!($input),
            },
            lock_mode: $input.object_lock_mode.clone(),
            lock_until: $input.object_lock_retain_until_date,
            legal_hold: $input.object_lock_legal_hold_status.clone(),
            event_hold: $input.object_lock_event_hold.clone(),
        }
    };
}

pub(crate) use said;

/// Checks an object's key.
pub fn check_key(key: &str) -> Result<(), AwsError> {
    match key.len() {
        0..=MAX_KEY_BYTES => Ok(()),
        long => Err(error::key_too_long(long)),
    }
}

impl Said {
    /// What is kept of it.
    ///
    /// # Errors
    /// In S3's words for each.
    pub async fn read(self, cx: &Ctx, bucket: &Bucket, key: &str) -> Result<About, AwsError> {
        let metadata = self.metadata.unwrap_or_default();
        let bytes: usize = metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
        if bytes > MAX_METADATA_BYTES {
            return Err(error::metadata_too_large(bytes));
        }
        if let Some(class) = &self.storage_class
            && !STORAGE_CLASSES.contains(&class.as_str())
        {
            return Err(error::invalid_storage_class(class));
        }
        let encryption = self.wish.read(cx, bucket, key).await?;
        if self.event_hold.is_some() {
            return Err(error::not_built("object lock's event holds"));
        }
        let list = acl::given(self.acl.as_deref(), &self.grants, &bucket.account)?;
        let ownership = bucket.ownership.as_deref().unwrap_or(BUCKET_OWNER_ENFORCED);
        let acl = match list {
            Some(acl) => {
                let harmless = matches!(
                    self.acl.as_deref(),
                    Some("bucket-owner-full-control" | "private")
                );
                if ownership == BUCKET_OWNER_ENFORCED && !harmless {
                    return Err(acl::not_supported());
                }
                acl::refuse_public(bucket, &acl)?;
                acl
            }
            None => Default::default(),
        };
        let (retention, legal_hold) = lock::given(
            cx,
            bucket,
            self.lock_mode,
            self.lock_until,
            self.legal_hold.as_deref(),
        )?;
        let headers = self.headers.into_iter().filter_map(|(name, value)| {
            let value = match name {
                // Of how it travels, not of what it is.
                "content-encoding" => without_chunked(value?)?,
                _ => value?,
            };
            Some((name.to_owned(), value))
        });
        Ok(About {
            content_type: self.content_type,
            headers: headers.collect(),
            metadata,
            storage_class: self.storage_class.filter(|c| c != "STANDARD"),
            tags: tagging::of_header(self.tagging.as_deref())?,
            encryption,
            acl,
            retention,
            legal_hold,
        })
    }
}

fn without_chunked(encoding: String) -> Option<String> {
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|e| !e.is_empty() && !e.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

/// The digests that a request gives of its bytes.
#[derive(Debug, Default)]
pub struct Given {
    pub md5: Option<String>,
    /// The algorithm and, unless it comes behind the body, the value.
    pub sum: Option<(Algorithm, Option<String>)>,
    /// The SHA-256 that the signature covers.
    pub sha256: Option<String>,
}

/// The digests of an input's members.
macro_rules! given {
    ($input:ident, $source:ident) => {
        $crate::api::put::Given::read(
            $input.content_md5.clone(),
            $input.checksum_algorithm.as_deref(),
            [
                $input.checksum_crc32.clone(),
                $input.checksum_crc32_c.clone(),
                $input.checksum_crc64_nvme.clone(),
                $input.checksum_sha1.clone(),
                $input.checksum_sha256.clone(),
                $input.checksum_sha512.clone(),
                $input.checksum_md5.clone(),
                $input.checksum_xxhash64.clone(),
                $input.checksum_xxhash3.clone(),
                $input.checksum_xxhash128.clone(),
            ],
            $source,
        )
    };
}
pub(crate) use given;

/// A body, and what the door knows of it that no member holds.
#[derive(Debug)]
pub struct Incoming {
    pub source: Source,
    /// What `x-amz-content-sha256` declares.
    pub sha256: Option<String>,
    /// What `x-amz-trailer` announces.
    pub trailer: Option<String>,
    /// The fewest and the most bytes that it may have.
    pub bounds: Option<(u64, u64)>,
    /// It is a file of an HTML form.
    pub is_form: bool,
}

impl Incoming {
    pub fn whole(bytes: bytes::Bytes) -> Incoming {
        Incoming {
            source: Source::whole(bytes),
            sha256: None,
            trailer: None,
            bounds: None,
            is_form: false,
        }
    }
}

impl Given {
    /// # Errors
    /// `InvalidDigest`, `InvalidRequest` of what cannot be a digest.
    pub fn read(
        md5: Option<String>,
        algorithm: Option<&str>,
        sums: [Option<String>; 10],
        incoming: &Incoming,
    ) -> Result<Given, AwsError> {
        if let Some(md5) = &md5
            && STANDARD.decode(md5).map_or(0, |d| d.len()) != 16
        {
            return Err(error::invalid_digest(md5));
        }
        let mut named = Algorithm::ALL
            .into_iter()
            .zip(sums)
            .filter_map(|(a, v)| Some((a, v?)));
        let by_value = named.next();
        if named.next().is_some() {
            return Err(error::invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
        let trailer = incoming.trailer.as_deref().map(str::trim);
        let by_trailer = match trailer.and_then(|t| t.strip_prefix("x-amz-checksum-")) {
            Some(name) => Some(Algorithm::of(name).ok_or_else(|| {
                error::invalid_request(
                    "The value specified in the x-amz-trailer header is not supported",
                )
            })?),
            None => None,
        };
        let by_name = match algorithm {
            Some(name) => Some(Algorithm::of(name).ok_or_else(unknown_algorithm)?),
            None => None,
        };
        let sum = match (by_value, by_trailer) {
            (Some((algorithm, value)), _) => {
                if !is_well_formed(algorithm, &value) {
                    return Err(error::invalid_checksum(&algorithm.header()));
                }
                Some((algorithm, Some(value)))
            }
            (None, Some(algorithm)) => Some((algorithm, None)),
            // Named and not given: S3 computes it.
            (None, None) => by_name.map(|algorithm| (algorithm, None)),
        };
        Ok(Given {
            md5,
            sum,
            sha256: incoming.sha256.clone(),
        })
    }

    /// The algorithm of the checksum that is kept: S3's own choice where the request has none.
    pub fn algorithm(&self) -> Algorithm {
        self.sum.as_ref().map_or(Algorithm::Crc64Nvme, |(a, _)| *a)
    }

    /// Is what came what was said to come?
    ///
    /// # Errors
    /// `BadDigest` and `XAmzContentSHA256Mismatch`.
    pub fn check(&self, written: &Written, source: &Source) -> Result<(), AwsError> {
        if let (Some(given), Some(computed)) = (&self.sha256, &written.sha256)
            && !given.eq_ignore_ascii_case(computed)
        {
            return Err(error::sha256_mismatch(given, computed));
        }
        if let Some(given) = &self.md5 {
            let computed = STANDARD.encode(written.md5);
            if *given != computed {
                return Err(error::bad_digest(given, &computed));
            }
        }
        let Some((algorithm, value)) = &self.sum else {
            return Ok(());
        };
        let trailer = source.trailer(&algorithm.header()).map(str::to_owned);
        let wanted = value.clone().or(trailer);
        match wanted {
            Some(wanted) if !is_well_formed(*algorithm, &wanted) => {
                Err(error::invalid_checksum(&algorithm.header()))
            }
            Some(wanted) if written.sum(*algorithm) != Some(&wanted) => {
                Err(error::bad_checksum(algorithm.name()))
            }
            _ => Ok(()),
        }
    }
}

pub fn unknown_algorithm() -> AwsError {
    error::invalid_request(
        "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
         [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
    )
}

/// Takes a body in, sealed in `place`, and checks what was said of it.
///
/// # Errors
/// Those of the body, its digests and the disk.
pub async fn receive(
    cx: &Ctx,
    place: Place,
    incoming: &mut Incoming,
    given: &Given,
) -> Result<(Written, Checksum), AwsError> {
    let algorithm = given.algorithm();
    let wanted = Wanted {
        sums: vec![algorithm],
        sha256: given.sha256.is_some(),
        max_bytes: incoming
            .bounds
            .map_or(MAX_PUT_BYTES, |(_, max)| max.min(MAX_PUT_BYTES)),
    };
    let name = cx.house.rng.hex(16);
    let written = write(place, name, &mut incoming.source, &wanted).await?;
    if let Some((min, _)) = incoming.bounds
        && written.bytes < min
    {
        return Err(error::too_small(written.bytes, min));
    }
    given.check(&written, &incoming.source)?;
    let checksum = Checksum {
        algorithm,
        kind: Type::FullObject,
        value: written.sum(algorithm).unwrap_or_default().to_owned(),
    };
    Ok((written, checksum))
}

/// Checksums where an output has its members for them.
macro_rules! show_checksum {
    ($output:ident, $checksum:expr) => {
        if let Some(checksum) = $checksum {
            let value = Some(checksum.value.clone());
            match checksum.algorithm {
                $crate::content::checksum::Algorithm::Crc32 => $output.checksum_crc32 = value,
                $crate::content::checksum::Algorithm::Crc32c => $output.checksum_crc32_c = value,
                $crate::content::checksum::Algorithm::Crc64Nvme => {
                    $output.checksum_crc64_nvme = value
                }
                $crate::content::checksum::Algorithm::Sha1 => $output.checksum_sha1 = value,
                $crate::content::checksum::Algorithm::Sha256 => $output.checksum_sha256 = value,
                $crate::content::checksum::Algorithm::Sha512 => $output.checksum_sha512 = value,
                $crate::content::checksum::Algorithm::Md5 => $output.checksum_md5 = value,
                $crate::content::checksum::Algorithm::XxHash64 => $output.checksum_xxhash64 = value,
                $crate::content::checksum::Algorithm::XxHash3 => $output.checksum_xxhash3 = value,
                $crate::content::checksum::Algorithm::XxHash128 => {
                    $output.checksum_xxhash128 = value
                }
            }
        }
    };
}
pub(crate) use show_checksum;

pub async fn put_object(
    s3: Arc<S3>,
    cx: Ctx,
    mut input: api::PutObjectInput,
) -> Result<api::PutObjectOutput, AwsError> {
    let mut body = Incoming::whole(input.body.take().unwrap_or_default());
    put_object_from(s3, cx, input, &mut body).await
}

/// PutObject, with a body that is a stream.
///
/// # Errors
/// In S3's words.
pub async fn put_object_from(
    s3: Arc<S3>,
    cx: Ctx,
    input: api::PutObjectInput,
    incoming: &mut Incoming,
) -> Result<api::PutObjectOutput, AwsError> {
    let key = &input.key;
    check_key(key)?;
    let owner = input.expected_bucket_owner.as_deref();
    let open = bucket::open(&cx, &input.bucket, owner, "s3:PutObject", Some(key)).await?;
    if input.write_offset_bytes.is_some() {
        return Err(error::not_built("appending to objects"));
    }
    let given = given!(input, incoming)?;
    if input
        .content_length
        .is_some_and(|l| l as u64 > MAX_PUT_BYTES)
    {
        let bytes = input.content_length.unwrap_or_default() as u64;
        return Err(error::entity_too_large(bytes, MAX_PUT_BYTES));
    }
    let about = said!(input).read(&cx, &open, key).await?;
    let conditions = Conditions {
        if_match: input.if_match.clone(),
        if_none_match: input.if_none_match.clone(),
    };
    s3.extents
        .require_room(input.content_length.unwrap_or_default().max(0) as u64)
        .map_err(error::blob)?;
    let place = s3.sealed(&cx, &about.encryption, &customer!(input)).await?;
    let (written, checksum) = receive(&cx, place, incoming, &given).await?;
    let content = Content {
        bytes: written.bytes,
        etag: hex::encode(written.md5),
        pieces: written.piece.clone().into_iter().collect(),
        parts: Vec::new(),
        checksum: Some(checksum),
        about,
    };
    let change = match incoming.is_form {
        true => Change::Posted,
        false => Change::Put,
    };
    let placed = place_object(&s3, &cx, &open, key, content, &conditions, change).await?;
    written.keep();
    let mut output = api::PutObjectOutput {
        version_id: shown_version(&open, &placed),
        ..Default::default()
    };
    if let Some(content) = &placed.content {
        output.e_tag = Some(quoted(&content.etag));
        show_encryption!(output, content.about);
        show_checksum!(output, &content.checksum);
        output.checksum_type = content.checksum.as_ref().map(|c| c.kind.name().to_owned());
    }
    Ok(output)
}

/// Makes content the newest version, and gives back what it replaced.
///
/// # Errors
/// Those of [`versions::put`].
pub async fn place_object(
    s3: &S3,
    cx: &Ctx,
    open: &Open,
    key: &str,
    content: Content,
    conditions: &Conditions,
    change: Change,
) -> Result<crate::model::Object, AwsError> {
    let (name, uid) = (&open.name, &open.uid);
    let write = Write {
        content: Some(content),
        change,
    };
    let placed = versions::put(cx, name, uid, key, write, conditions, None).await?;
    let placed = placed.ok_or_else(error::operation_aborted)?;
    s3.forget(placed.gone).await;
    Ok(placed.object)
}
