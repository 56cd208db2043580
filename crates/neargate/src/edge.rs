//! What VPCs have of Neargate: names, from the edge's process, and the API, at the addresses where
//! names are asked for.

use crate::smtp;
use anyhow::{Context, Result};
use neargate_base::{Rng, task};
use neargate_control::{ControlPlane, Gateway, services};
use neargate_domain::vpc_network::NetworkChange;
use neargate_edge::place::{self, LINK_LOCAL_RESOLVER, Opened, Wanted};
use neargate_edge::process::{Keeper, KeeperConfig};
use neargate_node::agent::{At, TaskEndpoint};
use neargate_node::net::{Share, TASK_ENDPOINT};
use neargate_ses::smtp::Endpoint;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What names mean besides those of interfaces.
#[derive(Debug, Clone)]
pub struct NameSources {
    /// Names the servers of everything else.
    pub resolv_conf: PathBuf,
    /// Where this host's own programs ask.
    pub listen: Option<SocketAddr>,
    /// See [`aws_hosts`].
    pub aws_hosts: BTreeSet<String>,
}

/// The first labels of SES's host for SMTP.
const SMTP_HOST: &str = "email-smtp";

/// The services that are known here, by the first labels of their hosts' names; SES's endpoint for
/// SMTP where there is one.
pub fn aws_hosts(with_smtp: bool) -> BTreeSet<String> {
    let all = services::schemas().iter();
    all.map(|service| service.endpoint_prefix.to_owned())
        .chain(with_smtp.then(|| SMTP_HOST.to_owned()))
        .collect()
}

/// Where the data plane keeps the VPCs' namespaces.
fn namespaces(run_dir: &Path) -> PathBuf {
    run_dir.join("net/vpc")
}

/// Where load balancers' logs are until their buckets have them.
pub fn logs(data: &Path) -> PathBuf {
    data.join("load-balancer-logs")
}

/// Has names answered in VPCs, and load balancers carried, whose logs go below the data directory.
///
/// # Errors
/// This program cannot be found.
pub fn keep(run_dir: &Path, data: &Path, names: NameSources, rng: Arc<Rng>) -> Result<Keeper> {
    let config = KeeperConfig {
        program: std::env::current_exe().context("cannot find this program")?,
        dir: run_dir.join("edge"),
        namespaces: namespaces(run_dir),
        interfaces: Some(Share::namespaces(&run_dir.join("net"))),
        logs: Some(logs(data)),
        resolv_conf: names.resolv_conf,
        listen: names.listen,
        aws_hosts: names.aws_hosts,
    };
    Ok(Keeper::start(config, rng))
}

/// Tells the edge of hosted zones while this is kept.
pub fn tell_zones(control_plane: Arc<ControlPlane>, edge: Arc<Keeper>) -> Serving {
    let tell = async move {
        loop {
            let mut changes = control_plane.route53.zones.subscribe().await;
            while let Some(change) = changes.recv().await {
                edge.tell_zones(change);
            }
        }
    };
    Serving(task::spawn("edge-zones", tell))
}

/// Has the gateway answer in every VPC of this host, at the resolver's addresses and these ports. Whoever
/// calls there is no user of this host, and signs.
pub async fn serve_api(
    gateway: Gateway,
    control_plane: Arc<ControlPlane>,
    run_dir: PathBuf,
    ports: Vec<u16>,
) {
    let gateway = gateway.for_strangers();
    let serve = |_, listener| task::spawn("vpc-gateway", gateway.clone().serve(listener));
    serve_at_resolvers(&control_plane, &run_dir, &ports, serve).await;
}

/// Has SES's SMTP endpoint answer there as well, at the ports that AWS's has.
pub async fn serve_smtp(endpoint: Endpoint, control_plane: Arc<ControlPlane>, run_dir: PathBuf) {
    let serve = |port, listener| {
        let at_once = smtp::PORTS.contains(&(port, true));
        task::spawn("vpc-smtp-port", endpoint.clone().serve(listener, at_once))
    };
    let ports = smtp::PORTS.map(|(port, _)| port);
    serve_at_resolvers(&control_plane, &run_dir, &ports, serve).await;
}

async fn serve_at_resolvers(
    control_plane: &ControlPlane,
    run_dir: &Path,
    ports: &[u16],
    serve: impl Fn(u16, TcpListener) -> JoinHandle<()>,
) {
    loop {
        let networks = control_plane.ec2.networks.subscribe().await;
        serve_until_left(networks, run_dir, ports, &serve).await;
    }
}

/// Until nobody says what changes.
async fn serve_until_left(
    mut networks: mpsc::Receiver<NetworkChange>,
    run_dir: &Path,
    ports: &[u16],
    serve: &impl Fn(u16, TcpListener) -> JoinHandle<()>,
) {
    let (tell, wanted) = watch::channel(Wanted::new());
    let (opened, _) = watch::channel(Opened::default());
    let open = |_: &str, namespace: &Path, address: Ipv4Addr| {
        let addresses = [address, LINK_LOCAL_RESOLVER];
        let mut serving = Vec::new();
        for port in ports {
            for listener in place::listeners(namespace, &addresses, *port)? {
                let listener = TcpListener::from_std(listener)?;
                serving.push(Serving(serve(*port, listener)));
            }
        }
        Ok(serving)
    };
    let follow = async move {
        while let Some(change) = networks.recv().await {
            tell.send_modify(|wanted| take_in(wanted, change));
        }
    };
    let doors = place::keep_open(namespaces(run_dir), wanted, opened, open);
    tokio::join!(follow, doors);
}

/// Has the node answer its tasks in every VPC of this host, while what is returned is there.
pub fn serve_tasks(endpoint: Arc<TaskEndpoint>, run_dir: &Path) -> Serving {
    serve_in_vpcs(run_dir, ENDPOINT_PORT, move |vpc, listener| {
        endpoint.serve(listener, At::Vpc(vpc.to_owned()))
    })
}

/// What no SDK lets itself be told otherwise.
const ENDPOINT_PORT: u16 = 80;

/// Has something answer at this port of the address that tasks ask, in every VPC of this host.
pub fn serve_in_vpcs<D: Send + 'static>(
    run_dir: &Path,
    port: u16,
    serve: impl Fn(&str, std::net::TcpListener) -> std::io::Result<D> + Send + 'static,
) -> Serving {
    let open = move |vpc: &str, namespace: &Path| {
        let listeners = place::listeners(namespace, &[TASK_ENDPOINT], port)?;
        let served = listeners.into_iter().map(|listener| serve(vpc, listener));
        served.collect::<std::io::Result<Vec<D>>>()
    };
    let doors = place::keep_open_everywhere(namespaces(run_dir), open);
    Serving(task::spawn("vpc-services", doors))
}

/// Something that is served while this is there.
#[derive(Debug)]
pub struct Serving(JoinHandle<()>);

impl Serving {
    pub fn of(task: JoinHandle<()>) -> Serving {
        Serving(task)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn take_in(wanted: &mut Wanted, change: NetworkChange) {
    match change {
        NetworkChange::Snapshot { vpcs, .. } => {
            wanted.clear();
            for vpc in vpcs {
                take_in(wanted, NetworkChange::Vpc(vpc));
            }
        }
        NetworkChange::Vpc(vpc) => {
            wanted.extend(vpc.resolver().map(|address| (vpc.vpc_id, address)));
        }
        NetworkChange::VpcGone(id) => {
            wanted.remove(&id);
        }
        NetworkChange::Interface(_) | NetworkChange::InterfaceGone { .. } => {}
    }
}
