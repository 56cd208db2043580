//! The event types that notification rules know, and which events of EventBridge each is
//! (<https://docs.aws.amazon.com/dtconsole/latest/userguide/concepts.html#concepts-api>). Pure.

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The services that notify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::enum_variant_names, reason = "they are the services' names")]
pub enum Of {
    CodeBuild,
    CodeCommit,
    CodeDeploy,
    CodePipeline,
}

impl Of {
    pub fn name(self) -> &'static str {
        match self {
            Of::CodeBuild => "CodeBuild",
            Of::CodeCommit => "CodeCommit",
            Of::CodeDeploy => "CodeDeploy",
            Of::CodePipeline => "CodePipeline",
        }
    }

    pub fn resource_type(self) -> &'static str {
        match self {
            Of::CodeBuild => "Project",
            Of::CodeCommit => "Repository",
            Of::CodeDeploy => "Application",
            Of::CodePipeline => "Pipeline",
        }
    }

    /// The service that an ARN is of, and the resource's name.
    pub fn of_resource(service: &str, resource: &str) -> Option<(Of, String)> {
        let (of, name) = match service {
            "codebuild" => (Of::CodeBuild, resource.strip_prefix("project/")?),
            "codecommit" => (Of::CodeCommit, resource),
            "codedeploy" => (Of::CodeDeploy, resource.strip_prefix("application:")?),
            "codepipeline" => (Of::CodePipeline, resource),
            _ => return None,
        };
        let is_name = !name.is_empty() && !name.contains([':', '/']);
        is_name.then(|| (of, name.to_owned()))
    }

    fn source(self) -> &'static str {
        match self {
            Of::CodeBuild => "aws.codebuild",
            Of::CodeCommit => "aws.codecommit",
            Of::CodeDeploy => "aws.codedeploy",
            Of::CodePipeline => "aws.codepipeline",
        }
    }
}

/// Which events a type is: a type of detail, a member of it, and that member's values.
type Events = (&'static str, &'static str, &'static [&'static str]);

/// An event type.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    pub of: Of,
    pub id: &'static str,
    pub name: &'static str,
    events: Events,
}

const fn kind(of: Of, id: &'static str, name: &'static str, events: Events) -> Kind {
    Kind {
        of,
        id,
        name,
        events,
    }
}

const STATE: &str = "CodeBuild Build State Change";
const PHASE: &str = "CodeBuild Build Phase Change";
const COMMIT: &str = "CodeCommit Comment on Commit";
const COMMENT: &str = "CodeCommit Comment on Pull Request";
const PULL: &str = "CodeCommit Pull Request State Change";
const REFERENCE: &str = "CodeCommit Repository State Change";
const DEPLOYMENT: &str = "CodeDeploy Deployment State-change Notification";
const ACTION: &str = "CodePipeline Action Execution State Change";
const STAGE: &str = "CodePipeline Stage Execution State Change";
const PIPELINE: &str = "CodePipeline Pipeline Execution State Change";
/// The state of an action, where it is an approval.
const APPROVAL: &str = "approval";
const COMMIT_COMMENTS: &[&str] = &[
    "commentOnCommitCreated",
    "commentOnCommitUpdated",
    "commentOnCommitDeleted",
];
const PULL_COMMENTS: &[&str] = &[
    "commentOnPullRequestCreated",
    "commentOnPullRequestUpdated",
    "commentOnPullRequestDeleted",
];
const BAD_PHASES: &[&str] = &["FAILED", "FAULT", "TIMED_OUT", "CLIENT_ERROR"];

#[rustfmt::skip]
pub static KINDS: &[Kind] = &[
    kind(Of::CodeBuild, "codebuild-project-build-phase-failure", "Build phase: Failure", (PHASE, "completed-phase-status", BAD_PHASES)),
    kind(Of::CodeBuild, "codebuild-project-build-phase-success", "Build phase: Success", (PHASE, "completed-phase-status", &["SUCCEEDED"])),
    kind(Of::CodeBuild, "codebuild-project-build-state-failed", "Build state: Failed", (STATE, "build-status", &["FAILED"])),
    kind(Of::CodeBuild, "codebuild-project-build-state-in-progress", "Build state: In-progress", (STATE, "build-status", &["IN_PROGRESS"])),
    kind(Of::CodeBuild, "codebuild-project-build-state-stopped", "Build state: Stopped", (STATE, "build-status", &["STOPPED"])),
    kind(Of::CodeBuild, "codebuild-project-build-state-succeeded", "Build state: Succeeded", (STATE, "build-status", &["SUCCEEDED"])),
    kind(Of::CodeCommit, "codecommit-repository-approvals-rule-override", "Approvals: Rule override", (PULL, "event", &["pullRequestApprovalRuleOverridden"])),
    kind(Of::CodeCommit, "codecommit-repository-approvals-status-changed", "Approvals: Status changed", (PULL, "event", &["pullRequestApprovalStateChanged"])),
    kind(Of::CodeCommit, "codecommit-repository-branches-and-tags-created", "Branches and tags: Created", (REFERENCE, "event", &["referenceCreated"])),
    kind(Of::CodeCommit, "codecommit-repository-branches-and-tags-deleted", "Branches and tags: Deleted", (REFERENCE, "event", &["referenceDeleted"])),
    kind(Of::CodeCommit, "codecommit-repository-branches-and-tags-updated", "Branches and tags: Updated", (REFERENCE, "event", &["referenceUpdated"])),
    kind(Of::CodeCommit, "codecommit-repository-comments-on-commits", "Comments: On commits", (COMMIT, "event", COMMIT_COMMENTS)),
    kind(Of::CodeCommit, "codecommit-repository-comments-on-pull-requests", "Comments: On pull requests", (COMMENT, "event", PULL_COMMENTS)),
    kind(Of::CodeCommit, "codecommit-repository-pull-request-created", "Pull request: Created", (PULL, "event", &["pullRequestCreated"])),
    kind(Of::CodeCommit, "codecommit-repository-pull-request-merged", "Pull request: Merged", (PULL, "event", &["pullRequestMergeStatusUpdated"])),
    kind(Of::CodeCommit, "codecommit-repository-pull-request-source-updated", "Pull request: Source updated", (PULL, "event", &["pullRequestSourceBranchUpdated"])),
    kind(Of::CodeCommit, "codecommit-repository-pull-request-status-changed", "Pull request: Status changed", (PULL, "event", &["pullRequestStatusChanged"])),
    kind(Of::CodeDeploy, "codedeploy-application-deployment-failed", "Deployment: Failed", (DEPLOYMENT, "state", &["FAILURE"])),
    kind(Of::CodeDeploy, "codedeploy-application-deployment-started", "Deployment: Started", (DEPLOYMENT, "state", &["START"])),
    kind(Of::CodeDeploy, "codedeploy-application-deployment-succeeded", "Deployment: Succeeded", (DEPLOYMENT, "state", &["SUCCESS"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-action-execution-canceled", "Action execution: Canceled", (ACTION, "state", &["CANCELED", "ABANDONED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-action-execution-failed", "Action execution: Failed", (ACTION, "state", &["FAILED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-action-execution-started", "Action execution: Started", (ACTION, "state", &["STARTED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-action-execution-succeeded", "Action execution: Succeeded", (ACTION, "state", &["SUCCEEDED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-manual-approval-failed", "Manual approval: Failed", (ACTION, APPROVAL, &["FAILED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-manual-approval-needed", "Manual approval: Needed", (ACTION, APPROVAL, &["STARTED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-manual-approval-succeeded", "Manual approval: Succeeded", (ACTION, APPROVAL, &["SUCCEEDED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-pipeline-execution-canceled", "Pipeline execution: Canceled", (PIPELINE, "state", &["CANCELED", "STOPPED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-pipeline-execution-failed", "Pipeline execution: Failed", (PIPELINE, "state", &["FAILED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-pipeline-execution-resumed", "Pipeline execution: Resumed", (PIPELINE, "state", &["RESUMED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-pipeline-execution-started", "Pipeline execution: Started", (PIPELINE, "state", &["STARTED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-pipeline-execution-succeeded", "Pipeline execution: Succeeded", (PIPELINE, "state", &["SUCCEEDED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-pipeline-execution-superseded", "Pipeline execution: Superseded", (PIPELINE, "state", &["SUPERSEDED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-stage-execution-canceled", "Stage execution: Canceled", (STAGE, "state", &["CANCELED", "STOPPED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-stage-execution-failed", "Stage execution: Failed", (STAGE, "state", &["FAILED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-stage-execution-resumed", "Stage execution: Resumed", (STAGE, "state", &["RESUMED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-stage-execution-started", "Stage execution: Started", (STAGE, "state", &["STARTED"])),
    kind(Of::CodePipeline, "codepipeline-pipeline-stage-execution-succeeded", "Stage execution: Succeeded", (STAGE, "state", &["SUCCEEDED"])),
];

pub fn find(id: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.id == id)
}

/// The pattern of the events that are one of the types and tell of the resource.
pub fn pattern(of: Of, arn: &str, name: &str, ids: &[String]) -> Value {
    let mut groups: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for kind in ids.iter().filter_map(|id| find(id)) {
        let (detail_type, member, values) = kind.events;
        groups
            .entry((detail_type, member))
            .or_default()
            .extend(values);
    }
    let each = groups.into_iter().map(|((detail_type, member), values)| {
        let values: Vec<&str> = values.into_iter().collect();
        let mut detail = match member {
            APPROVAL => json!({ "state": values, "type": { "category": ["Approval"] } }),
            member => json!({ member: values }),
        };
        match of {
            Of::CodeBuild => detail["project-name"] = json!([name]),
            Of::CodeDeploy => detail["application"] = json!([name]),
            Of::CodePipeline => detail["pipeline"] = json!([name]),
            Of::CodeCommit => {}
        }
        json!({ "detail-type": [detail_type], "detail": detail })
    });
    let mut each: Vec<Value> = each.collect();
    let mut pattern = json!({ "source": [of.source()] });
    if of == Of::CodeCommit {
        pattern["resources"] = json!([arn]);
    }
    if each.len() == 1
        && let Some(one) = each.pop()
    {
        pattern["detail-type"] = one["detail-type"].clone();
        pattern["detail"] = one["detail"].clone();
    } else {
        pattern["$or"] = json!(each);
    }
    pattern
}
