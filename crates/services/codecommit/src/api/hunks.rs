//! What a conflict is, line by line: `DescribeMergeConflicts` and its batch.

use super::merges::metadata;
use super::merging::{FAST_FORWARD, How, Open, SQUASH, Sides, THREE_WAY, sides};
use super::paged;
use crate::plan::hunks::{self, Hunk, MARKER};
use crate::{CodeCommit, error};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const PAGE: usize = 100;
/// The largest file whose lines are told.
const MOST_BYTES: u64 = 6 << 20;

/// The conflicts that a merge of this kind has.
async fn open(
    codecommit: &CodeCommit,
    sides: &Sides,
    option: &str,
    how: &How,
) -> Result<Vec<Open>, AwsError> {
    match option {
        FAST_FORWARD => Ok(Vec::new()),
        SQUASH | THREE_WAY => Ok(sides.outcome(codecommit, how).await?.open),
        _ => Err(error::invalid_merge_option()),
    }
}

/// The hunks of a conflict; of files that are no text on both sides there are none.
async fn told(
    codecommit: &CodeCommit,
    sides: &Sides,
    open: &Open,
) -> Result<(api::ConflictMetadata, Vec<api::MergeHunk>), AwsError> {
    let metadata = metadata(codecommit, sides, open).await?;
    let conflict = &open.conflict;
    let (Some(source), Some(destination)) = (&conflict.source, &conflict.destination) else {
        return Ok((metadata, Vec::new()));
    };
    let (git, id) = (&codecommit.git, &sides.repository.id);
    let entries = [Some(source), Some(destination), conflict.base.as_ref()];
    for entry in entries.into_iter().flatten() {
        if !entry.mode.starts_with("100") {
            return Ok((metadata, Vec::new()));
        }
        let headers = git.headers(id, std::slice::from_ref(&entry.id)).await?;
        let bytes = headers.into_iter().flatten().next().map_or(0, |h| h.bytes);
        if bytes > MOST_BYTES {
            return Err(error::shown(
                "MaximumFileContentToLoadExceededException",
                "The number of files to load exceeds the allowed limit.",
            ));
        }
    }
    // Where neither had the file before, both added all of it.
    let base = match &conflict.base {
        Some(base) => base.id.clone(),
        None => {
            let written = git.must(id, &["hash-object", "-w", "--stdin"], b"").await?;
            String::from_utf8_lossy(&written).trim().to_owned()
        }
    };
    let size = format!("--marker-size={MARKER}");
    let arguments = [
        "merge-file",
        "-p",
        "-q",
        "--diff3",
        &size,
        "--object-id",
        &destination.id,
        &base,
        &source.id,
    ];
    let output = git.run(id, arguments, b"").await?;
    if !(0..=127).contains(&output.code) {
        return Ok((metadata, Vec::new()));
    }
    let hunks = hunks::read(&output.out);
    Ok((metadata, hunks.into_iter().map(shown).collect()))
}

fn shown(hunk: Hunk) -> api::MergeHunk {
    let side = |lines: &[u8]| {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        let unended = usize::from(!lines.is_empty() && !lines.ends_with(b"\n"));
        let number = |n: usize| i32::try_from(n).ok();
        api::MergeHunkDetail {
            start_line: number(hunk.start),
            end_line: number((hunk.start + count + unended).max(hunk.start + 1) - 1),
            hunk_content: Some(STANDARD.encode(lines)),
        }
    };
    api::MergeHunk {
        is_conflict: Some(true),
        source: Some(side(&hunk.source)),
        destination: Some(side(&hunk.destination)),
        base: Some(side(&hunk.base)),
    }
}

fn most(given: Option<i32>) -> usize {
    let given = given.and_then(|n| usize::try_from(n).ok());
    given.map_or(PAGE, |n| n.clamp(1, PAGE))
}

pub async fn describe_merge_conflicts(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DescribeMergeConflictsInput,
) -> Result<api::DescribeMergeConflictsOutput, AwsError> {
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        &input.source_commit_specifier,
        &input.destination_commit_specifier,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How::new(detail, input.conflict_resolution_strategy.as_deref());
    let all = open(&codecommit, &sides, &input.merge_option, &how).await?;
    let path = input.file_path.trim_start_matches('/');
    let found = all.into_iter().find(|open| open.conflict.path == path);
    let found = found.ok_or_else(error::no_file)?;
    let (metadata, hunks) = told(&codecommit, &sides, &found).await?;
    let token = input.next_token.as_deref();
    let numbered: Vec<(usize, api::MergeHunk)> = hunks.into_iter().enumerate().collect();
    let page = paged(numbered, token, most(input.max_merge_hunks), |(n, _)| {
        format!("{n:08}")
    })?;
    Ok(api::DescribeMergeConflictsOutput {
        conflict_metadata: Some(metadata),
        merge_hunks: Some(page.items.into_iter().map(|(_, hunk)| hunk).collect()),
        next_token: page.next_token,
        destination_commit_id: Some(sides.destination),
        source_commit_id: Some(sides.source),
        base_commit_id: sides.base,
    })
}

pub async fn batch_describe_merge_conflicts(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::BatchDescribeMergeConflictsInput,
) -> Result<api::BatchDescribeMergeConflictsOutput, AwsError> {
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        &input.source_commit_specifier,
        &input.destination_commit_specifier,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How::new(detail, input.conflict_resolution_strategy.as_deref());
    let mut all = open(&codecommit, &sides, &input.merge_option, &how).await?;
    let mut errors = Vec::new();
    if let Some(paths) = &input.file_paths {
        let paths: Vec<&str> = paths
            .iter()
            .map(|path| path.trim_start_matches('/'))
            .collect();
        for path in &paths {
            if !all.iter().any(|open| open.conflict.path == *path) {
                let missing = error::no_file();
                errors.push(api::BatchDescribeMergeConflictsError {
                    file_path: Some((*path).to_owned()),
                    exception_name: Some(missing.code),
                    message: Some(missing.message),
                });
            }
        }
        all.retain(|open| paths.contains(&open.conflict.path.as_str()));
    }
    let token = input.next_token.as_deref();
    let page = paged(all, token, most(input.max_conflict_files), |open| {
        open.conflict.path.clone()
    })?;
    let hunks_each = most(input.max_merge_hunks);
    let mut conflicts = Vec::new();
    for open in &page.items {
        let (metadata, mut hunks) = told(&codecommit, &sides, open).await?;
        hunks.truncate(hunks_each);
        conflicts.push(api::Conflict {
            conflict_metadata: Some(metadata),
            merge_hunks: Some(hunks),
        });
    }
    Ok(api::BatchDescribeMergeConflictsOutput {
        conflicts: Some(conflicts),
        next_token: page.next_token,
        errors: Some(errors),
        destination_commit_id: Some(sides.destination),
        source_commit_id: Some(sides.source),
        base_commit_id: sides.base,
    })
}
