//! AWS CodePipeline.

use neargate_api_codepipeline::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodePipeline;

impl Component for CodePipeline {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
