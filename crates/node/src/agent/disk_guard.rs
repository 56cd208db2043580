//! Keeping tasks from filling the disk: all together out of the reserve ([`DiskSpace`]), and each within
//! its ephemeral storage where it has no disk of its own (`runtime::disk`).
//!
//! A task that takes too much is ended at once, with the reason. What files take is found by
//! looking at them, and that is done only when the disk's free space says that it could matter.
//! A limit can be overrun by what is written between two looks (see `docs/decisions/0006-room-on-the-disk.md`).

use super::driver::Sender;
use super::observe::Event;
use crate::runtime::{Files, Runtime};
use neargate_base::time::Stopwatch;
use neargate_base::{DiskSpace, task};
use neargate_domain::Assignment;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Files that a task may have for each GiB it may take: one for 16 KiB, as ext4 makes room for.
const FILES_PER_GIB: u64 = 1 << 16;
/// A task that took less than this since there was room is not what fills the disk.
const FILLS_BYTES: u64 = 16 << 20;
const FILLS_FILES: u64 = 4_096;
/// As fast as disks (and memory before them) take what is written.
const BYTES_PER_SECOND: u64 = 2 << 30;
const SOONEST: Duration = Duration::from_millis(50);
const LATEST: Duration = Duration::from_secs(1);
/// Files are looked at this often even if the disk's free space tells nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(60);
/// Looking takes no more than this part of the time.
const EFFORT: u32 = 20;

/// One task as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    task_id: String,
    gib: Option<u32>,
    now: Files,
    /// When room was last plentiful; `None`: not known.
    before: Option<Files>,
}

impl Found {
    fn limit(&self) -> Option<Files> {
        let gib = self.gib.filter(|_| !self.now.bounded)?;
        Some(Files {
            bytes: u64::from(gib) << 30,
            count: u64::from(gib) * FILES_PER_GIB,
            ..Files::default()
        })
    }

    fn grown(&self) -> Files {
        if self.now.is_too_much() {
            // How it grows cannot be seen.
            return self.now;
        }
        let before = self.before.unwrap_or(self.now);
        Files {
            bytes: self.now.bytes.saturating_sub(before.bytes),
            count: self.now.count.saturating_sub(before.count),
            ..Files::default()
        }
    }
}

/// Files that the disk must still take, as bytes are kept in reserve.
fn out_of_files(space: &DiskSpace) -> bool {
    space.free_files.is_some_and(|free| free < FILLS_FILES / 4)
}

fn is_short(space: &DiskSpace) -> bool {
    !space.takes(0) || out_of_files(space)
}

/// So much room that whoever takes it all is seen to have grown by more than [`FILLS_BYTES`].
fn is_plentiful(space: &DiskSpace) -> bool {
    space.takes(4 * FILLS_BYTES) && !out_of_files(space)
}

/// Which tasks must end, and why. `plenty`: the disk when there was room last.
fn too_much(space: &DiskSpace, plenty: &DiskSpace, tasks: &[Found]) -> Vec<(String, String)> {
    let mut ends: Vec<(String, String)> = tasks.iter().filter_map(over_limit).collect();
    if !ends.is_empty() || !is_short(space) {
        return ends;
    }
    let taken = taken(plenty, space);
    let by_files = out_of_files(space);
    let of = |files: Files| if by_files { files.count } else { files.bytes };
    let grown = tasks.iter().map(|task| of(task.grown()));
    let by_tasks = grown.fold(0, u64::saturating_add);
    if by_tasks < of(taken) / 2 {
        // Somebody else fills the disk.
        return ends;
    }
    if let Some(task) = tasks.iter().max_by_key(|task| of(task.grown())) {
        let grown = task.grown();
        if grown.bytes >= FILLS_BYTES || grown.count >= FILLS_FILES {
            let size = if task.now.is_too_much() {
                "what it is".to_owned()
            } else {
                format!("{} MiB", task.now.bytes >> 20)
            };
            let why = format!(
                "The task's ephemeral storage could not grow beyond {size}: the disk of its host \
                 is full"
            );
            ends.push((task.task_id.clone(), why));
        }
    }
    ends
}

/// What was taken of the disk in between, by whomever.
fn taken(before: &DiskSpace, now: &DiskSpace) -> Files {
    let made = |before: u64, now: u64| before.saturating_sub(now);
    Files {
        bytes: made(before.free_bytes, now.free_bytes),
        count: before
            .free_files
            .zip(now.free_files)
            .map_or(0, |(b, n)| made(b, n)),
        ..Files::default()
    }
}

fn over_limit(task: &Found) -> Option<(String, String)> {
    let (limit, gib) = (task.limit()?, task.gib?);
    let what = if task.now.count > limit.count {
        "too many files".to_owned()
    } else if task.now.bytes > limit.bytes {
        format!("{} MiB", task.now.bytes >> 20)
    } else {
        return None;
    };
    let why = format!("The task used {what}, more than its {gib} GiB of ephemeral storage take");
    Some((task.task_id.clone(), why))
}

/// How soon the disk could be full.
fn next_look(space: &DiskSpace) -> Duration {
    let left = space.free_bytes.saturating_sub(space.reserve_bytes());
    Duration::from_millis(left / (BYTES_PER_SECOND / 1_000)).clamp(SOONEST, LATEST)
}

#[derive(Debug)]
struct Watched {
    driver: Sender,
    runtime: Arc<dyn Runtime>,
    gib: Option<u32>,
    before: Option<Files>,
}

/// The tasks of a host, whichever agent's, and the disk they share: who fills it is seen only by
/// whoever sees all.
#[derive(Debug)]
pub struct DiskGuard {
    dir: PathBuf,
    tasks: Mutex<HashMap<String, Watched>>,
}

/// When the files were last looked at.
struct Looked {
    since: Stopwatch,
    took: Duration,
    space: DiskSpace,
    /// As of the last look that found room.
    plenty: DiskSpace,
    /// The least that any task was from its limit.
    slack: Files,
}

impl DiskGuard {
    /// `dir` is on the disk that the tasks write to. Ends when nobody has it any more.
    pub fn start(dir: PathBuf) -> Arc<DiskGuard> {
        let guard = Arc::new(DiskGuard {
            dir,
            tasks: Mutex::default(),
        });
        task::spawn("disk-guard", DiskGuard::run(Arc::downgrade(&guard)));
        guard
    }

    /// From here on the task is looked after. `is_new`: it has no files yet.
    pub(super) fn add(
        &self,
        task: &Assignment,
        driver: Sender,
        runtime: Arc<dyn Runtime>,
        is_new: bool,
    ) {
        let watched = Watched {
            driver,
            runtime,
            gib: task.ephemeral_storage_gib,
            before: is_new.then(Files::default),
        };
        self.tasks.lock().insert(task.task_id.clone(), watched);
    }

    pub(super) fn remove(&self, task_id: &str) {
        let mut tasks = self.tasks.lock();
        tasks.remove(task_id);
        if tasks.capacity() > 64 && tasks.len() < tasks.capacity() / 4 {
            tasks.shrink_to_fit();
        }
    }

    async fn run(guard: Weak<DiskGuard>) {
        let mut looked: Option<Looked> = None;
        // The disk before the first task came: what is taken from then on is measured by it.
        let mut untouched: Option<DiskSpace> = None;
        while let Some(guard) = guard.upgrade() {
            let mut wait = LATEST;
            if let Ok(space) = guard.space().await {
                if guard.tasks.lock().is_empty() {
                    looked = None;
                    untouched = Some(space).filter(|space| !is_short(space)).or(untouched);
                } else {
                    if looked.as_ref().is_none_or(|looked| is_due(&space, looked)) {
                        let before = looked.as_ref().map(|looked| looked.plenty);
                        let plenty = before.or(untouched).unwrap_or(space);
                        looked = Some(guard.look(space, plenty).await);
                    }
                    wait = next_look(&space);
                }
            }
            drop(guard);
            tokio::time::sleep(wait).await;
        }
    }

    /// What is left of the disk. Tasks' disks are told what they may grow by: into the reserve, so that who
    /// takes it is seen, but not through it.
    async fn space(&self) -> std::io::Result<DiskSpace> {
        let space = self.space_now().await?;
        let growth = space.free_bytes.saturating_sub(space.reserve_bytes() / 2);
        for runtime in self.runtimes() {
            runtime.allow_growth(growth).await;
        }
        Ok(space)
    }

    /// What is left of the disk, but for what tasks' disks have taken and it does not show yet.
    async fn space_now(&self) -> std::io::Result<DiskSpace> {
        let mut promised: u64 = 0;
        for runtime in self.runtimes() {
            promised = promised.saturating_add(runtime.promised().await);
        }
        let mut space = DiskSpace::at(&self.dir)?;
        space.free_bytes = space.free_bytes.saturating_sub(promised);
        Ok(space)
    }

    /// Each agent has one.
    fn runtimes(&self) -> Vec<Arc<dyn Runtime>> {
        let mut runtimes: Vec<Arc<dyn Runtime>> = Vec::new();
        for task in self.tasks.lock().values() {
            if !runtimes
                .iter()
                .any(|known| Arc::ptr_eq(known, &task.runtime))
            {
                runtimes.push(Arc::clone(&task.runtime));
            }
        }
        runtimes
    }

    async fn look(&self, space: DiskSpace, plenty: DiskSpace) -> Looked {
        let since = Stopwatch::start();
        let list =
            |(id, w): (&String, &Watched)| (id.clone(), Arc::clone(&w.runtime), w.gib, w.before);
        let tasks: Vec<_> = self.tasks.lock().iter().map(list).collect();
        let (mut found, mut slack) = (
            Vec::new(),
            Files {
                bytes: u64::MAX,
                count: u64::MAX,
                ..Files::default()
            },
        );
        for (task_id, runtime, gib, before) in tasks {
            match runtime.files(&task_id).await {
                Ok(now) => found.push(Found {
                    task_id,
                    gib,
                    now,
                    before,
                }),
                Err(error) => tracing::debug!(task_id, %error, "files not looked at"),
            }
        }
        for task in &found {
            if let Some(limit) = task.limit() {
                slack.bytes = slack.bytes.min(limit.bytes.saturating_sub(task.now.bytes));
                slack.count = slack.count.min(limit.count.saturating_sub(task.now.count));
            }
        }
        let ends = too_much(&space, &plenty, &found);
        for (task_id, why) in ends {
            tracing::warn!(task_id, why, "a task is ended");
            if let Some(watched) = self.tasks.lock().get(&task_id) {
                // A driver that has just ended needs no more telling.
                let _ = watched.driver.send(Event::Overfull(why).into());
            }
        }
        // A disk that was filled while files were counted had no room when the last was.
        let is_plenty = is_plentiful(&space)
            && self
                .space_now()
                .await
                .is_ok_and(|space| is_plentiful(&space));
        let mut tasks = self.tasks.lock();
        for task in found {
            if let Some(watched) = tasks.get_mut(&task.task_id)
                && (watched.before.is_none() || is_plenty)
            {
                watched.before = Some(task.now);
            }
        }
        Looked {
            took: since.elapsed(),
            since: Stopwatch::start(),
            space,
            plenty: if is_plenty { space } else { plenty },
            slack,
        }
    }
}

fn is_due(space: &DiskSpace, looked: &Looked) -> bool {
    let elapsed = looked.since.elapsed();
    if elapsed < looked.took * EFFORT {
        return false;
    }
    let taken = taken(&looked.space, space);
    let left = looked
        .space
        .free_bytes
        .saturating_sub(space.reserve_bytes());
    is_short(space)
        || taken.bytes >= looked.slack.bytes.min(FILLS_BYTES.max(left / 16))
        || taken.count >= looked.slack.count
        || elapsed >= LOOK_AGAIN
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assignment, fakes::FakeRuntime};
    use super::*;
    use tokio::sync::mpsc;

    const MIB: u64 = 1 << 20;

    fn space(free_bytes: u64) -> DiskSpace {
        DiskSpace {
            total_bytes: 100 << 30,
            free_bytes,
            free_files: Some(1_000_000),
        }
    }

    fn found(task_id: &str, before: Option<u64>, now: u64) -> Found {
        let files = |mib: u64| Files {
            bytes: mib * MIB,
            count: 100,
            ..Files::default()
        };
        Found {
            task_id: task_id.into(),
            gib: Some(20),
            now: files(now),
            before: before.map(files),
        }
    }

    /// There was 1 GiB of room before.
    fn ended(now: &DiskSpace, tasks: &[Found]) -> Vec<String> {
        too_much(now, &space(1 << 30), tasks)
            .into_iter()
            .map(|(id, _)| id)
            .collect()
    }

    #[test]
    fn a_task_over_its_limit_ends_and_no_other() {
        let large = found("large", Some(0), 20 * 1_024);
        let mut larger = found("larger", Some(0), 20 * 1_024 + 1);
        let mut many = found("many", Some(0), 1);
        many.now.count = 20 * FILES_PER_GIB + 1;
        let plenty = space(50 << 30);
        let all = [large, larger.clone(), many];
        assert_eq!(ended(&plenty, &all), ["larger", "many"]);
        let why = &too_much(&plenty, &plenty, &all)[0].1;
        assert!(
            why.contains("more than its 20 GiB of ephemeral storage"),
            "{why}"
        );
        let mut bounded = larger.clone();
        bounded.now.bounded = true;
        assert!(
            ended(&plenty, &[bounded]).is_empty(),
            "its own disk takes no more than it may"
        );
        larger.gib = None;
        assert!(
            ended(&plenty, &[larger]).is_empty(),
            "an instance's task has the instance's disk"
        );
    }

    #[test]
    fn before_the_reserve_the_one_that_grows_ends() {
        let tasks = [
            found("database", Some(9_000), 9_010),
            found("filler", Some(0), 500),
            found("slower", Some(0), 300),
        ];
        assert!(ended(&space(65 * MIB), &tasks).is_empty());
        assert_eq!(ended(&space(63 * MIB), &tasks), ["filler"]);
    }

    #[test]
    fn a_task_that_hides_its_files_ends_before_the_reserve() {
        let mut hidden = found("hidden", Some(0), 1);
        (hidden.gib, hidden.now) = (None, Files::TOO_MUCH);
        // It was so when there was room, too.
        hidden.before = Some(Files::TOO_MUCH);
        let tasks = [found("filler", Some(0), 900), hidden.clone(), hidden];
        assert!(ended(&space(65 * MIB), &tasks).is_empty());
        assert_eq!(ended(&space(63 * MIB), &tasks), ["hidden"]);
    }

    #[tokio::test]
    async fn the_one_that_grew_most_ends_whichever_agents_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let guard = DiskGuard {
            dir: dir.path().to_owned(),
            tasks: Mutex::default(),
        };
        let agents: Vec<_> = [300, 310, 320]
            .into_iter()
            .map(|mib| {
                let (runtime, (driver, told)) = (FakeRuntime::new(), mpsc::unbounded_channel());
                let mut task = assignment(vec![]);
                (task.task_id, task.ephemeral_storage_gib) = (format!("grew-{mib}"), None);
                *runtime.files.lock() = Files {
                    bytes: mib * MIB,
                    count: 1,
                    ..Files::default()
                };
                guard.add(&task, driver, runtime, true);
                told
            })
            .collect();
        guard.look(space(63 * MIB), space(1 << 30)).await;
        let ended = agents.into_iter().map(|mut told| told.try_recv().is_ok());
        assert_eq!(ended.collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn a_disk_that_somebody_else_fills_ends_no_task() {
        let tasks = [
            found("database", Some(9_000), 9_010),
            found("adopted", None, 8_000),
            found("has written", Some(0), 400),
        ];
        assert!(ended(&space(0), &tasks).is_empty());
    }

    #[test]
    fn files_run_out_as_bytes_do() {
        let mut few = space(50 << 30);
        few.free_files = Some(100);
        let mut many = found("many", Some(0), 1);
        many.now.count = 900_000;
        assert_eq!(ended(&few, &[found("large", Some(0), 900), many]), ["many"]);
    }

    #[test]
    fn looks_come_sooner_as_room_runs_out() {
        assert_eq!(next_look(&space(50 << 30)), LATEST);
        assert_eq!(next_look(&space(0)), SOONEST);
        let soon = next_look(&space(64 * MIB + (1 << 30)));
        assert!(soon > SOONEST && soon < LATEST, "{soon:?}");
    }
}
