//! Opening: catalog, then the live log, then the rests of a crash are removed.

use super::catalog::{self, Head};
use super::codec::Input;
use super::error::EngineError;
use super::group::Groups;
use super::op::{Op, Unreadable};
use super::seal::wal_path;
use super::segment::Segment;
use super::wal::Wal;
use neargate_base::Rng;
use std::collections::HashSet;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Everything the directory holds.
pub(super) struct Recovered {
    pub lock: File,
    pub head: Head,
    pub wal: Wal,
    pub groups: Arc<Groups>,
}

pub(super) fn recover(dir: &Path, segments_dir: &Path) -> Result<Recovered, EngineError> {
    std::fs::create_dir_all(segments_dir).map_err(EngineError::io("create", segments_dir))?;
    let lock = lock(dir)?;
    let (mut head, groups) = match catalog::load(dir)? {
        Some(found) => found,
        None => fresh(dir, segments_dir)?,
    };
    let path = wal_path(dir, head.wal);
    let wal = Wal::replay(&path, head.salt, |payload| {
        replay(payload, &path, &groups, &mut head)
    })?;
    drop_missing(segments_dir, &groups);
    remove_leftovers(dir, segments_dir, &head, &groups);
    Ok(Recovered {
        lock,
        head,
        wal,
        groups: Arc::new(groups),
    })
}

fn lock(dir: &Path) -> Result<File, EngineError> {
    let path = dir.join("LOCK");
    let file = File::create(&path).map_err(EngineError::io("create", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(EngineError::Locked {
            path: dir.to_owned(),
        }),
        Err(std::fs::TryLockError::Error(e)) => Err(EngineError::io("lock", &path)(e)),
    }
}

fn fresh(dir: &Path, segments_dir: &Path) -> Result<(Head, Groups), EngineError> {
    let mut segments =
        std::fs::read_dir(segments_dir).map_err(EngineError::io("list", segments_dir))?;
    if segments.next().is_some() {
        return Err(EngineError::corrupt(dir, "it has segments but no catalog"));
    }
    let salt = Rng::from_entropy().u64();
    let head = Head {
        wal: 1,
        salt,
        next_stream: 1,
        next_ordinal: 1,
        next_segment: 1,
    };
    Wal::create(&wal_path(dir, head.wal), salt)?;
    let groups = Groups::default();
    catalog::save(dir, &head, &groups, &[])?;
    Ok((head, groups))
}

fn replay(
    payload: &[u8],
    path: &Path,
    groups: &Groups,
    head: &mut Head,
) -> Result<(), EngineError> {
    let mut input = Input::new(payload);
    while !input.is_empty() {
        let op = Op::get(&mut input).map_err(|e| match e {
            Unreadable::Malformed => EngineError::corrupt(path, "an operation"),
            Unreadable::Unknown => EngineError::Newer {
                path: path.to_owned(),
            },
        })?;
        match &op {
            Op::CreateStream { id, .. } => head.next_stream = head.next_stream.max(id + 1),
            Op::Append(a) => {
                let next = a.first_ordinal.saturating_add(a.events.len() as u64);
                head.next_ordinal = head.next_ordinal.max(next);
            }
            Op::DeleteStream { .. } | Op::DeleteGroup { .. } | Op::Expire { .. } | Op::Wipe => {}
        }
        // The files of what is dropped go with the leftovers.
        groups.apply(op);
    }
    Ok(())
}

/// A segment the catalog names and the log does not drop should be there. Without it the rest
/// is still worth serving.
fn drop_missing(segments_dir: &Path, groups: &Groups) {
    for (key, group) in groups.all() {
        group.state.write().segments.retain(|segment| {
            let path = Segment::path(segments_dir, segment.number);
            let there = path.exists();
            if !there {
                tracing::error!(group = %key, path = %path.display(), events = segment.events, "a segment is missing");
            }
            there
        });
    }
}

fn remove_leftovers(dir: &Path, segments_dir: &Path, head: &Head, groups: &Groups) {
    let mut keep: HashSet<_> = [wal_path(dir, head.wal)].into();
    for (_, group) in groups.all() {
        let state = group.state.read();
        keep.extend(
            state
                .segments
                .iter()
                .map(|s| Segment::path(segments_dir, s.number)),
        );
    }
    for dir in [dir, segments_dir] {
        let Ok(entries) = std::fs::read_dir(dir) else {
            continue;
        };
        for path in entries.flatten().map(|e| e.path()) {
            let ours = path.extension().is_some_and(|e| e == "wal" || e == "seg");
            if ours && !keep.contains(&path) && std::fs::remove_file(&path).is_ok() {
                tracing::debug!(path = %path.display(), "removed what an interrupted run left");
            }
        }
    }
}
