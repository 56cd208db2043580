//! `neargate node`: this machine as a node of a control plane on another host; and, on the
//! control plane's host, tokens for nodes, their list and their removal.

use crate::config::{Config, Flags};
use crate::edge::NameSources;
use crate::machine::{Machine, Setup};
use crate::running::Which;
use crate::span::Span;
use crate::view::{Cell, Paint, Table, print_json, say};
use crate::{installation, log, operator, preflight, up};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use neargate_base::time::{Stopwatch, SystemClock, WatchedClock};
use neargate_base::{Clock, Rng, task};
use neargate_control::operator::{NodeList, Token, TokenRequest};
use neargate_domain::link::{Done, JoinToken};
use neargate_domain::{NodeAbout, NodeKind};
use neargate_node::about;
use neargate_node::capability::Allowed;
use neargate_node::image::OwnBlobs;
use neargate_node::remote::{Identity, Key, Remote, RemoteConfig, join};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// `neargate node ...`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Node {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Become a node of the control plane at URL, and run as one.
    Join(Join),
    /// Run as the node that this machine has become.
    Run(Run),
    /// Print a join token (on the control plane's host).
    Token(TokenFlags),
    /// List the nodes of other hosts (on the control plane's host).
    Ls {
        #[command(flatten)]
        which: Which,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a node for good; its tasks end (on the control plane's host).
    Rm {
        #[command(flatten)]
        which: Which,
        /// Such as i-0123456789abcdef0
        id: String,
    },
}

/// Where a node keeps its things.
#[derive(Debug, Clone, Args)]
struct Run {
    /// Where the node's identity, images and ledger are kept.
    #[arg(long, env = "NEARGATE_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file: registries, instance_allow.
    #[arg(long, env = "NEARGATE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address under which other nodes reach this one, when it is not the one the control
    /// plane sees.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
}

#[derive(Debug, Args)]
struct Join {
    /// Such as https://10.0.0.1:4567: the control plane's --node-listen address.
    url: String,
    /// What `neargate node token` printed.
    #[arg(long, env = "NEARGATE_JOIN_TOKEN", hide_env_values = true)]
    token: String,
    /// Refuse to join any other cluster than this; the token decides.
    #[arg(long)]
    cluster: Option<String>,
    /// Refuse to join as anything else; the token decides.
    #[arg(long)]
    kind: Option<Kind>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Args)]
struct TokenFlags {
    #[command(flatten)]
    which: Which,
    /// The cluster (name or ARN) that the node becomes a container instance of.
    #[arg(long)]
    cluster: Option<String>,
    /// What the node runs [default: ec2 with a cluster, fargate without].
    #[arg(long)]
    kind: Option<Kind>,
    /// How long the token is good.
    #[arg(long, default_value = "15m", value_name = "TIME")]
    ttl: Span,
}

/// What a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Tasks of launch type FARGATE, of every cluster.
    Fargate,
    /// Tasks of launch type EC2, of its cluster.
    Ec2,
    /// Tasks of launch type EXTERNAL, of its cluster.
    External,
}

impl From<Kind> for NodeKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Fargate => NodeKind::Fargate,
            Kind::Ec2 => NodeKind::Ec2,
            Kind::External => NodeKind::External,
        }
    }
}

pub fn main(node: Node) -> Result<()> {
    match node.command {
        None => run(&node.run),
        Some(Command::Run(flags)) => run(&flags),
        Some(Command::Join(flags)) => started(&flags.run.clone(), join_and_run(flags)),
        Some(Command::Token(flags)) => token(flags),
        Some(Command::Ls { which, json }) => list(&which, json),
        Some(Command::Rm { which, id }) => {
            let path = format!("/v1/nodes/{id}");
            operator::ask::<_, Done>(&which, "DELETE", &path, &Done {})?;
            say(&format!("{id} is removed"));
            Ok(())
        }
    }
}

fn token(flags: TokenFlags) -> Result<()> {
    let default = match flags.cluster {
        Some(_) => Kind::Ec2,
        None => Kind::Fargate,
    };
    let request = TokenRequest {
        kind: flags.kind.unwrap_or(default).into(),
        cluster: flags.cluster,
        ttl_millis: Duration::from(flags.ttl).as_millis() as u64,
    };
    let made: Token = operator::ask(&flags.which, "POST", "/v1/node-tokens", &request)?;
    say(&made.token);
    Ok(())
}

fn list(which: &Which, json: bool) -> Result<()> {
    let all: NodeList = operator::ask(which, "GET", "/v1/nodes", &Done {})?;
    if json {
        print_json(&serde_json::to_value(&all)?);
        return Ok(());
    }
    let mut table = Table::new(&["NODE", "KIND", "CLUSTER", "STATE", "ADDRESS", "HOST"]);
    for n in all.nodes {
        let state = if n.connected { "connected" } else { "away" };
        let address = n.address.map(|a| a.to_string()).unwrap_or_default();
        table.row(vec![
            Cell::strong(n.id),
            format!("{:?}", n.kind).to_lowercase().into(),
            n.cluster.unwrap_or_default().into(),
            state.into(),
            address.into(),
            n.hostname.into(),
        ]);
    }
    if table.is_empty() {
        tell!("There are no nodes. `neargate node token` prints the token that one joins with.");
    } else {
        table.print(Paint::stdout());
    }
    Ok(())
}

fn identity_path(data: &Path) -> PathBuf {
    data.join("node/identity.json")
}

/// The configuration of a node, its directory made.
fn prepare(flags: &Run, rng: &Rng) -> Result<(Config, String)> {
    let config = Config::load(&Flags::of_node(flags.data.clone(), flags.config.clone()))?;
    if config.data.join("state.redb").exists() {
        bail!(
            "{} is the directory of a control plane: give the node its own with --data",
            config.data.display()
        );
    }
    let installation = installation::id(&config.data, rng)?;
    Ok((config, installation))
}

/// What every process of a node begins with.
fn started(flags: &Run, work: impl Future<Output = Result<()>>) -> Result<()> {
    preflight::check()?;
    let (config, _) = prepare(flags, &Rng::from_entropy())?;
    log::start(Some(&config.data));
    up::in_runtime(work)
}

fn run(flags: &Run) -> Result<()> {
    let flags = flags.clone();
    started(&flags.clone(), async move {
        let rng = Arc::new(Rng::from_entropy());
        let (config, installation) = prepare(&flags, &rng)?;
        let identity = Identity::load(&identity_path(&config.data))?.with_context(|| {
            format!(
                "{} holds no node: join first with `neargate node join URL --token TOKEN`",
                config.data.display()
            )
        })?;
        serve(&config, &installation, identity, flags.address, rng).await
    })
}

async fn join_and_run(flags: Join) -> Result<()> {
    let token: JoinToken = flags.token.parse()?;
    let rng = Arc::new(Rng::from_entropy());
    let (config, installation) = prepare(&flags.run, &rng)?;
    let path = identity_path(&config.data);
    let now = SystemClock.now();
    // One whose certificate has ended can only join anew, as another node.
    if let Some(known) = Identity::load(&path)?.filter(|known| !known.has_ended(now)) {
        bail!(
            "this machine is node {} of {} already: `neargate node` runs it; to join elsewhere, \
             stop its tasks and remove {}",
            known.node_id,
            known.url,
            path.display()
        );
    }
    let pending = path.with_file_name("join-key");
    let key = Key::pending(&pending)?;
    let about = about(
        flags.kind.map_or(NodeKind::Fargate, Into::into),
        flags.run.address,
    )?;
    let wanted = (flags.kind.map(Into::into), flags.cluster.clone());
    let identity = join(&flags.url, &token, key, about, wanted, now, rng.clone()).await?;
    identity.save(&path)?;
    // It is the node's key now.
    let _ = std::fs::remove_file(pending);
    tell!(
        "this machine is node {} of {}",
        identity.node_id,
        identity.url
    );
    serve(&config, &installation, identity, flags.run.address, rng).await
}

fn about(kind: NodeKind, address: Option<IpAddr>) -> Result<NodeAbout> {
    let offer = about::host(kind).context("cannot see what this host offers")?;
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname");
    Ok(NodeAbout {
        id: String::new(),
        kind,
        resources: offer.resources,
        attributes: offer.attributes,
        version: env!("CARGO_PKG_VERSION").into(),
        address,
        hostname: hostname.unwrap_or_default().trim().to_owned(),
    })
}

/// Run as the node until Ctrl-C or SIGTERM.
async fn serve(
    config: &Config,
    installation: &str,
    identity: Identity,
    address: Option<IpAddr>,
    rng: Arc<Rng>,
) -> Result<()> {
    let started = Stopwatch::start();
    let clock: Arc<dyn Clock> = Arc::new(WatchedClock::over(Arc::new(SystemClock)));
    let (id, url) = (identity.node_id.clone(), identity.url.clone());
    let (kind, vpc) = (identity.kind, identity.vpc);
    let (remote, networks, mut zones) = Remote::start(RemoteConfig {
        identity,
        path: identity_path(&config.data),
        about: about(kind, address)?,
        clock: clock.clone(),
        rng: rng.clone(),
    })?;
    let machine = Machine::start(Setup {
        data: &config.data,
        installation,
        node_id: id.clone(),
        kind,
        vpc,
        public_pool: config.public_pool,
        allowed: match kind {
            // The machine was given to be one.
            NodeKind::Ec2 | NodeKind::External => config.allowed_or(Allowed::everything())?,
            NodeKind::Fargate => Allowed::default(),
        },
        file_systems: config.file_systems()?,
        reachable: match kind {
            NodeKind::Ec2 | NodeKind::External => None,
            NodeKind::Fargate => Some(Vec::new()),
        },
        api: Vec::new(),
        api_url: None,
        overlay: Some(up::overlay(address)),
        registries: &config.registries,
        blobs: OwnBlobs::Elsewhere(remote.blobs()),
        upstream: remote.clone(),
        // The API is not here.
        names: NameSources {
            resolv_conf: config.resolv_conf.clone(),
            listen: config.dns_listen,
            aws_hosts: BTreeSet::new(),
        },
        networks,
        clock,
        rng,
    });
    let machine = machine.await?;
    remote.admit_to(machine.runtime.clone());
    machine.follow_peers(id.clone(), remote.peers());
    let edge = machine.edge.clone();
    let _zones = task::spawn("node-zones", async move {
        while let Some(change) = zones.recv().await {
            edge.tell_zones(change);
        }
    });
    tell!(
        "neargate node {id} of {url} runs after {} ms",
        started.elapsed().as_millis()
    );
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let dismissed = remote.dismissed();
    let told = async {
        dismissed.cancelled().await;
        tell!("this node was removed from its control plane: its tasks stop");
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = told => {}
    }
    let left = std::fs::read_dir(config.data.join("node/ledger")).map_or(0, Iterator::count);
    machine.stop(left > 0).await;
    if left > 0 {
        tell!("{left} task(s) go on running; the next `neargate node` finds them again.");
    }
    Ok(())
}
