//! Sealing: recent events become segments, and the write-ahead log starts anew.
//!
//! Order: segments written and synced; a new log with the events that stay, synced; the catalog
//! replaced (from here on the new state counts, before it the old one does); memory swapped;
//! the old log removed. A crash or an error at any point leaves one whole state.

use super::catalog::{self, Head, NotSaved};
use super::error::EngineError;
use super::group::{Group, Recent};
use super::op::{Append, Op};
use super::segment::{Segment, SegmentWriter};
use super::wal::Wal;
use super::writer::{Writer, remove_segments};
use neargate_base::Rng;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Payload of one frame of carried-over events.
const CARRY_FRAME_BYTES: usize = 1 << 20;

type Named = (Arc<str>, Arc<Group>);
type Prepared = (Vec<(Arc<str>, Arc<Segment>)>, Wal);

pub(super) fn wal_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:016}.wal"))
}

impl Writer {
    /// Seal the largest groups until `part` of `whole` of the recent bytes are on their way.
    pub(super) fn seal(&mut self, part: usize, whole: usize) -> Result<(), EngineError> {
        let (chosen, rest) = self.choose(part, whole);
        let first = self.head.next_segment;
        let head = Head {
            wal: self.head.wal + 1,
            salt: Rng::from_entropy().u64(),
            next_segment: first + chosen.len() as u64,
            ..self.head
        };
        let prepared = self.prepare(&chosen, &rest, &head);
        let saved = prepared.and_then(|(sealed, wal)| {
            catalog::save(&self.dir, &head, &self.groups, &sealed).map(|()| (sealed, wal))
        });
        let (sealed, wal) = match saved {
            Ok(done) => done,
            Err(NotSaved::Unsure(e)) => {
                self.wal.close();
                return Err(e);
            }
            Err(NotSaved::Old(e)) => {
                remove_segments(&self.segments_dir, (first..head.next_segment).collect());
                let _ = std::fs::remove_file(wal_path(&self.dir, head.wal));
                return Err(e);
            }
        };
        for ((_, group), (_, segment)) in chosen.iter().zip(sealed) {
            let mut state = group.state.write();
            self.groups
                .recent_bytes
                .fetch_sub(state.recent_bytes, Ordering::Relaxed);
            (state.recent_bytes, state.recent_message_bytes) = (0, 0);
            state.recent = Recent::default();
            state.segments.push(segment);
        }
        let old = wal_path(&self.dir, self.head.wal);
        self.wal = wal;
        self.head = head;
        if let Err(e) = std::fs::remove_file(&old) {
            tracing::warn!(path = %old.display(), error = %e, "an old log could not be removed");
        }
        Ok(())
    }

    fn choose(&self, part: usize, whole: usize) -> (Vec<Named>, Vec<Named>) {
        let bytes = |(_, group): &Named| group.state.read().recent_bytes;
        let mut all: Vec<Named> = self
            .groups
            .all()
            .into_iter()
            .filter(|g| bytes(g) > 0)
            .collect();
        all.sort_by_cached_key(|g| std::cmp::Reverse(bytes(g)));
        let goal = all.iter().map(bytes).sum::<usize>() / whole * part;
        let mut sum = 0;
        let enough = |g: &Named| {
            sum += bytes(g);
            sum >= goal
        };
        let count = all.iter().position(enough).map_or(all.len(), |n| n + 1);
        let rest = if part == whole {
            Vec::new()
        } else {
            all.split_off(count)
        };
        (all, rest)
    }

    /// The files of the new state.
    fn prepare(&self, chosen: &[Named], rest: &[Named], head: &Head) -> Result<Prepared, NotSaved> {
        let mut sealed = Vec::new();
        for (number, (key, group)) in (self.head.next_segment..).zip(chosen) {
            let segment = self
                .write_segment(number, key, group)
                .map_err(NotSaved::Old)?;
            sealed.push((key.clone(), Arc::new(segment)));
        }
        let new_wal = || {
            let sync = |dir| catalog::sync_dir(dir).map_err(EngineError::io("sync", dir));
            sync(&self.segments_dir)?;
            let mut wal = Wal::create(&wal_path(&self.dir, head.wal), head.salt)?;
            carry(&mut wal, rest)?;
            sync(&self.dir)?;
            Ok(wal)
        };
        Ok((sealed, new_wal().map_err(NotSaved::Old)?))
    }

    fn write_segment(
        &self,
        number: u64,
        key: &Arc<str>,
        group: &Group,
    ) -> Result<Segment, EngineError> {
        let state = group.state.read();
        let recent = state.recent.read();
        let mut writer = SegmentWriter::create(
            &self.segments_dir,
            number,
            key.clone(),
            self.options.block_bytes,
        )?;
        for (at, record) in recent.iter() {
            if let Some(stream) = state.streams.get(&record.stream) {
                writer.push(*at, record, &stream.name)?;
            }
        }
        writer.finish()
    }
}

/// Write the events that stay unsealed to the new log. Runs of one stream with consecutive
/// ordinals become one append; its source's offset is in the catalog already.
fn carry(wal: &mut Wal, rest: &[Named]) -> Result<(), EngineError> {
    let mut frame = Vec::new();
    for (key, group) in rest {
        let state = group.state.read();
        let recent = state.recent.read();
        let mut run: Option<Append> = None;
        for (at, record) in recent.iter() {
            let event = (
                neargate_base::Timestamp::from_millis(at.millis),
                record.message.clone(),
            );
            if let Some(run) = run.as_mut().filter(|r| {
                r.stream == record.stream
                    && r.ingested == record.ingested
                    && r.first_ordinal + r.events.len() as u64 == at.ordinal
            }) {
                run.events.push(event);
                continue;
            }
            let next = Append {
                group: key.clone(),
                stream: record.stream,
                ingested: record.ingested,
                first_ordinal: at.ordinal,
                source: None,
                events: vec![event],
            };
            if let Some(done) = run.replace(next) {
                Op::Append(done).put(&mut frame);
            }
            if frame.len() > CARRY_FRAME_BYTES {
                wal.append(&frame)?;
                frame.clear();
            }
        }
        if let Some(done) = run {
            Op::Append(done).put(&mut frame);
        }
    }
    if frame.is_empty() {
        Ok(())
    } else {
        wal.append(&frame)
    }
}
