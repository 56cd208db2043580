//! What CodeCommit stores.

use neargate_api_codecommit as api;
use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope, Settings};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// `codecommit/repository/…/<name>`. The API writes it; [`crate::changes`] writes the default branch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Repository {
    /// A UUID, which is the name of its directory, too.
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Without `refs/heads/`. The first branch that is pushed becomes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_branch: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    pub tags: Tags,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

impl Resource for Repository {
    const KIND: &'static str = "codecommit/repository";
}

impl Repository {
    pub fn arn(&self, scope: &Scope) -> String {
        scope.arn("codecommit", &*self.name)
    }
}

/// `codecommit/reference/…/<the repository's id>/<full name>`: what was last told of a reference.
/// [`crate::changes`] writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// The commit, or the annotated tag.
    pub object: String,
}

impl Resource for Told {
    const KIND: &'static str = "codecommit/reference";
}

/// `codecommit/change/…/<id>`: somebody is about to change references. Whoever changes them writes it
/// before, and it goes when all that came of it is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub repository_id: String,
    pub repository_name: String,
    /// The caller's ARN.
    pub caller: String,
    /// Full names, in the order in which the caller gave them.
    pub references: Vec<String>,
    /// What a merge adds to what is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Merge>,
}

impl Resource for Change {
    const KIND: &'static str = "codecommit/change";
}

/// How a branch came to its new commit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merge {
    /// `FAST_FORWARD_MERGE`, `SQUASH_MERGE`, `THREE_WAY_MERGE`.
    pub option: String,
    pub source: String,
    pub destination: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What the branch moves to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The number of the pull request that is merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
}

/// Where git reaches a repository over HTTP: `at` is how the caller reached this installation. Names alone
/// mean the operator's account and region.
pub fn clone_url_http(at: &str, settings: &Settings, scope: &Scope, name: &str) -> String {
    let Scope { account, region } = scope;
    match *scope == settings.default_scope {
        true => format!("{at}/v1/repos/{name}"),
        false => format!("{at}/codecommit/{account}/{region}/v1/repos/{name}"),
    }
}

/// As AWS forms it; no such host is served here.
pub fn clone_url_ssh(scope: &Scope, name: &str) -> String {
    let region = &scope.region;
    format!("ssh://git-codecommit.{region}.amazonaws.com/v1/repos/{name}")
}

/// `codecommit/number/…/<kind>`: the last number that was given to one of a kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Number {
    pub last: u64,
}

impl Resource for Number {
    const KIND: &'static str = "codecommit/number";
}

/// `codecommit/pull-request/…/<ten digits>`. The API writes it; [`crate::pulls`] what its branches do to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullRequest {
    pub number: u64,
    pub repository_id: String,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An ARN.
    pub author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    pub open: bool,
    /// Full names.
    pub source_reference: String,
    pub destination_reference: String,
    pub source_commit: String,
    /// Where the destination was last seen, while it is open.
    pub destination_commit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_base: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Merged>,
    /// Another one for each source commit: what was approved.
    pub revision: String,
    pub rules: Vec<Rule>,
    /// Who approved this revision.
    pub approvals: Vec<String>,
    /// Who set the rules of this revision aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrider: Option<String>,
    /// How many [`PullEvent`]s it has.
    pub events: u64,
    pub created_at: Timestamp,
    pub active_at: Timestamp,
}

impl Resource for PullRequest {
    const KIND: &'static str = "codecommit/pull-request";
}

impl PullRequest {
    pub fn id(number: u64) -> String {
        format!("{number:010}")
    }
}

/// How a pull request was merged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    pub by: String,
    pub commit: String,
    /// `None`: by a push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
}

/// An approval rule of a pull request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    pub id: String,
    pub name: String,
    pub content: String,
    /// The id and name of the template that it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<(String, String)>,
    pub by: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

/// `codecommit/pull-request-event/…/<ten digits>/<ten digits>`: something that was done to a pull request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PullEvent {
    pub at: Timestamp,
    pub actor: String,
    pub event: Json<api::PullRequestEvent>,
}

impl Resource for PullEvent {
    const KIND: &'static str = "codecommit/pull-request-event";
}

/// `codecommit/rule-template/…/<name>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleTemplate {
    pub id: String,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub content: String,
    pub by: String,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    /// The ids of the repositories that it is for.
    pub repositories: BTreeSet<String>,
}

impl Resource for RuleTemplate {
    const KIND: &'static str = "codecommit/rule-template";
}

/// `codecommit/comment/…/<id>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comment {
    pub id: String,
    pub repository_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_request: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_reply_to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    pub after: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_blob: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_blob: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Json<api::Location>>,
    /// `None`: it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    pub author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// The short code of each who reacted, by his ARN.
    pub reactions: BTreeMap<String, String>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}

impl Resource for Comment {
    const KIND: &'static str = "codecommit/comment";
}

/// `codecommit/triggers/…/<the repository's id>`. The API writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Triggers {
    /// Another one each time they are put.
    pub id: String,
    pub triggers: Vec<Json<api::RepositoryTrigger>>,
}

impl Resource for Triggers {
    const KIND: &'static str = "codecommit/triggers";
}

/// `codecommit/triggered/…/<id>`: what a topic is to be told. [`crate::changes`] writes it, [`crate::triggers`]
/// delivers it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Triggered {
    pub repository_arn: String,
    pub topic: String,
    pub trigger: String,
    pub message: String,
}

impl Resource for Triggered {
    const KIND: &'static str = "codecommit/triggered";
}
