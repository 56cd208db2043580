//! What becomes of references: written down before it happens, told once after.
//!
//! Git moves references on the disk, and what is told of them is in the store: no transaction holds both. So
//! whoever will move some writes a [`Change`] first. When it is over, what git has is compared with what was
//! told last ([`Told`]), each difference is told in the transaction that writes it down, and the change goes.
//! A change that is found at the start is one whose writer was killed, and is looked after in the same way.

use crate::git::names::{HEADS, TAGS};
use crate::git::references::Tip;
use crate::model::{Change, Merge, Repository, Told, Triggered, Triggers};
use crate::triggers::{self, Moved};
use crate::{CodeCommit, pulls};
use neargate_base::task;
use neargate_service::events::Event;
use neargate_service::{AwsError, Committed, House, Scope, Stored, Tx, db};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const SOURCE: &str = "aws.codecommit";
const DETAIL_TYPE: &str = "CodeCommit Repository State Change";
/// What one transaction writes at most: of each reference two records, and one for each trigger.
const WRITES: usize = 120;

/// Says that these references will be moved.
///
/// # Errors
/// When the store cannot be written.
pub async fn begin(
    house: &House,
    scope: &Scope,
    repository: &Repository,
    caller: &str,
    references: Vec<String>,
    merge: Option<Merge>,
) -> Result<Stored<Change>, AwsError> {
    let change = Change {
        repository_id: repository.id.clone(),
        repository_name: repository.name.clone(),
        caller: caller.to_owned(),
        references,
        merge,
    };
    let key = db::key::<Change>(scope, &house.rng.uuid());
    loop {
        let tx = house.db.tx().create(key.clone(), &change);
        if let Committed::At(revision) = tx.commit().await? {
            return Ok(Stored {
                key,
                revision,
                value: change,
            });
        }
    }
}

/// The repository by the name that it had, or has been given since.
async fn repository(
    house: &House,
    scope: &Scope,
    change: &Change,
) -> Result<Option<Stored<Repository>>, AwsError> {
    let named = house.db.get::<Repository>(scope, &change.repository_name);
    if let Some(found) = named.await?
        && found.id == change.repository_id
    {
        return Ok(Some(found));
    }
    let all = house.db.list::<Repository>(scope).await?;
    Ok(all.into_iter().find(|r| r.id == change.repository_id))
}

/// Tells what became of the references of a change, and that it is over.
///
/// # Errors
/// When git or the store cannot be asked; then the change stays.
pub async fn settle(
    codecommit: &CodeCommit,
    house: &Arc<House>,
    change: &Stored<Change>,
) -> Result<(), AwsError> {
    let over = house.db.tx().delete_key(change.key.clone());
    let scope = Scope::of_key(&change.key).unwrap_or_else(|| house.settings.default_scope.clone());
    let Some(found) = repository(house, &scope, change).await? else {
        return over.commit().await.map(drop);
    };
    let id = &change.repository_id;
    codecommit.git.ensure(id).await?;
    let tips = codecommit.git.tips(id, "refs/").await?;
    let told = |name: &&String| name.starts_with(HEADS) || name.starts_with(TAGS);
    let names: Vec<&String> = change.references.iter().filter(told).collect();
    let put = house.db.get::<Triggers>(&scope, id).await?;
    let mut fired = Vec::new();
    let triggers = put.as_ref().map_or(0, |put| put.triggers.len());
    for few in names.chunks((WRITES / (2 + triggers)).max(1)) {
        let of = tell(house, &scope, &found, change, few, &tips, put.as_deref()).await?;
        fired.extend(of);
    }
    if !fired.is_empty() {
        task::spawn(
            "codecommit-triggers",
            triggers::deliver(house.clone(), fired),
        );
    }
    pulls::follow(codecommit, house, &scope, &found, change, &tips).await?;
    default_branch(codecommit, house, found, &names, &tips).await?;
    over.commit().await.map(drop)
}

/// Tells of a few references until nobody else has done so meanwhile. Answers the keys of what topics are told.
async fn tell(
    house: &House,
    scope: &Scope,
    repository: &Repository,
    change: &Change,
    names: &[&String],
    tips: &BTreeMap<String, Tip>,
    put: Option<&Triggers>,
) -> Result<Vec<String>, AwsError> {
    loop {
        let (mut tx, mut fired) = (house.db.tx(), Vec::new());
        for name in names {
            let key = db::key::<Told>(scope, &format!("{}/{name}", repository.id));
            let told = house.db.get_key::<Told>(&key).await?;
            let before = told.as_ref().map(|told| told.object.as_str());
            let tip = tips.get(*name);
            if before == tip.map(|tip| tip.object.as_str()) {
                continue;
            }
            let value = tip.map(|tip| Told {
                object: tip.object.clone(),
            });
            tx = match (&told, &value) {
                (None, Some(value)) => tx.create(key, value),
                (Some(told), Some(value)) => tx.update(told, value),
                (Some(told), None) => tx.delete(told),
                (None, None) => tx,
            };
            tx = post(tx, house, scope, repository, change, name, before, tip);
            let event = event_name(before, tip);
            if let (Some(put), Some(commit)) = (put, tip.map(|tip| &*tip.target).or(before)) {
                let moved = Moved {
                    name,
                    commit,
                    event,
                };
                for told in triggers::of(house, scope, repository, put, change, &moved) {
                    let key = db::key::<Triggered>(scope, &house.rng.uuid());
                    tx = tx.create(key.clone(), &told);
                    fired.push(key);
                }
            }
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(fired);
        }
    }
}

fn event_name(before: Option<&str>, tip: Option<&Tip>) -> &'static str {
    match (before, tip) {
        (None, _) => "referenceCreated",
        (_, Some(_)) => "referenceUpdated",
        (_, None) => "referenceDeleted",
    }
}

/// <https://docs.aws.amazon.com/codecommit/latest/userguide/monitoring-events.html>
#[allow(clippy::too_many_arguments, reason = "all of them are of one event")]
fn post(
    tx: Tx,
    house: &House,
    scope: &Scope,
    repository: &Repository,
    change: &Change,
    name: &str,
    before: Option<&str>,
    tip: Option<&Tip>,
) -> Tx {
    house.events.post(tx, scope, SOURCE, DETAIL_TYPE, || {
        let branch = name.strip_prefix(HEADS);
        let mut detail = json!({
            "callerUserArn": change.caller,
            "event": event_name(before, tip),
            "referenceFullName": name,
            "referenceName": branch.or_else(|| name.strip_prefix(TAGS)),
            "referenceType": if branch.is_some() { "branch" } else { "tag" },
            "repositoryId": repository.id,
            "repositoryName": repository.name,
        });
        if let Some(tip) = tip {
            detail["commitId"] = tip.target.clone().into();
        }
        if let Some(before) = before {
            detail["oldCommitId"] = before.into();
        }
        if let Some(merge) = &change.merge {
            detail["mergeOption"] = merge.option.clone().into();
            detail["sourceCommitId"] = merge.source.clone().into();
            detail["destinationCommitId"] = merge.destination.clone().into();
            if let Some(base) = &merge.base {
                detail["baseCommitId"] = base.clone().into();
            }
        }
        let resources = vec![repository.arn(scope)];
        Event::new(house, SOURCE, DETAIL_TYPE, resources, detail)
    })
}

/// The first branch that comes is the one that clones begin with.
async fn default_branch(
    codecommit: &CodeCommit,
    house: &House,
    found: Stored<Repository>,
    names: &[&String],
    tips: &BTreeMap<String, Tip>,
) -> Result<(), AwsError> {
    let came = names
        .iter()
        .find(|name| tips.contains_key(**name) && name.starts_with(HEADS));
    let came = came.and_then(|name| name.strip_prefix(HEADS));
    let changed = house.db.modify::<Repository, _>(&found.key, |repository| {
        let is_new =
            repository.default_branch.is_none() && came.is_some() && repository.id == found.id;
        if is_new {
            repository.default_branch = came.map(str::to_owned);
        }
        Ok(is_new)
    });
    if let Some(repository) = changed.await?
        && repository.id == found.id
        && let Some(branch) = &repository.default_branch
    {
        codecommit.git.set_head(&found.id, branch).await?;
    }
    Ok(())
}
