//! A client that knows what the store may say after a power cut.

use bytes::Bytes;
use neargate_base::Rng;
use neargate_store::{Compare, Entry, Op, Revision, Store, StoreError, Txn, TxnOutcome};
use std::collections::BTreeMap;

/// The keys of one client are `c/<id>/seq`, and pairs `c/<id>/{x,y}/<slot>` that are always
/// written together. Each transaction raises `seq` by one.
#[derive(Debug, Clone)]
pub struct Client {
    pub id: usize,
    /// The state after the last acknowledged transaction, ...
    certain: Model,
    /// ... and after the one whose outcome is unknown.
    in_doubt: Option<Model>,
    pub acknowledged: u64,
    pub last_revision: Revision,
    /// How many of the unknown ones turned out to have happened.
    pub surprises: u64,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    seq: u64,
    pairs: BTreeMap<u64, u64>,
}

impl Client {
    pub fn new(id: usize) -> Self {
        let certain = Model::default();
        Client {
            id,
            certain,
            in_doubt: None,
            acknowledged: 0,
            last_revision: 0,
            surprises: 0,
        }
    }

    fn key(&self, kind: &str, slot: u64) -> String {
        format!("c/{}/{kind}/{slot:02}", self.id)
    }

    /// Writes until the store is gone; an error is a broken promise.
    pub async fn write(&mut self, store: &dyn Store, rng: &Rng) -> Result<(), String> {
        loop {
            let seq_key = self.key("seq", 0);
            let Ok(seq) = store.get(&seq_key).await else {
                return Ok(());
            };
            let mut next = self.certain.clone();
            next.seq += 1;
            let slot = rng.below(12);
            let mut ops = vec![put(&seq_key, next.seq, 0)];
            if rng.below(3) == 0 {
                next.pairs.remove(&slot);
                ops.extend(["x", "y"].map(|kind| Op::Delete {
                    key: self.key(kind, slot),
                }));
            } else {
                next.pairs.insert(slot, next.seq);
                let size = rng.below(3_000) as usize;
                ops.extend(["x", "y"].map(|kind| put(&self.key(kind, slot), next.seq, size)));
            }
            let guard = Compare::ModRevision(seq_key, seq.map_or(0, |e| e.mod_revision));
            match store
                .txn(Txn {
                    compares: vec![guard],
                    ops,
                    ..Default::default()
                })
                .await
            {
                Ok(TxnOutcome::Committed(revision)) if revision > self.last_revision => {
                    self.certain = next;
                    self.acknowledged += 1;
                    self.last_revision = revision;
                }
                Err(StoreError::Unavailable(_)) => {
                    self.in_doubt = Some(next);
                    return Ok(());
                }
                other => return Err(format!("client {}: {other:?}", self.id)),
            }
        }
    }

    /// Everything was deleted, or, if not `certainly`, perhaps so.
    pub fn wiped(&mut self, certainly: bool) {
        if certainly {
            self.certain = Model::default();
        } else {
            self.in_doubt = Some(Model::default());
        }
    }

    /// Compares what the store says with what it may say.
    pub fn verify(&mut self, entries: &BTreeMap<String, Entry>) -> Result<(), String> {
        let found = self.read(entries)?;
        let in_doubt = self.in_doubt.take();
        if found == self.certain {
            return Ok(());
        }
        if in_doubt.as_ref() == Some(&found) {
            self.certain = found;
            self.surprises += 1;
            return Ok(());
        }
        let Model { seq, .. } = self.certain;
        Err(format!(
            "client {}: acknowledged {seq}, found {}: {found:?}",
            self.id, found.seq
        ))
    }

    fn read(&self, entries: &BTreeMap<String, Entry>) -> Result<Model, String> {
        let seq = entries.get(&self.key("seq", 0)).map_or(0, number);
        let mut model = Model {
            seq,
            pairs: BTreeMap::new(),
        };
        for slot in 0..12 {
            let pair = ["x", "y"].map(|kind| entries.get(&self.key(kind, slot)));
            match pair {
                [None, None] => {}
                [Some(x), Some(y)] if x.value == y.value && x.mod_revision == y.mod_revision => {
                    model.pairs.insert(slot, number(x));
                }
                torn => return Err(format!("client {}: torn pair {slot}: {torn:?}", self.id)),
            }
        }
        Ok(model)
    }
}

fn put(key: &str, number: u64, padding: usize) -> Op {
    let mut value = number.to_le_bytes().to_vec();
    value.resize(8 + padding, number as u8);
    Op::Put {
        key: key.to_owned(),
        value: Bytes::from(value),
        lease: None,
    }
}

fn number(entry: &Entry) -> u64 {
    let (number, padding) = entry
        .value
        .split_first_chunk()
        .expect("a value has 8 bytes or more");
    let number = u64::from_le_bytes(*number);
    assert!(
        padding.iter().all(|b| *b == number as u8),
        "a value is torn"
    );
    number
}
