//! What the changes of `CreateCommit`, `PutFile` and `DeleteFile` make of a commit's files. Pure.

use super::{Content, Edit};
use crate::git::objects::{Entry, Files};
use bytes::Bytes;
use std::collections::BTreeSet;

/// What keeps a folder that would be empty.
const KEEPER: &str = ".gitkeep";

/// What a caller asks for.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub puts: Vec<Put>,
    pub deletes: Vec<String>,
    /// Paths and modes.
    pub modes: Vec<(String, String)>,
    pub keep_empty_folders: bool,
}

/// A file that is to be there.
#[derive(Debug, Clone)]
pub struct Put {
    pub path: String,
    pub mode: Option<String>,
    pub from: From,
}

/// Where a file's content is from.
#[derive(Debug, Clone)]
pub enum From {
    Bytes(Bytes),
    /// Another file of the parent, which goes if it is moved.
    File {
        path: String,
        moves: bool,
    },
}

/// What is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    Nothing,
    SamePath,
    NoFile,
    /// A file would be where a folder is.
    IsFolder,
    /// A folder would be where a file is.
    IsFile,
    IsSubmodule,
    /// A file and a folder of one name are asked for.
    Both,
    Restricted,
}

/// What becomes of the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    pub edits: Vec<Edit>,
    pub added: Vec<(String, Entry)>,
    pub updated: Vec<(String, Entry)>,
    pub deleted: Vec<(String, Entry)>,
}

/// Decides what to do to `files`.
///
/// # Errors
/// When it cannot be done, or would do nothing.
pub fn plan(files: &Files, wanted: &Wanted) -> Result<Planned, Wrong> {
    let mut named = BTreeSet::new();
    let mut once = |path: &str| match named.insert(path.to_owned()) {
        true => Ok(()),
        false => Err(Wrong::SamePath),
    };
    let (mut after, mut gone) = (files.clone(), Vec::new());
    let mut contents = std::collections::BTreeMap::new();
    let there = |path: &str| files.get(path).cloned().ok_or(Wrong::NoFile);
    for path in &wanted.deletes {
        once(path)?;
        there(path)?;
        after.remove(path);
        gone.push(path.clone());
    }
    for put in &wanted.puts {
        once(&put.path)?;
        let (content, mode) = match &put.from {
            From::Bytes(bytes) => (Content::Bytes(bytes.clone()), None),
            From::File { path, moves } => {
                let entry = there(path)?;
                if path.rsplit('/').next() == Some(KEEPER) {
                    return Err(Wrong::Restricted);
                }
                if *moves {
                    once(path)?;
                    after.remove(path);
                    gone.push(path.clone());
                }
                (Content::Blob(entry.id), Some(entry.mode))
            }
        };
        let mode = put.mode.clone().or(mode);
        let mode = mode.or_else(|| files.get(&put.path).map(|e| e.mode.clone()));
        let entry = Entry {
            mode: mode.unwrap_or_else(|| "100644".into()),
            id: content.id(),
        };
        contents.insert(put.path.clone(), content);
        after.insert(put.path.clone(), entry);
    }
    for (path, mode) in &wanted.modes {
        once(path)?;
        let entry = Entry {
            mode: mode.clone(),
            ..there(path)?
        };
        contents.insert(path.clone(), Content::Blob(entry.id.clone()));
        after.insert(path.clone(), entry);
    }
    if wanted.keep_empty_folders {
        keep_folders(&mut after, &gone, &mut contents);
    }
    check(files, &after, &contents)?;
    let planned = compare(files, &after, &contents);
    match planned.edits.is_empty() {
        true => Err(Wrong::Nothing),
        false => Ok(planned),
    }
}

fn keep_folders(
    after: &mut Files,
    gone: &[String],
    contents: &mut std::collections::BTreeMap<String, Content>,
) {
    for path in gone {
        let Some((folder, name)) = path.rsplit_once('/') else {
            continue;
        };
        let within = format!("{folder}/");
        let is_empty = !has_below(after, &within);
        if is_empty && name != KEEPER {
            let content = Content::Bytes(Bytes::new());
            let entry = Entry {
                mode: "100644".into(),
                id: content.id(),
            };
            let keeper = format!("{within}{KEEPER}");
            contents.insert(keeper.clone(), content);
            after.insert(keeper, entry);
        }
    }
}

fn has_below(files: &Files, within: &str) -> bool {
    let next = files.range(within.to_owned()..).next();
    next.is_some_and(|(path, _)| path.starts_with(within))
}

/// May these files be beside all others?
fn check(
    before: &Files,
    after: &Files,
    contents: &std::collections::BTreeMap<String, Content>,
) -> Result<(), Wrong> {
    for path in contents.keys() {
        if has_below(after, &format!("{path}/")) {
            let asked = contents
                .keys()
                .any(|other| other.starts_with(&format!("{path}/")));
            return Err(if asked { Wrong::Both } else { Wrong::IsFolder });
        }
        if before.get(path).is_some_and(|entry| entry.mode == "160000") {
            return Err(Wrong::IsSubmodule);
        }
        let parts = path.match_indices('/').map(|(at, _)| &path[..at]);
        for folder in parts {
            match after.get(folder) {
                Some(entry) if entry.mode == "160000" => return Err(Wrong::IsSubmodule),
                Some(_) if contents.contains_key(folder) => return Err(Wrong::Both),
                Some(_) => return Err(Wrong::IsFile),
                None => {}
            }
        }
    }
    Ok(())
}

fn compare(
    before: &Files,
    after: &Files,
    contents: &std::collections::BTreeMap<String, Content>,
) -> Planned {
    let mut planned = Planned::default();
    for (path, entry) in before {
        if !after.contains_key(path) {
            planned.edits.push(Edit::Delete { path: path.clone() });
            planned.deleted.push((path.clone(), entry.clone()));
        }
    }
    for (path, content) in contents {
        let Some(entry) = after.get(path) else {
            continue;
        };
        let was = before.get(path);
        if was == Some(entry) {
            continue;
        }
        planned.edits.push(Edit::Put {
            path: path.clone(),
            mode: entry.mode.clone(),
            content: content.clone(),
        });
        let list = match was {
            Some(_) => &mut planned.updated,
            None => &mut planned.added,
        };
        list.push((path.clone(), entry.clone()));
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(content: &str) -> Entry {
        Entry {
            mode: "100644".into(),
            id: super::super::blob_id(content.as_bytes()),
        }
    }

    fn files() -> Files {
        [("a", "a"), ("dir/b", "b"), ("dir/c", "c"), ("one/d", "d")]
            .map(|(path, content)| (path.to_owned(), entry(content)))
            .into()
    }

    fn put(path: &str, content: &str) -> Put {
        Put {
            path: path.into(),
            mode: None,
            from: From::Bytes(content.to_owned().into()),
        }
    }

    fn puts(all: &[(&str, &str)]) -> Wanted {
        Wanted {
            puts: all
                .iter()
                .map(|(path, content)| put(path, content))
                .collect(),
            ..Wanted::default()
        }
    }

    fn of(list: &[(String, Entry)]) -> Vec<&str> {
        list.iter().map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn files_come_change_and_go() {
        let wanted = Wanted {
            deletes: vec!["one/d".into()],
            modes: vec![("dir/b".into(), "100755".into())],
            ..puts(&[("a", "new"), ("x/y", "y")])
        };
        let planned = plan(&files(), &wanted).unwrap();
        assert_eq!(of(&planned.added), ["x/y"]);
        assert_eq!(of(&planned.updated), ["a", "dir/b"]);
        assert_eq!(of(&planned.deleted), ["one/d"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let wrong = |wanted: &Wanted| plan(&files(), wanted).unwrap_err();
        assert_eq!(wrong(&puts(&[("a", "a")])), Wrong::Nothing);
        assert_eq!(wrong(&puts(&[("dir", "x")])), Wrong::IsFolder);
        assert_eq!(wrong(&puts(&[("a/x", "x")])), Wrong::IsFile);
        assert_eq!(wrong(&puts(&[("n", "x"), ("n/y", "y")])), Wrong::Both);
        assert_eq!(wrong(&puts(&[("n", "x"), ("n", "y")])), Wrong::SamePath);
        let none = Wanted {
            deletes: vec!["none".into()],
            ..Wanted::default()
        };
        assert_eq!(wrong(&none), Wrong::NoFile);
    }

    #[test]
    fn files_move_and_folders_are_kept() {
        let moved = Put {
            from: From::File {
                path: "one/d".into(),
                moves: true,
            },
            ..put("two/d", "")
        };
        let wanted = Wanted {
            puts: vec![moved],
            keep_empty_folders: true,
            ..Wanted::default()
        };
        let planned = plan(&files(), &wanted).unwrap();
        assert_eq!(of(&planned.added), ["one/.gitkeep", "two/d"]);
        assert_eq!(planned.added[1].1, entry("d"));
        assert_eq!(of(&planned.deleted), ["one/d"]);
    }
}
