//! `neargate up`: every role in this process, on this machine.

use crate::config::{Config, RootFlags};
use crate::containers::HostContainers;
use crate::edge::{self, NameSources, Serving};
use crate::host_pages::HostPages;
use crate::hosts_file::HostsFile;
use crate::load_balancers::Balancers;
use crate::machine::{self, Machine, Setup};
use crate::publish::Publisher;
use crate::running::{Record, Records, Which, is_same};
use crate::slices::{Running, SliceController};
use crate::upstream::Local;
use crate::{
    allocator, demo, environment, installation, instance_metadata, log, mail_relay, operator,
    own_code, port_tls, preflight, smtp, task_network, version,
};
use anyhow::{Context, Result, bail};
use neargate_base::time::{Stopwatch, SystemClock, WatchedClock};
use neargate_base::{Clock, Rng, Secret, task};
use neargate_control::gateway::{Mode, Reset, Trusted};
use neargate_control::instance_metadata::InstanceMetadata;
use neargate_control::operator::Operator;
use neargate_control::root_key::Source;
use neargate_control::{ControlPlane, Gateway, NodeApi, NodePort, Options};
use neargate_domain::NodeKind;
use neargate_ecs as ecs;
use neargate_node::about;
use neargate_node::capability::Allowed;
use neargate_node::net::OverlayConfig;
use neargate_service::{Scope, Settings};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use std::collections::BTreeSet;
use std::io::{ErrorKind, IsTerminal as _};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The port of AWS's own hosts.
const HTTPS: u16 = 443;

/// The one node of a single host.
const NODE: &str = "local";

/// Run until Ctrl-C or SIGTERM.
pub fn run(config: Config, with_demo: bool) -> Result<()> {
    preflight::check()?;
    only_one(&config)?;
    // It makes the directory private before anything is in it.
    installation::id(&config.data, &Rng::from_entropy())?;
    version::note(&config.data)?;
    // A core dump would hold every secret that is in memory.
    let no_dump = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    no_dump.context("cannot keep this process from leaving core dumps")?;
    let log = log::start(Some(&config.data));
    in_runtime(serve(config, with_demo, log))
}

/// Says which Neargate is in the way of another.
fn only_one(config: &Config) -> Result<()> {
    let all = Records::of_this_host().all();
    let same = |r: &Record| is_same(&r.config.data, &config.data);
    let in_the_way = |r: &&Record| r.runs && (r.is_here() || same(r));
    let Some(other) = all.iter().find(in_the_way) else {
        return Ok(());
    };
    let (url, process) = (environment::endpoint(&other.config), other.process);
    let data = other.config.data.display();
    if same(other) {
        bail!(
            "Neargate runs on {data} already, at {url} (process {process}): `neargate ps` shows its tasks"
        );
    }
    bail!(
        "another Neargate runs here, at {url} on {data} (process {process}): end it first, or \
         start this one in a network namespace of its own"
    )
}

pub fn in_runtime(work: impl Future<Output = Result<()>>) -> Result<()> {
    preflight::raise_file_limit();
    preflight::protect_from_oom();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_park(allocator::give_back)
        .build();
    runtime.context("cannot start the runtime")?.block_on(work)
}

async fn serve(mut config: Config, with_demo: bool, log: String) -> Result<()> {
    let started = Stopwatch::start();
    let listener = listen(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}: choose another address or port with --listen",
            config.listen
        )
    })?;
    let address = listener
        .local_addr()
        .context("the listener has an address")?;
    config.listen = address;
    let host = Host::start(&config, address.port()).await?;
    let house = &host.control_plane.house;
    let (root, made) = environment::credentials(&config.data, &config.account, house)?;
    let root_key_id = root.access_key.clone();
    let keys = host.control_plane.accounts.keys().clone();
    let secret = Secret::new(root.secret_key.clone());
    keys.put(root_key_id.clone(), config.account.clone(), secret);
    let mode = if config.is_development() {
        Mode::development(Trusted::new(Some(config.trusted_group.clone())), keys)
    } else {
        Mode::enforced(keys)
    };
    let reset = reset(host.control_plane.clone(), host.slices.running());
    let gateway = Gateway::new(
        host.control_plane.clone(),
        mode,
        config.region.clone(),
        Some(reset),
    );
    let gateway = gateway.host(Arc::new(host.pages()));
    let tls = match config.tls || smtp::is_wanted(&config) {
        true => Some(port_tls::config(&mut config, &host).await?),
        false => None,
    };
    let mails = match tls.as_ref().filter(|_| smtp::is_wanted(&config)) {
        Some(tls) => Some(smtp::serve(&config, &host.control_plane, tls).await?),
        None => None,
    };
    let gateway = match tls.filter(|_| config.tls) {
        Some(tls) => gateway.tls(tls),
        None => gateway,
    };
    let (control_plane, run_dir) = (&host.control_plane, machine::run_dir(&host.installation));
    let in_vpcs = edge::serve_api(
        gateway.clone(),
        control_plane.clone(),
        run_dir.clone(),
        api_ports(&config),
    );
    task::spawn("vpc-api", in_vpcs);
    if let Some(endpoint) = mails.filter(|_| config.aws_names) {
        let in_vpcs = edge::serve_smtp(endpoint, control_plane.clone(), run_dir);
        task::spawn("vpc-smtp", in_vpcs);
    }
    let server = task::spawn("gateway", gateway.serve(listener));
    let nodes = match config.node_listen {
        None => None,
        Some(address) => {
            let listener = listen(address)
                .await
                .with_context(|| format!("cannot listen for nodes on {address}"))?;
            let nodes = NodeApi::open(host.control_plane.clone(), &config.data)
                .context("cannot serve nodes of other hosts")?;
            host.containers.reach_into(nodes.clone());
            task::spawn("node-api", nodes.clone().serve(listener));
            host.machine.follow_peers(NODE.into(), nodes.peers());
            Some(nodes)
        }
    };
    let operator = Operator {
        control_plane: host.control_plane.clone(),
        root_key_id,
        nodes,
        default_scope: host.control_plane.house.settings.default_scope.clone(),
    };
    let socket = operator::socket(&host.installation);
    let door = Operator::listen(&socket)
        .with_context(|| format!("cannot listen on {}", socket.display()))?;
    task::spawn("operator", operator.serve(door));
    let record = Records::of_this_host().begin(&host.installation, &config)?;
    tell!(
        "neargate is ready on {} after {} ms",
        environment::url(config.tls, address),
        started.elapsed().as_millis()
    );
    tell!("{log}");
    own_code::let_go_later();
    // On a terminal alone: what is elsewhere is kept by somebody, such as a journal.
    if made && !config.is_development() && std::io::stderr().is_terminal() {
        tell!(
            "Every call is signed here. The root user of account {} has this key, which is shown \
             once (root finds it again with `neargate env`):\n  AWS_ACCESS_KEY_ID={}\n  \
             AWS_SECRET_ACCESS_KEY={}\n`neargate user create NAME --admin` makes a user, whose \
             keys people sign with.",
            config.account,
            root.access_key,
            root.secret_key
        );
    }

    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let show = async {
        if with_demo && let Err(error) = demo::run(&host.control_plane, address, &config).await {
            tell!("neargate: the demo failed: {error:#}");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = show => {}
    }
    server.abort();
    // What is counted here is what goes on running.
    let _held = host.control_plane.ecs.hold().await;
    let left = ecs::running(&host.control_plane.house).await?;
    let running = left.on_this_host;
    host.stop(running > 0).await;
    record.end(running > 0);
    let data = config.data.display();
    tell!("neargate has stopped. Kept under {data}: all state, images and logs.");
    if running > 0 {
        tell!(
            "{running} task(s) go on running; the next `neargate up` finds them again, \
             `neargate down --data {data}` stops them."
        );
    }
    if left.elsewhere > 0 {
        tell!("{} task(s) go on running on other hosts.", left.elsewhere);
    }
    Ok(())
}

/// A child that a killed Neargate had just forked holds its port until it executes its program.
const LINGER: Duration = Duration::from_secs(1);

async fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let waiting = Stopwatch::start();
    loop {
        match TcpListener::bind(address).await {
            Err(e) if e.kind() == ErrorKind::AddrInUse && waiting.elapsed() < LINGER => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bound => return bound,
        }
    }
}

/// `neargate down`: stop the tasks that an ended `neargate up` left running.
pub fn down(which: &Which, root: &RootFlags) -> Result<()> {
    preflight::check()?;
    let mut config = which.find_ended()?.config;
    root.apply(&mut config);
    let data = config.data.display();
    if !config.data.join(installation::FILE).exists() {
        if which.is_by_data() {
            bail!("no Neargate has run on {data}: is --data right?");
        }
        tell!("Nothing is left to stop: no Neargate has run on {data}.");
        return Ok(());
    }
    log::start(None);
    in_runtime(async move {
        let host = Host::start(&config, config.listen.port()).await?;
        let house = &host.control_plane.house;
        // Services would replace what is stopped; the next `up` lets them.
        let _held = host.control_plane.ecs.hold().await;
        let (left, nodes) = (ecs::running(house).await?, ecs::elsewhere(house).await?);
        ecs::halt(house, |node| !nodes.contains(node)).await?;
        let installation = host.installation.clone();
        host.stop(false).await;
        Records::of_this_host().forget(&installation);
        tell!("stopped {} task(s)", left.on_this_host);
        if left.elsewhere > 0 {
            tell!("{} task(s) go on running on other hosts.", left.elsewhere);
        }
        Ok(())
    })
}

/// Control plane and node of this machine.
pub struct Host {
    pub control_plane: Arc<ControlPlane>,
    pub installation: String,
    machine: Machine,
    slices: SliceController,
    _publisher: Publisher,
    _zones: edge::Serving,
    containers: Arc<HostContainers>,
    balancers: Balancers,
    _instance_metadata: Serving,
    hosts: Option<HostsFile>,
    pub rng: Arc<Rng>,
}

impl Host {
    async fn start(config: &Config, port: u16) -> Result<Host> {
        let clock: Arc<dyn Clock> = Arc::new(WatchedClock::over(Arc::new(SystemClock)));
        let rng = Arc::new(Rng::from_entropy());
        let installation = installation::id(&config.data, &rng)?;
        let default_scope = Scope {
            account: config.account.clone(),
            region: config.region.clone(),
        };
        let (vpc, kept) = task_network::range(&config.data, config.vpc_cidr).await?;
        let options = Options {
            data: config.data.clone(),
            account: config.account.clone(),
            settings: Settings {
                registry_endpoint: registry_endpoint(config.listen.ip(), port),
                registry_domain: config.registry_domain.clone(),
                default_scope,
                vpc,
                public_pool: config.public_pool,
                tls: config.tls,
                loopback: config.listen.ip().is_loopback(),
                enforced: !config.is_development(),
                oidc_keys: config.oidc_keys.clone(),
                build_images: config.build_images.clone(),
                rds_images: config.rds_images.clone(),
                reach: config.reach(port),
            },
            new_state: config.new_state,
            root_key: root_key(config),
            times: ecs::Times {
                settle: config.service_settle.into(),
                node_lease: config.node_lease.into(),
                scale_in_after: config.scale_in_after.into(),
            },
            relay: mail_relay::relay(&config.mail).context("the relay of mails")?,
        };
        let control_plane =
            Arc::new(ControlPlane::start(options, clock.clone(), rng.clone()).await?);
        if let Some(kept) = kept.filter(|kept| *kept != vpc) {
            task_network::change(&config.data, kept, vpc, &control_plane.house).await?;
        }
        // Tasks may reach this port among those that the host listens on.
        let served = match config.listen.ip().is_loopback() {
            true => Vec::new(),
            false => vec![port],
        };
        let room = about::free_mib(&installation).context("cannot see what this host has free")?;
        control_plane.ecs.nodes.offer(NODE, room);
        let port = NodePort::connect(control_plane.clone(), NODE, NodeKind::Fargate);
        let networks = port.networks();
        let machine = Machine::start(Setup {
            data: &config.data,
            installation: &installation,
            node_id: NODE.into(),
            kind: NodeKind::Fargate,
            vpc,
            public_pool: config.public_pool,
            allowed: Allowed::default(),
            file_systems: config.file_systems()?,
            reachable: Some(served),
            api: ports_in_vpcs(config),
            api_url: config.api_url_of_tasks(),
            overlay: config.node_listen.map(|at| overlay(Some(at.ip()))),
            registries: &config.registries,
            blobs: control_plane.house.blobs.clone().into(),
            upstream: Arc::new(Local(port)),
            names: NameSources {
                resolv_conf: config.resolv_conf.clone(),
                listen: config.dns_listen,
                aws_hosts: match config.aws_names {
                    true => edge::aws_hosts(smtp::is_wanted(config)),
                    false => BTreeSet::new(),
                },
            },
            networks,
            clock: clock.clone(),
            rng: rng.clone(),
        });
        let machine = machine.await?;
        let slices = SliceController::start(
            control_plane.clone(),
            &machine,
            config,
            &installation,
            clock,
            rng.clone(),
        );
        let slices = slices.await?;
        let containers = Arc::new(HostContainers {
            node: NODE,
            runtime: machine.runtime.clone(),
            slices: slices.running(),
            nodes: OnceLock::new(),
        });
        control_plane.house.sessions.seat(containers.clone());
        let publisher = Publisher::start(control_plane.clone(), machine.network.clone());
        let hosts = Some(&config.hosts_file).filter(|file| !file.as_os_str().is_empty());
        let hosts = hosts.map(|file| HostsFile::new(file.clone(), &installation));
        let balancers = Balancers::start(
            control_plane.clone(),
            machine.network.clone(),
            machine.edge.clone(),
            hosts.clone(),
            edge::logs(&config.data),
            rng.clone(),
        );
        let metadata = InstanceMetadata::new(control_plane.house.clone());
        let run_dir = machine::run_dir(&installation);
        let instance_metadata = instance_metadata::serve(metadata, &run_dir);
        let zones = edge::tell_zones(control_plane.clone(), machine.edge.clone());
        Ok(Host {
            _instance_metadata: instance_metadata,
            machine,
            slices,
            _publisher: publisher,
            _zones: zones,
            containers,
            balancers,
            hosts,
            control_plane,
            installation,
            rng,
        })
    }

    fn pages(&self) -> HostPages {
        HostPages {
            control_plane: self.control_plane.clone(),
            node: NODE,
            runtime: self.machine.runtime.clone(),
            slices: self.slices.running(),
        }
    }

    async fn stop(self, keep_tasks: bool) {
        drop(self.balancers);
        if let Some(hosts) = self.hosts.filter(|_| !keep_tasks) {
            hosts.clear();
        }
        self.slices.stop(keep_tasks).await;
        self.machine.stop(keep_tasks).await;
        // A file that was not closed is gone through whole at the next start.
        self.control_plane.house.db.store().close().await;
    }
}

/// Where the API answers in VPCs: with TLS also where clients of AWS's own names expect it.
fn api_ports(config: &Config) -> Vec<u16> {
    let mut ports = vec![config.listen.port()];
    if config.tls && !ports.contains(&HTTPS) {
        ports.push(HTTPS);
    }
    ports
}

/// What tasks reach of this host at the addresses of their VPC's resolver.
fn ports_in_vpcs(config: &Config) -> Vec<u16> {
    let mut ports = api_ports(config);
    if smtp::is_wanted(config) && config.aws_names {
        ports.extend(smtp::PORTS.iter().map(|(port, _)| port));
    }
    ports
}

/// The part of a network that spans hosts, on the host at this address.
pub fn overlay(address: Option<IpAddr>) -> OverlayConfig {
    let local = match address {
        Some(IpAddr::V4(address)) if !address.is_unspecified() => Some(address),
        _ => None,
    };
    OverlayConfig { local }
}

/// The registry as clients on this host reach it. Container tools speak plain HTTP to
/// `localhost` without being told to.
fn registry_endpoint(listen: IpAddr, port: u16) -> String {
    if listen.is_loopback() || listen.is_unspecified() {
        format!("localhost:{port}")
    } else {
        SocketAddr::new(listen, port).to_string()
    }
}

/// Where the root key comes from: as the operator chose, else what systemd hands the service, else
/// the data directory.
fn root_key(config: &Config) -> Source {
    let chosen = |key: &Option<PathBuf>, passphrase: &Option<PathBuf>| match (key, passphrase) {
        (Some(file), _) => Some(Source::File(file.clone())),
        (None, Some(file)) => Some(Source::Passphrase(file.clone())),
        (None, None) => None,
    };
    let credential = |name: &str| {
        let directory = PathBuf::from(std::env::var_os("CREDENTIALS_DIRECTORY")?);
        Some(directory.join(name)).filter(|file| file.exists())
    };
    chosen(&config.root_key, &config.root_passphrase)
        .or_else(|| {
            let key = credential("neargate.root-key");
            chosen(&key, &credential("neargate.root-passphrase"))
        })
        .unwrap_or_default()
}

/// Stop every task, then forget everything; instances end with their records.
fn reset(control_plane: Arc<ControlPlane>, slices: Running) -> Reset {
    Arc::new(move || {
        let (control_plane, slices) = (control_plane.clone(), slices.clone());
        Box::pin(async move {
            control_plane.reset().await.map_err(|e| e.to_string())?;
            slices.none().await;
            Ok(())
        })
    })
}
