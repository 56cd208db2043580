//! The engine: messages of all queues, durable in a journal, with what says where they are in memory.
//!
//! One thread writes ([`writer`]): it gathers what waits, writes it as one frame, syncs, and only then is a message
//! seen, a deleted one gone, and the caller answered. Whoever receives takes messages at once, under the queue's
//! lock, and answers when that is written. Contents are never in memory: they are read from the journal when
//! somebody receives them, so that deep queues cost little.
//!
//! The journal is a row of files. The oldest is given up once what is alive in it was written again at the end;
//! that begins when the journal is twice as long as what is alive.
//!
//! It knows no account, no attribute and no AWS error.

mod queue;
mod record;
mod replay;
#[cfg(test)]
mod tests;
mod writer;

pub use queue::{Ask, Counts, Taken, Unfit};
pub use record::{DedupKey, MessageId, QueueId};
pub use writer::Sent;

use neargate_base::Clock;
use neargate_blob::wal::WalError;
use parking_lot::{Mutex, RwLock};
use queue::{Now, OverLimit, State};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};
use writer::{Command, Put, Staged, Writer};

/// How the journal is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// A file of the journal is followed by another when it is longer.
    pub file_bytes: u64,
    /// The journal is not shortened while it is not longer than this.
    pub slack_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            file_bytes: 16 << 20,
            slack_bytes: 64 << 20,
        }
    }
}

/// Why the engine did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    #[error("messages cannot be kept")]
    Journal(#[from] WalError),
    #[error("messages cannot be kept under {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: Arc<io::Error>,
    },
    #[error("the disk is full")]
    Full,
    #[error("the queue was deleted")]
    NoQueue,
    #[error("too many messages of the queue are in flight")]
    OverLimit,
    #[error("the engine of messages has ended")]
    Closed,
}

/// What was counted of a queue since somebody last asked.
#[derive(Debug, Default)]
pub struct Tally {
    pub sent: AtomicU64,
    pub sent_bytes: AtomicU64,
    pub received: AtomicU64,
    pub deleted: AtomicU64,
    pub empty: AtomicU64,
    /// The smallest and the largest message that was sent.
    pub sizes: Mutex<Option<(u64, u64)>>,
}

/// A queue, for whoever works with it.
#[derive(Debug)]
pub struct Handle {
    id: QueueId,
    fifo: bool,
    queue: Mutex<queue::Queue>,
    /// A message can be received that could not before.
    arrived: Notify,
    pub tally: Tally,
}

impl Handle {
    fn new(id: QueueId, fifo: bool) -> Handle {
        Handle {
            id,
            fifo,
            queue: Mutex::new(queue::Queue::new(id, fifo)),
            arrived: Notify::new(),
            tally: Tally::default(),
        }
    }
}

/// A message to send.
#[derive(Debug)]
pub struct New {
    pub id: MessageId,
    pub delay_millis: i64,
    pub group: Option<Arc<str>>,
    pub dedup: Option<DedupKey>,
    pub content: Vec<u8>,
    /// As the caller counts it.
    pub size_bytes: u64,
}

/// What handles and the writer share.
#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    queues: RwLock<HashMap<QueueId, Arc<Handle>>>,
}

impl Shared {
    fn now(&self) -> Now {
        let wall = self.clock.now().as_millis();
        let steady = wall - self.clock.set_by_millis();
        Now { wall, steady }
    }

    /// A queue that something is known of.
    fn existing(&self, id: QueueId) -> Option<Arc<Handle>> {
        self.queues.read().get(&id).cloned()
    }

    fn queue(&self, id: QueueId, fifo: bool) -> Arc<Handle> {
        if let Some(queue) = self.existing(id) {
            return queue;
        }
        let mut queues = self.queues.write();
        let queue = queues
            .entry(id)
            .or_insert_with(|| Arc::new(Handle::new(id, fifo)));
        queue.clone()
    }
}

/// The engine on one directory.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    commands: Option<mpsc::UnboundedSender<Command>>,
    writer: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens `dir`, creating it if needed. Blocks.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Engine>, EngineError> {
        Engine::open_with(dir, clock, Options::default())
    }

    /// [`Engine::open`], otherwise kept.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn open_with(
        dir: &Path,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<Engine>, EngineError> {
        let failed = |source| EngineError::Io {
            path: dir.to_owned(),
            source: Arc::new(source),
        };
        let shared = Arc::new(Shared {
            clock,
            queues: RwLock::default(),
        });
        std::fs::create_dir_all(dir).map_err(failed)?;
        let journal = replay::open(dir, &shared).map_err(|why| match why {
            replay::Why::Io(source) => failed(source),
            replay::Why::Journal(error) => EngineError::Journal(error),
        })?;
        let (commands, receiver) = mpsc::unbounded_channel();
        let writer = Writer::new(dir, options, shared.clone(), journal);
        let thread = std::thread::Builder::new().name("message writer".into());
        let writer = thread.spawn(move || writer.run(receiver)).map_err(failed)?;
        Ok(Arc::new(Engine {
            shared,
            commands: Some(commands),
            writer: Some(writer),
        }))
    }

    /// The queue of this number, which is there from the first time that somebody asks.
    pub fn queue(&self, id: QueueId, fifo: bool) -> Arc<Handle> {
        self.shared.queue(id, fifo)
    }

    /// The numbers of all queues that anything is known of.
    pub fn known(&self) -> Vec<QueueId> {
        self.shared.queues.read().keys().copied().collect()
    }

    fn send_command(&self, command: Command) -> Result<(), EngineError> {
        let commands = self.commands.as_ref().ok_or(EngineError::Closed)?;
        commands.send(command).map_err(|_| EngineError::Closed)
    }

    /// Sends messages; they are durable once it answers, all or none of them.
    ///
    /// # Errors
    /// When they cannot be written.
    pub async fn send(
        &self,
        queue: &Arc<Handle>,
        messages: Vec<New>,
    ) -> Result<Vec<Sent>, EngineError> {
        let (done, answer) = oneshot::channel();
        self.send_command(Command::Send(Put {
            queue: queue.clone(),
            messages,
            done,
        }))?;
        answer.await.map_err(|_| EngineError::Closed)?
    }

    /// Receives messages, and waits for some for as long as `wait`. `dead_letters` is where messages go that were
    /// received too often, and the ARN that they carry from then on.
    ///
    /// # Errors
    /// When that cannot be written, the queue is deleted, or too many are in flight.
    pub async fn receive(
        &self,
        queue: &Arc<Handle>,
        ask: &Ask,
        wait: Duration,
        dead_letters: Option<&(Arc<Handle>, Arc<str>)>,
    ) -> Result<Vec<Taken>, EngineError> {
        let over = tokio::time::sleep(wait);
        tokio::pin!(over);
        loop {
            let arrived = queue.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let Look {
                taken,
                written,
                moved,
                due,
            } = self.look(queue, ask, dead_letters)?;
            if !taken.is_empty() {
                wait_for(written).await?;
                return Ok(taken);
            }
            if moved.is_some() {
                // Those behind the dead ones may be received by now.
                wait_for(moved).await?;
                continue;
            }
            if wait.is_zero() {
                return Ok(Vec::new());
            }
            let due = async {
                match due {
                    Some(due) => tokio::time::sleep(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = &mut over => return Ok(Vec::new()),
                () = arrived => {}
                () = due => {}
            }
        }
    }

    /// One look for messages.
    fn look(
        &self,
        handle: &Arc<Handle>,
        ask: &Ask,
        dead_letters: Option<&(Arc<Handle>, Arc<str>)>,
    ) -> Result<Look, EngineError> {
        let now = self.shared.now();
        let mut queue = handle.queue.lock();
        if queue.gone {
            return Err(EngineError::NoQueue);
        }
        let found = queue.take(now, ask);
        let found = found.map_err(|OverLimit| EngineError::OverLimit)?;
        let (mut written, mut moved) = (None, None);
        if !found.expired.is_empty() {
            drop(self.gone(handle, found.expired, false)?);
        }
        if !found.dead.is_empty() {
            let (to, source) =
                dead_letters.expect("only a queue with a dead-letter queue has dead ones");
            let staged = Staged::Moved {
                from: handle.clone(),
                messages: found.dead,
                to: to.clone(),
                source: Some(source.clone()),
                resent: false,
            };
            moved = Some(self.stage(staged, true)?);
        }
        if !found.taken.is_empty() {
            let staged = Staged::Taken {
                queue: handle.clone(),
                at: now.wall,
                until: now.wall + ask.visibility_millis,
                messages: (found.taken.iter().map(|t| (t.seq, t.message.received))).collect(),
            };
            // What a crash of the machine forgets of this only shows messages of a standard queue again.
            written = Some(self.stage(staged, handle.fifo)?);
            if queue.has_ready() {
                handle.arrived.notify_one();
            }
        }
        let due = queue.next_due().map(|at| at - now.steady);
        let due = due.map(|millis| Duration::from_millis(millis.max(1) as u64));
        Ok(Look {
            taken: found.taken,
            written,
            moved,
            due,
        })
    }

    fn stage(
        &self,
        staged: Staged,
        durable: bool,
    ) -> Result<oneshot::Receiver<Result<(), EngineError>>, EngineError> {
        let (done, answer) = oneshot::channel();
        self.send_command(Command::Stage {
            staged,
            durable,
            done: Some(done),
        })?;
        Ok(answer)
    }

    fn gone(
        &self,
        queue: &Arc<Handle>,
        messages: Vec<u64>,
        durable: bool,
    ) -> Result<oneshot::Receiver<Result<(), EngineError>>, EngineError> {
        let queue = queue.clone();
        self.stage(Staged::Gone { queue, messages }, durable)
    }

    /// Deletes messages by number and count of receives; each with what became of it. They are gone for good once
    /// it answers.
    ///
    /// # Errors
    /// When that cannot be written: they are still there.
    pub async fn delete(
        &self,
        handle: &Arc<Handle>,
        messages: &[(u64, u32)],
    ) -> Result<Vec<Result<(), Unfit>>, EngineError> {
        let now = self.shared.now();
        let (outcome, answer) = {
            let mut queue = handle.queue.lock();
            let one = |(seq, received): &(u64, u32)| queue.leaves(now, *seq, *received);
            let outcome: Vec<_> = messages.iter().map(one).collect();
            let leaving = messages.iter().zip(&outcome);
            let leaving = leaving.filter(|(_, outcome)| outcome.is_ok());
            let leaving: Vec<u64> = leaving.map(|((seq, _), _)| *seq).collect();
            let count = leaving.len() as u64;
            handle.tally.deleted.fetch_add(count, Ordering::Relaxed);
            let answer = match leaving.is_empty() {
                true => None,
                false => Some(self.gone(handle, leaving, true)?),
            };
            (outcome, answer)
        };
        wait_for(answer).await?;
        Ok(outcome)
    }

    /// Gives whoever received messages `millis` from now on; each with what became of it.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn extend(
        &self,
        handle: &Arc<Handle>,
        messages: &[(u64, u32, i64)],
    ) -> Result<Vec<Result<(), Unfit>>, EngineError> {
        let now = self.shared.now();
        let (mut outcome, mut answer) = (Vec::new(), None);
        {
            let mut queue = handle.queue.lock();
            for (seq, received, millis) in messages {
                let extended = queue.extend(now, *seq, *received, *millis);
                if extended.is_ok() {
                    let staged = Staged::Until {
                        queue: handle.id,
                        at: now.wall,
                        until: now.wall + millis,
                        seq: *seq,
                    };
                    answer = Some(self.stage(staged, handle.fifo)?);
                }
                outcome.push(extended);
            }
        }
        // Whoever waits looks again: at what is due now, or at when something is due.
        handle.arrived.notify_one();
        wait_for(answer).await?;
        Ok(outcome)
    }

    /// Forgets all messages of a queue that were sent so far.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn purge(&self, queue: &Arc<Handle>) -> Result<(), EngineError> {
        let queue = queue.clone();
        wait_for(Some(self.stage(Staged::Purged { queue }, true)?)).await
    }

    /// Forgets a queue.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn drop_queue(&self, id: QueueId) -> Result<(), EngineError> {
        let queue = self.shared.queue(id, false);
        wait_for(Some(self.stage(Staged::Dropped { queue }, true)?)).await
    }

    /// Moves up to `max` messages that can be received to other queues, as `to` says by the queue that each comes
    /// from. Answers how many: 0, when there are none that can be moved.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn redrive(
        &self,
        from: &Arc<Handle>,
        max: usize,
        to: impl Fn(Option<&str>) -> Option<Arc<Handle>>,
    ) -> Result<usize, EngineError> {
        let now = self.shared.now();
        let mut answers = Vec::new();
        let mut moved = 0;
        {
            let mut queue = from.queue.lock();
            queue.due(now);
            let ready = queue.messages().filter(|(_, m)| m.state == State::Ready);
            let ready: Vec<_> = ready
                .filter_map(|(seq, m)| Some((seq, to(m.source.as_deref())?)))
                .take(max)
                .collect();
            for (seq, to) in ready {
                queue.turn(seq, State::Leaving, 0);
                moved += 1;
                let staged = Staged::Moved {
                    from: from.clone(),
                    messages: vec![seq],
                    to,
                    source: None,
                    resent: true,
                };
                answers.push(self.stage(staged, true)?);
            }
        }
        for answer in answers {
            wait_for(Some(answer)).await?;
        }
        Ok(moved)
    }

    /// Forgets messages that are older than their queue keeps them.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn expire(
        &self,
        handle: &Arc<Handle>,
        retention_millis: i64,
    ) -> Result<(), EngineError> {
        let answer = {
            let mut queue = handle.queue.lock();
            let old = queue.expire(self.shared.now(), retention_millis);
            match old.is_empty() {
                true => None,
                false => Some(self.gone(handle, old, true)?),
            }
        };
        wait_for(answer).await
    }

    pub fn counts(&self, handle: &Handle) -> Counts {
        handle.queue.lock().counts(self.shared.now())
    }

    /// The age of the oldest message.
    pub fn oldest(&self, handle: &Handle) -> Duration {
        let millis = handle.queue.lock().oldest_millis(self.shared.now());
        Duration::from_millis(millis.max(0) as u64)
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// When that cannot be written.
    pub async fn wipe(&self) -> Result<(), EngineError> {
        wait_for(Some(self.stage(Staged::Wiped, true)?)).await
    }
}

/// What a look found.
struct Look {
    taken: Vec<Taken>,
    /// That it was taken.
    written: Answer,
    /// That dead letters are where they go.
    moved: Answer,
    /// After this, a further message may be there.
    due: Option<Duration>,
}

type Answer = Option<oneshot::Receiver<Result<(), EngineError>>>;

async fn wait_for(answer: Answer) -> Result<(), EngineError> {
    match answer {
        Some(answer) => answer.await.map_err(|_| EngineError::Closed)?,
        None => Ok(()),
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.commands = None;
        if let Some(writer) = self.writer.take() {
            // It ends once it has written what it was given.
            let _ = writer.join();
        }
    }
}
