//! AWS CodeBuild.

use neargate_api_codebuild::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodeBuild;

impl Component for CodeBuild {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
