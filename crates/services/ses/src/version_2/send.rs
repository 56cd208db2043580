//! Mails.

use super::{refuse_some, worded};
use crate::api::send::{Raw, send_raw};
use crate::model::settings::Template;
use crate::sending::{self, Outgoing, Ready, data, merged};
use crate::{Ses, error, identity};
use neargate_api_sesv2 as api;
use neargate_service::mail::{Attachment, Content, Written};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const MOST_ENTRIES: usize = 50;

fn tags(given: Option<Vec<api::MessageTag>>) -> Vec<(String, String)> {
    let all = given.unwrap_or_default().into_iter();
    all.map(|t| (t.name, t.value)).collect()
}

fn recipients(to: &api::Destination) -> Vec<String> {
    let all = [&to.to_addresses, &to.cc_addresses, &to.bcc_addresses];
    all.into_iter().flatten().flatten().cloned().collect()
}

fn addressed(written: Written, from: &str, to: &api::Destination, reply_to: &[String]) -> Written {
    Written {
        from: from.to_owned(),
        to: to.to_addresses.clone().unwrap_or_default(),
        cc: to.cc_addresses.clone().unwrap_or_default(),
        reply_to: reply_to.to_vec(),
        ..written
    }
}

/// Headers that a message has already, or that are SES's.
const NOT_YOURS: [&str; 9] = [
    "from",
    "to",
    "cc",
    "bcc",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
];

fn headers(given: Option<Vec<api::MessageHeader>>) -> Result<Vec<(String, String)>, AwsError> {
    let all = given.unwrap_or_default();
    if let Some(odd) = all
        .iter()
        .find(|h| NOT_YOURS.contains(&h.name.to_lowercase().as_str()))
    {
        let why = format!("Header <{}> cannot be set.", odd.name);
        return worded(Err(error::invalid_parameter(why)));
    }
    Ok(all.into_iter().map(|h| (h.name, h.value)).collect())
}

fn attachments(given: Option<Vec<api::Attachment>>) -> Vec<Attachment> {
    let one = |a: api::Attachment| {
        let is_inline = a.content_disposition.as_deref() == Some("INLINE");
        let id = a.content_id.unwrap_or_else(|| a.file_name.clone());
        Attachment {
            name: a.file_name,
            media_type: a
                .content_type
                .unwrap_or_else(|| "application/octet-stream".into()),
            inline: is_inline.then_some(id),
            content: a.raw_content,
        }
    };
    given.unwrap_or_default().into_iter().map(one).collect()
}

/// The configuration set of the call, or of the identity that sends.
async fn set(
    cx: &Ctx,
    given: Option<String>,
    from: Option<&str>,
) -> Result<Option<String>, AwsError> {
    let (None, Some(from)) = (&given, from) else {
        return Ok(given);
    };
    let Ok(address) = crate::address::Address::parse(from) else {
        return Ok(None);
    };
    let Some(name) = identity::verified(cx, &address.mailbox).await? else {
        return Ok(None);
    };
    let identity = identity::find(cx, &name).await?;
    Ok(identity.and_then(|i| i.value.configuration_set))
}

/// A template that is kept, or that came with the call.
async fn template(cx: &Ctx, given: &api::Template) -> Result<Ready, AwsError> {
    if let Some(content) = &given.template_content {
        let own = Template {
            name: String::new(),
            created_at: cx.now(),
            subject: content.subject.clone(),
            text: content.text.clone(),
            html: content.html.clone(),
            tags: Default::default(),
        };
        return Ready::of(&own);
    }
    let arn = given.template_arn.as_deref();
    let by_arn = arn.and_then(|a| a.rsplit_once('/')).map(|(_, name)| name);
    let name = given.template_name.as_deref().or(by_arn);
    let name = name.ok_or_else(|| error::invalid_parameter("A template must be named."))?;
    let kept = sending::template(cx, name).await?;
    Ready::of(&kept)
}

fn given_data(text: Option<&str>) -> Result<serde_json::Value, AwsError> {
    data(text.filter(|t| !t.is_empty()).unwrap_or("{}"))
}

pub async fn send_email(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::SendEmailInput,
) -> Result<api::SendEmailOutput, AwsError> {
    refuse_some(input.endpoint_id.as_ref(), "EndpointId")?;
    refuse_some(input.tenant_name.as_ref(), "tenants")?;
    refuse_some(
        input.list_management_options.as_ref(),
        "ListManagementOptions",
    )?;
    refuse_some(
        input.configuration_overrides.as_ref(),
        "ConfigurationOverrides",
    )?;
    let from = input.from_email_address;
    let set = set(&cx, input.configuration_set_name, from.as_deref()).await?;
    let to = input.destination.unwrap_or_default();
    let reply_to = input.reply_to_addresses.unwrap_or_default();
    let content = input.content;
    let written = match (content.simple, content.raw, content.template) {
        (None, Some(raw), None) => {
            let raw = Raw {
                operation: "SendEmail",
                source: from,
                destinations: recipients(&to),
                return_path: input.feedback_forwarding_email_address,
                configuration_set: set,
                tags: tags(input.email_tags),
                source_arn: input.from_email_address_identity_arn,
                content: raw.data,
            };
            let message_id = Some(worded(send_raw(&ses, &cx, raw).await)?);
            return Ok(api::SendEmailOutput { message_id });
        }
        (Some(simple), None, None) => Written {
            subject: simple.subject.data,
            text: simple.body.text.map(|t| t.data),
            html: simple.body.html.map(|t| t.data),
            headers: headers(simple.headers)?,
            attachments: attachments(simple.attachments),
            ..Written::default()
        },
        (None, None, Some(given)) => {
            let ready = worded(template(&cx, &given).await)?;
            let values = worded(given_data(given.template_data.as_deref()))?;
            Written {
                headers: headers(given.headers)?,
                attachments: attachments(given.attachments),
                ..worded(ready.render(&values))?.written()
            }
        }
        _ => {
            let why = "The content must be one of Simple, Raw and Template.";
            return worded(Err(error::invalid_parameter(why)));
        }
    };
    let Some(from) = from else {
        return worded(Err(error::invalid_parameter(
            "Missing required header 'From'.",
        )));
    };
    let outgoing = Outgoing {
        operation: "SendEmail",
        recipients: recipients(&to),
        return_path: input.feedback_forwarding_email_address,
        configuration_set: set,
        tags: tags(input.email_tags),
        source_arn: input.from_email_address_identity_arn,
        content: Content::Written(addressed(written, &from, &to, &reply_to)),
        source: from,
    };
    Ok(api::SendEmailOutput {
        message_id: Some(worded(sending::send(&ses, &cx, outgoing).await)?),
    })
}

fn status(refused: &AwsError) -> &'static str {
    match refused.code.as_str() {
        "MessageRejected" => "MESSAGE_REJECTED",
        "ConfigurationSetDoesNotExist" => "CONFIGURATION_SET_NOT_FOUND",
        "TemplateDoesNotExist" => "TEMPLATE_NOT_FOUND",
        "AccountSendingPausedException" => "ACCOUNT_SENDING_PAUSED",
        "ConfigurationSetSendingPausedException" => "CONFIGURATION_SET_SENDING_PAUSED",
        "InvalidParameterValue" | "MissingRenderingAttribute" | "InvalidRenderingParameter" => {
            "INVALID_PARAMETER"
        }
        _ => "FAILED",
    }
}

pub async fn send_bulk_email(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::SendBulkEmailInput,
) -> Result<api::SendBulkEmailOutput, AwsError> {
    refuse_some(input.endpoint_id.as_ref(), "EndpointId")?;
    refuse_some(input.tenant_name.as_ref(), "tenants")?;
    refuse_some(
        input.configuration_overrides.as_ref(),
        "ConfigurationOverrides",
    )?;
    if input.bulk_email_entries.is_empty() || input.bulk_email_entries.len() > MOST_ENTRIES {
        let why = format!("A call has 1 to {MOST_ENTRIES} entries.");
        return worded(Err(error::invalid_parameter(why)));
    }
    let Some(from) = input.from_email_address else {
        return worded(Err(error::invalid_parameter(
            "Missing required header 'From'.",
        )));
    };
    let Some(given) = input.default_content.template else {
        return worded(Err(error::invalid_parameter("A template must be named.")));
    };
    let set = set(&cx, input.configuration_set_name, Some(&from)).await?;
    let ready = worded(template(&cx, &given).await)?;
    let defaults = worded(given_data(given.template_data.as_deref()))?;
    let (default_headers, attached) = (headers(given.headers)?, attachments(given.attachments));
    let reply_to = input.reply_to_addresses.unwrap_or_default();
    let default_tags = tags(input.default_email_tags);
    let mut results = Vec::new();
    for entry in input.bulk_email_entries {
        let one = async {
            let own = entry
                .replacement_email_content
                .and_then(|c| c.replacement_template);
            let own = given_data(own.and_then(|t| t.replacement_template_data).as_deref())?;
            let mut all_headers = default_headers.clone();
            for (name, value) in headers(entry.replacement_headers)? {
                all_headers.retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
                all_headers.push((name, value));
            }
            let written = Written {
                headers: all_headers,
                attachments: attached.clone(),
                ..ready.render(&merged(defaults.clone(), own))?.written()
            };
            let to = &entry.destination;
            let mut all_tags = default_tags.clone();
            all_tags.extend(tags(entry.replacement_tags));
            let outgoing = Outgoing {
                operation: "SendBulkEmail",
                source: from.clone(),
                recipients: recipients(to),
                return_path: input.feedback_forwarding_email_address.clone(),
                configuration_set: set.clone(),
                tags: all_tags,
                source_arn: input.from_email_address_identity_arn.clone(),
                content: Content::Written(addressed(written, &from, to, &reply_to)),
            };
            sending::send(&ses, &cx, outgoing).await
        };
        results.push(match one.await {
            Ok(id) => api::BulkEmailEntryResult {
                status: Some("SUCCESS".into()),
                error: None,
                message_id: Some(id),
            },
            Err(refused) if refused.status == 403 => return Err(refused),
            Err(refused) => api::BulkEmailEntryResult {
                status: Some(status(&refused).into()),
                error: Some(refused.message),
                message_id: None,
            },
        });
    }
    Ok(api::SendBulkEmailOutput {
        bulk_email_entry_results: Some(results),
    })
}
