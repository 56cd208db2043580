//! `neargate spot interrupt`: what AWS does to a Fargate Spot task when it needs the capacity.

use super::tasks::{self, Selection};
use crate::client::{Client, Target};
use crate::view::{last_part, say, short};
use anyhow::{Result, bail};
use clap::Subcommand;
use http::Method;
use serde_json::json;
use std::process::ExitCode;

/// Play the events of Fargate Spot.
#[derive(Debug, clap::Args)]
pub struct Spot {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Interrupt a FARGATE_SPOT task: SIGTERM, its stopTimeout, then SIGKILL.
    #[command(after_help = "Example:
  neargate spot interrupt 1dc5c17a --cluster prod")]
    Interrupt {
        /// The task's id, the start of it, or its ARN
        task: String,
        /// Its cluster [default: wherever it is found]
        #[arg(long, short, value_name = "NAME")]
        cluster: Option<String>,
        #[command(flatten)]
        target: Target,
    },
}

impl Spot {
    pub async fn run(self) -> Result<ExitCode> {
        let What::Interrupt {
            task,
            cluster,
            target,
        } = self.what;
        let client = target.client()?;
        let (cluster, id) = find(&client, cluster.as_deref(), &task).await?;
        let asked = json!({ "cluster": cluster, "task": id });
        client
            .page(Method::POST, "/_neargate/spot/interrupt", Some(&asked))
            .await?;
        say(&format!(
            "{} is interrupted: it stops as AWS's own would.",
            short(&id)
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// The cluster and the whole id of the task that `named` begins.
pub async fn find(client: &Client, cluster: Option<&str>, named: &str) -> Result<(String, String)> {
    let prefix = last_part(named);
    let mut found = Vec::new();
    for cluster in tasks::clusters(client, cluster).await? {
        let all = tasks::tasks(client, &cluster, &Selection::default()).await?;
        let ids = all
            .iter()
            .filter_map(|t| t.task_arn.as_deref())
            .map(last_part);
        let ids = ids.filter(|id| id.starts_with(prefix));
        found.extend(ids.map(|id| (cluster.clone(), id.to_owned())));
    }
    match found.len() {
        0 => bail!("no running task's id begins with {prefix:?}; `neargate ps` lists them"),
        1 => Ok(found.remove(0)),
        n => bail!("{n} tasks' ids begin with {prefix:?}; give more of it"),
    }
}
