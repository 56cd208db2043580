//! Lists of namespaces, services and instances.

use super::namespaces::{properties, services_of};
use super::services::{instances_of, summary};
use super::{Filter, namespace_arn, service};
use crate::controller::of_service;
use crate::model::{Instance, Namespace, Service};
use crate::{ServiceDiscovery, error};
use neargate_api_servicediscovery as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

const PAGE: Size = Size::up_to(100);

pub async fn list_namespaces(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::ListNamespacesInput,
) -> Result<api::ListNamespacesOutput, AwsError> {
    let filters = input.filters.unwrap_or_default();
    let filters: Vec<Filter<'_>> = filters
        .iter()
        .map(|f| Filter::of(&f.name, f.condition.as_deref(), &f.values))
        .collect::<Result<_, _>>()?;
    let mut all = cx.db().list::<Namespace>(&cx.scope).await?;
    let takes = |filter: &Filter<'_>, one: &Namespace| match filter.name {
        "TYPE" => filter.takes(one.kind.as_str()),
        "NAME" | "HTTP_NAME" => filter.takes(&one.name),
        _ => filter.takes("SELF"),
    };
    all.retain(|one| filters.iter().all(|filter| takes(filter, one)));
    let size = PAGE.clamp(input.max_results);
    let page = page(all, input.next_token.as_deref(), size, |n| {
        n.id().to_owned()
    })
    .map_err(|_| error::invalid_token())?;
    let mut namespaces = Vec::new();
    for one in &page.items {
        let services = services_of(&cx, one.id()).await?;
        namespaces.push(api::NamespaceSummary {
            id: Some(one.id().to_owned()),
            arn: Some(namespace_arn(&cx, one.id())),
            resource_owner: Some(cx.scope.account.to_string()),
            name: Some(one.name.clone()),
            r#type: Some(one.kind.as_str().to_owned()),
            description: one.description.clone(),
            service_count: i32::try_from(services.len()).ok(),
            properties: Some(properties(one)),
            create_date: Some(one.created_at),
        });
    }
    Ok(api::ListNamespacesOutput {
        namespaces: Some(namespaces),
        next_token: page.next_token,
    })
}

pub async fn list_services(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::ListServicesInput,
) -> Result<api::ListServicesOutput, AwsError> {
    let filters = input.filters.unwrap_or_default();
    let filters: Vec<Filter<'_>> = filters
        .iter()
        .map(|f| Filter::of(&f.name, f.condition.as_deref(), &f.values))
        .collect::<Result<_, _>>()?;
    let mut all = cx.db().list::<Service>(&cx.scope).await?;
    let takes = |filter: &Filter<'_>, one: &Service| match filter.name {
        "NAMESPACE_ID" => {
            let arn = namespace_arn(&cx, &one.namespace_id);
            filter.takes(&one.namespace_id) || filter.takes(&arn)
        }
        _ => filter.takes("SELF"),
    };
    all.retain(|one| filters.iter().all(|filter| takes(filter, one)));
    let size = PAGE.clamp(input.max_results);
    let page = page(all, input.next_token.as_deref(), size, |s| {
        s.id().to_owned()
    })
    .map_err(|_| error::invalid_token())?;
    let mut services = Vec::new();
    for one in &page.items {
        let instances = instances_of(&cx, one.id()).await?;
        services.push(summary(&cx, one.id(), one, instances));
    }
    Ok(api::ListServicesOutput {
        services: Some(services),
        next_token: page.next_token,
    })
}

pub async fn list_instances(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::ListInstancesInput,
) -> Result<api::ListInstancesOutput, AwsError> {
    let found = service(&cx, &input.service_id).await?;
    let prefix = of_service::<Instance>(&cx.scope, found.id());
    let all = cx.db().list_prefix::<Instance>(&prefix).await?;
    let size = PAGE.clamp(input.max_results);
    let page = page(all, input.next_token.as_deref(), size, |i| {
        i.id().to_owned()
    })
    .map_err(|_| error::invalid_token())?;
    let account = cx.scope.account.to_string();
    let shown = |i: &Stored<Instance>| api::InstanceSummary {
        id: Some(i.value.id.clone()),
        attributes: Some(i.attributes.clone()),
        created_by_account: Some(account.clone()),
    };
    Ok(api::ListInstancesOutput {
        instances: Some(page.items.iter().map(shown).collect()),
        resource_owner: Some(account.clone()),
        next_token: page.next_token,
    })
}
