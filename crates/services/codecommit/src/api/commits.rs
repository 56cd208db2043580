//! Commits: read, and made of changes of files.

use super::branches::{move_branch, tip};
use super::repository;
use crate::git::names::{self, HEADS, TAGS, is_object};
use crate::git::objects::{Commit, Entry, Files, Person};
use crate::git::references::Move;
use crate::git::write::NewCommit;
use crate::model::{Merge, Repository};
use crate::plan::edit::{From, Planned, Put, Wanted, Wrong, plan};
use crate::plan::{Edit, mode_name, mode_of};
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx, Stored};
use std::sync::Arc;

/// Commits that one call is answered.
const MOST: usize = 100;
/// Files of one commit by the API.
const MOST_FILES: usize = 100;
/// "6 MB" for a file, "20 MB" for all of a commit.
pub(super) const FILE_BYTES: usize = 6 << 20;
const COMMIT_BYTES: usize = 20 << 20;

pub(super) fn shown(commit: Commit) -> api::Commit {
    let person = |person: Person| api::UserInfo {
        name: Some(person.name),
        email: Some(person.email),
        date: Some(person.date),
    };
    api::Commit {
        commit_id: Some(commit.id),
        tree_id: Some(commit.tree),
        parents: Some(commit.parents),
        message: Some(commit.message),
        author: Some(person(commit.author)),
        committer: Some(person(commit.committer)),
        additional_data: Some(commit.further),
    }
}

pub async fn get_commit(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetCommitInput,
) -> Result<api::GetCommitOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    if !is_object(&input.commit_id) {
        return Err(error::invalid_commit_id());
    }
    codecommit.git.ensure(&found.id).await?;
    let commits = codecommit
        .git
        .commits(&found.id, &[input.commit_id])
        .await?;
    let commit = commits.into_iter().flatten().next();
    let commit = commit.ok_or_else(error::no_commit_id)?;
    Ok(api::GetCommitOutput {
        commit: Some(shown(commit)),
    })
}

pub async fn batch_get_commits(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::BatchGetCommitsInput,
) -> Result<api::BatchGetCommitsOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    let ids = input.commit_ids;
    if ids.is_empty() {
        return Err(error::shown(
            "CommitIdsListRequiredException",
            "A list of commit IDs is required, but was either not specified or the list was empty.",
        ));
    }
    if ids.len() > MOST {
        return Err(error::shown(
            "CommitIdsLimitExceededException",
            "The maximum number of allowed commit IDs in a batch request is 100. Verify that your batch requests \
             contains no more than 100 commit IDs, and then try again.",
        ));
    }
    codecommit.git.ensure(&found.id).await?;
    let (good, bad): (Vec<_>, Vec<_>) = ids.into_iter().partition(|id| is_object(id));
    let read = codecommit.git.commits(&found.id, &good).await?;
    let (mut commits, mut errors) = (Vec::new(), Vec::new());
    let mut wrong = |id: String, e: AwsError| {
        errors.push(api::BatchGetCommitsError {
            commit_id: Some(id),
            error_code: Some(e.code),
            error_message: Some(e.message),
        });
    };
    for (id, commit) in good.into_iter().zip(read) {
        match commit {
            Some(commit) => commits.push(shown(commit)),
            None => wrong(id, error::no_commit_id()),
        }
    }
    bad.into_iter()
        .for_each(|id| wrong(id, error::invalid_commit_id()));
    Ok(api::BatchGetCommitsOutput {
        commits: Some(commits),
        errors: Some(errors),
    })
}

/// Who is said to have made a commit.
pub(super) fn author(
    cx: &Ctx,
    name: Option<String>,
    email: Option<String>,
) -> Result<Person, AwsError> {
    if name.as_ref().is_some_and(|n| n.chars().count() > 255) {
        return Err(error::shown(
            "NameLengthExceededException",
            "The user name is not valid because it has exceeded the character limit for author names. ",
        ));
    }
    if email.as_ref().is_some_and(|e| e.contains(['<', '>', '\n'])) {
        return Err(error::shown(
            "InvalidEmailException",
            "The specified email address either contains one or more characters that are not allowed, or it \
             exceeds the maximum number of characters allowed for an email address.",
        ));
    }
    let own = cx
        .principal
        .arn
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default();
    Ok(Person {
        name: name.unwrap_or_else(|| own.to_owned()),
        email: email.unwrap_or_default(),
        date: format!("{} +0000", cx.now().as_millis() / 1_000),
    })
}

pub(super) fn message(given: Option<String>, otherwise: String) -> Result<String, AwsError> {
    let mut message = given.unwrap_or(otherwise);
    if message.len() > 10 << 10 {
        return Err(error::shown(
            "CommitMessageLengthExceededException",
            "The commit message is too long. Provide a shorter string. ",
        ));
    }
    if !message.is_empty() && !message.ends_with('\n') {
        message.push('\n');
    }
    Ok(message)
}

/// A path that a caller gave.
pub(super) fn path(given: &str) -> Result<String, AwsError> {
    if given.is_empty() {
        return Err(error::shown(
            "PathRequiredException",
            "The folderPath for a location cannot be null.",
        ));
    }
    names::path(given)
        .map(str::to_owned)
        .ok_or_else(error::invalid_path)
}

pub(super) fn mode(given: Option<String>) -> Result<Option<String>, AwsError> {
    let mode = |name: String| {
        mode_of(&name)
            .map(str::to_owned)
            .ok_or_else(error::invalid_mode)
    };
    given.map(mode).transpose()
}

/// A branch that a commit is to be made on, and what it has now.
pub(super) struct Ground {
    pub(super) repository: Stored<Repository>,
    /// `None`: the repository is empty.
    pub(super) parent: Option<String>,
    pub(super) files: Files,
}

/// The branch and its files, where `parent` is where it is.
pub(super) async fn ground(
    codecommit: &CodeCommit,
    cx: &Ctx,
    name: &str,
    branch: &str,
    parent: Option<String>,
) -> Result<Ground, AwsError> {
    let repository = repository(cx, name).await?;
    let git = &codecommit.git;
    let at = tip(codecommit, &repository, branch).await?;
    let parent = parent.filter(|parent| !parent.is_empty());
    let Some(at) = at else {
        if git
            .reference(&repository.id, &format!("{TAGS}{branch}"))
            .await?
            .is_some()
        {
            return Err(error::branch_is_tag());
        }
        if !git.references(&repository.id, HEADS).await?.is_empty() {
            return Err(error::no_branch(branch));
        }
        if parent.is_some() {
            return Err(error::no_parent());
        }
        return Ok(Ground {
            repository,
            parent: None,
            files: Files::new(),
        });
    };
    match parent {
        None => return Err(error::parent_required()),
        Some(parent) if !is_object(&parent) => return Err(error::invalid_parent()),
        Some(parent) if parent != at => {
            let commit = git.resolve(&repository.id, &parent).await?;
            return Err(match commit {
                Some(_) => error::parent_outdated(),
                None => error::no_parent(),
            });
        }
        Some(_) => {}
    }
    let files = git.files(&repository.id, &at).await?;
    Ok(Ground {
        repository,
        parent: Some(at),
        files,
    })
}

/// What is wrong with changes, in AWS's words.
pub(super) fn wrong(wrong: Wrong) -> AwsError {
    let (code, text) = match wrong {
        Wrong::Nothing => (
            "NoChangeException",
            "The commit cannot be created because no changes will be made to the repository as a result of this \
             commit. A commit must contain at least one change.",
        ),
        Wrong::SamePath => (
            "SamePathRequestException",
            "The commit cannot be created because one or more changes in this commit duplicate actions in the \
             same file path. For example, you cannot make the same delete request to the same file in the same \
             file path twice, or make a delete request and a move request to the same file as part of the same \
             commit.",
        ),
        Wrong::NoFile => return error::no_file(),
        Wrong::IsFolder => (
            "FileNameConflictsWithDirectoryNameException",
            "A file cannot be added to the repository because the specified file name has the same name as a \
             directory in this repository. Either provide another name for the file, or add the file in a \
             directory that does not match the file name.",
        ),
        Wrong::IsFile => (
            "DirectoryNameConflictsWithFileNameException",
            "A file cannot be added to the repository because the specified path name has the same name as a file \
             that already exists in this repository. Either provide a different name for the file, or specify a \
             different path for the file.",
        ),
        Wrong::IsSubmodule => (
            "FilePathConflictsWithSubmodulePathException",
            "The commit cannot be created because a specified file path points to a submodule. Verify that the \
             destination files have valid file paths that do not point to a submodule.",
        ),
        Wrong::Both => (
            "PutFileEntryConflictException",
            "The commit cannot be created because one or more files specified in the commit reference both a file \
             and a folder.",
        ),
        Wrong::Restricted => (
            "RestrictedSourceFileException",
            "The commit cannot be created because one of the changes specifies copying or moving a .gitkeep file.",
        ),
    };
    error::shown(code, text)
}

/// What a new commit is to be.
pub(super) struct Making<'a> {
    pub(super) repository: &'a Stored<Repository>,
    /// Without `refs/heads/`.
    pub(super) branch: &'a str,
    /// Where the branch is now.
    pub(super) at: Option<&'a str>,
    pub(super) parents: &'a [String],
    pub(super) author: &'a Person,
    pub(super) message: &'a str,
    pub(super) edits: &'a [Edit],
    pub(super) merge: Option<Merge>,
}

/// Makes a commit and moves its branch there. Answers the commit; `None`: the branch was moved meanwhile.
pub(super) async fn make(
    codecommit: &CodeCommit,
    cx: &Ctx,
    making: Making<'_>,
) -> Result<Option<Commit>, AwsError> {
    let git = &codecommit.git;
    git.takes_more()?;
    let id = &making.repository.id;
    let keeper = format!("refs/neargate/new/{}", cx.house.rng.uuid());
    let new = NewCommit {
        parents: making.parents,
        author: making.author,
        message: making.message,
        edits: making.edits,
    };
    let commit = git.make_commit(id, &keeper, &new).await?;
    let full = format!("{HEADS}{}", making.branch);
    let merge = making.merge.map(|merge| Merge {
        commit: Some(commit.clone()),
        ..merge
    });
    let change = Move {
        name: &full,
        to: Some(&commit),
        from: making.at,
    };
    let moved = move_branch(codecommit, cx, making.repository, change, merge).await;
    let release = Move {
        name: &keeper,
        to: None,
        from: Some(&commit),
    };
    git.move_references(id, &[release]).await?;
    if !moved? {
        return Ok(None);
    }
    let read = git.commits(id, &[commit]).await?;
    Ok(read.into_iter().flatten().next())
}

/// Makes a commit of what was planned on a branch.
pub(super) async fn commit_on(
    codecommit: &CodeCommit,
    cx: &Ctx,
    ground: &Ground,
    branch: &str,
    author: &Person,
    message: &str,
    planned: &Planned,
) -> Result<Commit, AwsError> {
    let parents: Vec<String> = ground.parent.iter().cloned().collect();
    let making = Making {
        repository: &ground.repository,
        branch,
        at: ground.parent.as_deref(),
        parents: &parents,
        author,
        message,
        edits: &planned.edits,
        merge: None,
    };
    let made = make(codecommit, cx, making).await?;
    made.ok_or_else(error::parent_outdated)
}

fn wanted(input: &mut api::CreateCommitInput) -> Result<Wanted, AwsError> {
    let puts = input.put_files.take().unwrap_or_default();
    let deletes = input.delete_files.take().unwrap_or_default();
    let modes = input.set_file_modes.take().unwrap_or_default();
    let count = puts.len() + deletes.len() + modes.len();
    if count == 0 {
        return Err(error::shown(
            "FileEntryRequiredException",
            "The commit cannot be created because no files have been specified as added, updated, or changed \
             (PutFile or DeleteFile) for the commit.",
        ));
    }
    if count > MOST_FILES {
        return Err(error::shown(
            "MaximumFileEntriesExceededException",
            "The number of specified files to change as part of this commit exceeds the maximum number of files \
             that can be changed in a single commit. Consider using a Git client for these changes.",
        ));
    }
    let mut wanted = Wanted {
        keep_empty_folders: input.keep_empty_folders == Some(true),
        ..Wanted::default()
    };
    let mut bytes = 0;
    for put in puts {
        let from = match (put.file_content, put.source_file) {
            (Some(_), Some(_)) => {
                return Err(error::shown(
                    "FileContentAndSourceFileSpecifiedException",
                    "The commit cannot be created because both a source file and file content have been \
                     specified for the same file. You cannot provide both. Either specify a source file or \
                     provide the file content directly.",
                ));
            }
            (None, None) => {
                return Err(error::shown(
                    "SourceFileOrContentRequiredException",
                    "The commit cannot be created because no source files or file content have been specified \
                     for the commit.",
                ));
            }
            (Some(content), None) => {
                bytes += content.len();
                check_size(content.len())?;
                From::Bytes(content)
            }
            (None, Some(source)) => From::File {
                path: path(&source.file_path)?,
                moves: source.is_move == Some(true),
            },
        };
        wanted.puts.push(Put {
            path: path(&put.file_path)?,
            mode: mode(put.file_mode)?,
            from,
        });
    }
    if bytes > COMMIT_BYTES {
        return Err(error::shown(
            "FolderContentSizeLimitExceededException",
            "The commit cannot be created because at least one of the overall changes in the commit results in a \
             folder whose contents exceed the limit of 6 MB. Either reduce the number and size of your changes, \
             or split the changes across multiple folders.",
        ));
    }
    for delete in deletes {
        wanted.deletes.push(path(&delete.file_path)?);
    }
    for set in modes {
        let mode = mode(Some(set.file_mode))?.unwrap_or_default();
        wanted.modes.push((path(&set.file_path)?, mode));
    }
    Ok(wanted)
}

pub(super) fn check_size(bytes: usize) -> Result<(), AwsError> {
    match bytes > FILE_BYTES {
        true => Err(error::shown(
            "FileContentSizeLimitExceededException",
            "The file cannot be added because it is too large. The maximum file size is 6 MB, and the combined \
             file content change size is 7 MB. Consider making these changes using a Git client.",
        )),
        false => Ok(()),
    }
}

pub async fn create_commit(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    mut input: api::CreateCommitInput,
) -> Result<api::CreateCommitOutput, AwsError> {
    let wanted = wanted(&mut input)?;
    let author = author(&cx, input.author_name, input.email)?;
    let message = message(input.commit_message, String::new())?;
    let (name, branch) = (&input.repository_name, &input.branch_name);
    let ground = ground(&codecommit, &cx, name, branch, input.parent_commit_id).await?;
    let planned = plan(&ground.files, &wanted).map_err(wrong)?;
    let made = commit_on(
        &codecommit,
        &cx,
        &ground,
        branch,
        &author,
        &message,
        &planned,
    )
    .await?;
    let shown = |list: Vec<(String, Entry)>| {
        let file = |(path, entry): (String, Entry)| api::FileMetadata {
            absolute_path: Some(path),
            blob_id: Some(entry.id),
            file_mode: Some(mode_name(&entry.mode).to_owned()),
        };
        Some(list.into_iter().map(file).collect())
    };
    Ok(api::CreateCommitOutput {
        commit_id: Some(made.id),
        tree_id: Some(made.tree),
        files_added: shown(planned.added),
        files_updated: shown(planned.updated),
        files_deleted: shown(planned.deleted),
    })
}
