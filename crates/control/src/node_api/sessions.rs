//! The nodes whose assignment stream is open: the requests of a node go through the port of its
//! newest stream.

use crate::NodePort;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<String, (Arc<NodePort>, CancellationToken)>>);

impl Sessions {
    /// The port of the node's open stream.
    pub(super) fn port(&self, node: &str) -> Option<Arc<NodePort>> {
        self.0.lock().get(node).map(|(port, _)| port.clone())
    }

    /// A stream opens; an older one of the same node, whose end was not noticed yet, is over.
    /// The answer is cancelled when the stream is to end.
    pub(super) fn open(&self, port: &Arc<NodePort>) -> CancellationToken {
        let end = CancellationToken::new();
        let session = (port.clone(), end.clone());
        let older = self.0.lock().insert(port.node().to_owned(), session);
        if let Some((_, older)) = older {
            tracing::info!(
                node = port.node(),
                "a newer stream of the node replaces an open one"
            );
            older.cancel();
        }
        end
    }

    /// End the node's stream.
    pub(super) fn end(&self, node: &str) {
        if let Some((_, end)) = self.0.lock().remove(node) {
            end.cancel();
        }
    }

    /// A stream ended.
    pub(super) fn close(&self, port: &Arc<NodePort>) {
        let mut open = self.0.lock();
        if open
            .get(port.node())
            .is_some_and(|(p, _)| Arc::ptr_eq(p, port))
        {
            open.remove(port.node());
        }
    }
}
