//! What is stored of mails. The bytes of a mail lie in an extent of their own.

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
    /// When the last of its recipients was settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
}

/// Somebody whom a mail goes to, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub address: String,
    pub state: State,
    /// The relay's last words about this address, or why there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
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

impl Letter {
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
