//! AWS CodeStar Notifications: who is told of what happens to repositories, builds, deployments and pipelines.

use neargate_api_codestar_notifications::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct CodeStarNotifications;

impl Component for CodeStarNotifications {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
