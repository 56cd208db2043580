//! The operations, one module a resource.

pub mod executions;
pub mod history;
pub mod jobs;
pub mod partners;
pub mod pipelines;
pub mod revisions;
pub mod rules;
pub mod stages;
pub mod state;
pub mod tags;
pub mod types;
pub mod webhooks;

use crate::error;
use crate::model::{Execution, Pipeline};
use neargate_service::page::{self, Paged};
use neargate_service::{AwsError, Ctx, Stored};

/// The pipeline of this name.
async fn pipeline(cx: &Ctx, name: &str) -> Result<Stored<Pipeline>, AwsError> {
    let found = cx.db().get::<Pipeline>(&cx.scope, name).await?;
    found.ok_or_else(|| error::pipeline_not_found(&cx.scope, name))
}

/// An execution of the pipeline.
async fn execution(cx: &Ctx, pipeline: &str, id: &str) -> Result<Stored<Execution>, AwsError> {
    let key = Execution::id_in_store(pipeline, id);
    let found = cx.db().get::<Execution>(&cx.scope, &key).await?;
    found.ok_or_else(|| error::execution_not_found(pipeline, id))
}

/// A page of what descends by `id`.
fn paged<T>(
    items: Vec<T>,
    token: Option<&str>,
    most: Option<i32>,
    usual: usize,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    let limit = page::Size::up_to(usual).clamp(most);
    page::page_descending(items, token, limit, id).map_err(|_| error::next_token())
}
