//! What `neargate logs NAME` means: a service, a family's lone tasks, or a task.

use crate::client::{Client, ClientError, Code};
use crate::commands::optional;
use crate::commands::tasks::{self, Selection};
use crate::view::last_part;
use anyhow::{Result, bail};
use neargate_api_ecs::{self as ecs, ops};

/// The chosen tasks: those there are, and those to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// A task's `group`: `service:web`, `family:job`.
    Group {
        cluster: String,
        group: String,
    },
    Task {
        cluster: String,
        id: String,
    },
}

impl Choice {
    pub fn is_one_task(&self) -> bool {
        matches!(self, Choice::Task { .. })
    }

    /// Its tasks, the remembered ones too.
    pub async fn tasks(&self, client: &Client) -> Result<Vec<ecs::Task>, ClientError> {
        let (Choice::Group { cluster, .. } | Choice::Task { cluster, .. }) = self;
        let all = tasks::tasks(client, cluster, &everything()).await?;
        Ok(all.into_iter().filter(|t| self.holds(t)).collect())
    }

    fn holds(&self, task: &ecs::Task) -> bool {
        match self {
            Choice::Group { group, .. } => task.group.as_ref() == Some(group),
            Choice::Task { id, .. } => task.task_arn.as_deref().map(last_part) == Some(id),
        }
    }
}

fn everything() -> Selection {
    Selection {
        with_stopped: true,
        ..Selection::default()
    }
}

/// What `named` is, in the named cluster or any.
pub async fn choose(client: &Client, cluster: Option<&str>, named: &str) -> Result<Choice> {
    let mut found = Vec::new();
    for cluster in tasks::clusters(client, cluster).await? {
        let all = tasks::tasks(client, &cluster, &everything()).await?;
        found.extend(among(&cluster, &all, named));
        if found.is_empty() && is_service(client, &cluster, named).await? {
            let group = format!("service:{named}");
            found.push(Choice::Group { cluster, group });
        }
    }
    match found.len() {
        0 => bail!(
            "there is no service, family or task {named:?}; `neargate ps --all` shows what there is"
        ),
        1 => Ok(found.remove(0)),
        _ => {
            let meant: Vec<String> = found.iter().map(Choice::words).collect();
            bail!(
                "{named:?} could be {}; say more of it, or its --cluster",
                meant.join(", ")
            )
        }
    }
}

impl Choice {
    fn words(&self) -> String {
        match self {
            Choice::Group { cluster, group } => format!("{group} of {cluster}"),
            Choice::Task { cluster, id } => format!("task {id} of {cluster}"),
        }
    }
}

/// What `named` can be among these tasks. A service goes before a family of that name.
pub fn among(cluster: &str, all: &[ecs::Task], named: &str) -> Vec<Choice> {
    let cluster = cluster.to_owned();
    for group in [
        format!("service:{named}"),
        format!("family:{named}"),
        named.to_owned(),
    ] {
        if all.iter().any(|t| t.group.as_ref() == Some(&group)) {
            return vec![Choice::Group { cluster, group }];
        }
    }
    let id = last_part(named);
    let ids = all
        .iter()
        .filter_map(|t| t.task_arn.as_deref())
        .map(last_part);
    ids.filter(|known| !id.is_empty() && known.starts_with(id))
        .map(|id| Choice::Task {
            cluster: cluster.clone(),
            id: id.to_owned(),
        })
        .collect()
}

/// A service that has had no task yet.
async fn is_service(client: &Client, cluster: &str, named: &str) -> Result<bool> {
    let input = ecs::DescribeServicesInput {
        cluster: Some(cluster.to_owned()),
        services: vec![named.to_owned()],
        ..Default::default()
    };
    let answer = match optional(client.call(ops::DescribeServices, &input).await) {
        // It cannot be a service's name.
        Err(error) if error.is(Code::InvalidParameter) => return Ok(false),
        answer => answer?,
    };
    let services = answer.and_then(|a| a.services).unwrap_or_default();
    Ok(services
        .iter()
        .any(|s| s.status.as_deref() == Some("ACTIVE")))
}
