//! What differs between commits, and the commits that changed a file.

use super::commits::shown;
use super::{commit_of, paged, repository};
use crate::git::names;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: usize = 100;
/// Git's tree without entries.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
const ABSENT: &str = "000000";

/// How many a page has.
fn size(asked: Option<i32>) -> Result<usize, AwsError> {
    match asked {
        None => Ok(PAGE),
        Some(n) => match usize::try_from(n) {
            Ok(n) if n > 0 => Ok(n.min(PAGE)),
            _ => Err(error::shown(
                "InvalidMaxResultsException",
                "The specified number of maximum results is not valid.",
            )),
        },
    }
}

pub async fn get_differences(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetDifferencesInput,
) -> Result<api::GetDifferencesOutput, AwsError> {
    let most = size(input.max_results)?;
    let found = repository(&cx, &input.repository_name).await?;
    let after = commit_of(&codecommit, &found, Some(&input.after_commit_specifier)).await?;
    let before = match &input.before_commit_specifier {
        Some(specifier) => commit_of(&codecommit, &found, Some(specifier)).await?,
        None => EMPTY_TREE.to_owned(),
    };
    let mut paths = Vec::new();
    for given in [&input.before_path, &input.after_path]
        .into_iter()
        .flatten()
    {
        match given.as_str() {
            "" | "/" => {}
            given => paths.push(names::path(given).ok_or_else(error::invalid_path)?),
        }
    }
    let mut arguments = vec!["diff-tree", "-r", "-z", "--no-renames", "--no-abbrev"];
    arguments.extend([before.as_str(), after.as_str(), "--"]);
    arguments.extend(paths);
    let out = codecommit.git.must(&found.id, &arguments, b"").await?;
    let all = differences(&out);
    let page = paged(all, input.next_token.as_deref(), most, |(path, _)| {
        path.clone()
    })?;
    Ok(api::GetDifferencesOutput {
        differences: Some(
            page.items
                .into_iter()
                .map(|(_, difference)| difference)
                .collect(),
        ),
        next_token: page.next_token,
    })
}

/// `:<mode> <mode> <id> <id> <letter>\0<path>\0…`
fn differences(out: &[u8]) -> Vec<(String, api::Difference)> {
    let mut parts = out.split(|b| *b == 0).map(String::from_utf8_lossy);
    let mut all = Vec::new();
    while let (Some(head), Some(path)) = (parts.next(), parts.next()) {
        let mut fields = head.trim_start_matches(':').split(' ');
        let mut next = || fields.next().unwrap_or_default().to_owned();
        let (before_mode, after_mode, before, after, letter) =
            (next(), next(), next(), next(), next());
        let side = |mode: String, id: String| {
            (mode != ABSENT).then(|| api::BlobMetadata {
                blob_id: Some(id),
                path: Some(path.to_string()),
                mode: Some(mode),
            })
        };
        let letter = match letter.as_str() {
            "A" | "D" => letter,
            // A file that became a link has changed, too.
            _ => "M".into(),
        };
        let difference = api::Difference {
            before_blob: side(before_mode, before),
            after_blob: side(after_mode, after),
            change_type: Some(letter),
        };
        all.push((path.to_string(), difference));
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

pub async fn list_file_commit_history(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::ListFileCommitHistoryInput,
) -> Result<api::ListFileCommitHistoryOutput, AwsError> {
    let most = size(input.max_results)?;
    let found = repository(&cx, &input.repository_name).await?;
    let path = super::commits::path(&input.file_path)?;
    let commit = commit_of(&codecommit, &found, input.commit_specifier.as_deref()).await?;
    let git = &codecommit.git;
    let arguments = [
        "rev-list",
        "--parents",
        "--topo-order",
        &commit,
        "--",
        &path,
    ];
    let out = git.must(&found.id, &arguments, b"").await?;
    let out = String::from_utf8_lossy(&out);
    let mut ids = Vec::new();
    let mut children: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in out.lines() {
        let mut of_line = line.split(' ');
        let Some(id) = of_line.next() else { continue };
        ids.push(id.to_owned());
        for parent in of_line {
            children.entry(parent).or_default().push(id.to_owned());
        }
    }
    let numbered: Vec<(usize, String)> = ids.into_iter().enumerate().collect();
    let token = input.next_token.as_deref();
    let page = paged(numbered, token, most, |(at, _)| format!("{at:010}"))?;
    let ids: Vec<String> = page.items.into_iter().map(|(_, id)| id).collect();
    let asked: Vec<String> = ids.iter().map(|id| format!("{id}:{path}")).collect();
    let blobs = git.headers(&found.id, &asked).await?;
    let commits = git.commits(&found.id, &ids).await?;
    let versions = commits.into_iter().zip(blobs).filter_map(|(commit, blob)| {
        let (commit, blob) = (commit?, blob?);
        let newer = children.get(commit.id.as_str()).cloned();
        Some(api::FileVersion {
            blob_id: Some(blob.id),
            path: Some(path.clone()),
            revision_children: Some(newer.unwrap_or_default()),
            commit: Some(shown(commit)),
        })
    });
    Ok(api::ListFileCommitHistoryOutput {
        revision_dag: Some(versions.collect()),
        next_token: page.next_token,
    })
}
