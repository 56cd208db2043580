//! etcd's limits, enforced everywhere: a program that runs here must run there.

use crate::{Compare, MAX_REQUEST_BYTES, MAX_TXN_OPS, Op, StoreError, Txn};
use std::collections::HashSet;

/// Refuses a transaction that etcd would refuse.
pub(crate) fn check(txn: &Txn) -> Result<(), StoreError> {
    // Each list by itself, as etcd counts them (`checkTxnRequest` of its server).
    let operations = txn.compares.len().max(txn.ops.len());
    if operations > MAX_TXN_OPS {
        let text =
            format!("{operations} compares or operations, at most {MAX_TXN_OPS} are allowed");
        return Err(StoreError::TooBig(text));
    }
    let bytes = size_bytes(txn);
    if bytes > MAX_REQUEST_BYTES {
        let text = format!("{bytes} bytes, at most {MAX_REQUEST_BYTES} are allowed");
        return Err(StoreError::TooBig(text));
    }
    if txn
        .compares
        .iter()
        .map(compared)
        .chain(txn.ops.iter().map(changed))
        .any(str::is_empty)
    {
        return Err(StoreError::Invalid("a key is empty".into()));
    }
    let mut seen = HashSet::with_capacity(txn.ops.len());
    for key in txn.ops.iter().map(changed) {
        if !seen.insert(key) {
            return Err(StoreError::Invalid(format!(
                "the key {key:?} is changed twice"
            )));
        }
    }
    Ok(())
}

/// Keys plus values.
pub(crate) fn size_bytes(txn: &Txn) -> usize {
    let values = txn.ops.iter().map(|op| match op {
        Op::Put { key, value, .. } => key.len() + value.len(),
        Op::Delete { key } => key.len(),
    });
    values
        .chain(txn.compares.iter().map(|c| compared(c).len()))
        .sum()
}

fn compared(compare: &Compare) -> &str {
    match compare {
        Compare::ModRevision(key, _) | Compare::Exists(key) => key,
    }
}

fn changed(op: &Op) -> &str {
    match op {
        Op::Put { key, .. } | Op::Delete { key } => key,
    }
}
