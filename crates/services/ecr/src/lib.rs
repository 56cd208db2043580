//! Amazon ECR: repositories, images, and the OCI registry that serves them.
//!
//! Records live in the store, bytes (layers, configurations, manifests) in the blobs; a
//! repository reads a blob only where a record says so. The API and the registry are two doors to
//! the same [`contents`], [`push`] and [`delete`].

mod api;
pub mod collect;
mod contents;
mod delete;
mod envoy;
mod error;
mod event;
mod grant;
pub mod lifecycle;
mod manifest;
mod model;
mod names;
mod policy;
mod push;
pub mod registry;
mod resolve;
mod token;

#[cfg(test)]
mod tests;

pub use collect::collect;
pub use envoy::REPOSITORY as ENVOY_REPOSITORY;
pub use names::{InvalidReference, OwnImage, Place, own_image};
pub use resolve::{Resolved, resolve};

use neargate_api_ecr::{SERVICE, ops};
use neargate_service::door::HttpDoor;
use neargate_service::{Background, Component, OperationTable, Service};
use neargate_wire::route::Door;
use std::sync::Arc;

/// What ECR's handlers share: nothing beyond the house yet.
#[derive(Debug, Default)]
pub struct Ecr;

impl Component for Ecr {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        background.spawn("ecr-collector", collect::run(background.house().clone()));
        background.spawn(
            "ecr-lifecycle",
            lifecycle::run::run(background.house().clone()),
        );
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        vec![(Door::Registry, Arc::new(registry::Registry))]
    }
}

/// A part of 20 MiB, the longest that AWS takes, as base64 in JSON.
const MAX_LAYER_PART_BYTES: usize = 32 << 20;

/// Which operations are served, and how completely.
fn table(ecr: Arc<Ecr>) -> OperationTable<Ecr> {
    use api::{
        authorization, images, layers, lifecycle, list, policies, repositories, settings, tags,
    };
    OperationTable::new(&SERVICE, ecr)
        .wording(error::invalid)
        .takes_up_to(ops::UploadLayerPart, MAX_LAYER_PART_BYTES)
        .on(ops::CreateRepository, repositories::create_repository)
        .on(ops::DeleteRepository, repositories::delete_repository)
        .on(
            ops::DescribeRepositories,
            repositories::describe_repositories,
        )
        .on(ops::PutImage, images::put_image)
        .on(ops::BatchGetImage, images::batch_get_image)
        .on(ops::BatchDeleteImage, images::batch_delete_image)
        .on(ops::ListImages, list::list_images)
        .on(ops::DescribeImages, list::describe_images)
        .on(ops::ListImageReferrers, list::list_image_referrers)
        .on(
            ops::BatchCheckLayerAvailability,
            layers::batch_check_layer_availability,
        )
        .on(ops::InitiateLayerUpload, layers::initiate_layer_upload)
        .on(ops::UploadLayerPart, layers::upload_layer_part)
        .on(ops::CompleteLayerUpload, layers::complete_layer_upload)
        .on(
            ops::GetDownloadUrlForLayer,
            layers::get_download_url_for_layer,
        )
        .on(
            ops::GetAuthorizationToken,
            authorization::get_authorization_token,
        )
        .on(ops::SetRepositoryPolicy, policies::set_repository_policy)
        .on(ops::GetRepositoryPolicy, policies::get_repository_policy)
        .on(
            ops::DeleteRepositoryPolicy,
            policies::delete_repository_policy,
        )
        .partly(
            ops::PutLifecyclePolicy,
            lifecycle::put_lifecycle_policy,
            NOT_ARCHIVED,
        )
        .on(ops::GetLifecyclePolicy, lifecycle::get_lifecycle_policy)
        .on(
            ops::DeleteLifecyclePolicy,
            lifecycle::delete_lifecycle_policy,
        )
        .partly(
            ops::StartLifecyclePolicyPreview,
            lifecycle::start_lifecycle_policy_preview,
            NOT_ARCHIVED,
        )
        .on(
            ops::GetLifecyclePolicyPreview,
            lifecycle::get_lifecycle_policy_preview,
        )
        .partly(
            ops::PutRegistryPolicy,
            policies::put_registry_policy,
            STORED,
        )
        .on(ops::GetRegistryPolicy, policies::get_registry_policy)
        .on(ops::DeleteRegistryPolicy, policies::delete_registry_policy)
        .partly(
            ops::DescribeRegistry,
            settings::describe_registry,
            "no replication yet",
        )
        .on(
            ops::PutImageTagMutability,
            settings::put_image_tag_mutability,
        )
        .partly(
            ops::PutImageScanningConfiguration,
            settings::put_image_scanning_configuration,
            "stored; images are not scanned",
        )
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
        .on(ops::ListTagsForResource, tags::list_tags_for_resource)
}

const NOT_ARCHIVED: &str = "images expire; rules that archive them are refused";
const STORED: &str = "stored; not yet enforced";
