//! Typed resources over the store: keys, schema versions, optimistic transactions.

use crate::ctx::Scope;
use crate::error::AwsError;
use bytes::Bytes;
use neargate_store::{Compare, Entry, MAX_PAGE, Op, Revision, Store, StoreError, Txn, TxnOutcome};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A stored noun. Its key is `KIND/account/region/id`.
pub trait Resource: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// `service/kind`, such as `ecs/task`.
    const KIND: &'static str;
    /// Raised when the stored form changes; [`Resource::upgrade`] reads older ones.
    const VERSION: u32 = 1;

    /// Turn the stored form of `version` (older than [`Resource::VERSION`]) into today's.
    fn upgrade(version: u32, value: serde_json::Value) -> Result<serde_json::Value, String> {
        let _ = value;
        Err(format!("{} has no stored version {version}", Self::KIND))
    }
}

#[derive(Serialize)]
struct EnvelopeRef<'a, T> {
    v: u32,
    r: &'a T,
}

#[derive(Deserialize)]
struct Envelope {
    v: u32,
    r: Box<serde_json::value::RawValue>,
}

/// A resource as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    pub key: String,
    /// The store's `mod_revision`: what an update must still find.
    pub revision: Revision,
    pub value: T,
}

impl<T> Stored<T> {
    /// The last part of its key.
    pub fn id(&self) -> &str {
        self.key.rsplit('/').next().unwrap_or_default()
    }
}

impl<T> std::ops::Deref for Stored<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// Did the transaction happen?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    At(Revision),
    /// Somebody else was first: read and decide again.
    Conflict,
}

/// The key of `T` named `id` in `scope`.
pub fn key<T: Resource>(scope: &Scope, id: &str) -> String {
    format!("{}{id}", prefix::<T>(scope))
}

/// The prefix of every `T` in `scope`.
pub fn prefix<T: Resource>(scope: &Scope) -> String {
    format!("{}/{}/{}/", T::KIND, scope.account, scope.region)
}

/// Carries out what `decide` says, which answers the transaction and what the caller is told. When
/// somebody else was first, it is asked again.
///
/// # Errors
/// Those of `decide`, and the store's.
pub async fn settle<T, F>(decide: impl Fn() -> F) -> Result<T, AwsError>
where
    F: Future<Output = Result<(Tx, T), AwsError>>,
{
    loop {
        let (tx, answer) = decide().await?;
        if let Committed::At(_) = tx.commit().await? {
            return Ok(answer);
        }
    }
}

/// Typed access to the store.
#[derive(Debug, Clone)]
pub struct Db {
    store: Arc<dyn Store>,
}

impl Db {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Db { store }
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub async fn get<T: Resource>(
        &self,
        scope: &Scope,
        id: &str,
    ) -> Result<Option<Stored<T>>, AwsError> {
        self.get_key(&key::<T>(scope, id)).await
    }

    pub async fn get_key<T: Resource>(&self, key: &str) -> Result<Option<Stored<T>>, AwsError> {
        let entry = self.store.get(key).await?;
        entry.map(|e| decode(&e)).transpose()
    }

    /// Every `T` of the scope, in key order.
    pub async fn list<T: Resource>(&self, scope: &Scope) -> Result<Vec<Stored<T>>, AwsError> {
        self.list_prefix(&prefix::<T>(scope)).await
    }

    /// Every `T` whose key starts with `prefix`, from one snapshot, in key order.
    pub async fn list_prefix<T: Resource>(&self, prefix: &str) -> Result<Vec<Stored<T>>, AwsError> {
        let mut all = Vec::new();
        let mut at = None;
        let mut after: Option<String> = None;
        loop {
            let page = self
                .store
                .range(prefix, after.as_deref(), MAX_PAGE, at)
                .await?;
            for entry in &page.entries {
                all.push(decode(entry)?);
            }
            match page.entries.last() {
                Some(last) if page.more => after = Some(last.key.clone()),
                _ => return Ok(all),
            }
            at = Some(page.revision);
        }
    }

    pub fn tx(&self) -> Tx {
        Tx {
            store: self.store.clone(),
            txn: Txn::default(),
        }
    }

    /// Read, change and write one resource until no one else interferes. `change` decides: it
    /// answers whether the value is to be written, or the error to give up with. `None` when
    /// the resource does not exist.
    pub async fn modify<T, F>(
        &self,
        key: &str,
        mut change: F,
    ) -> Result<Option<Stored<T>>, AwsError>
    where
        T: Resource,
        F: FnMut(&mut T) -> Result<bool, AwsError>,
    {
        loop {
            let Some(mut stored) = self.get_key::<T>(key).await? else {
                return Ok(None);
            };
            if !change(&mut stored.value)? {
                return Ok(Some(stored));
            }
            let tx = self.tx().update(&stored, &stored.value);
            if let Committed::At(revision) = tx.commit().await? {
                return Ok(Some(Stored { revision, ..stored }));
            }
        }
    }
}

/// Read a resource from a store entry: also for watchers.
pub fn decode<T: Resource>(entry: &Entry) -> Result<Stored<T>, AwsError> {
    let corrupt =
        |why: String| AwsError::from(StoreError::Corrupt(format!("{}: {why}", entry.key)));
    let envelope: Envelope =
        serde_json::from_slice(&entry.value).map_err(|e| corrupt(e.to_string()))?;
    let value = if envelope.v == T::VERSION {
        serde_json::from_str(envelope.r.get())
    } else {
        let old = serde_json::from_str(envelope.r.get()).map_err(|e| corrupt(e.to_string()))?;
        let new = T::upgrade(envelope.v, old).map_err(corrupt)?;
        serde_json::from_value(new)
    };
    let value = value.map_err(|e| corrupt(e.to_string()))?;
    Ok(Stored {
        key: entry.key.clone(),
        revision: entry.mod_revision,
        value,
    })
}

pub(crate) fn encode<T: Resource>(value: &T) -> Bytes {
    let bytes = serde_json::to_vec(&EnvelopeRef {
        v: T::VERSION,
        r: value,
    });
    bytes.expect("resources have string keys only").into()
}

/// One atomic change of several resources.
#[derive(Debug)]
#[must_use]
pub struct Tx {
    store: Arc<dyn Store>,
    txn: Txn,
}

impl Tx {
    /// It may add keys where little of the disk is left: for what ends things, such as a reset.
    pub fn within_reserve(mut self) -> Self {
        self.txn.within_reserve = true;
        self
    }

    /// Write a resource that must not exist yet.
    pub fn create<T: Resource>(mut self, key: String, value: &T) -> Self {
        self.txn.compares.push(Compare::ModRevision(key.clone(), 0));
        self.txn.ops.push(Op::Put {
            key,
            value: encode(value),
            lease: None,
        });
        self
    }

    /// Overwrite a resource that must still be as it was read.
    pub fn update<T: Resource>(mut self, read: &Stored<T>, value: &T) -> Self {
        self.txn
            .compares
            .push(Compare::ModRevision(read.key.clone(), read.revision));
        self.txn.ops.push(Op::Put {
            key: read.key.clone(),
            value: encode(value),
            lease: None,
        });
        self
    }

    /// Write a resource, whatever it was.
    pub fn put<T: Resource>(mut self, key: String, value: &T) -> Self {
        self.txn.ops.push(Op::Put {
            key,
            value: encode(value),
            lease: None,
        });
        self
    }

    /// Delete a resource that must still be as it was read.
    pub fn delete<T>(mut self, read: &Stored<T>) -> Self {
        self.txn
            .compares
            .push(Compare::ModRevision(read.key.clone(), read.revision));
        self.txn.ops.push(Op::Delete {
            key: read.key.clone(),
        });
        self
    }

    /// Delete whatever is at `key`, if anything.
    pub fn delete_key(mut self, key: String) -> Self {
        self.txn.ops.push(Op::Delete { key });
        self
    }

    /// Ask that something read, but not written here, has not changed.
    pub fn unchanged<T>(mut self, read: &Stored<T>) -> Self {
        self.txn
            .compares
            .push(Compare::ModRevision(read.key.clone(), read.revision));
        self
    }

    /// Preconditions and changes another module prepared.
    pub fn with(mut self, compares: Vec<Compare>, ops: Vec<Op>) -> Self {
        self.txn.compares.extend(compares);
        self.txn.ops.extend(ops);
        self
    }

    pub async fn commit(self) -> Result<Committed, AwsError> {
        match self.store.txn(self.txn).await? {
            TxnOutcome::Committed(revision) => Ok(Committed::At(revision)),
            TxnOutcome::Conflict(_) => Ok(Committed::Conflict),
        }
    }
}
