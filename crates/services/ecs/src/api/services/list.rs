//! `DescribeServices`, `ListServices`, `ListServicesByNamespace`.

use super::show::{self, WithTags};
use crate::api::active_cluster;
use crate::connect;
use crate::fleet::{ClusterId, ServiceId};
use crate::model::{Service, ServiceRevision};
use crate::plan::service::adopted;
use crate::{Ecs, error, reference};
use neargate_api_ecs as api;
use neargate_service::{AwsError, Ctx, page};
use std::collections::BTreeSet;
use std::sync::Arc;

/// At most 10 services, each once; unknown ones come back as failures.
pub async fn describe_services(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::DescribeServicesInput,
) -> Result<api::DescribeServicesOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    if input.services.is_empty() {
        return Err(error::invalid_parameter("Services cannot be empty."));
    }
    if input.services.len() > 10 {
        return Err(error::invalid_parameter(
            "Services cannot have more than 10 elements.",
        ));
    }
    let with_tags = WithTags::Asked(input.include.iter().flatten().any(|i| i == "TAGS"));
    let (mut services, mut failures) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for named in &input.services {
        let name = reference::service_name(&cx.scope, &cluster.name, named)?;
        let id = ServiceId::new(&cx.scope, &cluster.name, &name);
        if !seen.insert(name.clone()) {
            continue;
        }
        match cx.db().get_key::<Service>(&id.store_key()).await? {
            Some(found) => services.push(show::service(&ecs, &cx, &id, &found, with_tags).await?),
            None => failures.push(api::Failure {
                arn: Some(cx.arn("ecs", format!("service/{}/{name}", cluster.name))),
                reason: Some("MISSING".into()),
                ..Default::default()
            }),
        }
    }
    Ok(api::DescribeServicesOutput {
        services: Some(services),
        failures: Some(failures),
    })
}

/// ARNs of the cluster's active services, by name.
pub async fn list_services(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::ListServicesInput,
) -> Result<api::ListServicesOutput, AwsError> {
    let cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    ecs.fleet.current(cx.db()).await?;
    let of = ClusterId::new(&cx.scope, &cluster.name);
    let mut services = ecs.fleet.services(&of);
    services.retain(|s| {
        s.is_active()
            && input
                .scheduling_strategy
                .as_ref()
                .is_none_or(|wanted| wanted == s.spec.scheduling.as_str())
            && input
                .resource_management_type
                .as_ref()
                .is_none_or(|wanted| wanted == show::manager(&cx.scope, s))
    });
    if let Some(wanted) = &input.launch_type {
        let mut kept = Vec::new();
        for service in services {
            if launch_type(&cx, &of, &service).await?.as_ref() == Some(wanted) {
                kept.push(service);
            }
        }
        services = kept;
    }
    let limit = match input.max_results {
        None => 10,
        Some(n @ 1..=100) => usize::try_from(n).unwrap_or(100),
        Some(_) => {
            return Err(error::invalid_parameter(
                "maxResults must be between 1 and 100",
            ));
        }
    };
    let page = page::page(services, input.next_token.as_deref(), limit, |s| {
        s.spec.name.clone()
    })
    .map_err(|_| error::invalid_next_token())?;
    let arns = page.items.iter().map(|s| s.spec.arn.clone()).collect();
    Ok(api::ListServicesOutput {
        service_arns: Some(arns),
        next_token: page.next_token,
    })
}

/// The launch type of the primary deployment.
async fn launch_type(
    cx: &Ctx,
    cluster: &ClusterId,
    service: &Service,
) -> Result<Option<String>, AwsError> {
    let Some(primary) = adopted(service).into_iter().next() else {
        return Ok(None);
    };
    let id = ServiceId {
        cluster: cluster.clone(),
        name: service.spec.name.clone(),
    };
    let key = id.key::<ServiceRevision>(&primary.revision);
    let revision = cx.db().get_key::<ServiceRevision>(&key).await?;
    Ok(revision.and_then(|r| r.value.launch_type))
}

/// ARNs of the active services of a namespace, in all clusters of the region.
pub async fn list_services_by_namespace(
    _: Arc<Ecs>,
    cx: Ctx,
    input: api::ListServicesByNamespaceInput,
) -> Result<api::ListServicesByNamespaceOutput, AwsError> {
    let namespace = connect::namespace(&cx.house, &cx.scope, &input.namespace).await?;
    let namespace = namespace.ok_or_else(error::namespace_not_found)?;
    let services = connect::services_of(&cx.house, &cx.scope, &namespace.arn).await?;
    let mut arns: Vec<String> = services.into_iter().map(|(arn, _)| arn).collect();
    arns.sort();
    let limit = match input.max_results {
        None => 10,
        Some(n @ 1..=100) => usize::try_from(n).unwrap_or(100),
        Some(_) => {
            return Err(error::invalid_parameter(
                "maxResults must be between 1 and 100",
            ));
        }
    };
    let page = page::page(arns, input.next_token.as_deref(), limit, Clone::clone)
        .map_err(|_| error::invalid_next_token())?;
    Ok(api::ListServicesByNamespaceOutput {
        service_arns: Some(page.items),
        next_token: page.next_token,
    })
}
