//! Configuration sets.

use super::{refuse_some, worded};
use crate::api::sets;
use crate::model::settings::{ConfigurationSet, EventDestination};
use crate::{Ses, error, sending};
use neargate_api_sesv2 as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, tags};
use std::sync::Arc;

/// Options that would be acted on by nobody.
fn refuse(input: &api::CreateConfigurationSetInput) -> Result<(), AwsError> {
    refuse_some(input.tracking_options.as_ref(), "TrackingOptions")?;
    refuse_some(input.vdm_options.as_ref(), "VdmOptions")?;
    refuse_some(input.archiving_options.as_ref(), "ArchivingOptions")?;
    refuse_some(
        input.message_security_options.as_ref(),
        "MessageSecurityOptions",
    )?;
    let pool = input.delivery_options.as_ref();
    refuse_some(
        pool.and_then(|d| d.sending_pool_name.as_ref()),
        "SendingPoolName",
    )
}

/// AWS takes 5 minutes to 14 hours.
fn patience(seconds: Option<i64>) -> Result<Option<i64>, AwsError> {
    match seconds {
        Some(n) if !(300..=50_400).contains(&n) => {
            let why = "MaxDeliverySeconds must be between 300 and 50400.";
            worded(Err(error::invalid_parameter(why)))
        }
        seconds => Ok(seconds),
    }
}

pub async fn create_configuration_set(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateConfigurationSetInput,
) -> Result<api::CreateConfigurationSetOutput, AwsError> {
    refuse(&input)?;
    let delivery = input.delivery_options.unwrap_or_default();
    let pairs = input
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|t| (t.key, t.value));
    let set = ConfigurationSet {
        name: input.configuration_set_name,
        paused: input
            .sending_options
            .is_some_and(|o| o.sending_enabled == Some(false)),
        tls_policy: delivery.tls_policy,
        max_delivery_seconds: patience(delivery.max_delivery_seconds)?,
        suppressed_reasons: input.suppression_options.and_then(|o| o.suppressed_reasons),
        destinations: Vec::new(),
        tags: tags::parse(pairs).map_err(error::tags)?,
    };
    worded(sets::create(&cx, &set).await)?;
    Ok(api::CreateConfigurationSetOutput {})
}

pub async fn get_configuration_set(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetConfigurationSetInput,
) -> Result<api::GetConfigurationSetOutput, AwsError> {
    let set = worded(sending::configuration_set(&cx, &input.configuration_set_name).await)?;
    let set = set.value;
    let tags = set
        .tags
        .into_iter()
        .map(|(key, value)| api::Tag { key, value });
    Ok(api::GetConfigurationSetOutput {
        configuration_set_name: Some(set.name),
        delivery_options: Some(api::DeliveryOptions {
            tls_policy: Some(set.tls_policy.unwrap_or_else(|| "OPTIONAL".into())),
            sending_pool_name: None,
            max_delivery_seconds: set.max_delivery_seconds,
        }),
        reputation_options: Some(api::ReputationOptions {
            reputation_metrics_enabled: Some(false),
            last_fresh_start: None,
        }),
        sending_options: Some(api::SendingOptions {
            sending_enabled: Some(!set.paused),
        }),
        tags: Some(tags.collect()),
        suppression_options: set
            .suppressed_reasons
            .map(|reasons| api::SuppressionOptions {
                suppressed_reasons: Some(reasons),
                ..Default::default()
            }),
        ..Default::default()
    })
}

pub async fn list_configuration_sets(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListConfigurationSetsInput,
) -> Result<api::ListConfigurationSetsOutput, AwsError> {
    let filter = input.filter.filter(|f| !f.is_empty());
    refuse_some(filter.as_ref(), "filters of configuration sets")?;
    let all = cx.db().list::<ConfigurationSet>(&cx.scope).await?;
    let (token, size) = (input.next_token.as_deref(), Size::up_to(1_000));
    let paged = page(all, token, size.clamp(input.page_size), |s| {
        s.id().to_owned()
    })
    .map_err(|_| error::next_token_invalid())?;
    Ok(api::ListConfigurationSetsOutput {
        configuration_sets: Some(paged.items.into_iter().map(|s| s.value.name).collect()),
        next_token: paged.next_token,
    })
}

pub async fn delete_configuration_set(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteConfigurationSetInput,
) -> Result<api::DeleteConfigurationSetOutput, AwsError> {
    worded(sets::delete(&cx, &input.configuration_set_name).await)?;
    Ok(api::DeleteConfigurationSetOutput {})
}

pub async fn put_configuration_set_delivery_options(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutConfigurationSetDeliveryOptionsInput,
) -> Result<api::PutConfigurationSetDeliveryOptionsOutput, AwsError> {
    refuse_some(input.sending_pool_name.as_ref(), "SendingPoolName")?;
    let seconds = patience(input.max_delivery_seconds)?;
    let changed = sets::change(&cx, &input.configuration_set_name, |set| {
        set.tls_policy.clone_from(&input.tls_policy);
        set.max_delivery_seconds = seconds;
        Ok(true)
    });
    worded(changed.await)?;
    Ok(api::PutConfigurationSetDeliveryOptionsOutput {})
}

pub async fn put_configuration_set_sending_options(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutConfigurationSetSendingOptionsInput,
) -> Result<api::PutConfigurationSetSendingOptionsOutput, AwsError> {
    let changed = sets::change(&cx, &input.configuration_set_name, |set| {
        set.paused = !input.sending_enabled.unwrap_or_default();
        Ok(true)
    });
    worded(changed.await)?;
    Ok(api::PutConfigurationSetSendingOptionsOutput {})
}

pub async fn put_configuration_set_suppression_options(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutConfigurationSetSuppressionOptionsInput,
) -> Result<api::PutConfigurationSetSuppressionOptionsOutput, AwsError> {
    refuse_some(input.validation_options.as_ref(), "ValidationOptions")?;
    let scope = input.suppression_scope.filter(|s| s != "ACCOUNT");
    refuse_some(scope.as_ref(), "suppression scopes other than ACCOUNT")?;
    let changed = sets::change(&cx, &input.configuration_set_name, |set| {
        set.suppressed_reasons.clone_from(&input.suppressed_reasons);
        Ok(true)
    });
    worded(changed.await)?;
    Ok(api::PutConfigurationSetSuppressionOptionsOutput {})
}

fn read(
    name: String,
    given: api::EventDestinationDefinition,
) -> Result<EventDestination, AwsError> {
    refuse_some(
        given.kinesis_firehose_destination.as_ref(),
        "event destinations of Kinesis Firehose",
    )?;
    refuse_some(
        given.cloud_watch_destination.as_ref(),
        "event destinations of CloudWatch",
    )?;
    refuse_some(
        given.event_bridge_destination.as_ref(),
        "event destinations of EventBridge",
    )?;
    refuse_some(
        given.pinpoint_destination.as_ref(),
        "event destinations of Pinpoint",
    )?;
    let Some(topic) = given.sns_destination else {
        let why = "An event destination must be specified.";
        return worded(Err(error::invalid_parameter(why)));
    };
    Ok(EventDestination {
        name,
        enabled: given.enabled.unwrap_or_default(),
        events: given
            .matching_event_types
            .unwrap_or_default()
            .into_iter()
            .collect(),
        topic: topic.topic_arn,
    })
}

pub async fn create_configuration_set_event_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateConfigurationSetEventDestinationInput,
) -> Result<api::CreateConfigurationSetEventDestinationOutput, AwsError> {
    let destination = read(input.event_destination_name, input.event_destination)?;
    let set = &input.configuration_set_name;
    worded(sets::put_destination(&cx, set, destination, true).await)?;
    Ok(api::CreateConfigurationSetEventDestinationOutput {})
}

pub async fn update_configuration_set_event_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateConfigurationSetEventDestinationInput,
) -> Result<api::UpdateConfigurationSetEventDestinationOutput, AwsError> {
    let destination = read(input.event_destination_name, input.event_destination)?;
    let set = &input.configuration_set_name;
    worded(sets::put_destination(&cx, set, destination, false).await)?;
    Ok(api::UpdateConfigurationSetEventDestinationOutput {})
}

pub async fn delete_configuration_set_event_destination(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteConfigurationSetEventDestinationInput,
) -> Result<api::DeleteConfigurationSetEventDestinationOutput, AwsError> {
    let (set, name) = (&input.configuration_set_name, &input.event_destination_name);
    worded(sets::delete_destination(&cx, set, name).await)?;
    Ok(api::DeleteConfigurationSetEventDestinationOutput {})
}

pub async fn get_configuration_set_event_destinations(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetConfigurationSetEventDestinationsInput,
) -> Result<api::GetConfigurationSetEventDestinationsOutput, AwsError> {
    let set = worded(sending::configuration_set(&cx, &input.configuration_set_name).await)?;
    let shown = set
        .value
        .destinations
        .into_iter()
        .map(|d| api::EventDestination {
            name: Some(d.name),
            enabled: Some(d.enabled),
            matching_event_types: Some(d.events.into_iter().collect()),
            sns_destination: Some(api::SnsDestination { topic_arn: d.topic }),
            ..Default::default()
        });
    Ok(api::GetConfigurationSetEventDestinationsOutput {
        event_destinations: Some(shown.collect()),
    })
}
