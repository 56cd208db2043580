//! What is stored of SNS.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::certificate::KeptKey;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A topic, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topic {
    pub name: String,
    pub created_at: Timestamp,
    /// Those that were set, by AWS's names, as they were given.
    pub attributes: BTreeMap<String, String>,
    pub tags: Tags,
    /// How many subscriptions it lost by `Unsubscribe`.
    #[serde(default, skip_serializing_if = "is_none")]
    pub subscriptions_deleted: u64,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Resource for Topic {
    const KIND: &'static str = "sns/topic";
}

impl Topic {
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let set = self.attributes.get(name).map(String::as_str);
        set.filter(|value| !value.is_empty())
    }

    pub fn is_fifo(&self) -> bool {
        self.attribute("FifoTopic") == Some("true")
    }
}

/// A subscription, where its topic is, by the topic's name and an id: `alarms:2bcfbf39-…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    pub topic: String,
    pub id: String,
    pub protocol: Protocol,
    pub endpoint: String,
    /// The account of who subscribed.
    pub owner: String,
    /// Who that was.
    pub principal: String,
    /// Those that were set, by AWS's names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    pub created_at: Timestamp,
    /// `None`: it is pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmation>,
}

/// How a subscription was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// By who signed: `ConfirmationWasAuthenticated`.
    pub authenticated: bool,
    /// Only who signs may unsubscribe: `AuthenticateOnUnsubscribe`.
    pub guarded: bool,
}

/// The protocols that messages are delivered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    #[serde(rename = "sqs")]
    Sqs,
    #[serde(rename = "http")]
    Http,
    #[serde(rename = "https")]
    Https,
    #[serde(rename = "email")]
    Email,
    #[serde(rename = "email-json")]
    EmailJson,
}

impl Protocol {
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Sqs => "sqs",
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Email => "email",
            Protocol::EmailJson => "email-json",
        }
    }
}

impl Resource for Subscription {
    const KIND: &'static str = "sns/subscription";
}

impl Subscription {
    /// The last part of its key, and of its ARN.
    pub fn key_id(topic: &str, id: &str) -> String {
        format!("{topic}:{id}")
    }

    pub fn attribute(&self, name: &str) -> Option<&str> {
        let set = self.attributes.get(name).map(String::as_str);
        set.filter(|value| !value.is_empty())
    }

    pub fn is_raw(&self) -> bool {
        self.attribute("RawMessageDelivery") == Some("true")
    }
}

/// What messages are signed with: one for the installation, where its authority is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// RSA, in PEM.
    pub private_key: KeptKey,
    /// Its certificate and the authority's, in PEM.
    pub certificate: String,
    pub certified_at: Timestamp,
}

impl Resource for Signing {
    const KIND: &'static str = "sns/signing";
}
