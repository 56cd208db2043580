//! `Publish` and `PublishBatch`.

use super::{Place, place_for};
use crate::deliver::sealed;
use crate::message::{Attribute, Kind, Message, Order, SignatureVersion};
use crate::model::Topic;
use crate::topics::View;
use crate::{Sns, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_sns as api;
use neargate_service::data_keys::{DataKey, Under};
use neargate_service::{AwsError, Ctx};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The longest message with its attributes, and all of a batch together
/// (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
const MOST_BYTES: usize = 256 << 10;
const MOST_OF_BATCH: usize = 10;

/// What one message is asked to be.
struct Asked {
    text: String,
    subject: Option<String>,
    structure: Option<String>,
    attributes: BTreeMap<String, api::MessageAttributeValue>,
    group: Option<String>,
    deduplication: Option<String>,
}

pub fn signature_version(topic: &Topic) -> SignatureVersion {
    match topic.attribute("SignatureVersion") {
        Some("2") => SignatureVersion::Two,
        _ => SignatureVersion::One,
    }
}

pub async fn publish(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::PublishInput,
) -> Result<api::PublishOutput, AwsError> {
    if input.phone_number.is_some() {
        return Err(AwsError::not_implemented(
            "sns",
            "messages to phone numbers",
        ));
    }
    let Some(arn) = input.topic_arn.or(input.target_arn) else {
        return Err(error::invalid_parameter(
            "TopicArn or TargetArn Reason: no value for required parameter",
        ));
    };
    let asked = Asked {
        text: input.message,
        subject: input.subject,
        structure: input.message_structure,
        attributes: input.message_attributes.unwrap_or_default(),
        group: input.message_group_id,
        deduplication: input.message_deduplication_id,
    };
    let bytes = check(&asked, None)?;
    if bytes > MOST_BYTES {
        return Err(error::invalid_parameter("Message too long"));
    }
    if arn.contains(":endpoint/") {
        return Err(AwsError::not_implemented("sns", "platform endpoints"));
    }
    let view = topic(&sns, &cx, &arn).await?;
    let message = message(&cx, &view, asked)?;
    let key = data_key(&sns, &cx, &view).await?;
    let published = sns
        .deliveries
        .publish(&cx.house, &view, vec![message], key.as_deref())
        .await?;
    let published = published.into_iter().next().ok_or_else(error::throttled)?;
    Ok(api::PublishOutput {
        message_id: Some(published.message_id),
        sequence_number: published.sequence_number,
    })
}

pub async fn publish_batch(
    sns: Arc<Sns>,
    cx: Ctx,
    input: api::PublishBatchInput,
) -> Result<api::PublishBatchOutput, AwsError> {
    let entries = input.publish_batch_request_entries;
    if entries.is_empty() {
        return Err(error::empty_batch());
    }
    if entries.len() > MOST_OF_BATCH {
        return Err(error::too_many_entries());
    }
    let view = topic(&sns, &cx, &input.topic_arn).await?;
    let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    if ids.iter().collect::<BTreeSet<_>>().len() != ids.len() {
        return Err(error::ids_not_distinct());
    }
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    for id in &ids {
        if id.len() > 80 {
            return Err(error::batch_id("is too long", id));
        }
        if id.is_empty() || !id.chars().all(letters) {
            return Err(error::batch_id("contains an impermissible character", id));
        }
    }
    let (mut messages, mut bytes) = (Vec::new(), 0);
    for (at, entry) in entries.into_iter().enumerate() {
        let asked = Asked {
            text: entry.message,
            subject: entry.subject,
            structure: entry.message_structure,
            attributes: entry.message_attributes.unwrap_or_default(),
            group: entry.message_group_id,
            deduplication: entry.message_deduplication_id,
        };
        bytes += check(&asked, Some(at + 1))?;
        messages.push(message(&cx, &view, asked)?);
    }
    if bytes > MOST_BYTES {
        return Err(error::batch_too_long());
    }
    let key = data_key(&sns, &cx, &view).await?;
    let published = sns
        .deliveries
        .publish(&cx.house, &view, messages, key.as_deref())
        .await?;
    let each = ids.into_iter().zip(published);
    let each = each.map(|(id, published)| api::PublishBatchResultEntry {
        id: Some(id),
        message_id: Some(published.message_id),
        sequence_number: published.sequence_number,
    });
    Ok(api::PublishBatchOutput {
        successful: Some(each.collect()),
        failed: Some(Vec::new()),
    })
}

async fn topic(sns: &Sns, cx: &Ctx, arn: &str) -> Result<Arc<View>, AwsError> {
    let Place { scope, name } = place_for(cx, "TopicArn", arn, "Publish").await?;
    let view = sns.deliveries.topics.view(&cx.house, &scope, &name).await?;
    view.ok_or_else(error::topic_not_found)
}

/// What messages are kept under, where the topic has a key of KMS.
async fn data_key(sns: &Sns, cx: &Ctx, view: &View) -> Result<Option<Arc<DataKey>>, AwsError> {
    let key_id = view.topic.attribute("KmsMasterKeyId");
    let Some(key_id) = key_id.filter(|key| !key.is_empty()) else {
        return Ok(None);
    };
    let context = sealed::encryption_context(&view.arn);
    let under = Under {
        via: "sns",
        scope: &view.scope,
        context: &context,
        reuse: sealed::REUSE,
    };
    let key = sns.deliveries.keys.current(cx, key_id, under).await;
    key.map(Some).map_err(error::of_kms)
}

/// What needs no topic to be checked; how many bytes count.
fn check(asked: &Asked, entry: Option<usize>) -> Result<usize, AwsError> {
    let subject = asked.subject.as_deref();
    if subject.is_some_and(|s| !is_subject(s)) {
        return Err(error::invalid_parameter("Subject"));
    }
    if asked.text.is_empty() {
        return Err(error::invalid_parameter("Empty message"));
    }
    let mut bytes = asked.text.len();
    for (name, attribute) in &asked.attributes {
        check_attribute(name, attribute, entry)?;
        let value = attribute.string_value.as_ref().map_or(0, String::len);
        let binary = attribute.binary_value.as_ref().map_or(0, |b| b.len());
        bytes += name.len() + attribute.data_type.len() + value + binary;
    }
    Ok(bytes)
}

/// A line of text of at most 100 characters.
fn is_subject(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= 100
        && !text.starts_with(char::is_whitespace)
        && !text.contains(char::is_control)
}

/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-attributes.html>
fn check_attribute(
    name: &str,
    attribute: &api::MessageAttributeValue,
    entry: Option<usize>,
) -> Result<(), AwsError> {
    let invalid = |why: String| Err(error::invalid_attribute(why));
    if name.len() > 256 {
        return invalid("Length of message attribute name must be less than 256 bytes.".into());
    }
    if name.starts_with('.') {
        return invalid(
            "Invalid message attribute name starting with character '.' was found.".into(),
        );
    }
    if name.ends_with('.') {
        return invalid(
            "Invalid message attribute name ending with character '.' was found.".into(),
        );
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if let Some(c) = name.chars().find(|c| !allowed(c)) {
        return invalid(format!(
            "Invalid non-alphanumeric character '#x{:X}' was found in the message attribute name. Can only \
             include alphanumeric characters, hyphens, underscores, or dots.",
            u32::from(c)
        ));
    }
    if name.contains("..") {
        return invalid("Message attribute name can not have successive '.' character.".into());
    }
    let kind = attribute.data_type.as_str();
    if kind.is_empty() {
        return Err(error::missing_data_type(name, entry));
    }
    let known = ["String", "Number", "Binary"].iter().any(|known| {
        let rest = kind.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || (rest.len() > 1 && rest.starts_with('.')))
    });
    if !known {
        return invalid(format!(
            "The message attribute '{name}' has an invalid message attribute type, the set of supported \
             type prefixes is Binary, Number, and String."
        ));
    }
    let text = attribute.string_value.as_deref();
    let bytes = attribute.binary_value.as_deref();
    let empty = || {
        invalid(format!(
            "The message attribute '{name}' must contain non-empty message attribute value for message \
             attribute type '{kind}'."
        ))
    };
    let binary = kind.starts_with("Binary");
    let field = if binary { "Binary" } else { "String" };
    match (binary, text, bytes) {
        (_, None, None) => return empty(),
        (true, _, None) | (false, None, _) => {
            return invalid(format!(
                "The message attribute '{name}' with type '{kind}' must use field '{field}'."
            ));
        }
        (true, _, Some([])) => return empty(),
        (false, Some(""), _) => return empty(),
        _ => {}
    }
    let number = text.filter(|_| kind.starts_with("Number"));
    if number.is_some_and(|n| n.trim().parse::<f64>().is_err()) {
        return invalid(format!(
            "Could not cast message attribute '{name}' value to number."
        ));
    }
    Ok(())
}

fn message(cx: &Ctx, view: &View, asked: Asked) -> Result<Message, AwsError> {
    let fifo = view.topic.is_fifo();
    let (text, texts) = match asked.structure.as_deref() {
        None => (asked.text, BTreeMap::new()),
        Some("json") => structured(&asked.text)?,
        Some(_) => return Err(error::invalid_parameter("MessageStructure")),
    };
    let order = match (fifo, &asked.group, asked.deduplication) {
        (true, None, _) => {
            return Err(error::invalid_parameter(
                "The MessageGroupId parameter is required for FIFO topics",
            ));
        }
        (true, Some(group), given) => {
            let by_content = view.topic.attribute("ContentBasedDeduplication") == Some("true");
            let Some(deduplication) =
                given.or_else(|| by_content.then(|| hex::encode(Sha256::digest(&text))))
            else {
                return Err(error::invalid_parameter(
                    "The topic should either have ContentBasedDeduplication enabled or \
                     MessageDeduplicationId provided explicitly",
                ));
            };
            check_id("MessageGroupId", group)?;
            check_id("MessageDeduplicationId", &deduplication)?;
            Some(Order {
                group: group.clone(),
                deduplication,
                sequence_number: String::new(),
            })
        }
        (false, _, Some(_)) => {
            return Err(error::invalid_parameter(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter \
                 that is not valid for this topic type",
            ));
        }
        (false, group, None) => {
            if let Some(group) = group {
                check_id("MessageGroupId", group)?;
            }
            None
        }
    };
    let attributes = asked.attributes.into_iter().map(|(name, a)| {
        let value = match a.binary_value {
            Some(bytes) if a.data_type.starts_with("Binary") => STANDARD.encode(bytes),
            _ => a.string_value.unwrap_or_default(),
        };
        let data_type = a.data_type;
        (name, Attribute { data_type, value })
    });
    Ok(Message {
        kind: Kind::Notification,
        id: cx.house.rng.uuid(),
        topic_arn: view.arn.clone(),
        subject: asked.subject,
        text,
        texts,
        attributes: attributes.collect(),
        group: asked.group.filter(|_| !fifo),
        order,
        at: cx.now(),
        signature_version: signature_version(&view.topic),
        ended: None,
    })
}

/// Letters, digits and punctuation, at most 128.
fn check_id(parameter: &str, id: &str) -> Result<(), AwsError> {
    let good = (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
    match good {
        true => Ok(()),
        false => Err(error::invalid_parameter(&format!(
            "The {parameter} parameter is invalid. {parameter} can only include alphanumeric and \
             punctuation characters. 1 to 128 in length"
        ))),
    }
}

/// A text for everybody, and those for some protocols alone.
fn structured(text: &str) -> Result<(String, BTreeMap<String, String>), AwsError> {
    let wrong = |why: &str| error::invalid_parameter(&format!("Message Structure - {why}"));
    let object: BTreeMap<String, Value> =
        serde_json::from_str(text).map_err(|_| wrong("JSON message body failed to parse"))?;
    let texts = object.into_iter().filter_map(|(key, value)| match value {
        Value::String(text) => Some((key, text)),
        _ => None,
    });
    let mut texts: BTreeMap<String, String> = texts.collect();
    let default = texts.remove("default");
    let default = default.ok_or_else(|| wrong("No default entry in JSON message body"))?;
    let ours = ["sqs", "http", "https", "email", "email-json"];
    texts.retain(|protocol, _| ours.contains(&protocol.as_str()));
    Ok((default, texts))
}
