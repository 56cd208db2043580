//! `neargate publish` and `unpublish`: ports of this host that lead to a service's tasks.

use crate::client::{Client, Target};
use crate::view::{Cell, Output, Paint, Table, print_json, say};
use anyhow::Result;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::str::FromStr;

const PAGE: &str = "/_neargate/publications";

/// Make a port of this host lead to a service's tasks, or show the ports that do.
///
/// Connections go to the tasks that run and are not unhealthy, in turn, whatever their security groups
/// say. The port stays published until `neargate unpublish`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate publish                      what is published
  neargate publish 8080:web             http://<this host>:8080 leads to the service web
  neargate publish 127.0.0.1:8080:web   only on this host
  neargate publish 8443:api:proxy:443   the port 443 of the container proxy
  neargate unpublish 8080")]
pub struct Publish {
    /// PORT:SERVICE[:CONTAINER:PORT], after an ADDRESS: of this host if not every one is meant
    #[arg(value_name = "PORT:SERVICE")]
    what: Option<Published>,
    /// The service's cluster
    #[arg(long, short, value_name = "NAME", default_value = "default")]
    cluster: String,
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// Take back a port of this host that leads to a service.
#[derive(Debug, clap::Args)]
pub struct Unpublish {
    /// The port of this host
    port: u16,
    #[command(flatten)]
    target: Target,
}

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub listen: SocketAddr,
    pub service: String,
    pub container: Option<String>,
    pub container_port: Option<u16>,
}

impl FromStr for Published {
    type Err = String;

    fn from_str(text: &str) -> Result<Published, String> {
        let wrong = || format!("{text:?} is not PORT:SERVICE or PORT:SERVICE:CONTAINER:PORT");
        // An IPv6 address has colons of its own, and brackets around them.
        let (address, rest) = match text.strip_prefix('[') {
            Some(inside) => {
                let (address, rest) = inside.split_once("]:").ok_or_else(wrong)?;
                (address.parse().map_err(|_| wrong())?, rest)
            }
            None => match text.split_once(':') {
                Some((first, rest)) if first.contains('.') => {
                    (first.parse().map_err(|_| wrong())?, rest)
                }
                _ => (IpAddr::from(Ipv4Addr::UNSPECIFIED), text),
            },
        };
        let port = |text: &str| {
            text.parse()
                .ok()
                .filter(|port: &u16| *port != 0)
                .ok_or_else(wrong)
        };
        let parts: Vec<&str> = rest.split(':').collect();
        let (listen, service, container) = match parts[..] {
            [listen, service] => (listen, service, None),
            [listen, service, container, of] => (listen, service, Some((container, of))),
            _ => return Err(wrong()),
        };
        if service.is_empty() || container.is_some_and(|(name, _)| name.is_empty()) {
            return Err(wrong());
        }
        Ok(Published {
            listen: SocketAddr::new(address, port(listen)?),
            service: service.to_owned(),
            container: container.map(|(name, _)| name.to_owned()),
            container_port: container.map(|(_, of)| port(of)).transpose()?,
        })
    }
}

/// One publication as the gateway shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    listen: SocketAddr,
    cluster: String,
    service: String,
    container: Option<String>,
    container_port: Option<u16>,
    problem: Option<String>,
}

impl Publish {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let page = match &self.what {
            None => client.page(Method::GET, PAGE, None).await?,
            Some(what) => publish(&client, &self.cluster, what).await?,
        };
        let all: Vec<Shown> = serde_json::from_value(page["publications"].clone())?;
        match (self.output, self.what.is_some()) {
            (Output::Json, _) => print_json(&page["publications"]),
            (Output::Table, true) => {
                all.iter()
                    .for_each(|p| say(&format!("{} leads to the service {}", p.listen, p.service)));
            }
            (Output::Table, false) if all.is_empty() => {
                tell!("No port is published. `neargate publish 8080:SERVICE` publishes one.");
            }
            (Output::Table, false) => table(&all).print(Paint::stdout()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Publishes, as the command does.
///
/// # Errors
/// There is no such service, or the port leads elsewhere.
pub async fn publish(client: &Client, cluster: &str, what: &Published) -> Result<Value> {
    let asked = json!({
        "listen": what.listen,
        "cluster": cluster,
        "service": what.service,
        "container": what.container,
        "containerPort": what.container_port,
    });
    Ok(client.page(Method::POST, PAGE, Some(&asked)).await?)
}

impl Unpublish {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let path = format!("{PAGE}/{}", self.port);
        client.page(Method::DELETE, &path, None).await?;
        say(&format!("{} is no longer published", self.port));
        Ok(ExitCode::SUCCESS)
    }
}

fn table(all: &[Shown]) -> Table {
    let mut table = Table::new(&[
        "LISTENS ON",
        "CLUSTER",
        "SERVICE",
        "CONTAINER",
        ">PORT",
        "WHY NOT",
    ]);
    for p in all {
        table.row(vec![
            Cell::strong(p.listen.to_string()),
            p.cluster.as_str().into(),
            p.service.as_str().into(),
            p.container.as_deref().unwrap_or("-").into(),
            p.container_port
                .map_or("-".to_owned(), |n| n.to_string())
                .into(),
            p.problem.as_deref().unwrap_or("-").into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::Published;

    fn read(text: &str) -> Option<(String, String, Option<String>, Option<u16>)> {
        let p: Published = text.parse().ok()?;
        Some((
            p.listen.to_string(),
            p.service,
            p.container,
            p.container_port,
        ))
    }

    #[test]
    fn what_is_published_is_read() {
        let web = || "web".to_owned();
        assert_eq!(
            read("8080:web"),
            Some(("0.0.0.0:8080".into(), web(), None, None))
        );
        assert_eq!(
            read("127.0.0.1:80:web"),
            Some(("127.0.0.1:80".into(), web(), None, None))
        );
        assert_eq!(
            read("[::1]:80:web"),
            Some(("[::1]:80".into(), web(), None, None))
        );
        let proxied = (
            "0.0.0.0:8443".into(),
            web(),
            Some("proxy".into()),
            Some(443),
        );
        assert_eq!(read("8443:web:proxy:443"), Some(proxied));
        for wrong in [
            "",
            "web",
            "8080",
            "8080:",
            ":web",
            "0:web",
            "99999:web",
            "80:web:proxy",
            "80:web::1",
            "80:web:a:0",
            "1.2.3:80:web",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
