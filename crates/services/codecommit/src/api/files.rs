//! Files, folders and blobs.

use super::commits::{self, author, commit_on, ground, message};
use super::{commit_of, repository};
use crate::git::names::{self, is_object};
use crate::plan::edit::{From, Put, Wanted, Wrong, plan};
use crate::plan::mode_name;
use crate::{CodeCommit, error};
use neargate_api_codecommit as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The largest blob that an answer takes.
const BLOB_BYTES: u64 = 20 << 20;

pub async fn put_file(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::PutFileInput,
) -> Result<api::PutFileOutput, AwsError> {
    let path = commits::path(&input.file_path)?;
    commits::check_size(input.file_content.len())?;
    let (name, branch) = (&input.repository_name, &input.branch_name);
    let author = author(&cx, input.name, input.email)?;
    let wanted = Wanted {
        puts: vec![Put {
            path: path.clone(),
            mode: commits::mode(input.file_mode)?,
            from: From::Bytes(input.file_content),
        }],
        ..Wanted::default()
    };
    let ground = ground(&codecommit, &cx, name, branch, input.parent_commit_id).await?;
    let planned = plan(&ground.files, &wanted).map_err(|why| match why {
        Wrong::Nothing => error::shown(
            "SameFileContentException",
            "The file was not added or updated because the content of the file is exactly the same as the content \
             of that file in the repository and branch that you specified.",
        ),
        why => commits::wrong(why),
    })?;
    let word = if planned.added.is_empty() {
        "Edited"
    } else {
        "Added"
    };
    let message = message(input.commit_message, format!("{word} {path}"))?;
    let blob = planned.added.iter().chain(&planned.updated).next();
    let blob_id = blob.map(|(_, entry)| entry.id.clone());
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
    Ok(api::PutFileOutput {
        commit_id: Some(made.id),
        blob_id,
        tree_id: Some(made.tree),
    })
}

pub async fn delete_file(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::DeleteFileInput,
) -> Result<api::DeleteFileOutput, AwsError> {
    let path = commits::path(&input.file_path)?;
    let (name, branch) = (&input.repository_name, &input.branch_name);
    let author = author(&cx, input.name, input.email)?;
    let message = message(input.commit_message, format!("Deleted {path}"))?;
    let wanted = Wanted {
        deletes: vec![path.clone()],
        keep_empty_folders: input.keep_empty_folders == Some(true),
        ..Wanted::default()
    };
    let ground = ground(&codecommit, &cx, name, branch, Some(input.parent_commit_id)).await?;
    let planned = plan(&ground.files, &wanted).map_err(commits::wrong)?;
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
    let gone = planned.deleted.into_iter().next();
    Ok(api::DeleteFileOutput {
        commit_id: Some(made.id),
        blob_id: gone.map(|(_, entry)| entry.id),
        tree_id: Some(made.tree),
        file_path: Some(path),
    })
}

fn too_large() -> AwsError {
    error::shown(
        "FileTooLargeException",
        "The specified file exceeds the file size limit for CodeCommit. For more information about limits in \
         CodeCommit, see Quotas in the CodeCommit User Guide.",
    )
}

pub async fn get_file(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetFileInput,
) -> Result<api::GetFileOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    let path = commits::path(&input.file_path)?;
    let commit = commit_of(&codecommit, &found, input.commit_specifier.as_deref()).await?;
    let git = &codecommit.git;
    let entry = git.entry(&found.id, &commit, &path).await?;
    let entry = entry.filter(|entry| entry.mode.starts_with('1') && entry.mode != "160000");
    let entry = entry.ok_or_else(error::no_file)?;
    let header = git
        .headers(&found.id, std::slice::from_ref(&entry.id))
        .await?;
    let bytes = header
        .into_iter()
        .flatten()
        .next()
        .map_or(0, |header| header.bytes);
    if bytes > commits::FILE_BYTES as u64 {
        return Err(too_large());
    }
    Ok(api::GetFileOutput {
        commit_id: Some(commit),
        file_path: Some(path),
        file_mode: Some(mode_name(&entry.mode).to_owned()),
        file_size: i64::try_from(bytes).ok(),
        file_content: Some(git.blob(&found.id, &entry.id).await?),
        blob_id: Some(entry.id),
    })
}

pub async fn get_blob(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetBlobInput,
) -> Result<api::GetBlobOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    if !is_object(&input.blob_id) {
        return Err(error::shown(
            "InvalidBlobIdException",
            "The specified blob is not valid.",
        ));
    }
    let git = &codecommit.git;
    git.ensure(&found.id).await?;
    let header = git
        .headers(&found.id, std::slice::from_ref(&input.blob_id))
        .await?;
    let header = header
        .into_iter()
        .flatten()
        .next()
        .filter(|header| header.kind == "blob");
    let header = header.ok_or_else(|| {
        error::shown(
            "BlobIdDoesNotExistException",
            "The specified blob does not exist.",
        )
    })?;
    if header.bytes > BLOB_BYTES {
        return Err(too_large());
    }
    Ok(api::GetBlobOutput {
        content: Some(git.blob(&found.id, &header.id).await?),
    })
}

pub async fn get_folder(
    codecommit: Arc<CodeCommit>,
    cx: Ctx,
    input: api::GetFolderInput,
) -> Result<api::GetFolderOutput, AwsError> {
    let found = repository(&cx, &input.repository_name).await?;
    let folder = match input.folder_path.as_str() {
        "" | "/" => "",
        given => names::path(given).ok_or_else(error::invalid_path)?,
    };
    let commit = commit_of(&codecommit, &found, input.commit_specifier.as_deref()).await?;
    let git = &codecommit.git;
    let header = git
        .headers(&found.id, &[format!("{commit}:{folder}")])
        .await?;
    let tree = header
        .into_iter()
        .flatten()
        .next()
        .filter(|header| header.kind == "tree");
    let tree = tree.ok_or_else(|| {
        error::shown(
            "FolderDoesNotExistException",
            "The specified folder does not exist. Either the folder name is not correct, or you did not enter \
             the full path to the folder.",
        )
    })?;
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    let (mut links, mut modules) = (Vec::new(), Vec::new());
    for (name, entry) in git.tree(&found.id, &tree.id).await? {
        let absolute = match folder {
            "" => name.clone(),
            folder => format!("{folder}/{name}"),
        };
        let (absolute_path, relative_path, id) = (Some(absolute), Some(name), Some(entry.id));
        match entry.mode.as_str() {
            "040000" => folders.push(api::Folder {
                tree_id: id,
                absolute_path,
                relative_path,
            }),
            "160000" => modules.push(api::SubModule {
                commit_id: id,
                absolute_path,
                relative_path,
            }),
            "120000" => links.push(api::SymbolicLink {
                blob_id: id,
                absolute_path,
                relative_path,
                file_mode: Some("SYMLINK".into()),
            }),
            mode => files.push(api::File {
                blob_id: id,
                absolute_path,
                relative_path,
                file_mode: Some(mode_name(mode).to_owned()),
            }),
        }
    }
    Ok(api::GetFolderOutput {
        commit_id: Some(commit),
        folder_path: Some(folder.to_owned()),
        tree_id: Some(tree.id),
        sub_folders: Some(folders),
        files: Some(files),
        symbolic_links: Some(links),
        sub_modules: Some(modules),
    })
}
