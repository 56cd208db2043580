//! What a start finds: changes whose writers were killed, what triggers had still to tell, directories of
//! repositories that were deleted.

use crate::git::blocking;
use crate::model::{
    Change, Comment, PullEvent, PullRequest, Repository, Told, Triggered, Triggers,
};
use crate::{CodeCommit, changes, triggers};
use futures_util::future::join_all;
use neargate_service::{AwsError, Db, House, Scope, Stored, db};
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// What is taken away in one transaction.
const TOGETHER: usize = 100;

/// Looks after all of it, once.
pub async fn run(codecommit: Arc<CodeCommit>, house: Arc<House>) {
    house.events.ready().await;
    if let Err(error) = directories(&codecommit, &house).await {
        tracing::error!(%error, "directories of deleted repositories are left until the next start");
    }
    let left = house.db.list_prefix::<Change>("codecommit/change/").await;
    let left = left.unwrap_or_else(|error| {
        tracing::error!(%error, "changes of references cannot be read");
        Vec::new()
    });
    join_all(
        left.iter()
            .map(|change| finish(&codecommit, &house, change)),
    )
    .await;
    let told = house
        .db
        .list_prefix::<Triggered>("codecommit/triggered/")
        .await;
    match told {
        Ok(told) => {
            let keys = told.into_iter().map(|told| told.key).collect();
            triggers::deliver(house, keys).await;
        }
        Err(error) => tracing::error!(%error, "what triggers say cannot be read"),
    }
}

/// A program that outlived whoever started it may still move references: it holds the lock of its trace.
async fn finish(codecommit: &CodeCommit, house: &Arc<House>, change: &Stored<Change>) {
    let trace = codecommit.git.trace(change.id());
    let gone = trace.clone();
    let ended = blocking(move || match std::fs::File::open(gone) {
        Ok(file) => file.lock(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    });
    if let Err(error) = ended.await {
        tracing::error!(%error, "whether a push goes on is not known");
    }
    match changes::settle(codecommit, house, change).await {
        Ok(()) => drop(std::fs::remove_file(trace)),
        Err(error) => tracing::error!(%error, "what became of a change is told at the next start"),
    }
}

async fn directories(codecommit: &CodeCommit, house: &House) -> Result<(), AwsError> {
    // Records come before directories: one that is made now is among neither, or among the records.
    let there = codecommit.git.all().await.map_err(AwsError::internal)?;
    let records = house
        .db
        .list_prefix::<Repository>("codecommit/repository/")
        .await?;
    let kept: BTreeSet<&str> = records.iter().map(|r| r.id.as_str()).collect();
    for id in there.iter().filter(|id| !kept.contains(id.as_str())) {
        codecommit
            .git
            .remove(id)
            .await
            .map_err(AwsError::internal)?;
    }
    let told = house
        .db
        .list_prefix::<Told>("codecommit/reference/")
        .await?;
    let lost = told.iter().filter(|told| {
        let of = told.key.split('/').nth(4).unwrap_or_default();
        !kept.contains(of)
    });
    let keys: Vec<String> = lost.map(|told| told.key.clone()).collect();
    take_away(&house.db, &keys).await?;
    let all = house
        .db
        .list_prefix::<PullRequest>("codecommit/pull-request/")
        .await?;
    let pulls = all.iter().map(|pull| (&pull.key, &pull.repository_id));
    let comments = house
        .db
        .list_prefix::<Comment>("codecommit/comment/")
        .await?;
    let comments = comments
        .iter()
        .map(|comment| (&comment.key, &comment.repository_id));
    for (key, id) in pulls
        .chain(comments)
        .filter(|(_, id)| !kept.contains(id.as_str()))
    {
        if let Some(scope) = Scope::of_key(key) {
            forget_talk(&house.db, &scope, id).await?;
        }
    }
    Ok(())
}

/// Forgets what was told of the references of a repository that is gone.
pub async fn forget(db: &Db, prefix: &str) -> Result<(), AwsError> {
    let told = db.list_prefix::<Told>(prefix).await?;
    let keys: Vec<String> = told.into_iter().map(|told| told.key).collect();
    take_away(db, &keys).await
}

/// Forgets what was said of a repository that is gone: pull requests, their histories, comments;
/// and its triggers.
pub async fn forget_talk(db: &Db, scope: &Scope, id: &str) -> Result<(), AwsError> {
    let mut keys = vec![db::key::<Triggers>(scope, id)];
    for pull in db.list::<PullRequest>(scope).await? {
        if pull.repository_id == id {
            let prefix = format!("{}/", PullRequest::id(pull.number));
            let prefix = db::key::<PullEvent>(scope, &prefix);
            let events = db.list_prefix::<PullEvent>(&prefix).await?;
            keys.extend(events.into_iter().map(|event| event.key));
            keys.push(pull.key);
        }
    }
    let comments = db.list::<Comment>(scope).await?.into_iter();
    keys.extend(comments.filter(|c| c.repository_id == id).map(|c| c.key));
    take_away(db, &keys).await
}

async fn take_away(db: &Db, keys: &[String]) -> Result<(), AwsError> {
    for few in keys.chunks(TOGETHER) {
        let tx = few
            .iter()
            .fold(db.tx(), |tx, key| tx.delete_key(key.clone()));
        let _ = tx.commit().await?;
    }
    Ok(())
}
