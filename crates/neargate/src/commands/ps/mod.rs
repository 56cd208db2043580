//! `neargate ps`: the tasks, one a line.

mod row;

use super::tasks::{self, Selection};
use crate::client::{Client, ClientError, Code, Target};
use crate::view::{Output, Paint, Table, print_json};
use anyhow::{Result, anyhow};
use http::Method;
use neargate_base::Clock;
use neargate_base::time::SystemClock;
use neargate_control::pages::TaskUsage;
use row::{Known, Row};
use std::collections::{BTreeSet, HashMap};
use std::process::ExitCode;

/// Show the tasks: where they run, how they are, how they are reached.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate ps                            running tasks of all clusters
  neargate ps --cluster prod --service web
  neargate ps --all                      stopped ones too, with why they stopped
  neargate ps --output json | jq '.[].taskArn'")]
pub struct Ps {
    /// Only this cluster [default: all]
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    /// Only tasks of this service
    #[arg(long, short, value_name = "NAME")]
    service: Option<String>,
    /// Stopped tasks too, as long as ECS remembers them
    #[arg(long, short)]
    all: bool,
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

impl Ps {
    /// Those of one cluster.
    pub fn of_cluster(cluster: String, all: bool, output: Output, target: Target) -> Ps {
        Ps {
            cluster: Some(cluster),
            service: None,
            all,
            output,
            target,
        }
    }

    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let clusters = tasks::clusters(&client, self.cluster.as_deref()).await?;
        let which = Selection {
            service: self.service.clone(),
            with_stopped: self.all,
        };
        let usage = usage(&client).await?;
        let mut rows = Vec::new();
        let (mut elsewhere, mut found) = (None, false);
        for cluster in &clusters {
            let tasks = match tasks::tasks(&client, cluster, &which).await {
                // Many clusters were asked for: this one has no such service, or is just being deleted.
                Err(e) if self.cluster.is_none() && is_elsewhere(&e) => {
                    elsewhere = elsewhere.or(Some(e));
                    continue;
                }
                tasks => tasks?,
            };
            found = true;
            let known = known(&client, cluster, &tasks, &usage).await?;
            rows.extend(tasks.iter().map(|task| Row::new(cluster, task, &known)));
        }
        if let (Some(service), false) = (&self.service, found) {
            let error = elsewhere.map(anyhow::Error::from);
            let error = error.unwrap_or_else(|| anyhow!("there are no clusters"));
            return Err(error.context(format!("no cluster has a service {service:?}")));
        }
        match self.output {
            Output::Json => print_json(&serde_json::to_value(&rows)?),
            Output::Table => self.print(&rows, clusters.len() > 1),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn print(&self, rows: &[Row], several_clusters: bool) {
        let mut table = Table::new(&row::HEADINGS);
        let now = SystemClock.now();
        for row in rows {
            table.row(row.cells(several_clusters, now));
        }
        if !table.is_empty() {
            return table.print(Paint::stdout());
        }
        let running = if self.all { "" } else { " running" };
        tell!("There are no{running} tasks. `neargate deploy FILE` starts a service.");
    }
}

fn is_elsewhere(error: &ClientError) -> bool {
    error.is(Code::ServiceNotFound) || error.is(Code::ClusterNotFound)
}

/// What tasks use, by id; empty where Neargate does not say it.
pub async fn usage(client: &Client) -> Result<HashMap<String, TaskUsage>> {
    let page = client.page(Method::GET, "/_neargate/usage", None).await;
    let Some(page) = super::optional(page)? else {
        return Ok(HashMap::new());
    };
    let tasks: Vec<TaskUsage> = serde_json::from_value(page["tasks"].clone())?;
    Ok(tasks.into_iter().map(|t| (t.task_id.clone(), t)).collect())
}

/// What else is to be known to show the tasks of one cluster.
async fn known(
    client: &Client,
    cluster: &str,
    tasks: &[neargate_api_ecs::Task],
    usage: &HashMap<String, TaskUsage>,
) -> Result<Known> {
    let set = |pick: fn(&neargate_api_ecs::Task) -> &Option<String>| {
        let all: BTreeSet<String> = tasks.iter().filter_map(|t| pick(t).clone()).collect();
        Vec::from_iter(all)
    };
    let definitions = tasks::definitions(client, set(|t| &t.task_definition_arn)).await?;
    let arns = set(|t| &t.container_instance_arn);
    let instances = tasks::instances(client, cluster, &arns).await?;
    let addresses = if arns.is_empty() {
        HashMap::new()
    } else {
        super::instance::addresses(client).await?
    };
    Ok(Known::new(
        definitions,
        &instances,
        addresses,
        usage.clone(),
    ))
}

#[cfg(test)]
mod tests;
