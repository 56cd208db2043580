//! The one thread that writes: group commit, and a journal that is kept short.

use super::queue::{Message, Place, State};
use super::record::{self, MessageId, QueueId, Record};
use super::replay::{self, Journal};
use super::{EngineError, Handle, New, Options, Shared, queue};
use neargate_base::DiskSpace;
use neargate_blob::wal::{Wal, WalError, WalFile};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, oneshot};

/// A frame is written once this much is gathered.
const FRAME_BYTES: usize = 4 << 20;

pub(super) type Done<T> = oneshot::Sender<Result<T, EngineError>>;

/// A message that was sent, or the one that it is a duplicate of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub id: MessageId,
    pub seq: u64,
}

#[derive(Debug)]
pub(super) struct Put {
    pub queue: Arc<Handle>,
    pub messages: Vec<New>,
    pub done: Done<Vec<Sent>>,
}

#[derive(Debug)]
pub(super) enum Command {
    Send(Put),
    Stage {
        staged: Staged,
        /// Nobody is answered before it is synced.
        durable: bool,
        done: Option<Done<()>>,
    },
}

/// What is to be written. Messages that are named here are leaving, or taken, already.
#[derive(Debug)]
pub(super) enum Staged {
    Taken {
        queue: Arc<Handle>,
        at: i64,
        until: i64,
        messages: Vec<(u64, u32)>,
    },
    Until {
        queue: QueueId,
        at: i64,
        until: i64,
        seq: u64,
    },
    Gone {
        queue: Arc<Handle>,
        messages: Vec<u64>,
    },
    Moved {
        from: Arc<Handle>,
        messages: Vec<u64>,
        to: Arc<Handle>,
        source: Option<Arc<str>>,
        /// It counts as sent now.
        resent: bool,
    },
    Purged {
        queue: Arc<Handle>,
    },
    Dropped {
        queue: Arc<Handle>,
    },
    Wiped,
}

/// What becomes true once the frame is written.
enum Change {
    Put {
        queue: Arc<Handle>,
        seq: u64,
        message: record::Put,
        /// In the frame.
        at: usize,
        bytes: usize,
    },
    Taken(Arc<Handle>, Vec<(u64, u32)>),
    Gone(Arc<Handle>, Vec<u64>),
    Moved {
        from: Arc<Handle>,
        seq: u64,
        to: Arc<Handle>,
        new_seq: u64,
        source: Option<Arc<str>>,
        sent_at: Option<i64>,
    },
    Purged(Arc<Handle>, u64),
    Dropped(Arc<Handle>),
    Wiped,
}

enum Waiting {
    Sent(Done<Vec<Sent>>, Vec<Sent>),
    Other(Done<()>),
}

pub(super) struct Writer {
    dir: PathBuf,
    options: Options,
    shared: Arc<Shared>,
    older: VecDeque<(u64, Arc<WalFile>, u64)>,
    number: u64,
    wal: Wal,
    next_seq: u64,
    frame: Vec<u8>,
    durable: bool,
    changes: Vec<Change>,
    waiting: Vec<Waiting>,
    /// The journal is not looked at before it is so long.
    shorten_at: u64,
}

impl Writer {
    pub(super) fn new(
        dir: &Path,
        options: Options,
        shared: Arc<Shared>,
        journal: Journal,
    ) -> Writer {
        Writer {
            dir: dir.to_owned(),
            options,
            shared,
            older: journal.older,
            number: journal.number,
            wal: journal.wal,
            next_seq: journal.next_seq,
            frame: Vec::new(),
            durable: false,
            changes: Vec::new(),
            waiting: Vec::new(),
            shorten_at: options.slack_bytes,
        }
    }

    /// Runs until every handle is gone.
    pub(super) fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            self.stage(first);
            while self.frame.len() < FRAME_BYTES {
                let Ok(command) = commands.try_recv() else {
                    break;
                };
                self.stage(command);
            }
            self.commit();
            self.tidy();
        }
    }

    fn stage(&mut self, command: Command) {
        match command {
            Command::Send(put) => self.stage_send(put),
            Command::Stage {
                staged,
                durable,
                done,
            } => {
                self.durable |= durable;
                self.stage_other(staged);
                self.waiting.extend(done.map(Waiting::Other));
            }
        }
    }

    /// Messages are what grows: they leave the disk's reserve to what ends things.
    fn has_room(&self, bytes: usize) -> bool {
        let bytes = (bytes + self.frame.len()) as u64;
        DiskSpace::at(&self.dir).is_ok_and(|space| space.takes(bytes))
    }

    fn stage_send(&mut self, put: Put) {
        let Put {
            queue: handle,
            messages,
            done,
        } = put;
        let bytes = messages.iter().map(|m| m.content.len() + 256).sum();
        if !self.has_room(bytes) {
            let _ = done.send(Err(EngineError::Full));
            return;
        }
        let now = self.shared.now();
        let mut sent = Vec::with_capacity(messages.len());
        let mut queue = handle.queue.lock();
        if queue.gone {
            drop(queue);
            let _ = done.send(Err(EngineError::NoQueue));
            return;
        }
        for new in messages {
            if let Some(before) = new.dedup.and_then(|key| queue.sent(now, &key)) {
                sent.push(Sent {
                    id: before.id,
                    seq: before.seq,
                });
                continue;
            }
            let seq = self.next_seq;
            self.next_seq += 1;
            if let Some(key) = new.dedup {
                let (id, at) = (new.id, now.steady);
                queue.note_sent(now, key, queue::Sent { id, seq, at });
            }
            let message = record::Put {
                queue: handle.id,
                seq,
                fifo: handle.fifo,
                id: new.id,
                sent_at: now.wall,
                until: match new.delay_millis {
                    0 => 0,
                    millis => now.wall + millis,
                },
                received: 0,
                taken: false,
                first_received_at: 0,
                group: new.group,
                dedup: new.dedup,
                source: None,
            };
            let at = message.write(&new.content, &mut self.frame);
            sent.push(Sent { id: new.id, seq });
            handle.tally.sent.fetch_add(1, Ordering::Relaxed);
            let size = new.size_bytes;
            handle.tally.sent_bytes.fetch_add(size, Ordering::Relaxed);
            let mut sizes = handle.tally.sizes.lock();
            let (least, most) = sizes.unwrap_or((size, size));
            *sizes = Some((least.min(size), most.max(size)));
            drop(sizes);
            self.changes.push(Change::Put {
                queue: handle.clone(),
                seq,
                message,
                at,
                bytes: new.content.len(),
            });
        }
        drop(queue);
        self.durable = true;
        self.waiting.push(Waiting::Sent(done, sent));
    }

    fn stage_other(&mut self, staged: Staged) {
        match staged {
            Staged::Taken {
                queue,
                at,
                until,
                messages,
            } => {
                let taken = Record::Taken {
                    queue: queue.id,
                    at,
                    until,
                    messages: messages.clone(),
                };
                taken.write(&mut self.frame);
                self.changes.push(Change::Taken(queue, messages));
            }
            Staged::Until {
                queue,
                at,
                until,
                seq,
            } => {
                let record = Record::Until {
                    queue,
                    at,
                    until,
                    seq,
                };
                record.write(&mut self.frame);
            }
            Staged::Gone { queue, messages } => {
                let record = Record::Gone {
                    queue: queue.id,
                    messages: messages.clone(),
                };
                record.write(&mut self.frame);
                self.changes.push(Change::Gone(queue, messages));
            }
            Staged::Moved {
                from,
                messages,
                to,
                source,
                resent,
            } => {
                for seq in messages {
                    self.stage_moved(&from, seq, &to, source.clone(), resent);
                }
            }
            Staged::Purged { queue } => {
                let below = self.next_seq;
                let id = queue.id;
                Record::Purged { queue: id, below }.write(&mut self.frame);
                self.changes.push(Change::Purged(queue, below));
            }
            Staged::Dropped { queue } => {
                Record::Dropped { queue: queue.id }.write(&mut self.frame);
                self.changes.push(Change::Dropped(queue));
            }
            Staged::Wiped => {
                Record::Wiped.write(&mut self.frame);
                self.changes.push(Change::Wiped);
            }
        }
    }

    fn stage_moved(
        &mut self,
        from: &Arc<Handle>,
        seq: u64,
        to: &Arc<Handle>,
        source: Option<Arc<str>>,
        resent: bool,
    ) {
        let Some(message) = from.queue.lock().get(seq).cloned() else {
            return;
        };
        let new_seq = self.next_seq;
        self.next_seq += 1;
        // A dead letter of a standard queue is as old as it was there
        // (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html>).
        let sent_at = (resent || to.fifo).then(|| self.shared.now().wall);
        let record = Record::Moved {
            from: from.id,
            seq,
            to: to.id,
            new_seq,
            fifo: to.fifo,
            source: source.clone(),
            sent_at: sent_at.unwrap_or(message.sent_at),
        };
        record.write(&mut self.frame);
        self.changes.push(Change::Moved {
            from: from.clone(),
            seq,
            to: to.clone(),
            new_seq,
            source,
            sent_at,
        });
    }

    /// Makes what is gathered durable, then true, then answers.
    fn commit(&mut self) {
        let frame = std::mem::take(&mut self.frame);
        let changes = std::mem::take(&mut self.changes);
        let waiting = std::mem::take(&mut self.waiting);
        let durable = std::mem::take(&mut self.durable);
        let written = match frame.is_empty() {
            true => Ok(0),
            false => self.write(&frame, durable),
        };
        match &written {
            Ok(offset) => changes.into_iter().for_each(|c| self.make_true(c, *offset)),
            Err(error) => {
                tracing::error!(%error, cause = ?std::error::Error::source(error), "messages could not be stored");
                changes.into_iter().for_each(undo);
            }
        }
        let outcome = written.map(drop).map_err(EngineError::from);
        for waiting in waiting {
            // Whoever asked may be gone; that changes nothing.
            match waiting {
                Waiting::Sent(done, sent) => {
                    let _ = done.send(outcome.clone().map(|()| sent));
                }
                Waiting::Other(done) => {
                    let _ = done.send(outcome.clone());
                }
            }
        }
    }

    fn write(&mut self, frame: &[u8], durable: bool) -> Result<u64, WalError> {
        let at = self.wal.write(frame)?;
        if durable {
            self.wal.sync()?;
        }
        Ok(at)
    }

    fn make_true(&mut self, change: Change, offset: u64) {
        let now = self.shared.now();
        match change {
            Change::Put {
                queue,
                seq,
                message,
                at,
                bytes,
            } => {
                let until = message.until - now.wall + now.steady;
                let is_delayed = message.until != 0 && until > now.steady;
                let place = Place {
                    file: self.wal.file().clone(),
                    offset: offset + at as u64,
                    bytes: bytes as u32,
                };
                let message = Message {
                    id: message.id,
                    place,
                    sent_at: message.sent_at,
                    sent: message.sent_at - now.wall + now.steady,
                    until,
                    received: 0,
                    first_received_at: 0,
                    state: if is_delayed {
                        State::Delayed
                    } else {
                        State::Ready
                    },
                    group: message.group,
                    dedup: message.dedup,
                    source: None,
                };
                queue.queue.lock().insert(seq, message);
                queue.arrived.notify_one();
            }
            Change::Taken(queue, messages) => {
                let count = messages.len() as u64;
                queue.tally.received.fetch_add(count, Ordering::Relaxed);
            }
            Change::Gone(queue, messages) => {
                let mut inner = queue.queue.lock();
                messages.iter().for_each(|seq| drop(inner.remove(*seq)));
                if queue.fifo && inner.has_ready() {
                    queue.arrived.notify_one();
                }
            }
            Change::Moved {
                from,
                seq,
                to,
                new_seq,
                source,
                sent_at,
            } => {
                let moved = from.queue.lock().remove(seq);
                from.arrived.notify_one();
                if let Some(moved) = moved {
                    let steady = sent_at.map(|at| at - now.wall + now.steady);
                    let (sent_at, sent) = (
                        sent_at.unwrap_or(moved.sent_at),
                        steady.unwrap_or(moved.sent),
                    );
                    let moved = moved.moved(source, sent_at, sent);
                    to.queue.lock().insert(new_seq, moved);
                    to.arrived.notify_one();
                }
            }
            Change::Purged(queue, below) => {
                queue.queue.lock().purge(below);
            }
            Change::Dropped(queue) => {
                let mut inner = queue.queue.lock();
                inner.gone = true;
                inner.purge(u64::MAX);
                drop(inner);
                self.shared.queues.write().remove(&queue.id);
                queue.arrived.notify_waiters();
            }
            Change::Wiped => {
                let all = std::mem::take(&mut *self.shared.queues.write());
                for queue in all.into_values() {
                    queue.queue.lock().gone = true;
                    queue.arrived.notify_waiters();
                }
            }
        }
    }

    /// Begins another file, and gives up the oldest when the journal is much longer than what is alive in it.
    fn tidy(&mut self) {
        if self.wal.len_bytes() > self.options.file_bytes
            && let Err(error) = self.begin_file()
        {
            tracing::error!(%error, cause = ?std::error::Error::source(&error), "the messages' journal cannot go on in another file");
            return;
        }
        while self.length() > self.shorten_at && !self.older.is_empty() {
            let live = self.live_bytes();
            if self.length() <= (live * 2).max(self.options.slack_bytes) {
                self.shorten_at = (live * 2).max(self.options.slack_bytes);
                return;
            }
            let given_up = self.give_up_oldest();
            if let Ok(false) = given_up {
                self.shorten_at = self.length() + self.options.slack_bytes;
                return;
            }
            if let Err(error) = given_up {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "the messages' journal could not be shortened");
                self.shorten_at = self.length() + self.options.file_bytes;
                return;
            }
        }
    }

    fn length(&self) -> u64 {
        let older: u64 = self.older.iter().map(|(_, _, bytes)| bytes).sum();
        older + self.wal.len_bytes()
    }

    fn live_bytes(&self) -> u64 {
        let queues = self.shared.queues.read();
        let of = |handle: &Arc<Handle>| {
            let queue = handle.queue.lock();
            let bytes = queue
                .messages()
                .map(|(_, m)| u64::from(m.place.bytes) + 128);
            bytes.sum::<u64>()
        };
        queues.values().map(of).sum()
    }

    fn begin_file(&mut self) -> Result<(), WalError> {
        let number = self.number + 1;
        let path = replay::path(&self.dir, number);
        let now = self.shared.now();
        let mut wal = Wal::create(&path, replay::salt(now, number))?;
        // Numbers go on even when nothing else tells how far they were.
        let mut frame = Vec::new();
        Record::Next { seq: self.next_seq }.write(&mut frame);
        wal.write(&frame)?;
        wal.sync()?;
        self.sync_dir();
        // Nothing that comes behind a file may be durable before it.
        self.wal.sync()?;
        let mut before = std::mem::replace(&mut self.wal, wal);
        before.give_back();
        let file = before.file().clone();
        self.older
            .push_back((self.number, file, before.len_bytes()));
        self.number = number;
        Ok(())
    }

    fn sync_dir(&self) {
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        if let Err(error) = synced {
            tracing::error!(%error, "the directory of messages cannot be synced");
        }
    }

    /// Writes again what is alive in the oldest file, and removes it. Answers whether it did.
    fn give_up_oldest(&mut self) -> Result<bool, WalError> {
        let Some((_, oldest, _)) = self.older.front().cloned() else {
            return Ok(false);
        };
        let handles: Vec<_> = self.shared.queues.read().values().cloned().collect();
        let now = self.shared.now();
        for handle in handles {
            let (messages, sent): (Vec<_>, Vec<_>) = {
                let queue = handle.queue.lock();
                let here = |m: &Message| Arc::ptr_eq(&m.place.file, &oldest);
                let messages = queue.messages().filter(|(_, m)| here(m));
                let messages =
                    messages.map(|(seq, m)| (queue.record(seq, m, now), m.place.clone()));
                let sent = queue.all_sent(now);
                let gone = sent.filter(|(_, sent)| queue.get(sent.seq).is_none());
                (messages.collect(), gone.collect())
            };
            let mut moved = Vec::new();
            for (put, place) in messages {
                let content = place.file.read(place.offset, place.bytes as usize);
                let content = match content {
                    Ok(content) => content,
                    Err(error) => {
                        tracing::error!(%error, "a message cannot be read: the file that holds it stays");
                        self.rewrite(&handle, &mut moved)?;
                        return Ok(false);
                    }
                };
                let at = put.write(&content, &mut self.frame);
                moved.push((put.seq, at, place.bytes));
                if self.frame.len() > FRAME_BYTES {
                    self.rewrite(&handle, &mut moved)?;
                }
            }
            for (key, sent) in sent {
                let seen = Record::Seen {
                    queue: handle.id,
                    key,
                    id: sent.id,
                    seq: sent.seq,
                    at: sent.at - now.steady + now.wall,
                };
                seen.write(&mut self.frame);
            }
            self.rewrite(&handle, &mut moved)?;
        }
        self.wal.sync()?;
        if let Err(error) = std::fs::remove_file(oldest.path()) {
            tracing::warn!(%error, path = %oldest.path().display(), "an old file of messages stays");
        }
        self.sync_dir();
        self.older.pop_front();
        if self.wal.len_bytes() > self.options.file_bytes {
            self.begin_file()?;
        }
        Ok(true)
    }

    fn rewrite(
        &mut self,
        handle: &Arc<Handle>,
        moved: &mut Vec<(u64, usize, u32)>,
    ) -> Result<(), WalError> {
        let frame = std::mem::take(&mut self.frame);
        if frame.is_empty() {
            return Ok(());
        }
        let offset = self.wal.write(&frame)?;
        let mut queue = handle.queue.lock();
        for (seq, at, bytes) in moved.drain(..) {
            // It may have gone meanwhile: the journal says so behind this.
            if let Some(place) = queue.place(seq) {
                *place = Place {
                    file: self.wal.file().clone(),
                    offset: offset + at as u64,
                    bytes,
                };
            }
        }
        Ok(())
    }
}

/// What could not be written did not happen.
fn undo(change: Change) {
    match change {
        Change::Put { queue, message, .. } => {
            if let Some(key) = &message.dedup {
                queue.queue.lock().unsent(key);
            }
        }
        Change::Taken(queue, messages) => {
            let mut inner = queue.queue.lock();
            messages.iter().for_each(|(seq, _)| inner.give_back(*seq));
        }
        Change::Gone(queue, messages) => {
            let mut inner = queue.queue.lock();
            for seq in messages {
                inner.turn(seq, State::Ready, 0);
            }
        }
        Change::Moved { from, seq, .. } => from.queue.lock().turn(seq, State::Ready, 0),
        Change::Purged(..) | Change::Dropped(_) | Change::Wiped => {}
    }
}
