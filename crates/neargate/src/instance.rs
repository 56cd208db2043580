//! The instance id: names this Neargate's bridge, cgroups and tables on the host.

use anyhow::{Context, Result, bail};
use neargate_base::Rng;
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
    std::fs::write(&path, &id).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(id)
}
