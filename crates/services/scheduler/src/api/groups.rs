//! Groups of schedules.

use super::{group, paged};
use crate::model::{DEFAULT_GROUP, Group, Schedule, group_arn};
use crate::run::ran_key;
use crate::{Scheduler, error};
use neargate_api_scheduler as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Committed, Ctx, db};
use std::sync::Arc;

const ACTIVE: &str = "ACTIVE";
/// Groups of an account and region.
const MOST: usize = 500;
/// Schedules that are deleted in one transaction.
const TOGETHER: usize = 40;

pub async fn create_schedule_group(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::CreateScheduleGroupInput,
) -> Result<api::CreateScheduleGroupOutput, AwsError> {
    let made = Group {
        tags: super::tags::parse(input.tags.unwrap_or_default())?,
        created_at: cx.now(),
        modified_at: cx.now(),
        client_token: input.client_token,
        name: input.name,
    };
    let answer = || api::CreateScheduleGroupOutput {
        schedule_group_arn: Some(group_arn(&cx.scope, &made.name)),
    };
    let exists = || error::conflict(format!("Schedule group {} already exists.", made.name));
    if made.name == DEFAULT_GROUP {
        return Err(exists());
    }
    let all = cx.db().list::<Group>(&cx.scope).await?;
    if let Some(there) = all.iter().find(|group| group.name == made.name) {
        let again = made.client_token.is_some() && there.client_token == made.client_token;
        return again.then(answer).ok_or_else(exists);
    }
    if all.len() >= MOST {
        return Err(error::quota(
            "The number of schedule groups exceeds the quota.",
        ));
    }
    let key = db::key::<Group>(&cx.scope, &made.name);
    match cx.db().tx().create(key, &made).commit().await? {
        Committed::At(_) => Ok(answer()),
        Committed::Conflict => Err(exists()),
    }
}

/// When the default group was made is not known: AWS made it with the account.
fn times(group: Option<&Group>) -> (Option<Timestamp>, Option<Timestamp>) {
    (group.map(|g| g.created_at), group.map(|g| g.modified_at))
}

pub async fn get_schedule_group(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::GetScheduleGroupInput,
) -> Result<api::GetScheduleGroupOutput, AwsError> {
    let stored = group(&cx, &input.name).await?;
    let (creation_date, last_modification_date) = times(stored.as_deref());
    Ok(api::GetScheduleGroupOutput {
        arn: Some(group_arn(&cx.scope, &input.name)),
        name: Some(input.name),
        state: Some(ACTIVE.into()),
        creation_date,
        last_modification_date,
    })
}

pub async fn list_schedule_groups(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::ListScheduleGroupsInput,
) -> Result<api::ListScheduleGroupsOutput, AwsError> {
    let stored = cx.db().list::<Group>(&cx.scope).await?;
    let named = stored
        .iter()
        .map(|group| (group.name.clone(), Some(&group.value)));
    let mut all: Vec<(String, Option<&Group>)> = named.collect();
    if !all.iter().any(|(name, _)| name == DEFAULT_GROUP) {
        all.push((DEFAULT_GROUP.to_owned(), None));
    }
    let prefix = input.name_prefix.unwrap_or_default();
    all.retain(|(name, _)| name.starts_with(&prefix));
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.max_results, |(name, _)| name.clone())?;
    let shown = |(name, group): (String, Option<&Group>)| {
        let (creation_date, last_modification_date) = times(group);
        api::ScheduleGroupSummary {
            arn: Some(group_arn(&cx.scope, &name)),
            name: Some(name),
            state: Some(ACTIVE.into()),
            creation_date,
            last_modification_date,
        }
    };
    Ok(api::ListScheduleGroupsOutput {
        next_token: page.next_token,
        schedule_groups: Some(page.items.into_iter().map(shown).collect()),
    })
}

/// Its schedules go with it.
pub async fn delete_schedule_group(
    _: Arc<Scheduler>,
    cx: Ctx,
    input: api::DeleteScheduleGroupInput,
) -> Result<api::DeleteScheduleGroupOutput, AwsError> {
    if input.name == DEFAULT_GROUP {
        return Err(error::validation(
            "The default schedule group cannot be deleted.",
        ));
    }
    loop {
        let Some(there) = group(&cx, &input.name).await? else {
            return Err(error::group_not_found(&input.name));
        };
        let prefix = db::key::<Schedule>(&cx.scope, &Schedule::id(&input.name, ""));
        let schedules = cx.db().list_prefix::<Schedule>(&prefix).await?;
        for few in schedules.chunks(TOGETHER) {
            let tx = few.iter().fold(cx.db().tx(), |tx, schedule| {
                let ran = ran_key(&cx.scope, &schedule.group, &schedule.name);
                tx.delete_key(schedule.key.clone()).delete_key(ran)
            });
            let _ = tx.commit().await?;
        }
        if let Committed::At(_) = cx.db().tx().delete(&there).commit().await? {
            return Ok(api::DeleteScheduleGroupOutput {});
        }
    }
}
