//! The outbox: every mail that was sent, durably, until the relay has it and for a while after.
//!
//! A mail is an extent, which holds its bytes, and a record, which owns the extent. Of an account and
//! region it keeps the newest [`Bounds`]: the oldest that are settled go first. Where there is no relay
//! no mail is ever settled, and the oldest goes; where there is one, nothing that waits for it goes, and
//! a full outbox takes no more.

use crate::message::{self, Stamp};
use crate::model::{Letter, Recipient};
use crate::{delivery, error};
use async_trait::async_trait;
use bytes::Bytes;
use neargate_base::{Clock, Rng, Timestamp, task};
use neargate_blob::{Extents, Held};
use neargate_service::mail::{self, Content, MOST_BYTES, Mail};
use neargate_service::{AwsError, Committed, Db, House, Scope, Stored, db};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

/// How much is kept of an account and region.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub mails: usize,
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            mails: 10_000,
            bytes: 1 << 30,
        }
    }
}

/// What is known in memory of a mail that is kept.
#[derive(Debug, Clone)]
struct Kept {
    extent: String,
    size_bytes: u64,
    settled: bool,
}

/// The mails of one account and region, the oldest first.
#[derive(Debug, Default)]
struct Shelf {
    mails: BTreeMap<String, Kept>,
    bytes: u64,
}

/// Keeps mails.
#[derive(Debug)]
pub struct Outbox {
    db: Db,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
    extents: Arc<Extents>,
    /// There is somebody who takes mails from here.
    has_relay: bool,
    bounds: Bounds,
    shelves: Mutex<HashMap<Scope, Shelf>>,
}

/// A mail whose bytes are durable, and whose record is not yet written.
#[derive(Debug)]
pub struct Prepared {
    pub id: String,
    pub letter: Letter,
    held: Held,
    /// What goes to make room for it.
    gone: Vec<(String, String)>,
}

impl Outbox {
    pub fn new(house: &House, extents: Arc<Extents>, has_relay: bool) -> Outbox {
        Outbox {
            db: house.db.clone(),
            clock: house.clock.clone(),
            rng: house.rng.clone(),
            extents,
            has_relay,
            bounds: Bounds::default(),
            shelves: Mutex::default(),
        }
    }

    #[cfg(test)]
    pub fn bounded(mut self, bounds: Bounds) -> Outbox {
        self.bounds = bounds;
        self
    }

    pub fn has_relay(&self) -> bool {
        self.has_relay
    }

    /// A new id, as SES's look; later ones are greater.
    pub fn new_id(&self) -> String {
        let millis = self.clock.now().as_millis().max(0);
        format!("0100{millis:012x}-{}-000000", self.rng.uuid())
    }

    /// Reads what there is: bounds hold from then on.
    ///
    /// # Errors
    /// The store's.
    pub async fn load(&self) -> Result<(), AwsError> {
        let all = self.db.list_prefix::<Letter>("mail/message/").await?;
        for letter in &all {
            if let Some(scope) = Scope::of_key(&letter.key) {
                self.note(&scope, letter.id(), letter);
            }
        }
        Ok(())
    }

    /// Takes a mail and answers its id.
    ///
    /// # Errors
    /// When it is too long or there is no room for it, and those of store and disk.
    pub async fn take(&self, scope: &Scope, mail: Mail) -> Result<String, AwsError> {
        self.take_with(scope, mail, |_| {}).await
    }

    /// Takes a mail whose record is not as everybody's.
    ///
    /// # Errors
    /// As [`Outbox::take`].
    pub async fn take_with(
        &self,
        scope: &Scope,
        mail: Mail,
        change: impl FnOnce(&mut Letter),
    ) -> Result<String, AwsError> {
        let id = self.new_id();
        let mut prepared = self.prepare(scope, id, mail).await?;
        change(&mut prepared.letter);
        let tx = self.add(self.db.tx(), scope, &prepared);
        match tx.commit().await? {
            Committed::At(_) => {
                let id = prepared.id.clone();
                self.added(scope, prepared).await;
                Ok(id)
            }
            Committed::Conflict => Err(error::taken_twice()),
        }
    }

    /// Makes the bytes of a mail durable. What is dropped before its record is written is gone.
    ///
    /// # Errors
    /// As [`Outbox::take`].
    pub async fn prepare(
        &self,
        scope: &Scope,
        id: String,
        mail: Mail,
    ) -> Result<Prepared, AwsError> {
        let now = self.clock.now();
        let host = host(scope);
        let stamp = Stamp {
            id: &id,
            host: &host,
            now,
        };
        let (raw, from, subject) = match mail.content {
            Content::Written(written) => {
                let composed = message::compose(&written, stamp);
                let raw = composed.map_err(|e| error::invalid_parameter(e.to_string()))?;
                (raw, written.from, written.subject)
            }
            Content::Raw(raw) => {
                let read = message::read(&raw).unwrap_or_default();
                (message::prepare(&raw, stamp), read.from, read.subject)
            }
        };
        if raw.len() > MOST_BYTES {
            return Err(error::too_long(raw.len()));
        }
        let size_bytes = raw.len() as u64;
        let gone = self.room(scope, size_bytes)?;
        let held = self.keep(raw).await?;
        let recipients = mail.recipients.into_iter().map(Recipient::waiting);
        let letter = Letter {
            service: mail.service.to_owned(),
            sender: mail.sender,
            recipients: recipients.collect(),
            subject: subject.chars().take(SHOWN_CHARS).collect(),
            from,
            extent: held.name().to_owned(),
            size_bytes,
            accepted_at: now,
            give_up_at: after(now, delivery::PATIENCE),
            attempts: 0,
            next_attempt_at: now,
            silent: false,
            about: None,
            untold: Vec::new(),
            settled_at: None,
        };
        Ok(Prepared {
            id,
            letter,
            held,
            gone,
        })
    }

    /// Its record, as a part of a transaction.
    pub fn add(&self, tx: db::Tx, scope: &Scope, prepared: &Prepared) -> db::Tx {
        let key = |id: &str| db::key::<Letter>(scope, id);
        let gone = prepared.gone.iter().map(|(id, _)| key(id));
        let tx = gone.fold(tx, db::Tx::delete_key);
        tx.create(key(&prepared.id), &prepared.letter)
    }

    /// Its record is durable.
    pub async fn added(&self, scope: &Scope, prepared: Prepared) {
        self.note(scope, &prepared.id, &prepared.letter);
        prepared.held.keep();
        let (ids, extents): (Vec<_>, Vec<_>) = prepared.gone.into_iter().unzip();
        ids.iter().for_each(|id| self.forget(scope, id));
        self.extents.delete(extents).await;
    }

    /// What is to go, so that another of `size` bytes has room.
    fn room(&self, scope: &Scope, size: u64) -> Result<Vec<(String, String)>, AwsError> {
        let shelves = self.shelves.lock();
        let Some(shelf) = shelves.get(scope) else {
            return Ok(Vec::new());
        };
        let (mut mails, mut bytes) = (shelf.mails.len() + 1, shelf.bytes + size);
        let mut gone = Vec::new();
        let may_go = |kept: &&Kept| kept.settled || !self.has_relay;
        for (id, kept) in shelf.mails.iter().filter(|(_, kept)| may_go(kept)) {
            if mails <= self.bounds.mails && bytes <= self.bounds.bytes {
                break;
            }
            gone.push((id.clone(), kept.extent.clone()));
            mails -= 1;
            bytes -= kept.size_bytes;
        }
        match mails <= self.bounds.mails && bytes <= self.bounds.bytes {
            true => Ok(gone),
            false => Err(error::outbox_full()),
        }
    }

    async fn keep(&self, raw: Vec<u8>) -> Result<Held, AwsError> {
        let (extents, name) = (self.extents.clone(), self.rng.hex(32));
        let written = task::spawn_blocking(move || {
            let mut writer = extents.create(&name)?;
            writer.write(&raw)?;
            writer.finish()
        });
        let written = written.await.map_err(AwsError::internal)?;
        written.map_err(error::blob)
    }

    /// The bytes of a mail; `None` when they are gone.
    ///
    /// # Errors
    /// The disk's.
    pub async fn raw(&self, letter: &Letter) -> Result<Option<Bytes>, AwsError> {
        let lease = self.extents.lease(vec![letter.extent.clone()]);
        let (extents, name) = (self.extents.clone(), letter.extent.clone());
        let read = task::spawn_blocking(move || {
            if !extents.has(&name) {
                return Ok(None);
            }
            let mut file = extents.read(&name).map_err(error::blob)?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(AwsError::internal)?;
            Ok(Some(Bytes::from(bytes)))
        });
        let read = read.await.map_err(AwsError::internal)?;
        drop(lease);
        read
    }

    /// The mails of an account and region, the newest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn list(&self, scope: &Scope) -> Result<Vec<Stored<Letter>>, AwsError> {
        let mut all = self.db.list::<Letter>(scope).await?;
        all.reverse();
        Ok(all)
    }

    /// # Errors
    /// The store's.
    pub async fn get(&self, scope: &Scope, id: &str) -> Result<Option<Stored<Letter>>, AwsError> {
        self.db.get::<Letter>(scope, id).await
    }

    /// What is known of a mail now.
    pub fn note(&self, scope: &Scope, id: &str, letter: &Letter) {
        let mut shelves = self.shelves.lock();
        let shelf = shelves.entry(scope.clone()).or_default();
        let kept = Kept {
            extent: letter.extent.clone(),
            size_bytes: letter.size_bytes,
            settled: letter.settled_at.is_some(),
        };
        shelf.bytes += kept.size_bytes;
        if let Some(before) = shelf.mails.insert(id.to_owned(), kept) {
            shelf.bytes -= before.size_bytes;
        }
    }

    fn forget(&self, scope: &Scope, id: &str) {
        let mut shelves = self.shelves.lock();
        if let Some(shelf) = shelves.get_mut(scope)
            && let Some(gone) = shelf.mails.remove(id)
        {
            shelf.bytes -= gone.size_bytes;
        }
    }

    /// Everything is gone: the reset.
    ///
    /// # Errors
    /// The disk's.
    pub async fn wipe(&self) -> Result<(), AwsError> {
        self.shelves.lock().clear();
        self.extents.wipe().await.map_err(error::blob)
    }

    /// Removes what a crash left: bytes that no record has.
    ///
    /// # Errors
    /// Those of store and disk.
    pub async fn sweep(&self) -> Result<usize, AwsError> {
        // Listed before the records are read: what is in none by then never will be.
        let mut extents = self.extents.list().await.map_err(error::blob)?;
        let all = self.db.list_prefix::<Letter>("mail/message/").await?;
        let used: HashSet<&str> = all.iter().map(|l| l.extent.as_str()).collect();
        extents.retain(|name| !used.contains(name.as_str()));
        let count = extents.len();
        self.extents.delete(extents).await;
        Ok(count)
    }
}

/// How much of a subject stands in lists.
const SHOWN_CHARS: usize = 200;

/// The host in ids of messages, as SES has it
/// (<https://docs.aws.amazon.com/ses/latest/dg/send-email-raw.html>).
pub fn host(scope: &Scope) -> String {
    match scope.region.as_str() {
        "us-east-1" => "email.amazonses.com".to_owned(),
        region => format!("{region}.amazonses.com"),
    }
}

pub fn after(at: Timestamp, time: Duration) -> Timestamp {
    at.shift(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

#[async_trait]
impl mail::Outbox for Outbox {
    async fn send(&self, scope: &Scope, mail: Mail) -> Result<String, AwsError> {
        self.take(scope, mail).await
    }
}
