//! One metric: its points by unit and resolution, kept as long as AWS keeps them
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_concepts.html>).

use super::codec::{Input, Malformed, put_number, put_signed, put_text};
use super::set::Set;
use super::tier::Tier;
use neargate_base::Timestamp;
use neargate_service::Scope;
use neargate_service::metrics::Resolution;

/// What names a metric. Dimensions are in order of their names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricKey {
    pub scope: Scope,
    pub namespace: String,
    pub name: String,
    pub dimensions: Vec<(String, String)>,
}

impl MetricKey {
    /// The value of a dimension.
    pub fn dimension(&self, name: &str) -> Option<&str> {
        let found = self.dimensions.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn bytes(&self) -> usize {
        let dimensions: usize = self
            .dimensions
            .iter()
            .map(|(n, v)| n.len() + v.len() + 48)
            .sum();
        self.namespace.len() + self.name.len() + dimensions + 120
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_text(out, self.scope.account.as_str());
        put_text(out, self.scope.region.as_str());
        put_text(out, &self.namespace);
        put_text(out, &self.name);
        put_number(out, self.dimensions.len() as u64);
        for (name, value) in &self.dimensions {
            put_text(out, name);
            put_text(out, value);
        }
    }

    pub(super) fn read(input: &mut Input<'_>) -> Result<MetricKey, Malformed> {
        let account = input.text()?.parse().map_err(|_| Malformed)?;
        let region = input.text()?.parse().map_err(|_| Malformed)?;
        let scope = Scope { account, region };
        let (namespace, name) = (input.text()?.to_owned(), input.text()?.to_owned());
        let mut dimensions = Vec::new();
        for _ in 0..input.count()? {
            dimensions.push((input.text()?.to_owned(), input.text()?.to_owned()));
        }
        Ok(MetricKey {
            scope,
            namespace,
            name,
            dimensions,
        })
    }
}

/// The resolutions that are kept, finest first, in seconds; and for how many seconds each is kept.
pub const TIERS: [(i64, i64); 4] = [
    (1, 3 * 3_600),
    (60, 15 * 86_400),
    (300, 63 * 86_400),
    (3_600, 455 * 86_400),
];

/// The points of one metric that came with one unit.
#[derive(Debug, Clone, Default)]
pub struct Data {
    tiers: [Tier; TIERS.len()],
}

impl Data {
    fn add(&mut self, at: Timestamp, resolution: Resolution, set: &Set, now: Timestamp) {
        let seconds = at.as_millis().div_euclid(1_000);
        let age = now.as_millis().div_euclid(1_000) - seconds;
        let finest = usize::from(resolution == Resolution::Minute);
        let fits = (finest..TIERS.len()).find(|tier| age <= TIERS[*tier].1);
        if let Some(tier) = fits {
            self.tiers[tier].add(seconds.div_euclid(TIERS[tier].0), set);
        }
    }

    /// Moves what a resolution keeps no longer into the next.
    fn age(&mut self, now: Timestamp, minutes_kept: i64) {
        let now = now.as_millis().div_euclid(1_000);
        for (tier, (step, kept)) in TIERS.into_iter().enumerate() {
            let kept = if tier == 1 {
                kept.min(minutes_kept)
            } else {
                kept
            };
            // Whole slots of the next resolution, so that none is seen in two halves for long.
            let next = TIERS.get(tier + 1).map_or(step, |(next, _)| *next);
            let before = (now - kept).div_euclid(next) * next;
            let old = self.tiers[tier].drain_before(before.div_euclid(step));
            if let Some(coarser) = self.tiers.get_mut(tier + 1) {
                for (slot, set) in old {
                    coarser.add((slot * step).div_euclid(next), &set);
                }
            }
        }
    }

    /// Every point whose resolution is no coarser than `period` seconds and that begins in `from..to`, in
    /// seconds since the epoch.
    fn range(&self, from: i64, to: i64, period: i64, mut take: impl FnMut(i64, &Set)) {
        for (tier, (step, _)) in self.tiers.iter().zip(TIERS) {
            if step <= period && !tier.is_empty() {
                let first = (from + step - 1).div_euclid(step);
                let end = (to + step - 1).div_euclid(step);
                tier.range(first, end, |slot, set| take(slot * step, set));
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.tiers.iter().all(Tier::is_empty)
    }

    fn bytes(&self) -> usize {
        self.tiers.iter().map(Tier::bytes).sum()
    }
}

/// See the [module](self).
#[derive(Debug, Clone, Default)]
pub struct Series {
    /// By unit; `None` is AWS's `None`.
    units: Vec<(Option<String>, Data)>,
    /// When something was last put.
    pub written_at: Timestamp,
}

impl Series {
    pub fn add(
        &mut self,
        unit: Option<&str>,
        at: Timestamp,
        resolution: Resolution,
        set: &Set,
        now: Timestamp,
    ) {
        self.written_at = self.written_at.max(now);
        let found = self.units.iter().position(|(u, _)| u.as_deref() == unit);
        let place = found.unwrap_or_else(|| {
            self.units.push((unit.map(str::to_owned), Data::default()));
            self.units.len() - 1
        });
        self.units[place].1.add(at, resolution, set, now);
    }

    /// See [`Data::range`]; of one unit, or of all.
    pub fn range(
        &self,
        unit: Option<&str>,
        from: i64,
        to: i64,
        period: i64,
        mut take: impl FnMut(Option<&str>, i64, &Set),
    ) {
        let asked =
            |has: &Option<String>| unit.is_none_or(|u| has.as_deref().unwrap_or("None") == u);
        for (unit, data) in self.units.iter().filter(|(has, _)| asked(has)) {
            data.range(from, to, period, |at, set| take(unit.as_deref(), at, set));
        }
    }

    pub(super) fn age(&mut self, now: Timestamp, minutes_kept: i64) {
        self.units
            .iter_mut()
            .for_each(|(_, data)| data.age(now, minutes_kept));
        self.units.retain(|(_, data)| !data.is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub(super) fn bytes(&self) -> usize {
        let unit = |(unit, data): &(Option<String>, Data)| {
            unit.as_ref().map_or(0, String::len) + size_of::<Data>() + data.bytes()
        };
        self.units.iter().map(unit).sum::<usize>() + size_of::<Series>()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_signed(out, self.written_at.as_millis());
        put_number(out, self.units.len() as u64);
        for (unit, data) in &self.units {
            put_text(out, unit.as_deref().unwrap_or_default());
            data.tiers.iter().for_each(|tier| tier.put(out));
        }
    }

    pub(super) fn read(input: &mut Input<'_>) -> Result<Series, Malformed> {
        let written_at = Timestamp::from_millis(input.signed()?);
        let mut units = Vec::new();
        for _ in 0..input.count()? {
            let unit = input.text()?;
            let unit = (!unit.is_empty()).then(|| unit.to_owned());
            let mut data = Data::default();
            for tier in &mut data.tiers {
                *tier = Tier::read(input)?;
            }
            units.push((unit, data));
        }
        Ok(Series { units, written_at })
    }
}
