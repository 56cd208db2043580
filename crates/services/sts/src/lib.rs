//! AWS STS: so far only who the caller is.

mod api;

use neargate_api_sts::{SERVICE, ops};
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// STS keeps no state of its own.
#[derive(Debug, Default)]
pub struct Sts;

impl Component for Sts {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&SERVICE, self)
            .on(ops::GetCallerIdentity, api::get_caller_identity);
        Arc::new(table)
    }
}
