//! `neargate publish` and `unpublish`: ports of this host that lead to a service's tasks or to a load
//! balancer.

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

/// Make a port of this host lead to a service's tasks or to a load balancer, or show the ports that do.
///
/// Connections go to the tasks that run and are not unhealthy, in turn, whatever their security groups
/// say. The port stays published until `neargate unpublish`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate publish                      what is published
  neargate publish 8080:web             http://<this host>:8080 leads to the service web
  neargate publish 127.0.0.1:8080:web   only on this host
  neargate publish 8443:api:proxy:443   the port 443 of the container proxy
  neargate publish 80:load-balancer/shop       the load balancer shop, at its listener on port 80
  neargate publish 8443:load-balancer/shop:443 at its listener on port 443
  neargate unpublish 8080")]
pub struct Publish {
    /// PORT:SERVICE[:CONTAINER:PORT] or PORT:load-balancer/NAME[:PORT], after an ADDRESS: of this host if not every one is meant
    #[arg(value_name = "PORT:WHAT")]
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
    to: To,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum To {
    Service {
        service: String,
        container: Option<(String, u16)>,
    },
    LoadBalancer {
        name: String,
        port: u16,
    },
}

/// What the name of a load balancer follows.
const LOAD_BALANCER: &str = "load-balancer/";

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
        let named = |text: &str| match text.is_empty() {
            true => Err(wrong()),
            false => Ok(text.to_owned()),
        };
        let (listen, to) = match parts[..] {
            [listen, what] => (listen, (what, None)),
            [listen, what, of] => (listen, (what, Some((None, of)))),
            [listen, what, container, of] => (listen, (what, Some((Some(container), of)))),
            _ => return Err(wrong()),
        };
        let to = match (to.0.strip_prefix(LOAD_BALANCER), to.1) {
            (Some(name), None) => To::LoadBalancer {
                name: named(name)?,
                port: port(listen)?,
            },
            (Some(name), Some((None, of))) => To::LoadBalancer {
                name: named(name)?,
                port: port(of)?,
            },
            (None, None) => To::Service {
                service: named(to.0)?,
                container: None,
            },
            (None, Some((Some(container), of))) => To::Service {
                service: named(to.0)?,
                container: Some((named(container)?, port(of)?)),
            },
            _ => return Err(wrong()),
        };
        Ok(Published {
            listen: SocketAddr::new(address, port(listen)?),
            to,
        })
    }
}

/// One publication as the gateway shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    listen: SocketAddr,
    cluster: Option<String>,
    service: Option<String>,
    container: Option<String>,
    container_port: Option<u16>,
    load_balancer: Option<String>,
    port: Option<u16>,
    problem: Option<String>,
}

impl Shown {
    fn leads_to(&self) -> String {
        match (&self.load_balancer, &self.service) {
            (Some(name), _) => format!("the load balancer {name}"),
            (None, service) => format!("the service {}", service.as_deref().unwrap_or_default()),
        }
    }
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
                    .for_each(|p| say(&format!("{} leads to {}", p.listen, p.leads_to())));
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
    let listen = what.listen;
    let asked = match &what.to {
        To::Service { service, container } => json!({
            "listen": listen,
            "cluster": cluster,
            "service": service,
            "container": container.as_ref().map(|(name, _)| name),
            "containerPort": container.as_ref().map(|(_, port)| port),
        }),
        To::LoadBalancer { name, port } => {
            json!({ "listen": listen, "loadBalancer": name, "port": port })
        }
    };
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
        "LEADS TO",
        "CONTAINER",
        ">PORT",
        "WHY NOT",
    ]);
    for p in all {
        let name = match &p.load_balancer {
            Some(name) => format!("{LOAD_BALANCER}{name}"),
            None => p.service.clone().unwrap_or_default(),
        };
        table.row(vec![
            Cell::strong(p.listen.to_string()),
            p.cluster.as_deref().unwrap_or("-").into(),
            name.into(),
            p.container.as_deref().unwrap_or("-").into(),
            p.container_port
                .or(p.port)
                .map_or("-".to_owned(), |n| n.to_string())
                .into(),
            p.problem.as_deref().unwrap_or("-").into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Published, To};

    /// Where it listens, and what it leads to.
    fn read(text: &str) -> Option<(String, String, Option<String>, Option<u16>)> {
        let p: Published = text.parse().ok()?;
        let listen = p.listen.to_string();
        Some(match p.to {
            To::Service { service, container } => {
                let (name, port) = container.unzip();
                (listen, service, name, port)
            }
            To::LoadBalancer { name, port } => (listen, format!("lb {name}"), None, Some(port)),
        })
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
        let shop = |port| {
            Some((
                "0.0.0.0:80".to_owned(),
                "lb shop".to_owned(),
                None,
                Some(port),
            ))
        };
        assert_eq!(read("80:load-balancer/shop"), shop(80));
        assert_eq!(read("80:load-balancer/shop:8080"), shop(8080));
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
            "80:load-balancer/",
            "80:load-balancer/a:b:1",
            "1.2.3:80:web",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
