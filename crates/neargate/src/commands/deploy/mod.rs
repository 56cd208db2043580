//! `neargate deploy FILE`: registers the task definition if it changed, creates or updates the
//! service, and waits until it is steady or shows why not.

mod apply;
mod file;
mod images;
mod plan;
pub(super) mod progress;
mod read;
mod wait;

pub use read::unknown_key;

use crate::client::Target;
use crate::view::{Output, print_json};
use anyhow::{Context, Result};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Bring a service to what a file says, and wait until it is.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file holds a task definition and a service, in AWS's own names:

  cluster: default              # made if there is none
  taskDefinition:
    family: web                 # the service's name, if none is given
    networkMode: awsvpc
    requiresCompatibilities: [FARGATE]
    cpu: 256
    memory: 512
    executionRoleArn: arn:aws:iam::000000000000:role/ecsTaskExecutionRole
    containerDefinitions:
      - name: web
        image: 000000000000.dkr.ecr.us-east-1.amazonaws.com/web:latest
        portMappings: [{containerPort: 80}]
  service:
    serviceName: web
    desiredCount: 2

A service in awsvpc mode without a networkConfiguration gets the default VPC's subnets, and one
whose definition requires FARGATE only gets that launchType. A new service without a desiredCount
gets 1; an old one keeps what it has. A tag of this registry that was pushed again is deployed
anew, though the file says the same.

Examples:
  neargate deploy web.yaml
  neargate deploy web.yaml --cluster prod --timeout 3m
  neargate deploy web.yaml --force-new-deployment

Exit codes: 0 steady, 1 not (and why), 2 something is wrong with the file or the usage."
)]
pub struct Deploy {
    /// YAML (or JSON) with `taskDefinition` and `service`
    file: PathBuf,
    /// Deploy there, whatever the file says
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    /// How long to wait: 90s, 10m, 1h
    #[arg(long, value_name = "AGE", default_value = "10m",
          value_parser = super::logs::since)]
    timeout: Duration,
    /// Start new tasks even if nothing changed
    #[arg(long)]
    force_new_deployment: bool,
    /// Do not wait
    #[arg(long)]
    no_wait: bool,
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// How it ended.
enum Ended {
    Steady,
    /// Why, and the last thing that went wrong; that was shown when it was seen.
    NotSteady(String, Option<String>),
    NotWaitedFor,
}

impl Deploy {
    pub async fn run(self) -> Result<ExitCode> {
        let name = self.file.display();
        let wanted = match self.read() {
            Ok(wanted) => wanted,
            Err(error) => {
                tell!("neargate: {name}: {error:#}");
                return Ok(ExitCode::from(2));
            }
        };
        let client = self.target.client()?;
        let applied = apply::apply(&client, wanted, self.force_new_deployment).await?;
        let ended = if self.no_wait {
            Ended::NotWaitedFor
        } else {
            wait::wait(&client, &applied, self.timeout).await?
        };
        let (status, why, failure, code) = match ended {
            Ended::Steady => ("STEADY", None, None, 0),
            Ended::NotWaitedFor => ("STARTED", None, None, 0),
            Ended::NotSteady(why, failure) => ("NOT_STEADY", Some(why), failure, 1),
        };
        match (self.output, why) {
            (Output::Json, why) => print_json(&json!({
                "status": status,
                "reason": why.map(|why| match failure {
                    Some(failure) => format!("{why}. Last failure: {failure}"),
                    None => why,
                }),
                "cluster": applied.cluster,
                "service": applied.service,
                "taskDefinitionArn": applied.task_definition,
                "deploymentId": applied.deployment,
            })),
            (Output::Table, None) => {}
            (Output::Table, Some(why)) => tell!(
                "neargate: {} is not steady: {why}\n\
                 `neargate logs {} --cluster {}` shows what its containers say, `neargate ps --all` \
                 how its tasks end.",
                applied.service,
                applied.service,
                applied.cluster
            ),
        }
        Ok(ExitCode::from(code))
    }

    fn read(&self) -> Result<file::Wanted> {
        let text = std::fs::read_to_string(&self.file).context("cannot read the file")?;
        let mut wanted = file::wanted(&text)?;
        if self.cluster.is_some() {
            wanted.cluster.clone_from(&self.cluster);
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests;
