//! The installation's id: names this Neargate's bridge, cgroups and tables on the host.

use anyhow::{Context, Result, bail};
use neargate_base::Rng;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The file of the data directory that holds the id. Its name is older than the word.
pub const FILE: &str = "instance";

/// Eight hexadecimal digits, drawn at the first start and kept in the data directory.
///
/// # Errors
/// The directory cannot be made, is another user's, or holds other things.
pub fn id(data: &Path, rng: &Rng) -> Result<String> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    is_ours(data)?;
    // Ledgers, logs and images hold what tasks keep secret.
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot protect {}", data.display()))?;
    let path = data.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(id) if id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()) => return Ok(id),
        Ok(_) => bail!("{} does not hold an instance id", path.display()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).with_context(|| format!("cannot read {}", path.display())),
    }
    let id = rng.hex(8);
    write_once(&path, &id)?;
    Ok(id)
}

/// The directory becomes private, and is Neargate's to tidy: it must not be one of somebody's that
/// was named by mistake.
fn is_ours(data: &Path) -> Result<()> {
    let (name, here) = (data.display(), || format!("cannot read {}", data.display()));
    let owner = std::fs::metadata(data).with_context(here)?.uid();
    let own = rustix::process::geteuid().as_raw();
    if owner != own {
        bail!(
            "{name} belongs to another user (uid {owner}, not {own}): name another directory with \
             --data, or make it this user's (chown {own} {name})"
        );
    }
    if data.join(FILE).exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(data).with_context(here)? {
        let entry = entry.with_context(here)?.file_name();
        let entry = entry.to_string_lossy();
        // What a file system begins with, and what a start that was killed leaves.
        if entry != "lost+found" && !entry.starts_with(".tmp") {
            bail!(
                "{name} holds other things ({entry}) and no Neargate: name an empty or a new \
                 directory with --data"
            );
        }
    }
    Ok(())
}

/// A file that is there whole or not at all, whenever the process or the machine ends; only
/// its owner reads it.
pub fn write_once(path: &Path, text: &str) -> Result<()> {
    let dir = path.parent().expect("a file in the data directory");
    let written = tempfile::NamedTempFile::new_in(dir).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist_noclobber(path)?;
        std::fs::File::open(dir)?.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// [`write_once`], where there may be an older one.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    let dir = path.parent().expect("a file in the data directory");
    let written = tempfile::NamedTempFile::new_in(dir).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        std::fs::File::open(dir)?.sync_all()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;

    #[test]
    fn the_id_stays_and_the_directory_is_private() {
        let dir = tempfile::tempdir().expect("scratch");
        let (data, rng) = (dir.path().join("data"), Rng::seeded(1));
        let first = id(&data, &rng).expect("made");
        assert_eq!(id(&data, &rng).expect("read"), first);
        let mode = std::fs::metadata(&data).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(
            write_once(&data.join(FILE), "other").is_err(),
            "never replaced"
        );
        std::fs::write(data.join(FILE), "").expect("written");
        assert!(id(&data, &rng).is_err());
    }

    #[test]
    fn a_directory_with_other_things_stays_as_it_is() {
        let dir = tempfile::tempdir().expect("scratch");
        std::fs::create_dir(dir.path().join("lost+found")).expect("made");
        std::fs::write(dir.path().join("letter"), "").expect("written");
        let mode = Permissions::from_mode(0o755);
        std::fs::set_permissions(dir.path(), mode.clone()).expect("set");
        let refused = id(dir.path(), &Rng::seeded(1)).expect_err("a letter");
        assert!(refused.to_string().contains("(letter)"), "{refused}");
        let now = std::fs::metadata(dir.path()).expect("there").permissions();
        assert_eq!(now.mode() & 0o777, 0o755);
        std::fs::remove_file(dir.path().join("letter")).expect("removed");
        id(dir.path(), &Rng::seeded(1)).expect("as good as empty");
    }
}
