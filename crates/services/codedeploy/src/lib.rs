//! AWS CodeDeploy.

use neargate_api_codedeploy::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodeDeploy;

impl Component for CodeDeploy {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
