//! What a merge makes of three commits' files, file by file. Pure.
//!
//! Files that were renamed are one that went and one that came: where the other side changed such a file,
//! that is a conflict here.

use super::{Content, Edit};
use crate::git::objects::{Entry, Files};
use std::collections::BTreeSet;

/// One path that both sides changed, each in its own way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub path: String,
    pub base: Option<Entry>,
    pub source: Option<Entry>,
    pub destination: Option<Entry>,
}

/// What is to be done to the destination's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    pub edits: Vec<Edit>,
    pub conflicts: Vec<Conflict>,
}

impl Conflict {
    /// Could lines of it be merged?
    pub fn is_of_files(&self) -> bool {
        let is_file =
            |entry: &Option<Entry>| entry.as_ref().is_some_and(|e| e.mode.starts_with("100"));
        is_file(&self.source) && is_file(&self.destination) && is_file(&self.base)
    }

    /// One is a file and the other is none.
    pub fn is_of_types(&self) -> bool {
        let kind =
            |entry: &Option<Entry>| entry.as_ref().map(|e| e.mode.get(..2).map(str::to_owned));
        matches!((kind(&self.source), kind(&self.destination)), (Some(s), Some(d)) if s != d)
    }

    pub fn is_of_modes(&self) -> bool {
        let mode = |entry: &Option<Entry>| entry.as_ref().map(|e| e.mode.clone());
        let (source, destination) = (mode(&self.source), mode(&self.destination));
        source.is_some() && destination.is_some() && source != destination && !self.is_of_types()
    }

    pub fn is_of_contents(&self) -> bool {
        let id = |entry: &Option<Entry>| entry.as_ref().map(|e| e.id.clone());
        id(&self.source) != id(&self.destination)
    }

    /// Takes one side's file as it is, or that there is none.
    pub fn take(&self, side: Option<&Entry>) -> Edit {
        match side {
            Some(entry) => put(&self.path, entry),
            None => Edit::Delete {
                path: self.path.clone(),
            },
        }
    }
}

fn put(path: &str, entry: &Entry) -> Edit {
    Edit::Put {
        path: path.to_owned(),
        mode: entry.mode.clone(),
        content: Content::Blob(entry.id.clone()),
    }
}

/// Merges `source` into `destination`.
pub fn merge(base: &Files, source: &Files, destination: &Files) -> Merged {
    let mut merged = Merged::default();
    let paths: BTreeSet<&String> = base
        .keys()
        .chain(source.keys())
        .chain(destination.keys())
        .collect();
    let mut after: BTreeSet<&str> = BTreeSet::new();
    for path in paths {
        let (b, s, d) = (base.get(path), source.get(path), destination.get(path));
        let stays = if s == d || s == b {
            d.is_some()
        } else if d == b {
            merged.edits.push(match s {
                Some(entry) => put(path, entry),
                None => Edit::Delete { path: path.clone() },
            });
            s.is_some()
        } else {
            merged.conflicts.push(Conflict {
                path: path.clone(),
                base: b.cloned(),
                source: s.cloned(),
                destination: d.cloned(),
            });
            d.is_some()
        };
        if stays {
            after.insert(path);
        }
    }
    beside(&mut merged, &after, source, destination);
    merged
}

/// A file of one side where the other has a folder: neither can be without the other going.
fn beside(merged: &mut Merged, after: &BTreeSet<&str>, source: &Files, destination: &Files) {
    let mut torn = BTreeSet::new();
    for path in after {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        torn.extend(folders.filter(|folder| after.contains(folder)));
    }
    let known: BTreeSet<String> = merged.conflicts.iter().map(|c| c.path.clone()).collect();
    for path in torn.into_iter().filter(|path| !known.contains(*path)) {
        let folder = |files: &Files| {
            let within = format!("{path}/");
            let below = files.range(within.clone()..).next();
            below
                .filter(|(at, _)| at.starts_with(&within))
                .map(|_| Entry {
                    mode: "040000".into(),
                    id: String::new(),
                })
        };
        merged.conflicts.push(Conflict {
            path: path.to_owned(),
            base: None,
            source: source.get(path).cloned().or_else(|| folder(source)),
            destination: destination
                .get(path)
                .cloned()
                .or_else(|| folder(destination)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(all: &[(&str, &str)]) -> Files {
        let entry = |content: &str| Entry {
            mode: "100644".into(),
            id: content.to_owned(),
        };
        all.iter()
            .map(|(path, content)| ((*path).to_owned(), entry(content)))
            .collect()
    }

    fn conflicts(merged: &Merged) -> Vec<&str> {
        merged.conflicts.iter().map(|c| c.path.as_str()).collect()
    }

    #[test]
    fn each_sides_changes_come_together() {
        let base = files(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]);
        let source = files(&[("a", "2"), ("b", "1"), ("d", "3"), ("e", "1")]);
        let destination = files(&[("a", "1"), ("b", "2"), ("c", "1"), ("d", "3")]);
        let merged = merge(&base, &source, &destination);
        assert!(merged.conflicts.is_empty());
        let done: Vec<&str> = merged
            .edits
            .iter()
            .map(|edit| match edit {
                Edit::Put { path, .. } | Edit::Delete { path } => path.as_str(),
            })
            .collect();
        assert_eq!(done, ["a", "c", "e"]);
    }

    #[test]
    fn what_both_changed_is_a_conflict() {
        let base = files(&[("both", "1"), ("gone", "1")]);
        let source = files(&[("both", "2"), ("gone", "2"), ("new", "1")]);
        let destination = files(&[("both", "3"), ("new", "2")]);
        let merged = merge(&base, &source, &destination);
        assert_eq!(conflicts(&merged), ["both", "gone", "new"]);
        assert!(merged.conflicts[0].is_of_files() && !merged.conflicts[1].is_of_files());
    }

    #[test]
    fn a_file_where_the_other_has_a_folder_is_a_conflict() {
        let merged = merge(&files(&[]), &files(&[("x", "1")]), &files(&[("x/y", "1")]));
        assert_eq!(conflicts(&merged), ["x"]);
        assert!(merged.conflicts[0].is_of_types());
    }
}
