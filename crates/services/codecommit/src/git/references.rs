//! References: read, and moved from where they are known to be.

use super::names::{NOTHING, is_object};
use super::{Git, GitError, blocking};
use std::collections::BTreeMap;

/// References by their full names, with what they name: a commit, or an annotated tag.
pub type References = BTreeMap<String, String>;

/// Where a reference points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// A commit, or an annotated tag.
    pub object: String,
    /// What an annotated tag is for; else the same.
    pub target: String,
}

/// One reference to be moved.
#[derive(Debug, Clone)]
pub struct Move<'a> {
    pub name: &'a str,
    /// `None`: it goes.
    pub to: Option<&'a str>,
    /// Where it must be before; `None`: it must not be there.
    pub from: Option<&'a str>,
}

impl Git {
    /// All references below a prefix such as `refs/heads/`, but for our own.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn references(&self, id: &str, prefix: &str) -> Result<References, GitError> {
        let tips = self.tips(id, prefix).await?;
        Ok(tips
            .into_iter()
            .map(|(name, tip)| (name, tip.object))
            .collect())
    }

    /// The same with what annotated tags are for. Names that are not UTF-8 are for git alone.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn tips(&self, id: &str, prefix: &str) -> Result<BTreeMap<String, Tip>, GitError> {
        let format = "--format=%(objectname) %(*objectname) %(refname)";
        let out = self
            .must(id, &["for-each-ref", format, prefix], b"")
            .await?;
        let lines = out.split(|b| *b == b'\n');
        let pairs = lines.filter_map(|line| {
            let line = std::str::from_utf8(line).ok()?;
            let mut parts = line.splitn(3, ' ');
            let (object, target, name) = (parts.next()?, parts.next()?, parts.next()?);
            let is_ours = name.starts_with("refs/neargate/");
            let target = if target.is_empty() { object } else { target };
            let tip = || Tip {
                object: object.to_owned(),
                target: target.to_owned(),
            };
            (is_object(object) && !is_ours).then(|| (name.to_owned(), tip()))
        });
        Ok(pairs.collect())
    }

    /// What one reference names.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn reference(&self, id: &str, name: &str) -> Result<Option<String>, GitError> {
        // A name is a prefix of others where it is a directory.
        let mut found = self.references(id, name).await?;
        Ok(found.remove(name))
    }

    /// Moves all of them or none. `false`: somebody else has moved one.
    ///
    /// # Errors
    /// When git cannot be run, or refuses for another reason.
    pub async fn move_references(&self, id: &str, moves: &[Move<'_>]) -> Result<bool, GitError> {
        let mut orders = String::from("start\n");
        for Move { name, to, from } in moves {
            let from = from.unwrap_or(NOTHING);
            orders += &match to {
                Some(to) => format!("update {name} {to} {from}\n"),
                None => format!("delete {name} {from}\n"),
            };
        }
        orders += "prepare\ncommit\n";
        let output = self.run(id, ["update-ref", "--stdin"], orders.as_bytes());
        let output = output.await?;
        let said = &output.said;
        let is_taken = [
            "but expected",
            "already exists",
            "unable to resolve",
            "reference is missing",
        ];
        match output.code {
            0 => Ok(true),
            _ if said.contains("cannot lock ref") && is_taken.iter().any(|t| said.contains(t)) => {
                Ok(false)
            }
            _ => output.must("update-ref").map(|_| true),
        }
    }

    /// The branch that clones begin with.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn set_head(&self, id: &str, branch: &str) -> Result<(), GitError> {
        let head = self.path(id).join("HEAD");
        let wanted = format!("ref: refs/heads/{branch}\n");
        let is = blocking(move || std::fs::read_to_string(head)).await;
        if is.is_ok_and(|is| is == wanted) {
            return Ok(());
        }
        let full = format!("refs/heads/{branch}");
        self.must(id, &["symbolic-ref", "HEAD", &full], b"")
            .await
            .map(drop)
    }
}
