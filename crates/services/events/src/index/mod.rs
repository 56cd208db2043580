//! Rules and archives in memory, bus by bus, fed by watching the store ([`follow`]): which events are wanted
//! is asked of it by everybody, and which rules an event matches by the controller of events.
//!
//! It is behind the store by a moment; whoever must see a write waits for its revision with [`Index::at`].

mod follow;
mod lookup;

pub use follow::follow;
pub use lookup::{Compiled, Lookup};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use neargate_service::Scope;
use neargate_service::events::{DEFAULT_BUS, Wants};
use neargate_store::Revision;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A bus: account, region and name.
pub type BusKey = (Scope, String);

/// See the module.
#[derive(Debug)]
pub struct Index {
    buses: RwLock<HashMap<BusKey, Arc<Lookup>>>,
    /// Everything up to this revision is in `buses`; `None` before the first listing.
    seen: watch::Sender<Option<Revision>>,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            buses: RwLock::default(),
            seen: watch::Sender::new(None),
        }
    }
}

impl Index {
    /// Waits until everything up to `revision` is in.
    pub async fn at(&self, revision: Revision) {
        let mut seen = self.seen.subscribe();
        // The sender lives as long as `self`.
        let _ = seen
            .wait_for(|seen| seen.is_some_and(|seen| seen >= revision))
            .await;
    }

    /// The bus as it is now; one without rules is empty.
    pub fn bus(&self, scope: &Scope, bus: &str) -> Arc<Lookup> {
        let key = (scope.clone(), bus.to_owned());
        self.buses.read().get(&key).cloned().unwrap_or_default()
    }
}

impl Wants for Index {
    fn wants(&self, scope: &Scope, source: &str, detail_type: &str) -> bool {
        let bus = self.bus(scope, DEFAULT_BUS);
        bus.may_match(source, detail_type)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        self.at(0).boxed()
    }
}
