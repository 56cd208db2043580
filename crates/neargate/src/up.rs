//! `neargate up`: every role in this process, on this machine.

use crate::config::Config;
use crate::upstream::Local;
use crate::{demo, environment, instance, preflight};
use anyhow::{Context, Result};
use neargate_base::time::{Stopwatch, SystemClock};
use neargate_base::{Clock, Rng, Secret, task};
use neargate_compute::ecs;
use neargate_control::gateway::{Mode, Reset};
use neargate_control::{Built, Gateway, NodePort, Options};
use neargate_domain::vpc;
use neargate_node::agent::{Agent, AgentConfig};
use neargate_node::image::{Images, RegistryConfig};
use neargate_node::net::{Network, NetworkConfig};
use neargate_node::runtime::{RuntimeConfig, ShimRuntime};
use neargate_service::{Scope, Settings};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The one node of a single host.
const NODE: &str = "local";

/// Run until Ctrl-C or SIGTERM.
pub fn run(config: Config, with_demo: bool) -> Result<()> {
    preflight::check()?;
    log_to_stderr();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(config, with_demo))
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("NEARGATE_LOG")
        .unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

async fn serve(config: Config, with_demo: bool) -> Result<()> {
    let started = Stopwatch::start();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rng = Arc::new(Rng::from_entropy());
    let instance = instance::id(&config.data, &rng)?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("cannot listen on {}: is the port in use? choose another with --listen", config.listen)
    })?;
    let address = listener.local_addr().context("the listener has an address")?;
    let credentials = environment::credentials(&config.data, &rng)?;
    let options = Options {
        data: config.data.clone(),
        account: config.account.clone(),
        settings: Settings {
            registry_endpoint: format!("localhost:{}", address.port()),
            registry_domain: config.registry_domain.clone(),
            default_scope: Scope { account: config.account.clone(), region: config.region.clone() },
        },
    };
    let built = neargate_control::build(options, clock.clone(), rng.clone()).await?;
    let built = Arc::new(built);
    let agent = start_node(&config, &instance, &built, clock, rng).await?;

    let mode = if config.is_development() {
        Mode::Development
    } else {
        let secret = Secret::new(credentials.secret_key);
        Mode::Enforced(BTreeMap::from([(credentials.access_key, secret)]))
    };
    let reset = reset(built.clone());
    let gateway = Gateway::new(built.clone(), mode, config.region.clone(), Some(reset));
    let server = task::spawn("gateway", gateway.serve(listener));
    eprintln!("neargate is ready on http://{address} after {} ms", started.elapsed().as_millis());

    let mut interrupt = signal(SignalKind::interrupt()).context("cannot handle Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot handle SIGTERM")?;
    let show = async {
        if with_demo && let Err(error) = demo::run(&built, address, &config).await {
            eprintln!("neargate: the demo failed: {error:#}");
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = show => {}
    }
    server.abort();
    agent.shutdown().await;
    let running = ecs::running(&built.house).await?;
    eprintln!("\nneargate has stopped. Kept under {}: all state, images and logs.", config.data.display());
    if running > 0 {
        eprintln!(
            "{running} task(s) go on running without it; the next `neargate up` finds them again. \
             To stop them: `neargate down --data {}`.",
            config.data.display()
        );
    }
    Ok(())
}

async fn start_node(
    config: &Config,
    instance: &str,
    built: &Arc<Built>,
    clock: Arc<dyn Clock>,
    rng: Arc<Rng>,
) -> Result<Agent> {
    let run_dir = PathBuf::from("/run/neargate").join(instance);
    let network = Network::start(NetworkConfig {
        instance: instance.to_owned(),
        run_dir: run_dir.clone(),
        vpc_cidr: vpc::CIDR.into(),
        subnets: vpc::gateways().map(|gateway| (gateway, vpc::SUBNET_PREFIX)).to_vec(),
    });
    let network = network.await.context("cannot set up the task network")?;
    let registries = RegistryConfig {
        mirrors: config.registries.mirrors.clone(),
        insecure: config.registries.insecure.clone(),
        ..RegistryConfig::default()
    };
    let images = Images::open(&config.data.join("images"), Some(built.house.blobs.clone()), registries)
        .context("cannot open the images")?;
    let runtime = ShimRuntime::open(RuntimeConfig {
        exe: std::env::current_exe().context("cannot find this program")?,
        run_dir: run_dir.clone(),
        instance: instance.to_owned(),
    })
    .context("cannot set up the container runtime")?;
    let upstream = Arc::new(Local(NodePort::connect(built.clone(), NODE)));
    let agent = AgentConfig::new(config.data.join("node"), run_dir.join("agent"), clock, rng);
    Agent::start(agent, upstream, images, network, Arc::new(runtime)).await.context("cannot start the node")
}

/// Stop every task, then forget everything.
fn reset(built: Arc<Built>) -> Reset {
    Arc::new(move || {
        let built = built.clone();
        Box::pin(async move { built.reset().await.map_err(|e| e.to_string()) })
    })
}
