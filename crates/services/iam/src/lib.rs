//! AWS Identity and Access Management: who there is in an account, and what each may do.
//!
//! It keeps identities and policies, and answers what others ask of them from memory
//! ([`identities`]); it decides on no call itself.

mod api;
mod aws;
mod call;
mod document;
mod error;
mod identities;
mod index;
mod linked_use;
mod model;
mod name;
mod page;
mod password;
mod place;
mod qr;
mod ssh_key;
mod table;
#[cfg(test)]
mod tests;
mod totp;
mod uses;

use async_trait::async_trait;
use identities::Known;
use index::Index;
use neargate_service::{Background, Component, Service};
use std::sync::Arc;
use uses::Uses;

/// What IAM's handlers share.
#[derive(Debug, Default)]
pub struct Iam {
    index: Arc<Index>,
    uses: Arc<Uses>,
    /// Whoever holds it writes; see [`call`].
    writing: tokio::sync::Mutex<()>,
}

#[async_trait]
impl Component for Iam {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table::table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house();
        let known = Known::new(self.index.clone(), self.uses.clone(), house);
        house.identities.take(Arc::new(known));
        let (db, rng) = (house.db.clone(), house.rng.clone());
        let uses = uses::write(self.uses.clone(), db.clone());
        background.spawn("iam-index", index::follow(self.index.clone(), db, rng));
        background.spawn("iam-uses", uses);
    }

    /// Without the index no key is known.
    async fn ready(&self) {
        self.index.at(0).await;
    }
}
