//! Forgetting images that nobody uses: by age, and sooner when the disk fills up.
//!
//! [`LayerPins`] is the one lock between pulls and collection. It is held for renames and single
//! file reads only. A pull pins its layers first and looks for them afterwards.

use super::images::Images;
use super::record::{self, ImageRecord};
use neargate_base::{Timestamp, task};
use neargate_blob::Digest;
use parking_lot::Mutex;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, statvfs, utimensat};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// When an unused image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CollectPolicy {
    /// Not wanted for this long: gone in any case.
    pub min_age: Duration,
    /// Above this many percent of used disk, oldest first, until below `low_percent`.
    pub high_percent: u8,
    pub low_percent: u8,
    /// Even then, what was wanted this recently stays.
    pub pressure_min_age: Duration,
}

impl Default for CollectPolicy {
    fn default() -> Self {
        CollectPolicy {
            min_age: Duration::from_secs(7 * 24 * 3600),
            // The kubelet's defaults.
            high_percent: 85,
            low_percent: 80,
            pressure_min_age: Duration::from_secs(120),
        }
    }
}

/// What a collection took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    pub images: usize,
    pub layers: usize,
    /// Uncompressed size of those layers.
    pub bytes: u64,
}

/// Layers in use by pulls under way, and the lock for moving layers and images about.
#[derive(Debug, Default, Clone)]
pub(super) struct LayerPins(Arc<Mutex<HashMap<String, usize>>>);

/// Keeps layer keys from being collected.
#[derive(Debug)]
pub(super) struct Pinned {
    all: LayerPins,
    keys: Vec<String>,
}

impl LayerPins {
    pub(super) fn pin(&self, keys: impl IntoIterator<Item = String>) -> Pinned {
        let keys: Vec<String> = keys.into_iter().collect();
        let mut pins = self.0.lock();
        keys.iter()
            .for_each(|k| *pins.entry(k.clone()).or_default() += 1);
        Pinned {
            all: self.clone(),
            keys,
        }
    }

    /// Move a complete layer into place; when it is there already, leave it where it is.
    pub(super) fn place(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _lock = self.0.lock();
        match to.exists() {
            true => Ok(()),
            false => fs::rename(from, to),
        }
    }

    /// Note that the image is wanted now; `false` when it is not here.
    pub(super) fn touch(&self, path: &Path) -> bool {
        let _lock = self.0.lock();
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        utimensat(CWD, path, &times, AtFlags::empty()).is_ok()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut pins = self.all.0.lock();
        for key in &self.keys {
            if let Some(count) = pins.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    pins.remove(key);
                }
            }
        }
    }
}

struct Candidate {
    path: PathBuf,
    record: ImageRecord,
    age: Duration,
}

impl Images {
    /// Take away images that `policy` no longer keeps, and layers that no image has any more.
    /// `in_use` are the digests of images that containers run from. Returns once they are out of
    /// sight; the disk is freed in the background.
    pub async fn collect(
        self: &Arc<Self>,
        in_use: &HashSet<Digest>,
        now: Timestamp,
        policy: CollectPolicy,
    ) -> io::Result<Collected> {
        let (images, in_use) = (self.clone(), in_use.clone());
        let work = task::spawn_blocking(move || images.collect_now(&in_use, now, policy)).await;
        let collected = work.map_err(io::Error::other)??;
        self.trash.empty_in_background();
        Ok(collected)
    }

    pub(super) fn collect_now(
        &self,
        in_use: &HashSet<Digest>,
        now: Timestamp,
        policy: CollectPolicy,
    ) -> io::Result<Collected> {
        let mut kept = Vec::new();
        let mut unused = Vec::new();
        for entry in fs::read_dir(self.root.join("images"))? {
            let path = entry?.path();
            let Some(record) = record::read::<ImageRecord>(&path) else {
                continue;
            };
            let age = age(&path, now);
            match in_use.contains(&record.digest) {
                true => kept.push(record),
                false => unused.push(Candidate { path, record, age }),
            }
        }
        unused.sort_by_key(|c| std::cmp::Reverse(c.age));
        let mut references: HashMap<String, usize> = HashMap::new();
        let all = kept.iter().chain(unused.iter().map(|c| &c.record));
        all.flat_map(|r| &r.layers)
            .for_each(|l| *references.entry(l.clone()).or_default() += 1);

        let mut to_free = self.bytes_over(policy)?;
        let mut collected = Collected::default();
        for Candidate { path, record, age } in unused {
            let pressed = to_free > 0 && age >= policy.pressure_min_age;
            if age < policy.min_age && !pressed || !self.drop_image(&path, now, age)? {
                continue;
            }
            collected.images += 1;
            for key in &record.layers {
                let count = references.get_mut(key).expect("counted above");
                *count -= 1;
                if *count == 0 {
                    to_free =
                        to_free.saturating_sub(self.layer_record(key).map_or(0, |r| r.size_bytes));
                }
            }
        }
        self.drop_layers(now, policy, &mut collected)?;
        Ok(collected)
    }

    /// Drop the layers that no record has. The lock spans reading the records and renaming: a
    /// pull that is about to write its record still pins its layers.
    fn drop_layers(
        &self,
        now: Timestamp,
        policy: CollectPolicy,
        collected: &mut Collected,
    ) -> io::Result<()> {
        let pins = self.layer_pins.0.lock();
        let mut referenced = HashSet::new();
        for entry in fs::read_dir(self.root.join("images"))? {
            let record: Option<ImageRecord> = record::read(&entry?.path());
            referenced.extend(record.into_iter().flat_map(|r| r.layers));
        }
        for entry in fs::read_dir(self.root.join("layers"))? {
            let entry = entry?;
            let key = entry.file_name().to_string_lossy().into_owned();
            if referenced.contains(&key) || pins.contains_key(&key) {
                continue;
            }
            // Nobody's and still young: the rest of a pull that failed, and may be tried again.
            let young = age(&entry.path(), now) < policy.pressure_min_age;
            if young && collected.images == 0 {
                continue;
            }
            collected.bytes += self.layer_record(&key).map_or(0, |r| r.size_bytes);
            collected.layers += 1;
            self.trash.take(&entry.path())?;
        }
        Ok(())
    }

    /// Remove the record unless somebody wanted the image meanwhile.
    fn drop_image(&self, path: &Path, now: Timestamp, seen: Duration) -> io::Result<bool> {
        let _lock = self.layer_pins.0.lock();
        if age(path, now) < seen {
            return Ok(false);
        }
        fs::remove_file(path).map(|()| true)
    }

    /// How much must go for the disk to be below the low mark; 0 below the high mark.
    fn bytes_over(&self, policy: CollectPolicy) -> io::Result<u64> {
        let stat = statvfs(&self.root)?;
        let total = stat.f_blocks.saturating_mul(stat.f_frsize);
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let used = total.saturating_sub(free);
        let at = |percent: u8| (u128::from(total) * u128::from(percent) / 100) as u64;
        match used > at(policy.high_percent) {
            true => Ok(used.saturating_sub(at(policy.low_percent)).max(1)),
            false => Ok(0),
        }
    }
}

fn age(path: &Path, now: Timestamp) -> Duration {
    let modified = fs::metadata(path).and_then(|m| m.modified()).ok();
    let since = modified.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    now.since(Timestamp::from_millis(
        since.map_or(0, |d| d.as_millis() as i64),
    ))
}
