//! Archives.

use super::{bus, commit, paged};
use crate::archive::{Archive, Archived};
use crate::{Events, error, name};
use neargate_api_events as api;
use neargate_service::event_pattern::Pattern;
use neargate_service::{AwsError, Ctx, Scope, Stored, db};
use neargate_store::MAX_PAGE;
use std::sync::Arc;

const ENABLED: &str = "ENABLED";
/// Keys that are deleted in one transaction.
const TOGETHER: usize = 100;

pub fn archive_arn(scope: &Scope, name: &str) -> String {
    scope.arn("events", format!("archive/{name}"))
}

/// The caller's bus that an ARN names.
async fn source(cx: &Ctx, arn: &str) -> Result<String, AwsError> {
    let wrong = || error::parameter("EventSourceArn", "Provided Arn is not in correct format.");
    let named = name::bus_of_arn(arn).ok_or_else(wrong)?;
    if named.scope != cx.scope {
        return Err(error::bus_not_found(&named.name));
    }
    bus(cx, &named.name).await?;
    Ok(named.name)
}

fn checked(pattern: Option<String>) -> Result<Option<String>, AwsError> {
    let pattern = pattern.filter(|text| !text.is_empty());
    if let Some(text) = &pattern {
        Pattern::parse(text).map_err(|why| error::invalid_pattern(&why))?;
    }
    Ok(pattern)
}

fn days(given: Option<i32>) -> u32 {
    given.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

async fn archive(cx: &Ctx, name: &str) -> Result<Stored<Archive>, AwsError> {
    let found = cx.db().get::<Archive>(&cx.scope, name).await?;
    found.ok_or_else(|| error::not_found(format!("Archive {name} does not exist.")))
}

pub async fn create_archive(
    events: Arc<Events>,
    cx: Ctx,
    input: api::CreateArchiveInput,
) -> Result<api::CreateArchiveOutput, AwsError> {
    if input.kms_key_identifier.is_some_and(|key| !key.is_empty()) {
        return Err(error::not_built("KmsKeyIdentifier of archives"));
    }
    let made = Archive {
        bus: source(&cx, &input.event_source_arn).await?,
        name: input.archive_name,
        description: input.description,
        pattern: checked(input.event_pattern)?,
        retention_days: days(input.retention_days),
        created_at: cx.now(),
    };
    let key = db::key::<Archive>(&cx.scope, &made.name);
    if !commit(&events, cx.db().tx().create(key, &made)).await? {
        return Err(error::exists("Archive", &made.name));
    }
    Ok(api::CreateArchiveOutput {
        archive_arn: Some(archive_arn(&cx.scope, &made.name)),
        state: Some(ENABLED.into()),
        state_reason: None,
        creation_time: Some(made.created_at),
    })
}

/// How many events an archive keeps, and their bytes.
async fn kept(cx: &Ctx, name: &str) -> Result<(i64, i64), AwsError> {
    let prefix = db::key::<Archived>(&cx.scope, &format!("{name}/"));
    let (mut count, mut bytes) = (0, 0);
    let (mut after, mut at): (Option<String>, _) = (None, None);
    loop {
        let store = cx.db().store();
        let page = store.range(&prefix, after.as_deref(), MAX_PAGE, at).await?;
        at = Some(page.revision);
        count += page.entries.len() as i64;
        bytes += page
            .entries
            .iter()
            .map(|e| e.value.len() as i64)
            .sum::<i64>();
        after = page.entries.last().map(|e| e.key.clone());
        if !page.more {
            return Ok((count, bytes));
        }
    }
}

pub async fn describe_archive(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DescribeArchiveInput,
) -> Result<api::DescribeArchiveOutput, AwsError> {
    let found = archive(&cx, &input.archive_name).await?.value;
    let (count, bytes) = kept(&cx, &found.name).await?;
    Ok(api::DescribeArchiveOutput {
        archive_arn: Some(archive_arn(&cx.scope, &found.name)),
        event_source_arn: Some(source_arn(&cx, &found.bus)),
        archive_name: Some(found.name),
        description: found.description,
        event_pattern: found.pattern,
        state: Some(ENABLED.into()),
        retention_days: i32::try_from(found.retention_days).ok(),
        size_bytes: Some(bytes),
        event_count: Some(count),
        creation_time: Some(found.created_at),
        ..Default::default()
    })
}

fn source_arn(cx: &Ctx, bus: &str) -> String {
    cx.arn("events", format!("event-bus/{bus}"))
}

pub async fn list_archives(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListArchivesInput,
) -> Result<api::ListArchivesOutput, AwsError> {
    let mut all = cx.db().list::<Archive>(&cx.scope).await?;
    if let Some(arn) = &input.event_source_arn {
        let of = source(&cx, arn).await?;
        all.retain(|archive| archive.bus == of);
    }
    let prefix = input.name_prefix.unwrap_or_default();
    all.retain(|archive| archive.name.starts_with(&prefix));
    if input.state.is_some_and(|state| state != ENABLED) {
        all.clear();
    }
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |archive| archive.name.clone())?;
    let mut shown = Vec::new();
    for archive in page.items {
        let archive = archive.value;
        let (count, bytes) = kept(&cx, &archive.name).await?;
        shown.push(api::Archive {
            event_source_arn: Some(source_arn(&cx, &archive.bus)),
            archive_name: Some(archive.name),
            state: Some(ENABLED.into()),
            state_reason: None,
            retention_days: i32::try_from(archive.retention_days).ok(),
            size_bytes: Some(bytes),
            event_count: Some(count),
            creation_time: Some(archive.created_at),
        });
    }
    Ok(api::ListArchivesOutput {
        archives: Some(shown),
        next_token: page.next_token,
    })
}

pub async fn update_archive(
    events: Arc<Events>,
    cx: Ctx,
    input: api::UpdateArchiveInput,
) -> Result<api::UpdateArchiveOutput, AwsError> {
    if input.kms_key_identifier.is_some_and(|key| !key.is_empty()) {
        return Err(error::not_built("KmsKeyIdentifier of archives"));
    }
    let any = input.event_pattern.is_some()
        || input.retention_days.is_some()
        || input.description.is_some();
    if !any {
        return Err(error::validation(
            "At least one of EventPattern, RetentionDays or Description must be provided.",
        ));
    }
    let given = input.event_pattern.is_some();
    let pattern = checked(input.event_pattern)?;
    loop {
        let there = archive(&cx, &input.archive_name).await?;
        let mut changed = there.value.clone();
        if given {
            changed.pattern.clone_from(&pattern);
        }
        if let Some(given) = input.retention_days {
            changed.retention_days = days(Some(given));
        }
        if let Some(given) = &input.description {
            changed.description = Some(given.clone());
        }
        if commit(&events, cx.db().tx().update(&there, &changed)).await? {
            return Ok(api::UpdateArchiveOutput {
                archive_arn: Some(archive_arn(&cx.scope, &changed.name)),
                state: Some(ENABLED.into()),
                state_reason: None,
                creation_time: Some(changed.created_at),
            });
        }
    }
}

/// What it keeps goes with it.
pub async fn delete_archive(
    events: Arc<Events>,
    cx: Ctx,
    input: api::DeleteArchiveInput,
) -> Result<api::DeleteArchiveOutput, AwsError> {
    loop {
        let there = archive(&cx, &input.archive_name).await?;
        if !commit(&events, cx.db().tx().delete(&there)).await? {
            continue;
        }
        let prefix = db::key::<Archived>(&cx.scope, &format!("{}/", there.name));
        loop {
            let store = cx.db().store();
            let page = store.range(&prefix, None, TOGETHER, None).await?;
            if page.entries.is_empty() {
                return Ok(api::DeleteArchiveOutput {});
            }
            let keys = page.entries.into_iter().map(|entry| entry.key);
            let tx = keys.fold(cx.db().tx(), |tx, key| tx.delete_key(key));
            let _ = tx.commit().await?;
        }
    }
}
