//! New commits, made without a work tree: a stream of edits on a commit's files that git imports.

use super::objects::Person;
use super::{Git, GitError};
use crate::plan::{Content, Edit};

/// A commit to be made.
#[derive(Debug)]
pub struct NewCommit<'a> {
    /// What it begins with is the first one's files.
    pub parents: &'a [String],
    pub author: &'a Person,
    pub message: &'a str,
    pub edits: &'a [Edit],
}

impl Git {
    /// Makes a commit, which `keeper`, a reference of ours, keeps until somebody takes that away. Answers its id.
    ///
    /// # Errors
    /// When git cannot be run, or refuses.
    pub async fn make_commit(
        &self,
        id: &str,
        keeper: &str,
        made: &NewCommit<'_>,
    ) -> Result<String, GitError> {
        let input = stream(keeper, made);
        let output = self
            .run(id, ["fast-import", "--quiet", "--done", "--force"], &input)
            .await?;
        let out = String::from_utf8_lossy(&output.must("fast-import")?)
            .trim()
            .to_owned();
        match super::names::is_object(&out) {
            true => Ok(out),
            false => Err(GitError::Strange(out)),
        }
    }
}

/// <https://git-scm.com/docs/git-fast-import>
fn stream(keeper: &str, made: &NewCommit<'_>) -> Vec<u8> {
    let Person { name, email, date } = made.author;
    let who = format!("{} <{}> {date}", plain(name), plain(email));
    let message = made.message;
    let mut head = format!(
        "commit {keeper}\nmark :1\nauthor {who}\ncommitter {who}\ndata {}\n{message}\n",
        message.len()
    );
    for (at, parent) in made.parents.iter().enumerate() {
        let word = if at == 0 { "from" } else { "merge" };
        head += &format!("{word} {parent}\n");
    }
    let mut bytes = head.into_bytes();
    // What goes makes room for what comes.
    for edit in made.edits {
        if let Edit::Delete { path } = edit {
            bytes.extend(format!("D {}\n", quoted(path)).into_bytes());
        }
    }
    for edit in made.edits {
        let Edit::Put {
            path,
            mode,
            content,
        } = edit
        else {
            continue;
        };
        let path = quoted(path);
        match content {
            Content::Blob(blob) => {
                bytes.extend(format!("M {mode} {blob} {path}\n").into_bytes());
            }
            Content::Bytes(content) => {
                let head = format!("M {mode} inline {path}\ndata {}\n", content.len());
                bytes.extend(head.into_bytes());
                bytes.extend_from_slice(content);
                bytes.push(b'\n');
            }
        }
    }
    bytes.extend_from_slice(b"\nget-mark :1\ndone\n");
    bytes
}

/// A name or an address without what would end it.
fn plain(text: &str) -> String {
    let text = text
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '<' | '>'));
    text.collect::<String>().trim().to_owned()
}

/// A path as git's streams quote it.
fn quoted(path: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
