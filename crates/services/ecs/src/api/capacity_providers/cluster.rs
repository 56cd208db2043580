//! The capacity providers of a cluster, and its default strategy.

use crate::api::{active_cluster, clusters};
use crate::fleet::ClusterId;
use crate::model::{CapacityProvider, Cluster, State};
use crate::plan::capacity::{self, FARGATE};
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::db::Committed;
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::json::Json;
use std::sync::Arc;

/// Replaces both whole. A provider that tasks run on cannot be taken away.
pub async fn put_cluster_capacity_providers(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::PutClusterCapacityProvidersInput,
) -> Result<api::PutClusterCapacityProvidersOutput, AwsError> {
    loop {
        let read = active_cluster(&cx, Some(&input.cluster)).await?;
        let (names, found) = known(&cx, &input.capacity_providers).await?;
        let default = strategy(&cx, &input.default_capacity_provider_strategy, &names)?;
        let mut changed = read.value.clone();
        changed.capacity_providers = names;
        changed.default_strategy = default.into_iter().map(Json).collect();
        refuse_in_use(&ecs, &cx, &read, &changed).await?;
        let mut tx = cx.db().tx().update(&read, &changed);
        for provider in &found {
            // Rewritten as it is: a deletion that crosses this conflicts.
            tx = tx.update(provider, &provider.value);
        }
        if let Committed::At(revision) = tx.commit().await? {
            let stored = Stored {
                key: read.key,
                revision,
                value: changed,
            };
            let include = ["ATTACHMENTS".into(), "SETTINGS".into()];
            return Ok(api::PutClusterCapacityProvidersOutput {
                cluster: Some(clusters::describe(&ecs, &cx, &stored, &include).await?),
            });
        }
    }
}

/// The names of the providers that a call names, each of which exists; and the account's own
/// among them as they were read, so that a transaction finds them unchanged.
///
/// # Errors
/// `InvalidParameterException` for one that does not exist or is named twice.
pub(in crate::api) async fn known(
    cx: &Ctx,
    named: &[String],
) -> Result<(Vec<String>, Vec<Stored<CapacityProvider>>), AwsError> {
    let (mut names, mut found) = (Vec::new(), Vec::new());
    for named in named {
        let name = reference::capacity_provider(&cx.scope, named)
            .ok_or_else(error::capacity_provider_not_found)?;
        if names.contains(&name) {
            return Err(error::invalid_parameter(
                "The specified capacity providers cannot contain duplicates.",
            ));
        }
        if !FARGATE.contains(&name.as_str()) {
            let provider = cx.db().get::<CapacityProvider>(&cx.scope, &name).await?;
            let provider = provider
                .filter(|p| p.active)
                .ok_or_else(error::capacity_provider_not_found)?;
            found.push(provider);
        }
        names.push(name);
    }
    Ok((names, found))
}

/// A checked strategy, with names for ARNs and numbers for what is left out.
pub(in crate::api) fn strategy(
    cx: &Ctx,
    given: &[api::CapacityProviderStrategyItem],
    associated: &[String],
) -> Result<Vec<api::CapacityProviderStrategyItem>, AwsError> {
    let item = |i: &api::CapacityProviderStrategyItem| api::CapacityProviderStrategyItem {
        capacity_provider: reference::capacity_provider(&cx.scope, &i.capacity_provider)
            .unwrap_or_else(|| i.capacity_provider.clone()),
        weight: Some(i.weight.unwrap_or(0)),
        base: Some(i.base.unwrap_or(0)),
    };
    let strategy: Vec<_> = given.iter().map(item).collect();
    capacity::check_strategy(&strategy, associated).map_err(error::invalid_parameter)?;
    Ok(strategy)
}

async fn refuse_in_use(
    ecs: &Ecs,
    cx: &Ctx,
    before: &Cluster,
    after: &Cluster,
) -> Result<(), AwsError> {
    let removed = |name: &str| {
        let has = |c: &Cluster| c.capacity_providers.iter().any(|p| p == name);
        has(before) && !has(after)
    };
    if !before.capacity_providers.iter().any(|p| removed(p)) {
        return Ok(());
    }
    ecs.fleet.current(cx.db()).await?;
    let rows = ecs
        .fleet
        .of_cluster(&ClusterId::new(&cx.scope, &before.name));
    let mut in_use = rows.iter().any(|row| {
        let provider = row.capacity_provider.as_deref();
        !row.is_stopped() && provider.is_some_and(removed)
    });
    for service in clusters::services_of(cx, before).await? {
        let revision = clusters::revision_of(cx, &service).await?;
        let strategy = revision.iter().flat_map(|r| &r.strategy);
        in_use |= service.state() != State::Inactive
            && strategy
                .map(|i| &i.0.capacity_provider)
                .any(|name| removed(name));
    }
    if in_use {
        return Err(error::capacity_provider_in_use());
    }
    Ok(())
}
