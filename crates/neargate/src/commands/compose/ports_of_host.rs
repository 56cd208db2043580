//! Ports of this host that lead to a project's services: brought to what its file says.

use super::model::Project;
use super::template::stack_name;
use crate::client::Client;
use anyhow::{Context, Result};
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const PAGE: &str = "/_neargate/publications";

/// The publications of a project: port, and the whole.
async fn of_project(client: &Client, project: &str) -> Result<Vec<Value>> {
    let cluster = stack_name(project);
    let page = client.page(Method::GET, PAGE, None).await?;
    let all = page["publications"].as_array().cloned().unwrap_or_default();
    let ours = all.into_iter().filter(|p| p["cluster"] == cluster.as_str());
    Ok(ours.collect())
}

fn port(publication: &Value) -> Option<u16> {
    let listen = publication["listen"].as_str()?;
    listen.rsplit_once(':')?.1.parse().ok()
}

/// Publishes what the file says, and takes back what it does not say any more.
///
/// # Errors
/// A port is somebody else's.
pub async fn bring(client: &Client, project: &Project) -> Result<()> {
    let cluster = stack_name(&project.name);
    let mut wanted = BTreeSet::new();
    for (name, service) in project.own_services() {
        for port in &service.ports {
            wanted.insert(port.host);
            let listen = std::net::SocketAddr::new(port.address, port.host);
            let asked = json!({
                "listen": listen, "cluster": cluster, "service": name,
                "container": name, "containerPort": port.container,
            });
            let published = client.page(Method::POST, PAGE, Some(&asked)).await;
            published.with_context(|| format!("the port {} of {name}", port.host))?;
            tell!("{listen} leads to {name}");
        }
    }
    for publication in of_project(client, &project.name).await? {
        if let Some(port) = port(&publication)
            && !wanted.contains(&port)
        {
            take_back(client, port).await?;
        }
    }
    Ok(())
}

/// Takes all of a project's ports back.
///
/// # Errors
/// Neargate does not answer.
pub async fn take_all_back(client: &Client, project: &str) -> Result<()> {
    for publication in of_project(client, project).await? {
        if let Some(port) = port(&publication) {
            take_back(client, port).await?;
        }
    }
    Ok(())
}

async fn take_back(client: &Client, port: u16) -> Result<()> {
    let path = format!("{PAGE}/{port}");
    client.page(Method::DELETE, &path, None).await?;
    tell!("{port} is no longer published");
    Ok(())
}
