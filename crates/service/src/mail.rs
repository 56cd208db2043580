//! Where whoever sends mail puts it: SES's service takes the seat in the house.
//!
//! What is taken is durable: it lies in the outbox until the relay that the operator named has it, or
//! for good where there is none. `neargate mail` shows it. Nobody who sends waits for the relay.

use crate::Scope;
use crate::error::AwsError;
use async_trait::async_trait;
use bytes::Bytes;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The longest mail, in bytes, with all that is attached
/// (<https://docs.aws.amazon.com/ses/latest/dg/quotas.html>).
pub const MOST_BYTES: usize = 40 << 20;

/// A mail and whom it goes to.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Which service sends it: `sns`.
    pub service: &'static str,
    /// The envelope's sender, who is told when the mail cannot be delivered. `None`: nobody is.
    pub sender: Option<String>,
    /// Addresses (`someone@example.com`), whatever the headers say. One or more.
    pub recipients: Vec<String>,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    /// What is to be made into a message.
    Written(Written),
    /// A whole message (RFC 5322), with its headers.
    Raw(Bytes),
}

/// A message in parts. Addresses may have names: `AWS Notifications <no-reply@example.com>`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    pub from: String,
    pub to: Vec<String>,
    pub cc: Vec<String>,
    pub reply_to: Vec<String>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    /// Further headers: names and values, in this order.
    pub headers: Vec<(String, String)>,
    pub attachments: Vec<Attachment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub name: String,
    /// `image/png`.
    pub media_type: String,
    /// It is shown in the text, by this id, and not beside it.
    pub inline: Option<String>,
    pub content: Bytes,
}

impl Mail {
    /// A text to one reader, of whose fate nobody is told.
    pub fn text(service: &'static str, from: &str, to: &str, subject: &str, text: &str) -> Mail {
        Mail {
            service,
            sender: None,
            recipients: vec![to.to_owned()],
            content: Content::Written(Written {
                from: from.to_owned(),
                to: vec![to.to_owned()],
                subject: subject.to_owned(),
                text: Some(text.to_owned()),
                ..Written::default()
            }),
        }
    }
}

/// Keeps mails and has them delivered.
#[async_trait]
pub trait Outbox: fmt::Debug + Send + Sync {
    /// Takes a mail durably, and answers its id.
    ///
    /// # Errors
    /// When there is no room for it, or the store fails.
    async fn send(&self, scope: &Scope, mail: Mail) -> Result<String, AwsError>;
}

/// Where SES takes its place in the house.
#[derive(Debug, Default)]
pub struct Seat(OnceLock<Arc<dyn Outbox>>);

impl Seat {
    /// # Panics
    /// When somebody has taken it.
    pub fn take(&self, outbox: Arc<dyn Outbox>) {
        self.0.set(outbox).expect("one service keeps mail");
    }

    /// # Errors
    /// As [`Outbox::send`]; [`AwsError::not_implemented`] where nobody keeps mail.
    pub async fn send(&self, scope: &Scope, mail: Mail) -> Result<String, AwsError> {
        match self.0.get() {
            Some(outbox) => outbox.send(scope, mail).await,
            None => Err(AwsError::not_implemented("mail", "Send")),
        }
    }
}
