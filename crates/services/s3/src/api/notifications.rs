//! The notification configuration of a bucket.

use super::settings::change;
use crate::notify::filter::{self, Configuration, Destination};
use crate::notify::{self, message};
use crate::{S3, bucket, error};
use neargate_api_s3 as api;
use neargate_base::{Arn, Region};
use neargate_service::caller::By;
use neargate_service::deliver::Sender;
use neargate_service::invocation::To;
use neargate_service::{AwsError, Caller, Ctx, Scope};
use neargate_wire::json::Json;
use neargate_wire::structure::Unit;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The longest value of a filter's rule.
const MAX_FILTER_BYTES: usize = 1024;

pub async fn put_bucket_notification_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::PutBucketNotificationConfigurationInput,
) -> Result<Unit, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:PutBucketNotification";
    let open = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let mut wanted = input.notification_configuration;
    if wanted
        .lambda_function_configurations
        .take()
        .is_some_and(|c| !c.is_empty())
    {
        return Err(error::not_built("notifications to Lambda functions"));
    }
    name(&cx, &mut wanted);
    check(&filter::configurations(&wanted), &open.region)?;
    if input.skip_destination_validation != Some(true) {
        for configuration in filter::configurations(&wanted) {
            try_out(&cx, &open.bucket, &configuration).await?;
        }
    }
    let is_empty =
        filter::configurations(&wanted).is_empty() && wanted.event_bridge_configuration.is_none();
    let kept = (!is_empty).then_some(Json(wanted));
    change(&cx, &input.bucket, owner, action, |bucket| {
        bucket.notifications = kept.clone();
        Ok(())
    })
    .await?;
    Ok(Unit)
}

/// Gives ids to those that have none.
fn name(cx: &Ctx, wanted: &mut api::NotificationConfiguration) {
    let topics = wanted
        .topic_configurations
        .iter_mut()
        .flatten()
        .map(|c| &mut c.id);
    let queues = wanted
        .queue_configurations
        .iter_mut()
        .flatten()
        .map(|c| &mut c.id);
    for id in topics.chain(queues) {
        if id.as_deref().is_none_or(str::is_empty) {
            *id = Some(cx.house.rng.uuid());
        }
    }
}

fn check(all: &[Configuration<'_>], region: &Region) -> Result<(), AwsError> {
    let mut ids = BTreeSet::new();
    for (index, configuration) in all.iter().enumerate() {
        if !ids.insert(configuration.id) {
            return Err(error::invalid_configuration(
                "Same ID used for multiple configurations. IDs must be unique",
            ));
        }
        check_filter(configuration)?;
        check_arn(configuration, region)?;
        if all[..index]
            .iter()
            .any(|before| before.overlaps(configuration))
        {
            return Err(error::invalid_configuration(
                "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the \
                 prefixes are overlapping for the same event type.",
            ));
        }
    }
    Ok(())
}

fn check_filter(configuration: &Configuration<'_>) -> Result<(), AwsError> {
    let mut seen = BTreeSet::new();
    for rule in configuration.rules() {
        let name = rule.name.as_deref().unwrap_or_default().to_lowercase();
        let value = rule.value.as_deref().unwrap_or_default();
        if value.len() > MAX_FILTER_BYTES {
            return Err(error::invalid_argument(
                "FilterRule.Value",
                value,
                "filter value cannot be longer than 1024 bytes",
            ));
        }
        if !seen.insert(name.clone()) {
            return Err(error::invalid_argument(
                "FilterRule.Name",
                &name,
                format!("Cannot specify more than one {name} rule in a filter."),
            ));
        }
    }
    Ok(())
}

fn unparsed(arn: &str) -> AwsError {
    error::invalid_argument(arn, "null", "The ARN could not be parsed")
}

fn check_arn(configuration: &Configuration<'_>, region: &Region) -> Result<(), AwsError> {
    let service = match configuration.destination {
        Destination::Queue => "sqs",
        Destination::Topic => "sns",
    };
    let arn: Option<Arn> = configuration.arn.parse().ok();
    let arn = arn.filter(|arn| arn.service == service && !arn.account.is_empty());
    let arn = arn.ok_or_else(|| unparsed(configuration.arn))?;
    if arn.region != region.as_str() {
        return Err(error::invalid_configuration(
            "The notification destination service region is not valid for the bucket location \
             constraint",
        ));
    }
    if configuration.arn.ends_with(".fifo") {
        return Err(error::invalid_configuration(
            match configuration.destination {
                Destination::Queue => "FIFO SQS queues are not supported.",
                Destination::Topic => "FIFO SNS topics are not supported.",
            },
        ));
    }
    Ok(())
}

/// Sends the test message, as AWS does before it takes a configuration.
async fn try_out(
    cx: &Ctx,
    bucket: &crate::model::Bucket,
    configuration: &Configuration<'_>,
) -> Result<(), AwsError> {
    let scope = Scope::of_arn(configuration.arn).unwrap_or_else(|| cx.scope.clone());
    let text = message::test(&bucket.name, cx.now(), &cx.request_id).to_string();
    let To::Operation {
        service,
        operation,
        input,
        ..
    } = notify::to(configuration.arn, &text)
    else {
        return Err(unparsed(configuration.arn));
    };
    let origin = notify::origin(bucket);
    let sender = Sender {
        service: origin.service(),
        source_arn: origin.arn().to_owned(),
        source_account: origin.account(),
    };
    let named = (service.as_str(), operation.as_str());
    match Caller::call_by_name(&cx.house, &scope, By::Service(&sender), named, input).await {
        Ok(_) => Ok(()),
        Err(refused) => {
            let what = match configuration.destination {
                Destination::Queue => "queue",
                Destination::Topic => "topic",
            };
            let denied =
                refused.code.contains("AccessDenied") || refused.code.contains("Authorization");
            let why = match denied {
                true => format!(
                    "Permissions on the destination {what} do not allow S3 to publish notifications from this bucket"
                ),
                false => format!("The destination {what} does not exist"),
            };
            Err(error::invalid_argument(
                configuration.arn,
                &why,
                "Unable to validate the following destination configurations",
            ))
        }
    }
}

pub async fn get_bucket_notification_configuration(
    _: Arc<S3>,
    cx: Ctx,
    input: api::GetBucketNotificationConfigurationInput,
) -> Result<api::NotificationConfiguration, AwsError> {
    let owner = input.expected_bucket_owner.as_deref();
    let action = "s3:GetBucketNotification";
    let open = bucket::open(&cx, &input.bucket, owner, action, None).await?;
    let kept = open.notifications.clone();
    Ok(kept.map(|kept| kept.0).unwrap_or_default())
}
