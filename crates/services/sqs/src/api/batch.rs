//! What all batches have in common: how many entries, with which ids, and what is answered of each.

use crate::error;
use neargate_api_sqs as api;
use neargate_service::AwsError;
use neargate_service::error::Fault;
use std::collections::BTreeSet;

const MAX_ENTRIES: usize = 10;

/// Checks the entries' ids; `entry` is what the query protocol calls one.
pub fn check<'a>(entry: &str, ids: impl Iterator<Item = &'a String>) -> Result<(), AwsError> {
    let ids: Vec<&String> = ids.collect();
    if ids.is_empty() {
        return Err(error::empty_batch(entry));
    }
    if ids.len() > MAX_ENTRIES {
        return Err(error::too_many_entries(ids.len()));
    }
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let mut seen = BTreeSet::new();
    for id in ids {
        if id.is_empty() || id.len() > 80 || !id.bytes().all(letter) {
            return Err(error::entry_id());
        }
        if !seen.insert(id) {
            return Err(error::not_distinct(id));
        }
    }
    Ok(())
}

/// An empty list is not answered.
pub fn any<T>(all: Vec<T>) -> Option<Vec<T>> {
    (!all.is_empty()).then_some(all)
}

/// An entry that failed.
pub fn failed(id: &str, error: &AwsError) -> api::BatchResultErrorEntry {
    // Entries say what the query protocol would.
    let code = match error.code.as_str() {
        "InvalidParameterValueException" => "InvalidParameterValue",
        "MissingRequiredParameterException" => "MissingParameter",
        code => code,
    };
    api::BatchResultErrorEntry {
        id: Some(id.to_owned()),
        sender_fault: Some(error.fault == Fault::Client),
        code: Some(code.to_owned()),
        message: Some(error.message.clone()),
    }
}
