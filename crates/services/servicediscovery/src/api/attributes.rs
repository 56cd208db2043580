//! Attributes of services (<https://docs.aws.amazon.com/cloud-map/latest/api/API_ServiceAttributes.html>).

use super::{service, service_arn};
use crate::model::Service;
use crate::{ServiceDiscovery, error};
use neargate_api_servicediscovery as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const MOST: usize = 30;

pub async fn get_service_attributes(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::GetServiceAttributesInput,
) -> Result<api::GetServiceAttributesOutput, AwsError> {
    let found = service(&cx, &input.service_id).await?;
    Ok(api::GetServiceAttributesOutput {
        service_attributes: Some(api::ServiceAttributes {
            service_arn: Some(service_arn(&cx, found.id())),
            resource_owner: Some(cx.scope.account.to_string()),
            attributes: Some(found.value.attributes),
        }),
    })
}

pub async fn update_service_attributes(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::UpdateServiceAttributesInput,
) -> Result<api::UpdateServiceAttributesOutput, AwsError> {
    change(&cx, &input.service_id, |service| {
        service.attributes.extend(input.attributes.clone());
        match service.attributes.len() > MOST {
            true => Err(error::too_many_attributes()),
            false => Ok(true),
        }
    })
    .await?;
    Ok(api::UpdateServiceAttributesOutput {})
}

pub async fn delete_service_attributes(
    _: Arc<ServiceDiscovery>,
    cx: Ctx,
    input: api::DeleteServiceAttributesInput,
) -> Result<api::DeleteServiceAttributesOutput, AwsError> {
    change(&cx, &input.service_id, |service| {
        service
            .attributes
            .retain(|key, _| !input.attributes.contains(key));
        Ok(true)
    })
    .await?;
    Ok(api::DeleteServiceAttributesOutput {})
}

async fn change(
    cx: &Ctx,
    given: &str,
    change: impl Fn(&mut Service) -> Result<bool, AwsError>,
) -> Result<(), AwsError> {
    let found = service(cx, given).await?;
    let changed = cx.db().modify::<Service, _>(&found.key, change).await?;
    changed
        .map(drop)
        .ok_or_else(|| error::service_not_found(found.id()))
}
