//! Which version last wrote a data directory. An older program does not know what a newer one wrote,
//! so it refuses to start on it.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// This program's.
pub const OWN: &str = env!("CARGO_PKG_VERSION");

const FILE: &str = "written-by";

fn path(data: &Path) -> PathBuf {
    data.join(FILE)
}

/// The version that last ran on this directory. `None`: none, or one from before this was noted.
///
/// # Errors
/// It cannot be read.
pub fn last(data: &Path) -> Result<Option<String>> {
    let path = path(data);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Is the first version newer than the second? What is no version is newer than all.
pub fn is_newer(one: &str, other: &str) -> bool {
    let parts = |text: &str| {
        let numbers = text.split(['.', '-', '+']).take(3);
        let numbers: Result<Vec<u64>, _> = numbers.map(str::parse).collect();
        numbers.unwrap_or_else(|_| vec![u64::MAX])
    };
    parts(one) > parts(other)
}

/// Refuses a directory that a newer program wrote.
///
/// # Errors
/// It did, or it cannot be told.
pub fn check(data: &Path) -> Result<()> {
    if let Some(last) = last(data)?
        && is_newer(&last, OWN)
    {
        bail!(
            "Neargate {last} has run on {}, and this is {OWN}, which is older and does not know all \
             that it may have written: install {last} again, or restore a backup that {OWN} made",
            data.display()
        );
    }
    Ok(())
}

/// This program runs on the directory from now on.
///
/// # Errors
/// A newer one did, or it cannot be written.
pub fn note(data: &Path) -> Result<()> {
    check(data)?;
    if last(data)?.as_deref() == Some(OWN) {
        return Ok(());
    }
    let path = path(data);
    let written = tempfile::NamedTempFile::new_in(data).and_then(|mut file| {
        writeln!(file, "{OWN}")?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        std::fs::File::open(data)?.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (one, other, newer) in [
            ("0.2.0", "0.1.9", true),
            ("0.10.0", "0.9.0", true),
            ("1.0.0", "1.0.0", false),
            ("0.1.0", "0.2.0", false),
            ("nonsense", "9.9.9", true),
        ] {
            assert_eq!(is_newer(one, other), newer, "{one} {other}");
        }
    }

    #[test]
    fn a_newer_programs_directory_is_refused() {
        let dir = tempfile::tempdir().expect("scratch");
        note(dir.path()).expect("a new one");
        assert_eq!(last(dir.path()).expect("read").as_deref(), Some(OWN));
        std::fs::write(path(dir.path()), "99.0.0\n").expect("written");
        let why = note(dir.path()).expect_err("newer").to_string();
        assert!(why.starts_with("Neargate 99.0.0 has run on"), "{why}");
        assert_eq!(last(dir.path()).expect("read").as_deref(), Some("99.0.0"));
    }
}
