//! The operations, one module a resource.

pub mod applications;
pub mod configs;
pub mod deployments;
pub mod groups;
pub mod tags;
pub mod targets;

use crate::error;
use crate::model::{Application, Deployment, Group};
use neargate_service::page::{self, Paged};
use neargate_service::{AwsError, Ctx, Stored};

/// How many names a page has.
const PAGE: usize = 100;

async fn application(cx: &Ctx, name: &str) -> Result<Stored<Application>, AwsError> {
    let found = cx.db().get::<Application>(&cx.scope, name).await?;
    found.ok_or_else(|| error::no_application(name))
}

async fn group(cx: &Ctx, application: &str, name: &str) -> Result<Stored<Group>, AwsError> {
    self::application(cx, application).await?;
    let id = Deployment::group_id(application, name);
    let found = cx.db().get::<Group>(&cx.scope, &id).await?;
    found.ok_or_else(|| error::no_group(name))
}

async fn deployment(cx: &Ctx, id: Option<&str>) -> Result<Stored<Deployment>, AwsError> {
    let id = id.ok_or_else(error::no_id)?;
    let found = cx.db().get::<Deployment>(&cx.scope, id).await?;
    found.ok_or_else(|| error::no_deployment(id))
}

fn paged(names: Vec<String>, token: Option<&str>) -> Result<Paged<String>, AwsError> {
    page::page(names, token, PAGE, String::clone).map_err(|_| error::next_token())
}
