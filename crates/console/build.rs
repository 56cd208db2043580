//! Lists what `tools/console` has packed, so that the binary holds it. Without Node nothing is packed,
//! and the list is empty.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let var = |name: &str| PathBuf::from(std::env::var(name).expect("cargo sets it"));
    let bundle = var("CARGO_MANIFEST_DIR").join("../../console/bundle");
    println!("cargo::rerun-if-changed={}", bundle.display());
    let mut files = Vec::new();
    walk(&bundle, &bundle, &mut files);
    files.sort();
    let mut table = String::from("&[\n");
    for (name, path) in files {
        writeln!(table, "    ({name:?}, include_bytes!({path:?})),").expect("in memory");
    }
    table.push_str("]\n");
    std::fs::write(var("OUT_DIR").join("files.rs"), table).expect("cargo made OUT_DIR");
}

/// Every packed file below `at`: its name without `.gz`, and where it is.
fn walk(root: &Path, at: &Path, files: &mut Vec<(String, PathBuf)>) {
    let Ok(entries) = std::fs::read_dir(at) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(root, &path, files);
        } else if path.extension().is_some_and(|e| e == "gz") {
            let name = path.strip_prefix(root).expect("below it");
            let name = name.with_extension("");
            files.push((name.to_string_lossy().into_owned(), path));
        }
    }
}
