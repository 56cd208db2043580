//! How handlers see an account and change it.
//!
//! A handler is a function without I/O: it is given one state of the account, and says what is to
//! be written. All that IAM writes is decided one after the other ([`Iam::change`]), so that what
//! a handler found still holds when it is written, also of records that it does not write.

use crate::index::{Account, Record};
use crate::model::id_of;
use crate::{Iam, error};
use neargate_base::{AccountId, Region, Timestamp};
use neargate_service::{AwsError, Committed, Ctx, Scope, Stored, Tx, db};
use neargate_wire::structure::Unit;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

type Reply<O> = Pin<Box<dyn Future<Output = Result<O, AwsError>> + Send>>;

/// One state of the caller's account.
#[derive(Debug)]
pub struct View {
    pub cx: Ctx,
    pub iam: Arc<Iam>,
    account: Arc<Account>,
}

impl Deref for View {
    type Target = Account;
    fn deref(&self) -> &Account {
        &self.account
    }
}

impl View {
    pub fn id(&self) -> &AccountId {
        &self.cx.scope.account
    }

    pub fn now(&self) -> Timestamp {
        self.cx.now()
    }

    /// The key of the record of this account with this name or id.
    pub fn key<T: Record>(&self, name: &str) -> String {
        key::<T>(self.id(), name)
    }
}

/// How long a change waits for the index to follow the store.
const PATIENCE: Duration = Duration::from_secs(10);

/// IAM has one endpoint for all regions, and this is its region.
pub fn global(account: &AccountId) -> Scope {
    Scope {
        account: account.clone(),
        region: Region::default(),
    }
}

/// The key of the account's record with this name or id.
pub fn key<T: Record>(account: &AccountId, name: &str) -> String {
    db::key::<T>(&global(account), &id_of(name))
}

/// A state of the account, and what is to become of it.
#[derive(Debug)]
pub struct Change {
    view: View,
    tx: Option<Tx>,
}

impl Deref for Change {
    type Target = View;
    fn deref(&self) -> &View {
        &self.view
    }
}

impl Change {
    fn with(&mut self, add: impl FnOnce(Tx) -> Tx) {
        let tx = self.tx.take().unwrap_or_else(|| self.view.cx.db().tx());
        self.tx = Some(add(tx));
    }

    /// Writes a record that is not there yet.
    pub fn create<T: Record>(&mut self, record: &T) {
        let key = self.view.key::<T>(&record.id());
        self.with(|tx| tx.create(key, record));
    }

    /// Writes what `change` makes of a record; its id must stay the same.
    pub fn modify<T: Record>(&mut self, stored: &Stored<T>, change: impl FnOnce(&mut T)) {
        let mut value = stored.value.clone();
        change(&mut value);
        self.with(|tx| tx.update(stored, &value));
    }

    /// Gives a record that was read another id.
    pub fn rename<T: Record>(&mut self, stored: &Stored<T>, change: impl FnOnce(&mut T)) {
        let mut value = stored.value.clone();
        change(&mut value);
        if value.id() == stored.value.id() {
            self.with(|tx| tx.update(stored, &value));
        } else {
            let key = self.view.key::<T>(&value.id());
            self.with(|tx| tx.delete(stored).create(key, &value));
        }
    }

    pub fn delete<T: Record>(&mut self, stored: &Stored<T>) {
        self.with(|tx| tx.delete(stored));
    }
}

impl Iam {
    /// The caller's account as it is now.
    pub async fn view(self: &Arc<Self>, cx: Ctx) -> View {
        self.index.at(0).await;
        View {
            account: self.index.account(&cx.scope.account),
            iam: self.clone(),
            cx,
        }
    }

    /// Carries out what `decide` says; answers once the index has it, so that the next call sees
    /// it.
    ///
    /// # Errors
    /// Those of `decide`, and the store's.
    pub async fn change<O>(
        self: &Arc<Self>,
        cx: Ctx,
        decide: impl Fn(&mut Change) -> Result<O, AwsError>,
    ) -> Result<O, AwsError> {
        let _one_by_one = self.writing.lock().await;
        loop {
            self.index.at(0).await;
            let seen = self.index.seen();
            let view = self.view(cx.clone()).await;
            let mut change = Change { view, tx: None };
            let answer = decide(&mut change)?;
            let Some(tx) = change.tx else {
                return Ok(answer);
            };
            match tx.commit().await? {
                Committed::At(revision) => {
                    self.index.at(revision).await;
                    return Ok(answer);
                }
                // The view was older than the store.
                Committed::Conflict => {
                    let newer = timeout(PATIENCE, self.index.behind(seen)).await;
                    newer.map_err(|_| error::service_failure())?;
                }
            }
        }
    }
}

/// A handler that only reads, as the operation table takes it.
pub fn read<I: Send + 'static, O: 'static>(
    handler: fn(&View, I) -> Result<O, AwsError>,
) -> impl Fn(Arc<Iam>, Ctx, I) -> Reply<O> + Send + Sync + 'static {
    move |iam, cx, input| Box::pin(async move { handler(&iam.view(cx).await, input) })
}

/// A handler that writes, as the operation table takes it.
pub fn change<I: Clone + Send + Sync + 'static, O: Send + 'static>(
    handler: fn(&mut Change, I) -> Result<O, AwsError>,
) -> impl Fn(Arc<Iam>, Ctx, I) -> Reply<O> + Send + Sync + 'static {
    move |iam, cx, input| {
        Box::pin(async move { iam.change(cx, |call| handler(call, input.clone())).await })
    }
}

/// The same for an operation that answers nothing.
pub fn act<I: Clone + Send + Sync + 'static>(
    handler: fn(&mut Change, I) -> Result<(), AwsError>,
) -> impl Fn(Arc<Iam>, Ctx, I) -> Reply<Unit> + Send + Sync + 'static {
    move |iam, cx, input| {
        Box::pin(async move {
            iam.change(cx, |call| handler(call, input.clone())).await?;
            Ok(Unit)
        })
    }
}
