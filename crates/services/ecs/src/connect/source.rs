//! Tells the proxies of Service Connect what they are to do.

use super::compile::compile;
use super::endpoints::Endpoints;
use crate::model::{CONNECT_CONTAINER, Task};
use async_trait::async_trait;
use neargate_service::Db;
use neargate_xds::{Proxy, Refusal, Snapshot, Source};
use std::sync::Arc;
use tokio::sync::watch;

/// By what their tasks' records say, and who is behind the names there.
#[derive(Debug)]
pub struct ConnectSource {
    pub db: Db,
    pub endpoints: Arc<Endpoints>,
}

#[async_trait]
impl Source for ConnectSource {
    /// ECS has named it so; a container of somebody's that is named so gets nothing.
    fn knows(&self, proxy: &Proxy) -> bool {
        proxy.container.starts_with(CONNECT_CONTAINER)
    }

    async fn changes(&self, _: &Proxy) -> watch::Receiver<u64> {
        self.endpoints.changes()
    }

    async fn snapshot(&self, proxy: &Proxy) -> Result<Arc<Snapshot>, Refusal> {
        let task = self.db.get_key::<Task>(&proxy.task_key).await;
        let task = task.map_err(|e| Refusal::Failed(e.to_string()))?;
        let connect = task.and_then(|task| task.value.spec.connect);
        let connect = connect.filter(|connect| connect.container == proxy.container);
        let connect = connect.ok_or_else(|| {
            Refusal::Denied("The container is no proxy of Service Connect.".to_owned())
        })?;
        let endpoints = |arn: &str| self.endpoints.of(arn);
        Ok(Arc::new(compile(&connect, endpoints)))
    }
}
