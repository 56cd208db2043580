//! `neargate compose`: a Compose file as a CloudFormation stack of ECS services.
//!
//! The file is read and judged without I/O (`read`, `service`, `fields`, `interpolate`, `dotenv`, `size`,
//! `ports` make a `model::Project` of it or say by name what has no counterpart), `template` makes a
//! template of the project, and the rest calls what any client may call.

mod dotenv;
mod fields;
mod file;
mod images;
mod interpolate;
mod limits;
mod model;
mod mounts;
mod ports;
mod ports_of_host;
mod read;
mod service;
mod size;
mod stack;
mod template;

use crate::client::{Client, Target};
use crate::commands::{logs::Logs, ps::Ps};
use crate::view::{Cell, Output, Paint, Table, say_all};
use anyhow::{Result, bail};
use clap::Subcommand;
use file::{Found, Unmapped};
use futures_util::future::try_join_all;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run a Compose file: its services become ECS services in a VPC of their own.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate compose up                  build what is to be built, make all of it, publish the ports
  neargate compose -f shop.yaml config the CloudFormation template that the file becomes
  neargate compose ps                  its tasks
  neargate compose logs --follow web
  neargate compose down                take all of it away; named volumes stay
  neargate compose down --volumes      those, too

What a file says that has no counterpart on Fargate is refused by its name (docs/compose.md).
Exit codes: 0 done, 1 failed, 2 something is wrong with the file or the usage.")]
pub struct Compose {
    /// The file [default: compose.yaml or docker-compose.yaml, here or above]
    #[arg(long, short, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The project's name [default: the file's, or its directory's]
    #[arg(long, short, global = true, value_name = "NAME")]
    project_name: Option<String>,
    /// Services of this profile, too
    #[arg(long, global = true, value_name = "NAME")]
    profile: Vec<String>,
    /// The file of variables [default: .env beside the file]
    #[arg(long, global = true, value_name = "FILE")]
    env_file: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring all services to what the file says, and wait until they are
    Up {
        #[command(flatten)]
        target: Target,
    },
    /// Take away what `up` made
    Down {
        /// Named volumes, too, with all that is in them
        #[arg(long, short)]
        volumes: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Show the project's tasks
    Ps {
        /// Stopped tasks, too
        #[arg(long, short)]
        all: bool,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        target: Target,
    },
    /// Show what services write
    Logs {
        /// [default: all]
        #[arg(value_name = "SERVICE")]
        services: Vec<String>,
        /// Go on until Ctrl-C
        #[arg(long)]
        follow: bool,
        #[command(flatten)]
        target: Target,
    },
    /// Show the projects that are up
    Ls {
        #[command(flatten)]
        target: Target,
    },
    /// Check the file, and print the template that it becomes
    Config,
}

impl Compose {
    pub async fn run(self) -> Result<ExitCode> {
        let found = || {
            let file = self.file.as_deref();
            Found::read(
                file,
                self.project_name.clone(),
                &self.profile,
                self.env_file.as_deref(),
            )
        };
        let outcome = match &self.action {
            Action::Up { target } => up(found, target).await,
            Action::Down { volumes, target } => match &self.project_name {
                // A project may be taken away without its file.
                Some(name) => {
                    down(&read::normal_name(name), &BTreeMap::new(), *volumes, target).await
                }
                None => match found() {
                    Ok(found) => {
                        let project = &found.project;
                        down(&project.name, &project.volumes, *volumes, target).await
                    }
                    Err(error) => Err(error),
                },
            },
            Action::Ps {
                all,
                output,
                target,
            } => match self.name(found) {
                Ok(name) => {
                    let cluster = template::stack_name(&name);
                    return Ps::of_cluster(cluster, *all, *output, target.clone())
                        .run()
                        .await;
                }
                Err(error) => Err(error),
            },
            Action::Logs {
                services,
                follow,
                target,
            } => logs(found, services, *follow, target).await,
            Action::Ls { target } => ls(target).await,
            Action::Config => config(found),
        };
        match outcome {
            Err(error) if error.downcast_ref::<Unmapped>().is_some() => {
                tell!("{error}");
                Ok(ExitCode::from(2))
            }
            outcome => outcome.map(|()| ExitCode::SUCCESS),
        }
    }

    fn name(&self, found: impl Fn() -> Result<Found>) -> Result<String> {
        match &self.project_name {
            Some(name) => Ok(read::normal_name(name)),
            None => Ok(found()?.project.name),
        }
    }
}

fn noted(found: &Found) {
    for note in &found.project.notes {
        tell!("note: {note}");
    }
}

async fn up(found: impl Fn() -> Result<Found>, target: &Target) -> Result<()> {
    let found = found()?;
    noted(&found);
    let mut secrets = BTreeMap::new();
    for (name, source) in &found.project.secrets {
        secrets.insert(name.clone(), found.secret(source)?);
    }
    let client = target.client()?;
    let images = images::build(&found, target).await?;
    let template = template::template(&found.project, &images).map_err(anyhow::Error::msg)?;
    let stack = stack::bring(
        &client,
        &found.project.name,
        &template.to_string(),
        &secrets,
    )
    .await?;
    ports_of_host::bring(&client, &found.project).await?;
    shown(&client, &stack).await
}

/// What AWS resources it is.
async fn shown(client: &Client, stack: &stack::Stack) -> Result<()> {
    let mut table = Table::new(&["WHAT", "NAME", "ID"]);
    for resource in stack::resources(client, &stack.id).await? {
        table.row(vec![
            resource.kind.trim_start_matches("AWS::").into(),
            Cell::strong(resource.logical),
            resource.physical.into(),
        ]);
    }
    table.print(Paint::stdout());
    Ok(())
}

async fn down(
    project: &str,
    volumes: &BTreeMap<String, String>,
    with_volumes: bool,
    target: &Target,
) -> Result<()> {
    let client = target.client()?;
    ports_of_host::take_all_back(&client, project).await?;
    let named = template::stack_name(project);
    let stack = stack::find(&client, &named).await?;
    match &stack {
        None => tell!("the project {project} is not up"),
        Some(stack) => {
            stack::delete(&client, &named, stack).await?;
            tell!("the project {project} is gone");
        }
    }
    if !with_volumes {
        return Ok(());
    }
    if volumes.is_empty() {
        tell!("the file names no volumes");
        return Ok(());
    }
    let Some(data) = target.data() else {
        bail!("cannot tell where this Neargate keeps its files: name it with --data");
    };
    for (name, kept) in volumes {
        remove_volume(&data, name, kept, &client)?;
    }
    Ok(())
}

/// A named volume's files lie where the elastic file system does, in the data directory (docs/volumes.md).
fn remove_volume(data: &std::path::Path, name: &str, kept: &str, client: &Client) -> Result<()> {
    let id = template::file_system(kept);
    let accounts = std::fs::read_dir(data.join("efs"))
        .into_iter()
        .flatten()
        .flatten();
    for account in accounts {
        let path = account.path().join(client.region()).join(&id);
        match std::fs::remove_dir_all(&path) {
            Ok(()) => tell!("the volume {name} is gone"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => bail!("cannot remove {}: {error}", path.display()),
        }
    }
    Ok(())
}

async fn logs(
    found: impl Fn() -> Result<Found>,
    services: &[String],
    follow: bool,
    target: &Target,
) -> Result<()> {
    let found = found()?;
    let cluster = template::stack_name(&found.project.name);
    let all = found.project.own_services().map(|(name, _)| name.clone());
    let services = match services {
        [] => all.collect(),
        named => named.to_vec(),
    };
    let one = |name: String| Logs::of_service(name, cluster.clone(), follow, target.clone()).run();
    if follow {
        try_join_all(services.into_iter().map(one)).await?;
        return Ok(());
    }
    for name in services {
        one(name).await?;
    }
    Ok(())
}

async fn ls(target: &Target) -> Result<()> {
    let client = target.client()?;
    let mut table = Table::new(&["PROJECT", "STATUS"]);
    for (name, status) in stack::all(&client).await? {
        table.row(vec![Cell::strong(name), Cell::state(status)]);
    }
    if table.is_empty() {
        tell!("No project is up. `neargate compose up` brings one up.");
    } else {
        table.print(Paint::stdout());
    }
    Ok(())
}

fn config(found: impl Fn() -> Result<Found>) -> Result<()> {
    let found = found()?;
    noted(&found);
    let template = template::template(&found.project, &images::planned(&found));
    let template = template.map_err(anyhow::Error::msg)?;
    say_all(&format!("{}\n", serde_json::to_string_pretty(&template)?));
    Ok(())
}

#[cfg(test)]
mod tests;
