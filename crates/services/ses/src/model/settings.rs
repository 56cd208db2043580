//! What is stored of SES's settings, all of it written by the API.

use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `ses/identity/…/<name>`: an address or a domain that may be a sender.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub name: String,
    /// It may send. Written by the API, and by whoever follows the link of the mail.
    pub verified: bool,
    /// What proves it: in the link of a mail, or in the record of a domain.
    pub token: String,
    pub created_at: Timestamp,
    /// Three, once DKIM was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dkim_tokens: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dkim_enabled: bool,
    /// Failures are told by mail, which AWS does unless it is switched off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_feedback: bool,
    /// Topics, by `Bounce`, `Complaint` and `Delivery`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub topics: BTreeMap<String, String>,
    /// Whose notifications have the headers of the mail.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub headers_in: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail_from: Option<MailFrom>,
    /// Policies by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_set: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailFrom {
    pub domain: String,
    /// AWS's word for what happens without an MX record.
    pub on_failure: String,
}

impl Identity {
    pub fn is_domain(&self) -> bool {
        !self.name.contains('@')
    }
}

impl Resource for Identity {
    const KIND: &'static str = "ses/identity";
}

/// `ses/template/…/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    pub name: String,
    pub created_at: Timestamp,
    pub subject: Option<String>,
    pub text: Option<String>,
    pub html: Option<String>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for Template {
    const KIND: &'static str = "ses/template";
}

/// `ses/configuration-set/…/<name>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationSet {
    pub name: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// `REQUIRE` or `OPTIONAL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delivery_seconds: Option<i64>,
    /// `None`: the account's hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_reasons: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<EventDestination>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for ConfigurationSet {
    const KIND: &'static str = "ses/configuration-set";
}

/// Who is told what becomes of mails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDestination {
    pub name: String,
    pub enabled: bool,
    /// In version 2's words: `SEND`, `BOUNCE`, `DELIVERY`, ….
    pub events: BTreeSet<String>,
    /// A topic of SNS.
    pub topic: String,
}

/// `ses/account/…/account`: what holds for an account in a region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// `BOUNCE` and `COMPLAINT`; `None`: both, as AWS has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressed_reasons: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

impl Resource for Account {
    const KIND: &'static str = "ses/account";
}

/// <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_AccountDetails.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    pub mail_type: String,
    pub website_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_case: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
}

/// `ses/suppressed/…/<address>`: nothing is delivered to it. Written by the API, and by `delivery` when
/// an address does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppressed {
    pub address: String,
    /// `BOUNCE` or `COMPLAINT`.
    pub reason: String,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
}

impl Resource for Suppressed {
    const KIND: &'static str = "ses/suppressed";
}

/// A name as the last part of a key: addresses may have a slash.
pub fn id(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}
