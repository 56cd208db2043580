//! Route 53's handlers, a file for each resource.

pub mod changes;
pub mod health_checks;
pub mod limits;
pub mod record_sets;
mod shown;
pub mod tags;
pub mod test_answer;
pub mod vpcs;
pub mod zones;

use crate::error;
use neargate_service::dns::{self, HostedZone};
use neargate_service::{AwsError, Ctx, Stored};

/// How many a page has, as callers write it.
fn size(given: Option<&str>, most: usize) -> Result<usize, AwsError> {
    let Some(given) = given else {
        return Ok(most);
    };
    let size = given.parse::<usize>().ok().filter(|n| *n > 0);
    size.map(|n| n.min(most))
        .ok_or_else(|| error::invalid_input("Invalid maxitems: it must be a positive integer."))
}

/// The id alone of what may be given as `/hostedzone/Z…` or `/change/C…`.
fn id(given: &str) -> &str {
    given.rsplit('/').next().unwrap_or(given)
}

async fn zone(cx: &Ctx, given: &str) -> Result<Stored<HostedZone>, AwsError> {
    let id = id(given);
    let found = cx
        .db()
        .get_key::<HostedZone>(&dns::zone_key(&cx.scope.account, id))
        .await?;
    found.ok_or_else(|| error::no_such_hosted_zone(id))
}

/// A zone that its account changes by itself.
async fn own_zone(cx: &Ctx, given: &str) -> Result<Stored<HostedZone>, AwsError> {
    let found = zone(cx, given).await?;
    match &found.linked_service {
        Some(by) => Err(error::linked(found.id(), by)),
        None => Ok(found),
    }
}
