//! Secrets Manager's handlers, a file for each subject.

pub mod lists;
pub mod policies;
pub mod replication;
pub mod rotation;
pub mod secrets;
pub mod tags;
pub mod values;
pub mod versions;

use crate::error;
use crate::model::Secret;
use crate::replicas;
use crate::secrets::{Found, find};
use neargate_api_secretsmanager as api;
use neargate_base::Timestamp;
use neargate_service::db::settle;
use neargate_service::tags::{self as service_tags, Tags};
use neargate_service::{AwsError, Ctx};

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The day, as AWS dates reads.
fn day(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() - at.as_millis().rem_euclid(DAY_MILLIS))
}

/// Changes a secret that is not to be deleted, and answers it as it is then.
async fn change(
    cx: &Ctx,
    named: &str,
    change: impl Fn(&mut Secret) -> Result<(), AwsError>,
) -> Result<Found, AwsError> {
    settle(async || {
        let mut found = find(cx, named).await?.kept()?.primary()?;
        let before = found.stored.clone();
        change(&mut found.stored.value)?;
        let tx = cx.db().tx().update(&before, &found.stored.value);
        let tx = replicas::follow(cx, tx, &found.scope, &before, &found, None).await?;
        Ok((tx, found))
    })
    .await
}

/// The tags that a caller sent.
fn parse_tags(given: Vec<api::Tag>) -> Result<Tags, AwsError> {
    let pairs = given
        .into_iter()
        .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()));
    service_tags::parse(pairs).map_err(error::tags)
}

fn shown_tags(tags: &Tags) -> Vec<api::Tag> {
    let shown = |(key, value): (&String, &String)| api::Tag {
        key: Some(key.clone()),
        value: Some(value.clone()),
    };
    tags.iter().map(shown).collect()
}
