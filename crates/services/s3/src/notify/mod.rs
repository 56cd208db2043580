//! Notifications of buckets: what happens to an object is told to queues, topics and EventBridge.
//!
//! It is written in the transaction that makes the change, so that neither is without the other, and EventBridge
//! carries it out: it arrives at least once
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html>).

pub mod change;
pub mod filter;
pub mod message;

pub use change::{By, Change};

use crate::model::{Bucket, Object};
use filter::Configuration;
use message::Told;
use neargate_service::events::Event;
use neargate_service::invocation::{Invocation, Origin, Retry, To};
use neargate_service::{Ctx, Scope, Tx, db};

const SOURCE: &str = "aws.s3";

/// The bucket's account and region.
pub fn scope(bucket: &Bucket) -> Scope {
    Scope {
        account: bucket.account.clone(),
        region: bucket.region.clone(),
    }
}

/// The bucket as resources' policies see it.
pub fn origin(bucket: &Bucket) -> Origin {
    Origin::Bucket {
        arn: message::arn(bucket),
        account: bucket.account.to_string(),
    }
}

/// What hands a text to a queue or a topic.
pub fn to(target: &str, text: &str) -> To {
    To::message(target, "Amazon S3 Notification", text)
}

/// Adds to the transaction who is told of a change, if anybody is.
pub fn told(tx: Tx, cx: &Ctx, bucket: &Bucket, change: Change, key: &str, object: &Object) -> Tx {
    let Some(notifications) = &bucket.notifications else {
        return tx;
    };
    let told = Told {
        bucket,
        change,
        key,
        object,
        now: cx.now(),
        request_id: &cx.request_id,
        principal_id: &cx.principal.user_id,
    };
    let mut tx = tx;
    for configuration in filter::configurations(&notifications.0) {
        if configuration.takes(change, key) {
            tx = invoked(tx, cx, &told, &configuration);
        }
    }
    match change.detail_type() {
        Some(detail_type) if notifications.0.event_bridge_configuration.is_some() => {
            let event = || {
                Event::new(
                    &cx.house,
                    SOURCE,
                    detail_type,
                    vec![message::arn(bucket)],
                    told.detail(),
                )
            };
            cx.house
                .events
                .post(tx, &scope(bucket), SOURCE, detail_type, event)
        }
        _ => tx,
    }
}

fn invoked(tx: Tx, cx: &Ctx, told: &Told<'_>, configuration: &Configuration<'_>) -> Tx {
    let text = told.record(configuration.id).to_string();
    let invocation = Invocation {
        origin: origin(told.bucket),
        target_arn: configuration.arn.to_owned(),
        to: to(configuration.arn, &text),
        role: None,
        retry: Retry::DEFAULT,
        dead_letter: None,
        made_at: told.now,
        attempts: 0,
        next_at: told.now,
    };
    let key = db::key::<Invocation>(&scope(told.bucket), &cx.house.rng.uuid());
    tx.put(key, &invocation)
}
