//! Opening a bucket: it exists, it is whose the caller thinks it is, and he may do this to it.

use crate::access::{self, Word};
use crate::error;
use crate::model::{Acl, Bucket, keys};
use neargate_service::{AwsError, Ctx, Db, Stored};
use std::time::Duration;

/// A deletion that takes longer than this was broken off.
const EMPTYING: Duration = Duration::from_secs(60);

/// A bucket, for one call.
#[derive(Debug)]
pub struct Open {
    pub bucket: Stored<Bucket>,
    word: Word,
    action: String,
}

impl std::ops::Deref for Open {
    type Target = Stored<Bucket>;
    fn deref(&self) -> &Stored<Bucket> {
        &self.bucket
    }
}

impl Open {
    /// May the caller do this to an object with that list? Where the bucket itself lets him, he may.
    ///
    /// # Errors
    /// `AccessDenied`.
    pub fn require(&self, cx: &Ctx, acl: &Acl) -> Result<(), AwsError> {
        let listed = || {
            let permission = access::permission_on_object(&self.action);
            permission.is_some_and(|p| access::lists(cx, &self.bucket, acl, p))
        };
        match self.word {
            Word::Yes => Ok(()),
            Word::Object if listed() => Ok(()),
            Word::Object | Word::No => Err(error::access_denied()),
        }
    }

    /// May the caller list the bucket? Who may not is not told of an object that it is not there.
    pub fn may_be_listed(&self, cx: &Ctx) -> bool {
        access::word(cx, &self.bucket, "s3:ListBucket", None) == Word::Yes
    }
}

pub async fn get(db: &Db, name: &str) -> Result<Stored<Bucket>, AwsError> {
    let found = db.get_key(&keys::bucket(name)).await?;
    found.ok_or_else(|| error::no_such_bucket(name))
}

/// The bucket `name`, for `action` on its object `key` or on itself. `owner`: the account that the
/// caller thinks it has (`x-amz-expected-bucket-owner`).
///
/// # Errors
/// `NoSuchBucket`, `AccessDenied`.
pub async fn open(
    cx: &Ctx,
    name: &str,
    owner: Option<&str>,
    action: &str,
    key: Option<&str>,
) -> Result<Open, AwsError> {
    let bucket = get(cx.db(), name).await?;
    if owner.is_some_and(|owner| owner != bucket.account.as_str()) {
        return Err(error::access_denied());
    }
    let word = access::word(cx, &bucket, action, key);
    if word == Word::No {
        return Err(error::access_denied());
    }
    Ok(Open {
        bucket,
        word,
        action: action.to_owned(),
    })
}

/// Is a deletion looking whether the bucket is empty?
pub fn is_emptying(cx: &Ctx, bucket: &Bucket) -> bool {
    let since = bucket.emptying_since;
    since.is_some_and(|since| cx.now().since(since) < EMPTYING)
}

/// May a bucket have this name?
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
pub fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && bytes.iter().copied().all(allowed)
        && edge(bytes.first())
        && edge(bytes.last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"]
            .iter()
            .any(|p| name.starts_with(p))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|s| name.ends_with(s))
}
