//! Handlers, one file a resource.

pub mod activities;
pub mod policies;
pub mod scheduled;
pub mod tags;
pub mod targets;

use crate::error;
use crate::model::{DIMENSION, NAMESPACE, Named, Target};
use neargate_service::page::{Paged, Size, page};
use neargate_service::{AwsError, Committed, Ctx, Stored};

/// Most lists: 50 on a page.
const PAGE: Size = Size::up_to(50);

/// The service whose target a call is about.
///
/// # Errors
/// `ValidationException` when the three do not belong together, or it is another service's.
fn named(namespace: &str, resource_id: &str, dimension: &str) -> Result<Named, AwsError> {
    let of = dimension.split(':').next();
    if of != Some(namespace) {
        return Err(error::unsupported_resource());
    }
    if namespace != NAMESPACE {
        return Err(error::unsupported_namespace(namespace));
    }
    let is_count = dimension == DIMENSION;
    let named = Named::parse(resource_id).filter(|_| is_count);
    named.ok_or_else(error::unsupported_resource)
}

/// What a list is filtered by. A dimension is of a resource.
fn check_filter(
    what: &str,
    has_resource: bool,
    dimension: Option<&String>,
) -> Result<(), AwsError> {
    match dimension {
        Some(_) if !has_resource => Err(error::dimension_needs_resource(what)),
        _ => Ok(()),
    }
}

/// The registered targets that a list is about: none, if it is not about ECS.
async fn listed(
    cx: &Ctx,
    namespace: &str,
    resource_ids: &[String],
    dimension: Option<&String>,
) -> Result<Vec<Stored<Target>>, AwsError> {
    if namespace != NAMESPACE || dimension.is_some_and(|d| d != DIMENSION) {
        return Ok(Vec::new());
    }
    let mut targets = cx.db().list::<Target>(&cx.scope).await?;
    let is_asked = |t: &Stored<Target>| {
        resource_ids.is_empty() || resource_ids.contains(&t.named().resource_id())
    };
    targets.retain(|t| !t.deregistered && is_asked(t));
    Ok(targets)
}

/// The target, if it is registered.
async fn find(cx: &Ctx, named: &Named) -> Result<Option<Stored<Target>>, AwsError> {
    let found = cx.db().get_key::<Target>(&named.key(&cx.scope)).await?;
    Ok(found.filter(|target| !target.deregistered))
}

/// Changes a target until nobody interferes; `decide` answers what the caller is told.
///
/// # Errors
/// That of `decide`; `ObjectNotFoundException` when it is not registered.
async fn change<T>(
    cx: &Ctx,
    named: &Named,
    decide: impl Fn(&mut Target) -> Result<T, AwsError>,
) -> Result<T, AwsError> {
    loop {
        let read = find(cx, named).await?;
        let read = read.ok_or_else(|| error::not_registered(named))?;
        let mut target = read.value.clone();
        let answer = decide(&mut target)?;
        if target == read.value {
            return Ok(answer);
        }
        if let Committed::At(_) = cx.db().tx().update(&read, &target).commit().await? {
            return Ok(answer);
        }
    }
}

fn size(of: Size, asked: Option<i32>) -> Result<usize, AwsError> {
    let given = asked.unwrap_or_default();
    of.check(asked)
        .map_err(|_| error::max_results(given, of.most))
}

/// A page of what is in the order of its ids.
fn paged<T>(
    items: impl IntoIterator<Item = T>,
    token: Option<&String>,
    limit: usize,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let token = token.map(String::as_str).filter(|t| !t.is_empty());
    page(items, token, limit, id).map_err(|_| error::invalid_next_token())
}
