//! What S3 keeps: buckets, the versions of objects, uploads in parts.
//!
//! A bucket's name is the whole installation's, so its key has no account and no region. Keys of
//! objects are in byte order in the store, which is S3's order. The newest version of a key is an
//! [`Object`] of its own, so that a listing reads no other; older ones lie under `s3/version`, the
//! newest first.

use crate::content::Piece;
use crate::content::checksum::Checksum;
use neargate_api_s3 as api;
use neargate_base::{AccountId, Region, Timestamp};
use neargate_service::Resource;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A bucket. Its settings are as their callers put them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    pub name: String,
    /// Never used again, so that what an earlier bucket of the name held is not this one's.
    pub uid: String,
    pub account: AccountId,
    pub region: Region,
    pub created_at: Timestamp,
    /// Since when a deletion looks whether it is empty: nothing is put into it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emptying_since: Option<Timestamp>,
    /// `Enabled` or `Suspended`; `None`: never set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub versioning: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<Json<api::PublicAccessBlockConfiguration>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ownership: Option<String>,
    #[serde(default)]
    pub acl: Acl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Json<api::CORSConfiguration>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<Json<api::WebsiteConfiguration>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Json<api::BucketLifecycleConfiguration>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Json<api::ServerSideEncryptionConfiguration>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<Json<api::ObjectLockConfiguration>>,
    /// Each configuration of it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Json<api::NotificationConfiguration>>,
}

/// Who may do what beside the owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl(pub Vec<AclGrant>);

/// One permission of one grantee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclGrant {
    /// A group's URI, or an owner's id.
    pub grantee: String,
    pub permission: String,
}

/// A version of an object, or a delete marker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Rises with every version of the key.
    pub sequence: u64,
    /// `None`: the null version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    pub modified_at: Timestamp,
    /// Of the newest version only: where the null version is, when it is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_null: Option<u64>,
    /// `None`: a delete marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// What a version holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Content {
    pub bytes: u64,
    /// Without quotes.
    pub etag: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
    /// Where it was uploaded in parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartMark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    #[serde(flatten)]
    pub about: About,
}

/// What is said of an object beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `cache-control`, `content-disposition`, `content-encoding`, `content-language`, `expires`,
    /// `x-amz-website-redirect-location`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub encryption: Encryption,
    #[serde(default)]
    pub acl: Acl,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
}

/// Which master key the bytes are sealed under.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encryption {
    /// The installation's: SSE-S3.
    #[default]
    #[serde(rename = "AES256")]
    Installation,
    /// The one that the customer brings; a hash of it, salted with the object's ETag seed, tells
    /// whether he brings the same again.
    #[serde(rename = "customer")]
    Customer { md5: String, check: String },
    /// A data key that KMS made.
    #[serde(rename = "kms")]
    Kms(Kms),
}

/// A data key that KMS made, and what it takes to have it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kms {
    /// `aws:kms` or `aws:kms:dsse`.
    pub algorithm: String,
    /// The key's ARN.
    pub key: String,
    /// As KMS encrypted it, in base64.
    pub data_key: String,
    /// What KMS binds it to.
    pub context: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bucket_key: bool,
}

/// Until when a version may not be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// `GOVERNANCE` or `COMPLIANCE`.
    pub mode: String,
    pub until: Timestamp,
}

/// A part of an object that was uploaded in parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartMark {
    #[serde(rename = "n")]
    pub number: i32,
    #[serde(rename = "b")]
    pub bytes: u64,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
}

/// An upload in parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Upload {
    pub key: String,
    pub id: String,
    pub initiated_at: Timestamp,
    pub initiator: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<crate::content::checksum::Algorithm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_type: Option<crate::content::checksum::Type>,
    #[serde(flatten)]
    pub about: About,
}

/// A part that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    pub number: i32,
    pub modified_at: Timestamp,
    pub bytes: u64,
    /// Without quotes; an MD5 in hexadecimal.
    pub etag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<Piece>,
    /// The pieces of parts that this one replaced. They go with the upload: a completion under way
    /// may still want them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<Piece>,
}

impl Resource for Bucket {
    const KIND: &'static str = "s3/bucket";
}

impl Resource for Object {
    const KIND: &'static str = "s3/object";
}

impl Resource for Upload {
    const KIND: &'static str = "s3/upload";
}

impl Resource for Part {
    const KIND: &'static str = "s3/part";
}

impl Object {
    /// `null` where versioning was off when it came.
    pub fn version_name(&self) -> &str {
        self.version_id.as_deref().unwrap_or("null")
    }

    pub fn pieces(&self) -> &[Piece] {
        self.content.as_ref().map_or(&[], |c| &c.pieces)
    }
}

impl Bucket {
    pub fn arn(&self) -> String {
        format!(
            "arn:{}:s3:::{}",
            neargate_base::arn::partition(&self.region),
            self.name
        )
    }

    pub fn is_versioned(&self) -> bool {
        self.versioning.as_deref() == Some("Enabled")
    }

    pub fn has_object_lock(&self) -> bool {
        self.object_lock.is_some()
    }
}

/// Keys in the store.
pub mod keys {
    use super::Bucket;

    pub const BUCKETS: &str = "s3/bucket/";

    pub fn bucket(name: &str) -> String {
        format!("{BUCKETS}{name}")
    }

    /// Before the keys of a bucket's objects.
    pub fn objects(bucket: &Bucket) -> String {
        format!("s3/object/{}/", bucket.uid)
    }

    pub fn object(bucket: &Bucket, key: &str) -> String {
        format!("s3/object/{}/{key}", bucket.uid)
    }

    /// Before the keys of a bucket's older versions.
    pub fn versions(bucket: &Bucket) -> String {
        format!("s3/version/{}/", bucket.uid)
    }

    /// The newest of them first.
    pub fn versions_of(bucket: &Bucket, key: &str) -> String {
        format!("s3/version/{}/{}\0\0", bucket.uid, ordered(key))
    }

    pub fn version(bucket: &Bucket, key: &str, sequence: u64) -> String {
        format!("{}{:016x}", versions_of(bucket, key), !sequence)
    }

    pub fn uploads(bucket: &Bucket) -> String {
        format!("s3/upload/{}/", bucket.uid)
    }

    pub fn upload(bucket: &Bucket, key: &str, id: &str) -> String {
        format!("s3/upload/{}/{}\0\0{id}", bucket.uid, ordered(key))
    }

    pub fn parts(bucket: &Bucket, upload: &str) -> String {
        format!("s3/part/{}/{upload}/", bucket.uid)
    }

    pub fn part(bucket: &Bucket, upload: &str, number: i32) -> String {
        format!("{}{number:05}", parts(bucket, upload))
    }

    /// A key so written that it can have something behind it and is still in order: no two zero
    /// characters stand beside each other.
    pub fn ordered(key: &str) -> String {
        key.replace('\0', "\0\u{1}")
    }
}
