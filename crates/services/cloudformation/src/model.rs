//! What CloudFormation stores.

use neargate_base::Timestamp;
use neargate_service::identity::{Kind, Session};
use neargate_service::{Principal, Resource, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a stack is, or is on its way to be: a template with the values of its parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Names the text, [`TemplateText`].
    pub template: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As they were given, or their defaults.
    pub parameters: BTreeMap<String, String>,
    /// What those that name parameters of SSM came to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub resolved: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notification_arns: Vec<String>,
}

/// Who asked for what a stack does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Asker {
    pub kind: Kind,
    pub arn: String,
    pub user_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}

impl Asker {
    pub fn of(principal: &Principal) -> Asker {
        Asker {
            kind: principal.kind,
            arn: principal.arn.clone(),
            user_id: principal.user_id.clone(),
            session: principal.session.as_deref().cloned(),
        }
    }

    pub fn principal(&self) -> Principal {
        Principal {
            kind: self.kind,
            arn: self.arn.clone(),
            user_id: self.user_id.clone(),
            access_key: String::new(),
            session: self.session.clone().map(Arc::new),
        }
    }
}

/// What is being done with a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    pub id: String,
    pub phase: Phase,
    pub begun_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Whom it is done for.
    pub asker: Asker,
    /// What the stack was, while it is updated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Deployment>,
    /// The update whose changes it takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolls_back: Option<String>,
    /// Resources that a deletion leaves alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retain: Vec<String>,
    /// What a deletion cannot take away is let be.
    #[serde(default, skip_serializing_if = "is_false")]
    pub forced: bool,
    /// `CancelUpdateStack` was called.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cancelled: bool,
    /// Holds instead of the stack's policy while this goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What it began from was no deployment that stands: a failed update was left as it was.
    #[serde(default, skip_serializing_if = "is_false")]
    pub from_failed: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    Create,
    /// What was made is taken away.
    RollBackCreate,
    Update,
    /// Of a nested stack: all is as it should be, and what is left over waits for the stack above, which may go
    /// back yet.
    Held,
    /// What the update leaves over is taken away.
    CleanUp,
    /// What was changed goes back to what it was.
    RollBackUpdate,
    /// What only the failed update had is taken away.
    CleanUpRollBack,
    Delete,
}

/// `cloudformation/stack/…/<name>/<uuid>`. The API begins operations; the engine carries them out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stack {
    pub name: String,
    pub id: String,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    pub deployment: Deployment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// `ROLLBACK`, `DELETE` or `DO_NOTHING`.
    pub on_failure: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<u32>,
    pub termination_protection: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_set_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<StackOutput>,
    /// Names of exports that its template imports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The token of the call that began its last operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_token: Option<String>,
    /// What ended in a failure that may be gone on with: `RollbackStack`, `ContinueUpdateRollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Operation>,
    /// The ARN of the stack that it is a resource of, and that of the first one above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// How much of it was found to be as it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
}

/// What a look for drift came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    pub id: String,
    pub status: String,
    pub drifted: u32,
    pub at: Timestamp,
}

impl Resource for Stack {
    const KIND: &'static str = "cloudformation/stack";
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackOutput {
    pub key: String,
    pub value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<String>,
}

impl Stack {
    pub fn record(&self) -> String {
        format!("{}/{}", self.name, self.id)
    }

    pub fn arn(&self, scope: &Scope) -> String {
        arn(scope, &self.name, &self.id)
    }

    pub fn is_deleted(&self) -> bool {
        self.status == "DELETE_COMPLETE"
    }
}

pub fn arn(scope: &Scope, name: &str, id: &str) -> String {
    scope.arn("cloudformation", format!("stack/{name}/{id}"))
}

/// `cloudformation/name/…/<name>`: the stack that has a name. It goes when that is deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Name {
    pub id: String,
}

impl Resource for Name {
    const KIND: &'static str = "cloudformation/name";
}

/// `cloudformation/template/…/<id>`: a text, as it was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TemplateText {
    pub text: String,
    /// What its transforms made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed: Option<String>,
}

impl Resource for TemplateText {
    const KIND: &'static str = "cloudformation/template";
}

/// Something that was made for a resource of a template.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Made {
    pub kind: String,
    pub physical_id: String,
    /// As the template said them, with what its functions came to.
    pub properties: Value,
    /// What `Fn::GetAtt` answers.
    #[serde(default)]
    pub attributes: Value,
    /// `Delete`, `Retain`, …
    pub policy: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its properties may hold values that are not to be shown: they are stored sealed.
    #[serde(default, skip_serializing_if = "is_false")]
    pub secret: bool,
}

/// How far the calls for a resource have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// They are being made, or were when this process ended.
    Calling,
    /// It is there; it is not yet as it should be.
    Settling,
    Done,
    Failed,
}

/// `cloudformation/resource/…/<stack's uuid>/<logical id>`. The engine writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StackResource {
    pub logical_id: String,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub at: Timestamp,
    /// The operation that has looked at it last.
    pub operation: String,
    pub stage: Stage,
    /// Names this attempt: clients' tokens and generated names come of it.
    pub token: String,
    /// `None` until it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Made>,
    /// What is being made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Made>,
    /// What it was before this operation, when that changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Made>,
    /// Things that it is no longer, and that are still there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doomed: Vec<Made>,
    /// Logical ids that it came after.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Since when calls for it fail in a way that may pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// What it was found to be beside what it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<ResourceDrift>,
}

/// See [`StackResource::drift`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResourceDrift {
    pub status: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    pub path: String,
    pub expected: Value,
    pub actual: Value,
    /// `ADD`, `REMOVE` or `NOT_EQUAL`.
    pub kind: String,
}

/// `cloudformation/signal/…/<stack's uuid>/<token>/<unique id>`: what was said of a resource from outside. The
/// token is that of the attempt which waits for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    pub unique_id: String,
    pub status: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
}

impl Resource for Signal {
    const KIND: &'static str = "cloudformation/signal";
}

impl Signal {
    /// The key of one signal; of all of an attempt with an empty id.
    pub fn key(scope: &Scope, stack: &str, token: &str, unique_id: &str) -> String {
        let unique: String =
            percent_encoding::utf8_percent_encode(unique_id, percent_encoding::NON_ALPHANUMERIC)
                .to_string();
        neargate_service::db::key::<Signal>(scope, &format!("{stack}/{token}/{unique}"))
    }
}

impl Resource for StackResource {
    const KIND: &'static str = "cloudformation/resource";
}

/// `cloudformation/event/…/<stack's uuid>/<when>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: String,
    pub at: Timestamp,
    pub logical_id: String,
    pub physical_id: String,
    pub kind: String,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
}

impl Resource for Event {
    const KIND: &'static str = "cloudformation/event";
}

/// `cloudformation/change-set/…/<stack's uuid>/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    pub name: String,
    pub id: String,
    pub kind: String,
    pub created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub status: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub execution_status: String,
    pub deployment: Deployment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<String>,
    pub changes: Vec<Change>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
}

impl Resource for ChangeSet {
    const KIND: &'static str = "cloudformation/change-set";
}

impl ChangeSet {
    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn(
            "cloudformation",
            format!("changeSet/{}/{}", self.name, self.id),
        )
    }
}

/// What would be done with a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// `Add`, `Modify` or `Remove`.
    pub action: String,
    pub logical_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub physical_id: Option<String>,
    pub kind: String,
    /// `True`, `False` or `Conditional`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<ChangedProperty>,
    /// Something besides the properties changes: `Metadata`, `Tags`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedProperty {
    pub name: String,
    /// `Never`, `Conditionally` or `Always`.
    pub recreation: String,
    /// `Static` or `Dynamic`.
    pub evaluation: String,
}

/// `cloudformation/export/…/<name>`: what a stack exports. It goes with the stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Export {
    pub name: String,
    pub value: String,
    pub stack: String,
    pub stack_name: String,
}

impl Resource for Export {
    const KIND: &'static str = "cloudformation/export";
}
