//! The operations, one file per resource.

pub mod authorization;
pub mod images;
pub mod layers;
pub mod list;
pub mod policies;
pub mod repositories;
pub mod settings;
pub mod tags;

use crate::contents::Contents;
use crate::{error, grant};
use neargate_service::{AwsError, Ctx, Scope};

/// The registry an input names: the caller's own unless `registryId` says otherwise.
fn registry(cx: &Ctx, registry_id: Option<&str>) -> Result<Scope, AwsError> {
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

/// The caller's own registry, where `action` concerns it as a whole: no policy of a repository
/// lets another account in there.
pub(super) fn own_registry(
    cx: &Ctx,
    registry_id: Option<&str>,
    action: &str,
) -> Result<Scope, AwsError> {
    let scope = registry(cx, registry_id)?;
    if scope.account == cx.scope.account {
        return Ok(scope);
    }
    let resource = scope.arn("ecr", "repository/*");
    Err(error::access_denied(&cx.scope.account, action, &resource))
}

/// The repository an input names, for `action`, which another account's policy may allow.
pub(super) async fn open(
    cx: &Ctx,
    registry_id: Option<&str>,
    name: &str,
    action: &str,
) -> Result<Contents, AwsError> {
    let scope = registry(cx, registry_id)?;
    grant::open(&cx.house, &cx.scope.account, &scope, name, &[action]).await
}

/// `maxResults`, 100 unless given; the model bounds it by 1,000.
pub(super) fn limit(max_results: Option<i32>) -> usize {
    usize::try_from(max_results.unwrap_or(100))
        .unwrap_or(100)
        .clamp(1, 1_000)
}
