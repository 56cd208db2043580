//! The one thread that writes: group commit, lease expiry, compaction, and a smaller file when
//! nothing else is to be done.
//!
//! ```text
//! wait -> take all that waits -> plan in order -> one durable commit -> apply, notify -> answer
//! ```
//!
//! Invariants: nothing is visible, to readers, watchers or callers, before it is durable; a
//! request is answered exactly once. A full disk is survived: requests get
//! [`StoreError::Unavailable`], and the database is opened again and read back before the next
//! write, since what the failed commit left behind is unknown. While little is free, transactions
//! that bring new keys are refused, so that those that end things go on. Any other failure is the
//! end: see [`super::Options::on_death`].

use super::disk::Medium;
use super::queue::{Answer, Queue, Reply, Request};
use super::{Options, open_database, schema};
use crate::mvcc::{Ages, Core, Inner, Plan, Planner, Slice};
use crate::{LeaseId, Revision, StoreError};
use neargate_base::time::Stopwatch;
use redb::Database;
use std::sync::Arc;
use std::time::Duration;

/// Changes forgotten per durable commit while compaction is under way.
const SLICE_CHANGES: usize = 512;
/// How often leases are looked after when nothing else happens.
const LEASE_POLL: Duration = Duration::from_millis(50);
/// The pause between attempts to come back from a full disk.
const RETRY: Duration = Duration::from_millis(200);
/// A file this many times as large as what is in it is worth being made smaller.
const MOSTLY_EMPTY: u64 = 4;
/// Making it smaller moves what is in it, and writes wait meanwhile: not with more than this.
const SHRINK_UP_TO_BYTES: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct Writer {
    core: Arc<Core>,
    queue: Arc<Queue>,
    options: Options,
    medium: Medium,
    disk: Disk,
    ages: Ages,
    compacting: Option<Revision>,
    /// At this revision the file was made as small as it gets.
    shrunk_at: Option<Revision>,
    compact_replies: Vec<(Revision, Reply<()>)>,
}

#[derive(Debug)]
enum Disk {
    Open(Database),
    Full { why: StoreError, since: Stopwatch },
}

/// The writer cannot go on.
#[derive(Debug)]
struct Dead(String);

/// A batch that is decided but not yet durable.
#[derive(Debug, Default)]
struct Batch {
    plan: Plan,
    granted: Vec<(LeaseId, Duration)>,
    slice: Option<Slice>,
    answers: Vec<Answer>,
}

impl Writer {
    pub(super) fn new(
        core: Arc<Core>,
        queue: Arc<Queue>,
        options: Options,
        medium: Medium,
        db: Database,
    ) -> Self {
        let mut ages = Ages::keeping(options.keep.age);
        if let Ok(newest) = core.revision() {
            ages.look(core.clock.now(), newest);
        }
        Writer {
            core,
            queue,
            ages,
            options,
            medium,
            disk: Disk::Open(db),
            compacting: None,
            shrunk_at: None,
            compact_replies: Vec::new(),
        }
    }

    /// Serves until the queue is closed and empty, or the writer dies.
    pub(super) fn run(mut self) {
        let (core, queue, options) = (self.core.clone(), self.queue.clone(), self.options.clone());
        let served = std::panic::AssertUnwindSafe(|| self.serve_all());
        let end = std::panic::catch_unwind(served);
        let why = match end {
            Ok(Ok(())) => return,
            Ok(Err(Dead(why))) => why,
            Err(_panic) => "its writer panicked".to_owned(),
        };
        core.die(StoreError::Unavailable(format!("the store is dead: {why}")));
        queue.abandon();
        tracing::error!(why, "the store's writer died");
        (options.on_death)(&why);
    }

    fn serve_all(&mut self) -> Result<(), Dead> {
        while let Some(requests) = self.queue.next_batch(self.patience()) {
            self.serve(requests)?;
        }
        let ready = Disk::Full {
            why: closed(),
            since: Stopwatch::start(),
        };
        if let Disk::Open(db) = std::mem::replace(&mut self.disk, ready)
            && let Err(e) = db.close()
        {
            tracing::warn!(error = %e, "the store was not closed cleanly; the next open repairs it");
        }
        Ok(())
    }

    /// How long the writer may sleep when nobody asks for anything.
    fn patience(&self) -> Option<Duration> {
        if self.compacting.is_some() && matches!(self.disk, Disk::Open(_)) {
            return Some(Duration::ZERO);
        }
        let look = |inner: &Inner| (inner.leases.next_deadline(), self.may_tidy(inner));
        let (deadline, may_tidy) = self.core.read(look).ok()?;
        let left = deadline.map(|at| at.since(self.core.clock.now()));
        let lease = left.map(|left| left.clamp(Duration::from_millis(1), LEASE_POLL));
        let tidy = may_tidy.then(|| self.ages.step());
        lease.into_iter().chain(tidy).min()
    }

    /// Is there history to forget, or perhaps a file to be made smaller?
    fn may_tidy(&self, inner: &Inner) -> bool {
        matches!(self.disk, Disk::Open(_))
            && (inner.state.has_history() || self.shrunk_at != Some(inner.state.revision()))
    }

    fn serve(&mut self, mut requests: Vec<Request>) -> Result<(), Dead> {
        if let Err(why) = self.reopen_if_needed()? {
            requests.into_iter().for_each(|r| r.fail(&why));
            return Ok(());
        }
        if let Some(Request::Wipe(_)) = requests.last()
            && let Some(Request::Wipe(reply)) = requests.pop()
        {
            return self.wipe(reply);
        }
        let idle = requests.is_empty();
        let Ok(batch) = self.plan(requests) else {
            return Ok(());
        };
        self.commit(batch)?;
        if idle { self.shrink() } else { Ok(()) }
    }

    fn plan(&mut self, requests: Vec<Request>) -> Result<Batch, StoreError> {
        let now = self.core.clock.now();
        let core = self.core.clone();
        let low = requests.iter().any(|r| matches!(r, Request::Txn(..))) && self.medium.is_low();
        let batch = core.read(|inner| {
            let mut batch = Batch::default();
            let mut planner = inner.planner(now);
            let mut last_lease = inner.leases.last_id();
            for request in requests {
                let answer = match request {
                    Request::Txn(txn, reply)
                        if low && !txn.within_reserve && planner.adds_keys(&txn) =>
                    {
                        Answer::Txn(reply, Err(full("little is left")))
                    }
                    Request::Txn(txn, reply) => Answer::Txn(reply, planner.txn(txn)),
                    Request::Revoke(id, reply) => Answer::Done(reply, planner.end_lease(id)),
                    Request::Grant(ttl, reply) => {
                        last_lease += 1;
                        batch.granted.push((last_lease, ttl));
                        Answer::Grant(reply, last_lease)
                    }
                    Request::Compact(upto, reply) => {
                        match self.begin_compaction(&planner, upto, inner.state.compacted(), reply)
                        {
                            Some(answer) => answer,
                            None => continue,
                        }
                    }
                    Request::Wipe(reply) => Answer::Done(reply, Err(closed())),
                };
                batch.answers.push(answer);
            }
            batch.plan = planner.finish();
            let target = self.compacting;
            batch.slice = target.and_then(|t| inner.state.next_slice(t, SLICE_CHANGES));
            batch
        })?;
        core.write(|inner| inner.leases.begin_end(&batch.plan.ended))?;
        Ok(batch)
    }

    /// Either answers a compaction at once, or notes it down to be done in slices.
    fn begin_compaction(
        &mut self,
        planner: &Planner<'_>,
        upto: Revision,
        compacted: Revision,
        reply: Reply<()>,
    ) -> Option<Answer> {
        let now = planner.revision();
        if upto > now {
            return Some(Answer::Done(
                reply,
                Err(StoreError::FutureRev { asked: upto, now }),
            ));
        }
        if upto <= compacted {
            return Some(Answer::Done(reply, Ok(())));
        }
        self.compacting = self.compacting.max(Some(upto));
        self.compact_replies.push((upto, reply));
        None
    }

    fn commit(&mut self, batch: Batch) -> Result<(), Dead> {
        let Batch {
            plan,
            granted,
            slice,
            answers,
        } = batch;
        let work = schema::Work {
            plan: &plan,
            granted: &granted,
            slice: slice.as_ref(),
        };
        if let (Disk::Open(db), false) = (&self.disk, work.is_empty())
            && let Err(e) = schema::write(db, &work)
        {
            return self.failed(&e, answers);
        }
        let now = self.core.clock.now();
        let (compacted, newest, overdue) = self
            .core
            .write(|inner| {
                inner.apply(plan);
                granted
                    .iter()
                    .for_each(|(id, ttl)| inner.leases.add(*id, *ttl, now));
                if let Some(slice) = &slice {
                    inner.compact(slice);
                }
                (
                    inner.state.compacted(),
                    inner.state.revision(),
                    inner.state.overdue(&self.options.keep),
                )
            })
            .map_err(|e| Dead(e.to_string()))?;
        answers.into_iter().for_each(Answer::tell);
        let old = self.ages.look(now, newest);
        self.after_compaction(compacted, overdue.max(old));
        Ok(())
    }

    fn after_compaction(&mut self, compacted: Revision, overdue: Option<Revision>) {
        let is_done = |(upto, _): &mut (Revision, _)| *upto <= compacted;
        for (_, reply) in self.compact_replies.extract_if(.., is_done) {
            let _ = reply.send(Ok(()));
        }
        self.compacting = self
            .compacting
            .max(overdue)
            .filter(|upto| *upto > compacted);
    }

    /// Gives a mostly empty file's space back, once all old history is gone.
    fn shrink(&mut self) -> Result<(), Dead> {
        let Disk::Open(db) = &mut self.disk else {
            return Ok(());
        };
        let look = |inner: &Inner| (inner.state.has_history(), inner.state.revision());
        let Ok((has_history, revision)) = self.core.read(look) else {
            return Ok(());
        };
        if has_history || self.shrunk_at == Some(revision) {
            return Ok(());
        }
        self.shrunk_at = Some(revision);
        let size_bytes = self.medium.size_bytes();
        if size_bytes <= self.options.shrink_above_bytes || self.medium.is_low() {
            return Ok(());
        }
        let live = self.core.read(|inner| inner.state.live_bytes());
        let live_bytes = live.map_or(u64::MAX, |bytes| bytes as u64);
        if live_bytes > SHRINK_UP_TO_BYTES || live_bytes * MOSTLY_EMPTY > size_bytes {
            return Ok(());
        }
        let took = Stopwatch::start();
        match db.compact() {
            Ok(_) => {
                tracing::debug!(
                    from = size_bytes,
                    to = self.medium.size_bytes(),
                    millis = took.elapsed().as_millis(),
                    "the store's file was made smaller"
                );
                Ok(())
            }
            Err(redb::CompactionError::Storage(e)) => self.failed(&e.into(), Vec::new()),
            Err(e) => {
                tracing::warn!(error = %e, "the store's file stays as large as it is");
                Ok(())
            }
        }
    }

    fn wipe(&mut self, reply: Reply<()>) -> Result<(), Dead> {
        let answers = vec![Answer::Done(reply, Ok(()))];
        let revision = self.core.revision().map_err(|e| Dead(e.to_string()))? + 1;
        if let Disk::Open(db) = &self.disk
            && let Err(e) = schema::wipe(db, revision)
        {
            return self.failed(&e, answers);
        }
        let old = self
            .core
            .write(|inner| inner.wipe())
            .map_err(|e| Dead(e.to_string()))?;
        answers.into_iter().for_each(Answer::tell);
        self.after_compaction(revision, None);
        drop(old);
        Ok(())
    }

    /// A commit came to an unknown end.
    fn failed(&mut self, error: &redb::Error, answers: Vec<Answer>) -> Result<(), Dead> {
        let fault = self.medium.take_fault();
        let text = fault
            .as_ref()
            .map_or_else(|| error.to_string(), |f| f.text.clone());
        let only_full = fault.is_some_and(|f| f.only_full);
        let why = if only_full {
            full(&text)
        } else {
            StoreError::Unavailable(text.clone())
        };
        answers.into_iter().for_each(|a| a.fail(&why));
        for (_, reply) in self.compact_replies.drain(..) {
            let _ = reply.send(Err(why.clone()));
        }
        self.compacting = None;
        // Dropping the database writes nothing more: after an error redb's handle is latched.
        self.disk = Disk::Full {
            why,
            since: Stopwatch::start(),
        };
        self.medium.take_fault();
        if only_full {
            tracing::warn!(
                error = text,
                "the disk is full; writes are refused until there is space"
            );
            Ok(())
        } else {
            Err(Dead(text))
        }
    }

    /// After a full disk: opens the database again and takes over what it says. The inner error
    /// is for the requests at hand.
    fn reopen_if_needed(&mut self) -> Result<Result<(), StoreError>, Dead> {
        let Disk::Full { why, since } = &mut self.disk else {
            return Ok(Ok(()));
        };
        if since.elapsed() < RETRY {
            return Ok(Err(why.clone()));
        }
        *since = Stopwatch::start();
        match open_database(&self.medium, self.core.clock.now()) {
            Ok((db, state, leases)) => {
                let caught_up = self.core.write(|inner| inner.catch_up(state, leases));
                caught_up.and_then(|r| r).map_err(|e| Dead(e.to_string()))?;
                self.disk = Disk::Open(db);
                Ok(Ok(()))
            }
            Err(e) => match self.medium.take_fault() {
                Some(fault) if fault.only_full => Ok(Err(why.clone())),
                _ => Err(Dead(e.to_string())),
            },
        }
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store was closed".into())
}

fn full(text: &str) -> StoreError {
    let advice = "free some space, and writes go on by themselves";
    StoreError::Unavailable(format!("the disk is full ({text}); {advice}"))
}
