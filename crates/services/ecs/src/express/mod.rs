//! Express services: everything around an ECS service that a web application needs, made of one call
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-work.html>).
//!
//! An Express service is a record beside the ECS service of its name. [`Services`] goes step by step, as
//! [`crate::plan::express::next`] says, by the operations of other services under the infrastructure role, and
//! writes down after each step what is there; [`Balancers`] does the same for the load balancers that Express
//! services share. Every step finds what was made before it by its name, so that none is made twice.

mod alarm;
mod balancers;
mod endpoint;
mod network;
mod running;
mod scaling;
mod services;
mod traffic;

pub use balancers::Balancers;
pub(crate) use endpoint::name;
pub(crate) use network::{Place, check_groups, place};
pub(crate) use running::{is_ours, of as running};
pub use services::Services;

use crate::plan::express::MANAGED_TAG;
use neargate_service::{AwsError, Caller, House, Resource, Scope, Stored};
use neargate_wire::structure::OperationDef;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often what changes elsewhere is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// In whose name, and where, others are asked.
struct Asking<'a> {
    house: &'a Arc<House>,
    scope: &'a Scope,
    role: &'a str,
}

impl Asking<'_> {
    async fn call<O: OperationDef>(&self, input: &O::Input) -> Result<O::Output, AwsError> {
        Caller::call::<O>(self.house, self.scope, self.role, input).await
    }
}

fn tag_map() -> BTreeMap<String, String> {
    let (key, value) = MANAGED_TAG;
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

/// What is gone already needs not be taken down.
fn gone<T>(answer: Result<T, AwsError>, codes: &[&str]) -> Result<(), AwsError> {
    match answer {
        Err(error) if !codes.contains(&error.code.as_str()) => Err(error),
        _ => Ok(()),
    }
}

/// Changes what is kept of a record, as it is by now. It may be gone.
async fn note<T: Resource>(
    house: &House,
    read: &Stored<T>,
    change: impl Fn(&mut T) -> bool,
) -> Result<(), AwsError> {
    let changed = house
        .db
        .modify::<T, _>(&read.key, |record| Ok(change(record)));
    changed.await.map(|_| ())
}

/// What a failed step says of itself.
fn words(error: &AwsError) -> String {
    format!("{} ({})", error.message, error.code)
}
