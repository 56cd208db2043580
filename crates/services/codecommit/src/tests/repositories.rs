//! Repositories, branches, and what is told of them.

use super::Bench;
use crate::git::names::HEADS;
use crate::model::Change;
use crate::{changes, sweep};
use neargate_api_codecommit::{self as api, ops};
use neargate_service::events::{Posted, Wants};
use neargate_service::{AwsError, Scope};
use neargate_testkit::call;
use serde_json::Value;
use std::sync::Arc;

/// Wants every event.
#[derive(Debug)]
struct All;

impl Wants for All {
    fn wants(&self, _: &Scope, _: &str, _: &str) -> bool {
        true
    }

    fn ready(&self) -> futures_util::future::BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl Bench {
    fn listening() -> Bench {
        let bench = Bench::new();
        bench.lab.house.events.take(Arc::new(All));
        bench
    }

    async fn told(&self) -> Vec<Value> {
        let all = self.lab.house.db.list::<Posted>(&self.lab.scope).await;
        let details = all
            .unwrap()
            .into_iter()
            .map(|p| p.value.event["detail"].clone());
        details.collect()
    }

    async fn get(&self, name: &str) -> Result<api::RepositoryMetadata, AwsError> {
        let input = api::GetRepositoryInput {
            repository_name: name.into(),
        };
        let got = call(&*self.table, self.cx(), ops::GetRepository, input).await?;
        Ok(got.repository_metadata.unwrap())
    }

    async fn branch(&self, name: &str, commit: &str) -> Result<(), AwsError> {
        let input = api::CreateBranchInput {
            repository_name: "app".into(),
            branch_name: name.into(),
            commit_id: commit.into(),
        };
        let made = call(&*self.table, self.cx(), ops::CreateBranch, input);
        made.await.map(drop)
    }

    async fn delete_branch(&self, name: &str) -> Result<Option<api::BranchInfo>, AwsError> {
        let input = api::DeleteBranchInput {
            repository_name: "app".into(),
            branch_name: name.into(),
        };
        let gone = call(&*self.table, self.cx(), ops::DeleteBranch, input);
        gone.await.map(|gone| gone.deleted_branch)
    }
}

#[tokio::test]
async fn a_repository_from_beginning_to_end() {
    let bench = Bench::new();
    let id = bench.create("app").await;
    let input = api::CreateRepositoryInput {
        repository_name: "app".into(),
        ..Default::default()
    };
    let twice = call(&*bench.table, bench.cx(), ops::CreateRepository, input).await;
    let error = twice.unwrap_err();
    assert_eq!(error.code, "RepositoryNameExistsException");
    assert_eq!(error.message, "Repository named app already exists");
    let got = bench.get("app").await.unwrap();
    assert_eq!(
        got.clone_url_http.as_deref(),
        Some("http://localhost:4566/v1/repos/app")
    );
    assert_eq!(
        got.clone_url_ssh.as_deref(),
        Some("ssh://git-codecommit.us-east-1.amazonaws.com/v1/repos/app")
    );
    assert_eq!(
        got.arn.as_deref(),
        Some("arn:aws:codecommit:us-east-1:000000000000:app")
    );
    let input = api::UpdateRepositoryNameInput {
        old_name: "app".into(),
        new_name: "web".into(),
    };
    call(&*bench.table, bench.cx(), ops::UpdateRepositoryName, input)
        .await
        .unwrap();
    let gone = bench.get("app").await.unwrap_err();
    assert_eq!(
        (gone.code.as_str(), gone.message.as_str()),
        ("RepositoryDoesNotExistException", "app does not exist")
    );
    assert_eq!(
        bench.get("web").await.unwrap().repository_id,
        Some(id.clone())
    );
    let input = api::DeleteRepositoryInput {
        repository_name: "web".into(),
    };
    for expected in [Some(id.clone()), None] {
        let input = input.clone();
        let gone = call(&*bench.table, bench.cx(), ops::DeleteRepository, input).await;
        assert_eq!(gone.unwrap().repository_id, expected);
    }
    assert!(!bench.codecommit.git.path(&id).exists());
}

#[tokio::test]
async fn bad_names_are_refused_in_awss_words() {
    let bench = Bench::new();
    for name in ["a b", "a.git", "in_@#$", "..", ""] {
        let input = api::CreateRepositoryInput {
            repository_name: name.into(),
            ..Default::default()
        };
        let refused = call(&*bench.table, bench.cx(), ops::CreateRepository, input).await;
        let error = refused.unwrap_err();
        assert_eq!(error.code, "InvalidRepositoryNameException", "{name:?}");
        assert!(
            error
                .message
                .starts_with("The repository name is not valid.")
        );
    }
    let id = bench.create("app").await;
    let commit = bench.empty_commit(&id, "one");
    for name in ["-x", "a..b", "a b", "a^", "@{1}", "x/.lock"] {
        let refused = bench.branch(name, &commit).await.unwrap_err();
        assert_eq!(refused.code, "InvalidBranchNameException", "{name:?}");
    }
    let nobody = bench.branch("b", &"1".repeat(40)).await.unwrap_err();
    assert_eq!(nobody.code, "CommitDoesNotExistException");
    assert_eq!(
        bench.branch("b", "--help").await.unwrap_err().code,
        "InvalidCommitIdException"
    );
}

#[tokio::test]
async fn branches_are_told_of_once_and_the_first_is_the_default() {
    let bench = Bench::listening();
    let id = bench.create("app").await;
    let commit = bench.empty_commit(&id, "one");
    bench.branch("trunk", &commit).await.unwrap();
    bench.branch("other", &commit).await.unwrap();
    let twice = bench.branch("other", &commit).await.unwrap_err();
    assert_eq!(twice.code, "BranchNameExistsException");
    assert_eq!(
        bench.get("app").await.unwrap().default_branch.as_deref(),
        Some("trunk")
    );
    assert_eq!(
        bench.git(&id, &["symbolic-ref", "HEAD"]),
        "refs/heads/trunk"
    );
    let kept = bench.delete_branch("trunk").await.unwrap_err();
    assert_eq!(kept.code, "DefaultBranchCannotBeDeletedException");
    let gone = bench.delete_branch("other").await.unwrap().unwrap();
    assert_eq!(gone.commit_id, Some(commit.clone()));
    assert_eq!(bench.delete_branch("other").await.unwrap(), None);
    let told = bench.told().await;
    let of = |event: &str, name: &str| {
        let is = |d: &&Value| d["event"] == event && d["referenceName"] == name;
        told.iter().filter(is).count()
    };
    assert_eq!(of("referenceCreated", "trunk"), 1);
    assert_eq!(of("referenceCreated", "other"), 1);
    assert_eq!(of("referenceDeleted", "other"), 1);
    assert_eq!(told.len(), 3);
    let created = told.iter().find(|d| d["referenceName"] == "trunk").unwrap();
    assert_eq!(created["referenceFullName"], "refs/heads/trunk");
    assert_eq!(created["commitId"], commit);
    assert_eq!(created["callerUserArn"], "arn:aws:iam::000000000000:root");
    assert_eq!(created["repositoryId"], id);
}

#[tokio::test]
async fn what_a_killed_writer_did_is_told_at_the_next_start() {
    let bench = Bench::listening();
    let id = bench.create("app").await;
    let commit = bench.empty_commit(&id, "one");
    let house = &bench.lab.house;
    let repository = crate::model::Repository {
        id: id.clone(),
        ..house
            .db
            .get(&bench.lab.scope, "app")
            .await
            .unwrap()
            .unwrap()
            .value
    };
    let names = vec![format!("{HEADS}main"), format!("{HEADS}never")];
    let begun = changes::begin(
        house,
        &bench.lab.scope,
        &repository,
        "arn:of:ann",
        names,
        None,
    );
    begun.await.unwrap();
    bench.git(&id, &["update-ref", "refs/heads/main", &commit]);
    // A directory whose repository is gone.
    bench.codecommit.git.ensure("lost").await.unwrap();
    for _ in 0..2 {
        sweep::run(bench.codecommit.clone(), house.clone()).await;
    }
    let told = bench.told().await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["callerUserArn"], "arn:of:ann");
    assert_eq!(told[0]["commitId"], commit);
    assert_eq!(
        bench.get("app").await.unwrap().default_branch.as_deref(),
        Some("main")
    );
    assert!(
        house
            .db
            .list::<Change>(&bench.lab.scope)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(!bench.codecommit.git.path("lost").exists());
    assert!(bench.codecommit.git.path(&id).exists());
}

#[tokio::test]
async fn a_repository_whose_directory_is_gone_is_empty_again() {
    let bench = Bench::new();
    let id = bench.create("app").await;
    std::fs::remove_dir_all(bench.codecommit.git.path(&id)).unwrap();
    let input = api::ListBranchesInput {
        repository_name: "app".into(),
        ..Default::default()
    };
    let none = call(&*bench.table, bench.cx(), ops::ListBranches, input)
        .await
        .unwrap();
    assert_eq!(none.branches, Some(Vec::new()));
}
