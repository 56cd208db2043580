//! From the file to the data directory: beside it first, and in its place only when it is whole.

use super::manifest::{END, Manifest, NAME, ROOT};
use super::pack::with_suffix;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tar::Archive;

/// No manifest is larger.
const LARGEST_MANIFEST: u64 = 64 << 10;

#[derive(Debug)]
pub struct Restored {
    pub manifest: Manifest,
    pub files: u64,
    /// Where that is which was there.
    pub aside: Option<PathBuf>,
}

/// # Errors
/// The file is no whole backup, or of a newer program; or there is state, and no `force`.
pub fn unpack(file: &Path, data: &Path, force: bool) -> Result<Restored> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let is_there = match fs::read_dir(data) {
        Ok(mut entries) => entries.any(|entry| entry.is_ok_and(|e| e.file_name() != "lost+found")),
        Err(e) if e.kind() == ErrorKind::NotFound => false,
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", data.display())),
    };
    if is_there && !force {
        bail!(
            "{} has state: give --force to set that aside, or another directory with --data",
            data.display()
        );
    }
    let beside = with_suffix(data, ".restoring");
    let _ = fs::remove_dir_all(&beside);
    let read = read(opened, &beside).with_context(|| format!("in {}", file.display()));
    let (manifest, files) = match read {
        Ok(read) => read,
        Err(error) => {
            let _ = fs::remove_dir_all(&beside);
            return Err(error);
        }
    };
    let aside = is_there.then(|| free_name(data));
    let moved = match &aside {
        Some(aside) => fs::rename(data, aside),
        // An empty one gives way.
        None => Ok(()),
    };
    moved
        .and_then(|()| fs::rename(beside.join(ROOT), data))
        .with_context(|| {
            format!(
                "cannot put it in the place of {}: is that a file system of its own? It is whole in {}",
                data.display(),
                beside.join(ROOT).display()
            )
        })?;
    let _ = fs::remove_dir_all(&beside);
    let above = data.parent().filter(|dir| !dir.as_os_str().is_empty());
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(Restored {
        manifest,
        files,
        aside,
    })
}

fn read(file: File, beside: &Path) -> Result<(Manifest, u64)> {
    let no_backup = "it is no backup of Neargate";
    let decoder = zstd::Decoder::new(file).context(no_backup)?;
    let mut archive = Archive::new(decoder);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(true);
    archive.set_preserve_mtime(true);
    archive.set_overwrite(true);
    let mut entries = archive.entries().context(no_backup)?;
    let first = entries.next().context(no_backup)?.context(no_backup)?;
    ensure!(first.path()?.as_ref() == Path::new(NAME), no_backup);
    let mut text = String::new();
    first.take(LARGEST_MANIFEST).read_to_string(&mut text)?;
    let manifest: Manifest = serde_json::from_str(&text).context(no_backup)?;
    manifest.check()?;
    fs::create_dir(beside).with_context(|| format!("cannot make {}", beside.display()))?;
    fs::set_permissions(beside, Permissions::from_mode(0o700))?;
    let (mut files, mut is_whole) = (0, false);
    for entry in entries {
        let mut entry = entry.context("it is cut off")?;
        let path = entry.path()?.into_owned();
        if path == Path::new(END) {
            is_whole = true;
            continue;
        }
        ensure!(
            path.starts_with(ROOT),
            "it has {}, which is no state",
            path.display()
        );
        let is_file = entry.header().entry_type().is_file();
        let within = entry.unpack_in(beside);
        let within = within.with_context(|| format!("cannot write {}", path.display()))?;
        ensure!(within, "{} would lie elsewhere", path.display());
        files += u64::from(is_file);
    }
    ensure!(is_whole, "it is cut off: its end is missing");
    sync(beside)?;
    Ok((manifest, files))
}

/// All of it is on the disk before it takes its place.
fn sync(beside: &Path) -> Result<()> {
    let dir = File::open(beside)?;
    rustix::fs::syncfs(&dir).context("cannot write it to the disk")?;
    Ok(())
}

/// Where nothing lies yet.
fn free_name(data: &Path) -> PathBuf {
    let numbered = (1..).map(|n| with_suffix(data, &format!(".before-restore-{n}")));
    let mut free = numbered.filter(|name| fs::symlink_metadata(name).is_err());
    free.next().expect("there is always another number")
}
