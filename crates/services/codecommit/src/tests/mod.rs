//! CodeCommit's operations through their table, on repositories of real git.

mod contents;
mod pulls;
mod repositories;

use crate::CodeCommit;
use neargate_api_codecommit::{self as api, ops};
use neargate_service::component::Component as _;
use neargate_service::{Ctx, Service};
use neargate_testkit::{Lab, call};
use std::process::Command;
use std::sync::Arc;

/// A house with CodeCommit.
pub struct Bench {
    pub lab: Lab,
    pub codecommit: Arc<CodeCommit>,
    pub table: Arc<dyn Service>,
}

impl Bench {
    pub fn new() -> Bench {
        let lab = Lab::default();
        let codecommit = Arc::new(CodeCommit::open(&lab.path().join("git")).unwrap());
        let table = codecommit.clone().table();
        Bench {
            lab,
            codecommit,
            table,
        }
    }

    pub fn cx(&self) -> Ctx {
        self.lab.cx()
    }

    /// Makes a repository, and answers its id.
    pub async fn create(&self, name: &str) -> String {
        let input = api::CreateRepositoryInput {
            repository_name: name.into(),
            ..Default::default()
        };
        let made = call(&*self.table, self.cx(), ops::CreateRepository, input);
        let made = made.await.unwrap().repository_metadata.unwrap();
        made.repository_id.unwrap()
    }

    /// Runs git on a repository, and answers what it says.
    pub fn git(&self, id: &str, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.com"])
            .arg("--git-dir")
            .arg(self.codecommit.git.path(id))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// A commit without files that no branch has.
    pub fn empty_commit(&self, id: &str, message: &str) -> String {
        let tree = self.git(id, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
        self.git(id, &["commit-tree", &tree, "-m", message])
    }
}

#[test]
fn stored_forms() {
    use crate::model::{
        Change, Comment, Number, PullEvent, PullRequest, Repository, RuleTemplate, Told, Triggered,
        Triggers,
    };
    use neargate_service::golden::check;
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Repository>(golden);
    check::<Told>(golden);
    check::<Change>(golden);
    check::<Number>(golden);
    check::<PullRequest>(golden);
    check::<PullEvent>(golden);
    check::<RuleTemplate>(golden);
    check::<Comment>(golden);
    check::<Triggers>(golden);
    check::<Triggered>(golden);
}
