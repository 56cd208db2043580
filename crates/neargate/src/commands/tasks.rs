//! Which tasks there are: what `ps`, `top` and `logs` start from.

use crate::client::{Client, ClientError, Code};
use crate::view::last_part;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use neargate_api_ecs::{self as ecs, ops};

/// `DescribeTasks` and its kin take that many at once.
const AT_ONCE: usize = 100;
/// `DescribeServices` takes that many.
pub const AT_ONCE_SERVICES: usize = 10;
/// Calls under way at the same time.
const PARALLEL: usize = 8;

/// The clusters to look at: the named one, or all.
pub async fn clusters(client: &Client, named: Option<&str>) -> Result<Vec<String>, ClientError> {
    if let Some(named) = named {
        return Ok(vec![named.to_owned()]);
    }
    let (mut all, mut next_token) = (Vec::new(), None);
    loop {
        let input = ecs::ListClustersInput {
            next_token,
            ..Default::default()
        };
        let page = client.call(ops::ListClusters, &input).await?;
        let arns = page.cluster_arns.unwrap_or_default();
        all.extend(arns.iter().map(|arn| last_part(arn).to_owned()));
        next_token = page.next_token;
        if next_token.is_none() {
            return Ok(all);
        }
    }
}

/// Is there, or was there lately, a cluster of that name?
///
/// # Errors
/// `ClusterNotFoundException` where there is none.
pub async fn known_cluster(client: &Client, named: &str) -> Result<(), ClientError> {
    let input = ecs::DescribeClustersInput {
        clusters: Some(vec![named.to_owned()]),
        ..Default::default()
    };
    let answer = client.call(ops::DescribeClusters, &input).await?;
    if answer.clusters.is_some_and(|found| !found.is_empty()) {
        return Ok(());
    }
    Err(ClientError::Aws {
        code: Code::ClusterNotFound.as_str().into(),
        message: format!("there is no cluster {named:?}"),
    })
}

/// Which tasks of a cluster are meant.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    pub service: Option<String>,
    /// The stopped ones that are still known, too.
    pub with_stopped: bool,
}

/// The tasks of a cluster, newest first.
pub async fn tasks(
    client: &Client,
    cluster: &str,
    which: &Selection,
) -> Result<Vec<ecs::Task>, ClientError> {
    let mut arns = list(client, cluster, which, "RUNNING").await?;
    if which.with_stopped {
        let stopped = list(client, cluster, which, "STOPPED").await?;
        arns.extend(stopped);
        arns.sort();
        arns.dedup();
    }
    let pieces: Vec<Vec<String>> = arns.chunks(AT_ONCE).map(<[String]>::to_vec).collect();
    let described = stream::iter(pieces).map(|tasks| async move {
        let input = ecs::DescribeTasksInput {
            cluster: Some(cluster.to_owned()),
            tasks,
            ..Default::default()
        };
        client.call(ops::DescribeTasks, &input).await
    });
    let pages: Vec<_> = described.buffered(PARALLEL).try_collect().await?;
    let mut all: Vec<ecs::Task> = pages
        .into_iter()
        .flat_map(|p| p.tasks.unwrap_or_default())
        .collect();
    all.sort_by(|a, b| (b.created_at, &b.task_arn).cmp(&(a.created_at, &a.task_arn)));
    Ok(all)
}

async fn list(
    client: &Client,
    cluster: &str,
    which: &Selection,
    desired: &str,
) -> Result<Vec<String>, ClientError> {
    let (mut all, mut next_token) = (Vec::new(), None);
    loop {
        let input = ecs::ListTasksInput {
            cluster: Some(cluster.to_owned()),
            service_name: which.service.clone(),
            desired_status: Some(desired.to_owned()),
            next_token,
            ..Default::default()
        };
        let page = client.call(ops::ListTasks, &input).await?;
        all.extend(page.task_arns.unwrap_or_default());
        next_token = page.next_token;
        if next_token.is_none() {
            return Ok(all);
        }
    }
}

/// The definitions of these ARNs, as far as they are still known.
pub async fn definitions(
    client: &Client,
    arns: impl IntoIterator<Item = String>,
) -> Result<Vec<ecs::TaskDefinition>, ClientError> {
    let calls = stream::iter(arns).map(|arn| async move {
        let input = ecs::DescribeTaskDefinitionInput {
            task_definition: arn,
            ..Default::default()
        };
        match client.call(ops::DescribeTaskDefinition, &input).await {
            Ok(answer) => Ok(answer.task_definition),
            // Deleted while its tasks went on.
            Err(error) if error.is(Code::Client) => Ok(None),
            Err(error) => Err(error),
        }
    });
    let found: Vec<Option<_>> = calls.buffered(PARALLEL).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// All container instances of a cluster.
pub async fn all_instances(
    client: &Client,
    cluster: &str,
) -> Result<Vec<ecs::ContainerInstance>, ClientError> {
    let (mut arns, mut next_token) = (Vec::new(), None);
    loop {
        let input = ecs::ListContainerInstancesInput {
            cluster: Some(cluster.to_owned()),
            next_token,
            ..Default::default()
        };
        let page = client.call(ops::ListContainerInstances, &input).await?;
        arns.extend(page.container_instance_arns.unwrap_or_default());
        next_token = page.next_token;
        if next_token.is_none() {
            return instances(client, cluster, &arns).await;
        }
    }
}

/// The container instances of these ARNs, of one cluster.
pub async fn instances(
    client: &Client,
    cluster: &str,
    arns: &[String],
) -> Result<Vec<ecs::ContainerInstance>, ClientError> {
    let mut all = Vec::new();
    for piece in arns.chunks(AT_ONCE) {
        let input = ecs::DescribeContainerInstancesInput {
            cluster: Some(cluster.to_owned()),
            container_instances: piece.to_vec(),
            ..Default::default()
        };
        let answer = client.call(ops::DescribeContainerInstances, &input).await;
        let answer = super::optional(answer)?;
        all.extend(
            answer
                .and_then(|a| a.container_instances)
                .unwrap_or_default(),
        );
    }
    Ok(all)
}
