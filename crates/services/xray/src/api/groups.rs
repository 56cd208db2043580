//! Groups: traces that an expression takes, by a name.

use super::{paged, tags};
use crate::model::{DEFAULT, Group};
use crate::{XRay, error, filter, query};
use neargate_api_xray as api;
use neargate_service::db::settle;
use neargate_service::{AwsError, Committed, Ctx, Stored, db};
use std::sync::Arc;

/// Groups of an account and region.
const MOST: usize = 25;
/// Letters and digits at the end of a group's ARN.
const ID_CHARS: usize = 52;
const ID_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Insights are not built, so they can only be off.
fn check_insights(given: Option<&api::InsightsConfiguration>) -> Result<(), AwsError> {
    let Some(given) = given else {
        return Ok(());
    };
    if given.insights_enabled == Some(true) {
        return Err(error::not_built("insights of groups"));
    }
    match given.notifications_enabled {
        Some(true) => Err(error::invalid_request(
            "Notifications may only be enabled on a group with InsightsEnabled set to true.",
        )),
        _ => Ok(()),
    }
}

fn insights() -> api::InsightsConfiguration {
    api::InsightsConfiguration {
        insights_enabled: Some(false),
        notifications_enabled: Some(false),
    }
}

fn shown(cx: &Ctx, group: &Group) -> api::Group {
    api::Group {
        group_name: Some(group.name.clone()),
        group_arn: Some(group.arn(&cx.scope)),
        filter_expression: Some(group.filter.clone()),
        insights_configuration: Some(insights()),
    }
}

fn default_group(cx: &Ctx) -> api::Group {
    let (name, arn) = Group::default_of(&cx.scope);
    api::Group {
        group_name: Some(name),
        group_arn: Some(arn),
        filter_expression: None,
        insights_configuration: Some(insights()),
    }
}

pub async fn create_group(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::CreateGroupInput,
) -> Result<api::CreateGroupOutput, AwsError> {
    check_insights(input.insights_configuration.as_ref())?;
    if input.group_name == DEFAULT {
        return Err(error::invalid_request("Default is a reserved group name."));
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !input.group_name.chars().all(allowed) {
        return Err(error::invalid_request(
            "A group's name has letters, numbers, dots, dashes and underscores.",
        ));
    }
    let filter = input.filter_expression.unwrap_or_default();
    check_filter(&cx, &filter, &input.group_name).await?;
    let mut bytes = [0; ID_CHARS];
    cx.house.rng.fill(&mut bytes);
    let letters = bytes.map(|byte| char::from(ID_LETTERS[usize::from(byte % 32)]));
    let group = Group {
        id: letters.iter().collect(),
        filter,
        tags: tags::parse(input.tags.unwrap_or_default(), &input.group_name)?,
        name: input.group_name,
    };
    let all = cx.db().list::<Group>(&cx.scope).await?;
    let exists = || error::invalid_request(format!("A group named {} already exists.", group.name));
    if all.iter().any(|there| there.name == group.name) {
        return Err(exists());
    }
    if all.len() >= MOST {
        return Err(error::invalid_request(format!(
            "The number of groups cannot be more than {MOST}."
        )));
    }
    let key = db::key::<Group>(&cx.scope, &group.name);
    match cx.db().tx().create(key, &group).commit().await? {
        Committed::At(_) => Ok(api::CreateGroupOutput {
            group: Some(shown(&cx, &group)),
        }),
        Committed::Conflict => Err(exists()),
    }
}

/// It must be one, of groups that are there, and not of the group itself.
async fn check_filter(cx: &Ctx, text: &str, own: &str) -> Result<(), AwsError> {
    let parsed = filter::parse(text).map_err(|why| error::invalid_filter(&why))?;
    let mut named = Vec::new();
    parsed.groups(&mut named);
    let is_own = |name: &filter::GroupName| match name {
        filter::GroupName::Name(name) => name == own,
        filter::GroupName::Arn(arn) => arn.contains(&format!(":group/{own}/")),
    };
    if named.iter().any(is_own) {
        return Err(error::invalid_filter(&"a group does not name itself"));
    }
    query::expression(cx, text).await.map(drop)
}

/// The group that is named; `None`: the default one.
async fn find(
    cx: &Ctx,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Option<Stored<Group>>, AwsError> {
    let (_, default_arn) = Group::default_of(&cx.scope);
    let id = match (name, arn) {
        (Some(_), Some(_)) => {
            return Err(error::invalid_request(
                "Specify a group by either name or ARN, but not both.",
            ));
        }
        (None, None) => {
            return Err(error::invalid_request("GroupName or GroupARN is required."));
        }
        (Some(name), None) => name,
        (None, Some(arn)) if arn == default_arn => DEFAULT,
        (None, Some(arn)) => arn.split('/').nth(1).unwrap_or_default(),
    };
    if id == DEFAULT {
        return Ok(None);
    }
    let stored = cx.db().get::<Group>(&cx.scope, id).await?;
    let stored = stored.filter(|group| arn.is_none_or(|arn| group.arn(&cx.scope) == arn));
    stored.map(Some).ok_or_else(error::group_not_found)
}

pub async fn get_group(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::GetGroupInput,
) -> Result<api::GetGroupOutput, AwsError> {
    let found = find(&cx, input.group_name.as_deref(), input.group_arn.as_deref()).await?;
    let group = found.map_or_else(|| default_group(&cx), |group| shown(&cx, &group));
    Ok(api::GetGroupOutput { group: Some(group) })
}

pub async fn update_group(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::UpdateGroupInput,
) -> Result<api::UpdateGroupOutput, AwsError> {
    check_insights(input.insights_configuration.as_ref())?;
    let group = settle(async || {
        let found = find(&cx, input.group_name.as_deref(), input.group_arn.as_deref()).await?;
        let Some(found) = found else {
            let is_changed = input.filter_expression.is_some();
            return match is_changed {
                true => Err(error::invalid_request(
                    "The default group has no filter expression.",
                )),
                false => Ok((cx.db().tx(), default_group(&cx))),
            };
        };
        let mut group = found.value.clone();
        if let Some(filter) = &input.filter_expression {
            check_filter(&cx, filter, &group.name).await?;
            group.filter.clone_from(filter);
        }
        let tx = cx.db().tx().update(&found, &group);
        Ok((tx, shown(&cx, &group)))
    });
    Ok(api::UpdateGroupOutput {
        group: Some(group.await?),
    })
}

pub async fn get_groups(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::GetGroupsInput,
) -> Result<api::GetGroupsOutput, AwsError> {
    let stored = cx.db().list::<Group>(&cx.scope).await?;
    let mut all = vec![default_group(&cx)];
    all.extend(stored.iter().map(|group| shown(&cx, group)));
    all.sort_by(|a, b| a.group_name.cmp(&b.group_name));
    let name = |group: &api::Group| group.group_name.clone().unwrap_or_default();
    let page = paged(all, input.next_token.as_deref(), name)?;
    let summaries = page.items.into_iter().map(|group| api::GroupSummary {
        group_name: group.group_name,
        group_arn: group.group_arn,
        filter_expression: group.filter_expression,
        insights_configuration: group.insights_configuration,
    });
    Ok(api::GetGroupsOutput {
        groups: Some(summaries.collect()),
        next_token: page.next_token,
    })
}

pub async fn delete_group(
    _: Arc<XRay>,
    cx: Ctx,
    input: api::DeleteGroupInput,
) -> Result<api::DeleteGroupOutput, AwsError> {
    settle(async || {
        let found = find(&cx, input.group_name.as_deref(), input.group_arn.as_deref()).await?;
        let Some(found) = found else {
            return Err(error::invalid_request(
                "The default group cannot be deleted.",
            ));
        };
        Ok((cx.db().tx().delete(&found), ()))
    })
    .await?;
    Ok(api::DeleteGroupOutput {})
}
