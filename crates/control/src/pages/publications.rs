//! `/_neargate/publications`: ports of this host that lead to services.

use super::Pages;
use crate::publications::{self, Publication};
use neargate_service::{AwsError, Scope};
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Asked {
    listen: SocketAddr,
    #[serde(default = "default_cluster")]
    cluster: String,
    service: String,
    container: Option<String>,
    container_port: Option<u16>,
}

fn default_cluster() -> String {
    "default".into()
}

impl Pages {
    pub(super) async fn publications(&self, scope: &Scope) -> Result<Value, AwsError> {
        let all = publications::all(self.house()).await?;
        let ours = |key: &str| Scope::of_key(key).as_ref() == Some(scope);
        let all = all.iter().filter(|p| ours(&p.key));
        let shown: Vec<Value> = all.map(|p| shown(&p.value)).collect();
        Ok(json!({ "publications": shown }))
    }

    pub(super) async fn publish(&self, scope: &Scope, asked: Asked) -> Result<Value, AwsError> {
        let publication = Publication {
            listen: asked.listen,
            cluster: asked.cluster,
            service: asked.service,
            container: asked.container,
            container_port: asked.container_port,
            created_at: self.house().now(),
            problem: None,
        };
        let made = publications::publish(self.house(), scope, publication).await?;
        Ok(json!({ "publications": [shown(&made)] }))
    }

    pub(super) async fn unpublish(&self, scope: &Scope, port: &str) -> Result<Value, AwsError> {
        let port = port.parse().map_err(|_| crate::error::no_such_page())?;
        let gone = publications::unpublish(self.house(), scope, port).await?;
        Ok(json!({ "publications": [shown(&gone)] }))
    }
}

fn shown(publication: &Publication) -> Value {
    json!({
        "listen": publication.listen,
        "cluster": publication.cluster,
        "service": publication.service,
        "container": publication.container,
        "containerPort": publication.container_port,
        "problem": publication.problem,
        "createdAt": publication.created_at.as_secs_f64(),
    })
}
