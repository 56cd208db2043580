//! AWS STS: so far only who the caller is.

mod api;

use neargate_api_sts::{SERVICE, ops};
use neargate_service::OperationTable;
use std::sync::Arc;

/// STS keeps no state of its own.
#[derive(Debug, Default)]
pub struct Sts;

pub fn table() -> OperationTable<Sts> {
    OperationTable::new(&SERVICE, Arc::new(Sts))
        .on(ops::GetCallerIdentity, api::get_caller_identity)
}
