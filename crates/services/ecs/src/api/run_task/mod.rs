//! `RunTask`: validate, place, and write whole tasks in one transaction
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>).

mod request;
mod token;

use super::active_cluster;
use crate::launch::{Failure, Launched, launch_on};
use crate::model::{ClientToken, Task};
use crate::{Ecs, error};
use crate::{clusters, describe};
use neargate_api_ecs as api;
use neargate_service::db::Tx;
use neargate_service::{AwsError, Ctx};
pub(super) use request::Request;
use std::sync::Arc;
use token::{Token, earlier};

pub async fn run_task(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::RunTaskInput,
) -> Result<api::RunTaskOutput, AwsError> {
    let named = input.cluster.as_deref();
    let mut cluster = clusters::active_or_default(&cx.house, &cx.scope, named).await?;
    let token = Token::of(&input, &cluster.name)?;
    if let Some(again) = earlier(&cx, token.as_ref()).await? {
        return Ok(again);
    }
    let mut request = Request::check(&cx, &input, &cluster).await?;
    loop {
        let with = |tx: Tx, tasks: &[Task]| match &token {
            None => tx,
            Some(token) => {
                let ids = tasks
                    .iter()
                    .map(|t| Task::id(&cluster.name, &t.spec.assignment.task_id));
                let record = ClientToken {
                    request: token.request.clone(),
                    tasks: ids.collect(),
                    at: cx.now(),
                };
                tx.create(token.key(&cx), &record)
            }
        };
        let capacities: Vec<_> = request.capacities.iter().collect();
        let launched = launch_on(&ecs, &cx.house, &request.launch, &capacities, &with).await?;
        if let Some(launched) = launched {
            return output(&launched);
        }
        // An address, the token or the cluster changed hands meanwhile; a deleted cluster ends
        // the loop.
        if let Some(again) = earlier(&cx, token.as_ref()).await? {
            return Ok(again);
        }
        cluster = active_cluster(&cx, named).await?;
        request.launch.cluster = cluster.clone();
    }
}

fn output(launched: &Launched) -> Result<api::RunTaskOutput, AwsError> {
    if let Some(unplaced) = launched
        .unplaced
        .as_ref()
        .filter(|_| launched.tasks.is_empty())
    {
        if let Some(nowhere) = unplaced.nowhere {
            return Err(error::invalid_parameter(nowhere));
        }
        if unplaced.no_capacity {
            return Err(error::no_capacity());
        }
    }
    let failure = |f: &Failure| api::Failure {
        arn: f.arn.clone(),
        reason: Some(f.reason.clone()),
        detail: f.detail.clone(),
    };
    let tasks = launched.tasks.iter().map(|t| describe::started(t));
    let failures = launched.unplaced.iter().flat_map(|u| &u.failures);
    Ok(api::RunTaskOutput {
        tasks: Some(tasks.collect()),
        failures: Some(failures.map(failure).collect()),
    })
}
