//! Log groups.

use super::filters;
use crate::model::filters::Filters;
use crate::model::{DESCRIBED, Group};
use crate::{Logs, error, reference};
use neargate_api_logs as api;
use neargate_service::db::{self, Stored, Tx};
use neargate_service::tags::{self, Tags};
use neargate_service::{AwsError, Committed, Ctx, House, Scope, page};
use neargate_store::MAX_PAGE;
use std::sync::Arc;

/// A group that is not stored yet.
pub fn new(house: &House, name: &str, tags: Tags) -> Group {
    Group {
        name: name.to_owned(),
        id: house.rng.hex(16),
        created: house.now(),
        retention_days: None,
        class: "STANDARD".into(),
        kms_key_id: None,
        deletion_protection: false,
        tags,
    }
}

/// Whether a group was stored, or the name is taken.
#[must_use]
pub enum Created {
    New,
    Exists,
}

/// Store a new group.
pub async fn create(house: &House, scope: &Scope, group: &Group) -> Result<Created, AwsError> {
    let key = db::key::<Group>(scope, &group.name);
    Ok(match house.db.tx().create(key, group).commit().await? {
        Committed::At(_) => Created::New,
        Committed::Conflict => Created::Exists,
    })
}

pub async fn create_log_group(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::CreateLogGroupInput,
) -> Result<api::CreateLogGroupOutput, AwsError> {
    // "Log group names can't start with the string aws/."
    if input.log_group_name.starts_with("aws/") {
        return Err(error::reserved_group_name());
    }
    let tags = tags::parse(input.tags.unwrap_or_default()).map_err(error::invalid_tags)?;
    let mut group = new(&cx.house, &input.log_group_name, tags);
    group.kms_key_id = input.kms_key_id;
    group.deletion_protection = input.deletion_protection_enabled.unwrap_or(false);
    if let Some(class) = input.log_group_class {
        group.class = class;
    }
    match create(&cx.house, &cx.scope, &group).await? {
        Created::New => Ok(api::CreateLogGroupOutput::default()),
        Created::Exists => Err(error::group_exists()),
    }
}

/// The group, and what is kept of it beside it.
fn delete(cx: &Ctx, group: &Stored<Group>) -> Tx {
    let filters = db::key::<Filters>(&cx.scope, &group.name);
    cx.db().tx().delete(group).delete_key(filters)
}

/// Events first, the group last: whoever sees the group gone will not find its events either.
pub async fn delete_log_group(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::DeleteLogGroupInput,
) -> Result<api::DeleteLogGroupOutput, AwsError> {
    loop {
        let group = reference::group(cx.db(), &cx.scope, &input.log_group_name).await?;
        if group.deletion_protection {
            return Err(error::deletion_protected());
        }
        let key = group.engine_key(&cx.scope);
        logs.engine
            .delete_group(&key)
            .await
            .map_err(error::engine)?;
        if let Committed::At(_) = delete(&cx, &group).commit().await? {
            // What was stored in between, by a container that made its stream again.
            logs.engine
                .delete_group(&key)
                .await
                .map_err(error::engine)?;
            return Ok(api::DeleteLogGroupOutput::default());
        }
    }
}

pub async fn put_log_group_deletion_protection(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::PutLogGroupDeletionProtectionInput,
) -> Result<api::PutLogGroupDeletionProtectionOutput, AwsError> {
    let found = reference::identified(&cx, &input.log_group_identifier).await?;
    let change = |group: &mut Group| {
        group.deletion_protection = input.deletion_protection_enabled;
        Ok(true)
    };
    cx.db()
        .modify(&found.key, change)
        .await?
        .ok_or_else(error::group_not_found)?;
    Ok(api::PutLogGroupDeletionProtectionOutput::default())
}

pub async fn describe_log_groups(
    logs: Arc<Logs>,
    cx: Ctx,
    input: api::DescribeLogGroupsInput,
) -> Result<api::DescribeLogGroupsOutput, AwsError> {
    if input.log_group_name_prefix.is_some() && input.log_group_name_pattern.is_some() {
        return Err(error::exclusive(
            "LogGroup name prefix",
            "LogGroup name pattern",
        ));
    }
    if let Some(identifiers) = &input.log_group_identifiers {
        let mut found = Vec::new();
        for identifier in identifiers {
            if let Some(group) = reference::find(&cx, identifier).await? {
                found.push(shape(&logs, &cx, &group).await?);
            }
        }
        return Ok(api::DescribeLogGroupsOutput {
            log_groups: Some(found),
            next_token: None,
        });
    }
    let (groups, next_token) = find(&cx, &input).await?;
    let brief = input.log_group_name_pattern.is_some_and(|p| !p.is_empty());
    let mut log_groups = Vec::new();
    for group in &groups {
        let whole = shape(&logs, &cx, group).await?;
        // "If you specify logGroupNamePattern, then only arn, creationTime, and logGroupName
        // are included in the response."
        if !brief {
            log_groups.push(whole);
            continue;
        }
        let api::LogGroup {
            log_group_name,
            creation_time,
            arn,
            ..
        } = whole;
        log_groups.push(api::LogGroup {
            log_group_name,
            creation_time,
            arn,
            ..api::LogGroup::default()
        });
    }
    Ok(api::DescribeLogGroupsOutput {
        log_groups: Some(log_groups),
        next_token,
    })
}

/// The groups of a pattern: parts of names, or with `^` their beginnings, divided by `|`.
pub async fn list_log_groups(
    _: Arc<Logs>,
    cx: Ctx,
    input: api::ListLogGroupsInput,
) -> Result<api::ListLogGroupsOutput, AwsError> {
    if input.data_sources.is_some() || input.field_index_names.is_some() {
        return Err(error::not_supported(
            "filters by dataSources and fieldIndexNames",
        ));
    }
    if input.log_group_tags.is_some() {
        return Err(error::not_supported("filters by logGroupTags"));
    }
    let pattern = input.log_group_name_pattern.unwrap_or_default();
    let matches = |name: &str| {
        pattern.split('|').any(|part| match part.strip_prefix('^') {
            Some(prefix) => name.starts_with(prefix),
            None => name.contains(part),
        })
    };
    let mut groups = cx.db().list::<Group>(&cx.scope).await?;
    let class = input.log_group_class;
    groups.retain(|g| matches(&g.name) && class.as_ref().is_none_or(|c| *c == g.class));
    let most = input.limit.and_then(|n| usize::try_from(n).ok());
    let name = |group: &Stored<Group>| group.name.clone();
    let page = page::page(
        groups,
        input.next_token.as_deref(),
        most.unwrap_or(50),
        name,
    )
    .map_err(|_| error::invalid_token())?;
    let summary = |group: &Stored<Group>| api::LogGroupSummary {
        log_group_name: Some(group.name.clone()),
        log_group_arn: Some(group.arn(&cx.scope)),
        log_group_class: Some(group.class.clone()),
    };
    Ok(api::ListLogGroupsOutput {
        log_groups: Some(page.items.iter().map(summary).collect()),
        next_token: page.next_token,
    })
}

/// One page of the groups asked for, in order of their names, read page by page.
async fn find(
    cx: &Ctx,
    input: &api::DescribeLogGroupsInput,
) -> Result<(Vec<Stored<Group>>, Option<String>), AwsError> {
    let all = db::prefix::<Group>(&cx.scope);
    let prefix = format!(
        "{all}{}",
        input.log_group_name_prefix.as_deref().unwrap_or_default()
    );
    let token = input.next_token.as_deref().map(page::decode).transpose();
    let mut after = token
        .map_err(|_| error::invalid_token())?
        .map(|name| format!("{all}{name}"));
    let most = DESCRIBED.clamp(input.limit);
    let wanted = |group: &Group| {
        let pattern = input.log_group_name_pattern.as_deref().unwrap_or_default();
        let class = input.log_group_class.as_ref();
        group.name.contains(pattern) && class.is_none_or(|c| *c == group.class)
    };
    let mut found = Vec::new();
    loop {
        let page = cx
            .db()
            .store()
            .range(&prefix, after.as_deref(), MAX_PAGE, None)
            .await?;
        for entry in &page.entries {
            let group = db::decode::<Group>(entry)?;
            if !wanted(&group) {
                continue;
            }
            if found.len() == most {
                let last: Option<&Stored<Group>> = found.last();
                let token = last.map(|last| page::encode(&last.name));
                return Ok((found, token));
            }
            found.push(group);
        }
        match page.entries.last() {
            Some(last) if page.more => after = Some(last.key.clone()),
            _ => return Ok((found, None)),
        }
    }
}

async fn shape(logs: &Logs, cx: &Ctx, group: &Group) -> Result<api::LogGroup, AwsError> {
    let scope = &cx.scope;
    let arn = group.arn(scope);
    let stored_bytes = logs.engine.stored_bytes(&group.engine_key(scope));
    Ok(api::LogGroup {
        log_group_name: Some(group.name.clone()),
        creation_time: Some(group.created.as_millis()),
        retention_in_days: group.retention_days,
        metric_filter_count: Some(filters::count(cx, group).await?),
        arn: Some(format!("{arn}:*")),
        stored_bytes: Some(i64::try_from(stored_bytes).unwrap_or(i64::MAX)),
        kms_key_id: group.kms_key_id.clone(),
        log_group_class: Some(group.class.clone()),
        log_group_arn: Some(arn),
        deletion_protection_enabled: Some(group.deletion_protection),
        ..api::LogGroup::default()
    })
}
