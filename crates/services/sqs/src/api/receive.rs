//! Messages go out.

use super::{Found, by_arn, encryption_context, find};
use crate::attributes::Rules;
use crate::content::{
    self, Attribute, Content, Envelope, Receipt, Value, md5_of, md5_of_attributes, sequence_number,
};
use crate::engine::{Ask, Handle, Taken};
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::data_keys::Under;
use neargate_service::{AwsError, Ctx, Scope};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const SYSTEM: [&str; 9] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

/// Which attributes a receiver wants to see.
struct Wanted {
    system: BTreeSet<String>,
    user: Vec<String>,
}

pub async fn receive_message(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::ReceiveMessageInput,
) -> Result<api::ReceiveMessageOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let rules = Rules(&found.queue);
    let in_range =
        |name: &str, given: Option<i32>, default: i64, least: i64, most: i64, reason: &str| {
            let value = given.map_or(default, i64::from);
            match (least..=most).contains(&value) {
                true => Ok(value),
                false => Err(error::invalid_parameter(&value.to_string(), name, reason)),
            }
        };
    let wait = in_range(
        "WaitTimeSeconds",
        input.wait_time_seconds,
        rules.wait_seconds(),
        0,
        20,
        "Must be >= 0 and <= 20, if provided.",
    )?;
    let max = in_range(
        "MaxNumberOfMessages",
        input.max_number_of_messages,
        1,
        1,
        10,
        "Must be between 1 and 10, if provided.",
    )?;
    let visibility = in_range(
        "VisibilityTimeout",
        input.visibility_timeout,
        rules.visibility_seconds(),
        0,
        43_200,
        "Must be between 0 and 43200, if provided.",
    )?;
    let wanted = wanted(
        [input.attribute_names, input.message_system_attribute_names],
        input.message_attribute_names,
    )?;
    let dead_letters = dead_letters(&sqs, &cx, &found).await?;
    let ask = Ask {
        max: max as usize,
        visibility_millis: visibility * 1_000,
        retention_millis: rules.retention_millis(),
        dead_after: dead_letters.as_ref().map(|(most, _)| *most),
        attempt: input
            .receive_request_attempt_id
            .filter(|_| found.queue.is_fifo()),
    };
    let wait = Duration::from_secs(wait as u64);
    let dead_letters = dead_letters.map(|(_, to)| to);
    let taken = sqs
        .engine
        .receive(&found.handle, &ask, wait, dead_letters.as_ref());
    let taken = taken.await?;
    if taken.is_empty() {
        found.handle.tally.empty.fetch_add(1, Ordering::Relaxed);
        return Ok(api::ReceiveMessageOutput { messages: None });
    }
    let contents = contents(&sqs, &cx, rules, taken).await?;
    let messages = contents.into_iter().map(|(taken, content)| {
        let receipt = Receipt {
            seq: taken.seq,
            received: taken.message.received,
        };
        let handle = receipt.handle(&cx.house.root_key, found.queue.id);
        shown(&found, &taken, content, handle, &wanted)
    });
    let messages = Some(messages.collect());
    Ok(api::ReceiveMessageOutput { messages })
}

/// After how many receives messages go where, with the ARN that they carry there. A dead-letter queue that is not
/// there, or does not let itself be one any more, takes none: messages stay where they are.
async fn dead_letters(
    sqs: &Sqs,
    cx: &Ctx,
    found: &Found,
) -> Result<Option<(u32, (Arc<Handle>, Arc<str>))>, AwsError> {
    let Some(redrive) = Rules(&found.queue).redrive() else {
        return Ok(None);
    };
    let to = by_arn(sqs, cx, &redrive.target).await?;
    Ok(to.map(|to| (redrive.max_receives, (to.handle, found.arn().into()))))
}

fn wanted(system: [Option<Vec<String>>; 2], user: Option<Vec<String>>) -> Result<Wanted, AwsError> {
    let mut names = BTreeSet::new();
    for name in system.into_iter().flatten().flatten() {
        if name == "All" {
            names.extend(SYSTEM.map(str::to_owned));
        } else if SYSTEM.contains(&name.as_str()) {
            names.insert(name);
        } else {
            return Err(error::unknown_attribute(&name));
        }
    }
    Ok(Wanted {
        system: names,
        user: user.unwrap_or_default(),
    })
}

impl Wanted {
    fn wants(&self, name: &str) -> bool {
        self.user.iter().any(|wanted| match wanted.as_str() {
            "All" | ".*" => true,
            wanted => match wanted.strip_suffix(".*") {
                Some(prefix) => name.starts_with(prefix),
                None => wanted == name,
            },
        })
    }
}

/// What of a message is read, or how it is kept where KMS has to be asked first.
enum Read {
    Content(Content),
    Kept(Vec<u8>),
}

/// Reads what was taken from the disk.
async fn contents(
    sqs: &Sqs,
    cx: &Ctx,
    rules: Rules<'_>,
    taken: Vec<Taken>,
) -> Result<Vec<(Taken, Content)>, AwsError> {
    let house = cx.house.clone();
    let read = neargate_base::task::spawn_blocking(move || {
        let one = |taken: Taken| {
            let place = &taken.message.place;
            let kept = place.file.read(place.offset, place.bytes as usize);
            let kept = kept.map_err(AwsError::internal)?;
            if Envelope::of(&kept).is_some() {
                return Ok((taken, Read::Kept(kept)));
            }
            let content = Content::read(&house.root_key, &taken.message.id, &kept);
            let content = content.map_err(AwsError::internal)?;
            Ok((taken, Read::Content(content)))
        };
        taken
            .into_iter()
            .map(one)
            .collect::<Result<Vec<_>, AwsError>>()
    });
    let mut contents = Vec::new();
    for (taken, read) in read.await.map_err(AwsError::internal)?? {
        let content = match read {
            Read::Content(content) => content,
            Read::Kept(kept) => opened(sqs, cx, rules, &kept, &taken.message.id).await?,
        };
        contents.push((taken, content));
    }
    Ok(contents)
}

/// A message that was sealed under a data key of the queue that it was sent to.
async fn opened(
    sqs: &Sqs,
    cx: &Ctx,
    rules: Rules<'_>,
    kept: &[u8],
    id: &[u8; 16],
) -> Result<Content, AwsError> {
    let unreadable = || AwsError::internal(content::Unreadable);
    let envelope = Envelope::of(kept).ok_or_else(unreadable)?;
    let scope = Scope::of_arn(envelope.queue_arn).ok_or_else(unreadable)?;
    let context = encryption_context(envelope.queue_arn);
    let under = Under {
        via: "sqs",
        scope: &scope,
        context: &context,
        reuse: rules.kms_reuse(),
    };
    let key = sqs.keys.opened(cx, envelope.encrypted_key, under).await;
    let key = key.map_err(error::of_kms)?;
    let content = envelope.open(&key, id);
    content.map_err(AwsError::internal)
}

fn shown(
    found: &Found,
    taken: &Taken,
    content: Content,
    handle: String,
    wanted: &Wanted,
) -> api::Message {
    let message = &taken.message;
    let fifo = found.queue.is_fifo();
    let all = [
        Some(content.sender.clone()),
        Some(message.sent_at.to_string()),
        Some(message.received.to_string()),
        Some(message.first_received_at.to_string()),
        fifo.then(|| sequence_number(taken.seq)),
        content.dedup.clone(),
        content.group.clone(),
        content.trace.clone(),
        message.source.as_deref().map(str::to_owned),
    ];
    let system = SYSTEM.iter().zip(all);
    let system: BTreeMap<String, String> = system
        .filter(|(name, _)| wanted.system.contains(**name))
        .filter_map(|(name, value)| Some(((*name).to_owned(), value?)))
        .collect();
    let user: BTreeMap<&String, &Attribute> = content
        .attributes
        .iter()
        .filter(|(name, _)| wanted.wants(name))
        .collect();
    let md5_of_message_attributes = md5_of_attributes(user.iter().map(|(n, a)| (*n, *a)));
    let user: BTreeMap<String, api::MessageAttributeValue> = user
        .into_iter()
        .map(|(name, attribute)| (name.clone(), value(attribute)))
        .collect();
    api::Message {
        message_id: Some(content::uuid(&message.id)),
        receipt_handle: Some(handle),
        md5_of_body: Some(md5_of(&content.body)),
        attributes: (!system.is_empty()).then_some(system),
        md5_of_message_attributes,
        message_attributes: (!user.is_empty()).then_some(user),
        body: Some(content.body),
    }
}

fn value(attribute: &Attribute) -> api::MessageAttributeValue {
    let (string_value, binary_value) = match &attribute.value {
        Value::Text(text) => (Some(text.clone()), None),
        Value::Binary(bytes) => (None, Some(bytes.clone())),
    };
    api::MessageAttributeValue {
        string_value,
        binary_value,
        data_type: attribute.data_type.clone(),
        ..Default::default()
    }
}
