//! Clusters
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html>).

use super::{active_cluster, api_tags, page_size, parse_tags};
use crate::ecs::model::{Arrivals, Cluster, Task};
use crate::ecs::{Ecs, error, reference};
use neargate_api::ecs as api;
use neargate_domain::TaskStatus;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Ctx, House, Scope, Stored, page};
use neargate_store::Compare;
use neargate_wire::json::Json;
use std::sync::Arc;

/// Creates the cluster, or answers with the active one of that name.
pub async fn create_cluster(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::CreateClusterInput,
) -> Result<api::CreateClusterOutput, AwsError> {
    let name = input.cluster_name.as_deref().unwrap_or("default");
    if !reference::is_name(name) {
        return Err(error::invalid_parameter("Invalid cluster name."));
    }
    for provider in input.capacity_providers.iter().flatten() {
        if !matches!(provider.as_str(), "FARGATE" | "FARGATE_SPOT") {
            return Err(error::invalid_parameter(
                "The specified capacity provider was not found. Specify a valid name or ARN and try again.",
            ));
        }
    }
    let wanted = Cluster {
        arn: cx.arn("ecs", format!("cluster/{name}")),
        name: name.to_owned(),
        active: true,
        settings: settings(input.settings)?,
        configuration: input.configuration.map(Json),
        capacity_providers: input.capacity_providers.unwrap_or_default(),
        default_strategy: input
            .default_capacity_provider_strategy
            .unwrap_or_default()
            .into_iter()
            .map(Json)
            .collect(),
        service_connect_namespace: input.service_connect_defaults.map(|d| d.namespace),
        tags: parse_tags(input.tags)?,
        created_at: cx.now(),
    };
    let cluster = create(&cx.house, &cx.scope, wanted).await?;
    let shown = describe(
        &cx,
        &cluster,
        &["TAGS".into(), "SETTINGS".into(), "CONFIGURATIONS".into()],
    )
    .await?;
    Ok(api::CreateClusterOutput {
        cluster: Some(shown),
    })
}

/// The cluster `default` exists as soon as something runs in it.
pub(in crate::ecs) async fn create_default(
    house: &House,
    scope: &Scope,
) -> Result<Stored<Cluster>, AwsError> {
    let name = "default".to_owned();
    let wanted = Cluster {
        arn: scope.arn("ecs", format!("cluster/{name}")),
        name,
        active: true,
        settings: settings(None)?,
        configuration: None,
        capacity_providers: Vec::new(),
        default_strategy: Vec::new(),
        service_connect_namespace: None,
        tags: Default::default(),
        created_at: house.now(),
    };
    create(house, scope, wanted).await
}

async fn create(
    house: &House,
    scope: &Scope,
    wanted: Cluster,
) -> Result<Stored<Cluster>, AwsError> {
    let key = db::key::<Cluster>(scope, &wanted.name);
    loop {
        let found = house.db.get_key::<Cluster>(&key).await?;
        let tx = match &found {
            Some(cluster) if cluster.active => return Ok(cluster.clone()),
            Some(deleted) => house.db.tx().update(deleted, &wanted),
            None => house.db.tx().create(key.clone(), &wanted),
        };
        if let Committed::At(revision) = tx.commit().await? {
            return Ok(Stored {
                key,
                revision,
                value: wanted,
            });
        }
    }
}

fn settings(
    given: Option<Vec<api::ClusterSetting>>,
) -> Result<Vec<Json<api::ClusterSetting>>, AwsError> {
    let given = given.unwrap_or_default();
    for s in &given {
        let value = s.value.as_deref().unwrap_or_default();
        if s.name.as_deref() != Some("containerInsights")
            || !matches!(value, "enabled" | "disabled" | "enhanced")
        {
            return Err(error::invalid_parameter("Invalid cluster setting value."));
        }
    }
    if given.is_empty() {
        let name = Some("containerInsights".into());
        return Ok(vec![Json(api::ClusterSetting {
            name,
            value: Some("disabled".into()),
        })]);
    }
    Ok(given.into_iter().map(Json).collect())
}

/// Deletes a cluster in which nothing runs; it stays describable as `INACTIVE`.
pub async fn delete_cluster(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteClusterInput,
) -> Result<api::DeleteClusterOutput, AwsError> {
    loop {
        let read = active_cluster(&cx, Some(&input.cluster)).await?;
        // Read before the tasks: a task that starts later changes it, and the deletion conflicts.
        let arrivals = cx.db().get::<Arrivals>(&cx.scope, &read.name).await?;
        let seen = Compare::ModRevision(
            db::key::<Arrivals>(&cx.scope, &read.name),
            arrivals.map_or(0, |a| a.revision),
        );
        let tasks = tasks_of(&cx, &read.name).await?;
        if tasks
            .iter()
            .any(|t| t.status.last_status != TaskStatus::Stopped)
        {
            return Err(error::cluster_contains_tasks());
        }
        let gone = Cluster {
            active: false,
            ..read.value.clone()
        };
        let tx = cx
            .db()
            .tx()
            .update(&read, &gone)
            .with(vec![seen], Vec::new());
        if let Committed::At(revision) = tx.commit().await? {
            let stored = Stored {
                key: read.key,
                revision,
                value: gone,
            };
            return Ok(api::DeleteClusterOutput {
                cluster: Some(describe(&cx, &stored, &[]).await?),
            });
        }
    }
}

/// At most 100 clusters; unknown ones come back as failures.
pub async fn describe_clusters(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeClustersInput,
) -> Result<api::DescribeClustersOutput, AwsError> {
    let named = input
        .clusters
        .filter(|c| !c.is_empty())
        .unwrap_or_else(|| vec!["default".into()]);
    if named.len() > 100 {
        return Err(error::invalid_parameter(
            "Clusters cannot have more than 100 elements.",
        ));
    }
    let include = input.include.unwrap_or_default();
    let (mut clusters, mut failures) = (Vec::new(), Vec::new());
    for name in &named {
        let found = match reference::cluster(&cx.scope, Some(name)) {
            Ok(id) => cx.db().get::<Cluster>(&cx.scope, &id).await?,
            Err(_) => None,
        };
        match found {
            Some(cluster) => clusters.push(describe(&cx, &cluster, &include).await?),
            None => {
                let arn = if name.starts_with("arn:") {
                    name.clone()
                } else {
                    cx.arn("ecs", format!("cluster/{name}"))
                };
                let reason = Some("MISSING".into());
                failures.push(api::Failure {
                    arn: Some(arn),
                    reason,
                    ..Default::default()
                });
            }
        }
    }
    Ok(api::DescribeClustersOutput {
        clusters: Some(clusters),
        failures: Some(failures),
    })
}

/// ARNs of the active clusters, by name.
pub async fn list_clusters(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListClustersInput,
) -> Result<api::ListClustersOutput, AwsError> {
    let all = cx.db().list::<Cluster>(&cx.scope).await?;
    let active = all.into_iter().filter(|c| c.active);
    let limit = page_size(input.max_results)?;
    let page = page::page(active, input.next_token.as_deref(), limit, |c| {
        c.name.clone()
    })
    .map_err(|_| error::invalid_next_token())?;
    let arns = page.items.into_iter().map(|c| c.value.arn).collect();
    Ok(api::ListClustersOutput {
        cluster_arns: Some(arns),
        next_token: page.next_token,
    })
}

pub async fn update_cluster(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateClusterInput,
) -> Result<api::UpdateClusterOutput, AwsError> {
    let changed = change(&cx, &input.cluster, |cluster| {
        if input.settings.is_some() {
            cluster.settings = settings(input.settings.clone())?;
        }
        if let Some(configuration) = &input.configuration {
            cluster.configuration = Some(Json(configuration.clone()));
        }
        if let Some(defaults) = &input.service_connect_defaults {
            cluster.service_connect_namespace =
                Some(defaults.namespace.clone()).filter(|n| !n.is_empty());
        }
        Ok(())
    });
    let shown = describe(
        &cx,
        &changed.await?,
        &["SETTINGS".into(), "CONFIGURATIONS".into()],
    )
    .await?;
    Ok(api::UpdateClusterOutput {
        cluster: Some(shown),
    })
}

pub async fn update_cluster_settings(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateClusterSettingsInput,
) -> Result<api::UpdateClusterSettingsOutput, AwsError> {
    let changed = change(&cx, &input.cluster, |cluster| {
        cluster.settings = settings(Some(input.settings.clone()))?;
        Ok(())
    });
    let shown = describe(&cx, &changed.await?, &["SETTINGS".into()]).await?;
    Ok(api::UpdateClusterSettingsOutput {
        cluster: Some(shown),
    })
}

async fn change(
    cx: &Ctx,
    named: &str,
    change: impl Fn(&mut Cluster) -> Result<(), AwsError>,
) -> Result<Stored<Cluster>, AwsError> {
    let key = active_cluster(cx, Some(named)).await?.key;
    let changed = cx.db().modify::<Cluster, _>(&key, |cluster| {
        if !cluster.active {
            return Err(error::cluster_not_found());
        }
        change(cluster)?;
        Ok(true)
    });
    changed.await?.ok_or_else(error::cluster_not_found)
}

pub(super) async fn tasks_of(cx: &Ctx, cluster: &str) -> Result<Vec<Stored<Task>>, AwsError> {
    cx.db()
        .list_prefix(&db::key::<Task>(&cx.scope, &Task::id(cluster, "")))
        .await
}

async fn describe(
    cx: &Ctx,
    cluster: &Stored<Cluster>,
    include: &[String],
) -> Result<api::Cluster, AwsError> {
    let tasks = tasks_of(cx, &cluster.name).await?;
    let count = |test: fn(TaskStatus) -> bool| {
        let n = tasks.iter().filter(|t| test(t.status.last_status)).count();
        Some(i32::try_from(n).unwrap_or(i32::MAX))
    };
    let with = |what: &str| include.iter().any(|i| i == what);
    let running = count(|s| s == TaskStatus::Running);
    let pending = count(|s| s < TaskStatus::Running);
    let statistic = |name: &str, value: Option<i32>| api::KeyValuePair {
        name: Some(name.into()),
        value: Some(value.unwrap_or(0).to_string()),
    };
    let statistics = vec![
        statistic("runningEC2TasksCount", None),
        statistic("runningFargateTasksCount", running),
        statistic("pendingEC2TasksCount", None),
        statistic("pendingFargateTasksCount", pending),
        statistic("activeEC2ServiceCount", None),
        statistic("activeFargateServiceCount", None),
        statistic("drainingEC2ServiceCount", None),
        statistic("drainingFargateServiceCount", None),
    ];
    Ok(api::Cluster {
        cluster_arn: Some(cluster.arn.clone()),
        cluster_name: Some(cluster.name.clone()),
        status: Some(if cluster.active { "ACTIVE" } else { "INACTIVE" }.into()),
        registered_container_instances_count: Some(0),
        running_tasks_count: running,
        pending_tasks_count: pending,
        active_services_count: Some(0),
        statistics: Some(if with("STATISTICS") {
            statistics
        } else {
            Vec::new()
        }),
        tags: Some(if with("TAGS") {
            api_tags(&cluster.tags)
        } else {
            Vec::new()
        }),
        settings: Some(if with("SETTINGS") {
            cluster.settings.iter().map(|s| s.0.clone()).collect()
        } else {
            Vec::new()
        }),
        configuration: cluster
            .configuration
            .as_ref()
            .filter(|_| with("CONFIGURATIONS"))
            .map(|c| c.0.clone()),
        capacity_providers: Some(cluster.capacity_providers.clone()),
        default_capacity_provider_strategy: Some(
            cluster
                .default_strategy
                .iter()
                .map(|s| s.0.clone())
                .collect(),
        ),
        service_connect_defaults: cluster.service_connect_namespace.clone().map(|namespace| {
            api::ClusterServiceConnectDefaults {
                namespace: Some(namespace),
            }
        }),
        ..Default::default()
    })
}
