//! Carrying policies out: what expires is removed, as a call of BatchDeleteImage would.

use super::plan::{Candidate, Expiry, plan};
use super::policy::Policy;
use crate::collect::every_repository;
use crate::contents::Contents;
use crate::delete::{self, NotRemoved};
use crate::model::{Evaluation, Image};
use neargate_base::Timestamp;
use neargate_blob::Digest;
use neargate_service::{AwsError, Committed, House};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How soon a change of a repository is looked at. AWS promises 24 hours.
const LOOK: Duration = Duration::from_secs(60);

/// How often a repository is looked at whose images only grow older.
const AGE: Duration = Duration::from_secs(60 * 60);

/// Evaluates policies for ever. Failures are logged; the next round tries again.
pub async fn run(house: Arc<House>) {
    // By the repository's key: its revision when it was looked at, and when.
    let mut seen = HashMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = round(&house, &mut seen).await {
            tracing::warn!(%error, "cannot evaluate lifecycle policies");
        }
    }
}

async fn round(
    house: &Arc<House>,
    seen: &mut HashMap<String, (u64, Timestamp)>,
) -> Result<(), AwsError> {
    let now = house.now();
    let mut before = std::mem::take(seen);
    for mut contents in every_repository(house).await? {
        let key = contents.repository.key.clone();
        let is_fresh = |(revision, at): &(u64, Timestamp)| {
            *revision == contents.repository.revision && now.since(*at) < AGE
        };
        let known = before.remove(&key).filter(is_fresh);
        let at = match known {
            Some((_, at)) => at,
            None => {
                evaluate(&mut contents).await?;
                now
            }
        };
        seen.insert(key, (contents.repository.revision, at));
    }
    Ok(())
}

/// Evaluates every repository's policy now.
///
/// # Errors
/// Those of the store; what expired until then is gone.
pub async fn evaluate_all(house: &Arc<House>) -> Result<(), AwsError> {
    round(house, &mut HashMap::new()).await
}

/// Removes what expires now by the repository's policy, if it has one.
async fn evaluate(contents: &mut Contents) -> Result<(), AwsError> {
    let Some(text) = &contents.repository.lifecycle_policy else {
        return Ok(());
    };
    let policy = match Policy::parse(text) {
        Ok(policy) => policy,
        // It was put by a version that took it.
        Err(why) => {
            tracing::warn!(
                repository = contents.name(),
                why,
                "a lifecycle policy is not evaluated"
            );
            return Ok(());
        }
    };
    let now = contents.house.now();
    let mut expiring: Vec<Expiry> = plan(&policy, candidates(contents).await?, now);
    // An index goes before its images, which it would keep.
    expiring.sort_by_key(|expiry| expiry.image.images.is_empty());
    for Expiry {
        image,
        rule_priority,
    } in expiring
    {
        match delete::image(contents, &image.digest).await {
            Ok(_) => {
                tracing::info!(repository = contents.name(), image = %image.digest, rule_priority, "an image has expired")
            }
            // It was removed, or became part of an index, meanwhile.
            Err(NotRemoved::NotFound | NotRemoved::InIndex(_)) => {}
            Err(NotRemoved::NotOpen(error)) => return Err(error.into()),
        }
    }
    let key = contents.key::<Evaluation>(EVALUATION);
    let tx = contents.house.db.tx().put(key, &Evaluation { at: now });
    match tx.commit().await? {
        Committed::At(_) | Committed::Conflict => {}
    }
    Ok(())
}

/// The only [`Evaluation`] of a repository.
pub const EVALUATION: &str = "last";

/// The repository's images as a policy sees them.
pub async fn candidates(contents: &Contents) -> Result<Vec<Candidate>, AwsError> {
    let mut tags: BTreeMap<Digest, Vec<String>> = contents.tags_by_image().await?;
    let images = contents.images().await?.into_iter().map(|image| {
        let image: Image = image.value;
        Candidate {
            tags: tags.remove(&image.digest).unwrap_or_default(),
            digest: image.digest,
            pushed_at: image.pushed_at,
            last_pull_at: image.last_pull_at,
            images: image.images,
        }
    });
    Ok(images.collect())
}
