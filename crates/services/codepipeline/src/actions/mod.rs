//! Carries actions out, one step at a time: each provider looks at what it has done so far and does the next thing.
//!
//! A step may be made twice, when what came of it could not be written down. So each is one that changes nothing
//! the second time: it names what it makes by the action execution's id, or looks for it first.

mod approval;
mod artifacts;
mod cloudformation;
mod codebuild;
mod codecommit;
mod codedeploy;
mod commands;
mod ecr;
mod ecs;
mod invoke;
mod objects;
mod rules;
mod s3;

pub use codecommit::head as commit_of;
pub use rules::window;
pub use s3::version as version_of;

use crate::model::{ActionRun, Execution, Revision};
use neargate_api_codepipeline as api;
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, House, Scope};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// An action that is under way.
pub struct Work<'a> {
    pub house: &'a Arc<House>,
    /// Where the pipeline is.
    pub home: &'a Scope,
    /// Where its calls go: the role's account, and the action's region.
    pub scope: Scope,
    pub role: &'a str,
    pub execution: &'a Execution,
    pub run: &'a ActionRun,
    pub declared: &'a api::ActionDeclaration,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing is new.
    Wait,
    /// To be remembered.
    Progress(Progress),
    Done(Done),
    Failed(Failed),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    pub fields: BTreeMap<String, String>,
    pub external_id: Option<String>,
    pub summary: Option<String>,
}

impl Progress {
    pub fn of(name: &str, value: impl Into<String>) -> Progress {
        Progress {
            fields: BTreeMap::from([(name.to_owned(), value.into())]),
            ..Progress::default()
        }
    }

    pub fn external(self, id: impl Into<String>) -> Progress {
        Progress {
            external_id: Some(id.into()),
            ..self
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    pub summary: Option<String>,
    pub external_id: Option<String>,
    pub variables: BTreeMap<String, String>,
    pub revision: Option<Revision>,
}

/// Why an action failed, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub code: String,
    pub message: String,
}

/// A step ends in one of these, or is tried again later.
pub enum Ended {
    Failed(Failed),
    Later(AwsError),
}

pub fn failed(code: &str, message: impl Into<String>) -> Ended {
    Ended::Failed(Failed {
        code: code.to_owned(),
        message: message.into(),
    })
}

/// What passes is tried again; what the call is refused for is the action's end.
impl From<AwsError> for Ended {
    fn from(error: AwsError) -> Ended {
        let unserved = error.status == 501;
        if error.code.contains("Throttl") || error.status >= 500 && !unserved {
            return Ended::Later(error);
        }
        let denied = error.code.contains("AccessDenied") || error.code.contains("Unauthorized");
        if denied {
            return failed(
                "PermissionError",
                format!(
                    "The provided role does not have sufficient permissions. Underlying error: {} ({})",
                    error.message, error.code
                ),
            );
        }
        let code = if unserved {
            "ConfigurationError"
        } else {
            "JobFailed"
        };
        failed(code, format!("{} ({})", error.message, error.code))
    }
}

impl Work<'_> {
    /// Calls an operation in the name of the action's role.
    pub async fn call(&self, named: (&str, &str), input: Value) -> Result<Value, AwsError> {
        Caller::call_by_name(self.house, &self.scope, By::Role(self.role), named, input).await
    }

    /// CodePipeline's own role, in whose name it does what AWS does without a right of the customer's.
    pub fn own_role(&self) -> String {
        format!(
            "arn:aws:iam::{}:role/aws-service-role/codepipeline.amazonaws.com/AWSServiceRoleForCodePipeline",
            self.scope.account
        )
    }

    pub fn configured(&self, key: &str) -> Option<&str> {
        let found = self.run.configuration.get(key);
        found.map(String::as_str).filter(|text| !text.is_empty())
    }

    /// A key that the pipeline could not be without.
    pub fn required(&self, key: &str) -> &str {
        self.configured(key).unwrap_or_default()
    }

    /// What an earlier step remembered.
    pub fn done(&self, name: &str) -> Option<&str> {
        self.run.progress.get(name).map(String::as_str)
    }

    /// The action's first output.
    pub fn output(&self) -> Result<(&str, &crate::model::Place), Ended> {
        let first = self.run.outputs.iter().next();
        let first = first.map(|(name, place)| (name.as_str(), place));
        first.ok_or_else(|| {
            failed(
                "ConfigurationError",
                "The pipeline has no artifact store in the action's region",
            )
        })
    }

    fn revision(&self, id: &str, summary: Option<String>) -> Revision {
        Revision {
            action: self.run.action.clone(),
            artifact: self.run.outputs.keys().next().cloned().unwrap_or_default(),
            id: id.to_owned(),
            summary,
            created: Some(self.house.now()),
            url: None,
        }
    }
}

/// The action's next step.
///
/// # Errors
/// What passes: the step is to be tried again.
pub async fn step(work: &Work<'_>) -> Result<Step, AwsError> {
    let id = &work.declared.action_type_id;
    let stepped = match (
        id.owner.as_str(),
        id.category.as_str(),
        id.provider.as_str(),
    ) {
        ("AWS", "Source", "S3") => s3::source(work).await,
        ("AWS", "Source", "ECR") => ecr::source(work).await,
        ("AWS", "Source", "CodeCommit") => codecommit::source(work).await,
        ("AWS", _, "CodeBuild") => codebuild::step(work).await,
        ("AWS", "Deploy", "ECS") => ecs::step(work).await,
        ("AWS", "Deploy", "CodeDeployToECS") => codedeploy::step(work).await,
        ("AWS", "Deploy", "S3") => s3::deploy(work).await,
        ("AWS", "Deploy", "CloudFormation") => cloudformation::step(work).await,
        ("AWS", "Invoke", "CodePipeline") => invoke::step(work).await,
        ("AWS", _, "Commands") => commands::step(work).await,
        ("AWS", "Rule", "DeploymentWindow") => rules::deployment_window(work),
        ("AWS", "Rule", "VariableCheck") => rules::variable_check(work),
        ("AWS", "Rule", "CloudWatchAlarm") => rules::alarm(work).await,
        ("AWS", "Approval", _) => approval::step(work).await,
        // A worker of the customer's does it.
        _ => Ok(Step::Wait),
    };
    match stepped {
        Ok(step) => Ok(step),
        Err(Ended::Failed(failed)) => Ok(Step::Failed(failed)),
        Err(Ended::Later(error)) => Err(error),
    }
}
