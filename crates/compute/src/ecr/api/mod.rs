//! The operations, one file per resource.

pub mod authorization;
pub mod images;
pub mod layers;
pub mod list;
pub mod policies;
pub mod repositories;
pub mod settings;
pub mod tags;

use crate::ecr::contents::Contents;
use crate::ecr::error;
use neargate_service::{AwsError, Ctx, Scope};

/// The registry an input names: the caller's own unless `registryId` says otherwise. Any
/// account's may be named until IAM is built.
pub(super) fn registry(cx: &Ctx, registry_id: Option<&str>) -> Result<Scope, AwsError> {
    let Some(id) = registry_id else {
        return Ok(cx.scope.clone());
    };
    let account = id
        .parse()
        .map_err(|_| error::invalid_parameter("registryId", "must be 12 digits"))?;
    Ok(Scope {
        account,
        region: cx.scope.region.clone(),
    })
}

/// The repository an input names.
pub(super) async fn open(
    cx: &Ctx,
    registry_id: Option<&str>,
    name: &str,
) -> Result<Contents, AwsError> {
    Contents::open(&cx.house, &registry(cx, registry_id)?, name).await
}

/// `maxResults`, 100 unless given; the model bounds it by 1,000.
pub(super) fn limit(max_results: Option<i32>) -> usize {
    usize::try_from(max_results.unwrap_or(100))
        .unwrap_or(100)
        .clamp(1, 1_000)
}
