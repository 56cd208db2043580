//! What CodeBuild stores.

use crate::buildspec::{Cache, Files, ReportFiles};
use neargate_api_codebuild as api;
use neargate_base::Timestamp;
use neargate_service::sealing::Sealed;
use neargate_service::{Resource, Scope};
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};

/// `codebuild/project/…/<name>`. The API writes it; a start counts its builds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Project {
    /// As it is shown, but for its ARN.
    pub shown: Json<api::Project>,
    /// How many builds were started.
    pub builds: i64,
}

impl Resource for Project {
    const KIND: &'static str = "codebuild/project";
}

pub fn project_arn(scope: &Scope, name: &str) -> String {
    scope.arn("codebuild", format!("project/{name}"))
}

pub fn build_arn(scope: &Scope, id: &str) -> String {
    scope.arn("codebuild", format!("build/{id}"))
}

/// How far a build is: what its driver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its task is to be started.
    Queued,
    /// Its task is on its way.
    Provisioning,
    /// Its source goes into its container.
    Downloading,
    /// Its container carries out its phases.
    Running,
    /// What it made is taken out.
    Uploading,
    /// Its task is to end.
    Finalizing,
    Complete,
}

/// `codebuild/report-group/…/<name>`. The API writes it, or the first build that reports to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportGroup {
    pub shown: Json<api::ReportGroup>,
}

impl Resource for ReportGroup {
    const KIND: &'static str = "codebuild/report-group";
}

/// `codebuild/report/…/<group>:<the build's uuid>`. The build's driver writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub shown: Json<api::Report>,
}

impl Resource for Report {
    const KIND: &'static str = "codebuild/report";
}

/// `codebuild/report-cases/…/<the report's id>/<number>`: some of a report's cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportCases {
    pub cases: Vec<Json<api::TestCase>>,
}

impl Resource for ReportCases {
    const KIND: &'static str = "codebuild/report-cases";
}

pub fn group_arn(scope: &Scope, name: &str) -> String {
    scope.arn("codebuild", format!("report-group/{name}"))
}

pub fn report_arn(scope: &Scope, id: &str) -> String {
    scope.arn("codebuild", format!("report/{id}"))
}

/// What of the buildspec counts once the phases are over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Kept {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifacts: Option<Files>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary: Vec<(String, Files)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exported: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<(String, ReportFiles)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
}

/// `codebuild/build/…/<project>:<uuid>`. `StartBuild` writes it, `StopBuild` asks for its end, and its driver
/// does the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// As it is shown.
    pub shown: Json<api::Build>,
    pub stage: Stage,
    /// Where its artifacts go.
    pub artifacts: Json<api::ProjectArtifacts>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secondary_artifacts: Vec<Json<api::ProjectArtifacts>>,
    /// The call that started it.
    pub request: Json<api::StartBuildInput>,
    /// Somebody asked for its end.
    #[serde(default)]
    pub stopping: bool,
    /// What it has ended as, while its task still has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// The ARN of its task definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition: Option<String>,
    /// The ARN of its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// How much of its output is in its log.
    #[serde(default)]
    pub logged_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
    /// The values that its log does not show, a JSON list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Sealed>,
    /// The rest of its output is in its logs.
    #[serde(default)]
    pub logs_closed: bool,
    pub queued_at: Timestamp,
}

impl Resource for Build {
    const KIND: &'static str = "codebuild/build";
}

impl Build {
    pub fn id(&self) -> &str {
        self.shown.id.as_deref().unwrap_or_default()
    }

    /// The part of its id that is its own.
    pub fn uuid(&self) -> &str {
        let id = self.id();
        id.split_once(':').map_or(id, |(_, uuid)| uuid)
    }

    pub fn project(&self) -> &str {
        self.shown.project_name.as_deref().unwrap_or_default()
    }

    pub fn role(&self) -> &str {
        self.shown.service_role.as_deref().unwrap_or_default()
    }

    /// Where its primary source is in its container.
    pub fn source_dir(&self) -> String {
        source_dir(self.uuid(), 0)
    }
}

/// Where a source is in a build's container: the primary one is the first.
pub fn source_dir(uuid: &str, at: usize) -> String {
    let digits: u64 = uuid.bytes().fold(17, |sum: u64, b| {
        (sum.wrapping_mul(31).wrapping_add(u64::from(b))) % 900_000_000
    });
    format!(
        "/codebuild/output/src{}/src",
        100_000_000 + digits + at as u64
    )
}
