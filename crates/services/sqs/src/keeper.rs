//! What goes on by itself each minute: messages that are too old are forgotten, and what was counted becomes metrics.

use crate::Sqs;
use crate::attributes::Rules;
use crate::engine::Handle;
use crate::model::{Deleted, Queue};
use neargate_service::metrics::{Datum, Observed};
use neargate_service::{AwsError, House, Scope, Stored};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PERIOD: Duration = Duration::from_secs(60);

/// Queues of a name are not made for so long after one was deleted.
pub const DELETED: Duration = Duration::from_secs(60);

pub async fn run(sqs: Arc<Sqs>, house: Arc<House>) {
    while let Err(error) = reconcile(&sqs, &house).await {
        tracing::error!(%error, "queues cannot be looked through");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    sqs.ready.send_replace(true);
    loop {
        tokio::time::sleep(PERIOD).await;
        if let Err(error) = look(&sqs, &house).await {
            tracing::error!(%error, "queues cannot be looked through");
        }
    }
}

/// A queue that was deleted just before a crash may have left messages.
async fn reconcile(sqs: &Sqs, house: &House) -> Result<(), AwsError> {
    let queues = all(house).await?;
    let there: BTreeSet<u64> = queues.iter().map(|q| q.id).collect();
    for id in sqs.engine.known() {
        if !there.contains(&id) {
            sqs.engine.drop_queue(id).await?;
        }
    }
    Ok(())
}

async fn all(house: &House) -> Result<Vec<Stored<Queue>>, AwsError> {
    house.db.list_prefix::<Queue>("sqs/queue/").await
}

async fn look(sqs: &Sqs, house: &House) -> Result<(), AwsError> {
    for queue in all(house).await? {
        let handle = sqs.engine.queue(queue.id, queue.is_fifo());
        let retention = Rules(&queue).retention_millis();
        sqs.engine.expire(&handle, retention).await?;
        if let Some(scope) = Scope::of_key(&queue.key) {
            publish(sqs, house, &scope, &queue, &handle);
        }
    }
    for deleted in house.db.list_prefix::<Deleted>("sqs/deleted/").await? {
        if house.clock.age(deleted.at) >= DELETED {
            // Without a conflict it is the one that was read.
            let _ = house.db.tx().delete(&deleted).commit().await?;
        }
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
fn publish(sqs: &Sqs, house: &House, scope: &Scope, queue: &Queue, handle: &Handle) {
    let counts = sqs.engine.counts(handle);
    let now = house.now();
    let put = |name: &str, unit: &str, value: Observed| {
        let dimensions = [("QueueName", &*queue.name)];
        let datum = Datum::new("AWS/SQS", name, &dimensions, unit, 0.0, now);
        house.metrics.put(scope, Datum { value, ..datum });
    };
    let gauge = |name: &str, value: usize| put(name, "Count", Observed::One(value as f64));
    gauge("ApproximateNumberOfMessagesVisible", counts.visible);
    gauge("ApproximateNumberOfMessagesNotVisible", counts.in_flight);
    gauge("ApproximateNumberOfMessagesDelayed", counts.delayed);
    let oldest = sqs.engine.oldest(handle).as_secs() as f64;
    put(
        "ApproximateAgeOfOldestMessage",
        "Seconds",
        Observed::One(oldest),
    );
    let tally = &handle.tally;
    let since = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed) as f64;
    let sent = since(&tally.sent);
    for (name, value) in [
        ("NumberOfMessagesSent", sent),
        ("NumberOfMessagesReceived", since(&tally.received)),
        ("NumberOfMessagesDeleted", since(&tally.deleted)),
        ("NumberOfEmptyReceives", since(&tally.empty)),
    ] {
        put(name, "Count", Observed::One(value));
    }
    let bytes = since(&tally.sent_bytes);
    let (least, most) = tally.sizes.lock().take().unwrap_or_default();
    if sent > 0.0 {
        let sizes = Observed::Many {
            sample_count: sent,
            sum: bytes,
            minimum: least as f64,
            maximum: most as f64,
        };
        put("SentMessageSize", "Bytes", sizes);
    }
}
