//! Messages come in.

use super::{Found, batch, encryption_context, find};
use crate::attributes::Rules;
use crate::content::{
    self, Attribute, Attributes, Content, Seal, Value, content_id, md5_of, md5_of_attributes,
    sequence_number,
};
use crate::engine::{New, Sent};
use crate::{Sqs, error};
use neargate_api_sqs as api;
use neargate_service::data_keys::{DataKey, Under};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most that a batch may be.
const MAX_BATCH_BYTES: u64 = 1_048_576;
const TRACE: &str = "AWSTraceHeader";

/// A message as a caller sends it, alone or in a batch.
struct Asked {
    body: String,
    delay_seconds: Option<i32>,
    attributes: BTreeMap<String, api::MessageAttributeValue>,
    system: BTreeMap<String, api::MessageSystemAttributeValue>,
    dedup: Option<String>,
    group: Option<String>,
}

/// A message that can be sent, and what is answered of it.
struct Ready {
    content: Content,
    delay_millis: i64,
}

pub async fn send_message(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::SendMessageInput,
) -> Result<api::SendMessageOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let asked = Asked {
        body: input.message_body,
        delay_seconds: input.delay_seconds,
        attributes: input.message_attributes.unwrap_or_default(),
        system: input.message_system_attributes.unwrap_or_default(),
        dedup: input.message_deduplication_id,
        group: input.message_group_id,
    };
    let ready = check(&cx, &found, asked)?;
    let key = data_key(&sqs, &cx, &found).await?;
    let new = made(&cx, &found, &ready, key.as_deref());
    let sent = sqs.engine.send(&found.handle, vec![new]).await?;
    let sent = sent.first().copied().ok_or_else(error::no_queue)?;
    let content = &ready.content;
    Ok(api::SendMessageOutput {
        md5_of_message_body: Some(md5_of(&content.body)),
        md5_of_message_attributes: md5_of_attributes(&content.attributes),
        md5_of_message_system_attributes: md5_of_system(content),
        message_id: Some(content::uuid(&sent.id)),
        sequence_number: numbered(&found, sent),
    })
}

pub async fn send_message_batch(
    sqs: Arc<Sqs>,
    cx: Ctx,
    input: api::SendMessageBatchInput,
) -> Result<api::SendMessageBatchOutput, AwsError> {
    let found = find(&sqs, &cx, &input.queue_url).await?;
    let entries = input.entries;
    batch::check(
        "SendMessageBatchRequestEntry",
        entries.iter().map(|e| &e.id),
    )?;
    let size = entries.iter().map(|e| {
        let attributes = e.message_attributes.iter().flatten();
        let of = |(name, v): (&String, &api::MessageAttributeValue)| {
            let value = v.string_value.as_ref().map_or(0, String::len);
            let value = value + v.binary_value.as_ref().map_or(0, |b| b.len());
            name.len() + v.data_type.len() + value
        };
        (e.message_body.len() + attributes.map(of).sum::<usize>()) as u64
    });
    let size: u64 = size.sum();
    if size > MAX_BATCH_BYTES {
        return Err(error::batch_too_long(MAX_BATCH_BYTES, size));
    }
    let (mut ready, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        let asked = Asked {
            body: entry.message_body,
            delay_seconds: entry.delay_seconds,
            attributes: entry.message_attributes.unwrap_or_default(),
            system: entry.message_system_attributes.unwrap_or_default(),
            dedup: entry.message_deduplication_id,
            group: entry.message_group_id,
        };
        match check(&cx, &found, asked) {
            Ok(one) => ready.push((entry.id, one)),
            Err(error) => failed.push(batch::failed(&entry.id, &error)),
        }
    }
    let key = match ready.is_empty() {
        true => None,
        false => data_key(&sqs, &cx, &found).await?,
    };
    let new = ready
        .iter()
        .map(|(_, one)| made(&cx, &found, one, key.as_deref()));
    let new: Vec<New> = new.collect();
    let sent = match new.is_empty() {
        true => Vec::new(),
        false => sqs.engine.send(&found.handle, new).await?,
    };
    let successful = ready.into_iter().zip(sent).map(|((id, one), sent)| {
        let content = &one.content;
        api::SendMessageBatchResultEntry {
            id: Some(id),
            message_id: Some(content::uuid(&sent.id)),
            md5_of_message_body: Some(md5_of(&content.body)),
            md5_of_message_attributes: md5_of_attributes(&content.attributes),
            md5_of_message_system_attributes: md5_of_system(content),
            sequence_number: numbered(&found, sent),
        }
    });
    Ok(api::SendMessageBatchOutput {
        successful: batch::any(successful.collect()),
        failed: batch::any(failed),
    })
}

fn numbered(found: &Found, sent: Sent) -> Option<String> {
    found.queue.is_fifo().then(|| sequence_number(sent.seq))
}

fn md5_of_system(content: &Content) -> Option<String> {
    let trace = content.trace.as_ref()?;
    let attribute = Attribute {
        data_type: "String".into(),
        value: Value::Text(trace.clone()),
    };
    md5_of_attributes([(&TRACE.to_owned(), &attribute)])
}

/// What messages are sealed by, where the queue has a key of KMS.
async fn data_key(sqs: &Sqs, cx: &Ctx, found: &Found) -> Result<Option<Arc<DataKey>>, AwsError> {
    let rules = Rules(&found.queue);
    let Some(key_id) = rules.kms_key() else {
        return Ok(None);
    };
    let context = encryption_context(&found.arn());
    let under = Under {
        via: "sqs",
        scope: &found.scope,
        context: &context,
        reuse: rules.kms_reuse(),
    };
    let key = sqs.keys.current(cx, key_id, under).await;
    key.map(Some).map_err(error::of_kms)
}

/// The message as the engine takes it.
fn made(cx: &Ctx, found: &Found, ready: &Ready, key: Option<&DataKey>) -> New {
    let rules = Rules(&found.queue);
    let root_key = &cx.house.root_key;
    let mut id = [0; 16];
    cx.house.rng.fill(&mut id);
    // A random UUID: RFC 9562, section 5.4.
    id[6] = id[6] & 0x0f | 0x40;
    id[8] = id[8] & 0x3f | 0x80;
    let Content { dedup, group, .. } = &ready.content;
    let scope = group.as_deref().filter(|_| rules.dedups_by_group());
    let dedup_key = |dedup: &String| content::dedup_key(root_key, found.queue.id, scope, dedup);
    let arn = found.arn();
    let seal = match key {
        Some(key) => Seal::Kms(key, &arn),
        None if rules.seals() => Seal::Root(root_key),
        None => Seal::None,
    };
    New {
        id,
        delay_millis: ready.delay_millis,
        group: group.as_deref().map(Arc::from),
        dedup: dedup.as_ref().map(dedup_key),
        content: ready.content.keep(seal, &id),
        size_bytes: ready.content.size_bytes(),
    }
}

fn check(cx: &Ctx, found: &Found, asked: Asked) -> Result<Ready, AwsError> {
    let rules = Rules(&found.queue);
    if asked.body.is_empty() {
        return Err(error::missing("MessageBody"));
    }
    check_text(&asked.body)?;
    let content = Content {
        body: asked.body,
        attributes: attributes(asked.attributes)?,
        trace: trace(asked.system)?,
        sender: cx.principal.user_id.clone(),
        group: asked.group,
        dedup: asked.dedup,
    };
    if content.size_bytes() > rules.max_bytes() {
        return Err(error::too_long(rules.max_bytes()));
    }
    for (name, id) in [
        ("MessageGroupId", &content.group),
        ("MessageDeduplicationId", &content.dedup),
    ] {
        if let Some(id) = id.as_deref().filter(|id| !is_fifo_id(id)) {
            let reason = format!(
                "{name} can only include alphanumeric and punctuation characters. 1 to 128 in length."
            );
            return Err(error::invalid_parameter(id, name, &reason));
        }
    }
    match found.queue.is_fifo() {
        true => check_fifo(rules, asked.delay_seconds, content),
        false => check_standard(rules, asked.delay_seconds, content),
    }
}

fn check_standard(rules: Rules, delay: Option<i32>, content: Content) -> Result<Ready, AwsError> {
    if let Some(id) = &content.dedup {
        return Err(error::invalid_parameter(
            id,
            "MessageDeduplicationId",
            "The request includes a parameter that is not valid for this queue type.",
        ));
    }
    let delay = delay.map_or(rules.delay_seconds(), i64::from);
    if !(0..=900).contains(&delay) {
        return Err(error::invalid_parameter(
            &delay.to_string(),
            "DelaySeconds",
            "DelaySeconds must be >= 0 and <= 900.",
        ));
    }
    Ok(Ready {
        content,
        delay_millis: delay * 1_000,
    })
}

fn check_fifo(rules: Rules, delay: Option<i32>, mut content: Content) -> Result<Ready, AwsError> {
    if let Some(delay) = delay.filter(|delay| *delay != 0) {
        return Err(error::invalid_parameter(
            &delay.to_string(),
            "DelaySeconds",
            "The request include parameter that is not valid for this queue type.",
        ));
    }
    if content.group.is_none() {
        return Err(error::missing("MessageGroupId"));
    }
    if content.dedup.is_none() && rules.dedups_by_content() {
        content.dedup = Some(content_id(&content.body));
    }
    if content.dedup.is_none() {
        return Err(error::invalid_value(
            "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
             explicitly",
        ));
    }
    Ok(Ready {
        content,
        delay_millis: rules.delay_seconds() * 1_000,
    })
}

/// Letters, digits and ASCII punctuation.
fn is_fifo_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// XML must be able to hold it.
fn check_text(text: &str) -> Result<(), AwsError> {
    let is_bad = |c: char| {
        (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(is_bad) {
        return Err(error::contents());
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html>
fn attributes(given: BTreeMap<String, api::MessageAttributeValue>) -> Result<Attributes, AwsError> {
    if given.len() > 10 {
        return Err(error::invalid_value(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [10].",
            given.len()
        )));
    }
    let mut all = Attributes::new();
    for (name, value) in given {
        check_name(&name)?;
        let attribute = attribute(&name, value)?;
        all.insert(name, attribute);
    }
    Ok(all)
}

fn check_name(name: &str) -> Result<(), AwsError> {
    if name.is_empty() || name.len() > 256 {
        return Err(error::invalid_value(
            "Message (user) attribute names must be shorter than 256 Bytes",
        ));
    }
    let letter = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !name.chars().all(letter) {
        return Err(error::invalid_value(
            "Message (user) attributes name can only contain upper and lower score characters, digits, periods, \
             hyphens and underscores. ",
        ));
    }
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("aws.")
        || lower.starts_with("amazon.")
        || name.starts_with('.')
        || name.ends_with('.')
    {
        return Err(error::invalid_value(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for \
             internal use. Additionally, they cannot start or end with '.'.",
        ));
    }
    Ok(())
}

fn attribute(name: &str, given: api::MessageAttributeValue) -> Result<Attribute, AwsError> {
    let data_type = given.data_type;
    let base = data_type.split('.').next().unwrap_or_default().to_owned();
    if !matches!(base.as_str(), "String" | "Number" | "Binary") {
        return Err(error::invalid_value(format!(
            "The type of message (user) attribute '{name}' is invalid. You must use only the following supported type \
             prefixes: Binary, Number, String."
        )));
    }
    if data_type.len() > 256 {
        return Err(error::invalid_value(
            "Message (user) attribute types must be shorter than 256 Bytes",
        ));
    }
    if given.string_list_values.is_some_and(|l| !l.is_empty())
        || given.binary_list_values.is_some_and(|l| !l.is_empty())
    {
        return Err(error::unsupported(
            "Message attribute list values in SendMessage operation are not supported.",
        ));
    }
    let lacking = || {
        error::invalid_value(format!(
            "Message (user) attribute '{name}' must contain a non-empty value of type '{base}'."
        ))
    };
    let value = if base == "Binary" {
        let bytes = given.binary_value.filter(|b| !b.is_empty());
        Value::Binary(bytes.ok_or_else(lacking)?)
    } else {
        let text = given.string_value.filter(|t| !t.is_empty());
        let text = text.ok_or_else(lacking)?;
        check_text(&text).map_err(|why| error::invalid_value(why.message))?;
        if base == "Number" && text.trim().parse::<f64>().is_err() {
            return Err(error::invalid_value(format!(
                "Could not cast message (user) attribute '{name}' value to number."
            )));
        }
        Value::Text(text)
    };
    Ok(Attribute { data_type, value })
}

fn trace(
    given: BTreeMap<String, api::MessageSystemAttributeValue>,
) -> Result<Option<String>, AwsError> {
    let mut trace = None;
    for (name, value) in given {
        if name != TRACE {
            return Err(error::invalid_value(format!(
                "Message system attribute name '{name}' is invalid."
            )));
        }
        if value.data_type != "String" || value.string_value.as_deref().is_none_or(str::is_empty) {
            return Err(error::invalid_value(format!(
                "Message (system) attribute '{TRACE}' must contain a non-empty value of type 'String'."
            )));
        }
        trace = value.string_value;
    }
    Ok(trace)
}
