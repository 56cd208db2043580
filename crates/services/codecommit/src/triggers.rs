//! Triggers of repositories: topics that are told of what becomes of branches and tags
//! (<https://docs.aws.amazon.com/codecommit/latest/userguide/how-to-notify.html>). What is to be told is written
//! down with what it is about, and taken away once a topic has it or refuses it.

use crate::git::names::{HEADS, TAGS};
use crate::model::{Change, Repository, Triggered, Triggers};
use neargate_api_codecommit as api;
use neargate_base::Arn;
use neargate_service::caller::By;
use neargate_service::deliver::Sender;
use neargate_service::{AwsError, Caller, House, Scope};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SERVICE: &str = "codecommit.amazonaws.com";
/// How often a topic that cannot be reached is tried again, and how long after each time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// What became of one reference.
pub struct Moved<'a> {
    pub name: &'a str,
    pub commit: &'a str,
    /// `referenceCreated`, `referenceUpdated`, `referenceDeleted`.
    pub event: &'static str,
}

/// What the repository's triggers say of it.
pub fn of(
    house: &House,
    scope: &Scope,
    repository: &Repository,
    triggers: &Triggers,
    change: &Change,
    moved: &Moved<'_>,
) -> Vec<Triggered> {
    let told = |trigger: &api::RepositoryTrigger| {
        let id = &triggers.id;
        Triggered {
            repository_arn: repository.arn(scope),
            topic: trigger.destination_arn.clone(),
            trigger: trigger.name.clone(),
            message: message(house, scope, repository, id, trigger, change, Some(moved)),
        }
    };
    let all = triggers.triggers.iter().map(|trigger| &trigger.0);
    all.filter(|trigger| is_for(trigger, moved))
        .map(told)
        .collect()
}

fn is_for(trigger: &api::RepositoryTrigger, moved: &Moved<'_>) -> bool {
    let wanted = match moved.event {
        "referenceCreated" => "createReference",
        "referenceDeleted" => "deleteReference",
        _ => "updateReference",
    };
    let is_event = trigger.events.iter().any(|e| e == "all" || e == wanted);
    let short = moved
        .name
        .strip_prefix(HEADS)
        .or_else(|| moved.name.strip_prefix(TAGS));
    let branches = trigger.branches.as_deref().unwrap_or_default();
    let is_branch = branches.is_empty()
        || branches
            .iter()
            .any(|b| Some(b.as_str()) == short || b == moved.name);
    is_event && is_branch
}

/// What a topic is told; without a reference: that the trigger works.
pub fn message(
    house: &House,
    scope: &Scope,
    repository: &Repository,
    configuration: &str,
    trigger: &api::RepositoryTrigger,
    change: &Change,
    moved: Option<&Moved<'_>>,
) -> String {
    let references: Vec<_> = moved
        .into_iter()
        .map(|moved| {
            let mut reference = json!({"commit": moved.commit, "ref": moved.name});
            match moved.event {
                "referenceCreated" => reference["created"] = true.into(),
                "referenceDeleted" => reference["deleted"] = true.into(),
                _ => {}
            }
            reference
        })
        .collect();
    let time = house.now().rfc3339();
    let mut record = json!({
        "awsRegion": scope.region.as_str(),
        "codecommit": {"references": references},
        "eventId": house.rng.uuid(),
        "eventName": if moved.is_some() { "ReferenceChanges" } else { "TriggerEventTest" },
        "eventPartNumber": 1,
        "eventSource": "aws:codecommit",
        "eventSourceARN": repository.arn(scope),
        "eventTime": format!("{}+0000", time.trim_end_matches('Z')),
        "eventTotalParts": 1,
        "eventTriggerConfigId": configuration,
        "eventTriggerName": trigger.name,
        "eventVersion": "1.0",
        "userIdentityARN": change.caller,
    });
    if let Some(data) = &trigger.custom_data {
        record["customData"] = data.clone().into();
    }
    json!({"Records": [record]}).to_string()
}

/// Delivers what was fired.
pub async fn deliver(house: Arc<House>, keys: Vec<String>) {
    for key in keys {
        if let Err(error) = one(&house, &key).await {
            tracing::error!(%error, key, "what a trigger says is delivered at the next start");
        }
    }
}

async fn one(house: &Arc<House>, key: &str) -> Result<(), AwsError> {
    let Some(told) = house.db.get_key::<Triggered>(key).await? else {
        return Ok(());
    };
    let scope = Scope::of_key(key).unwrap_or_else(|| house.settings.default_scope.clone());
    for attempt in 1..=TRIES {
        match publish(house, &scope, &told).await {
            Ok(()) => break,
            Err(error) if error.status >= 500 && attempt < TRIES => tokio::time::sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(%error, trigger = told.trigger, topic = told.topic, "a trigger's topic is not told");
                break;
            }
        }
    }
    let tx = house.db.tx().delete_key(told.key.clone());
    tx.commit().await.map(drop)
}

/// Tells a topic, in CodeCommit's own name.
pub async fn publish(house: &Arc<House>, scope: &Scope, told: &Triggered) -> Result<(), AwsError> {
    let place = Scope::of_arn(&told.topic).unwrap_or_else(|| scope.clone());
    let sender = Sender {
        service: SERVICE,
        source_arn: told.repository_arn.clone(),
        source_account: scope.account.to_string(),
    };
    let input = json!({
        "TopicArn": told.topic,
        "Subject": "AWS CodeCommit Trigger Event",
        "Message": told.message,
    });
    let by = By::Service(&sender);
    let told = Caller::call_by_name(house, &place, by, ("sns", "Publish"), input);
    told.await.map(drop)
}

/// Is it a topic of this region?
pub fn is_topic(arn: &str) -> Option<Arn> {
    let arn: Arn = arn.parse().ok()?;
    (arn.service == "sns" && !arn.resource.contains(':')).then_some(arn)
}
