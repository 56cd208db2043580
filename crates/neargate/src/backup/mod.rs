//! `neargate backup`, `neargate restore` and `neargate upgrade`: the data directory as one file.
//!
//! A copy of a running Neargate is what a `kill -9` at one moment would have left (`freeze` stops the
//! process while files are read that change); to start from that is what every start can do. Nothing is
//! in it that is got or made again: pulled images, the builder's cache, containers that run.

mod freeze;
mod manifest;
mod pack;
mod unpack;

use crate::running::Which;
use crate::version;
use crate::view::{bytes, say, span};
use anyhow::{Result, bail, ensure};
use manifest::Manifest;
use neargate_base::time::Stopwatch;
use std::path::PathBuf;

/// Copy all state into one file, while Neargate runs or after it has ended.
///
/// State, images that were pushed, logs, metrics, queues, buckets, repositories, file systems. Its API
/// pauses for as long as files that change are read; tasks and load balancers go on.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The file holds every secret, and the root key where that lies in the data directory: only root can
read it. Pulled images, the builder's cache and running containers are not in it.

Examples:
  sudo neargate backup /var/backups/neargate.tar.zst
  sudo neargate restore /var/backups/neargate.tar.zst"
)]
pub struct Backup {
    /// The file to write, a tar archive compressed with zstd
    file: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    which: Which,
}

/// Put a backup's state where an ended Neargate keeps its own.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What was there is set aside with --force, and never deleted. A backup of a newer Neargate is refused."
)]
pub struct Restore {
    /// What `neargate backup` wrote
    file: PathBuf,
    /// Set the state aside that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    which: Which,
}

/// Say whether this program takes the state that is there.
#[derive(Debug, clap::Args)]
pub struct Upgrade {
    /// Only look: nothing is changed
    #[arg(long, required = true)]
    check: bool,
    #[command(flatten)]
    which: Which,
}

fn only_root() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the data directory is root's alone: start it with sudo"
    );
    Ok(())
}

impl Backup {
    pub fn run(self) -> Result<()> {
        only_root()?;
        let found = self.which.find()?;
        let data = found.config.data;
        if !data.join(crate::installation::FILE).exists() {
            bail!(
                "no Neargate has run on {}: is --data right?",
                data.display()
            );
        }
        if self.file.exists() && !self.force {
            bail!(
                "{} is there: give --force to write over it",
                self.file.display()
            );
        }
        version::check(&data)?;
        let made = pack::pack(&data, found.process, &self.file)?;
        let paused = match found.process {
            Some(_) => format!("; the API paused for {}", span(made.paused)),
            None => String::new(),
        };
        say(&format!(
            "{}: {} files, {} in {}{paused}",
            self.file.display(),
            made.files,
            bytes(made.bytes),
            data.display()
        ));
        Ok(())
    }
}

impl Restore {
    pub fn run(self) -> Result<()> {
        only_root()?;
        let found = self.which.find()?;
        if let Some(process) = found.process {
            bail!(
                "Neargate runs on {} (process {process}): end it first, and stop its tasks with `neargate down`",
                found.config.data.display()
            );
        }
        let watch = Stopwatch::start();
        let restored = unpack::unpack(&self.file, &found.config.data, self.force)?;
        let Manifest {
            neargate, made_at, ..
        } = &restored.manifest;
        say(&format!(
            "{} is what Neargate {neargate} kept at {made_at}: {} files in {}",
            found.config.data.display(),
            restored.files,
            span(watch.elapsed())
        ));
        if let Some(aside) = restored.aside {
            say(&format!("what was there is in {}", aside.display()));
        }
        Ok(())
    }
}

impl Upgrade {
    pub fn run(self) -> Result<()> {
        let found = self.which.find()?;
        let data = found.config.data;
        let shown = data.display();
        if !data.join(crate::installation::FILE).exists() {
            say(&format!(
                "{shown}: no Neargate has run there; {} begins anew",
                version::OWN
            ));
            return Ok(());
        }
        let last = version::last(&data)?;
        version::check(&data)?;
        match last.as_deref() {
            Some(last) if last == version::OWN => {
                say(&format!("{shown}: {last} has run on it, and so is this"));
            }
            last => say(&format!(
                "{shown}: {} takes the state of {}. Make a backup first: an older program refuses it afterwards.",
                version::OWN,
                last.unwrap_or("an earlier version")
            )),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
