//! Whether SES takes a mail, and what it makes of it.

use crate::address::Address;
use crate::model::settings::{Account, ConfigurationSet, Suppressed, Template, id};
use crate::model::{About, Event, State};
use crate::{Ses, error, identity, template};
use neargate_service::authority::{self, Authority, Circumstances};
use neargate_service::mail::{Content, Mail, Written};
use neargate_service::metrics::Datum;
use neargate_service::{AwsError, Ctx, Stored};
use serde_json::Value;
use std::sync::Arc;

/// <https://docs.aws.amazon.com/ses/latest/dg/quotas.html>
const MOST_RECIPIENTS: usize = 50;
/// The longest name and value of a tag.
const MOST_TAG_CHARS: usize = 255;

/// A mail that somebody asks SES to send.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// The action that policies allow, which is the operation as events call it.
    pub operation: &'static str,
    /// The sender as the caller names it.
    pub source: String,
    pub recipients: Vec<String>,
    /// Who is told of failures, when not the sender.
    pub return_path: Option<String>,
    pub configuration_set: Option<String>,
    pub tags: Vec<(String, String)>,
    /// The identity whose policy allows it.
    pub source_arn: Option<String>,
    pub content: Content,
}

/// What holds for an account in a region.
///
/// # Errors
/// The store's.
pub async fn account(cx: &Ctx) -> Result<Account, AwsError> {
    let found = cx.db().get::<Account>(&cx.scope, "account").await?;
    Ok(found.map(|a| a.value).unwrap_or_default())
}

/// # Errors
/// SES's, when there is none of that name.
pub async fn configuration_set(cx: &Ctx, name: &str) -> Result<Stored<ConfigurationSet>, AwsError> {
    let found = cx
        .db()
        .get::<ConfigurationSet>(&cx.scope, &id(name))
        .await?;
    found.ok_or_else(|| error::configuration_set_missing(name))
}

/// Checks a mail and takes it. Its id.
///
/// # Errors
/// SES's.
pub async fn send(ses: &Arc<Ses>, cx: &Ctx, outgoing: Outgoing) -> Result<String, AwsError> {
    check_tags(&outgoing.tags)?;
    let source = Address::parse(&outgoing.source);
    let source = source.map_err(|e| error::invalid_parameter(e.to_string()))?;
    let mut recipients = Vec::new();
    for recipient in &outgoing.recipients {
        let parsed = Address::parse(recipient);
        let parsed = parsed.map_err(|e| error::invalid_parameter(e.to_string()))?;
        if !recipients.contains(&parsed.mailbox) {
            recipients.push(parsed.mailbox);
        }
    }
    if recipients.is_empty() {
        return Err(error::invalid_parameter("Missing required header 'To'."));
    }
    if recipients.len() > MOST_RECIPIENTS {
        let why = format!("Recipient count exceeds {MOST_RECIPIENTS}.");
        return Err(error::invalid_parameter(why));
    }
    let return_path = match &outgoing.return_path {
        Some(path) => {
            let parsed = Address::parse(path);
            Some(parsed.map_err(|e| error::invalid_parameter(e.to_string()))?)
        }
        None => None,
    };
    if let Some(arn) = &outgoing.source_arn
        && arn.split(':').nth(4) != Some(cx.scope.account.as_str())
    {
        let what = "sending for an identity of another account";
        return Err(AwsError::not_implemented("ses", what));
    }
    may_send(cx, outgoing.operation, &source.mailbox).await?;
    let account = account(cx).await?;
    if account.paused {
        return Err(error::account_paused());
    }
    let set = match &outgoing.configuration_set {
        Some(name) => Some(configuration_set(cx, name).await?.value),
        None => None,
    };
    if let Some(set) = set.as_ref().filter(|set| set.paused) {
        return Err(error::configuration_set_paused(&set.name));
    }
    let identity = verified(cx, &outgoing.source, &source, return_path.as_ref()).await?;
    let tells = identity::find(cx, &identity)
        .await?
        .is_none_or(|i| !i.no_feedback);
    let sender = return_path.map_or(source.mailbox, |path| path.mailbox);
    let mail = Mail {
        service: "ses",
        sender: Some(sender),
        recipients,
        content: outgoing.content,
    };
    let about = About {
        operation: outgoing.operation.to_owned(),
        source: outgoing.source,
        identity,
        configuration_set: outgoing.configuration_set,
        tags: outgoing.tags,
        caller: cx.principal.arn.clone(),
    };
    let reasons = set.as_ref().and_then(|set| set.suppressed_reasons.clone());
    let reasons = reasons.or(account.suppressed_reasons);
    let suppressed = suppressed(cx, &mail.recipients, reasons.as_deref()).await?;
    let patience = set.as_ref().and_then(|set| set.max_delivery_seconds);
    let sent = ses.outbox(&cx.house).take_with(&cx.scope, mail, |letter| {
        for recipient in &mut letter.recipients {
            if suppressed.contains(&recipient.address) {
                recipient.here = Some(State::Failed);
                recipient.said = Some(SUPPRESSED.into());
            } else if let Some((state, said)) = simulated(&recipient.address) {
                recipient.here = Some(state);
                recipient.said = Some(said.into());
            }
        }
        if let Some(seconds) = patience {
            letter.give_up_at = letter.accepted_at.shift(seconds * 1_000);
        }
        letter.silent = !tells;
        // Only configuration sets tell that a mail was taken.
        if about.configuration_set.is_some() {
            letter.untold = vec![Event::Send];
        }
        letter.about = Some(about);
    });
    let sent = sent.await?;
    let datum = Datum::new("AWS/SES", "Send", &[], "Count", 1.0, cx.now());
    cx.house.metrics.put(&cx.scope, datum);
    Ok(sent)
}

/// What is said of an address to which nothing is sent.
const SUPPRESSED: &str = "554 5.1.1 Amazon SES has suppressed sending to this address because it is on \
                          the suppression list for your account.";

/// Those of the recipients that are on the list, for one of these reasons.
async fn suppressed(
    cx: &Ctx,
    recipients: &[String],
    reasons: Option<&[String]>,
) -> Result<Vec<String>, AwsError> {
    let mut found = Vec::new();
    for address in recipients {
        let known = cx
            .db()
            .get::<Suppressed>(&cx.scope, &id(&identity::named(address)))
            .await?;
        let counts =
            |s: &Stored<Suppressed>| reasons.is_none_or(|reasons| reasons.contains(&s.reason));
        if known.is_some_and(|s| counts(&s)) {
            found.push(address.clone());
        }
    }
    Ok(found)
}

/// SES's simulator of mailboxes
/// (<https://docs.aws.amazon.com/ses/latest/dg/send-an-email-from-console.html>).
fn simulated(address: &str) -> Option<(State, &'static str)> {
    let (local, domain) = address.rsplit_once('@')?;
    if !domain.eq_ignore_ascii_case("simulator.amazonses.com") {
        return None;
    }
    let label = local.split('+').next().unwrap_or_default();
    Some(match label {
        "bounce" => (State::Failed, "550 5.1.1 user unknown"),
        "suppressionlist" => (State::Failed, SUPPRESSED),
        _ => (State::Sent, "250 2.6.0 Message received"),
    })
}

/// The identity that lets the sender send. A sandbox's rule, that recipients are verified too, is not
/// this installation's.
async fn verified(
    cx: &Ctx,
    given: &str,
    source: &Address,
    return_path: Option<&Address>,
) -> Result<String, AwsError> {
    let mut failed = Vec::new();
    let identity = identity::verified(cx, &source.mailbox).await?;
    if identity.is_none() {
        failed.push(given.to_owned());
    }
    if let Some(path) = return_path
        && identity::verified(cx, &path.mailbox).await?.is_none()
        && !failed.contains(&path.mailbox)
    {
        failed.push(path.mailbox.clone());
    }
    match (identity, failed.is_empty()) {
        (Some(identity), true) => Ok(identity),
        _ => Err(error::not_verified(cx.scope.region.as_str(), &failed)),
    }
}

/// May whoever calls send from this address? A policy may allow its identity or its domain's.
async fn may_send(cx: &Ctx, operation: &str, mailbox: &str) -> Result<(), AwsError> {
    if !cx.is_bounded() {
        return Ok(());
    }
    let identity = identity::verified(cx, mailbox).await?;
    let identity = identity.unwrap_or_else(|| identity::named(mailbox));
    let authority = Authority::of(cx, &Circumstances::default());
    let arn = cx.arn("ses", format!("identity/{identity}"));
    let allowed = authority.may(&format!("ses:{operation}"), &arn).await;
    allowed.map_err(|denied| authority::refusal("ses", &[], &denied))
}

/// Names and values of tags, as SES takes them.
pub fn check_tags(tags: &[(String, String)]) -> Result<(), AwsError> {
    let refuse = |why: String| Err(error::invalid_parameter(why));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    for (name, value) in tags {
        if name.is_empty() {
            return refuse("The tag name must be specified.".into());
        }
        if value.is_empty() {
            return refuse("The tag value must be specified.".into());
        }
        if name.len() > MOST_TAG_CHARS {
            return refuse("Tag name cannot exceed 255 characters.".into());
        }
        let is_ours = name
            .strip_prefix("ses:")
            .is_some_and(|n| n.chars().all(is_plain));
        if !is_ours && !name.chars().all(is_plain) {
            return refuse(format!(
                "Invalid tag name <{name}>: only alphanumeric ASCII characters, '_',  '-' are allowed."
            ));
        }
        if value.len() > MOST_TAG_CHARS {
            return refuse("Tag value cannot exceed 255 characters.".into());
        }
        if !value.chars().all(|c| is_plain(c) || matches!(c, '.' | '@')) {
            return refuse(format!(
                "Invalid tag value <{value}>: only alphanumeric ASCII characters, '_',  '-' , '.', '@' are allowed."
            ));
        }
    }
    Ok(())
}

/// A template that was read, and can be rendered again and again.
#[derive(Debug)]
pub struct Ready {
    subject: template::Parsed,
    text: Option<template::Parsed>,
    html: Option<template::Parsed>,
}

/// What a template is for one reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
}

/// # Errors
/// SES's, when there is none of that name.
pub async fn template(cx: &Ctx, name: &str) -> Result<Stored<Template>, AwsError> {
    let found = cx.db().get::<Template>(&cx.scope, &id(name)).await?;
    found.ok_or_else(|| error::template_missing(name))
}

impl Ready {
    /// # Errors
    /// When a part is malformed.
    pub fn of(template: &Template) -> Result<Ready, AwsError> {
        let parse = |text: &String| template::parse(text).map_err(|e| error::rendering(&e));
        Ok(Ready {
            subject: parse(template.subject.as_ref().unwrap_or(&String::new()))?,
            text: template.text.as_ref().map(parse).transpose()?,
            html: template.html.as_ref().map(parse).transpose()?,
        })
    }

    /// # Errors
    /// SES's, when data lack.
    pub fn render(&self, data: &Value) -> Result<Rendered, AwsError> {
        let render =
            |p: &template::Parsed| template::render(p, data).map_err(|e| error::rendering(&e));
        let subject = render(&self.subject)?;
        Ok(Rendered {
            // A header has one line.
            subject: subject.replace(['\r', '\n'], " "),
            text: self.text.as_ref().map(render).transpose()?,
            html: self.html.as_ref().map(render).transpose()?,
        })
    }
}

/// The data of a template: an object.
///
/// # Errors
/// SES's, when it is none.
pub fn data(text: &str) -> Result<Value, AwsError> {
    let read = serde_json::from_str::<Value>(text).ok();
    read.filter(Value::is_object)
        .ok_or_else(error::rendering_data)
}

/// What is in `over`, and what is in `data` and not there.
pub fn merged(mut data: Value, over: Value) -> Value {
    if let (Value::Object(data), Value::Object(over)) = (&mut data, over) {
        data.extend(over);
    }
    data
}

impl Rendered {
    /// The message, without its addresses.
    pub fn written(self) -> Written {
        Written {
            subject: self.subject,
            text: self.text,
            html: self.html,
            ..Written::default()
        }
    }
}
