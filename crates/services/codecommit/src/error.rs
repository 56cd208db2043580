//! CodeCommit's errors, in AWS's words
//! (<https://docs.aws.amazon.com/codecommit/latest/APIReference/CommonErrors.html> and its model's
//! documentation).

use crate::git::GitError;
use neargate_service::AwsError;
use neargate_service::tags::InvalidTags;
use neargate_wire::validate::Invalid;

/// An error whose sentence is the model's own.
pub fn shown(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::client(code, message)
}

/// Input that breaks the model: most members have an error of their own.
pub fn invalid(invalid: &Invalid) -> AwsError {
    let text = invalid.to_string();
    let of = |member: &str| text.contains(member);
    if of("epositoryName") || of("oldName") || of("newName") {
        return invalid_repository_name();
    }
    if of("ranchName") {
        return invalid_branch_name();
    }
    shown("ValidationException", text)
}

/// As moto's users have seen AWS say it.
pub fn invalid_repository_name() -> AwsError {
    shown(
        "InvalidRepositoryNameException",
        "The repository name is not valid. Repository names can be any valid combination of letters, numbers, \
         periods, underscores, and dashes between 1 and 100 characters in length. Names are case sensitive. \
         For more information, see Limits in the AWS CodeCommit User Guide. ",
    )
}

pub fn repository_exists(name: &str) -> AwsError {
    shown(
        "RepositoryNameExistsException",
        format!("Repository named {name} already exists"),
    )
}

pub fn no_repository(name: &str) -> AwsError {
    shown(
        "RepositoryDoesNotExistException",
        format!("{name} does not exist"),
    )
}

pub fn too_many_repositories() -> AwsError {
    shown(
        "RepositoryLimitExceededException",
        "A repository resource limit was exceeded.",
    )
}

pub fn invalid_branch_name() -> AwsError {
    shown(
        "InvalidBranchNameException",
        "The specified reference name is not valid.",
    )
}

pub fn branch_name_required() -> AwsError {
    shown(
        "BranchNameRequiredException",
        "A branch name is required, but was not specified.",
    )
}

pub fn repository_name_required() -> AwsError {
    shown(
        "RepositoryNameRequiredException",
        "A repository name is required, but was not specified.",
    )
}

pub fn branch_exists(name: &str) -> AwsError {
    shown(
        "BranchNameExistsException",
        format!(
            "Cannot create the branch with the specified name because the commit conflicts with an existing \
             branch with the same name.  Branch names must be unique: {name}"
        ),
    )
}

pub fn no_branch(name: &str) -> AwsError {
    shown(
        "BranchDoesNotExistException",
        format!("Branch {name} does not exist."),
    )
}

pub fn default_branch() -> AwsError {
    shown(
        "DefaultBranchCannotBeDeletedException",
        "The specified branch is the default branch for the repository, and cannot be deleted. To delete this \
         branch, you must first set another branch as the default branch.",
    )
}

pub fn invalid_commit_id() -> AwsError {
    shown(
        "InvalidCommitIdException",
        "The specified commit ID is not valid.",
    )
}

pub fn no_commit() -> AwsError {
    shown(
        "CommitDoesNotExistException",
        "The specified commit does not exist or no commit was specified, and the specified repository has no \
         default branch.",
    )
}

pub fn no_commit_id() -> AwsError {
    shown(
        "CommitIdDoesNotExistException",
        "The specified commit ID does not exist.",
    )
}

pub fn invalid_path() -> AwsError {
    shown("InvalidPathException", "The specified path is not valid.")
}

pub fn invalid_mode() -> AwsError {
    shown(
        "InvalidFileModeException",
        "The specified file mode permission is not valid. For a list of valid file mode permissions, see PutFile.",
    )
}

pub fn no_file() -> AwsError {
    shown(
        "FileDoesNotExistException",
        "The specified file does not exist. Verify that you have used the correct file name, full path, and \
         extension.",
    )
}

pub fn branch_is_tag() -> AwsError {
    shown(
        "BranchNameIsTagNameException",
        "The specified branch name is not valid because it is a tag name. Enter the name of a branch in the \
         repository. For a list of valid branch names, use ListBranches.",
    )
}

pub fn parent_required() -> AwsError {
    shown(
        "ParentCommitIdRequiredException",
        "A parent commit ID is required. To view the full commit ID of a branch in a repository, use GetBranch or \
         a Git command (for example, git pull or git log).",
    )
}

pub fn invalid_parent() -> AwsError {
    shown(
        "InvalidParentCommitIdException",
        "The parent commit ID is not valid. The commit ID cannot be empty, and must match the head commit ID for \
         the branch of the repository where you want to add or update a file.",
    )
}

pub fn no_parent() -> AwsError {
    shown(
        "ParentCommitDoesNotExistException",
        "The parent commit ID is not valid because it does not exist. The specified parent commit ID does not \
         exist in the specified branch of the repository.",
    )
}

pub fn parent_outdated() -> AwsError {
    shown(
        "ParentCommitIdOutdatedException",
        "The file could not be added because the provided parent commit ID is not the current tip of the \
         specified branch. To view the full commit ID of the current head of the branch, use GetBranch.",
    )
}

pub fn invalid_merge_option() -> AwsError {
    shown(
        "InvalidMergeOptionException",
        "The specified merge option is not valid for this operation. Not all merge strategies are supported for \
         all operations.",
    )
}

pub fn concurrent() -> AwsError {
    shown(
        "ConcurrentReferenceUpdateException",
        "The merge cannot be completed because the target branch has been modified. Another user might have \
         modified the target branch while the merge was in progress. Wait a few minutes, and then try again.",
    )
}

pub fn invalid_token() -> AwsError {
    shown(
        "InvalidContinuationTokenException",
        "The specified continuation token is not valid.",
    )
}

pub fn invalid_arn() -> AwsError {
    shown(
        "InvalidResourceArnException",
        "The value for the resource ARN is not valid. For more information about resources in CodeCommit, see \
         CodeCommit Resources and Operations in the CodeCommit User Guide.",
    )
}

pub fn tags(why: InvalidTags) -> AwsError {
    match why {
        InvalidTags::TooMany => shown(
            "TooManyTagsException",
            "The maximum number of tags for an CodeCommit resource has been exceeded.",
        ),
        InvalidTags::Reserved => shown(
            "InvalidSystemTagUsageException",
            "The specified tag is not valid. Key names cannot be prefixed with aws:.",
        ),
        why => shown("InvalidTagsMapException", why.to_string()),
    }
}

impl From<GitError> for AwsError {
    fn from(error: GitError) -> AwsError {
        match error {
            GitError::Missing => {
                AwsError::server("ServiceUnavailable", error.to_string()).status(503)
            }
            GitError::NoSpace => {
                AwsError::server("ServiceUnavailable", error.to_string()).status(507)
            }
            error => AwsError::internal(error),
        }
    }
}
