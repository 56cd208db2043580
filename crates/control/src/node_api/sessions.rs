//! The nodes whose assignment stream is open: the requests of a node go through the port of its
//! newest stream, and visitors are announced on it.

use super::visits::VISITORS;
use crate::NodePort;
use neargate_domain::link::Visit;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, Session>>);

#[derive(Debug)]
struct Session {
    port: Arc<NodePort>,
    end: CancellationToken,
    /// `None`: the node lets nobody in.
    visits: Option<mpsc::Sender<Visit>>,
    visitors: Arc<Semaphore>,
}

/// Where visitors of a node are announced, and how many more there may be.
#[derive(Debug)]
pub(super) struct Reception {
    pub(super) visits: mpsc::Sender<Visit>,
    pub(super) visitors: Arc<Semaphore>,
}

impl Sessions {
    /// The port of the node's open stream.
    pub(super) fn port(&self, node: &str) -> Option<Arc<NodePort>> {
        self.0.lock().get(node).map(|open| open.port.clone())
    }

    /// # Errors
    /// Why nobody can be let in there, in words.
    pub(super) fn reception(&self, node: &str) -> Result<Reception, String> {
        let all = self.0.lock();
        let open = all.get(node).ok_or_else(|| {
            format!(
                "The container runs on {node}, which is not connected to the control plane now."
            )
        })?;
        let visits = open.visits.clone().ok_or_else(|| {
            format!(
                "The container runs on {node}, whose Neargate is an older one that nobody is let \
                 into containers by."
            )
        })?;
        Ok(Reception {
            visits,
            visitors: open.visitors.clone(),
        })
    }

    /// A stream opens; an older one of the same node, whose end was not noticed yet, is over.
    /// The answer is cancelled when the stream is to end.
    pub(super) fn open(
        &self,
        port: &Arc<NodePort>,
        visits: Option<mpsc::Sender<Visit>>,
    ) -> CancellationToken {
        let end = CancellationToken::new();
        let session = Session {
            port: port.clone(),
            end: end.clone(),
            visits,
            visitors: Arc::new(Semaphore::new(VISITORS as usize)),
        };
        let older = self.0.lock().insert(port.node().to_owned(), session);
        if let Some(older) = older {
            tracing::info!(
                node = port.node(),
                "a newer stream of the node replaces an open one"
            );
            older.end.cancel();
        }
        end
    }

    /// End the node's stream.
    pub(super) fn end(&self, node: &str) {
        if let Some(open) = self.0.lock().remove(node) {
            open.end.cancel();
        }
    }

    /// A stream ended.
    pub(super) fn close(&self, port: &Arc<NodePort>) {
        let mut all = self.0.lock();
        if all
            .get(port.node())
            .is_some_and(|open| Arc::ptr_eq(&open.port, port))
        {
            all.remove(port.node());
        }
    }
}
