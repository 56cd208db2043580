//! Golden files: every stored form that was ever written, kept as a file that today's code must
//! still read. For tests only.
//!
//! `<dir>/<kind>.v<version>.json` holds a whole stored value, `{"v":1,"r":{…}}`, with every
//! optional member set. A change of a stored form fails here until [`Resource::VERSION`] is
//! raised, [`Resource::upgrade`] reads the older forms and a file pins the new one.

use crate::db::{self, Resource};
use neargate_store::Entry;
use serde_json::Value;
use std::path::Path;

/// Reads every version's file of `T`; writing the newest again must give the same JSON.
///
/// # Panics
/// When a file is missing, cannot be read as a `T`, or would be written differently.
pub fn check<T: Resource>(dir: impl AsRef<Path>) {
    for version in 1..=T::VERSION {
        let name = format!("{}.v{version}.json", T::KIND.replace('/', "."));
        let path = dir.as_ref().join(&name);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("{}: {e}: pin each stored version", path.display()));
        let golden: Value = serde_json::from_str(&text).expect("golden files are JSON");
        assert_eq!(golden["v"], version, "{name} names its version");
        let entry = Entry {
            key: name.clone(),
            value: text.into(),
            create_revision: 1,
            mod_revision: 1,
            lease: None,
        };
        let stored = match db::decode::<T>(&entry) {
            Ok(stored) => stored,
            Err(e) => panic!("{name} can no longer be read: {:?}", e.source),
        };
        if version == T::VERSION {
            let again: Value =
                serde_json::from_slice(&db::encode(&stored.value)).expect("what is stored is JSON");
            assert!(
                again == golden,
                "the stored form of {} changed without a new version.\n golden {golden}\nwritten {again}",
                T::KIND
            );
        }
    }
}
