//! AWS STS: so far who the caller is, and whose a key is.

mod api;
mod error;

#[cfg(test)]
mod tests;

use neargate_api_sts::{SERVICE, ops};
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// STS keeps no state of its own.
#[derive(Debug, Default)]
pub struct Sts;

impl Component for Sts {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&SERVICE, self)
            .wording(error::invalid)
            .on(ops::GetAccessKeyInfo, api::get_access_key_info)
            .on(ops::GetCallerIdentity, api::get_caller_identity);
        Arc::new(table)
    }
}
