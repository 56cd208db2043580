//! Settings of a repository and of the registry.

use super::open;
use super::repositories::{exclusions, filters};
use crate::Ecr;
use neargate_api_ecr as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

pub async fn describe_registry(
    _: Arc<Ecr>,
    cx: Ctx,
    _: api::DescribeRegistryInput,
) -> Result<api::DescribeRegistryOutput, AwsError> {
    Ok(api::DescribeRegistryOutput {
        registry_id: Some(cx.scope.account.to_string()),
        replication_configuration: Some(api::ReplicationConfiguration::default()),
    })
}

pub async fn put_image_tag_mutability(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::PutImageTagMutabilityInput,
) -> Result<api::PutImageTagMutabilityOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "PutImageTagMutability",
    )
    .await?;
    let mutability = input.image_tag_mutability;
    let patterns = exclusions(&mutability, input.image_tag_mutability_exclusion_filters)?;
    contents
        .modify(|r| {
            r.tag_mutability.clone_from(&mutability);
            r.mutability_exclusions.clone_from(&patterns);
            Ok(())
        })
        .await?;
    Ok(api::PutImageTagMutabilityOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        image_tag_mutability: Some(mutability),
        image_tag_mutability_exclusion_filters: filters(&patterns),
    })
}

pub async fn put_image_scanning_configuration(
    _: Arc<Ecr>,
    cx: Ctx,
    input: api::PutImageScanningConfigurationInput,
) -> Result<api::PutImageScanningConfigurationOutput, AwsError> {
    let contents = open(
        &cx,
        input.registry_id.as_deref(),
        &input.repository_name,
        "PutImageScanningConfiguration",
    )
    .await?;
    let scan_on_push = input
        .image_scanning_configuration
        .scan_on_push
        .unwrap_or_default();
    contents
        .modify(|r| {
            r.scan_on_push = scan_on_push;
            Ok(())
        })
        .await?;
    Ok(api::PutImageScanningConfigurationOutput {
        registry_id: Some(contents.scope.account.to_string()),
        repository_name: Some(input.repository_name),
        image_scanning_configuration: Some(api::ImageScanningConfiguration {
            scan_on_push: Some(scan_on_push),
        }),
    })
}
