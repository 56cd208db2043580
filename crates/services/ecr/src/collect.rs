//! Collecting what nothing refers to: mark and age, outside the hot path.
//!
//! Three kinds of litter: what deleted repositories held, layers of a repository that none of its
//! images needs, and blobs that no repository holds. Each goes only when it is older than
//! [`Ages`] allows, so that a push under way (layers come before the manifest that needs them,
//! blobs before the record that links them) never loses anything. A layer is dropped in a
//! transaction with its repository, like a push: whichever comes second sees the other.

use crate::contents::Contents;
use crate::error;
use crate::model::{Evaluation, Image, Layer, Preview, Repository, ShortPart, Tag};
use neargate_base::Timestamp;
use neargate_blob::Digest;
use neargate_service::{AwsError, Committed, Db, House, Resource, Scope, Stored, Tx, db};
use neargate_store::{MAX_PAGE, MAX_TXN_OPS};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// How long litter stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// A layer without an image, since it was pushed or mounted.
    pub layer: Duration,
    /// A blob without a layer or an image, since it was stored.
    pub blob: Duration,
    /// An upload, since its last byte.
    pub upload: Duration,
}

impl Default for Ages {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        Ages {
            layer: hours(24),
            blob: hours(1),
            upload: hours(24),
        }
    }
}

impl Ages {
    /// While the disk is short of room: a push that has sent nothing for this long is over.
    fn short() -> Self {
        Ages {
            upload: Duration::from_secs(10 * 60),
            ..Ages::default()
        }
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub records: usize,
    pub blobs: usize,
    pub blob_bytes: u64,
    pub uploads: usize,
}

/// Each takes two of a transaction's [`MAX_TXN_OPS`].
const LAYERS_AT_ONCE: usize = 60;

/// Between two rounds; the first begins after one, so that a start is not slowed.
const PERIOD: Duration = Duration::from_secs(60 * 60);

/// How often a disk that runs out of room is noticed.
const LOOK: Duration = Duration::from_secs(60);

/// Collect for ever, more often and more strictly while the disk is short of room. Failures are
/// logged; the next round tries again.
pub async fn run(house: Arc<House>) {
    let mut idle = Duration::ZERO;
    loop {
        tokio::time::sleep(LOOK).await;
        idle += LOOK;
        let short = house.blobs.require_room(0).is_err();
        if !short && idle < PERIOD {
            continue;
        }
        idle = Duration::ZERO;
        let ages = if short {
            Ages::short()
        } else {
            Ages::default()
        };
        match collect(&house, ages, &HashSet::new()).await {
            Ok(collected) => tracing::debug!(?collected, "collected"),
            Err(error) => tracing::warn!(%error, "cannot collect unused images"),
        }
    }
}

/// Collect once. `keep` are blobs that others than ECR refer to.
///
/// # Errors
/// Those of the store and the blobs; what was collected until then stays so.
pub async fn collect(
    house: &Arc<House>,
    ages: Ages,
    keep: &HashSet<Digest>,
) -> Result<Collected, AwsError> {
    let now = house.now();
    let mut collected = Collected {
        records: orphans(&house.db).await?,
        ..Default::default()
    };
    for contents in every_repository(house).await? {
        collected.records += unneeded_layers(&contents, before(now, ages.layer)).await?;
    }
    collected.records += stale_parts(&house.db, before(now, ages.upload)).await?;

    // Blobs before the records that use them: what is linked later was stored later.
    let blobs = house.blobs.list().await.map_err(error::blob)?;
    let mut used = keep.clone();
    each::<Layer>(&house.db, |layer| {
        used.insert(layer.digest);
    })
    .await?;
    each::<Image>(&house.db, |image| {
        used.insert(image.digest);
    })
    .await?;
    let cutoff = before(now, ages.blob);
    for blob in blobs
        .iter()
        .filter(|b| b.stored_at < cutoff && !used.contains(&b.digest))
    {
        // Stored again meanwhile? Then somebody is about to link it.
        if house
            .blobs
            .delete_older(&blob.digest, cutoff)
            .await
            .map_err(error::blob)?
        {
            collected.blobs += 1;
            collected.blob_bytes += blob.size_bytes;
        }
    }
    let stale = house.blobs.collect_uploads(before(now, ages.upload)).await;
    collected.uploads = stale.map_err(error::blob)?;
    Ok(collected)
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    Timestamp::from_millis(now.as_millis().saturating_sub(age.as_millis() as i64))
}

/// Calls `visit` with every `T` of every scope, from one snapshot, holding one page at a time.
async fn each<T: Resource>(db: &Db, mut visit: impl FnMut(Stored<T>)) -> Result<(), AwsError> {
    let prefix = format!("{}/", T::KIND);
    let (mut after, mut at) = (None::<String>, None);
    loop {
        let page = db
            .store()
            .range(&prefix, after.as_deref(), MAX_PAGE, at)
            .await?;
        for entry in &page.entries {
            visit(db::decode(entry)?);
        }
        match page.entries.last() {
            Some(last) if page.more => after = Some(last.key.clone()),
            _ => return Ok(()),
        }
        at = Some(page.revision);
    }
}

pub async fn every_repository(house: &Arc<House>) -> Result<Vec<Contents>, AwsError> {
    let mut all = Vec::new();
    let visit = |repository: Stored<Repository>| {
        // `ecr/repository/<account>/<region>/<name>`
        let mut parts = repository.key.split('/').skip(2);
        let account = parts.next().and_then(|a| a.parse().ok());
        let region = parts.next().and_then(|r| r.parse().ok());
        if let (Some(account), Some(region)) = (account, region) {
            let scope = Scope { account, region };
            all.push(Contents {
                house: house.clone(),
                scope,
                repository,
            });
        }
    };
    each(&house.db, visit).await?;
    Ok(all)
}

/// Remove what deleted repositories held. A repository's id is never used again, so what has none
/// now will have none ever; records are listed before repositories, so that one made in between
/// is known.
async fn orphans(db: &Db) -> Result<usize, AwsError> {
    let mut keys = Vec::new();
    each::<Image>(db, |r| keys.push(r.key)).await?;
    each::<Tag>(db, |r| keys.push(r.key)).await?;
    each::<Layer>(db, |r| keys.push(r.key)).await?;
    each::<Evaluation>(db, |r| keys.push(r.key)).await?;
    each::<Preview>(db, |r| keys.push(r.key)).await?;
    let mut uids = HashSet::new();
    each::<Repository>(db, |r| {
        uids.insert(r.value.uid);
    })
    .await?;
    // `ecr/<kind>/<account>/<region>/<uid>/…`
    keys.retain(|key| key.split('/').nth(4).is_some_and(|uid| !uids.contains(uid)));
    delete(db, keys).await
}

/// Remove the records of uploads that are no more.
async fn stale_parts(db: &Db, cutoff: Timestamp) -> Result<usize, AwsError> {
    let mut keys = Vec::new();
    each::<ShortPart>(db, |r| {
        if r.at < cutoff {
            keys.push(r.key);
        }
    })
    .await?;
    delete(db, keys).await
}

async fn delete(db: &Db, keys: Vec<String>) -> Result<usize, AwsError> {
    let count = keys.len();
    for some in keys.chunks(MAX_TXN_OPS) {
        let tx = some.iter().cloned().fold(db.tx(), Tx::delete_key);
        match tx.commit().await? {
            Committed::At(_) | Committed::Conflict => {}
        }
    }
    Ok(count)
}

/// Unlink the repository's old layers that no image of it needs.
async fn unneeded_layers(contents: &Contents, cutoff: Timestamp) -> Result<usize, AwsError> {
    let mut layers = contents.layers().await?;
    layers.retain(|layer| layer.linked_at < cutoff);
    if layers.is_empty() {
        return Ok(0);
    }
    let images = contents.images().await?;
    let needed: HashSet<Digest> = images
        .iter()
        .flat_map(|i| i.blobs.iter().copied())
        .collect();
    layers.retain(|layer| !needed.contains(&layer.digest));
    let mut contents = contents.clone();
    for some in layers.chunks(LAYERS_AT_ONCE) {
        let changed = contents.changed();
        let tx = contents
            .house
            .db
            .tx()
            .update(&contents.repository, &changed);
        let tx = some.iter().fold(tx, Tx::delete);
        match tx.commit().await? {
            Committed::At(revision) => {
                contents.repository.revision = revision;
                contents.repository.value = changed;
            }
            // Somebody pushes: the next round will see what is needed then.
            Committed::Conflict => return Ok(0),
        }
    }
    Ok(layers.len())
}
