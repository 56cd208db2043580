//! The controller of deployments: takes each one stage further, and writes down where it is. A stage that is made
//! twice, after a crash, changes nothing the second time: task sets are made under the deployment's id, and weights
//! and primaries are set to what they are to be.

mod sets;

use crate::config;
use crate::error;
use crate::model::{Deployment, Group, Lifecycle, Stage, Status};
use async_trait::async_trait;
use neargate_base::Timestamp;
use neargate_service::caller::By;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::events::Event;
use neargate_service::{AwsError, Caller, Committed, House, Resource, Scope, Stored, Tx, db};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How often what ECS and alarms say is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long a replacement may take to become steady, as AWS gives it.
const INSTALLS_IN: Duration = Duration::from_secs(3_600);

/// See the module.
pub struct Deployments {
    house: Arc<House>,
}

impl Deployments {
    pub fn new(house: Arc<House>) -> Deployments {
        Deployments { house }
    }
}

#[derive(Clone)]
pub struct View {
    scope: Scope,
    deployment: Stored<Deployment>,
}

pub struct Advance(View);

impl std::fmt::Debug for Advance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let of = &self.0.deployment;
        write!(f, "{} {:?}", of.id, of.stage)
    }
}

/// Why a stage does not go on.
enum Ended {
    /// The deployment gives traffic back, and ends.
    Failed(String, String),
    Later(AwsError),
}

fn failed(code: &str, message: impl Into<String>) -> Ended {
    Ended::Failed(code.to_owned(), message.into())
}

impl From<AwsError> for Ended {
    fn from(error: AwsError) -> Ended {
        let unserved = error.status == 501;
        if error.code.contains("Throttl") || error.status >= 500 && !unserved {
            return Ended::Later(error);
        }
        let denied = error.code.contains("AccessDenied");
        let code = if denied {
            "IAM_ROLE_PERMISSIONS"
        } else {
            "ECS_UPDATE_ERROR"
        };
        failed(code, format!("{} ({})", error.message, error.code))
    }
}

#[async_trait]
impl Controller for Deployments {
    type View = View;
    type Action = Advance;

    fn name(&self) -> &'static str {
        "codedeploy"
    }

    fn prefixes(&self) -> Vec<String> {
        vec![format!("{}/", Deployment::KIND)]
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<View>, AwsError> {
        let found = self.house.db.get_key::<Deployment>(key).await?;
        Ok(found.and_then(|deployment| {
            let scope = Scope::of_key(key)?;
            Some(View { scope, deployment })
        }))
    }

    fn plan(&self, view: &View, now: Timestamp) -> Plan<Advance> {
        if view.deployment.stage == Stage::Over {
            return Plan::idle("it is over");
        }
        Plan {
            actions: vec![Advance(view.clone())],
            wake_at: Some(now + LOOK),
            reason: "a deployment is under way",
        }
    }

    async fn apply(&self, Advance(view): Advance) -> Result<Applied, AwsError> {
        let before = &view.deployment;
        let mut after = before.value.clone();
        let stepped = match self.alarmed(&view.scope, &after).await {
            Ok(()) => self.step(&view.scope, &mut after).await,
            Err(ended) => Err(ended),
        };
        match stepped {
            Ok(()) => {}
            Err(Ended::Later(error)) => return Err(error),
            Err(Ended::Failed(code, message)) => {
                give_up(&mut after, &code, &message, self.house.now())
            }
        }
        if after == before.value {
            return Ok(Applied::Done);
        }
        after.updated_at = self.house.now();
        self.write(&view.scope, before, after).await
    }
}

/// It failed, or was stopped: traffic goes back.
pub fn give_up(deployment: &mut Deployment, code: &str, message: &str, now: Timestamp) {
    // What cannot go back is over.
    if deployment.stage == Stage::Back {
        deployment.stage = Stage::Over;
        deployment.status = deployment.ends_as.unwrap_or(Status::Failed);
        deployment.completed_at = Some(now);
        return;
    }
    let stopped = matches!(code, "ALARM_ACTIVE" | "MANUAL_STOP");
    deployment.ends_as = Some(if stopped {
        Status::Stopped
    } else {
        Status::Failed
    });
    deployment.error = Some((code.to_owned(), message.to_owned()));
    deployment.stage = Stage::Back;
    deployment.status = Status::InProgress;
    deployment.next_at = None;
    for event in &mut deployment.events {
        if event.status == "InProgress" {
            event.status = "Failed".into();
            event.end = Some(now);
        }
    }
}

fn begin(deployment: &mut Deployment, name: &str, now: Timestamp) {
    if deployment.events.iter().any(|event| event.name == name) {
        return;
    }
    deployment.events.push(Lifecycle {
        name: name.to_owned(),
        status: "InProgress".into(),
        start: Some(now),
        end: None,
    });
}

fn end(deployment: &mut Deployment, name: &str, now: Timestamp) {
    begin(deployment, name, now);
    for event in &mut deployment.events {
        if event.name == name {
            event.status = "Succeeded".into();
            event.end = Some(now);
        }
    }
}

impl Deployments {
    async fn call(
        &self,
        scope: &Scope,
        deployment: &Deployment,
        named: (&str, &str),
        input: Value,
    ) -> Result<Value, AwsError> {
        let role = By::Role(deployment.role());
        Caller::call_by_name(&self.house, scope, role, named, input).await
    }

    /// Is an alarm of the group's active?
    async fn alarmed(&self, scope: &Scope, deployment: &Deployment) -> Result<(), Ended> {
        let names = deployment.alarms();
        if names.is_empty() || matches!(deployment.stage, Stage::Back | Stage::Over) {
            return Ok(());
        }
        let input = json!({ "AlarmNames": names, "StateValue": "ALARM" });
        let named = ("cloudwatch", "DescribeAlarms");
        let found = match self.call(scope, deployment, named, input).await {
            Ok(found) => found,
            Err(error) => {
                let config = deployment.of.alarm_configuration.as_ref();
                if config.and_then(|c| c.ignore_poll_alarm_failure) == Some(true) {
                    return Ok(());
                }
                return Err(error.into());
            }
        };
        let active = found["MetricAlarms"].as_array();
        if active.is_none_or(Vec::is_empty) {
            return Ok(());
        }
        Err(failed(
            "ALARM_ACTIVE",
            "One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the \
             affected deployments have been stopped.",
        ))
    }

    async fn step(&self, scope: &Scope, d: &mut Deployment) -> Result<(), Ended> {
        let now = self.house.now();
        let passed = d.next_at.is_none_or(|at| at <= now);
        match d.stage {
            Stage::Install => self.install(scope, d).await,
            Stage::Installing => self.installing(scope, d).await,
            Stage::TestTraffic => {
                if let Some(listener) = d.test_listener().map(str::to_owned) {
                    begin(d, "AllowTestTraffic", now);
                    self.shift(scope, d, &listener, 100).await?;
                    end(d, "AllowTestTraffic", now);
                    end(d, "AfterAllowTestTraffic", now);
                }
                if let Some(minutes) = d.ready_minutes() {
                    d.stage = Stage::Ready;
                    d.status = Status::Ready;
                    d.next_at = Some(now + Duration::from_secs(60 * u64::from(minutes)));
                } else {
                    d.stage = Stage::Traffic;
                    d.next_at = None;
                }
                Ok(())
            }
            Stage::Ready if d.goes_on => {
                d.goes_on = false;
                d.status = Status::InProgress;
                d.stage = Stage::Traffic;
                d.next_at = None;
                Ok(())
            }
            Stage::Ready if passed => Err(failed(
                "MANUAL_STOP",
                "The deployment was stopped because nobody continued it within its wait time",
            )),
            Stage::Traffic if passed => {
                if d.weight == 0 {
                    end(d, "BeforeAllowTraffic", now);
                    begin(d, "AllowTraffic", now);
                }
                let listener = d.listener().unwrap_or_default().to_owned();
                let (weight, minutes) = config::next(d.routing, d.weight);
                self.shift(scope, d, &listener, weight).await?;
                d.weight = weight;
                d.next_at = Some(now + Duration::from_secs(60 * u64::from(minutes)));
                if weight == 100 {
                    d.stage = Stage::Primary;
                }
                Ok(())
            }
            Stage::Primary => {
                self.primary(scope, d, &d.green.set.clone()).await?;
                end(d, "AllowTraffic", now);
                end(d, "AfterAllowTraffic", now);
                d.stage = Stage::Wait;
                let minutes = d.termination_minutes();
                d.next_at = Some(now + Duration::from_secs(60 * u64::from(minutes)));
                Ok(())
            }
            Stage::Wait if d.goes_on || passed => {
                d.goes_on = false;
                d.stage = Stage::Terminate;
                d.next_at = None;
                Ok(())
            }
            Stage::Terminate => {
                self.delete(scope, d, &d.blue.set.clone()).await?;
                d.stage = Stage::Over;
                d.status = Status::Succeeded;
                d.completed_at = Some(now);
                Ok(())
            }
            Stage::Back => self.back(scope, d).await,
            _ => Ok(()),
        }
    }

    /// Traffic goes back to the original, which is the primary again, and the replacement goes away.
    async fn back(&self, scope: &Scope, d: &mut Deployment) -> Result<(), Ended> {
        if !d.green.target_group.is_empty() {
            let listeners = [d.listener(), d.test_listener()];
            let listeners: Vec<String> =
                listeners.into_iter().flatten().map(str::to_owned).collect();
            for listener in listeners {
                self.shift(scope, d, &listener, 0).await?;
            }
        }
        d.weight = 0;
        if !d.green.set.is_empty() {
            self.primary(scope, d, &d.blue.set.clone()).await?;
            self.delete(scope, d, &d.green.set.clone()).await?;
        }
        d.stage = Stage::Over;
        d.status = d.ends_as.unwrap_or(Status::Failed);
        d.completed_at = Some(self.house.now());
        Ok(())
    }

    async fn write(
        &self,
        scope: &Scope,
        before: &Stored<Deployment>,
        mut after: Deployment,
    ) -> Result<Applied, AwsError> {
        let house = &self.house;
        let mut tx = house.db.tx();
        if after.stage == Stage::Over && before.stage != Stage::Over {
            let id = Deployment::group_id(&after.application, &after.group);
            if after.status == Status::Succeeded
                && let Some(group) = house.db.get::<Group>(scope, &id).await?
            {
                let mut now = group.value.clone();
                now.last_good = Some(after.id.clone());
                now.info.target_revision = Some(after.revision.0.clone());
                tx = tx.update(&group, &now);
            }
            let event = match after.error.as_ref().map(|(code, _)| code.as_str()) {
                Some("ALARM_ACTIVE") => "DEPLOYMENT_STOP_ON_ALARM",
                Some("MANUAL_STOP") => "DEPLOYMENT_STOP_ON_REQUEST",
                _ => "DEPLOYMENT_FAILURE",
            };
            if after.status != Status::Succeeded && after.rolls_back_on(event) {
                let made = rollback(house, &after);
                after.rolled_back_by = Some(made.id.clone());
                tx = tx.create(db::key::<Deployment>(scope, &made.id), &made);
            }
        }
        tx = told(tx, house, scope, Some(before.status), &after);
        Ok(match tx.update(before, &after).commit().await? {
            Committed::At(_) => Applied::Done,
            Committed::Conflict => Applied::Conflict,
        })
    }
}

/// The deployment that AWS shows for a rollback; what it is about was done by the one that ended.
fn rollback(house: &House, of: &Deployment) -> Deployment {
    let previous = of.previous.clone().unwrap_or_else(|| of.revision.clone());
    Deployment {
        id: new_id(house),
        creator: "codeDeployRollback".into(),
        description: Some(format!("Rollback of the deployment {}", of.id)),
        revision: previous,
        created_at: house.now(),
        updated_at: house.now(),
        completed_at: Some(house.now()),
        status: Status::Succeeded,
        stage: Stage::Over,
        events: Vec::new(),
        error: None,
        ends_as: None,
        rolls_back: Some(of.id.clone()),
        rolled_back_by: None,
        ..of.clone()
    }
}

/// `d-` and nine digits or capitals.
pub fn new_id(house: &House) -> String {
    format!("d-{}", house.rng.hex(9).to_uppercase())
}

/// Adds the event of a status that is new.
pub fn told(
    tx: Tx,
    house: &House,
    scope: &Scope,
    before: Option<Status>,
    after: &Deployment,
) -> Tx {
    const KIND: &str = "CodeDeploy Deployment State-change Notification";
    let state = match after.status {
        _ if before == Some(after.status) => return tx,
        Status::Created => return tx,
        Status::InProgress if before == Some(Status::Ready) => return tx,
        Status::InProgress => "START",
        Status::Ready => "READY",
        Status::Succeeded => "SUCCESS",
        Status::Failed => "FAILURE",
        Status::Stopped => "STOP",
    };
    house.events.post(tx, scope, "aws.codedeploy", KIND, || {
        let (application, group) = (&after.application, &after.group);
        let resources = vec![
            scope.arn("codedeploy", format!("application:{application}")),
            scope.arn(
                "codedeploy",
                format!("deploymentgroup:{application}/{group}"),
            ),
        ];
        let detail = json!({
            "region": scope.region.as_str(),
            "deploymentId": after.id,
            "instanceGroupId": after.of.deployment_group_id,
            "deploymentGroup": group,
            "state": state,
            "application": application,
        });
        Event::new(house, "aws.codedeploy", KIND, resources, detail)
    })
}

/// Stops a deployment that somebody wants to end.
///
/// # Errors
/// `DeploymentAlreadyCompletedException`.
pub fn stop(deployment: &mut Deployment, now: Timestamp) -> Result<(), AwsError> {
    if deployment.status.is_over() {
        return Err(error::completed(&deployment.id));
    }
    if deployment.stage != Stage::Back {
        let message = "The deployment was stopped by somebody";
        give_up(deployment, "MANUAL_STOP", message, now);
    }
    Ok(())
}
