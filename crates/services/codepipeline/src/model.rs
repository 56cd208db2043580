//! What CodePipeline stores.
//!
//! The API writes pipelines; of an execution the API writes what a caller asks for (a stop, a retry, an approval,
//! a job's result) and the controller the rest, each in one transaction that demands the record as it was read.

use neargate_api_codepipeline as api;
use neargate_base::Timestamp;
use neargate_service::sealing::Sealed;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `codepipeline/pipeline/…/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The newest version, with all that AWS adds to it.
    pub declaration: Json<api::PipelineDeclaration>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default)]
    pub tags: Tags,
    /// Transitions into stages that somebody disabled, by the stage's name.
    #[serde(default)]
    pub disabled: BTreeMap<String, Disabled>,
    /// How many executions were started: the number of the last one.
    #[serde(default)]
    pub started: u64,
    /// The ids of the executions that are not over.
    #[serde(default)]
    pub active: BTreeSet<String>,
}

/// Who closed the way into a stage, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disabled {
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
}

impl Resource for Pipeline {
    const KIND: &'static str = "codepipeline/pipeline";
}

/// `codepipeline/version/…/<name>/<version>`: what a pipeline was before it was changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    pub declaration: Json<api::PipelineDeclaration>,
}

impl Resource for Version {
    const KIND: &'static str = "codepipeline/version";
}

/// `codepipeline/seen/…/<name>`: the revision of each source that last started an execution. The controller
/// writes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    pub revisions: BTreeMap<String, String>,
}

impl Resource for Seen {
    const KIND: &'static str = "codepipeline/seen";
}

/// `codepipeline/action-type/…/<category>/<provider>/<version>`: what a customer's job workers do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomType {
    pub action_type: Json<api::ActionType>,
    #[serde(default)]
    pub tags: Tags,
}

impl Resource for CustomType {
    const KIND: &'static str = "codepipeline/action-type";
}

/// `codepipeline/job/…/<id>`: a job that waits for a worker or is with one. Its id is its action execution's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The store key of its execution.
    pub execution: String,
    pub category: String,
    pub provider: String,
    pub version: String,
    pub nonce: String,
    pub acknowledged: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
}

impl Resource for Job {
    const KIND: &'static str = "codepipeline/job";
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    InProgress,
    Stopping,
    Stopped,
    Succeeded,
    Superseded,
    Failed,
    Cancelled,
    /// Of stages alone: a condition said that it is left out.
    Skipped,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::InProgress => "InProgress",
            Status::Stopping => "Stopping",
            Status::Stopped => "Stopped",
            Status::Succeeded => "Succeeded",
            Status::Superseded => "Superseded",
            Status::Failed => "Failed",
            Status::Cancelled => "Cancelled",
            Status::Skipped => "Skipped",
        }
    }

    pub fn is_over(self) -> bool {
        !matches!(self, Status::InProgress | Status::Stopping)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActionStatus {
    InProgress,
    Abandoned,
    Succeeded,
    Failed,
}

impl ActionStatus {
    pub fn name(self) -> &'static str {
        match self {
            ActionStatus::InProgress => "InProgress",
            ActionStatus::Abandoned => "Abandoned",
            ActionStatus::Succeeded => "Succeeded",
            ActionStatus::Failed => "Failed",
        }
    }
}

/// Where an artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub bucket: String,
    pub key: String,
}

/// What a source brought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    pub action: String,
    pub artifact: String,
    pub id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A stage that an execution entered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRun {
    pub name: String,
    pub status: Status,
    /// When it was entered last.
    pub entered_at: Timestamp,
    /// How often it was tried again, by itself and by somebody.
    #[serde(default)]
    pub retries: (u32, u32),
    /// Conditions that somebody overrode.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overridden: BTreeSet<Moment>,
}

/// When a stage's conditions are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Moment {
    BeforeEntry,
    OnSuccess,
    OnFailure,
}

/// A rule of a stage's condition that was begun: as an action is, under the rule's name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleRun {
    pub moment: Moment,
    pub run: ActionRun,
}

/// An action that was begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRun {
    pub id: String,
    pub stage: String,
    pub action: String,
    pub status: ActionStatus,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    /// Its stage was tried again: what it came to counts no more.
    #[serde(default)]
    pub retired: bool,
    /// Its configuration with the variables filled in.
    #[serde(default)]
    pub configuration: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<i32>,
    /// Code and message of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<(String, String)>,
    /// Who has it may approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// An action that goes on then has timed out.
    pub expires_at: Timestamp,
    /// What its provider has done so far, in that provider's own form.
    #[serde(default)]
    pub progress: BTreeMap<String, String>,
    #[serde(default)]
    pub inputs: BTreeMap<String, Place>,
    #[serde(default)]
    pub outputs: BTreeMap<String, Place>,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stop {
    pub abandon: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `codepipeline/execution/…/<pipeline>/<id>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub id: String,
    /// Later ones have greater numbers.
    pub number: u64,
    /// The pipeline as it was when the execution started.
    pub declaration: Json<api::PipelineDeclaration>,
    pub status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// `StartPipelineExecution` and its like, with what it was in detail.
    pub trigger: (String, String),
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
    /// The stage that it is in or waits for.
    pub stage: usize,
    /// It has not entered that stage.
    pub waits: bool,
    #[serde(default)]
    pub stages: Vec<StageRun>,
    #[serde(default)]
    pub actions: Vec<ActionRun>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleRun>,
    #[serde(default)]
    pub artifacts: BTreeMap<String, Place>,
    #[serde(default)]
    pub revisions: Vec<Revision>,
    /// Variables of the pipeline.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What actions say, by their namespaces.
    #[serde(default)]
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Stop>,
    /// It brings this execution's artifacts to one stage again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Revisions that the caller asked for, by the source action's name.
    #[serde(default)]
    pub pinned: BTreeMap<String, String>,
}

impl Resource for Execution {
    const KIND: &'static str = "codepipeline/execution";
}

pub const SUPERSEDED: &str = "SUPERSEDED";
pub const QUEUED: &str = "QUEUED";
pub const PARALLEL: &str = "PARALLEL";

impl Execution {
    pub fn id_in_store(pipeline: &str, id: &str) -> String {
        format!("{pipeline}/{id}")
    }

    pub fn mode(&self) -> &str {
        self.declaration
            .execution_mode
            .as_deref()
            .unwrap_or(SUPERSEDED)
    }

    pub fn stage_named(&self, name: &str) -> Option<usize> {
        self.declaration.stages.iter().position(|s| s.name == name)
    }

    pub fn here(&self) -> Option<&api::StageDeclaration> {
        self.declaration.stages.get(self.stage)
    }

    pub fn stage_run(&self, name: &str) -> Option<&StageRun> {
        self.stages.iter().find(|s| s.name == name)
    }

    pub fn stage_run_mut(&mut self, name: &str) -> Option<&mut StageRun> {
        self.stages.iter_mut().find(|s| s.name == name)
    }

    /// The attempt of an action that counts.
    pub fn run(&self, stage: &str, action: &str) -> Option<&ActionRun> {
        let mut all = self.actions.iter().rev();
        all.find(|run| run.stage == stage && run.action == action && !run.retired)
    }

    /// The newest attempt of an action, also of one that is to be made again.
    pub fn last_run(&self, stage: &str, action: &str) -> Option<&ActionRun> {
        let mut all = self.actions.iter().rev();
        all.find(|run| run.stage == stage && run.action == action)
    }

    pub fn declared(&self, run: &ActionRun) -> Option<&api::ActionDeclaration> {
        let stage = self
            .declaration
            .stages
            .iter()
            .find(|s| s.name == run.stage)?;
        stage.actions.iter().find(|a| a.name == run.action)
    }

    /// The actions that are being carried out.
    pub fn running(&self) -> impl Iterator<Item = &ActionRun> {
        let all = self.actions.iter();
        all.filter(|run| run.status == ActionStatus::InProgress)
    }

    /// The rules that are being asked.
    pub fn asking(&self) -> impl Iterator<Item = &RuleRun> {
        let all = self.rules.iter();
        all.filter(|rule| rule.run.status == ActionStatus::InProgress)
    }

    /// The action or the rule of this id.
    pub fn begun(&self, id: &str) -> Option<&ActionRun> {
        let rules = self.rules.iter().map(|rule| &rule.run);
        self.actions.iter().chain(rules).find(|run| run.id == id)
    }

    /// How the action or the rule of this id was declared; a rule as if it were an action.
    pub fn declared_as(&self, id: &str) -> Option<api::ActionDeclaration> {
        if let Some(run) = self.actions.iter().find(|run| run.id == id) {
            return self.declared(run).cloned();
        }
        let rule = self.rules.iter().find(|rule| rule.run.id == id)?;
        let mut stages = self.declaration.stages.iter();
        let stage = stages.find(|s| s.name == rule.run.stage)?;
        let mut declared = conditions(stage, rule.moment)
            .iter()
            .flat_map(|c| c.rules.iter().flatten());
        declared
            .find(|of| of.name == rule.run.action)
            .map(as_action)
    }
}

pub fn pipeline_arn(scope: &Scope, name: &str) -> String {
    scope.arn("codepipeline", name)
}

/// A stage's conditions of a moment.
pub fn conditions(stage: &api::StageDeclaration, moment: Moment) -> &[api::Condition] {
    match moment {
        Moment::BeforeEntry => stage.before_entry.as_ref().map(|c| &c.conditions[..]),
        Moment::OnSuccess => stage.on_success.as_ref().map(|c| &c.conditions[..]),
        Moment::OnFailure => stage
            .on_failure
            .as_ref()
            .and_then(|c| c.conditions.as_deref()),
    }
    .unwrap_or_default()
}

/// A rule as the action that asks it.
pub fn as_action(rule: &api::RuleDeclaration) -> api::ActionDeclaration {
    api::ActionDeclaration {
        name: rule.name.clone(),
        action_type_id: api::ActionTypeId {
            category: rule.rule_type_id.category.clone(),
            owner: rule
                .rule_type_id
                .owner
                .clone()
                .unwrap_or_else(|| "AWS".into()),
            provider: rule.rule_type_id.provider.clone(),
            version: rule
                .rule_type_id
                .version
                .clone()
                .unwrap_or_else(|| "1".into()),
        },
        configuration: rule.configuration.clone(),
        commands: rule.commands.clone(),
        input_artifacts: rule.input_artifacts.clone(),
        role_arn: rule.role_arn.clone(),
        region: rule.region.clone(),
        timeout_in_minutes: rule.timeout_in_minutes,
        ..Default::default()
    }
}

/// `codepipeline/webhook/…/<name>`: whose call from outside starts a pipeline. The API writes it; a call that
/// comes says when it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Webhook {
    /// Without its secret.
    pub definition: Json<api::WebhookDefinition>,
    /// What of its address nobody can guess.
    pub token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_triggered: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    pub tags: Tags,
}

impl Resource for Webhook {
    const KIND: &'static str = "codepipeline/webhook";
}
