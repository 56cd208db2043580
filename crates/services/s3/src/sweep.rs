//! Extents that no record has: what a crash left, between bytes that were durable and the record that
//! was to name them, or between a record that went and its bytes.

use crate::content::Piece;
use crate::model::{Object, Part};
use crate::{S3, error};
use neargate_service::{AwsError, House, Resource, db};
use neargate_store::MAX_PAGE;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The first sweep waits, so that a start is not slowed.
const FIRST: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_secs(6 * 60 * 60);

pub async fn run(s3: Arc<S3>, house: Arc<House>) {
    let mut wait = FIRST;
    loop {
        tokio::time::sleep(wait).await;
        wait = PERIOD;
        match sweep(&s3, &house).await {
            Ok(0) => {}
            Ok(extents) => tracing::info!(extents, "what no object has was removed"),
            Err(error) => tracing::warn!(%error, "cannot look for what no object has"),
        }
    }
}

/// Removes them; how many there were.
///
/// # Errors
/// Those of the store and the disk.
pub async fn sweep(s3: &Arc<S3>, house: &Arc<House>) -> Result<usize, AwsError> {
    // Listed before the records are read: what is not in a record by then never will be.
    let mut extents = s3.extents.list().await.map_err(error::blob)?;
    if extents.is_empty() {
        return Ok(0);
    }
    let mut used = HashSet::new();
    let mut note = |pieces: &[Piece]| used.extend(pieces.iter().map(|p| p.name.clone()));
    let at = house.db.store().revision().await?;
    each::<Object>(house, "s3/object/", at, |object| note(object.pieces())).await?;
    each::<Object>(house, "s3/version/", at, |object| note(object.pieces())).await?;
    each::<Part>(house, "s3/part/", at, |part| {
        note(&part.pieces);
        note(&part.replaced);
    })
    .await?;
    extents.retain(|name| !used.contains(name));
    let count = extents.len();
    s3.extents.delete(extents).await;
    Ok(count)
}

/// Everything under a prefix, all from one snapshot, one page at a time.
async fn each<T: Resource>(
    house: &House,
    prefix: &str,
    at: u64,
    mut visit: impl FnMut(&T),
) -> Result<(), AwsError> {
    let mut after = None::<String>;
    loop {
        let store = house.db.store();
        let page = store
            .range(prefix, after.as_deref(), MAX_PAGE, Some(at))
            .await?;
        for entry in &page.entries {
            visit(&db::decode::<T>(entry)?.value);
        }
        match page.entries.last() {
            Some(last) if page.more => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
    }
}
