//! AWS App Mesh: meshes of proxies that split, retry and watch the calls between services.

use neargate_api_appmesh::SERVICE;
use neargate_service::{Component, OperationTable, Service};
use std::sync::Arc;

/// Its handlers share nothing but the house.
#[derive(Debug, Default)]
pub struct AppMesh;

impl Component for AppMesh {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(OperationTable::new(&SERVICE, self))
    }
}
