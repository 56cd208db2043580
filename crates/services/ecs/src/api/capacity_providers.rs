//! Capacity providers
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProvider.html>).
//!
//! A provider has the container instances of its Auto Scaling group that registered with a cluster
//! that uses it (`crate::scaling`), and those that were registered with its name. There are no
//! managed instances: such a provider has the latter only.

mod cluster;
mod update;

pub use cluster::put_cluster_capacity_providers;
pub(super) use cluster::{known, strategy};
pub use update::update_capacity_provider;

use super::{active_cluster, api_tags, parse_tags};
use crate::model::{CapacityProvider, Cluster};
use crate::plan::capacity::{self, FARGATE};
use crate::{Ecs, error, reference, scaling};
use neargate_api_ecs as api;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Ctx, Stored, page};
use neargate_wire::json::Json;
use std::sync::Arc;

/// The most that an account may have in a region
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-quotas.html>).
const MAX_PROVIDERS: usize = 500;
/// A page of `DescribeCapacityProviders`.
const MAX_PAGE: i32 = 10;

pub async fn create_capacity_provider(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::CreateCapacityProviderInput,
) -> Result<api::CreateCapacityProviderOutput, AwsError> {
    let name = &input.name;
    if !capacity::is_name(name) {
        return Err(error::capacity_provider_name());
    }
    let group = match (
        input.auto_scaling_group_provider,
        &input.managed_instances_provider,
    ) {
        (Some(group), None) => Some(group),
        (None, Some(_)) => None,
        _ => return Err(error::one_kind_of_capacity_provider()),
    };
    let group = match group {
        Some(group) if !capacity::is_group(&group.auto_scaling_group_arn) => {
            return Err(error::invalid_auto_scaling_group());
        }
        Some(group) => {
            let full = capacity::auto_scaling_group(group);
            let full = full.map_err(error::invalid_parameter)?;
            Some(with_group(&cx, full).await?)
        }
        None => None,
    };
    let cluster = match (&group, input.cluster.as_deref()) {
        (None, Some(named)) => Some(active_cluster(&cx, Some(named)).await?),
        (None, None) => {
            return Err(error::invalid_parameter(
                "A cluster must be specified for a capacity provider with a managedInstancesProvider.",
            ));
        }
        (Some(_), Some(_)) => {
            return Err(error::invalid_parameter(
                "A cluster cannot be specified for a capacity provider with an autoScalingGroupProvider.",
            ));
        }
        (Some(_), None) => None,
    };
    let managed = input
        .managed_instances_provider
        .map(|m| api::ManagedInstancesProvider {
            infrastructure_role_arn: Some(m.infrastructure_role_arn),
            instance_launch_template: Some(m.instance_launch_template),
            propagate_tags: m.propagate_tags,
            infrastructure_optimization: m.infrastructure_optimization,
            auto_repair_configuration: m.auto_repair_configuration,
        });
    let wanted = CapacityProvider {
        name: name.clone(),
        arn: cx.arn("ecs", format!("capacity-provider/{name}")),
        active: true,
        update_status: "CREATE_COMPLETE".into(),
        auto_scaling_group: group.map(Json),
        managed_instances: managed.map(Json),
        cluster: cluster.as_ref().map(|c| c.name.clone()),
        tags: parse_tags(input.tags)?,
        created_at: cx.now(),
    };
    let key = db::key::<CapacityProvider>(&cx.scope, name);
    loop {
        let all = cx.db().list::<CapacityProvider>(&cx.scope).await?;
        let active: Vec<_> = all.iter().filter(|p| p.active).collect();
        if active.iter().any(|p| p.name == *name) {
            return Err(error::capacity_provider_exists());
        }
        if active.len() >= MAX_PROVIDERS {
            return Err(error::too_many_capacity_providers());
        }
        if let Some(group) = &wanted.auto_scaling_group {
            let arn = &group.0.auto_scaling_group_arn;
            let uses = |p: &&&Stored<CapacityProvider>| {
                let other = p.auto_scaling_group.as_ref();
                other.is_some_and(|g| g.0.auto_scaling_group_arn == *arn)
            };
            if active.iter().any(|p| uses(&p)) {
                return Err(error::auto_scaling_group_in_use());
            }
        }
        let mut tx = match all.iter().find(|p| p.name == *name) {
            Some(deleted) => cx.db().tx().update(deleted, &wanted),
            None => cx.db().tx().create(key.clone(), &wanted),
        };
        // A managed instances provider is associated with its cluster from the start.
        if let Some(cluster) = &wanted.cluster {
            let read = active_cluster(&cx, Some(cluster)).await?;
            let mut with = read.value.clone();
            with.capacity_providers.push(name.clone());
            tx = tx.update(&read, &with);
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::CreateCapacityProviderOutput {
                capacity_provider: Some(show(&wanted, true)),
            });
        }
    }
}

/// The provider with the ARN of its group.
///
/// # Errors
/// `ClientException` for a group that does not exist; `InvalidParameterException` for termination
/// protection of a group whose instances are not protected when they start.
async fn with_group(
    cx: &Ctx,
    mut provider: api::AutoScalingGroupProvider,
) -> Result<api::AutoScalingGroupProvider, AwsError> {
    if !scaling::group::is_served(&cx.house) {
        return Ok(provider);
    }
    let named = &provider.auto_scaling_group_arn;
    let found = scaling::group::find(&cx.house, &cx.scope, capacity::group_name(named)).await?;
    let found = found.ok_or_else(error::invalid_auto_scaling_group)?;
    let arn = found.auto_scaling_group_arn.unwrap_or_default();
    if named.starts_with("arn:") && *named != arn {
        return Err(error::invalid_auto_scaling_group());
    }
    let protects = provider.managed_termination_protection.as_deref() == Some("ENABLED");
    if protects && found.new_instances_protected_from_scale_in != Some(true) {
        return Err(error::group_without_protection());
    }
    provider.auto_scaling_group_arn = arn;
    Ok(provider)
}

/// Those named, or all: FARGATE and FARGATE_SPOT first, then the account's own by name.
pub async fn describe_capacity_providers(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeCapacityProvidersInput,
) -> Result<api::DescribeCapacityProvidersOutput, AwsError> {
    let limit = match input.max_results.unwrap_or(MAX_PAGE) {
        n @ 1..=MAX_PAGE => usize::try_from(n).expect("1..=10"),
        _ => {
            return Err(error::invalid_parameter(format!(
                "maxResults must be between 1 and {MAX_PAGE}"
            )));
        }
    };
    let cluster = match input.cluster.as_deref().filter(|c| !c.is_empty()) {
        Some(named) => Some(active_cluster(&cx, Some(named)).await?),
        None => None,
    };
    let with_tags = input.include.iter().flatten().any(|i| i == "TAGS");
    let stored = cx.db().list::<CapacityProvider>(&cx.scope).await?;
    let named = input.capacity_providers.filter(|n| !n.is_empty());
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    let in_cluster = |name: &str| {
        let of = |c: &Stored<Cluster>| c.capacity_providers.iter().any(|p| p == name);
        cluster.as_ref().is_none_or(of)
    };
    let Some(named) = named else {
        let own = stored.iter().filter(|p| p.active);
        let all = FARGATE
            .into_iter()
            .map(|name| built_in(&cx, name))
            .chain(own.map(|p| show(p, with_tags)));
        // Built-in ones sort first: digits are before letters.
        let name = |p: &api::CapacityProvider| p.name.clone().unwrap_or_default();
        let position = |p: &api::CapacityProvider| match p.r#type.as_deref() {
            Some("FARGATE" | "FARGATE_SPOT") => format!("0{}", name(p)),
            _ => format!("1{}", name(p)),
        };
        let all = all.filter(|p| in_cluster(&name(p)));
        let page = page::page(all, input.next_token.as_deref(), limit, position);
        let page = page.map_err(|_| error::invalid_next_token())?;
        return Ok(api::DescribeCapacityProvidersOutput {
            capacity_providers: Some(page.items),
            failures: Some(Vec::new()),
            next_token: page.next_token,
        });
    };
    if named.len() > 100 {
        return Err(error::invalid_parameter(
            "Capacity providers cannot have more than 100 elements.",
        ));
    }
    for named in named {
        let name = reference::capacity_provider(&cx.scope, &named);
        let name = name.filter(|name| in_cluster(name));
        let own = |name: &str| stored.iter().find(|p| p.name == name);
        match name.as_deref() {
            Some(name) if FARGATE.contains(&name) => found.push(built_in(&cx, name)),
            Some(name) if own(name).is_some() => {
                found.extend(own(name).map(|p| show(p, with_tags)));
            }
            _ => failures.push(api::Failure {
                arn: Some(named),
                reason: Some("MISSING".into()),
                ..Default::default()
            }),
        }
    }
    Ok(api::DescribeCapacityProvidersOutput {
        capacity_providers: Some(found),
        failures: Some(failures),
        next_token: None,
    })
}

/// Deletes a provider that no cluster uses; it stays describable as `INACTIVE`. A managed
/// instances provider is taken out of its cluster's list with it.
pub async fn delete_capacity_provider(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::DeleteCapacityProviderInput,
) -> Result<api::DeleteCapacityProviderOutput, AwsError> {
    let key = own(&cx, &input.capacity_provider)?;
    loop {
        let read = cx.db().get_key::<CapacityProvider>(&key).await?;
        let read = read
            .filter(|p| p.active)
            .ok_or_else(error::capacity_provider_does_not_exist)?;
        let mut gone = read.value.clone();
        gone.active = false;
        gone.update_status = "DELETE_COMPLETE".into();
        let mut tx = cx.db().tx().update(&read, &gone);
        for cluster in cx.db().list::<Cluster>(&cx.scope).await? {
            if !cluster.active || !cluster.capacity_providers.contains(&read.name) {
                continue;
            }
            let strategy = cluster.default_strategy.iter();
            let used = strategy
                .into_iter()
                .any(|i| i.0.capacity_provider == read.name);
            if read.cluster.as_ref() != Some(&cluster.name) || used {
                return Err(error::capacity_provider_associated());
            }
            let mut without = cluster.value.clone();
            without.capacity_providers.retain(|p| *p != read.name);
            tx = tx.update(&cluster, &without);
        }
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::DeleteCapacityProviderOutput {
                capacity_provider: Some(show(&gone, true)),
            });
        }
    }
}

/// Does a managed instances provider belong to the cluster?
pub(super) async fn has_scoped(cx: &Ctx, cluster: &Cluster) -> Result<bool, AwsError> {
    let all = cx.db().list::<CapacityProvider>(&cx.scope).await?;
    let of = |p: &Stored<CapacityProvider>| p.active && p.cluster.as_ref() == Some(&cluster.name);
    Ok(all.iter().any(of))
}

/// The key of the account's own provider that a call names.
fn own(cx: &Ctx, named: &str) -> Result<String, AwsError> {
    let name = reference::capacity_provider(&cx.scope, named)
        .ok_or_else(error::capacity_provider_does_not_exist)?;
    if FARGATE.contains(&name.as_str()) {
        return Err(error::reserved_capacity_provider());
    }
    Ok(db::key::<CapacityProvider>(&cx.scope, &name))
}

fn show(provider: &CapacityProvider, with_tags: bool) -> api::CapacityProvider {
    let managed = provider.managed_instances.is_some();
    api::CapacityProvider {
        capacity_provider_arn: Some(provider.arn.clone()),
        name: Some(provider.name.clone()),
        cluster: provider.cluster.clone(),
        status: Some(
            if provider.active {
                "ACTIVE"
            } else {
                "INACTIVE"
            }
            .into(),
        ),
        auto_scaling_group_provider: provider.auto_scaling_group.as_ref().map(|g| g.0.clone()),
        managed_instances_provider: provider.managed_instances.as_ref().map(|m| m.0.clone()),
        update_status: Some(provider.update_status.clone()),
        update_status_reason: None,
        tags: Some(if with_tags {
            api_tags(&provider.tags)
        } else {
            Vec::new()
        }),
        r#type: Some(
            if managed {
                "MANAGED_INSTANCES"
            } else {
                "EC2_AUTOSCALING"
            }
            .into(),
        ),
    }
}

fn built_in(cx: &Ctx, name: &str) -> api::CapacityProvider {
    api::CapacityProvider {
        capacity_provider_arn: Some(cx.arn("ecs", format!("capacity-provider/{name}"))),
        name: Some(name.into()),
        status: Some("ACTIVE".into()),
        tags: Some(Vec::new()),
        r#type: Some(name.into()),
        ..Default::default()
    }
}
