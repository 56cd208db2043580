//! How two commits are merged: what would conflict, what resolves it, and the commit that comes of it.

use super::branches::move_branch;
use super::commits::{self, Making, author, make, message};
use super::{commit_of, repository};
use crate::git::names::HEADS;
use crate::git::objects::{Commit, Entry, Files};
use crate::git::references::Move;
use crate::model::{Merge, Repository};
use crate::plan::merge::{Conflict, Merged, merge};
use crate::plan::{Content, Edit};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx, Stored};

pub(super) const FAST_FORWARD: &str = "FAST_FORWARD_MERGE";
pub(super) const SQUASH: &str = "SQUASH_MERGE";
pub(super) const THREE_WAY: &str = "THREE_WAY_MERGE";

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
    pub(super) places: i32,
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
pub(super) fn resolution(
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

pub(super) fn by_hand() -> AwsError {
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

pub(super) fn parents(sides: &Sides, option: &str) -> Vec<String> {
    let mut parents = vec![sides.destination.clone()];
    if option == THREE_WAY {
        parents.push(sides.source.clone());
    }
    parents
}
