//! What a start makes of the journal.

use super::Shared;
use super::queue::{Message, Now, Place, Sent, State};
use super::record::{Input, Put, Record};
use neargate_blob::wal::{Wal, WalError, WalFile};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of the journal, and where it goes on.
#[derive(Debug)]
pub struct Journal {
    /// Oldest first, without the one that is written to.
    pub older: VecDeque<(u64, Arc<WalFile>, u64)>,
    pub number: u64,
    pub wal: Wal,
    pub next_seq: u64,
}

#[derive(Debug)]
pub enum Why {
    Io(io::Error),
    Journal(WalError),
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Why {
        Why::Io(error)
    }
}

impl From<WalError> for Why {
    fn from(error: WalError) -> Why {
        Why::Journal(error)
    }
}

pub fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("journal-{number}"))
}

/// What makes a file's frames its own.
pub fn salt(now: Now, number: u64) -> u64 {
    (now.wall as u64).rotate_left(20) ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Reads the journal in `dir`, and opens it behind its end.
pub fn open(dir: &Path, shared: &Shared) -> Result<Journal, Why> {
    let mut numbers = BTreeMap::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str());
        let number = name.and_then(|n| n.strip_prefix("journal-")?.parse::<u64>().ok());
        if let Some(number) = number {
            numbers.insert(number, path);
        }
    }
    let now = shared.now();
    let mut replay = Replay {
        shared,
        now,
        next_seq: 1,
    };
    let (mut older, mut last) = (VecDeque::new(), None);
    for (number, path) in numbers {
        let wal = Wal::replay(&path, salt(now, number), |file, at, payload| {
            replay.frame(file, at, payload);
        })?;
        if let Some((number, wal)) = last.replace((number, wal)) {
            let wal: Wal = wal;
            older.push_back((number, wal.file().clone(), wal.len_bytes()));
        }
    }
    let next_seq = replay.next_seq;
    let (number, mut wal) = match last {
        Some(last) => last,
        None => (1, Wal::create(&path(dir, 1), salt(now, 1))?),
    };
    wal.hold_ahead();
    File::open(dir)?.sync_all()?;
    Ok(Journal {
        older,
        number,
        wal,
        next_seq,
    })
}

struct Replay<'a> {
    shared: &'a Shared,
    now: Now,
    next_seq: u64,
}

impl Replay<'_> {
    fn frame(&mut self, file: &Arc<WalFile>, at: u64, payload: &[u8]) {
        let mut input = Input::new(payload);
        loop {
            match input.read() {
                Ok(Some((Record::Put(put), (content, bytes)))) => {
                    let place = Place {
                        file: file.clone(),
                        offset: at + content as u64,
                        bytes: bytes as u32,
                    };
                    self.put(put, place);
                }
                Ok(Some((record, _))) => self.apply(record),
                Ok(None) => return,
                Err(_) => {
                    let path = file.path().display();
                    tracing::error!(%path, at, "a part of the messages' journal cannot be read");
                    return;
                }
            }
        }
    }

    /// A time of the wall clock's, as steady time. The clock may have been set since: nobody waits from now on for
    /// longer than he was to wait in all.
    fn steady(&self, at: i64, until: i64) -> i64 {
        until.min(self.now.wall + (until - at).max(0)) - self.now.wall + self.now.steady
    }

    fn put(&mut self, put: Put, place: Place) {
        self.next_seq = self.next_seq.max(put.seq + 1);
        let sent = self.steady(put.sent_at, put.sent_at);
        let handle = self.shared.queue(put.queue, put.fifo);
        let mut queue = handle.queue.lock();
        if let Some(key) = put.dedup {
            let (id, seq) = (put.id, put.seq);
            queue.note_sent(self.now, key, Sent { id, seq, at: sent });
        }
        let until = self.steady(put.sent_at, put.until);
        let state = match (put.taken, until > self.now.steady) {
            (_, false) => State::Ready,
            (true, true) => State::Taken,
            (false, true) => State::Delayed,
        };
        let message = Message {
            id: put.id,
            place,
            sent_at: put.sent_at,
            sent,
            until,
            received: put.received,
            first_received_at: put.first_received_at,
            state,
            group: put.group,
            dedup: put.dedup,
            source: put.source,
        };
        queue.insert(put.seq, message);
    }

    fn apply(&mut self, record: Record) {
        let shared = self.shared;
        match record {
            Record::Put(_) => {}
            Record::Taken {
                queue,
                at,
                until,
                messages,
            } => {
                let until = self.steady(at, until);
                let Some(handle) = shared.existing(queue) else {
                    return;
                };
                let mut queue = handle.queue.lock();
                for (seq, received) in messages {
                    queue.received(seq, received, at);
                    queue.turn(seq, State::Taken, until);
                }
            }
            Record::Until {
                queue,
                at,
                until,
                seq,
            } => {
                let until = self.steady(at, until);
                if let Some(handle) = shared.existing(queue) {
                    handle.queue.lock().turn(seq, State::Taken, until);
                }
            }
            Record::Gone { queue, messages } => {
                let Some(handle) = shared.existing(queue) else {
                    return;
                };
                let mut queue = handle.queue.lock();
                messages.iter().for_each(|seq| drop(queue.remove(*seq)));
            }
            Record::Moved {
                from,
                seq,
                to,
                new_seq,
                fifo,
                source,
                sent_at,
            } => {
                self.next_seq = self.next_seq.max(new_seq + 1);
                let from = shared.existing(from);
                let moved = from.and_then(|from| from.queue.lock().remove(seq));
                if let Some(moved) = moved {
                    let sent = self.steady(sent_at, sent_at);
                    let moved = moved.moved(source, sent_at, sent);
                    let to = shared.queue(to, fifo);
                    to.queue.lock().insert(new_seq, moved);
                }
            }
            Record::Purged { queue, below } => {
                if let Some(handle) = shared.existing(queue) {
                    handle.queue.lock().purge(below);
                }
            }
            Record::Dropped { queue } => {
                shared.queues.write().remove(&queue);
            }
            Record::Seen {
                queue,
                key,
                id,
                seq,
                at,
            } => {
                let at = self.steady(at, at);
                let handle = shared.queue(queue, true);
                let mut queue = handle.queue.lock();
                queue.note_sent(self.now, key, Sent { id, seq, at });
            }
            Record::Next { seq } => self.next_seq = self.next_seq.max(seq),
            Record::Wiped => shared.queues.write().clear(),
        }
    }
}
