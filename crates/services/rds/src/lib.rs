//! AWS RDS.

use neargate_api_rds::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct Rds;

impl Component for Rds {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
