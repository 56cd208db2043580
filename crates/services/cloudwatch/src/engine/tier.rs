//! Points of one resolution of one metric: the newest as they are, older ones in chunks of bytes.

use super::codec::{Input, Malformed, put_number, put_set, put_signed};
use super::set::Set;
use std::mem::size_of;

/// Points of a chunk.
const CHUNK: usize = 128;

/// A slot of time, in multiples of the tier's resolution since the epoch, and what was observed in it.
pub type Point = (i64, Set);

/// See the [module](self). Slots ascend, each is there at most once.
#[derive(Debug, Clone, Default)]
pub struct Tier {
    sealed: Vec<Chunk>,
    recent: Vec<Point>,
}

#[derive(Debug, Clone)]
struct Chunk {
    first: i64,
    last: i64,
    bytes: Box<[u8]>,
}

impl Chunk {
    fn of(points: &[Point]) -> Option<Chunk> {
        let (first, last) = (points.first()?.0, points.last()?.0);
        let mut bytes = Vec::with_capacity(points.len() * 4);
        let mut before = first;
        for (slot, set) in points {
            put_number(&mut bytes, (slot - before) as u64);
            put_set(&mut bytes, set);
            before = *slot;
        }
        let bytes = bytes.into();
        Some(Chunk { first, last, bytes })
    }

    /// What was encoded here always decodes.
    fn points(&self) -> Vec<Point> {
        let mut input = Input::new(&self.bytes);
        let (mut points, mut slot) = (Vec::with_capacity(CHUNK), self.first);
        while let Ok(after) = input.number() {
            let Ok(set) = input.set() else { break };
            slot += after as i64;
            points.push((slot, set));
        }
        points
    }
}

impl Tier {
    pub fn add(&mut self, slot: i64, set: &Set) {
        if let Some(at) = self.sealed.iter().rposition(|c| c.first <= slot)
            && self.sealed[at].last >= slot
        {
            let mut points = self.sealed[at].points();
            insert(&mut points, slot, set);
            self.sealed[at] = Chunk::of(&points).expect("it has points");
            return;
        }
        if self.sealed.last().is_some_and(|c| slot < c.last) {
            // Between two chunks, or before all: a chunk of its own is found the same way.
            let at = self.sealed.partition_point(|c| c.last < slot);
            let alone = Chunk::of(&[(slot, set.clone())]).expect("it has a point");
            self.sealed.insert(at, alone);
            return;
        }
        insert(&mut self.recent, slot, set);
        if self.recent.len() >= 2 * CHUNK {
            self.sealed.extend(Chunk::of(&self.recent[..CHUNK]));
            self.recent.drain(..CHUNK);
        }
    }

    /// The points of `from..to`, oldest first.
    pub fn range(&self, from: i64, to: i64, mut take: impl FnMut(i64, &Set)) {
        let chunks = self
            .sealed
            .iter()
            .filter(|c| c.last >= from && c.first < to);
        for chunk in chunks {
            let points = chunk.points();
            points
                .iter()
                .filter(|(slot, _)| (from..to).contains(slot))
                .for_each(|(s, set)| take(*s, set));
        }
        let start = self.recent.partition_point(|(slot, _)| *slot < from);
        let rest = self.recent[start..]
            .iter()
            .take_while(|(slot, _)| *slot < to);
        rest.for_each(|(slot, set)| take(*slot, set));
    }

    /// Takes out what is before `slot`, whole chunks only.
    pub fn drain_before(&mut self, slot: i64) -> Vec<Point> {
        let gone = self.sealed.iter().take_while(|c| c.last < slot).count();
        let mut points: Vec<Point> = self.sealed.drain(..gone).flat_map(|c| c.points()).collect();
        if self.sealed.is_empty() {
            let recent = self.recent.partition_point(|(s, _)| *s < slot);
            points.extend(self.recent.drain(..recent));
            self.recent.shrink_to(CHUNK);
        }
        points
    }

    pub fn is_empty(&self) -> bool {
        self.sealed.is_empty() && self.recent.is_empty()
    }

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        let sealed: usize = self.sealed.iter().map(|c| c.bytes.len()).sum();
        let recent: usize = self.recent.iter().map(|(_, set)| set.heap_bytes()).sum();
        sealed
            + self.sealed.len() * size_of::<Chunk>()
            + recent
            + self.recent.capacity() * size_of::<Point>()
    }

    pub fn put(&self, out: &mut Vec<u8>) {
        let all = self.sealed.len() + self.recent.len().div_ceil(CHUNK);
        put_number(out, all as u64);
        let recent = self.recent.chunks(CHUNK).filter_map(Chunk::of);
        for chunk in self.sealed.iter().cloned().chain(recent) {
            put_signed(out, chunk.first);
            put_signed(out, chunk.last);
            put_number(out, chunk.bytes.len() as u64);
            out.extend_from_slice(&chunk.bytes);
        }
    }

    pub fn read(input: &mut Input<'_>) -> Result<Tier, Malformed> {
        let mut tier = Tier::default();
        for _ in 0..input.count()? {
            let (first, last) = (input.signed()?, input.signed()?);
            let bytes = input.bytes()?.into();
            tier.sealed.push(Chunk { first, last, bytes });
        }
        // The newest stay open.
        if let Some(last) = tier.sealed.pop() {
            tier.recent = last.points();
        }
        Ok(tier)
    }
}

fn insert(points: &mut Vec<Point>, slot: i64, set: &Set) {
    match points.binary_search_by_key(&slot, |(s, _)| *s) {
        Ok(at) => points[at].1.add(set),
        Err(at) => points.insert(at, (slot, set.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(tier: &Tier, from: i64, to: i64) -> Vec<(i64, f64)> {
        let mut found = Vec::new();
        tier.range(from, to, |slot, set| found.push((slot, set.sum)));
        found
    }

    #[test]
    fn points_are_found_in_order_however_they_come() {
        let mut tier = Tier::default();
        // Every second slot, then those between, some of them twice.
        (0..1000).for_each(|n| tier.add(n * 2, &Set::one(1.0)));
        (0..1000)
            .rev()
            .for_each(|n| tier.add(n * 2 + 1, &Set::one(2.0)));
        (-5..5).for_each(|n| tier.add(n, &Set::one(4.0)));
        let all = slots(&tier, i64::MIN, i64::MAX);
        assert_eq!(all.len(), 2005);
        assert!(all.is_sorted_by_key(|(slot, _)| *slot));
        assert_eq!(slots(&tier, 3, 7), [(3, 6.0), (4, 5.0), (5, 2.0), (6, 1.0)]);
        let mut out = Vec::new();
        tier.put(&mut out);
        let again = Tier::read(&mut Input::new(&out)).unwrap();
        assert_eq!(slots(&again, i64::MIN, i64::MAX), all);
        let mut tier = again;
        let gone = tier.drain_before(2_000);
        assert!(gone.iter().all(|(slot, _)| *slot < 2_000) && tier.is_empty());
        assert_eq!(gone.len(), 2005);
    }

    #[test]
    fn a_point_a_minute_takes_few_bytes() {
        let mut tier = Tier::default();
        (0..21_600).for_each(|n| tier.add(n, &Set::one(f64::from(n as i32) * 0.01)));
        assert!(tier.bytes() < 21_600 * 14, "{}", tier.bytes());
    }
}
