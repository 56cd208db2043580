//! Merges of branches, and what would conflict in them.

use super::commits::{self, author, message};
use super::merging::{
    FAST_FORWARD, How, Open, SQUASH, Sides, THREE_WAY, by_hand, merge_into, parents, sides,
};
use super::paged;
use crate::git::names::HEADS;
use crate::git::objects::Entry;
use crate::git::write::NewCommit;
use crate::plan::merge::Conflict;
use crate::plan::mode_name;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

const PAGE: usize = 100;

/// The branch that a merge of branches goes to.
async fn target(
    codecommit: &CodeCommit,
    sides: &Sides,
    given: Option<&str>,
    destination: &str,
) -> Result<String, AwsError> {
    let name = given.unwrap_or(destination);
    let name = name.strip_prefix(HEADS).unwrap_or(name);
    let at = super::branches::tip(codecommit, &sides.repository, name).await?;
    match at {
        Some(at) if at == sides.destination => Ok(name.to_owned()),
        Some(_) => Err(error::concurrent()),
        None => Err(error::shown(
            "InvalidTargetBranchException",
            "The specified target branch is not valid.",
        )),
    }
}

pub async fn merge_branches_by_fast_forward(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::MergeBranchesByFastForwardInput,
) -> Result<api::MergeBranchesByFastForwardOutput, AwsError> {
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    let target = target(
        &codecommit,
        &sides,
        input.target_branch.as_deref(),
        destination,
    )
    .await?;
    let how = How::default();
    let made = merge_into(&codecommit, &cx, &sides, &target, FAST_FORWARD, how).await?;
    Ok(api::MergeBranchesByFastForwardOutput {
        commit_id: Some(made.id),
        tree_id: Some(made.tree),
    })
}

pub async fn merge_branches_by_squash(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::MergeBranchesBySquashInput,
) -> Result<api::MergeBranchesBySquashOutput, AwsError> {
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    let target = target(
        &codecommit,
        &sides,
        input.target_branch.as_deref(),
        destination,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How {
        resolution: input.conflict_resolution,
        author_name: input.author_name,
        email: input.email,
        message: input.commit_message,
        ..How::new(detail, input.conflict_resolution_strategy.as_deref())
    };
    let made = merge_into(&codecommit, &cx, &sides, &target, SQUASH, how).await?;
    Ok(api::MergeBranchesBySquashOutput {
        commit_id: Some(made.id),
        tree_id: Some(made.tree),
    })
}

pub async fn merge_branches_by_three_way(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::MergeBranchesByThreeWayInput,
) -> Result<api::MergeBranchesByThreeWayOutput, AwsError> {
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    let target = target(
        &codecommit,
        &sides,
        input.target_branch.as_deref(),
        destination,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How {
        resolution: input.conflict_resolution,
        author_name: input.author_name,
        email: input.email,
        message: input.commit_message,
        ..How::new(detail, input.conflict_resolution_strategy.as_deref())
    };
    let made = merge_into(&codecommit, &cx, &sides, &target, THREE_WAY, how).await?;
    Ok(api::MergeBranchesByThreeWayOutput {
        commit_id: Some(made.id),
        tree_id: Some(made.tree),
    })
}

/// The commit is kept for good, though no branch has it.
pub async fn create_unreferenced_merge_commit(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::CreateUnreferencedMergeCommitInput,
) -> Result<api::CreateUnreferencedMergeCommitOutput, AwsError> {
    let option = input.merge_option.as_str();
    if ![SQUASH, THREE_WAY].contains(&option) {
        return Err(error::invalid_merge_option());
    }
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How {
        resolution: input.conflict_resolution,
        ..How::new(detail, input.conflict_resolution_strategy.as_deref())
    };
    let outcome = sides.outcome(&codecommit, &how).await?;
    if !outcome.open.is_empty() {
        return Err(by_hand());
    }
    let git = &codecommit.git;
    git.takes_more()?;
    let author = author(&cx, input.author_name, input.email)?;
    let message = message(
        input.commit_message,
        format!("Merged {source} into {destination}"),
    )?;
    let made = NewCommit {
        parents: &parents(&sides, option),
        author: &author,
        message: &message,
        edits: &outcome.edits,
    };
    let id = &sides.repository.id;
    let keeper = format!("refs/neargate/kept/{}", cx.house.rng.uuid());
    let commit = git.make_commit(id, &keeper, &made).await?;
    let read = git.commits(id, &[commit]).await?;
    let made = read
        .into_iter()
        .flatten()
        .next()
        .ok_or_else(error::no_commit)?;
    Ok(api::CreateUnreferencedMergeCommitOutput {
        commit_id: Some(made.id),
        tree_id: Some(made.tree),
    })
}

pub async fn get_merge_commit(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetMergeCommitInput,
) -> Result<api::GetMergeCommitOutput, AwsError> {
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    Ok(api::GetMergeCommitOutput {
        source_commit_id: Some(sides.source),
        destination_commit_id: Some(sides.destination),
        base_commit_id: sides.base,
        merged_commit_id: None,
    })
}

pub async fn get_merge_options(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetMergeOptionsInput,
) -> Result<api::GetMergeOptionsOutput, AwsError> {
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How::new(detail, input.conflict_resolution_strategy.as_deref());
    let mut options = Vec::new();
    if sides.is_fast_forward() {
        options.push(FAST_FORWARD.to_owned());
    }
    if sides.outcome(&codecommit, &how).await?.open.is_empty() {
        options.extend([SQUASH.to_owned(), THREE_WAY.to_owned()]);
    }
    Ok(api::GetMergeOptionsOutput {
        merge_options: Some(options),
        source_commit_id: Some(sides.source),
        destination_commit_id: Some(sides.destination),
        base_commit_id: sides.base,
    })
}

pub async fn get_merge_conflicts(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetMergeConflictsInput,
) -> Result<api::GetMergeConflictsOutput, AwsError> {
    let destination = &input.destination_commit_specifier;
    let source = &input.source_commit_specifier;
    let sides = sides(
        &codecommit,
        &cx,
        &input.repository_name,
        source,
        destination,
    )
    .await?;
    let detail = input.conflict_detail_level.as_deref();
    let how = How::new(detail, input.conflict_resolution_strategy.as_deref());
    let (mergeable, open) = match input.merge_option.as_str() {
        FAST_FORWARD => (sides.is_fast_forward(), Vec::new()),
        SQUASH | THREE_WAY => {
            let open = sides.outcome(&codecommit, &how).await?.open;
            (open.is_empty(), open)
        }
        _ => return Err(error::invalid_merge_option()),
    };
    let most = input
        .max_conflict_files
        .and_then(|n| usize::try_from(n).ok());
    let most = most.map_or(PAGE, |n| n.clamp(1, PAGE));
    let token = input.next_token.as_deref();
    let page = paged(open, token, most, |open| open.conflict.path.clone())?;
    let mut list = Vec::new();
    for open in &page.items {
        list.push(metadata(&codecommit, &sides, open).await?);
    }
    Ok(api::GetMergeConflictsOutput {
        mergeable: Some(mergeable),
        destination_commit_id: Some(sides.destination),
        source_commit_id: Some(sides.source),
        base_commit_id: sides.base,
        conflict_metadata_list: Some(list),
        next_token: page.next_token,
    })
}

/// What is told of a conflict.
pub(super) async fn metadata(
    codecommit: &CodeCommit,
    sides: &Sides,
    open: &Open,
) -> Result<api::ConflictMetadata, AwsError> {
    let conflict = &open.conflict;
    let (git, id) = (&codecommit.git, &sides.repository.id);
    let (mut sizes, mut binary) = (Vec::new(), Vec::new());
    for entry in [&conflict.source, &conflict.destination, &conflict.base] {
        let blob = entry
            .as_ref()
            .filter(|e| e.mode.starts_with("10") || e.mode == "120000");
        let header = match blob {
            Some(entry) => git
                .headers(id, std::slice::from_ref(&entry.id))
                .await?
                .pop()
                .flatten(),
            None => None,
        };
        binary.push(match &header {
            None => None,
            Some(header) if header.bytes > commits::FILE_BYTES as u64 => Some(true),
            Some(header) => {
                let content = git.blob(id, &header.id).await?;
                Some(content.iter().take(8_000).any(|b| *b == 0))
            }
        });
        sizes.push(header.and_then(|header| i64::try_from(header.bytes).ok()));
    }
    let mode = |entry: &Option<Entry>| {
        let entry = entry
            .as_ref()
            .filter(|e| e.mode.starts_with("10") || e.mode == "120000");
        entry.map(|entry| mode_name(&entry.mode).to_owned())
    };
    let kind = |entry: &Option<Entry>| {
        entry.as_ref().map(|entry| {
            let kind = match entry.mode.as_str() {
                "040000" => "DIRECTORY",
                "160000" => "GIT_LINK",
                "120000" => "SYMBOLIC_LINK",
                _ => "FILE",
            };
            kind.to_owned()
        })
    };
    let operation = |side: &Option<Entry>| {
        let letter = match (&conflict.base, side) {
            (None, _) => "A",
            (Some(_), None) => "D",
            (Some(_), Some(_)) => "M",
        };
        Some(letter.to_owned())
    };
    let Conflict {
        source,
        destination,
        base,
        ..
    } = conflict;
    Ok(api::ConflictMetadata {
        file_path: Some(conflict.path.clone()),
        file_sizes: Some(api::FileSizes {
            source: sizes[0],
            destination: sizes[1],
            base: sizes[2],
        }),
        file_modes: Some(api::FileModes {
            source: mode(source),
            destination: mode(destination),
            base: mode(base),
        }),
        object_types: Some(api::ObjectTypes {
            source: kind(source),
            destination: kind(destination),
            base: kind(base),
        }),
        number_of_conflicts: Some(open.places),
        is_binary_file: Some(api::IsBinaryFile {
            source: binary[0],
            destination: binary[1],
            base: binary[2],
        }),
        content_conflict: Some(conflict.is_of_contents()),
        file_mode_conflict: Some(conflict.is_of_modes()),
        object_type_conflict: Some(conflict.is_of_types()),
        merge_operations: Some(api::MergeOperations {
            source: operation(source),
            destination: operation(destination),
        }),
    })
}
