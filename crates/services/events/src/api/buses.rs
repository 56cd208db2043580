//! Event buses.

use super::{bus, change_bus, paged};
use crate::model::{Bus, Rule};
use crate::name::{self, BusName};
use crate::{Events, error};
use neargate_api_events as api;
use neargate_service::events::DEFAULT_BUS;
use neargate_service::{AwsError, Committed, Ctx, db, tags};
use neargate_wire::structure::Unit;
use std::sync::Arc;

/// Buses of an account and region, besides the default one.
const MOST: usize = 100;

fn dead_letter(config: Option<api::DeadLetterConfig>) -> Option<String> {
    config.and_then(|config| config.arn)
}

/// What buses of AWS may have and these may not.
fn refuse(kms: Option<&String>, log: Option<&api::LogConfig>) -> Result<(), AwsError> {
    if kms.is_some_and(|key| !key.is_empty()) {
        return Err(error::not_built("KmsKeyIdentifier of event buses"));
    }
    match log.and_then(|log| log.level.as_deref()) {
        None | Some("OFF") => Ok(()),
        Some(_) => Err(error::not_built("LogConfig of event buses")),
    }
}

pub async fn create_event_bus(
    _: Arc<Events>,
    cx: Ctx,
    input: api::CreateEventBusInput,
) -> Result<api::CreateEventBusOutput, AwsError> {
    if input.event_source_name.is_some() || input.name.starts_with("aws.partner/") {
        return Err(error::not_built("partner event sources"));
    }
    refuse(input.kms_key_identifier.as_ref(), input.log_config.as_ref())?;
    let name = input.name;
    if name == DEFAULT_BUS {
        return Err(error::exists("Event bus", &name));
    }
    if name.contains('/') {
        return Err(error::validation("Event bus name must not contain '/'."));
    }
    let given = input.tags.unwrap_or_default();
    let made = Bus {
        name: name.clone(),
        description: input.description,
        dead_letter: dead_letter(input.dead_letter_config),
        policy: None,
        tags: super::tags::parse(given)?,
        created_at: cx.now(),
        modified_at: cx.now(),
    };
    let there = cx.db().list::<Bus>(&cx.scope).await?;
    if there.iter().any(|bus| bus.name == name) {
        return Err(error::exists("Event bus", &name));
    }
    if there.len() >= MOST {
        return Err(error::limit(
            "The requested resource exceeds the maximum number allowed.",
        ));
    }
    let tx = cx.db().tx().create(db::key::<Bus>(&cx.scope, &name), &made);
    if tx.commit().await? == Committed::Conflict {
        return Err(error::exists("Event bus", &name));
    }
    Ok(api::CreateEventBusOutput {
        event_bus_arn: Some(arn(&cx, &name)),
        description: made.description,
        dead_letter_config: shown_dead_letter(made.dead_letter),
        ..Default::default()
    })
}

fn arn(cx: &Ctx, name: &str) -> String {
    let (scope, name) = (cx.scope.clone(), name.to_owned());
    BusName { scope, name }.arn()
}

fn shown_dead_letter(arn: Option<String>) -> Option<api::DeadLetterConfig> {
    arn.map(|arn| api::DeadLetterConfig { arn: Some(arn) })
}

pub async fn delete_event_bus(
    events: Arc<Events>,
    cx: Ctx,
    input: api::DeleteEventBusInput,
) -> Result<Unit, AwsError> {
    let name = name::own_bus(&cx, Some(&input.name))?;
    if name == DEFAULT_BUS {
        return Err(error::validation("Cannot delete event bus default."));
    }
    let prefix = db::key::<Rule>(&cx.scope, &Rule::id(&name, ""));
    let rules = cx.db().list_prefix::<Rule>(&prefix).await?;
    if !rules.is_empty() {
        return Err(error::validation(format!(
            "Event bus {name} has rules, which must be deleted first."
        )));
    }
    let tx = cx.db().tx().delete_key(db::key::<Bus>(&cx.scope, &name));
    super::commit(&events, tx).await.map(|_| Unit)
}

pub async fn describe_event_bus(
    _: Arc<Events>,
    cx: Ctx,
    input: api::DescribeEventBusInput,
) -> Result<api::DescribeEventBusOutput, AwsError> {
    let name = name::own_bus(&cx, input.name.as_deref())?;
    let (stored, bus) = bus(&cx, &name).await?;
    let times = stored.is_some() && bus.name != DEFAULT_BUS;
    Ok(api::DescribeEventBusOutput {
        arn: Some(arn(&cx, &name)),
        description: bus.description,
        dead_letter_config: shown_dead_letter(bus.dead_letter),
        policy: bus.policy.map(|policy| policy.to_string()),
        creation_time: times.then_some(bus.created_at),
        last_modified_time: times.then_some(bus.modified_at),
        name: Some(name),
        ..Default::default()
    })
}

pub async fn list_event_buses(
    _: Arc<Events>,
    cx: Ctx,
    input: api::ListEventBusesInput,
) -> Result<api::ListEventBusesOutput, AwsError> {
    let stored = cx.db().list::<Bus>(&cx.scope).await?;
    let mut all: Vec<Bus> = stored.into_iter().map(|bus| bus.value).collect();
    if !all.iter().any(|bus| bus.name == DEFAULT_BUS) {
        all.push(bus(&cx, DEFAULT_BUS).await?.1);
    }
    let prefix = input.name_prefix.unwrap_or_default();
    all.retain(|bus| bus.name.starts_with(&prefix));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    let token = input.next_token.as_deref();
    let page = paged(all, token, input.limit, |bus| bus.name.clone())?;
    let shown = |bus: Bus| {
        let times = bus.name != DEFAULT_BUS;
        api::EventBus {
            arn: Some(arn(&cx, &bus.name)),
            description: bus.description,
            policy: bus.policy.map(|policy| policy.to_string()),
            creation_time: times.then_some(bus.created_at),
            last_modified_time: times.then_some(bus.modified_at),
            name: Some(bus.name),
            ..Default::default()
        }
    };
    Ok(api::ListEventBusesOutput {
        event_buses: Some(page.items.into_iter().map(shown).collect()),
        next_token: page.next_token,
    })
}

pub async fn update_event_bus(
    _: Arc<Events>,
    cx: Ctx,
    input: api::UpdateEventBusInput,
) -> Result<api::UpdateEventBusOutput, AwsError> {
    refuse(input.kms_key_identifier.as_ref(), input.log_config.as_ref())?;
    let name = name::own_bus(&cx, input.name.as_deref())?;
    let dead = dead_letter(input.dead_letter_config);
    let now = cx.now();
    let bus = change_bus(&cx, &name, |bus| {
        bus.description.clone_from(&input.description);
        bus.dead_letter.clone_from(&dead);
        bus.modified_at = now;
        Ok(())
    });
    let bus = bus.await?;
    Ok(api::UpdateEventBusOutput {
        arn: Some(arn(&cx, &name)),
        name: Some(name),
        description: bus.description,
        dead_letter_config: shown_dead_letter(bus.dead_letter),
        ..Default::default()
    })
}

/// Changes the tags of a bus.
pub async fn change_tags(
    cx: &Ctx,
    name: &str,
    change: impl Fn(&mut tags::Tags) -> Result<(), AwsError> + Send + Sync,
) -> Result<(), AwsError> {
    change_bus(cx, name, |bus| change(&mut bus.tags))
        .await
        .map(drop)
}
