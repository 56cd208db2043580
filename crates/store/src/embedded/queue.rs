//! What waits for the writer, and how an answer goes back.

use crate::mvcc::limits;
use crate::{LeaseId, Revision, StoreError, Txn, TxnOutcome};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::oneshot;

/// The most that one durable commit takes in.
const MAX_BATCH: usize = 1_024;
const MAX_BATCH_BYTES: usize = 16 << 20;

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
pub(super) enum Request {
    Txn(Txn, Reply<TxnOutcome>),
    Grant(Duration, Reply<LeaseId>),
    Revoke(LeaseId, Reply<()>),
    Compact(Revision, Reply<()>),
    /// Always alone in its batch.
    Wipe(Reply<()>),
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    requests: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    /// Hands a request over; after [`Self::close`] it is dropped, and its reply with it.
    pub(super) fn push(&self, request: Request) {
        let mut waiting = self.waiting.lock();
        if !waiting.closed {
            waiting.requests.push_back(request);
            self.arrived.notify_one();
        }
    }

    /// What has come in is still served; nothing new is taken.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Drops everything that waits.
    pub(super) fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.requests.clear();
    }

    /// The next batch, in order; empty when none came within `patience` (`None`: forever).
    /// `None` once closed and empty.
    pub(super) fn next_batch(&self, patience: Option<Duration>) -> Option<Vec<Request>> {
        let mut waiting = self.waiting.lock();
        if waiting.requests.is_empty() && !waiting.closed {
            match patience {
                Some(patience) => drop(self.arrived.wait_for(&mut waiting, patience)),
                None => self
                    .arrived
                    .wait_while(&mut waiting, |w| w.requests.is_empty() && !w.closed),
            }
        }
        if waiting.requests.is_empty() && waiting.closed {
            return None;
        }
        Some(take(&mut waiting.requests))
    }
}

fn take(requests: &mut VecDeque<Request>) -> Vec<Request> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
        let alone = matches!(requests.front(), Some(Request::Wipe(_)));
        if alone && !batch.is_empty() {
            break;
        }
        let Some(request) = requests.pop_front() else {
            break;
        };
        if let Request::Txn(txn, _) = &request {
            bytes += limits::size_bytes(txn);
        }
        batch.push(request);
        if alone {
            break;
        }
    }
    batch
}

/// An outcome that may be told once the batch is durable.
#[derive(Debug)]
pub(super) enum Answer {
    Txn(Reply<TxnOutcome>, Result<TxnOutcome, StoreError>),
    Grant(Reply<LeaseId>, LeaseId),
    Done(Reply<()>, Result<(), StoreError>),
}

impl Answer {
    /// A caller that has gone away misses its answer; what it asked for has happened.
    pub(super) fn tell(self) {
        match self {
            Answer::Txn(reply, outcome) => drop(reply.send(outcome)),
            Answer::Grant(reply, id) => drop(reply.send(Ok(id))),
            Answer::Done(reply, outcome) => drop(reply.send(outcome)),
        }
    }

    pub(super) fn fail(self, why: &StoreError) {
        match self {
            Answer::Txn(reply, _) => drop(reply.send(Err(why.clone()))),
            Answer::Grant(reply, _) => drop(reply.send(Err(why.clone()))),
            Answer::Done(reply, _) => drop(reply.send(Err(why.clone()))),
        }
    }
}

impl Request {
    pub(super) fn fail(self, why: &StoreError) {
        match self {
            Request::Txn(_, reply) => drop(reply.send(Err(why.clone()))),
            Request::Grant(_, reply) => drop(reply.send(Err(why.clone()))),
            Request::Revoke(_, reply) | Request::Compact(_, reply) | Request::Wipe(reply) => {
                drop(reply.send(Err(why.clone())));
            }
        }
    }
}
