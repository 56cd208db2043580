//! Messages as they are published, kept until they are delivered, and written for their receivers
//! (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>).

use crate::model::Subscription;
use bytes::Bytes;
use neargate_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;

/// A message, or what SNS itself says about a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub kind: Kind,
    pub id: String,
    pub topic_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What everybody gets for whom there is nothing of his own in `texts`.
    pub text: String,
    /// By protocol: `MessageStructure` `json`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub texts: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, Attribute>,
    /// Of a message to a FIFO topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// Of a standard topic's message: for fair queues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    pub at: Timestamp,
    /// By which version of signatures the topic signs.
    pub signature_version: SignatureVersion,
    /// Whom it is for, where that is no subscription any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Box<Subscription>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Notification,
    SubscriptionConfirmation { token: String },
    UnsubscribeConfirmation { token: String },
}

/// `MessageAttributeValue`; bytes are in base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    pub data_type: String,
    pub value: String,
}

/// Where a message is in its group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub group: String,
    pub deduplication: String,
    pub sequence_number: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureVersion {
    /// SHA1withRSA.
    #[default]
    One,
    /// SHA256withRSA.
    Two,
}

impl SignatureVersion {
    pub fn shown(self) -> &'static str {
        match self {
            SignatureVersion::One => "1",
            SignatureVersion::Two => "2",
        }
    }
}

/// Where receivers find what a message refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// This Neargate, as clients on its host reach it: `http://localhost:4566`.
    pub base: String,
    /// The path of the certificate.
    pub certificate: String,
}

impl Kind {
    /// `Type`.
    pub fn name(&self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation { .. } => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation { .. } => "UnsubscribeConfirmation",
        }
    }

    pub fn token(&self) -> Option<&str> {
        match self {
            Kind::Notification => None,
            Kind::SubscriptionConfirmation { token } | Kind::UnsubscribeConfirmation { token } => {
                Some(token)
            }
        }
    }
}

impl Links {
    pub fn subscribe(&self, topic_arn: &str, token: &str) -> String {
        let base = &self.base;
        format!("{base}/?Action=ConfirmSubscription&TopicArn={topic_arn}&Token={token}")
    }

    pub fn unsubscribe(&self, subscription_arn: &str) -> String {
        let base = &self.base;
        format!("{base}/?Action=Unsubscribe&SubscriptionArn={subscription_arn}")
    }

    fn certificate(&self) -> String {
        format!("{}{}", self.base, self.certificate)
    }
}

impl Message {
    /// What subscriptions of this protocol get.
    pub fn text(&self, protocol: &str) -> &str {
        self.texts.get(protocol).unwrap_or(&self.text)
    }

    /// What it takes in memory and in the journal, about.
    pub fn bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let attributes = attributes.map(|(n, a)| n.len() + a.data_type.len() + a.value.len());
        let texts = self.texts.values().map(String::len);
        512 + self.text.len() + attributes.sum::<usize>() + texts.sum::<usize>()
    }

    /// What is signed
    /// (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html>).
    pub fn canonical(&self, text: &str, links: &Links) -> String {
        let at = self.at.rfc3339();
        let link = self
            .kind
            .token()
            .map(|t| links.subscribe(&self.topic_arn, t));
        let pairs = [
            ("Message", Some(text)),
            ("MessageId", Some(self.id.as_str())),
            ("Subject", self.subject.as_deref()),
            ("SubscribeURL", link.as_deref()),
            ("Timestamp", Some(at.as_str())),
            ("Token", self.kind.token()),
            ("TopicArn", Some(self.topic_arn.as_str())),
            ("Type", Some(self.kind.name())),
        ];
        let mut canonical = String::new();
        for (name, value) in pairs {
            if let Some(value) = value {
                let _ = write!(canonical, "{name}\n{value}\n");
            }
        }
        canonical
    }

    /// The JSON that receivers get, laid out as AWS does. `signature` is none for FIFO topics, which do
    /// not sign.
    pub fn envelope(
        &self,
        text: &str,
        subscription_arn: &str,
        links: &Links,
        signature: Option<&str>,
    ) -> String {
        let mut json = Layout::default();
        json.member("Type", self.kind.name());
        json.member("MessageId", &self.id);
        if let Some(order) = &self.order {
            json.member("SequenceNumber", &order.sequence_number);
        }
        if let Some(token) = self.kind.token() {
            json.member("Token", token);
        }
        json.member("TopicArn", &self.topic_arn);
        if let Some(subject) = &self.subject {
            json.member("Subject", subject);
        }
        json.member("Message", text);
        if let Some(token) = self.kind.token() {
            json.member("SubscribeURL", &links.subscribe(&self.topic_arn, token));
        }
        json.member("Timestamp", &self.at.rfc3339());
        if let Some(signature) = signature {
            json.member("SignatureVersion", self.signature_version.shown());
            json.member("Signature", signature);
            json.member("SigningCertURL", &links.certificate());
        }
        if self.kind == Kind::Notification {
            json.member("UnsubscribeURL", &links.unsubscribe(subscription_arn));
        }
        if !self.attributes.is_empty() {
            json.attributes(&self.attributes);
        }
        json.end()
    }
}

/// AWS's own way to lay JSON out: a member a line, with spaces around the colon.
#[derive(Default)]
struct Layout(String);

impl Layout {
    fn begin(&mut self, name: &str) {
        self.0
            .push_str(if self.0.is_empty() { "{\n" } else { ",\n" });
        let _ = write!(self.0, "  \"{name}\" : ");
    }

    fn member(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.0.push_str(&quoted(value));
    }

    fn attributes(&mut self, all: &BTreeMap<String, Attribute>) {
        self.begin("MessageAttributes");
        let each = all.iter().map(|(name, attribute)| {
            let (kind, value) = (quoted(&attribute.data_type), quoted(&attribute.value));
            format!(
                "    {} : {{\"Type\":{kind},\"Value\":{value}}}",
                quoted(name)
            )
        });
        let each: Vec<String> = each.collect();
        let _ = write!(self.0, "{{\n{}\n  }}", each.join(",\n"));
    }

    fn end(mut self) -> String {
        self.0.push_str("\n}");
        self.0
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// The bytes of a binary attribute.
pub fn bytes_of(base64: &str) -> Bytes {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(base64);
    bytes.unwrap_or_default().into()
}
