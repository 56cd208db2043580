//! Brings mails from the outbox to the relay.
//!
//! What the relay refuses for good is settled at once; what it refuses for now, and everything while it
//! cannot be reached, is tried again, ever more seldom, until [`PATIENCE`] is over. Of a mail that is not
//! delivered its sender is told by another. A kill between the relay's word and its record has a mail
//! delivered twice, under one `Message-ID`, and never lost.

use crate::message::{self, Stamp};
use crate::model::{Event, Letter, State};
use crate::notify;
use crate::outbox::{Outbox, host};
use crate::relay::{Outcome, Relay};
use async_trait::async_trait;
use neargate_base::{Clock, Timestamp};
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::mail::{Content, Mail};
use neargate_service::{AwsError, Committed, Db, House, Scope, Stored};
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
    pub house: Arc<House>,
    pub db: Db,
    pub clock: Arc<dyn Clock>,
    pub outbox: Arc<Outbox>,
    /// `None`: mails stay where they are.
    pub relay: Option<Arc<Relay>>,
}

/// What is to be done with a mail.
#[derive(Debug)]
pub enum Action {
    /// Its events are told.
    Tell(Stored<Letter>),
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
        let letter = self.db.get_key::<Letter>(key).await?;
        let has_relay = self.relay.is_some();
        Ok(letter.filter(|l| !l.untold.is_empty() || l.can_go_on(has_relay)))
    }

    fn plan(&self, letter: &Stored<Letter>, now: Timestamp) -> Plan<Action> {
        plan(letter, self.relay.is_some(), now)
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        match action {
            Action::Tell(letter) => {
                notify::tell(&self.house, &letter).await;
                let mut new = letter.value.clone();
                new.untold.clear();
                let tx = self.db.tx().update(&letter, &new);
                Ok(match tx.commit().await? {
                    Committed::At(_) => Applied::Done,
                    Committed::Conflict => Applied::Conflict,
                })
            }
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
fn plan(letter: &Stored<Letter>, has_relay: bool, now: Timestamp) -> Plan<Action> {
    if !letter.untold.is_empty() {
        return Plan {
            actions: vec![Action::Tell(letter.clone())],
            wake_at: None,
            reason: "its events are told",
        };
    }
    if !letter.can_go_on(has_relay) {
        return Plan::idle("it is settled, or lies here");
    }
    if letter.attempts > 0 && now >= letter.give_up_at {
        return Plan {
            actions: vec![Action::GiveUp(letter.clone())],
            wake_at: None,
            reason: "nobody took it for too long",
        };
    }
    if now < letter.next_attempt_at && !letter.has_settled_here() {
        return Plan {
            actions: Vec::new(),
            wake_at: Some(letter.next_attempt_at),
            reason: "it is tried later",
        };
    }
    Plan {
        actions: vec![Action::Try(letter.clone())],
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
        let mut new = letter.value.clone();
        for recipient in &mut new.recipients {
            if let (State::Outbox, Some(here)) = (recipient.state, recipient.here) {
                recipient.state = here;
            }
        }
        let is_due = self.clock.now() >= letter.next_attempt_at;
        let relay = match &self.relay {
            Some(relay) if is_due && new.state() == State::Outbox => relay,
            _ => return self.write(&letter, new).await,
        };
        let raw = self.outbox.raw(&letter).await?;
        let waiting: Vec<String> = new
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
        let taken = |state| {
            let now_in = new.recipients.iter().filter(move |r| r.state == state);
            now_in
                .filter(|r| was_open(&r.address))
                .map(|r| r.address.clone())
        };
        let delivered: Vec<String> = taken(State::Sent).collect();
        if new.about.is_some() {
            if !delivered.is_empty() {
                let first = new
                    .recipients
                    .iter()
                    .find(|r| delivered.contains(&r.address));
                let said = first.and_then(|r| r.said.clone()).unwrap_or_default();
                new.untold.push(Event::Delivery {
                    recipients: delivered,
                    said,
                    at: now,
                });
            }
            if !failed.is_empty() {
                new.untold.push(Event::Bounce {
                    recipients: failed.clone(),
                    at: now,
                });
            }
        }
        let mut tx = self.db.tx().update(old, &new);
        let mut bounce = None;
        let tells = !failed.is_empty() && !new.silent;
        if let (true, Some(sender)) = (tells, &new.sender) {
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
