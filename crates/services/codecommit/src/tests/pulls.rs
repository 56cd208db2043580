//! Pull requests, who approves them, and what is said of them.

use super::Bench;
use crate::git::references::Move;
use crate::{changes, model};
use neargate_api_codecommit::{self as api, ops};
use neargate_service::{AwsError, Ctx, Principal};
use neargate_testkit::call;

const RULE: &str = r#"{"Version":"2018-11-08","DestinationReferences":["refs/heads/main"],"Statements":[{"Type":"Approvers","NumberOfApprovalsNeeded":1,"ApprovalPoolMembers":["CodeCommitApprovers:000000000000:ann"]}]}"#;

/// A repository with `main` and, one commit ahead, `side`.
struct Prepared {
    bench: Bench,
    id: String,
    base: String,
    side: String,
}

impl Prepared {
    async fn new() -> Prepared {
        let bench = Bench::new();
        let id = bench.create("app").await;
        let base = bench.empty_commit(&id, "base");
        bench.git(&id, &["update-ref", "refs/heads/main", &base]);
        let tree = bench.git(&id, &["rev-parse", &format!("{base}^{{tree}}")]);
        let side = bench.git(&id, &["commit-tree", &tree, "-p", &base, "-m", "side"]);
        bench.git(&id, &["update-ref", "refs/heads/side", &side]);
        Prepared {
            bench,
            id,
            base,
            side,
        }
    }

    fn ann(&self) -> Ctx {
        let arn = "arn:aws:iam::000000000000:user/ann";
        Ctx {
            principal: Principal::user(arn, "AIDAANN", "AKIA"),
            ..self.bench.cx()
        }
    }

    async fn open(&self) -> api::PullRequest {
        let input = api::CreatePullRequestInput {
            title: "Side".into(),
            targets: vec![api::Target {
                repository_name: "app".into(),
                source_reference: "side".into(),
                destination_reference: Some("main".into()),
            }],
            client_request_token: Some("once".into()),
            ..Default::default()
        };
        let made = call(
            &*self.bench.table,
            self.bench.cx(),
            ops::CreatePullRequest,
            input,
        );
        made.await.unwrap().pull_request.unwrap()
    }

    async fn get(&self, id: &str) -> api::PullRequest {
        let input = api::GetPullRequestInput {
            pull_request_id: id.into(),
        };
        let got = call(
            &*self.bench.table,
            self.bench.cx(),
            ops::GetPullRequest,
            input,
        );
        got.await.unwrap().pull_request.unwrap()
    }

    async fn merge(&self, id: &str) -> Result<api::PullRequest, AwsError> {
        let input = api::MergePullRequestByFastForwardInput {
            pull_request_id: id.into(),
            repository_name: "app".into(),
            source_commit_id: None,
        };
        let (table, cx) = (&*self.bench.table, self.bench.cx());
        let merged = call(table, cx, ops::MergePullRequestByFastForward, input).await?;
        Ok(merged.pull_request.unwrap())
    }

    async fn approve(&self, cx: Ctx, id: &str, revision: &str) -> Result<(), AwsError> {
        let input = api::UpdatePullRequestApprovalStateInput {
            pull_request_id: id.into(),
            revision_id: revision.into(),
            approval_state: "APPROVE".into(),
        };
        let done = call(
            &*self.bench.table,
            cx,
            ops::UpdatePullRequestApprovalState,
            input,
        );
        done.await.map(drop)
    }

    /// Moves a branch as a push does.
    async fn push(&self, name: &str, from: &str, to: &str) {
        let house = &self.bench.lab.house;
        let repository = house
            .db
            .get::<model::Repository>(&self.bench.lab.scope, "app")
            .await;
        let repository = repository.unwrap().unwrap();
        let names = vec![name.to_owned()];
        let scope = &self.bench.lab.scope;
        let begun = changes::begin(house, scope, &repository, "arn:of:ann", names, None)
            .await
            .unwrap();
        let change = Move {
            name,
            to: Some(to),
            from: Some(from),
        };
        assert!(
            self.bench
                .codecommit
                .git
                .move_references(&self.id, &[change])
                .await
                .unwrap()
        );
        changes::settle(&self.bench.codecommit, house, &begun)
            .await
            .unwrap();
    }

    fn child(&self, of: &str, message: &str) -> String {
        let tree = self
            .bench
            .git(&self.id, &["rev-parse", &format!("{of}^{{tree}}")]);
        self.bench
            .git(&self.id, &["commit-tree", &tree, "-p", of, "-m", message])
    }

    async fn history(&self, id: &str) -> Vec<String> {
        let input = api::DescribePullRequestEventsInput {
            pull_request_id: id.into(),
            ..Default::default()
        };
        let told = call(
            &*self.bench.table,
            self.bench.cx(),
            ops::DescribePullRequestEvents,
            input,
        )
        .await;
        let told = told.unwrap().pull_request_events.unwrap();
        told.into_iter()
            .map(|e| e.pull_request_event_type.unwrap())
            .collect()
    }
}

#[tokio::test]
async fn a_pull_request_is_approved_and_merged() {
    let prepared = Prepared::new().await;
    let table = &*prepared.bench.table;
    let template = api::CreateApprovalRuleTemplateInput {
        approval_rule_template_name: "ann approves".into(),
        approval_rule_template_content: RULE.into(),
        ..Default::default()
    };
    call(
        table,
        prepared.bench.cx(),
        ops::CreateApprovalRuleTemplate,
        template,
    )
    .await
    .unwrap();
    let input = api::AssociateApprovalRuleTemplateWithRepositoryInput {
        approval_rule_template_name: "ann approves".into(),
        repository_name: "app".into(),
    };
    let done = call(
        table,
        prepared.bench.cx(),
        ops::AssociateApprovalRuleTemplateWithRepository,
        input,
    );
    done.await.unwrap();
    let made = prepared.open().await;
    let id = made.pull_request_id.clone().unwrap();
    assert_eq!(
        prepared.open().await.pull_request_id.as_ref(),
        Some(&id),
        "one for a token"
    );
    let target = &made.pull_request_targets.as_ref().unwrap()[0];
    assert_eq!(target.source_commit.as_ref(), Some(&prepared.side));
    assert_eq!(target.merge_base.as_ref(), Some(&prepared.base));
    assert_eq!(
        made.approval_rules.unwrap()[0]
            .approval_rule_name
            .as_deref(),
        Some("ann approves")
    );
    let revision = made.revision_id.unwrap();
    let refused = prepared.merge(&id).await.unwrap_err();
    assert_eq!(
        refused.code,
        "PullRequestApprovalRulesNotSatisfiedException"
    );
    let own = prepared
        .approve(prepared.bench.cx(), &id, &revision)
        .await
        .unwrap_err();
    assert_eq!(own.code, "PullRequestCannotBeApprovedByAuthorException");
    prepared
        .approve(prepared.ann(), &id, &revision)
        .await
        .unwrap();
    let input = api::EvaluatePullRequestApprovalRulesInput {
        pull_request_id: id.clone(),
        revision_id: revision.clone(),
    };
    let judged = call(
        table,
        prepared.bench.cx(),
        ops::EvaluatePullRequestApprovalRules,
        input,
    )
    .await;
    assert_eq!(judged.unwrap().evaluation.unwrap().approved, Some(true));
    // A further commit is another revision, which nobody has approved.
    let next = prepared.child(&prepared.side, "next");
    prepared
        .push("refs/heads/side", &prepared.side, &next)
        .await;
    let moved = prepared.get(&id).await;
    assert_ne!(moved.revision_id.as_ref(), Some(&revision));
    let stale = prepared
        .approve(prepared.ann(), &id, &revision)
        .await
        .unwrap_err();
    assert_eq!(stale.code, "RevisionNotCurrentException");
    assert!(prepared.merge(&id).await.is_err());
    prepared
        .approve(prepared.ann(), &id, &moved.revision_id.unwrap())
        .await
        .unwrap();
    let merged = prepared.merge(&id).await.unwrap();
    assert_eq!(merged.pull_request_status.as_deref(), Some("CLOSED"));
    let metadata = merged.pull_request_targets.unwrap()[0]
        .merge_metadata
        .clone()
        .unwrap();
    assert_eq!(metadata.is_merged, Some(true));
    assert_eq!(metadata.merge_commit_id.as_ref(), Some(&next));
    assert_eq!(metadata.merge_option.as_deref(), Some("FAST_FORWARD_MERGE"));
    assert_eq!(
        prepared.bench.git(&prepared.id, &["rev-parse", "main"]),
        next
    );
    assert_eq!(
        prepared.merge(&id).await.unwrap_err().code,
        "PullRequestAlreadyClosedException"
    );
    assert_eq!(
        prepared.history(&id).await,
        [
            "PULL_REQUEST_CREATED",
            "PULL_REQUEST_APPROVAL_STATE_CHANGED",
            "PULL_REQUEST_SOURCE_REFERENCE_UPDATED",
            "PULL_REQUEST_APPROVAL_STATE_CHANGED",
            "PULL_REQUEST_MERGE_STATE_CHANGED",
        ]
    );
}

#[tokio::test]
async fn a_push_that_brings_the_source_along_merges() {
    let prepared = Prepared::new().await;
    let id = prepared.open().await.pull_request_id.unwrap();
    let other = prepared.child(&prepared.base, "other");
    prepared
        .push("refs/heads/main", &prepared.base, &other)
        .await;
    assert_eq!(
        prepared.get(&id).await.pull_request_status.as_deref(),
        Some("OPEN")
    );
    prepared
        .push("refs/heads/main", &other, &prepared.side)
        .await;
    let merged = prepared.get(&id).await;
    assert_eq!(merged.pull_request_status.as_deref(), Some("CLOSED"));
    let metadata = merged.pull_request_targets.unwrap()[0]
        .merge_metadata
        .clone()
        .unwrap();
    assert_eq!(metadata.merged_by.as_deref(), Some("arn:of:ann"));
}

#[tokio::test]
async fn what_is_said_of_a_pull_request() {
    let prepared = Prepared::new().await;
    let table = &*prepared.bench.table;
    let id = prepared.open().await.pull_request_id.unwrap();
    let input = api::PostCommentForPullRequestInput {
        pull_request_id: id.clone(),
        repository_name: "app".into(),
        before_commit_id: prepared.base.clone(),
        after_commit_id: prepared.side.clone(),
        content: "Why?".into(),
        client_request_token: Some("c".into()),
        location: None,
    };
    let first = call(
        table,
        prepared.bench.cx(),
        ops::PostCommentForPullRequest,
        input.clone(),
    )
    .await;
    let first = first.unwrap().comment.unwrap().comment_id.unwrap();
    let again = call(
        table,
        prepared.bench.cx(),
        ops::PostCommentForPullRequest,
        input,
    )
    .await;
    assert_eq!(
        again.unwrap().comment.unwrap().comment_id.as_ref(),
        Some(&first),
        "one for a token"
    );
    let reply = api::PostCommentReplyInput {
        in_reply_to: first.clone(),
        content: "Because.".into(),
        client_request_token: None,
    };
    call(table, prepared.ann(), ops::PostCommentReply, reply)
        .await
        .unwrap();
    let heart = api::PutCommentReactionInput {
        comment_id: first.clone(),
        reaction_value: "❤️".into(),
    };
    call(table, prepared.ann(), ops::PutCommentReaction, heart)
        .await
        .unwrap();
    let wrong = api::PutCommentReactionInput {
        comment_id: first.clone(),
        reaction_value: ":none-such:".into(),
    };
    let wrong = call(table, prepared.ann(), ops::PutCommentReaction, wrong)
        .await
        .unwrap_err();
    assert_eq!(wrong.code, "InvalidReactionValueException");
    let foreign = api::UpdateCommentInput {
        comment_id: first.clone(),
        content: "x".into(),
    };
    let foreign = call(table, prepared.ann(), ops::UpdateComment, foreign)
        .await
        .unwrap_err();
    assert_eq!(foreign.code, "CommentNotCreatedByCallerException");
    let input = api::GetCommentsForPullRequestInput {
        pull_request_id: id,
        ..Default::default()
    };
    let all = call(
        table,
        prepared.bench.cx(),
        ops::GetCommentsForPullRequest,
        input,
    )
    .await
    .unwrap();
    let comments = all.comments_for_pull_request_data.unwrap()[0]
        .comments
        .clone()
        .unwrap();
    assert_eq!(comments.len(), 2);
    let counts = comments
        .iter()
        .find(|c| c.comment_id.as_ref() == Some(&first))
        .unwrap();
    assert_eq!(
        counts.reaction_counts.as_ref().unwrap().get(":heart:"),
        Some(&1)
    );
    let gone = api::DeleteCommentContentInput {
        comment_id: first.clone(),
    };
    call(table, prepared.bench.cx(), ops::DeleteCommentContent, gone)
        .await
        .unwrap();
    let read = api::GetCommentInput { comment_id: first };
    let read = call(table, prepared.bench.cx(), ops::GetComment, read)
        .await
        .unwrap_err();
    assert_eq!(read.code, "CommentDeletedException");
}
