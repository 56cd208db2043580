//! The operations, one file per resource.

pub mod authorization;
pub mod images;
pub mod layers;
pub mod lifecycle;
pub mod list;
pub mod policies;
pub mod repositories;
pub mod settings;
pub mod tags;

use crate::contents::Contents;
use crate::{error, grant};
use neargate_service::page::{Paged, Size, page};
use neargate_service::{AwsError, Ctx, Scope};

/// The registry an input names: the caller's own unless `registryId` says otherwise.
fn registry(cx: &Ctx, registry_id: Option<&str>) -> Result<Scope, AwsError> {
    let Some(id) = registry_id else {
        return Ok(cx.scope.clone());
    };
    let account = id
        .parse()
        .map_err(|_| error::invalid_account("registryId"))?;
    Ok(cx.scope.of_account(account))
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
    Err(error::access_denied(&cx.principal.arn, action, &resource))
}

/// The repository an input names, for `action`, which another account's policy may allow.
pub(super) async fn open(
    cx: &Ctx,
    registry_id: Option<&str>,
    name: &str,
    action: &str,
) -> Result<Contents, AwsError> {
    let scope = registry(cx, registry_id)?;
    Ok(grant::open(&cx.house, &cx.principal, &scope, name, &[action]).await?)
}

/// A page of any list; the model refuses other sizes.
const PAGE: Size = Size {
    least: 1,
    most: 1_000,
    default: 100,
};

/// The part of a list that a call asks for; the items ascend by `id`.
pub(super) fn cut<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&str>,
    max_results: Option<i32>,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    page(items, token, PAGE.clamp(max_results), id).map_err(|_| error::invalid_next_token())
}
