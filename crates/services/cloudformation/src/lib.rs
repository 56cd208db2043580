//! AWS CloudFormation.

use neargate_api_cloudformation::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CloudFormation;

impl Component for CloudFormation {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
