//! The ledger: one file per task with its assignment and the facts that could not be observed
//! again after a restart. A file is replaced whole (write, sync, rename, sync of the directory),
//! by the task's driver only.

use super::health::HealthState;
use super::restart::Runs;
use super::state::{ContainerState, Ended, Network, Once, Phase, TaskState};
use neargate_base::Timestamp;
use neargate_domain::{Assignment, Health, NetworkBinding, TaskStopped};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The form of the entries this version writes; older ones it still reads: what they lack has a
/// default.
const SCHEMA: u32 = 2;

/// Sequences start from the clock (in milliseconds, which is faster than any task reports). When
/// that was set back, they go on from the entry's; fewer than this were sent since its last write.
pub const SEQUENCE_GAP: u64 = 1024;

/// One task, as kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub schema: u32,
    /// Names the boot in which it was written: no container outlives it.
    pub boot_id: String,
    pub assignment: Assignment,
    pub sequence: u64,
    pub pull_started_at: Option<Timestamp>,
    pub pull_stopped_at: Option<Timestamp>,
    pub stopped: Option<TaskStopped>,
    /// In the assignment's order.
    pub containers: Vec<KeptContainer>,
}

/// One container, as kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KeptContainer {
    pub image_digest: Option<String>,
    pub stop_signal: i32,
    pub started_at: Option<Timestamp>,
    pub signalled_at: Option<Timestamp>,
    pub ended: Option<Ended>,
    /// Since schema 2.
    #[serde(default)]
    pub bindings: Vec<NetworkBinding>,
    /// The health that was last observed. Entries have it since schema 2.
    #[serde(default)]
    pub health: Health,
    /// Kept for a container that was started again, or is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Runs>,
}

impl Entry {
    /// The facts of `state` worth keeping.
    pub fn of(state: &TaskState, boot_id: &str) -> Entry {
        let kept = |c: &ContainerState| {
            let (started_at, ended) = match &c.phase {
                Phase::Waiting | Phase::Pulling | Phase::Pulled | Phase::Starting => (None, None),
                Phase::Running { started_at } | Phase::Restarting { started_at, .. } => {
                    (Some(*started_at), None)
                }
                Phase::Ended(e) => (e.started_at, Some(e.clone())),
            };
            let runs = Runs {
                ended: match &c.phase {
                    Phase::Restarting { ended, .. } => Some(ended.clone()),
                    _ => None,
                },
                ..c.runs.clone()
            };
            KeptContainer {
                image_digest: c.image_digest.clone(),
                stop_signal: c.stop_signal,
                started_at,
                signalled_at: c.signalled_at,
                ended,
                bindings: c.bindings.clone(),
                health: c.health.status,
                runs: Some(runs).filter(|runs| *runs != Runs::default()),
            }
        };
        Entry {
            schema: SCHEMA,
            boot_id: boot_id.to_owned(),
            assignment: state.assignment.clone(),
            sequence: state.reporting.sequence,
            pull_started_at: state.pull_started_at,
            pull_stopped_at: state.pull_stopped_at,
            stopped: state.stopped.clone(),
            containers: state.containers.iter().map(kept).collect(),
        }
    }

    /// The state a restarted driver begins with, before it looked for the containers: those
    /// that ran are taken as running until [`super::recover`] says otherwise.
    pub fn into_state(self, now: Timestamp) -> TaskState {
        let mut state = TaskState::new(self.assignment, now);
        // The new sequence is a fact too: two restarts on end must not send the same one twice.
        state.saving.version = 2;
        state.saving.durable_version = 2;
        state.saving.written = 1;
        state.saving.durable = 1;
        state.network = Network::Absent;
        state.pull_started_at = self.pull_started_at;
        state.pull_stopped_at = self.pull_stopped_at;
        state.stopped = self.stopped.or(state.stopped);
        if state.reporting.sequence <= self.sequence {
            // The clock was set back.
            state.reporting.sequence = self.sequence + SEQUENCE_GAP;
        }
        state.reporting.acknowledged = None;
        let specs = &state.assignment.containers;
        for ((c, kept), spec) in state.containers.iter_mut().zip(self.containers).zip(specs) {
            c.image_digest = kept.image_digest;
            c.stop_signal = kept.stop_signal;
            c.signalled_at = kept.signalled_at;
            c.bindings = kept.bindings;
            c.health.status = kept.health;
            c.runs = kept.runs.unwrap_or_default();
            let again = c.runs.ended.take();
            match (kept.started_at, kept.ended) {
                (started_at, Some(ended)) => {
                    // It wrote nothing unless it ran.
                    c.drained |= started_at.is_none();
                    c.log_ready = Once::Done;
                    c.phase = Phase::Ended(ended);
                }
                (Some(started_at), None) => {
                    c.log_ready = Once::Done;
                    c.phase = match again {
                        Some(ended) => Phase::Restarting {
                            started_at,
                            ended,
                            under_way: false,
                        },
                        None => Phase::Running { started_at },
                    };
                    let started_at = c.runs.last_start_at.unwrap_or(started_at);
                    if let Some(check) = &spec.health_check {
                        c.health = HealthState::resumed(kept.health, check, started_at, now);
                    }
                }
                (None, None) => {}
            }
        }
        state
    }
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("ledger {path}")]
pub struct LedgerError {
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

/// The directory of entries.
#[derive(Debug)]
pub struct Ledger {
    dir: PathBuf,
    boot_id: String,
    /// How often a sync of the directory was asked for, and up to which asking it was done.
    syncs_asked: AtomicU64,
    syncs_done: Mutex<u64>,
}

impl Ledger {
    /// Open the ledger under `data_dir`, making it when absent.
    pub fn open(data_dir: &Path) -> Result<Ledger, LedgerError> {
        let dir = data_dir.join("ledger");
        let fail = |source| LedgerError {
            path: dir.clone(),
            source,
        };
        fs::create_dir_all(&dir).map_err(fail)?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(fail)?;
        let boot_id = boot_id.trim().to_owned();
        Ok(Ledger {
            dir,
            boot_id,
            syncs_asked: AtomicU64::new(0),
            syncs_done: Mutex::new(0),
        })
    }

    /// The id of the running kernel's boot.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    fn path(&self, task_id: &str) -> PathBuf {
        self.dir.join(format!("{task_id}.json"))
    }

    /// Every entry. Half-written files are removed; an entry that cannot be understood is set
    /// aside as `.unreadable` and logged, never deleted.
    pub fn load(&self) -> Result<Vec<Entry>, LedgerError> {
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| LedgerError { path, source }
        };
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.dir).map_err(fail(&self.dir))? {
            let path = file.map_err(fail(&self.dir))?.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some("json") => {}
                Some("tmp") => {
                    fs::remove_file(&path).map_err(fail(&path))?;
                    continue;
                }
                _ => continue,
            }
            let bytes = fs::read(&path).map_err(fail(&path))?;
            if bytes.is_empty() {
                // A first entry that a power cut caught before its bytes were on disk: its task is
                // assigned anew.
                fs::remove_file(&path).map_err(fail(&path))?;
                continue;
            }
            match serde_json::from_slice::<Entry>(&bytes) {
                Ok(entry) if entry.schema <= SCHEMA => entries.push(entry),
                Ok(entry) => set_aside(&path, &format!("schema {} is newer", entry.schema))?,
                Err(e) => set_aside(&path, &e.to_string())?,
            }
        }
        Ok(entries)
    }

    /// Replace the task's entry. `written` is called once the entry survives this process; when it
    /// returns, `durable` ones survive a power cut, too. An entry that was durable before is never
    /// replaced by one whose bytes are not on disk.
    pub fn save(
        &self,
        entry: &Entry,
        durable: bool,
        written: impl FnOnce(),
    ) -> Result<(), LedgerError> {
        let path = self.path(&entry.assignment.task_id);
        let save = || -> io::Result<()> {
            let temporary = path.with_extension("tmp");
            let mut file = File::create(&temporary)?;
            file.write_all(&serde_json::to_vec(entry)?)?;
            let first = !path.exists();
            if !first {
                file.sync_data()?;
            }
            fs::rename(&temporary, &path)?;
            written();
            if first {
                file.sync_data()?;
            }
            if durable { self.sync_dir() } else { Ok(()) }
        };
        save().map_err(|source| LedgerError {
            path: path.clone(),
            source,
        })
    }

    /// One sync serves all who asked before it began.
    fn sync_dir(&self) -> io::Result<()> {
        let asked = self.syncs_asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = self.syncs_done.lock();
        if *done < asked {
            let serves = self.syncs_asked.load(Ordering::SeqCst);
            File::open(&self.dir)?.sync_all()?;
            *done = serves;
        }
        Ok(())
    }

    /// Remove the task's entry.
    pub fn remove(&self, task_id: &str) -> Result<(), LedgerError> {
        let path = self.path(task_id);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(LedgerError { path, source })
            }
            _ => Ok(()),
        }
    }
}

fn set_aside(path: &Path, why: &str) -> Result<(), LedgerError> {
    let aside = path.with_extension("unreadable");
    tracing::error!(path = %path.display(), why, "ledger entry set aside: its task is lost");
    fs::rename(path, &aside).map_err(|source| LedgerError {
        path: path.to_owned(),
        source,
    })
}
