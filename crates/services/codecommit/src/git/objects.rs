//! Objects: which there are, and what is in them.

use super::names::{self, HEADS, TAGS, is_object};
use super::{Git, GitError};
use bytes::Bytes;
use std::collections::BTreeMap;

/// What an object is, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub id: String,
    /// `commit`, `tree`, `blob`, `tag`.
    pub kind: String,
    pub bytes: u64,
}

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Commit {
    pub id: String,
    pub tree: String,
    pub parents: Vec<String>,
    pub author: Person,
    pub committer: Person,
    pub message: String,
    /// Headers that have no name here, such as a signature's.
    pub further: String,
}

/// Who wrote something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    pub name: String,
    pub email: String,
    /// Seconds and the zone, as git writes them.
    pub date: String,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `100644`, `100755`, `120000`, `160000`, `040000`.
    pub mode: String,
    pub id: String,
}

/// Files of a tree by their whole paths; what is in submodules is not among them.
pub type Files = BTreeMap<String, Entry>;

/// How git may be asked for a commit that a caller calls so, best first; none where the name is not one.
fn revisions(specifier: &str) -> Vec<String> {
    let peeled = |name: String| format!("{name}^{{commit}}");
    if is_object(specifier) {
        return vec![peeled(specifier.to_owned())];
    }
    if specifier == "HEAD" {
        return vec![peeled("HEAD".into())];
    }
    if !names::is_reference(specifier) || specifier.starts_with("refs/neargate") {
        return Vec::new();
    }
    match specifier.starts_with("refs/") {
        true => vec![peeled(specifier.to_owned())],
        false => [HEADS, TAGS]
            .map(|at| peeled(format!("{at}{specifier}")))
            .to_vec(),
    }
}

impl Git {
    /// What these names mean, each on its own. None of them may hold a line's end.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn headers(
        &self,
        id: &str,
        names: &[String],
    ) -> Result<Vec<Option<Header>>, GitError> {
        let asked: String = names.iter().map(|name| format!("{name}\n")).collect();
        let out = self
            .must(id, &["cat-file", "--batch-check"], asked.as_bytes())
            .await?;
        let out = String::from_utf8_lossy(&out);
        let header = |line: &str| {
            let mut parts = line.split(' ');
            let (object, kind, bytes) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Header {
                id: is_object(object).then(|| object.to_owned())?,
                kind: kind.to_owned(),
                bytes: bytes.parse().ok()?,
            })
        };
        let found: Vec<_> = out.lines().map(header).collect();
        match found.len() == names.len() {
            true => Ok(found),
            false => Err(GitError::Strange(out.into_owned())),
        }
    }

    /// The id of the commit that a caller calls so: by a branch, a tag, a full reference or its id.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn resolve(&self, id: &str, specifier: &str) -> Result<Option<String>, GitError> {
        let asked = revisions(specifier);
        if asked.is_empty() {
            return Ok(None);
        }
        let found = self.headers(id, &asked).await?;
        Ok(found.into_iter().flatten().next().map(|header| header.id))
    }

    /// The commits of these ids, in their order.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn commits(&self, id: &str, ids: &[String]) -> Result<Vec<Option<Commit>>, GitError> {
        let asked: String = ids.iter().map(|id| format!("{id}^{{commit}}\n")).collect();
        let out = self
            .must(id, &["cat-file", "--batch"], asked.as_bytes())
            .await?;
        let mut rest: &[u8] = &out;
        let mut all = Vec::with_capacity(ids.len());
        let strange = || GitError::Strange("cat-file --batch".into());
        for _ in ids {
            let end = rest.iter().position(|b| *b == b'\n').ok_or_else(strange)?;
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            rest = &rest[end + 1..];
            let mut parts = head.split(' ');
            let (Some(object), Some("commit"), Some(bytes)) =
                (parts.next(), parts.next(), parts.next())
            else {
                all.push(None);
                continue;
            };
            let bytes: usize = bytes.parse().map_err(|_| strange())?;
            let content = rest.get(..bytes).ok_or_else(strange)?;
            all.push(Some(parse(object, &String::from_utf8_lossy(content))));
            rest = rest.get(bytes + 1..).ok_or_else(strange)?;
        }
        Ok(all)
    }

    /// What is in a blob that is known to be one.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn blob(&self, id: &str, blob: &str) -> Result<Bytes, GitError> {
        let content = self.must(id, &["cat-file", "blob", blob], b"").await?;
        Ok(content.into())
    }

    /// Every file of a commit.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn files(&self, id: &str, commit: &str) -> Result<Files, GitError> {
        let out = self.must(id, &["ls-tree", "-r", "-z", commit], b"").await?;
        Ok(entries(&out).collect())
    }

    /// What is at one path; `None`: nothing is.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn entry(
        &self,
        id: &str,
        commit: &str,
        path: &str,
    ) -> Result<Option<Entry>, GitError> {
        let out = self
            .must(id, &["ls-tree", "-z", commit, "--", path], b"")
            .await?;
        let found = entries(&out).find(|(at, _)| at == path);
        Ok(found.map(|(_, entry)| entry))
    }

    /// What is in a tree itself, by names.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn tree(&self, id: &str, tree: &str) -> Result<Files, GitError> {
        let out = self.must(id, &["ls-tree", "-z", tree], b"").await?;
        Ok(entries(&out).collect())
    }

    /// The best common ancestor.
    ///
    /// # Errors
    /// When git cannot be run.
    pub async fn merge_base(
        &self,
        id: &str,
        one: &str,
        two: &str,
    ) -> Result<Option<String>, GitError> {
        let output = self.run(id, ["merge-base", one, two], b"").await?;
        if output.code == 1 {
            return Ok(None);
        }
        let out = String::from_utf8_lossy(&output.must("merge-base")?)
            .trim()
            .to_owned();
        Ok(is_object(&out).then_some(out))
    }
}

/// `<mode> <kind> <id>\t<path>\0…`
fn entries(out: &[u8]) -> impl Iterator<Item = (String, Entry)> {
    out.split(|b| *b == 0).filter_map(|line| {
        let line = String::from_utf8_lossy(line);
        let (head, path) = line.split_once('\t')?;
        let mut parts = head.split(' ');
        let (mode, _, id) = (parts.next()?, parts.next()?, parts.next()?);
        let entry = Entry {
            mode: mode.to_owned(),
            id: id.to_owned(),
        };
        Some((path.to_owned(), entry))
    })
}

/// Reads a commit as git stores it.
fn parse(id: &str, text: &str) -> Commit {
    let (head, message) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut commit = Commit {
        id: id.to_owned(),
        message: message.to_owned(),
        ..Commit::default()
    };
    for line in head.lines() {
        match line.split_once(' ') {
            Some(("tree", tree)) => commit.tree = tree.to_owned(),
            Some(("parent", parent)) => commit.parents.push(parent.to_owned()),
            Some(("author", who)) => commit.author = person(who),
            Some(("committer", who)) => commit.committer = person(who),
            _ => commit.further += &format!("{line}\n"),
        }
    }
    commit
}

fn person(text: &str) -> Person {
    let (name, rest) = text.split_once('<').unwrap_or((text, ""));
    let (email, date) = rest.rsplit_once('>').unwrap_or((rest, ""));
    Person {
        name: name.trim().to_owned(),
        email: email.to_owned(),
        date: date.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_read() {
        let text = "tree 1\nparent 2\nparent 3\nauthor Ann B <a@x> 17 +0100\ncommitter C <> 18 +0000\n\
                    gpgsig -----BEGIN\n more\n\nsubject\n\nbody\n";
        let read = parse("0", text);
        assert_eq!((read.tree.as_str(), read.parents.len()), ("1", 2));
        assert_eq!(
            (read.author.name.as_str(), read.author.email.as_str()),
            ("Ann B", "a@x")
        );
        assert_eq!(read.author.date, "17 +0100");
        assert_eq!(read.message, "subject\n\nbody\n");
        assert_eq!(read.further, "gpgsig -----BEGIN\n more\n");
    }

    #[test]
    fn only_names_are_asked_for() {
        assert_eq!(
            revisions("main"),
            ["refs/heads/main^{commit}", "refs/tags/main^{commit}"]
        );
        assert_eq!(revisions("refs/heads/a"), ["refs/heads/a^{commit}"]);
        for bad in [
            "",
            "a b",
            "a^",
            "main~1",
            ":/x",
            "@{-1}",
            "-x",
            "a..b",
            "refs/neargate/x",
        ] {
            assert!(revisions(bad).is_empty(), "{bad:?}");
        }
    }
}
