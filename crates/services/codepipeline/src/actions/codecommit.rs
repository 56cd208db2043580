//! CodeCommit as a source: the files of a branch, as they were at its newest commit
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-CodeCommit.html>).

use super::{Done, Ended, Step, Work, artifacts, failed};
use crate::structure::configured;
use neargate_api_codepipeline as api;
use neargate_service::caller::By;
use neargate_service::{AwsError, Caller, House, Scope};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The most that a source may have, as far as it is read here.
const MOST_FILES: usize = 20_000;
const MOST_BYTES: usize = 256 << 20;

/// The branch's newest commit; `None` while there is none.
///
/// # Errors
/// The call's own.
pub async fn head(
    house: &Arc<House>,
    scope: &Scope,
    role: &str,
    action: &api::ActionDeclaration,
) -> Result<Option<String>, AwsError> {
    let named = json!({
        "repositoryName": configured(action, "RepositoryName"),
        "branchName": configured(action, "BranchName"),
    });
    let by = By::Role(role);
    let found = Caller::call_by_name(house, scope, by, ("codecommit", "GetBranch"), named).await;
    match found {
        Ok(found) => Ok(found["branch"]["commitId"].as_str().map(str::to_owned)),
        Err(error) if error.code.contains("DoesNotExist") => Ok(None),
        Err(error) => Err(error),
    }
}

pub async fn source(work: &Work<'_>) -> Result<Step, Ended> {
    let repository = work.required("RepositoryName");
    let branch = work.required("BranchName");
    let commit = match work.execution.pinned.get(&work.run.action) {
        Some(commit) => commit.clone(),
        None => {
            let named = json!({ "repositoryName": repository, "branchName": branch });
            let found = work.call(("codecommit", "GetBranch"), named).await?;
            let commit = found["branch"]["commitId"].as_str();
            let none = || failed("ConfigurationError", "The branch has no commit");
            commit.ok_or_else(none)?.to_owned()
        }
    };
    let named = json!({ "repositoryName": repository, "commitId": commit });
    let told = work.call(("codecommit", "GetCommit"), named).await?;
    let told = &told["commit"];
    let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
    let message = text(&told["message"]);
    let files = match work.configured("OutputArtifactFormat") {
        Some("CODEBUILD_CLONE_REF") => {
            let reference =
                json!({ "Type": "CodeCommit", "RepositoryName": repository, "CommitId": commit });
            vec![(
                "codepipeline-artifact.json".into(),
                reference.to_string().into(),
            )]
        }
        _ => tree(work, repository, &commit).await?,
    };
    let (_, place) = work.output()?;
    artifacts::put(work, place, artifacts::packed(&files)?).await?;
    let variables = [
        ("RepositoryName", repository.to_owned()),
        ("BranchName", branch.to_owned()),
        ("CommitId", commit.clone()),
        ("CommitMessage", message.clone()),
        ("AuthorDate", text(&told["author"]["date"])),
        ("CommitterDate", text(&told["committer"]["date"])),
    ];
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    let summary = message.lines().next().unwrap_or_default().to_owned();
    Ok(Step::Done(Done {
        summary: Some(summary.clone()),
        external_id: Some(commit.clone()),
        variables: BTreeMap::from(variables.map(named)),
        revision: Some(work.revision(&commit, Some(summary))),
    }))
}

/// Every file of the commit.
async fn tree(
    work: &Work<'_>,
    repository: &str,
    commit: &str,
) -> Result<Vec<(String, Vec<u8>)>, Ended> {
    // AWS has CodeCommit upload the archive, which is a right of its own; the files are read by the service.
    let arn = work.scope.arn("codecommit", repository);
    let action = "codecommit:UploadArchive";
    let may = Caller::may(work.house, &work.scope, work.role, action, &arn).await;
    may.map_err(|denied| {
        failed(
            "PermissionError",
            format!(
                "The provided role does not have sufficient permissions. Underlying error: {} (AccessDenied)",
                denied.sentence
            ),
        )
    })?;
    let own = work.own_role();
    let call = async |operation: &'static str, input: Value| {
        let named = ("codecommit", operation);
        Caller::call_by_name(work.house, &work.scope, By::Role(&own), named, input).await
    };
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut bytes = 0;
    let mut folders = vec!["/".to_owned()];
    while let Some(folder) = folders.pop() {
        let named = json!({ "repositoryName": repository, "commitSpecifier": commit, "folderPath": folder });
        let found = call("GetFolder", named).await?;
        for sub in found["subFolders"].as_array().into_iter().flatten() {
            folders.extend(sub["absolutePath"].as_str().map(str::to_owned));
        }
        for file in found["files"].as_array().into_iter().flatten() {
            let Some(path) = file["absolutePath"].as_str() else {
                continue;
            };
            let named = json!({ "repositoryName": repository, "commitSpecifier": commit, "filePath": path });
            let input = call("GetFile", named).await?;
            let content = input["fileContent"].as_str().unwrap_or_default();
            let content = base64(content)?;
            bytes += content.len();
            if all.len() >= MOST_FILES || bytes > MOST_BYTES {
                return Err(failed(
                    "JobFailed",
                    "The commit has more than 20000 files or 256 MiB, which is the most that is read here",
                ));
            }
            all.push((path.trim_start_matches('/').to_owned(), content));
        }
    }
    all.sort();
    Ok(all)
}

fn base64(text: &str) -> Result<Vec<u8>, Ended> {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    decoded.map_err(|_| failed("JobFailed", "A file of the commit could not be read"))
}
