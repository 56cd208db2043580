//! `/_neargate/publications`: ports of this host that lead to services and load balancers.

use super::Pages;
use crate::publications::{self, Destination, Publication};
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
    service: Option<String>,
    container: Option<String>,
    container_port: Option<u16>,
    load_balancer: Option<String>,
    port: Option<u16>,
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
        let to = match (asked.service, asked.load_balancer) {
            (Some(service), None) => Destination::Service {
                cluster: asked.cluster,
                service,
                container: asked.container,
                container_port: asked.container_port,
            },
            (None, Some(load_balancer)) => Destination::LoadBalancer {
                load_balancer,
                port: asked.port.unwrap_or(80),
            },
            _ => return Err(crate::error::nothing_to_publish()),
        };
        let publication = Publication {
            listen: asked.listen,
            to,
            created_at: self.house().now(),
            problem: None,
        };
        let made =
            publications::publish(self.house(), &self.control_plane.elbv2, scope, publication)
                .await?;
        Ok(json!({ "publications": [shown(&made)] }))
    }

    pub(super) async fn unpublish(&self, scope: &Scope, port: &str) -> Result<Value, AwsError> {
        let port = port.parse().map_err(|_| crate::error::no_such_page())?;
        let gone = publications::unpublish(self.house(), scope, port).await?;
        Ok(json!({ "publications": [shown(&gone)] }))
    }
}

fn shown(publication: &Publication) -> Value {
    let (listen, problem) = (publication.listen, &publication.problem);
    let created_at = publication.created_at.as_secs_f64();
    match &publication.to {
        Destination::Service {
            cluster,
            service,
            container,
            container_port,
        } => json!({
            "listen": listen,
            "cluster": cluster,
            "service": service,
            "container": container,
            "containerPort": container_port,
            "problem": problem,
            "createdAt": created_at,
        }),
        Destination::LoadBalancer {
            load_balancer,
            port,
        } => json!({
            "listen": listen,
            "loadBalancer": load_balancer,
            "port": port,
            "problem": problem,
            "createdAt": created_at,
        }),
    }
}
