//! `RunTask`: validate, place, and write whole tasks in one transaction
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>).

mod place;
mod request;
mod token;

use super::{active_cluster, clusters, describe};
use crate::ecs::model::{Arrivals, ClientToken, Cluster, Task};
use crate::ecs::{Ecs, reference};
use neargate_api::ecs as api;
use neargate_service::db::{self, Committed};
use neargate_service::{AwsError, Ctx, Stored};
use request::Request;
use std::sync::Arc;
use token::{Token, earlier};

pub async fn run_task(
    ecs: Arc<Ecs>,
    cx: Ctx,
    input: api::RunTaskInput,
) -> Result<api::RunTaskOutput, AwsError> {
    let mut cluster = cluster(&cx, input.cluster.as_deref()).await?;
    let token = Token::of(&input, &cluster.name)?;
    if let Some(again) = earlier(&cx, token.as_ref()).await? {
        return Ok(again);
    }
    let request = Request::check(&cx, &input, &cluster).await?;
    loop {
        let mut tx = cx.db().tx().unchanged(&cluster);
        let (mut tasks, mut held) = (Vec::new(), Vec::new());
        for _ in 0..request.count {
            let (task, reserved) = request.place(&ecs, &cx, &input, &cluster, &held).await?;
            held.push(reserved.interface.private_ipv4);
            let id = Task::id(&cluster.name, &task.spec.assignment.task_id);
            let key = db::key::<Task>(&cx.scope, &id);
            tx = tx.with(reserved.compares, reserved.ops).create(key, &task);
            tasks.push(task);
        }
        if let Some(token) = &token {
            let ids = tasks
                .iter()
                .map(|t| Task::id(&cluster.name, &t.spec.assignment.task_id));
            let record = ClientToken {
                request: token.request.clone(),
                tasks: ids.collect(),
                at: cx.now(),
            };
            tx = tx.create(token.key(&cx), &record);
        }
        let arrivals = db::key::<Arrivals>(&cx.scope, &cluster.name);
        tx = tx.put(arrivals, &Arrivals { last_at: cx.now() });
        if let Committed::At(_) = tx.commit().await? {
            for task in &tasks {
                ecs.nodes.placed(&task.spec.node);
            }
            let tasks = tasks.iter().map(|t| describe::task(t, true)).collect();
            return Ok(api::RunTaskOutput {
                tasks: Some(tasks),
                failures: Some(Vec::new()),
            });
        }
        // An address, the token or the cluster changed hands meanwhile; a deleted cluster ends
        // the loop.
        if let Some(again) = earlier(&cx, token.as_ref()).await? {
            return Ok(again);
        }
        cluster = active_cluster(&cx, input.cluster.as_deref()).await?;
    }
}

/// The named cluster; `default` is made when it is first used.
async fn cluster(cx: &Ctx, named: Option<&str>) -> Result<Stored<Cluster>, AwsError> {
    match active_cluster(cx, named).await {
        Err(e)
            if e.is("ClusterNotFoundException")
                && reference::cluster(&cx.scope, named).is_ok_and(|n| n == "default") =>
        {
            clusters::create_default(cx).await
        }
        found => found,
    }
}
