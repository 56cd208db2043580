//! Mails, whole and in parts, and made of templates.

use crate::sending::{self, Outgoing, Ready, data, merged};
use crate::{Ses, error, message};
use neargate_api_ses as api;
use neargate_service::mail::{Content, Written};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The most destinations of one call.
const MOST_DESTINATIONS: usize = 50;

fn tags(given: Option<Vec<api::MessageTag>>) -> Vec<(String, String)> {
    let all = given.unwrap_or_default().into_iter();
    all.map(|t| (t.name, t.value)).collect()
}

/// Everybody whom a mail goes to.
fn recipients(to: &api::Destination) -> Vec<String> {
    let all = [&to.to_addresses, &to.cc_addresses, &to.bcc_addresses];
    all.into_iter().flatten().flatten().cloned().collect()
}

/// The addresses of a message, but for the hidden ones.
fn addressed(written: Written, from: &str, to: &api::Destination, reply_to: &[String]) -> Written {
    Written {
        from: from.to_owned(),
        to: to.to_addresses.clone().unwrap_or_default(),
        cc: to.cc_addresses.clone().unwrap_or_default(),
        reply_to: reply_to.to_vec(),
        ..written
    }
}

pub async fn send_email(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::SendEmailInput,
) -> Result<api::SendEmailOutput, AwsError> {
    let body = input.message.body;
    let written = Written {
        subject: input.message.subject.data,
        text: body.text.map(|t| t.data),
        html: body.html.map(|t| t.data),
        ..Written::default()
    };
    if written.text.is_none() && written.html.is_none() {
        return Err(error::invalid_parameter(
            "The body must have a text or HTML part.",
        ));
    }
    let reply_to = input.reply_to_addresses.unwrap_or_default();
    let written = addressed(written, &input.source, &input.destination, &reply_to);
    let sent = sending::send(
        &ses,
        &cx,
        Outgoing {
            operation: "SendEmail",
            source: input.source,
            recipients: recipients(&input.destination),
            return_path: input.return_path,
            configuration_set: input.configuration_set_name,
            tags: tags(input.tags),
            source_arn: input.source_arn,
            content: Content::Written(written),
        },
    );
    Ok(api::SendEmailOutput {
        message_id: Some(sent.await?),
    })
}

pub async fn send_raw_email(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::SendRawEmailInput,
) -> Result<api::SendRawEmailOutput, AwsError> {
    let raw = Raw {
        operation: "SendRawEmail",
        source: input.source,
        destinations: input.destinations.unwrap_or_default(),
        return_path: None,
        configuration_set: input.configuration_set_name,
        tags: tags(input.tags),
        source_arn: input.source_arn.or(input.from_arn),
        content: input.raw_message.data,
    };
    let message_id = send_raw(&ses, &cx, raw).await?;
    Ok(api::SendRawEmailOutput {
        message_id: Some(message_id),
    })
}

/// A whole message that somebody asks SES to send, and what its headers may not say.
#[derive(Debug, Clone)]
pub struct Raw {
    pub operation: &'static str,
    pub source: Option<String>,
    /// Without any, the message's own headers say them.
    pub destinations: Vec<String>,
    pub return_path: Option<String>,
    pub configuration_set: Option<String>,
    pub tags: Vec<(String, String)>,
    pub source_arn: Option<String>,
    pub content: bytes::Bytes,
}

/// Sends a whole message (<https://docs.aws.amazon.com/ses/latest/dg/send-email-raw.html>).
///
/// # Errors
/// SES's.
pub async fn send_raw(ses: &Arc<Ses>, cx: &Ctx, raw: Raw) -> Result<String, AwsError> {
    let read = message::read(&raw.content).filter(|read| !read.headers.is_empty());
    let read = read.ok_or_else(|| error::invalid_parameter("Missing final '@domain'"))?;
    let named = |name: &str| {
        let found = read
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    };
    let from = Some(read.from.clone()).filter(|f| !f.is_empty());
    // Both must be verified: what the readers see, and what the caller says.
    let other = raw
        .source
        .clone()
        .filter(|s| from.as_ref().is_some_and(|f| f != s));
    let Some(source) = from.or(raw.source) else {
        return Err(error::invalid_parameter("Missing required header 'From'."));
    };
    let recipients = match raw.destinations.is_empty() {
        false => raw.destinations,
        true => [read.to.clone(), read.cc.clone(), read.bcc.clone()].concat(),
    };
    let mut tags = raw.tags;
    if let Some(more) = named("X-SES-MESSAGE-TAGS") {
        for pair in more
            .split([',', ';'])
            .map(str::trim)
            .filter(|p| !p.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            tags.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    sending::send(
        ses,
        cx,
        Outgoing {
            operation: raw.operation,
            source,
            recipients,
            return_path: raw.return_path.or(other).or(read.return_path.clone()),
            configuration_set: raw.configuration_set.or(named("X-SES-CONFIGURATION-SET")),
            tags,
            source_arn: raw.source_arn.or(named("X-SES-SOURCE-ARN")),
            content: Content::Raw(raw.content),
        },
    )
    .await
}

pub async fn send_templated_email(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::SendTemplatedEmailInput,
) -> Result<api::SendTemplatedEmailOutput, AwsError> {
    let template = sending::template(&cx, &input.template).await?;
    let rendered = Ready::of(&template)?.render(&data(&input.template_data)?)?;
    let reply_to = input.reply_to_addresses.unwrap_or_default();
    let written = addressed(
        rendered.written(),
        &input.source,
        &input.destination,
        &reply_to,
    );
    let sent = sending::send(
        &ses,
        &cx,
        Outgoing {
            operation: "SendTemplatedEmail",
            source: input.source,
            recipients: recipients(&input.destination),
            return_path: input.return_path,
            configuration_set: input.configuration_set_name,
            tags: tags(input.tags),
            source_arn: input.source_arn,
            content: Content::Written(written),
        },
    );
    Ok(api::SendTemplatedEmailOutput {
        message_id: Some(sent.await?),
    })
}

/// The word for what became of one of many (<https://docs.aws.amazon.com/ses/latest/APIReference/API_BulkEmailDestinationStatus.html>).
fn status(refused: &AwsError) -> &'static str {
    match refused.code.as_str() {
        "MessageRejected" => "MessageRejected",
        "ConfigurationSetDoesNotExist" => "ConfigurationSetDoesNotExist",
        "TemplateDoesNotExist" => "TemplateDoesNotExist",
        "AccountSendingPausedException" => "AccountSendingPaused",
        "ConfigurationSetSendingPausedException" => "ConfigurationSetSendingPaused",
        "InvalidParameterValue" | "MissingRenderingAttribute" | "InvalidRenderingParameter" => {
            "InvalidParameterValue"
        }
        _ => "Failed",
    }
}

pub async fn send_bulk_templated_email(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::SendBulkTemplatedEmailInput,
) -> Result<api::SendBulkTemplatedEmailOutput, AwsError> {
    if input.destinations.is_empty() || input.destinations.len() > MOST_DESTINATIONS {
        let why = format!("A call has 1 to {MOST_DESTINATIONS} destinations.");
        return Err(error::invalid_parameter(why));
    }
    let template = sending::template(&cx, &input.template).await?;
    let ready = Ready::of(&template)?;
    let defaults = data(&input.default_template_data)?;
    let reply_to = input.reply_to_addresses.unwrap_or_default();
    let default_tags = tags(input.default_tags);
    let mut statuses = Vec::new();
    for destination in input.destinations {
        let one = async {
            let own = match destination.replacement_template_data.as_deref() {
                Some(text) if !text.is_empty() => data(text)?,
                _ => serde_json::json!({}),
            };
            let rendered = ready.render(&merged(defaults.clone(), own))?;
            let to = &destination.destination;
            let written = addressed(rendered.written(), &input.source, to, &reply_to);
            let mut all_tags = default_tags.clone();
            all_tags.extend(tags(destination.replacement_tags.clone()));
            let outgoing = Outgoing {
                operation: "SendBulkTemplatedEmail",
                source: input.source.clone(),
                recipients: recipients(to),
                return_path: input.return_path.clone(),
                configuration_set: input.configuration_set_name.clone(),
                tags: all_tags,
                source_arn: input.source_arn.clone(),
                content: Content::Written(written),
            };
            sending::send(&ses, &cx, outgoing).await
        };
        statuses.push(match one.await {
            Ok(id) => api::BulkEmailDestinationStatus {
                status: Some("Success".into()),
                error: None,
                message_id: Some(id),
            },
            // What is true of every one of them is the call's.
            Err(refused) if statuses.is_empty() && refused.status == 403 => return Err(refused),
            Err(refused) => api::BulkEmailDestinationStatus {
                status: Some(status(&refused).into()),
                error: Some(refused.message),
                message_id: None,
            },
        });
    }
    Ok(api::SendBulkTemplatedEmailOutput {
        status: Some(statuses),
    })
}
