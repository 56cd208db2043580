//! KMS's handlers, a file for each subject.

pub mod aliases;
pub mod crypto;
pub mod data_key_pairs;
pub mod data_keys;
pub mod grants;
pub mod import;
pub mod keys;
pub mod macs;
pub mod policies;
pub mod rotation;
pub mod sign;
pub mod tags;

use crate::asymmetric::{self, Pair};
use crate::error;
use crate::keys::Found;
use crate::model::Key;
use neargate_base::task::spawn_blocking;
use neargate_service::page::{Paged, Size, page};
use neargate_service::{AwsError, Ctx, db};

/// Changes a key that was found; `change` is asked again when somebody else was first.
async fn change(
    cx: &Ctx,
    found: &Found,
    change: impl FnMut(&mut Key) -> Result<bool, AwsError>,
) -> Result<(), AwsError> {
    let key = db::key::<Key>(&found.scope, &found.id);
    let changed = cx.db().modify::<Key, _>(&key, change).await?;
    changed
        .map(drop)
        .ok_or_else(|| error::key_not_found(&found.arn()))
}

/// A page as KMS cuts them.
fn paged<T>(
    items: impl IntoIterator<Item = T>,
    marker: Option<&str>,
    limit: Option<i32>,
    size: Size,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    page(items, marker, size.clamp(limit), id).map_err(|_| error::invalid_marker())
}

/// Pages of up to 1000, of 100 unless asked.
const HUNDRED: Size = Size {
    default: 100,
    ..Size::up_to(1000)
};
/// Pages of up to 100, of 50 unless asked.
const FIFTY: Size = Size {
    default: 50,
    ..Size::up_to(100)
};

/// A new asymmetric key of this spec; made apart, since RSA takes its time.
async fn made_pair(spec: &str) -> Result<Pair, AwsError> {
    let named = spec.to_owned();
    let made = spawn_blocking(move || asymmetric::generate(&named)).await;
    let made = made.map_err(AwsError::internal)?;
    made.ok_or_else(|| error::unsupported(&format!("the key spec {spec}")))
}

/// Ends a call that only asks whether it would succeed.
fn unless_dry(dry_run: Option<bool>) -> Result<(), AwsError> {
    if dry_run == Some(true) {
        Err(error::dry_run())
    } else {
        Ok(())
    }
}
