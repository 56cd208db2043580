//! The instance id: names this Neargate's bridge, cgroups and tables on the host.

use anyhow::{Context, Result, bail};
use neargate_base::Rng;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Eight hexadecimal digits, drawn at the first start and kept in the data directory.
pub fn id(data: &Path, rng: &Rng) -> Result<String> {
    std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    // Ledgers, logs and images hold what tasks keep secret.
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot protect {}", data.display()))?;
    let path = data.join("instance");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_and_the_directory_is_private() {
        let dir = tempfile::tempdir().expect("scratch");
        let (data, rng) = (dir.path().join("data"), Rng::seeded(1));
        let first = id(&data, &rng).expect("made");
        assert_eq!(id(&data, &rng).expect("read"), first);
        let mode = std::fs::metadata(&data).expect("made").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(
            write_once(&data.join("instance"), "other").is_err(),
            "never replaced"
        );
        std::fs::write(data.join("instance"), "").expect("written");
        assert!(id(&data, &rng).is_err());
    }
}
