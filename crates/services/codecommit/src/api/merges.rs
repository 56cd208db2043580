//! Merges: what would conflict, and what becomes of branches.

use super::branches::move_branch;
use super::commits::{self, Making, author, make, message};
use super::{commit_of, paged, repository};
use crate::git::names::HEADS;
use crate::git::objects::{Commit, Entry, Files};
use crate::git::references::Move;
use crate::git::write::NewCommit;
use crate::model::{Merge, Repository};
use crate::plan::merge::{Conflict, Merged, merge};
use crate::plan::{Content, Edit, mode_name};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

pub(super) const FAST_FORWARD: &str = "FAST_FORWARD_MERGE";
pub(super) const SQUASH: &str = "SQUASH_MERGE";
pub(super) const THREE_WAY: &str = "THREE_WAY_MERGE";
const PAGE: usize = 100;

/// The commits of a merge.
pub(super) struct Sides {
    pub(super) repository: Stored<Repository>,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) base: Option<String>,
}

/// How a merge is done, as all of its calls say it.
#[derive(Default)]
pub(super) struct How {
    pub(super) by_lines: bool,
    pub(super) strategy: Strategy,
    pub(super) resolution: Option<api::ConflictResolution>,
    pub(super) author_name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) message: Option<String>,
    /// The number of the pull request that is merged.
    pub(super) pull_request: Option<u64>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strategy {
    #[default]
    None,
    AcceptSource,
    AcceptDestination,
    Automerge,
}

impl How {
    pub(super) fn new(detail: Option<&str>, strategy: Option<&str>) -> How {
        How {
            by_lines: detail == Some("LINE_LEVEL"),
            strategy: match strategy {
                Some("ACCEPT_SOURCE") => Strategy::AcceptSource,
                Some("ACCEPT_DESTINATION") => Strategy::AcceptDestination,
                Some("AUTOMERGE") => Strategy::Automerge,
                _ => Strategy::None,
            },
            ..How::default()
        }
    }
}

/// A conflict that nobody has resolved, and in how many places.
pub(super) struct Open {
    pub(super) conflict: Conflict,
    places: i32,
}

/// What a merge does to the destination's files, and what stands against it.
pub(super) struct Outcome {
    pub(super) edits: Vec<Edit>,
    pub(super) open: Vec<Open>,
}

pub(super) async fn sides(
    codecommit: &CodeCommit,
    cx: &Ctx,
    name: &str,
    source: &str,
    destination: &str,
) -> Result<Sides, AwsError> {
    let found = repository(cx, name).await?;
    let source = commit_of(codecommit, &found, Some(source)).await?;
    let destination = commit_of(codecommit, &found, Some(destination)).await?;
    let base = codecommit
        .git
        .merge_base(&found.id, &source, &destination)
        .await?;
    Ok(Sides {
        repository: found,
        source,
        destination,
        base,
    })
}

impl Sides {
    pub(super) fn is_fast_forward(&self) -> bool {
        self.base.as_ref() == Some(&self.destination)
    }

    /// Merges files, and lines of files where that is asked for.
    pub(super) async fn outcome(
        &self,
        codecommit: &CodeCommit,
        how: &How,
    ) -> Result<Outcome, AwsError> {
        let (git, id) = (&codecommit.git, &self.repository.id);
        let base = match &self.base {
            Some(base) => git.files(id, base).await?,
            None => Files::new(),
        };
        let source = git.files(id, &self.source).await?;
        let destination = git.files(id, &self.destination).await?;
        let Merged {
            mut edits,
            conflicts,
        } = merge(&base, &source, &destination);
        let mut open = Vec::new();
        for conflict in conflicts {
            match self.settle(codecommit, how, &conflict).await? {
                Ok(edit) => edits.push(edit),
                Err(places) => open.push(Open { conflict, places }),
            }
        }
        Ok(Outcome { edits, open })
    }

    /// The edit that resolves a conflict, or in how many places it is one.
    async fn settle(
        &self,
        codecommit: &CodeCommit,
        how: &How,
        conflict: &Conflict,
    ) -> Result<Result<Edit, i32>, AwsError> {
        let is_folder = |e: &Option<Entry>| e.as_ref().is_some_and(|e| e.mode == "040000");
        if is_folder(&conflict.source) || is_folder(&conflict.destination) {
            return Ok(Err(1));
        }
        let mut places = 1;
        if how.by_lines && conflict.is_of_files() {
            match self.lines(codecommit, how.strategy, conflict).await? {
                Ok(edit) => return Ok(Ok(edit)),
                Err(count) => places = count,
            }
        }
        let resolved = match how.strategy {
            Strategy::None => None,
            Strategy::AcceptSource => Some(conflict.take(conflict.source.as_ref())),
            Strategy::AcceptDestination => Some(conflict.take(conflict.destination.as_ref())),
            Strategy::Automerge => resolution(how.resolution.as_ref(), conflict)?,
        };
        Ok(resolved.ok_or(places))
    }

    async fn lines(
        &self,
        codecommit: &CodeCommit,
        strategy: Strategy,
        conflict: &Conflict,
    ) -> Result<Result<Edit, i32>, AwsError> {
        let (Some(base), Some(source), Some(destination)) =
            (&conflict.base, &conflict.source, &conflict.destination)
        else {
            return Ok(Err(1));
        };
        let mut arguments = vec!["merge-file", "-p", "-q", "--object-id"];
        match strategy {
            Strategy::AcceptSource => arguments.push("--theirs"),
            Strategy::AcceptDestination => arguments.push("--ours"),
            _ => {}
        }
        arguments.extend([destination.id.as_str(), &base.id, &source.id]);
        let output = codecommit
            .git
            .run(&self.repository.id, arguments, b"")
            .await?;
        let mode = match (&source.mode, &destination.mode) {
            (source, destination) if source == destination => source,
            (source, destination) if *destination == base.mode => source,
            (_, destination) => destination,
        };
        Ok(match output.code {
            0 => Ok(Edit::Put {
                path: conflict.path.clone(),
                mode: mode.clone(),
                content: Content::Bytes(output.out.into()),
            }),
            // Binary files cannot be merged by lines.
            count @ 1..=127 => Err(count),
            _ => Err(1),
        })
    }
}

/// What the caller wants of a conflict.
fn resolution(
    given: Option<&api::ConflictResolution>,
    conflict: &Conflict,
) -> Result<Option<Edit>, AwsError> {
    let Some(given) = given else {
        return Ok(None);
    };
    let is_it = |path: &str| path.trim_start_matches('/') == conflict.path;
    let mut modes = given.set_file_modes.iter().flatten();
    let set = modes
        .find(|m| is_it(&m.file_path))
        .map(|m| m.file_mode.clone());
    let mut replaced = given
        .replace_contents
        .iter()
        .flatten()
        .filter(|r| is_it(&r.file_path));
    let is_deleted = given
        .delete_files
        .iter()
        .flatten()
        .any(|d| is_it(&d.file_path));
    let (first, second) = (replaced.next(), replaced.next());
    if second.is_some() || (first.is_some() && is_deleted) {
        return Err(error::shown(
            "MultipleConflictResolutionEntriesException",
            "More than one conflict resolution entries exists for the conflict. A conflict can have only one \
             conflict resolution entry.",
        ));
    }
    let Some(replace) = first else {
        return Ok(is_deleted.then(|| conflict.take(None)));
    };
    let side = match replace.replacement_type.as_str() {
        "KEEP_BASE" => conflict.base.clone(),
        "KEEP_SOURCE" => conflict.source.clone(),
        "KEEP_DESTINATION" => conflict.destination.clone(),
        _ => {
            let content = replace.content.clone().ok_or_else(|| {
                error::shown(
                    "ReplacementContentRequiredException",
                    "USE_NEW_CONTENT was specified, but no replacement content has been provided.",
                )
            })?;
            let of = conflict.destination.as_ref().or(conflict.source.as_ref());
            let otherwise = of.map_or("100644", |entry| entry.mode.as_str()).to_owned();
            let mode = commits::mode(replace.file_mode.clone().or(set))?;
            return Ok(Some(Edit::Put {
                path: conflict.path.clone(),
                mode: mode.unwrap_or(otherwise),
                content: Content::Bytes(content),
            }));
        }
    };
    let mode = commits::mode(replace.file_mode.clone().or(set))?;
    let side = side.map(|entry| Entry {
        mode: mode.unwrap_or(entry.mode),
        ..entry
    });
    Ok(Some(conflict.take(side.as_ref())))
}

fn by_hand() -> AwsError {
    error::shown(
        "ManualMergeRequiredException",
        "The pull request cannot be merged automatically into the destination branch. You must manually merge the \
         branches and resolve any conflicts.",
    )
}

/// Merges into a branch, which is where the destination is.
pub(super) async fn merge_into(
    codecommit: &CodeCommit,
    cx: &Ctx,
    sides: &Sides,
    target: &str,
    option: &str,
    how: How,
) -> Result<Commit, AwsError> {
    let merge = Merge {
        option: option.to_owned(),
        source: sides.source.clone(),
        destination: sides.destination.clone(),
        base: sides.base.clone(),
        commit: None,
        pull_request: how.pull_request,
    };
    let Sides {
        repository,
        source,
        destination,
        ..
    } = sides;
    if option == FAST_FORWARD {
        if !sides.is_fast_forward() {
            return Err(by_hand());
        }
        let full = format!("{HEADS}{target}");
        let change = Move {
            name: &full,
            to: Some(source),
            from: Some(destination),
        };
        if !move_branch(codecommit, cx, repository, change, Some(merge)).await? {
            return Err(error::concurrent());
        }
        let read = codecommit
            .git
            .commits(&repository.id, std::slice::from_ref(source))
            .await?;
        return read
            .into_iter()
            .flatten()
            .next()
            .ok_or_else(error::no_commit);
    }
    let outcome = sides.outcome(codecommit, &how).await?;
    if !outcome.open.is_empty() {
        return Err(by_hand());
    }
    let author = author(cx, how.author_name, how.email)?;
    let message = message(how.message, format!("Merged {source} into {target}"))?;
    let parents = parents(sides, option);
    let making = Making {
        repository,
        branch: target,
        at: Some(destination),
        parents: &parents,
        author: &author,
        message: &message,
        edits: &outcome.edits,
        merge: Some(merge),
    };
    make(codecommit, cx, making)
        .await?
        .ok_or_else(error::concurrent)
}

fn parents(sides: &Sides, option: &str) -> Vec<String> {
    let mut parents = vec![sides.destination.clone()];
    if option == THREE_WAY {
        parents.push(sides.source.clone());
    }
    parents
}

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
