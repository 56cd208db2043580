//! IAM's records in memory, account by account, fed by watching the store ([`follow`]).
//!
//! An [`Account`] that was taken out never changes: a call sees one state of its account, whatever
//! is written meanwhile. The index is behind the store by a moment; whoever must see a write waits
//! for its revision with [`Index::at`].

mod account;
mod follow;
mod shelf;

pub use account::{Account, Record};
pub use follow::follow;
pub use shelf::Shelf;

use neargate_base::AccountId;
use neargate_store::Revision;
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// See the module.
#[derive(Debug)]
pub struct Index {
    accounts: RwLock<BTreeMap<AccountId, Arc<Account>>>,
    /// Everything up to this revision is in `accounts`; `None` before the first listing.
    seen: watch::Sender<Option<Revision>>,
}

impl Default for Index {
    fn default() -> Self {
        Index {
            accounts: RwLock::default(),
            seen: watch::Sender::new(None),
        }
    }
}

impl Index {
    /// Waits until everything up to `revision` is in.
    pub async fn at(&self, revision: Revision) {
        self.wait(|seen| seen >= revision).await;
    }

    /// Waits until something behind `revision` is in.
    pub async fn behind(&self, revision: Revision) {
        self.wait(|seen| seen > revision).await;
    }

    async fn wait(&self, enough: impl Fn(Revision) -> bool) {
        let mut seen = self.seen.subscribe();
        // The sender lives as long as `self`.
        let _ = seen.wait_for(|seen| seen.is_some_and(&enough)).await;
    }

    /// How far the index is.
    pub fn seen(&self) -> Revision {
        self.seen.borrow().unwrap_or_default()
    }

    /// The account as it is now; one of which nothing is known is empty.
    pub fn account(&self, id: &AccountId) -> Arc<Account> {
        let accounts = self.accounts.read();
        accounts.get(id).cloned().unwrap_or_default()
    }

    /// Every account of which something is known.
    pub fn accounts(&self) -> Vec<(AccountId, Arc<Account>)> {
        let accounts = self.accounts.read();
        accounts
            .iter()
            .map(|(id, a)| (id.clone(), a.clone()))
            .collect()
    }
}
