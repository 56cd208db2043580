//! How an execution begins, and how a change of one is written: with the events of what changed, and the jobs of
//! customers' workers.

use crate::model::{ActionRun, ActionStatus, Execution, Job, Pipeline, Status, pipeline_arn};
use crate::plan::tell;
use neargate_service::Tx;
use neargate_service::events::Event;
use neargate_service::{House, Scope, Stored, db};
use std::collections::BTreeMap;

/// Why an execution begins, and with what.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// `StartPipelineExecution` and its like, and its detail.
    pub trigger: (String, String),
    pub variables: BTreeMap<String, String>,
    pub client_token: Option<String>,
    pub pinned: BTreeMap<String, String>,
}

/// The next execution of a pipeline.
pub fn execution(house: &House, pipeline: &Pipeline, start: Start) -> Execution {
    let now = house.now();
    let declared = pipeline
        .declaration
        .variables
        .as_deref()
        .unwrap_or_default();
    let usual = declared
        .iter()
        .filter_map(|v| Some((v.name.clone(), v.default_value.clone()?)));
    let mut variables: BTreeMap<String, String> = usual.collect();
    variables.extend(start.variables);
    Execution {
        id: house.rng.uuid(),
        number: pipeline.started + 1,
        declaration: pipeline.declaration.clone(),
        status: Status::InProgress,
        summary: None,
        trigger: start.trigger,
        started_at: now,
        updated_at: now,
        stage: 0,
        waits: true,
        stages: Vec::new(),
        actions: Vec::new(),
        rules: Vec::new(),
        artifacts: BTreeMap::new(),
        revisions: Vec::new(),
        variables,
        namespaces: BTreeMap::new(),
        stop: None,
        rolls_back_to: None,
        client_token: start.client_token,
        pinned: start.pinned,
    }
}

/// An execution that brings what `target` brought to one stage again.
pub fn rollback(
    house: &House,
    pipeline: &Pipeline,
    target: &Execution,
    stage: usize,
    trigger: (String, String),
) -> Execution {
    let start = Start {
        trigger,
        ..Start::default()
    };
    Execution {
        stage,
        artifacts: target.artifacts.clone(),
        revisions: target.revisions.clone(),
        variables: target.variables.clone(),
        namespaces: target.namespaces.clone(),
        declaration: target.declaration.clone(),
        rolls_back_to: Some(target.id.clone()),
        ..execution(house, pipeline, start)
    }
}

/// The pipeline with an execution more.
pub fn counted(pipeline: &Pipeline, execution: &Execution) -> Pipeline {
    let mut with = pipeline.clone();
    with.started = execution.number;
    with.active.insert(execution.id.clone());
    with
}

pub fn key(scope: &Scope, execution: &Execution) -> String {
    let id = Execution::id_in_store(&execution.declaration.name, &execution.id);
    db::key::<Execution>(scope, &id)
}

/// Adds what a new or changed execution is told of by.
pub fn told(
    tx: Tx,
    house: &House,
    scope: &Scope,
    before: Option<&Execution>,
    after: &Execution,
) -> Tx {
    let arn = pipeline_arn(scope, &after.declaration.name);
    let mut tx = tx;
    for (kind, detail) in tell::changes(scope, before, after) {
        tx = house.events.post(tx, scope, "aws.codepipeline", kind, || {
            Event::new(house, "aws.codepipeline", kind, vec![arn.clone()], detail)
        });
    }
    jobs(tx, house, scope, before, after)
}

/// A job for each action of customers' own that begins; none is left of those that are over.
fn jobs(tx: Tx, house: &House, scope: &Scope, before: Option<&Execution>, after: &Execution) -> Tx {
    let goes_on = |run: &ActionRun| run.status == ActionStatus::InProgress;
    let mut tx = tx;
    for run in &after.actions {
        let Some(declared) = after.declared(run) else {
            continue;
        };
        let of = &declared.action_type_id;
        if of.owner != "Custom" {
            continue;
        }
        let was = before.and_then(|b| b.actions.iter().find(|was| was.id == run.id));
        let job = db::key::<Job>(scope, &run.id);
        match (was.is_some_and(goes_on), goes_on(run)) {
            (false, true) => {
                let made = Job {
                    execution: key(scope, after),
                    category: of.category.clone(),
                    provider: of.provider.clone(),
                    version: of.version.clone(),
                    nonce: house.rng.uuid(),
                    acknowledged: false,
                    continuation: None,
                };
                tx = tx.put(job, &made);
            }
            (true, false) => tx = tx.delete_key(job),
            _ => {}
        }
    }
    tx
}

/// The transaction of an execution that changed, and of its pipeline where it began or ended by that.
pub fn changed(
    tx: Tx,
    house: &House,
    scope: &Scope,
    pipeline: &mut Pipeline,
    before: &Stored<Execution>,
    after: &Execution,
) -> Tx {
    if after.status.is_over() {
        pipeline.active.remove(&after.id);
    } else {
        pipeline.active.insert(after.id.clone());
    }
    let tx = told(tx, house, scope, Some(&before.value), after);
    tx.update(before, after)
}
