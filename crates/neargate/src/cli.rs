//! The command line. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

use crate::backup::{Backup, Restore, Upgrade};
use crate::client;
use crate::commands::authority::Authority;
use crate::commands::build::Build;
use crate::commands::compose::Compose;
use crate::commands::doctor::Doctor;
use crate::commands::envoy::Envoy;
use crate::commands::mail::Mail;
use crate::commands::pipeline::Pipeline;
use crate::commands::publish::{Publish, Unpublish};
use crate::commands::trace::Trace;
use crate::commands::{self, deploy::Deploy, events::Events, exec::Exec};
use crate::commands::{instance::Instance, logs::Logs};
use crate::commands::{ps::Ps, services::Services, spot::Spot, top::Top};
use crate::config::{Config, Flags, RootFlags, Wrong};
use crate::environment::{self, shell::Shell};
use crate::people;
use crate::running::Which;
use crate::view::say_all;
use clap::{CommandFactory as _, Parser, Subcommand};
use neargate_base::Region;
use std::path::PathBuf;
use std::process::ExitCode;

/// ECS and Fargate on your own machines.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Examples:
  neargate up                       run everything on this machine
  neargate up --demo                ... and start a demo task
  eval \"$(neargate env)\"            point AWS clients of this shell at it
  neargate ps                       what runs
  aws ecs list-clusters

Commands find the Neargate that runs on this host (in this network namespace) by themselves.
Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all roles on this machine, in the foreground.
    Up {
        #[command(flatten)]
        flags: Flags,
        /// Run a demo task and show its life
        #[arg(long)]
        demo: bool,
    },
    /// Stop the tasks that an ended `neargate up` left running. State is kept.
    Down {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        root: RootFlags,
    },
    Ps(Ps),
    Services(Services),
    Events(Events),
    Logs(Logs),
    Top(Top),
    Exec(Exec),
    Deploy(Deploy),
    Build(Build),
    Pipeline(Pipeline),
    Compose(Compose),
    Doctor(Doctor),
    Backup(Backup),
    Restore(Restore),
    Upgrade(Upgrade),
    #[command(hide = true)]
    Builder(crate::builder::Serve),
    Envoy(Envoy),
    Instance(Instance),
    Spot(Spot),
    Publish(Publish),
    Unpublish(Unpublish),
    Mail(Mail),
    Trace(Trace),
    #[command(name = "xray")]
    XRay(crate::xray::XRay),
    #[command(visible_alias = "ca")]
    Authority(Authority),
    Account(people::Account),
    User(people::User),
    /// Run this machine as a node of a control plane on another host; manage such nodes.
    Node(crate::node::Node),
    Env(Env),
    /// Print the configuration that `neargate up` would take, as TOML.
    Config {
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the completions of a shell: neargate completions bash > /etc/bash_completion.d/neargate
    Completions {
        shell: clap_complete::Shell,
    },
    /// Write the manual's pages into a directory.
    #[command(hide = true)]
    Manual {
        dir: PathBuf,
    },
    /// Print how completely each AWS operation is served, as JSON (docs/compatibility.md).
    #[command(hide = true)]
    Operations,
}

/// Print the shell lines that point AWS clients at this Neargate.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  eval \"$(neargate env)\"                                  sh, bash, zsh
  neargate env --shell fish | source                       fish
  neargate env --shell powershell | Invoke-Expression      PowerShell")]
struct Env {
    /// The shell that reads the lines
    #[arg(long, value_enum, default_value_t)]
    shell: Shell,
    /// The region of the calls [default: what Neargate was started with]
    #[arg(long, env = "NEARGATE_REGION", value_name = "REGION")]
    region: Option<Region>,
    #[command(flatten)]
    which: Which,
}

impl Env {
    fn run(self) -> Result<(), ExitCode> {
        let found = self.which.find().map_err(failed)?;
        if found.process.is_none() && !found.is_named {
            return Err(failed(self.which.nothing_runs(&found)));
        }
        let mut config = found.config;
        config.region = self.region.unwrap_or(config.region);
        say_all(&environment::lines(&config, self.shell).map_err(failed)?);
        Ok(())
    }
}

pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up { flags, demo } => Config::load(&flags)
            .and_then(|config| crate::up::run(config, demo))
            .map_err(failed),
        Command::Down { which, root } => crate::up::down(&which, &root).map_err(failed),
        Command::Ps(ps) => return command(ps.run()),
        Command::Services(services) => return command(services.run()),
        Command::Events(events) => return command(events.run()),
        Command::Logs(logs) => return command(logs.run()),
        Command::Top(top) => return command(top.run()),
        Command::Exec(exec) => return command(exec.run()),
        Command::Deploy(deploy) => return command(deploy.run()),
        Command::Build(build) => return command(build.run()),
        Command::Pipeline(pipeline) => return command(pipeline.run()),
        Command::Envoy(envoy) => return command(envoy.run()),
        Command::Compose(compose) => return command(compose.run()),
        Command::Doctor(doctor) => return command(doctor.run()),
        Command::Backup(backup) => backup.run().map_err(failed),
        Command::Restore(restore) => restore.run().map_err(failed),
        Command::Upgrade(upgrade) => upgrade.run().map_err(failed),
        Command::Builder(serve) => crate::builder::main(serve).map_err(failed),
        Command::Instance(instance) => return command(instance.run()),
        Command::Spot(spot) => return command(spot.run()),
        Command::Publish(publish) => return command(publish.run()),
        Command::Unpublish(unpublish) => return command(unpublish.run()),
        Command::Mail(mail) => return command(mail.run()),
        Command::Trace(trace) => return command(trace.run()),
        Command::XRay(xray) => xray.run().map_err(failed),
        Command::Account(account) => account.run().map_err(failed),
        Command::User(user) => user.run().map_err(failed),
        Command::Authority(authority) => return command(authority.run()),
        Command::Node(node) => crate::node::main(node).map_err(failed),
        Command::Env(env) => env.run(),
        Command::Config { flags } => Config::load(&flags).map_err(failed).map(|config| {
            say_all(&config.to_toml());
        }),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "neargate", &mut text);
            say_all(&String::from_utf8_lossy(&text));
            Ok(())
        }
        Command::Manual { dir } => clap_mangen::generate_to(Cli::command(), dir)
            .map_err(anyhow::Error::from)
            .map_err(failed),
        Command::Operations => operations().map_err(failed),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => code,
    }
}

/// A command that talks to a running Neargate.
fn command(work: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    commands::block_on(work).unwrap_or_else(|error| {
        let next = client::next_step(&error);
        let code = failed(error);
        if let Some(next) = next {
            tell!("{next}");
        }
        code
    })
}

fn operations() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    say_all(&(runtime.block_on(environment::operations())? + "\n"));
    Ok(())
}

fn failed(error: anyhow::Error) -> ExitCode {
    tell!("neargate: {error:#}");
    let is_configuration = error.downcast_ref::<Wrong>().is_some();
    ExitCode::from(if is_configuration { 2 } else { 1 })
}
