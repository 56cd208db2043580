//! One attempt to deliver: to a queue, an endpoint, a mailbox.

use super::{Deliveries, Item};
use crate::message::{Kind, Links, Message};
use crate::model::Protocol;
use crate::topics::{Subscriber, View};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use neargate_api_sqs as sqs;
use neargate_base::{Arn, task};
use neargate_service::deliver::Sender;
use neargate_service::mail::Mail;
use neargate_service::outbound::{Call, OutboundError};
use neargate_service::{AwsError, Caller, House, Scope};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// An endpoint has this long
/// (<https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html>).
const PATIENCE: Duration = Duration::from_secs(15);
/// So much of an endpoint's answer is read, for the log.
const MOST_OF_ANSWER: usize = 1_024;
/// A queue takes no more.
const MOST_ATTRIBUTES: usize = 10;

/// Where an item is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Endpoint,
    DeadLetters,
}

/// How an item goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    pub(super) stage: Stage,
    /// The endpoint took what it was sent last.
    pub(super) healthy: bool,
}

/// What the receiver said, for the log.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

pub(super) enum Outcome {
    Delivered(Answer),
    Failed {
        answer: Answer,
        /// Trying again would not help.
        final_: bool,
    },
}

impl Deliveries {
    pub(super) async fn attempt(
        &self,
        house: &Arc<House>,
        view: &View,
        subscriber: &Subscriber,
        item: &Item,
        way: Way,
    ) -> Outcome {
        let message = &item.message;
        let text = message.text(subscriber.record.protocol.name());
        let raw = subscriber.record.is_raw() && message.kind == Kind::Notification;
        let is_of_text = raw || subscriber.record.protocol == Protocol::Email;
        let body = match is_of_text {
            true => text.to_owned(),
            false => match self.written(house, subscriber, message, text).await {
                Ok(body) => body,
                Err(error) => return failed(&error),
            },
        };
        let sending = Sending {
            house,
            view,
            subscriber,
            message,
            raw,
        };
        match (way.stage, subscriber.record.protocol) {
            (Stage::DeadLetters, _) => {
                let queue = subscriber.dead_letters.as_deref().unwrap_or_default();
                sending.to_queue(queue, body).await
            }
            (_, Protocol::Sqs) => sending.to_queue(&subscriber.record.endpoint, body).await,
            (_, Protocol::Http | Protocol::Https) => {
                // Those that hang wait for each other, and for nobody else. Neither is ever closed.
                let places = match way.healthy {
                    true => &self.connections,
                    false => &self.doubtful,
                };
                let _place = places.acquire().await;
                sending.to_endpoint(body).await
            }
            (_, Protocol::Email | Protocol::EmailJson) => {
                let base = house.settings.registry_url();
                let certificate = String::new();
                sending.to_mailbox(body, &Links { base, certificate }).await
            }
        }
    }

    /// The JSON around a text, signed.
    async fn written(
        &self,
        house: &Arc<House>,
        subscriber: &Subscriber,
        message: &Arc<Message>,
        text: &str,
    ) -> Result<String, AwsError> {
        let base = house.settings.registry_url();
        // FIFO topics do not sign.
        if message.order.is_some() {
            let certificate = String::new();
            let links = Links { base, certificate };
            return Ok(message.envelope(text, &subscriber.arn, &links, None));
        }
        let signer = self.signers.get(house).await?;
        let links = Links {
            base,
            certificate: signer.path.clone(),
        };
        let canonical = message.canonical(text, &links);
        let version = message.signature_version;
        let signed = task::spawn_blocking(move || signer.sign(version, &canonical));
        let signature = signed.await.map_err(AwsError::internal)??;
        Ok(message.envelope(text, &subscriber.arn, &links, Some(&signature)))
    }
}

struct Sending<'a> {
    house: &'a Arc<House>,
    view: &'a View,
    subscriber: &'a Subscriber,
    message: &'a Message,
    raw: bool,
}

impl Sending<'_> {
    async fn to_queue(&self, arn: &str, body: String) -> Outcome {
        let Some((scope, queue_url)) = queue(self.house, arn) else {
            return failed(&AwsError::client("InvalidParameter", "It is no queue."));
        };
        let attributes = &self.message.attributes;
        if self.raw && attributes.len() > MOST_ATTRIBUTES {
            let why = "A message that is delivered raw to a queue has 10 attributes at most.";
            return failed(&AwsError::client("InvalidParameterValue", why));
        }
        let attributes = attributes.iter().filter(|_| self.raw).map(|(name, a)| {
            let binary = a.data_type.starts_with("Binary");
            let value = sqs::MessageAttributeValue {
                data_type: a.data_type.clone(),
                string_value: (!binary).then(|| a.value.clone()),
                binary_value: binary.then(|| crate::message::bytes_of(&a.value)),
                ..Default::default()
            };
            (name.clone(), value)
        });
        let attributes: BTreeMap<_, _> = attributes.collect();
        let to_fifo = arn.ends_with(".fifo");
        let order = self.message.order.as_ref();
        let group = match to_fifo {
            true => order.map(|o| o.group.clone()),
            false => self.message.group.clone(),
        };
        let input = sqs::SendMessageInput {
            queue_url,
            message_body: body,
            message_attributes: (!attributes.is_empty()).then_some(attributes),
            message_group_id: group,
            message_deduplication_id: order.filter(|_| to_fifo).map(|o| o.deduplication.clone()),
            ..Default::default()
        };
        let sender = Sender {
            service: "sns.amazonaws.com",
            source_arn: self.view.arn.clone(),
            source_account: self.view.scope.account.to_string(),
        };
        let sent = Caller::deliver::<sqs::ops::SendMessage>(self.house, &scope, &sender, &input);
        match sent.await {
            Ok(sent) => Outcome::Delivered(Answer {
                status: 200,
                text: format!(
                    "{{\"sqsRequestId\":\"{}\",\"sqsMessageId\":\"{}\"}}",
                    self.house.rng.uuid(),
                    sent.message_id.unwrap_or_default()
                ),
            }),
            Err(error) => failed(&error),
        }
    }

    async fn to_endpoint(&self, body: String) -> Outcome {
        let call = Call {
            method: Method::POST,
            url: self.subscriber.record.endpoint.clone(),
            headers: self.headers(),
            body: Bytes::from(body),
            patience: PATIENCE,
            max_body_bytes: MOST_OF_ANSWER,
        };
        match self.house.outbound.send(call).await {
            Ok(answer) => {
                let told = Answer {
                    status: answer.status,
                    text: String::from_utf8_lossy(&answer.body).into_owned(),
                };
                match answer.status {
                    200..=299 => Outcome::Delivered(told),
                    // Its own mistakes stay; being asked too often passes.
                    429 | 100..=199 | 500.. => Outcome::Failed {
                        answer: told,
                        final_: false,
                    },
                    _ => Outcome::Failed {
                        answer: told,
                        final_: true,
                    },
                }
            }
            Err(why) => Outcome::Failed {
                answer: Answer {
                    status: 0,
                    text: why.to_string(),
                },
                final_: matches!(why, OutboundError::Forbidden(_)),
            },
        }
    }

    /// <https://docs.aws.amazon.com/sns/latest/dg/http-header.html>
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut put = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        let own = HeaderName::from_static;
        put(own("x-amz-sns-message-type"), self.message.kind.name());
        put(own("x-amz-sns-message-id"), &self.message.id);
        put(own("x-amz-sns-topic-arn"), &self.view.arn);
        if self.message.kind.token().is_none() || self.subscriber.record.confirmed.is_some() {
            put(own("x-amz-sns-subscription-arn"), &self.subscriber.arn);
        }
        if self.raw {
            put(own("x-amz-sns-rawdelivery"), "true");
        }
        let content_type = self.subscriber.http.content_type.as_deref();
        put(
            CONTENT_TYPE,
            content_type.unwrap_or("text/plain; charset=UTF-8"),
        );
        put(USER_AGENT, "Amazon Simple Notification Service Agent");
        put(ACCEPT_ENCODING, "gzip,deflate");
        headers
    }

    async fn to_mailbox(&self, body: String, links: &Links) -> Outcome {
        let (topic, subscription) = (&self.view.arn, &self.subscriber.arn);
        let json = self.subscriber.record.protocol == Protocol::EmailJson;
        let (subject, text) = match (&self.message.kind, json) {
            (Kind::Notification, true) => (self.subject(), body),
            (Kind::Notification, false) => {
                let unsubscribe = links.unsubscribe(subscription);
                let text = format!(
                    "{body}\n\n--\nIf you wish to stop receiving notifications from this topic, please \
                     click or visit the link below to unsubscribe:\n{unsubscribe}\n\nPlease do not reply \
                     directly to this email.\n"
                );
                (self.subject(), text)
            }
            (Kind::SubscriptionConfirmation { token }, json) => {
                let link = links.subscribe(topic, token);
                let text = format!(
                    "You have chosen to subscribe to the topic:\n{topic}\n\nTo confirm this subscription, \
                     click or visit the link below (If this was in error no action is \
                     necessary):\n{link}\n\nPlease do not reply directly to this email.\n"
                );
                let text = if json { body } else { text };
                (
                    "AWS Notification - Subscription Confirmation".to_owned(),
                    text,
                )
            }
            (Kind::UnsubscribeConfirmation { token }, json) => {
                let link = links.subscribe(topic, token);
                let text = format!(
                    "Your subscription with the id below has been deactivated:\n{subscription}\n\nIf it \
                     was not your intention to unsubscribe, click or visit the link below to \
                     resubscribe:\n{link}\n"
                );
                let text = if json { body } else { text };
                (
                    "AWS Notification - Unsubscribe Confirmation".to_owned(),
                    text,
                )
            }
        };
        let name = self
            .view
            .topic
            .attribute("DisplayName")
            .unwrap_or("AWS Notifications");
        let name = name.replace(['<', '>', '"', ','], "");
        let from = format!("{name} <no-reply@{}>", host_of(self.house));
        let to = &self.subscriber.record.endpoint;
        let mail = Mail::text("sns", &from, to, &subject, &text);
        match self.house.mail.send(&self.view.scope, mail).await {
            Ok(id) => Outcome::Delivered(Answer {
                status: 200,
                text: id,
            }),
            Err(error) => failed(&error),
        }
    }

    fn subject(&self) -> String {
        let subject = self.message.subject.as_deref();
        subject.unwrap_or("AWS Notification Message").to_owned()
    }
}

/// The name of this installation's host, which mails come from: not Amazon's.
fn host_of(house: &House) -> &str {
    let endpoint = &house.settings.registry_endpoint;
    let host = endpoint
        .rsplit_once(':')
        .map_or(endpoint.as_str(), |(host, _)| host);
    match host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        Ok(_) => "localhost",
        Err(_) => host,
    }
}

/// Where a queue is, and its URL.
fn queue(house: &House, arn: &str) -> Option<(Scope, String)> {
    let parsed: Arn = arn.parse().ok()?;
    let scope = Scope::of_arn(arn).filter(|_| parsed.service == "sqs")?;
    let url = format!(
        "{}/{}/{}",
        house.settings.registry_url(),
        scope.account,
        parsed.resource
    );
    Some((scope, url))
}

/// Whose mistake it is says whether it is tried again.
fn failed(error: &AwsError) -> Outcome {
    Outcome::Failed {
        answer: Answer {
            status: error.status,
            text: error.to_string(),
        },
        final_: error.status < 500 && error.status != 429,
    }
}
