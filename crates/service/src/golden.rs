//! Golden files: every stored form that was ever written, kept as a file that today's code must
//! still read. For tests only.
//!
//! `<dir>/<kind>.v<version>.json` holds a whole stored value, `{"v":1,"r":{…}}`, with every
//! optional member set. A change of a stored form fails here until [`Resource::VERSION`] is
//! raised, [`Resource::upgrade`] reads the older forms and a file pins the new one. A member that
//! may be missing can come without a new version: `<kind>.v<version>.<before-what>.json` then keeps
//! the form without it, which must still be read.

use crate::db::{self, Resource};
use neargate_store::Entry;
use serde_json::Value;
use std::path::Path;

/// Reads every file of `T`, at least one of each version; writing what the newest version's own
/// holds must give the same JSON again.
///
/// # Panics
/// When a file is missing, cannot be read as a `T`, or would be written differently.
pub fn check<T: Resource>(dir: impl AsRef<Path>) {
    let dir = dir.as_ref();
    for version in 1..=T::VERSION {
        let name = format!("{}.v{version}", T::KIND.replace('/', "."));
        let (golden, value) = read::<T>(&dir.join(format!("{name}.json")), version);
        if version == T::VERSION {
            let again: Value =
                serde_json::from_slice(&db::encode(&value)).expect("what is stored is JSON");
            assert!(
                again == golden,
                "the stored form of {} changed without a new version.\n golden {golden}\nwritten {again}",
                T::KIND
            );
        }
        for entry in std::fs::read_dir(dir).expect("a directory of golden files") {
            let path = entry.expect("listed").path();
            let file = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            let rest = file
                .strip_prefix(&name)
                .and_then(|r| r.strip_suffix(".json"));
            if rest.is_some_and(|before| before.starts_with('.')) {
                read::<T>(&path, version);
            }
        }
    }
}

/// The JSON of a file, and what today's code makes of it.
fn read<T: Resource>(path: &Path, version: u32) -> (Value, T) {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .unwrap_or_else(|e| panic!("{name}: {e}: pin each stored version"));
    let golden: Value = serde_json::from_str(&text).expect("golden files are JSON");
    assert_eq!(golden["v"], version, "{name} names its version");
    let entry = Entry {
        key: name.clone(),
        value: text.into(),
        create_revision: 1,
        mod_revision: 1,
        lease: None,
    };
    match db::decode::<T>(&entry) {
        Ok(stored) => (golden, stored.value),
        Err(e) => panic!("{name} can no longer be read: {:?}", e.source),
    }
}
