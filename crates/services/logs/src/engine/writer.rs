//! The one thread that changes anything: group commit, then sealing.
//!
//! Commands are taken in order of arrival and gathered into one frame of the write-ahead log;
//! only after its fsync are they applied (readers see durable events only) and answered. A
//! command that depends on one still gathered (the same new stream, the same source) first ends
//! the frame, so that every decision is made on applied state.

use super::Options;
use super::catalog::Head;
use super::error::EngineError;
use super::group::Groups;
use super::op::{Append, Event, Op, StreamId};
use super::segment::Segment;
use super::wal::Wal;
use neargate_base::{Clock, DiskSpace, Timestamp};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

/// A frame is written once this much is gathered.
const FRAME_BYTES: usize = 4 << 20;

pub(super) type Done<T> = oneshot::Sender<Result<T, EngineError>>;

/// What became of an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable now.
    Stored,
    /// The source had stored this offset, or a later one, before: nothing was done.
    AlreadyStored,
    /// The source has stored up to this offset, which is not where the events begin: storing
    /// them would repeat or leave out some. Nothing was done.
    Elsewhere(u64),
}

#[derive(Debug)]
pub(super) struct AppendRequest {
    pub group: Arc<str>,
    pub stream: Arc<str>,
    pub create: bool,
    pub source: Option<(String, u64)>,
    /// Where the events begin in the source, if that is to be checked.
    pub start: Option<u64>,
    pub events: Vec<Event>,
}

#[derive(Debug)]
pub(super) enum Command {
    Append(AppendRequest, OwnedSemaphorePermit, Done<Outcome>),
    /// Answers whether the stream is new.
    CreateStream {
        group: Arc<str>,
        stream: Arc<str>,
        done: Done<bool>,
    },
    /// Answers whether there was such a stream.
    DeleteStream {
        group: Arc<str>,
        stream: Arc<str>,
        done: Done<bool>,
    },
    DeleteGroup {
        group: Arc<str>,
        done: Done<()>,
    },
    Expire {
        group: Arc<str>,
        before: Timestamp,
        done: Done<()>,
    },
    Wipe {
        done: Done<()>,
    },
    /// Seal everything now.
    Seal {
        done: Done<()>,
    },
}

type Answer = Box<dyn FnOnce(Result<(), EngineError>) + Send>;

/// Owned by the writer thread.
pub(super) struct Writer {
    pub dir: PathBuf,
    pub segments_dir: PathBuf,
    pub options: Options,
    pub clock: Arc<dyn Clock>,
    pub groups: Arc<Groups>,
    pub head: Head,
    pub wal: Wal,
    /// Gathered for the next frame, with who waits for it.
    pub staged: Vec<Op>,
    pub staged_bytes: usize,
    pub answers: Vec<Answer>,
    /// Streams made, and sources moved, by what is gathered.
    pub touched: HashSet<(Arc<str>, Arc<str>)>,
    /// After a failed seal: try again once memory has grown to this.
    pub seal_again_at: usize,
}

impl Writer {
    /// Runs until every handle is gone.
    pub(super) fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(first) = commands.blocking_recv() {
            self.stage(first);
            while self.staged_bytes < FRAME_BYTES {
                let Ok(command) = commands.try_recv() else {
                    break;
                };
                self.stage(command);
            }
            self.commit();
            self.seal_if_due();
        }
    }

    fn stage(&mut self, command: Command) {
        match command {
            Command::Append(request, permit, done) => self.stage_append(request, permit, done),
            Command::CreateStream {
                group,
                stream,
                done,
            } => self.stage_create(group, stream, done),
            Command::DeleteStream {
                group,
                stream,
                done,
            } => {
                self.commit();
                match self.groups.stream_id(&group, &stream) {
                    Some(id) => self.alone(Op::DeleteStream { group, id }, done, true),
                    None => answer(done, Ok(false)),
                }
            }
            Command::DeleteGroup { group, done } => {
                self.commit();
                match self.groups.get(&group) {
                    Some(_) => self.alone(Op::DeleteGroup { group }, done, ()),
                    None => answer(done, Ok(())),
                }
            }
            Command::Expire {
                group,
                before,
                done,
            } => {
                self.commit();
                match self.groups.get(&group) {
                    Some(_) => self.alone(Op::Expire { group, before }, done, ()),
                    None => answer(done, Ok(())),
                }
            }
            Command::Wipe { done } => {
                self.commit();
                if self.groups.all().is_empty() {
                    answer(done, Ok(()))
                } else {
                    self.alone(Op::Wipe, done, ())
                }
            }
            Command::Seal { done } => {
                self.commit();
                let sealed = self.seal(1, 1);
                answer(done, sealed);
            }
        }
    }

    /// Commit an operation in a frame of its own.
    fn alone<T: Send + 'static>(&mut self, op: Op, done: Done<T>, value: T) {
        self.push(op, 64);
        self.answers
            .push(Box::new(move |r| answer(done, r.map(|()| value))));
        self.commit();
    }

    fn stage_create(&mut self, group: Arc<str>, stream: Arc<str>, done: Done<bool>) {
        self.settle(&group, &stream);
        if self.groups.stream_id(&group, &stream).is_some() {
            return answer(done, Ok(false));
        }
        self.create(&group, &stream);
        self.answers
            .push(Box::new(move |r| answer(done, r.map(|()| true))));
    }

    fn create(&mut self, group: &Arc<str>, stream: &Arc<str>) -> StreamId {
        let id = self.head.next_stream;
        self.head.next_stream += 1;
        self.touched.insert((group.clone(), stream.clone()));
        let (group, name, created) = (group.clone(), stream.clone(), self.clock.now());
        self.push(
            Op::CreateStream {
                group,
                id,
                name,
                created,
            },
            256,
        );
        id
    }

    fn stage_append(
        &mut self,
        request: AppendRequest,
        permit: OwnedSemaphorePermit,
        done: Done<Outcome>,
    ) {
        self.settle(&request.group, &request.stream);
        let known = self.groups.stream_id(&request.group, &request.stream);
        if let (Some(id), Some((source, end))) = (known, &request.source) {
            if let Some(stored) = self.offset(&request.group, id, source) {
                if stored >= *end {
                    return answer(done, Ok(Outcome::AlreadyStored));
                }
                if request.start.is_some_and(|start| start != stored) {
                    return answer(done, Ok(Outcome::Elsewhere(stored)));
                }
            }
            self.touched
                .insert((request.group.clone(), request.stream.clone()));
        }
        if self.groups.recent_bytes.load(Ordering::Relaxed)
            > self.options.recent_bytes.saturating_mul(8)
        {
            return answer(
                done,
                Err(EngineError::Stopped("memory is full and sealing fails")),
            );
        }
        // Events are the part of the disk's content that grows by itself: they leave the reserve.
        let bytes: usize = request.events.iter().map(|e| e.message.len()).sum();
        if DiskSpace::at(&self.dir).is_ok_and(|space| !space.takes(bytes as u64)) {
            let full = EngineError::io("store more events in", &self.dir);
            return answer(done, Err(full(std::io::ErrorKind::StorageFull.into())));
        }
        let stream = match known {
            Some(id) => id,
            None if request.create => self.create(&request.group, &request.stream),
            None => return answer(done, Err(EngineError::NoStream)),
        };
        let first_ordinal = self.head.next_ordinal;
        self.head.next_ordinal += request.events.len() as u64;
        let events = request
            .events
            .into_iter()
            .map(|e| (e.timestamp, e.message.into()))
            .collect();
        let (group, source, ingested) = (request.group, request.source, self.clock.now());
        let append = Append {
            group,
            stream,
            ingested,
            first_ordinal,
            source,
            events,
        };
        let bytes = append.bytes();
        self.push(Op::Append(append), bytes);
        self.answers.push(Box::new(move |r| {
            drop(permit);
            answer(done, r.map(|()| Outcome::Stored));
        }));
    }

    fn offset(&self, group: &str, stream: StreamId, source: &str) -> Option<u64> {
        self.groups
            .get(group)?
            .state
            .read()
            .streams
            .get(&stream)?
            .offset(source)
    }

    /// Commit first if something gathered decides what this stream is.
    fn settle(&mut self, group: &Arc<str>, stream: &Arc<str>) {
        if self.touched.contains(&(group.clone(), stream.clone())) {
            self.commit();
        }
    }

    fn push(&mut self, op: Op, bytes: usize) {
        self.staged.push(op);
        self.staged_bytes += bytes;
    }

    /// Make what is gathered durable, then visible, then answer.
    fn commit(&mut self) {
        self.touched.clear();
        self.staged_bytes = 0;
        let ops = std::mem::take(&mut self.staged);
        let answers = std::mem::take(&mut self.answers);
        if ops.is_empty() {
            return;
        }
        let mut frame = Vec::new();
        ops.iter().for_each(|op| op.put(&mut frame));
        let written = self.wal.append(&frame);
        let mut dropped = Vec::new();
        match &written {
            Ok(()) => dropped.extend(ops.into_iter().flat_map(|op| self.groups.apply(op))),
            Err(e) => tracing::error!(
                error = %e,
                cause = ?std::error::Error::source(e),
                "log events could not be stored"
            ),
        }
        answers.into_iter().for_each(|a| a(written.clone()));
        // Nobody waits for the files to go: a start removes what is left of them.
        remove_segments(&self.segments_dir, dropped);
    }

    fn seal_if_due(&mut self) {
        let recent = self.groups.recent_bytes.load(Ordering::Relaxed);
        let long = self.wal.len_bytes() > self.options.wal_bytes;
        if !(long || recent > self.options.recent_bytes) || recent < self.seal_again_at {
            return;
        }
        self.seal_again_at = 0;
        // Three quarters of memory, largest groups first: small groups ride along in the log
        // instead of becoming tiny files.
        if let Err(e) = self.seal(3, 4) {
            tracing::error!(error = %e, cause = ?std::error::Error::source(&e), "log events could not be sealed");
            self.seal_again_at = recent + self.options.recent_bytes / 2;
        }
    }
}

/// Whoever asked may be gone; that changes nothing.
fn answer<T>(done: Done<T>, value: Result<T, EngineError>) {
    let _ = done.send(value);
}

pub(super) fn remove_segments(dir: &Path, numbers: Vec<u64>) {
    for number in numbers {
        let path = Segment::path(dir, number);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), error = %e, "a dropped segment could not be removed");
            }
            _ => {}
        }
    }
}
