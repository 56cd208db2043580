//! Clusters
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Cluster.html>).

mod show;

pub(super) use show::{describe, revision_of};

use super::{active_cluster, capacity_providers, page_size, parse_tags};
use crate::clusters::{create, default_settings};
use crate::fleet::ClusterId;
use crate::model::{Arrivals, Cluster, InstanceStatus, Service};
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Ctx, Stored, managed, page};
use neargate_store::Compare;
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Creates the cluster, or answers with the active one of that name, unless other arguments made
/// that.
pub async fn create_cluster(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::CreateClusterInput,
) -> Result<api::CreateClusterOutput, AwsError> {
    let name = input.cluster_name.as_deref().unwrap_or("default");
    if !reference::is_name(name) {
        return Err(error::invalid_parameter("Invalid cluster name."));
    }
    if !managed::may_make(&cx, name) {
        return Err(error::reserved_name(name));
    }
    let asked = Asked::of(&input);
    let named = input.capacity_providers.unwrap_or_default();
    let strategy = input.default_capacity_provider_strategy.unwrap_or_default();
    let mut wanted = Cluster {
        arn: cx.arn("ecs", format!("cluster/{name}")),
        name: name.to_owned(),
        active: true,
        settings: match input.settings.filter(|s| !s.is_empty()) {
            Some(given) => settings(given)?,
            None => default_settings(&cx.house, &cx.scope, &cx.principal.arn).await?,
        },
        configuration: input.configuration.map(Json),
        capacity_providers: Vec::new(),
        default_strategy: Vec::new(),
        service_connect_namespace: input.service_connect_defaults.map(|d| d.namespace),
        tags: parse_tags(input.tags)?,
        created_at: cx.now(),
    };
    let cluster = loop {
        let (providers, found) = capacity_providers::known(&cx, &named).await?;
        let strategy = capacity_providers::strategy(&cx, &strategy, &providers)?;
        wanted.capacity_providers = providers;
        wanted.default_strategy = strategy.into_iter().map(Json).collect();
        if let Some(cluster) = create(&cx.house, &cx.scope, &wanted, &found).await? {
            break cluster;
        }
    };
    if !asked.agrees(&wanted, &cluster) {
        return Err(error::inconsistent_arguments());
    }
    let shown = describe(
        &ecs,
        &cx,
        &cluster,
        &["TAGS".into(), "SETTINGS".into(), "CONFIGURATIONS".into()],
    )
    .await?;
    Ok(api::CreateClusterOutput {
        cluster: Some(shown),
    })
}

/// Which arguments a call to create a cluster gives: those it leaves out agree with any.
struct Asked {
    settings: bool,
    configuration: bool,
    providers: bool,
    strategy: bool,
    tags: bool,
}

impl Asked {
    fn of(input: &api::CreateClusterInput) -> Asked {
        Asked {
            settings: input.settings.as_ref().is_some_and(|s| !s.is_empty()),
            configuration: input.configuration.is_some(),
            providers: input.capacity_providers.is_some(),
            strategy: input.default_capacity_provider_strategy.is_some(),
            tags: input.tags.is_some(),
        }
    }

    fn agrees(&self, wanted: &Cluster, there: &Cluster) -> bool {
        (!self.settings || wanted.settings == there.settings)
            && (!self.configuration || wanted.configuration == there.configuration)
            && (!self.providers || wanted.capacity_providers == there.capacity_providers)
            && (!self.strategy || wanted.default_strategy == there.default_strategy)
            && (!self.tags || wanted.tags == there.tags)
    }
}

fn settings(given: Vec<api::ClusterSetting>) -> Result<Vec<Json<api::ClusterSetting>>, AwsError> {
    for s in &given {
        let value = s.value.as_deref().unwrap_or_default();
        if s.name.as_deref() != Some("containerInsights")
            || !matches!(value, "enabled" | "disabled" | "enhanced")
        {
            return Err(error::invalid_parameter("Invalid cluster setting value."));
        }
    }
    Ok(given.into_iter().map(Json).collect())
}

/// Deletes a cluster in which nothing runs and nothing is registered; it stays describable as
/// `INACTIVE`, and one that is is answered as it is.
pub async fn delete_cluster(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteClusterInput,
) -> Result<api::DeleteClusterOutput, AwsError> {
    loop {
        let name = reference::cluster(&cx.scope, Some(&input.cluster))?;
        let read = cx.db().get::<Cluster>(&cx.scope, &name).await?;
        let read = read.ok_or_else(error::cluster_not_found)?;
        if !read.active {
            let cluster = Some(describe(&ecs, &cx, &read, &[]).await?);
            return Ok(api::DeleteClusterOutput { cluster });
        }
        // Read before the rest: whatever comes into the cluster later changes it, and the
        // deletion conflicts.
        let arrivals = cx.db().get::<Arrivals>(&cx.scope, &read.name).await?;
        let seen = Compare::ModRevision(
            db::key::<Arrivals>(&cx.scope, &read.name),
            arrivals.map_or(0, |a| a.revision),
        );
        refuse_in_use(&ecs, &cx, &read).await?;
        let gone = Cluster {
            active: false,
            capacity_providers: Vec::new(),
            default_strategy: Vec::new(),
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
                cluster: Some(describe(&ecs, &cx, &stored, &[]).await?),
            });
        }
    }
}

/// # Errors
/// `ClusterContains…Exception`.
async fn refuse_in_use(ecs: &Ecs, cx: &Ctx, cluster: &Cluster) -> Result<(), AwsError> {
    let id = ClusterId::new(&cx.scope, &cluster.name);
    if services_of(cx, cluster)
        .await?
        .iter()
        .any(|s| s.is_active())
    {
        return Err(error::cluster_contains_services());
    }
    ecs.fleet.current(cx.db()).await?;
    let instances = ecs.fleet.instances(&id);
    if instances
        .iter()
        .any(|i| i.status != InstanceStatus::Inactive)
    {
        return Err(error::cluster_contains_instances());
    }
    if ecs.fleet.of_cluster(&id).iter().any(|t| !t.is_stopped()) {
        return Err(error::cluster_contains_tasks());
    }
    if capacity_providers::has_scoped(cx, cluster).await? {
        return Err(error::cluster_contains_providers());
    }
    Ok(())
}

/// Its services, `INACTIVE` ones too.
pub(super) async fn services_of(
    cx: &Ctx,
    cluster: &Cluster,
) -> Result<Vec<Stored<Service>>, AwsError> {
    let prefix = db::key::<Service>(&cx.scope, &Service::key_id(&cluster.name, ""));
    cx.db().list_prefix(&prefix).await
}

/// At most 100 clusters, each once; unknown ones come back as failures.
pub async fn describe_clusters(
    ecs: Arc<Ecs>,
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
    let mut seen = BTreeSet::new();
    for name in &named {
        let found = match reference::cluster(&cx.scope, Some(name)) {
            Ok(id) if !seen.insert(id.clone()) => continue,
            Ok(id) => cx.db().get::<Cluster>(&cx.scope, &id).await?,
            Err(_) => None,
        };
        match found {
            Some(cluster) => clusters.push(describe(&ecs, &cx, &cluster, &include).await?),
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
    let active = all
        .into_iter()
        .filter(|c| c.active && !managed::is_managed(&c.name));
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
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateClusterInput,
) -> Result<api::UpdateClusterOutput, AwsError> {
    let changed = change(&cx, &input.cluster, |cluster| {
        if let Some(given) = input.settings.clone().filter(|s| !s.is_empty()) {
            cluster.settings = settings(given)?;
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
        &ecs,
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
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::UpdateClusterSettingsInput,
) -> Result<api::UpdateClusterSettingsOutput, AwsError> {
    let changed = change(&cx, &input.cluster, |cluster| {
        if !input.settings.is_empty() {
            cluster.settings = settings(input.settings.clone())?;
        }
        Ok(())
    });
    let shown = describe(&ecs, &cx, &changed.await?, &["SETTINGS".into()]).await?;
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
