//! What CodeCommit stores.

use neargate_base::Timestamp;
use neargate_service::tags::Tags;
use neargate_service::{Resource, Scope, Settings};
use serde::{Deserialize, Serialize};

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
