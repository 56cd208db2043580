//! Which Neargates run on this host, and which have: a record each under `/run/neargate`, so that
//! commands find the one that runs without being told its flags. The record of a running one is
//! locked, and locks end with their process; but whoever may read a file may lock it, so the record
//! also says when its process started. A file that was left behind is never taken for one that
//! runs. It holds no secret, and everybody may read it.

mod alive;
mod which;

pub use which::{Which, is_same};

use crate::config::Config;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::{File, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// One Neargate: what it was started with, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// As it is in effect: `listen` has the port that was bound.
    pub config: Config,
    pub process: u32,
    /// Its start, which no later process of that id has. `None`: written by an older Neargate.
    #[serde(default)]
    start_ticks: Option<u64>,
    /// Its network namespace, as `/proc/PID/ns/net` names it.
    network: String,
    #[serde(skip)]
    pub runs: bool,
}

impl Record {
    /// Can it be reached at its address from here?
    pub fn is_here(&self) -> bool {
        self.network == own_network()
    }
}

fn own_network() -> String {
    let link = std::fs::read_link("/proc/self/ns/net").unwrap_or_default();
    link.to_string_lossy().into_owned()
}

/// The records of a host.
#[derive(Debug)]
pub struct Records(PathBuf);

/// The lock on the record of this process.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    _locked: File,
}

impl Records {
    pub fn of_this_host() -> Records {
        Records(crate::machine::RUN_DIR.into())
    }

    /// Makes it known that this process runs the Neargate of that installation.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&self, installation: &str, config: &Config) -> Result<Held> {
        let record = Record {
            config: config.clone(),
            process: std::process::id(),
            start_ticks: alive::start_ticks(std::process::id()),
            network: own_network(),
            runs: true,
        };
        let path = self.0.join(format!("{installation}.json"));
        let write = || -> std::io::Result<File> {
            std::fs::create_dir_all(&self.0)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            // Nobody else can have opened it before it has its name.
            file.as_file().lock()?;
            serde_json::to_writer(&mut file, &record)?;
            file.flush()?;
            file.as_file()
                .set_permissions(Permissions::from_mode(0o644))?;
            Ok(file.persist(&path)?)
        };
        let locked = write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Held {
            path,
            _locked: locked,
        })
    }

    /// All there are, of all network namespaces.
    pub fn all(&self) -> Vec<Record> {
        let entries = std::fs::read_dir(&self.0).into_iter().flatten().flatten();
        let paths = entries.map(|e| e.path());
        let records = paths.filter(|p| p.extension().is_some_and(|e| e == "json"));
        records.filter_map(|path| read(&path)).collect()
    }

    /// What the one that runs in this network namespace was started with.
    pub fn here(&self) -> Option<Config> {
        let running = |r: &Record| r.runs && r.is_here();
        self.all().into_iter().find(running).map(|r| r.config)
    }

    /// Forgets what is known of one that has ended and left no tasks.
    pub fn forget(&self, installation: &str) {
        let _ = std::fs::remove_file(self.0.join(format!("{installation}.json")));
    }
}

impl Held {
    /// This process ends. Where tasks go on the record stays, so that `neargate down` finds them.
    pub fn end(self, tasks_go_on: bool) {
        if !tasks_go_on {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// `None`: it is not there any more, or nobody's.
fn read(path: &Path) -> Option<Record> {
    let file = File::open(path).ok()?;
    let mut record: Record = serde_json::from_reader(&file).ok()?;
    let locked = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    record.runs = locked
        && record
            .start_ticks
            .is_none_or(|ticks| alive::is(record.process, ticks));
    // What ended and was deleted has nothing to tell.
    let known = record.runs || record.config.data.join(crate::installation::FILE).exists();
    known.then_some(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_is_said_to_run() {
        let dir = tempfile::tempdir().expect("scratch");
        let records = Records(dir.path().join("run"));
        assert!(records.all().is_empty());
        let config = Config {
            data: dir.path().into(),
            ..Config::default()
        };
        let held = records.begin("00000001", &config).expect("written");
        let [record] = &*records.all() else {
            panic!("one record");
        };
        assert!(record.runs && record.is_here());
        assert_eq!(
            (record.process, &record.config),
            (std::process::id(), &config)
        );

        // It ends: with nothing under its directory nothing of it is known.
        held.end(true);
        assert!(records.all().is_empty());
        std::fs::write(dir.path().join(crate::installation::FILE), "00000001").expect("written");
        assert!(matches!(&*records.all(), [r] if !r.runs));
        std::fs::write(dir.path().join("run/x.json"), "{").expect("written");
        assert_eq!(records.all().len(), 1, "what cannot be read is nobody's");

        let again = records.begin("00000001", &config).expect("written anew");
        assert!(matches!(&*records.all(), [r] if r.runs));
        again.end(false);
        assert!(records.all().is_empty());
    }

    #[test]
    fn a_lock_that_somebody_else_holds_makes_nothing_run() {
        let dir = tempfile::tempdir().expect("scratch");
        std::fs::write(dir.path().join(crate::installation::FILE), "00000001").expect("written");
        let records = Records(dir.path().join("run"));
        let config = Config {
            data: dir.path().into(),
            ..Config::default()
        };
        let path = records
            .begin("00000001", &config)
            .expect("written")
            .path
            .clone();
        let locked_with = |record: &Record| {
            std::fs::write(&path, serde_json::to_vec(record).expect("JSON")).expect("written");
            // As anybody can: to lock a file takes no right to write it.
            let reader = File::open(&path).expect("opened");
            reader.lock().expect("locked");
            records.all()
        };
        let [left] = &*records.all() else {
            panic!("one record");
        };
        assert!(!left.runs);
        let mut left = left.clone();
        assert!(
            matches!(&*locked_with(&left), [r] if r.runs),
            "it is this process"
        );
        left.start_ticks = left.start_ticks.map(|ticks| ticks - 1);
        assert!(
            matches!(&*locked_with(&left), [r] if !r.runs),
            "its id is used anew"
        );
        left.process = u32::MAX >> 1;
        assert!(
            matches!(&*locked_with(&left), [r] if !r.runs),
            "it has ended"
        );
    }
}
