//! Configuration sets, and who is told of what becomes of their mails.

use crate::model::settings::{ConfigurationSet, EventDestination, id};
use crate::{Ses, error, notify, sending};
use neargate_api_ses as api;
use neargate_api_sns as sns;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Caller, Committed, Ctx, Scope, Stored, db};
use neargate_wire::structure::Unit;
use std::collections::BTreeSet;
use std::sync::Arc;

/// <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>
const MOST: usize = 10_000;
const MOST_DESTINATIONS: usize = 10;

/// What version 1 calls an event, in version 2's word.
const EVENTS: [(&str, &str); 8] = [
    ("send", "SEND"),
    ("reject", "REJECT"),
    ("bounce", "BOUNCE"),
    ("complaint", "COMPLAINT"),
    ("delivery", "DELIVERY"),
    ("open", "OPEN"),
    ("click", "CLICK"),
    ("renderingFailure", "RENDERING_FAILURE"),
];

/// Writes a configuration set that there is none of.
pub async fn create(cx: &Ctx, set: &ConfigurationSet) -> Result<(), AwsError> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = &set.name;
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_name) {
        let why = format!(
            "Invalid configuration set name <{name}>: only alphanumeric ASCII characters, '_', and '-' are allowed."
        );
        return Err(error::configuration_set_invalid(why));
    }
    if cx.db().list::<ConfigurationSet>(&cx.scope).await?.len() >= MOST {
        return Err(error::limit("Too many configuration sets in this account."));
    }
    let key = db::key::<ConfigurationSet>(&cx.scope, &id(name));
    match cx.db().tx().create(key, set).commit().await? {
        Committed::At(_) => Ok(()),
        Committed::Conflict => Err(error::configuration_set_exists(name)),
    }
}

/// Changes a configuration set that there is.
pub async fn change(
    cx: &Ctx,
    name: &str,
    change: impl FnMut(&mut ConfigurationSet) -> Result<bool, AwsError>,
) -> Result<Stored<ConfigurationSet>, AwsError> {
    let key = db::key::<ConfigurationSet>(&cx.scope, &id(name));
    let changed = cx.db().modify::<ConfigurationSet, _>(&key, change).await?;
    changed.ok_or_else(|| error::configuration_set_missing(name))
}

/// Deletes a configuration set that there is.
pub async fn delete(cx: &Ctx, name: &str) -> Result<(), AwsError> {
    let there = sending::configuration_set(cx, name).await?;
    let _ = cx.db().tx().delete_key(there.key).commit().await?;
    Ok(())
}

/// Adds an event destination, or writes one that there is. A new topic is told that it is one.
pub async fn put_destination(
    cx: &Ctx,
    set: &str,
    destination: EventDestination,
    is_new: bool,
) -> Result<(), AwsError> {
    sending::configuration_set(cx, set).await?;
    let arn = &destination.topic;
    let place = Scope::of_arn(arn).ok_or_else(|| error::topic_missing(arn))?;
    let asked = sns::GetTopicAttributesInput {
        topic_arn: arn.clone(),
    };
    let role = notify::role(&cx.scope);
    Caller::call::<sns::ops::GetTopicAttributes>(&cx.house, &place, &role, &asked)
        .await
        .map_err(|_| error::topic_missing(arn))?;
    change(cx, set, |set| {
        let there = set
            .destinations
            .iter()
            .position(|d| d.name == destination.name);
        match (there, is_new) {
            (Some(_), true) => return Err(error::destination_exists(&destination.name)),
            (None, false) => return Err(error::destination_missing(&set.name)),
            (Some(at), false) => set.destinations[at] = destination.clone(),
            (None, true) if set.destinations.len() >= MOST_DESTINATIONS => {
                return Err(error::limit(
                    "Too many event destinations of this configuration set.",
                ));
            }
            (None, true) => set.destinations.push(destination.clone()),
        }
        Ok(true)
    })
    .await?;
    let said = "Successfully validated SNS topic for Amazon SES event publishing.";
    let source = cx.arn("ses", format!("configuration-set/{set}"));
    // Whether it can be told is seen by whoever reads the topic; AWS demands no more.
    let told = notify::publish(&cx.house, &cx.scope, arn, &source, None, said.into()).await;
    if let Err(error) = told {
        tracing::info!(%error, topic = arn, "a topic is not told that it is SES's");
    }
    Ok(())
}

pub async fn delete_destination(cx: &Ctx, set: &str, name: &str) -> Result<(), AwsError> {
    change(cx, set, |set| {
        let before = set.destinations.len();
        set.destinations.retain(|d| d.name != name);
        match set.destinations.len() < before {
            true => Ok(true),
            false => Err(error::destination_missing(&set.name)),
        }
    })
    .await
    .map(drop)
}

fn read(given: api::EventDestination) -> Result<EventDestination, AwsError> {
    let refused = |what: &str| Err(AwsError::not_implemented("ses", what));
    if given.kinesis_firehose_destination.is_some() {
        return refused("event destinations of Kinesis Firehose");
    }
    if given.cloud_watch_destination.is_some() {
        return refused("event destinations of CloudWatch");
    }
    let Some(topic) = given.sns_destination else {
        return Err(error::invalid_parameter(
            "An event destination must be specified.",
        ));
    };
    let word = |event: &String| {
        let known = EVENTS.iter().find(|(old, _)| old == event);
        known
            .map(|(_, new)| (*new).to_owned())
            .ok_or_else(|| error::invalid_parameter(format!("Invalid event type <{event}>.")))
    };
    let events: Result<BTreeSet<String>, AwsError> =
        given.matching_event_types.iter().map(word).collect();
    Ok(EventDestination {
        name: given.name,
        enabled: given.enabled.unwrap_or_default(),
        events: events?,
        topic: topic.topic_arn,
    })
}

fn shown(destination: &EventDestination) -> api::EventDestination {
    let old = |event: &String| {
        let known = EVENTS.iter().find(|(_, new)| new == event);
        known.map(|(old, _)| (*old).to_owned())
    };
    let mut events: Vec<String> = destination.events.iter().filter_map(old).collect();
    events.sort();
    api::EventDestination {
        name: destination.name.clone(),
        enabled: Some(destination.enabled),
        matching_event_types: events,
        kinesis_firehose_destination: None,
        cloud_watch_destination: None,
        sns_destination: Some(api::SNSDestination {
            topic_arn: destination.topic.clone(),
        }),
    }
}

pub async fn create_configuration_set(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateConfigurationSetInput,
) -> Result<api::CreateConfigurationSetOutput, AwsError> {
    let set = ConfigurationSet {
        name: input.configuration_set.name,
        ..ConfigurationSet::default()
    };
    create(&cx, &set).await?;
    Ok(api::CreateConfigurationSetOutput {})
}

pub async fn delete_configuration_set(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteConfigurationSetInput,
) -> Result<api::DeleteConfigurationSetOutput, AwsError> {
    delete(&cx, &input.configuration_set_name).await?;
    Ok(api::DeleteConfigurationSetOutput {})
}

pub async fn describe_configuration_set(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DescribeConfigurationSetInput,
) -> Result<api::DescribeConfigurationSetOutput, AwsError> {
    let set = sending::configuration_set(&cx, &input.configuration_set_name).await?;
    let wanted = input.configuration_set_attribute_names.unwrap_or_default();
    let wants = |what: &str| wanted.iter().any(|w| w == what);
    let destinations = || set.destinations.iter().map(shown).collect();
    Ok(api::DescribeConfigurationSetOutput {
        configuration_set: Some(api::ConfigurationSet {
            name: set.name.clone(),
        }),
        event_destinations: wants("eventDestinations").then(destinations),
        tracking_options: None,
        delivery_options: wants("deliveryOptions").then(|| api::DeliveryOptions {
            tls_policy: Some(match set.tls_policy.as_deref() {
                Some("REQUIRE") => "Require".into(),
                _ => "Optional".into(),
            }),
        }),
        reputation_options: wants("reputationOptions").then(|| api::ReputationOptions {
            sending_enabled: Some(!set.paused),
            reputation_metrics_enabled: Some(false),
            last_fresh_start: None,
        }),
    })
}

pub async fn list_configuration_sets(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListConfigurationSetsInput,
) -> Result<api::ListConfigurationSetsOutput, AwsError> {
    let all = cx.db().list::<ConfigurationSet>(&cx.scope).await?;
    let size = Size::up_to(1_000).clamp(input.max_items);
    let token = input.next_token.as_deref();
    let paged = page(all, token, size, |s| s.id().to_owned())
        .map_err(|_| error::invalid_token(token.unwrap_or_default()))?;
    let shown = paged
        .items
        .into_iter()
        .map(|s| api::ConfigurationSet { name: s.value.name });
    Ok(api::ListConfigurationSetsOutput {
        configuration_sets: Some(shown.collect()),
        next_token: paged.next_token,
    })
}

pub async fn update_configuration_set_sending_enabled(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateConfigurationSetSendingEnabledInput,
) -> Result<Unit, AwsError> {
    change(&cx, &input.configuration_set_name, |set| {
        set.paused = !input.enabled;
        Ok(true)
    })
    .await?;
    Ok(Unit)
}

pub async fn create_configuration_set_event_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateConfigurationSetEventDestinationInput,
) -> Result<api::CreateConfigurationSetEventDestinationOutput, AwsError> {
    let (set, destination) = (input.configuration_set_name, input.event_destination);
    sending::configuration_set(&cx, &set).await?;
    put_destination(&cx, &set, read(destination)?, true).await?;
    Ok(api::CreateConfigurationSetEventDestinationOutput {})
}

pub async fn update_configuration_set_event_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateConfigurationSetEventDestinationInput,
) -> Result<api::UpdateConfigurationSetEventDestinationOutput, AwsError> {
    let (set, destination) = (input.configuration_set_name, input.event_destination);
    sending::configuration_set(&cx, &set).await?;
    put_destination(&cx, &set, read(destination)?, false).await?;
    Ok(api::UpdateConfigurationSetEventDestinationOutput {})
}

pub async fn delete_configuration_set_event_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteConfigurationSetEventDestinationInput,
) -> Result<api::DeleteConfigurationSetEventDestinationOutput, AwsError> {
    let set = &input.configuration_set_name;
    delete_destination(&cx, set, &input.event_destination_name).await?;
    Ok(api::DeleteConfigurationSetEventDestinationOutput {})
}
