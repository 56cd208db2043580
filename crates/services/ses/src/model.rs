//! What is stored of mails. The bytes of a mail lie in an extent of their own.

pub mod settings;

use neargate_base::Timestamp;
use neargate_service::Resource;
use serde::{Deserialize, Serialize};

/// `mail/message/…/<id>`: a mail in the outbox. `outbox` makes it; after that `delivery` is its only
/// writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Which service sent it: `ses`, `sns`.
    pub service: String,
    /// The envelope's sender, who is told of failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    pub recipients: Vec<Recipient>,
    /// As its header says, for lists.
    pub subject: String,
    /// As its header says.
    pub from: String,
    /// Where its bytes are.
    pub extent: String,
    pub size_bytes: u64,
    pub accepted_at: Timestamp,
    /// The relay is not tried after that.
    pub give_up_at: Timestamp,
    /// How often the relay was tried.
    pub attempts: u32,
    pub next_attempt_at: Timestamp,
    /// Nobody is told by mail that it was not delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
    /// What its events tell, of a mail that SES's operations took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<About>,
    /// Events that are to be told, and were not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub untold: Vec<Event>,
    /// When the last of its recipients was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// How a mail came to SES.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// `SendEmail`.
    pub operation: String,
    /// The sender as the caller named it.
    pub source: String,
    /// The identity that let it send.
    pub identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_set: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<(String, String)>,
    /// Who called.
    pub caller: String,
}

/// Something that became of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    Send,
    /// The relay took it for these.
    Delivery {
        recipients: Vec<String>,
        said: String,
        at: Timestamp,
    },
    /// These cannot have it: addresses, and what was said about each.
    Bounce {
        recipients: Vec<(String, String)>,
        at: Timestamp,
    },
}

/// Somebody whom a mail goes to, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub address: String,
    pub state: State,
    /// The relay's last words about this address, or why there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What becomes of it here, without the relay: it is suppressed, or SES's simulator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub here: Option<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It lies here.
    Outbox,
    /// The relay has taken it.
    Sent,
    /// Nobody will take it.
    Failed,
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            State::Outbox => "outbox",
            State::Sent => "sent",
            State::Failed => "failed",
        }
    }
}

impl Recipient {
    /// One for whom nothing was done yet.
    pub fn waiting(address: String) -> Recipient {
        Recipient {
            address,
            state: State::Outbox,
            said: None,
            here: None,
        }
    }
}

impl Letter {
    /// Can anything be done with it now or later?
    pub fn can_go_on(&self, has_relay: bool) -> bool {
        self.settled_at.is_none() && (has_relay || self.has_settled_here())
    }

    /// Is there a recipient whose fate needs no relay, and who has not had it?
    pub fn has_settled_here(&self) -> bool {
        let mut waiting = self.recipients.iter().filter(|r| r.state == State::Outbox);
        waiting.any(|r| r.here.is_some())
    }

    /// The state of the whole: in the outbox while it is for anybody, failed when it is for one.
    pub fn state(&self) -> State {
        let any = |state| self.recipients.iter().any(|r| r.state == state);
        match (any(State::Outbox), any(State::Failed)) {
            (true, _) => State::Outbox,
            (false, true) => State::Failed,
            (false, false) => State::Sent,
        }
    }
}

impl Resource for Letter {
    const KIND: &'static str = "mail/message";
}
