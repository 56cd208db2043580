//! The command line. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.

use crate::client;
use crate::commands::{self, deploy::Deploy, events::Events, instance::Instance, logs::Logs};
use crate::commands::{ps::Ps, spot::Spot, top::Top};
use crate::config::{Config, Flags};
use clap::{Parser, Subcommand};
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
  aws ecs list-clusters"
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
        /// Run a demo task and show its life.
        #[arg(long)]
        demo: bool,
    },
    /// Stop the tasks that an ended `neargate up` left running. State is kept.
    Down {
        #[command(flatten)]
        flags: Flags,
    },
    Ps(Ps),
    Events(Events),
    Logs(Logs),
    Top(Top),
    Deploy(Deploy),
    Instance(Instance),
    Spot(Spot),
    /// Run this machine as a node of a control plane on another host; manage such nodes.
    Node(crate::node::Node),
    /// Print the shell lines that point AWS clients at this Neargate.
    Env {
        #[command(flatten)]
        flags: Flags,
    },
    /// Print the configuration in effect, as TOML.
    Config {
        #[command(flatten)]
        flags: Flags,
    },
    /// Print how completely each AWS operation is served, as JSON (docs/compatibility.md).
    #[command(hide = true)]
    Operations,
}

pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Up { flags, demo } => Config::load(&flags)
            .map_err(usage)
            .and_then(|config| crate::up::run(config, demo).map_err(failed)),
        Command::Down { flags } => Config::load(&flags)
            .map_err(usage)
            .and_then(|config| crate::up::down(config).map_err(failed)),
        Command::Ps(ps) => return command(ps.run()),
        Command::Events(events) => return command(events.run()),
        Command::Logs(logs) => return command(logs.run()),
        Command::Top(top) => return command(top.run()),
        Command::Deploy(deploy) => return command(deploy.run()),
        Command::Instance(instance) => return command(instance.run()),
        Command::Spot(spot) => return command(spot.run()),
        Command::Node(node) => crate::node::main(node).map_err(failed),
        Command::Env { flags } => Config::load(&flags).map_err(usage).and_then(|config| {
            print!("{}", crate::environment::lines(&config).map_err(failed)?);
            Ok(())
        }),
        Command::Config { flags } => Config::load(&flags).map_err(usage).map(|config| {
            print!("{}", config.to_toml());
        }),
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
            eprintln!("{next}");
        }
        code
    })
}

fn operations() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("{}", runtime.block_on(crate::environment::operations())?);
    Ok(())
}

fn usage(error: anyhow::Error) -> ExitCode {
    eprintln!("neargate: {error:#}");
    ExitCode::from(2)
}

fn failed(error: anyhow::Error) -> ExitCode {
    eprintln!("neargate: {error:#}");
    ExitCode::from(1)
}
