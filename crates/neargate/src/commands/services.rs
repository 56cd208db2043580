//! `neargate services`: the services, one a line.

use super::tasks::{self, AT_ONCE_SERVICES};
use crate::client::{Client, ClientError, Code, Target};
use crate::view::{Cell, Output, Paint, Table, age, last_part, print_json};
use anyhow::Result;
use neargate_api_ecs::{self as ecs, ops};
use neargate_base::time::SystemClock;
use neargate_base::{Clock, Timestamp};
use serde::Serialize;
use std::process::ExitCode;

/// Show the services: how many of their tasks run, and how their deployments stand.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  neargate services
  neargate services --cluster prod
  neargate services --output json | jq '.[].serviceName'

TASKS is running/desired, and those still pending.")]
pub struct Services {
    /// Only this cluster [default: all]
    #[arg(long, short, value_name = "NAME")]
    cluster: Option<String>,
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    target: Target,
}

/// A service, in the words of `--output json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    service_arn: String,
    service_name: String,
    cluster: String,
    status: String,
    desired_count: i32,
    running_count: i32,
    pending_count: i32,
    /// How far the primary deployment is: `IN_PROGRESS`, `COMPLETED`, `FAILED`.
    rollout_state: Option<String>,
    /// Failed tasks of the primary deployment: what runs may be an earlier one's.
    failed_tasks: i32,
    /// `FARGATE`, `EC2`, or the capacity providers' names.
    launch_type: Option<String>,
    capacity_providers: Vec<String>,
    task_definition_arn: String,
    #[serde(skip)]
    created_at: Option<Timestamp>,
}

impl Services {
    pub async fn run(self) -> Result<ExitCode> {
        let client = self.target.client()?;
        let clusters = tasks::clusters(&client, self.cluster.as_deref()).await?;
        let mut rows = Vec::new();
        for cluster in &clusters {
            let services = match services(&client, cluster).await {
                // All clusters were asked for, and this one is just being deleted.
                Err(e) if self.cluster.is_none() && e.is(Code::ClusterNotFound) => continue,
                services => services?,
            };
            rows.extend(services.into_iter().map(|s| row(cluster, s)));
        }
        match self.output {
            Output::Json => print_json(&serde_json::to_value(&rows)?),
            Output::Table if rows.is_empty() => {
                tell!("There are no services. `neargate deploy FILE` makes one.");
            }
            Output::Table => {
                table(&rows, clusters.len() > 1, SystemClock.now()).print(Paint::stdout())
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Those of a cluster, by name.
async fn services(client: &Client, cluster: &str) -> Result<Vec<ecs::Service>, ClientError> {
    let (mut arns, mut next_token) = (Vec::new(), None);
    loop {
        let input = ecs::ListServicesInput {
            cluster: Some(cluster.to_owned()),
            max_results: Some(100),
            next_token,
            ..Default::default()
        };
        let page = client.call(ops::ListServices, &input).await?;
        arns.extend(page.service_arns.unwrap_or_default());
        next_token = page.next_token;
        if next_token.is_none() {
            break;
        }
    }
    let mut all = Vec::new();
    for piece in arns.chunks(AT_ONCE_SERVICES) {
        let input = ecs::DescribeServicesInput {
            cluster: Some(cluster.to_owned()),
            services: piece.to_vec(),
            ..Default::default()
        };
        let answer = client.call(ops::DescribeServices, &input).await?;
        all.extend(answer.services.unwrap_or_default());
    }
    all.sort_by(|a, b| a.service_name.cmp(&b.service_name));
    Ok(all)
}

fn row(cluster: &str, service: ecs::Service) -> Row {
    let deployments = service.deployments.unwrap_or_default();
    let primary = deployments
        .into_iter()
        .find(|d| d.status.as_deref() == Some("PRIMARY"));
    let strategy = service.capacity_provider_strategy.unwrap_or_default();
    Row {
        service_arn: service.service_arn.unwrap_or_default(),
        service_name: service.service_name.unwrap_or_default(),
        cluster: cluster.to_owned(),
        status: service.status.unwrap_or_default(),
        desired_count: service.desired_count.unwrap_or(0),
        running_count: service.running_count.unwrap_or(0),
        pending_count: service.pending_count.unwrap_or(0),
        failed_tasks: primary.as_ref().and_then(|d| d.failed_tasks).unwrap_or(0),
        rollout_state: primary.and_then(|d| d.rollout_state),
        launch_type: service.launch_type,
        capacity_providers: strategy.into_iter().map(|i| i.capacity_provider).collect(),
        task_definition_arn: service.task_definition.unwrap_or_default(),
        created_at: service.created_at,
    }
}

fn table(rows: &[Row], with_cluster: bool, now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "SERVICE",
        "CLUSTER",
        "STATUS",
        ">TASKS",
        "DEPLOYMENT",
        "TYPE",
        "TASK DEFINITION",
        "AGE?",
    ]);
    for row in rows {
        let pending = match row.pending_count {
            0 => String::new(),
            n => format!(" +{n}"),
        };
        let providers = row.capacity_providers.join(",");
        let rollout = row.rollout_state.as_deref().unwrap_or("-");
        let rollout = match row.failed_tasks {
            0 => Cell::state(rollout),
            n => format!("{rollout}, {n} failed").into(),
        };
        table.row(vec![
            Cell::strong(&row.service_name),
            if with_cluster { &*row.cluster } else { "-" }.into(),
            Cell::state(&row.status),
            format!("{}/{}{pending}", row.running_count, row.desired_count).into(),
            rollout,
            row.launch_type.clone().unwrap_or(providers).into(),
            last_part(&row.task_definition_arn).into(),
            age(row.created_at, now).into(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_a_service_stands() {
        let service = ecs::Service {
            service_name: Some("web".into()),
            status: Some("ACTIVE".into()),
            desired_count: Some(3),
            running_count: Some(1),
            pending_count: Some(2),
            launch_type: Some("FARGATE".into()),
            task_definition: Some("arn:aws:ecs:r:a:task-definition/web:7".into()),
            deployments: Some(vec![ecs::Deployment {
                status: Some("PRIMARY".into()),
                rollout_state: Some("IN_PROGRESS".into()),
                failed_tasks: Some(4),
                ..Default::default()
            }]),
            created_at: Some(Timestamp::from_millis(1_000)),
            ..Default::default()
        };
        let row = row("c", service);
        let table = table(&[row], false, Timestamp::from_millis(8_000));
        let lines = table.lines(Paint::NONE, None);
        assert_eq!(
            lines,
            [
                "SERVICE  STATUS   TASKS  DEPLOYMENT             TYPE     TASK DEFINITION  AGE",
                "web      ACTIVE  1/3 +2  IN_PROGRESS, 4 failed  FARGATE  web:7            7s"
            ]
        );
    }
}
