//! AWS CodeCommit: repositories of git, by AWS's operations and by git itself.
//!
//! A repository's record says that it is there; its objects and references are a bare repository on the disk
//! ([`git`]), whose name is the record's id. Git's own programs read and write it. [`door`] is git's smart
//! HTTP; the API is a second door to the same repositories. Who changes references writes down before that he
//! will ([`changes`]), so that what became of it is told once, whoever was killed.

mod api;
mod changes;
mod door;
mod error;
mod git;
mod model;
mod plan;
mod pulls;
mod sweep;
mod triggers;

#[cfg(test)]
mod tests;

use async_trait::async_trait;
use git::Git;
use neargate_api_codecommit::{SERVICE, ops};
use neargate_service::door::HttpDoor;
use neargate_service::{
    AfterReset, AwsError, Background, Component, House, OperationTable, Service,
};
use neargate_wire::route::Door;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What CodeCommit's handlers share.
#[derive(Debug)]
pub struct CodeCommit {
    git: Git,
}

impl CodeCommit {
    /// Opens the directory that repositories are in. Blocks.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> io::Result<CodeCommit> {
        Ok(CodeCommit {
            git: Git::open(root)?,
        })
    }
}

#[async_trait]
impl Component for CodeCommit {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let house = background.house().clone();
        background.spawn("codecommit-sweep", sweep::run(self, house));
    }

    fn doors(self: Arc<Self>) -> Vec<(Door, Arc<dyn HttpDoor>)> {
        vec![(Door::Git, Arc::new(door::GitDoor(self)))]
    }

    async fn reset(self: Arc<Self>, _: &Arc<House>) -> Result<AfterReset, AwsError> {
        let forget = async move || self.git.forget().await.map_err(AwsError::internal);
        Ok(AfterReset::new(forget))
    }
}

/// Which operations are served, and how completely.
fn table(codecommit: Arc<CodeCommit>) -> OperationTable<CodeCommit> {
    use api::{
        approvals, branches, comments, commits, differences, files, hunks, merges, pull_merges,
        pulls, reactions, repositories, tags, templates, threads, triggers,
    };
    OperationTable::new(&SERVICE, codecommit)
        .wording(error::invalid)
        .partly(
            ops::CreateRepository,
            repositories::create_repository,
            ENCRYPTION,
        )
        .on(ops::GetRepository, repositories::get_repository)
        .on(
            ops::BatchGetRepositories,
            repositories::batch_get_repositories,
        )
        .on(ops::ListRepositories, repositories::list_repositories)
        .on(ops::DeleteRepository, repositories::delete_repository)
        .on(
            ops::UpdateRepositoryName,
            repositories::update_repository_name,
        )
        .on(
            ops::UpdateRepositoryDescription,
            repositories::update_repository_description,
        )
        .partly(
            ops::UpdateRepositoryEncryptionKey,
            repositories::update_repository_encryption_key,
            ENCRYPTION,
        )
        .on(
            ops::UpdateDefaultBranch,
            repositories::update_default_branch,
        )
        .on(ops::TagResource, tags::tag_resource)
        .on(ops::UntagResource, tags::untag_resource)
        .on(ops::ListTagsForResource, tags::list_tags_for_resource)
        .on(ops::ListBranches, branches::list_branches)
        .on(ops::GetBranch, branches::get_branch)
        .on(ops::CreateBranch, branches::create_branch)
        .on(ops::DeleteBranch, branches::delete_branch)
        .takes_up_to(ops::CreateCommit, MAX_COMMIT_BYTES)
        .takes_up_to(ops::PutFile, MAX_COMMIT_BYTES)
        .on(ops::GetCommit, commits::get_commit)
        .on(ops::BatchGetCommits, commits::batch_get_commits)
        .on(ops::CreateCommit, commits::create_commit)
        .on(ops::PutFile, files::put_file)
        .on(ops::DeleteFile, files::delete_file)
        .on(ops::GetFile, files::get_file)
        .on(ops::GetFolder, files::get_folder)
        .on(ops::GetBlob, files::get_blob)
        .on(ops::GetDifferences, differences::get_differences)
        .on(
            ops::ListFileCommitHistory,
            differences::list_file_commit_history,
        )
        .partly(
            ops::GetMergeCommit,
            merges::get_merge_commit,
            "mergedCommitId is never told",
        )
        .on(ops::GetMergeOptions, merges::get_merge_options)
        .partly(ops::GetMergeConflicts, merges::get_merge_conflicts, RENAMES)
        .partly(
            ops::DescribeMergeConflicts,
            hunks::describe_merge_conflicts,
            HUNKS,
        )
        .partly(
            ops::BatchDescribeMergeConflicts,
            hunks::batch_describe_merge_conflicts,
            HUNKS,
        )
        .on(
            ops::MergeBranchesByFastForward,
            merges::merge_branches_by_fast_forward,
        )
        .partly(
            ops::MergeBranchesBySquash,
            merges::merge_branches_by_squash,
            MERGES,
        )
        .partly(
            ops::MergeBranchesByThreeWay,
            merges::merge_branches_by_three_way,
            MERGES,
        )
        .partly(
            ops::CreateUnreferencedMergeCommit,
            merges::create_unreferenced_merge_commit,
            MERGES,
        )
        .on(ops::CreatePullRequest, pulls::create_pull_request)
        .on(ops::GetPullRequest, pulls::get_pull_request)
        .on(ops::ListPullRequests, pulls::list_pull_requests)
        .on(
            ops::UpdatePullRequestTitle,
            pulls::update_pull_request_title,
        )
        .on(
            ops::UpdatePullRequestDescription,
            pulls::update_pull_request_description,
        )
        .on(
            ops::UpdatePullRequestStatus,
            pulls::update_pull_request_status,
        )
        .on(
            ops::DescribePullRequestEvents,
            pulls::describe_pull_request_events,
        )
        .on(
            ops::MergePullRequestByFastForward,
            pull_merges::merge_pull_request_by_fast_forward,
        )
        .partly(
            ops::MergePullRequestBySquash,
            pull_merges::merge_pull_request_by_squash,
            MERGES,
        )
        .partly(
            ops::MergePullRequestByThreeWay,
            pull_merges::merge_pull_request_by_three_way,
            MERGES,
        )
        .on(
            ops::CreatePullRequestApprovalRule,
            approvals::create_pull_request_approval_rule,
        )
        .on(
            ops::UpdatePullRequestApprovalRuleContent,
            approvals::update_pull_request_approval_rule_content,
        )
        .on(
            ops::DeletePullRequestApprovalRule,
            approvals::delete_pull_request_approval_rule,
        )
        .on(
            ops::UpdatePullRequestApprovalState,
            approvals::update_pull_request_approval_state,
        )
        .on(
            ops::GetPullRequestApprovalStates,
            approvals::get_pull_request_approval_states,
        )
        .on(
            ops::OverridePullRequestApprovalRules,
            approvals::override_pull_request_approval_rules,
        )
        .on(
            ops::GetPullRequestOverrideState,
            approvals::get_pull_request_override_state,
        )
        .on(
            ops::EvaluatePullRequestApprovalRules,
            approvals::evaluate_pull_request_approval_rules,
        )
        .on(
            ops::CreateApprovalRuleTemplate,
            templates::create_approval_rule_template,
        )
        .on(
            ops::GetApprovalRuleTemplate,
            templates::get_approval_rule_template,
        )
        .on(
            ops::ListApprovalRuleTemplates,
            templates::list_approval_rule_templates,
        )
        .on(
            ops::DeleteApprovalRuleTemplate,
            templates::delete_approval_rule_template,
        )
        .on(
            ops::UpdateApprovalRuleTemplateContent,
            templates::update_approval_rule_template_content,
        )
        .on(
            ops::UpdateApprovalRuleTemplateDescription,
            templates::update_approval_rule_template_description,
        )
        .on(
            ops::UpdateApprovalRuleTemplateName,
            templates::update_approval_rule_template_name,
        )
        .on(
            ops::AssociateApprovalRuleTemplateWithRepository,
            templates::associate_approval_rule_template_with_repository,
        )
        .on(
            ops::DisassociateApprovalRuleTemplateFromRepository,
            templates::disassociate_approval_rule_template_from_repository,
        )
        .on(
            ops::BatchAssociateApprovalRuleTemplateWithRepositories,
            templates::batch_associate_approval_rule_template_with_repositories,
        )
        .on(
            ops::BatchDisassociateApprovalRuleTemplateFromRepositories,
            templates::batch_disassociate_approval_rule_template_from_repositories,
        )
        .on(
            ops::ListAssociatedApprovalRuleTemplatesForRepository,
            templates::list_associated_approval_rule_templates_for_repository,
        )
        .on(
            ops::ListRepositoriesForApprovalRuleTemplate,
            templates::list_repositories_for_approval_rule_template,
        )
        .partly(
            ops::PutRepositoryTriggers,
            triggers::put_repository_triggers,
            TOPICS,
        )
        .on(
            ops::GetRepositoryTriggers,
            triggers::get_repository_triggers,
        )
        .partly(
            ops::TestRepositoryTriggers,
            triggers::test_repository_triggers,
            TOPICS,
        )
        .on(
            ops::PostCommentForComparedCommit,
            comments::post_comment_for_compared_commit,
        )
        .on(
            ops::PostCommentForPullRequest,
            comments::post_comment_for_pull_request,
        )
        .on(ops::PostCommentReply, comments::post_comment_reply)
        .on(ops::GetComment, comments::get_comment)
        .on(ops::UpdateComment, comments::update_comment)
        .on(ops::DeleteCommentContent, comments::delete_comment_content)
        .on(ops::PutCommentReaction, reactions::put_comment_reaction)
        .on(ops::GetCommentReactions, reactions::get_comment_reactions)
        .on(
            ops::GetCommentsForComparedCommit,
            threads::get_comments_for_compared_commit,
        )
        .on(
            ops::GetCommentsForPullRequest,
            threads::get_comments_for_pull_request,
        )
}

/// The files of a commit, 20 MiB together, as base64 in JSON.
const MAX_COMMIT_BYTES: usize = 32 << 20;
const TOPICS: &str = "destinations are topics of SNS; Lambda functions are refused";
const HUNKS: &str =
    "hunks are those that conflict; a file that was renamed is one that went and one that came";
const RENAMES: &str = "a file that was renamed is one that went and one that came";
const MERGES: &str =
    "a file that was renamed is one that went and one that came; keepEmptyFolders has no effect";

const ENCRYPTION: &str = "the key is kept and shown; what is on the disk is not encrypted with it";
