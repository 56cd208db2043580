//! The controller of pipelines: writes what the planner decides, carries out the actions that are under way, and
//! looks for new revisions of sources that are polled.

use crate::actions::{self, Done, Failed, Progress, Step, Work};
use crate::model::{ActionRun, ActionStatus, Execution, Pipeline, Seen, Status};
use crate::plan::{self, Next};
use crate::start::{self, Start};
use crate::structure::configured;
use async_trait::async_trait;
use neargate_api_codepipeline as api;
use neargate_base::{Arn, Timestamp};
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, Committed, House, Resource, Scope, Stored, db};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often what is under way elsewhere is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How often a source is looked at that tells nothing by itself.
const POLL: Duration = Duration::from_secs(5);

/// See the module.
pub struct Pipelines {
    house: Arc<House>,
    /// When the sources of each pipeline were looked at last.
    polled: Mutex<HashMap<String, Timestamp>>,
}

/// A pipeline and its executions that are not over.
#[derive(Clone)]
pub struct View {
    scope: Scope,
    pipeline: Stored<Pipeline>,
    active: Vec<Stored<Execution>>,
    polled_at: Option<Timestamp>,
}

pub enum Action {
    Write(Box<View>, Next),
    /// One step of an action: the execution's place in the view, and the action execution's id.
    Step(Box<View>, usize, String),
    Poll(Box<View>),
}

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Action::Write(view, next) => {
                write!(f, "{} of {}", next.changed.len(), view.pipeline.key)
            }
            Action::Step(_, _, id) => write!(f, "step of {id}"),
            Action::Poll(view) => write!(f, "poll {}", view.pipeline.key),
        }
    }
}

impl Pipelines {
    pub fn new(house: Arc<House>) -> Pipelines {
        Pipelines {
            house,
            polled: Mutex::default(),
        }
    }
}

#[async_trait]
impl Controller for Pipelines {
    type View = View;
    type Action = Action;

    fn name(&self) -> &'static str {
        "codepipeline"
    }

    fn prefixes(&self) -> Vec<String> {
        let of = |kind| format!("{kind}/");
        vec![of(Pipeline::KIND), of(Execution::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        let scope = Scope::of_key(store_key)?;
        let name = store_key.split('/').nth(4)?;
        Some(db::key::<Pipeline>(&scope, name))
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let db = &self.house.db;
        let pipeline = db.get_key::<Pipeline>(key).await?;
        let (Some(pipeline), Some(scope)) = (pipeline, Scope::of_key(key)) else {
            return Ok(None);
        };
        let mut active = Vec::new();
        for id in &pipeline.active {
            let id = Execution::id_in_store(&pipeline.declaration.name, id);
            active.extend(db.get::<Execution>(&scope, &id).await?);
        }
        let polled = self.polled.lock();
        let polled_at = polled.ok().and_then(|polled| polled.get(key).copied());
        Ok(Some(View {
            scope,
            pipeline,
            active,
            polled_at,
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Action> {
        let active: Vec<Execution> = view.active.iter().map(|e| e.value.clone()).collect();
        let next = plan::next(&view.pipeline, &active, now);
        if !next.changed.is_empty() {
            return Plan {
                actions: vec![Action::Write(Box::new(view.clone()), next)],
                wake_at: None,
                reason: "executions go on",
            };
        }
        let mut actions = Vec::new();
        let mut wake_at: Option<Timestamp> = None;
        let mut wake = |at: Timestamp| wake_at = Some(wake_at.map_or(at, |first| first.min(at)));
        for (place, execution) in active.iter().enumerate() {
            for run in execution.running() {
                wake(run.expires_at);
                if is_ours(execution, run) {
                    actions.push(Action::Step(Box::new(view.clone()), place, run.id.clone()));
                    wake(now + LOOK);
                }
            }
            for rule in execution.asking() {
                wake(rule.run.expires_at);
                let id = rule.run.id.clone();
                actions.push(Action::Step(Box::new(view.clone()), place, id));
                wake(now + LOOK);
            }
        }
        if polled(&view.pipeline).next().is_some() {
            let due = view.polled_at.map_or(now, |at| at + POLL);
            if due <= now {
                actions.push(Action::Poll(Box::new(view.clone())));
                wake(now + POLL);
            } else {
                wake(due);
            }
        }
        Plan {
            actions,
            wake_at,
            reason: "actions are under way",
        }
    }

    async fn apply(&self, action: Action) -> Result<Applied, AwsError> {
        match action {
            Action::Write(view, next) => self.write(&view, next).await,
            Action::Step(view, place, id) => self.step(&view, place, &id).await,
            Action::Poll(view) => self.poll(&view).await,
        }
    }
}

/// Is there a step to be made for it?
fn is_ours(execution: &Execution, run: &ActionRun) -> bool {
    let Some(declared) = execution.declared(run) else {
        return false;
    };
    let id = &declared.action_type_id;
    let is_approval = id.category == "Approval";
    let told =
        run.progress.contains_key("told") || !run.configuration.contains_key("NotificationArn");
    id.owner == "AWS" && !(is_approval && told)
}

/// The sources that are looked at from time to time.
fn polled(pipeline: &Pipeline) -> impl Iterator<Item = &api::ActionDeclaration> {
    let first = pipeline.declaration.stages.first();
    let actions = first.into_iter().flat_map(|stage| &stage.actions);
    actions.filter(|action| {
        let provider = action.action_type_id.provider.as_str();
        matches!(provider, "S3" | "CodeCommit")
            && action.action_type_id.owner == "AWS"
            && configured(action, "PollForSourceChanges") != Some("false")
    })
}

/// Where an action's calls go, and in whose name.
pub fn role_of<'a>(
    home: &Scope,
    declaration: &'a api::PipelineDeclaration,
    action: &'a api::ActionDeclaration,
) -> (Scope, &'a str) {
    let role = action.role_arn.as_deref().unwrap_or(&declaration.role_arn);
    let arn: Option<Arn> = role.parse().ok();
    let account = arn.and_then(|arn| arn.account.parse().ok());
    let region = action.region.as_ref().and_then(|r| r.parse().ok());
    let scope = Scope {
        account: account.unwrap_or_else(|| home.account.clone()),
        region: region.unwrap_or_else(|| home.region.clone()),
    };
    (scope, role)
}

impl Pipelines {
    async fn write(&self, view: &View, next: Next) -> Result<Applied, AwsError> {
        let house = &self.house;
        let mut pipeline = view.pipeline.value.clone();
        let mut tx = house.db.tx();
        for mut after in next.changed {
            let before = view.active.iter().find(|e| e.id == after.id);
            let Some(before) = before else {
                continue;
            };
            // What must not be guessed is not derived by the planner.
            for run in &mut after.actions {
                let known = before.actions.iter().any(|was| was.id == run.id);
                let waits = run.status == ActionStatus::InProgress && !known;
                let declared = before.declared(run);
                if waits && declared.is_some_and(|d| d.action_type_id.category == "Approval") {
                    run.token = Some(house.rng.uuid());
                }
            }
            tx = start::changed(tx, house, &view.scope, &mut pipeline, before, &after);
            for (_, stage) in next.rollbacks.iter().filter(|(id, _)| *id == after.id) {
                let Some(target) = self.rolled_back_to(view, &after, stage).await? else {
                    continue;
                };
                let at = after.stage;
                let trigger = ("AutomatedRollback".to_owned(), after.id.clone());
                let made = start::rollback(house, &pipeline, &target, at, trigger);
                pipeline = start::counted(&pipeline, &made);
                tx = start::told(tx, house, &view.scope, None, &made);
                tx = tx.create(start::key(&view.scope, &made), &made);
            }
        }
        let tx = if pipeline == view.pipeline.value {
            tx.unchanged(&view.pipeline)
        } else {
            tx.update(&view.pipeline, &pipeline)
        };
        Ok(match tx.commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }

    /// The newest execution that succeeded in the stage with the pipeline as it was then.
    async fn rolled_back_to(
        &self,
        view: &View,
        failed: &Execution,
        stage: &str,
    ) -> Result<Option<Execution>, AwsError> {
        let all = executions(&self.house.db, &view.scope, &failed.declaration.name).await?;
        let mut all: Vec<Execution> = all.into_iter().map(|e| e.value).collect();
        all.retain(|e| {
            e.number < failed.number
                && e.declaration.version == failed.declaration.version
                && e.stage_run(stage).map(|run| run.status) == Some(Status::Succeeded)
        });
        Ok(all.into_iter().max_by_key(|e| e.number))
    }

    async fn step(&self, view: &View, place: usize, id: &str) -> Result<Applied, AwsError> {
        let Some(execution) = view.active.get(place) else {
            return Ok(Applied::Done);
        };
        let (Some(run), Some(declared)) = (execution.begun(id), execution.declared_as(id)) else {
            return Ok(Applied::Done);
        };
        let (scope, role) = role_of(&view.scope, &execution.declaration, &declared);
        let work = Work {
            house: &self.house,
            home: &view.scope,
            scope,
            role,
            execution,
            run,
            declared: &declared,
        };
        let step = actions::step(&work).await?;
        if step != Step::Wait {
            self.record(&view.scope, &execution.key, id, &step).await?;
        }
        Ok(Applied::Done)
    }

    /// Writes what a step came to, into the execution as it is by now. An action that is over by then, as one that
    /// was abandoned, stays so.
    async fn record(
        &self,
        scope: &Scope,
        key: &str,
        id: &str,
        step: &Step,
    ) -> Result<(), AwsError> {
        let house = &self.house;
        loop {
            let Some(before) = house.db.get_key::<Execution>(key).await? else {
                return Ok(());
            };
            let mut after = before.value.clone();
            if !come_to(&mut after, id, step, house.now()) {
                return Ok(());
            }
            let mut tx = start::told(house.db.tx(), house, scope, Some(&before.value), &after);
            if let Step::Done(Done {
                revision: Some(revision),
                ..
            }) = step
            {
                let name = &after.declaration.name;
                let seen = house.db.get::<Seen>(scope, name).await?;
                let mut now_seen = seen.as_ref().map(|s| s.value.clone()).unwrap_or_default();
                let (action, id) = (revision.action.clone(), revision.id.clone());
                now_seen.revisions.insert(action, id);
                tx = match &seen {
                    Some(seen) => tx.update(seen, &now_seen),
                    None => tx.create(db::key::<Seen>(scope, name), &now_seen),
                };
            }
            if let Committed::At(_) = tx.update(&before, &after).commit().await? {
                return Ok(());
            }
        }
    }

    /// Starts an execution when a source has a revision that none was started for.
    async fn poll(&self, view: &View) -> Result<Applied, AwsError> {
        let house = &self.house;
        if let Ok(mut polled) = self.polled.lock() {
            polled.insert(view.pipeline.key.clone(), house.now());
        }
        // What runs takes the newest revision itself.
        if view.active.iter().any(|execution| execution.stage == 0) {
            return Ok(Applied::Done);
        }
        let declaration = &view.pipeline.declaration;
        let seen = house.db.get::<Seen>(&view.scope, &declaration.name).await?;
        let mut now_seen = seen.as_ref().map(|s| s.value.clone()).unwrap_or_default();
        let mut new = None;
        for action in polled(&view.pipeline) {
            let (scope, role) = role_of(&view.scope, declaration, action);
            let found = match action.action_type_id.provider.as_str() {
                "S3" => actions::version_of(house, &scope, role, action).await,
                _ => actions::commit_of(house, &scope, role, action).await,
            };
            match found {
                Ok(Some(id)) if now_seen.revisions.get(&action.name) != Some(&id) => {
                    now_seen.revisions.insert(action.name.clone(), id);
                    new = Some(action.name.clone());
                }
                Ok(_) => {}
                // A role that may not look is told of by the execution that somebody starts.
                Err(error) => tracing::debug!(action = action.name, %error, "a source is not seen"),
            }
        }
        let Some(action) = new else {
            return Ok(Applied::Done);
        };
        let begin = Start {
            trigger: ("PollForSourceChanges".into(), action),
            ..Start::default()
        };
        let made = start::execution(house, &view.pipeline, begin);
        let tx = start::told(house.db.tx(), house, &view.scope, None, &made);
        let tx = tx
            .create(start::key(&view.scope, &made), &made)
            .update(&view.pipeline, &start::counted(&view.pipeline, &made));
        let tx = match &seen {
            Some(seen) => tx.update(seen, &now_seen),
            None => tx.create(db::key::<Seen>(&view.scope, &declaration.name), &now_seen),
        };
        // Whoever was first began an execution of the same.
        let _ = tx.commit().await?;
        Ok(Applied::Done)
    }
}

/// Every execution of a pipeline, in no order.
pub async fn executions(
    db: &neargate_service::Db,
    scope: &Scope,
    pipeline: &str,
) -> Result<Vec<Stored<Execution>>, AwsError> {
    let prefix = db::key::<Execution>(scope, &Execution::id_in_store(pipeline, ""));
    db.list_prefix::<Execution>(&prefix).await
}

/// What a step makes of an action that is under way; answers whether it was.
pub fn come_to(execution: &mut Execution, id: &str, step: &Step, now: Timestamp) -> bool {
    let is_it = |run: &&mut ActionRun| run.id == id && run.status == ActionStatus::InProgress;
    let rules = execution.rules.iter_mut().map(|rule| &mut rule.run);
    let Some(run) = execution.actions.iter_mut().chain(rules).find(is_it) else {
        return false;
    };
    run.updated_at = now;
    match step {
        Step::Wait => {}
        Step::Progress(Progress {
            fields,
            external_id,
            summary,
        }) => {
            run.progress.extend(fields.clone());
            run.external_id = external_id.clone().or(run.external_id.take());
            run.summary = summary.clone().or(run.summary.take());
        }
        Step::Failed(Failed { code, message }) => {
            run.status = ActionStatus::Failed;
            run.error = Some((code.clone(), message.clone()));
        }
        Step::Done(done) => {
            run.status = ActionStatus::Succeeded;
            run.external_id = done.external_id.clone().or(run.external_id.take());
            run.summary = done.summary.clone().or(run.summary.take());
            run.variables = done.variables.clone();
            let run = run.clone();
            execution.artifacts.extend(run.outputs.clone());
            if let Some(revision) = &done.revision {
                execution.revisions.retain(|r| r.action != revision.action);
                execution.revisions.push(revision.clone());
            }
            let namespace = execution.declared(&run).and_then(|d| d.namespace.clone());
            if let Some(namespace) = namespace {
                execution.namespaces.insert(namespace, run.variables);
            }
        }
    }
    execution.updated_at = now;
    true
}
