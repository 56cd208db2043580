//! Handlers, one file per resource.

pub mod acl;
pub mod attributes;
pub mod buckets;
pub mod copy;
pub mod delete;
pub mod encryption;
pub mod get;
pub mod list;
pub mod lock;
pub mod multipart;
pub mod named;
pub mod notifications;
pub mod parts;
pub mod put;
pub mod rules;
pub mod settings;
pub mod tagging;
pub mod uploads;
pub mod versions_list;

use crate::access::canonical_id;
use neargate_api_s3 as api;
use neargate_base::{AccountId, Timestamp};

/// S3's times are whole seconds.
pub fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millis().div_euclid(1000) * 1000)
}

pub fn owner(account: &AccountId) -> api::Owner {
    api::Owner {
        id: Some(canonical_id(account)),
        display_name: None,
    }
}

/// As clients see it: quoted.
pub fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}
