//! Brings mails from the outbox to the relay.
//!
//! What the relay refuses for good is settled at once; what it refuses for now, and everything while it
//! cannot be reached, is tried again, ever more seldom, until [`PATIENCE`] is over. Of a mail that is not
//! delivered its sender is told by another. A kill between the relay's word and its record has a mail
//! delivered twice, under one `Message-ID`, and never lost.

use crate::message::{self, Stamp};
use crate::model::{Letter, State};
use crate::outbox::{Outbox, host};
use crate::relay::{Outcome, Relay};
use async_trait::async_trait;
use neargate_base::{Clock, Timestamp};
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::mail::{Content, Mail};
use neargate_service::{AwsError, Committed, Db, Scope, Stored};
use std::sync::Arc;
use std::time::Duration;

/// How long a mail that nobody takes is tried.
pub const PATIENCE: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// How long to wait after so many attempts, in seconds; then the last of them always.
const WAITS: [u64; 8] = [30, 60, 300, 900, 1_800, 3_600, 7_200, 14_400];

/// What a mail comes from whose sender could be told of nothing.
const BOUNCES: &str = "bounce";

#[derive(Debug)]
pub struct Delivery {
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub outbox: Arc<Outbox>,
    /// `None`: mails stay where they are.
    pub relay: Option<Arc<Relay>>,
}

/// What is to be done with a mail.
#[derive(Debug)]
pub enum Action {
    Try(Stored<Letter>),
    GiveUp(Stored<Letter>),
}

#[async_trait]
impl Controller for Delivery {
    type View = Stored<Letter>;
    type Action = Action;

    fn name(&self) -> &'static str {
        "mail-delivery"
    }

    fn prefixes(&self) -> Vec<String> {
        vec!["mail/message/".into()]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Stored<Letter>>, AwsError> {
        if self.relay.is_none() {
            return Ok(None);
        }
        let letter = self.db.get_key::<Letter>(key).await?;
        Ok(letter.filter(|l| l.settled_at.is_none()))
    }

    fn plan(&self, letter: &Stored<Letter>, now: Timestamp) -> Plan<Action> {
        plan(letter, now)
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        match action {
            Action::GiveUp(letter) => {
                let mut new = letter.value.clone();
                for recipient in &mut new.recipients {
                    if recipient.state == State::Outbox {
                        recipient.state = State::Failed;
                        let last = recipient.said.take().unwrap_or_default();
                        recipient.said = Some(format!("550 4.4.7 Message expired: {last}"));
                    }
                }
                self.write(&letter, new).await
            }
            Action::Try(letter) => self.attempt(letter).await,
        }
    }
}

/// What is to be done with a mail that is not settled.
fn plan(letter: &Stored<Letter>, now: Timestamp) -> Plan<Action> {
    let copy = || Stored {
        key: letter.key.clone(),
        revision: letter.revision,
        value: letter.value.clone(),
    };
    if letter.attempts > 0 && now >= letter.give_up_at {
        return Plan {
            actions: vec![Action::GiveUp(copy())],
            wake_at: None,
            reason: "nobody took it for too long",
        };
    }
    if now < letter.next_attempt_at {
        return Plan {
            actions: Vec::new(),
            wake_at: Some(letter.next_attempt_at),
            reason: "it is tried later",
        };
    }
    Plan {
        actions: vec![Action::Try(copy())],
        wake_at: None,
        reason: "it is tried",
    }
}

/// How long to wait after the attempt of that number.
fn wait(attempts: u32) -> Duration {
    let n = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    Duration::from_secs(WAITS[n.min(WAITS.len() - 1)])
}

impl Delivery {
    async fn attempt(&self, letter: Stored<Letter>) -> Result<Applied, AwsError> {
        let Some(relay) = &self.relay else {
            return Ok(Applied::Done);
        };
        let raw = self.outbox.raw(&letter).await?;
        let waiting: Vec<String> = letter
            .recipients
            .iter()
            .filter(|r| r.state == State::Outbox)
            .map(|r| r.address.clone())
            .collect();
        let outcomes = match raw {
            Some(raw) => {
                let sender = letter.sender.as_deref().unwrap_or_default();
                relay.deliver(sender, &waiting, &raw).await
            }
            None => {
                let lost = Outcome::Refused("554 5.6.0 Its content is gone.".into());
                vec![lost; waiting.len()]
            }
        };
        let mut new = letter.value.clone();
        let now = self.clock.now();
        new.attempts += 1;
        let pause = i64::try_from(wait(new.attempts).as_millis()).unwrap_or(i64::MAX);
        new.next_attempt_at = now.shift(pause);
        let open = new.recipients.iter_mut();
        let open = open.filter(|r| r.state == State::Outbox);
        for (recipient, outcome) in open.zip(outcomes) {
            let (state, said) = match outcome {
                Outcome::Taken(said) => (State::Sent, said),
                Outcome::Refused(said) => (State::Failed, said),
                Outcome::Later(said) => (State::Outbox, said),
            };
            recipient.state = state;
            recipient.said = Some(said);
        }
        self.write(&letter, new).await
    }

    /// Writes how far a mail came, and the mail that tells its sender what failed for good.
    async fn write(&self, old: &Stored<Letter>, mut new: Letter) -> Result<Applied, AwsError> {
        let Some(scope) = Scope::of_key(&old.key) else {
            return Ok(Applied::Done);
        };
        let now = self.clock.now();
        if new.state() != State::Outbox {
            new.settled_at = Some(now);
        }
        let was_open = |address: &str| {
            let before = old.recipients.iter().find(|r| r.address == address);
            before.is_none_or(|r| r.state == State::Outbox)
        };
        let failed: Vec<(String, String)> = new
            .recipients
            .iter()
            .filter(|r| r.state == State::Failed && was_open(&r.address))
            .map(|r| (r.address.clone(), r.said.clone().unwrap_or_default()))
            .collect();
        let mut tx = self.db.tx().update(old, &new);
        let mut bounce = None;
        if let (false, Some(sender)) = (failed.is_empty(), &new.sender) {
            let id = self.outbox.new_id();
            let host = host(&scope);
            let stamp = Stamp {
                id: &id,
                host: &host,
                now,
            };
            let raw = message::bounce(sender, &new.subject, &failed, stamp);
            let told = Mail {
                service: BOUNCES,
                sender: None,
                recipients: vec![sender.clone()],
                content: Content::Raw(raw.into()),
            };
            match self.outbox.prepare(&scope, id.clone(), told).await {
                Ok(prepared) => {
                    tx = self.outbox.add(tx, &scope, &prepared);
                    bounce = Some(prepared);
                }
                Err(error) => tracing::warn!(%error, "a sender is not told of a failure"),
            }
        }
        match tx.commit().await? {
            Committed::At(_) => {
                self.outbox.note(&scope, old.id(), &new);
                if let Some(bounce) = bounce {
                    self.outbox.added(&scope, bounce).await;
                }
                Ok(Applied::Done)
            }
            Committed::Conflict => Ok(Applied::Conflict),
        }
    }
}
