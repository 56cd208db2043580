//! The first entry of a backup: what it is, and who can read it.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// Its place in the archive, before all others.
pub const NAME: &str = "neargate-backup.json";
/// The last entry: an archive without it was cut off.
pub const END: &str = "neargate-backup-end";
/// Where the files of the data directory are.
pub const ROOT: &str = "data";
/// The only layout so far. A program reads those up to its own.
pub const FORMAT: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub format: u32,
    /// The version that made it.
    pub neargate: String,
    pub installation: String,
    pub made_at: String,
}

impl Manifest {
    /// # Errors
    /// A newer program made it.
    pub fn check(&self) -> Result<()> {
        if self.format > FORMAT || crate::version::is_newer(&self.neargate, crate::version::OWN) {
            bail!(
                "Neargate {} made this backup (format {}), and this is {}, which is older: restore it with {} or a newer one",
                self.neargate,
                self.format,
                crate::version::OWN,
                self.neargate
            );
        }
        Ok(())
    }
}
