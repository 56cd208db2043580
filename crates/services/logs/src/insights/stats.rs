//! Statistics over records: one group for each combination of what they are grouped by.
//!
//! What a group keeps is bounded: distinct values and percentiles are exact while there are few
//! values, and estimates after that, as AWS's are.

use super::evaluate::evaluate;
use super::record::Record;
use super::syntax::{AggregateKind, Name, Stats};
use super::value::Value;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{Hash, Hasher};

/// Distinct values that are counted one by one; more are estimated from the lowest hashes.
const DISTINCT: usize = 4_096;
/// Values that a percentile is exact for.
const EXACT: usize = 1_024;
/// How far the value of an estimated percentile may be off.
const ERROR: f64 = 0.01;

/// Groups in order of their first record.
#[derive(Debug, Default)]
pub struct Groups {
    by_key: HashMap<String, usize>,
    groups: Vec<Group>,
    /// About how much memory they take.
    pub bytes: usize,
}

#[derive(Debug)]
struct Group {
    by: Vec<Value>,
    accumulators: Vec<Accumulator>,
}

impl Groups {
    pub fn add(&mut self, stats: &Stats, record: &Record<'_>) {
        let by: Vec<Value> = stats
            .by
            .iter()
            .map(|named| evaluate(&named.expr, record, &[]))
            .collect();
        let mut key = String::new();
        for value in &by {
            key.push(if value.is_null() { '\u{1}' } else { '\u{2}' });
            key.push_str(&value.to_string());
            key.push('\u{0}');
        }
        let known = self.by_key.get(&key).copied();
        let number = known.unwrap_or_else(|| {
            let kinds = stats.aggregates.iter().map(|a| Accumulator::new(a.kind));
            let accumulators: Vec<Accumulator> = kinds.collect();
            let values: usize = by.iter().map(Value::bytes).sum();
            self.bytes += values + 2 * key.len() + accumulators.len() * 128 + 128;
            self.groups.push(Group { by, accumulators });
            self.by_key.insert(key, self.groups.len() - 1);
            self.groups.len() - 1
        });
        let group = &mut self.groups[number];
        let time = record.get("@timestamp").number().unwrap_or_default();
        for (aggregate, accumulator) in stats.aggregates.iter().zip(&mut group.accumulators) {
            let value = match &aggregate.of {
                None => Value::Bool(true),
                Some(of) => evaluate(of, record, &[]),
            };
            if !value.is_null() {
                self.bytes += accumulator.add(value, time);
            }
        }
    }

    /// A row for each group.
    pub fn rows(self, stats: &Stats) -> Vec<Record<'static>> {
        let row = |group: Group| {
            let results: Vec<Value> = group
                .accumulators
                .into_iter()
                .map(Accumulator::result)
                .collect();
            let names = stats.by.iter().map(|b| b.name.clone());
            let mut made: Vec<(Name, Value)> = names.zip(group.by).collect();
            let by = Record {
                event: None,
                made: made.clone(),
            };
            for column in &stats.columns {
                let value = evaluate(&column.expr, &by, &results);
                made.push((column.name.clone(), value));
            }
            Record { event: None, made }
        };
        self.groups.into_iter().map(row).collect()
    }
}

#[derive(Debug)]
enum Accumulator {
    Avg {
        sum: f64,
        count: f64,
    },
    Count(f64),
    Distinct(BTreeSet<u64>),
    Extreme {
        kind: AggregateKind,
        value: Value,
    },
    Percentile {
        percent: f64,
        sketch: Sketch,
    },
    /// Welford's way, which loses nothing to large means.
    Deviation {
        count: f64,
        mean: f64,
        squares: f64,
    },
    Sum {
        sum: f64,
        any: bool,
    },
    /// The value of the first or last record in time.
    Timely {
        latest: bool,
        at: f64,
        value: Value,
    },
}

impl Accumulator {
    fn new(kind: AggregateKind) -> Accumulator {
        match kind {
            AggregateKind::Avg => Accumulator::Avg {
                sum: 0.0,
                count: 0.0,
            },
            AggregateKind::Count => Accumulator::Count(0.0),
            AggregateKind::CountDistinct => Accumulator::Distinct(BTreeSet::new()),
            AggregateKind::Max
            | AggregateKind::Min
            | AggregateKind::SortsFirst
            | AggregateKind::SortsLast => Accumulator::Extreme {
                kind,
                value: Value::Null,
            },
            AggregateKind::Pct(percent) => Accumulator::Percentile {
                percent,
                sketch: Sketch::default(),
            },
            AggregateKind::Stddev => Accumulator::Deviation {
                count: 0.0,
                mean: 0.0,
                squares: 0.0,
            },
            AggregateKind::Sum => Accumulator::Sum {
                sum: 0.0,
                any: false,
            },
            AggregateKind::Earliest | AggregateKind::Latest => Accumulator::Timely {
                latest: kind == AggregateKind::Latest,
                at: 0.0,
                value: Value::Null,
            },
        }
    }

    /// Answers how many bytes it grew by.
    fn add(&mut self, value: Value, time: f64) -> usize {
        match self {
            Accumulator::Count(count) => *count += 1.0,
            Accumulator::Distinct(hashes) => {
                let mut hasher = DefaultHasher::new();
                value.to_string().hash(&mut hasher);
                let before = hashes.len();
                hashes.insert(hasher.finish());
                if hashes.len() > DISTINCT {
                    hashes.pop_last();
                }
                return (hashes.len() - before) * 16;
            }
            Accumulator::Extreme { kind, value: best } => {
                let highest = matches!(kind, AggregateKind::Max | AggregateKind::SortsLast);
                let order = value.natural(best);
                if best.is_null()
                    || if highest {
                        order.is_gt()
                    } else {
                        order.is_lt()
                    }
                {
                    *best = value;
                }
            }
            Accumulator::Timely {
                latest,
                at,
                value: found,
            } => {
                let better = if *latest { time > *at } else { time < *at };
                if found.is_null() || better {
                    (*at, *found) = (time, value);
                }
            }
            Accumulator::Avg { sum, count } => {
                if let Some(number) = value.number() {
                    *sum += number;
                    *count += 1.0;
                }
            }
            Accumulator::Sum { sum, any } => {
                if let Some(number) = value.number() {
                    *sum += number;
                    *any = true;
                }
            }
            Accumulator::Deviation {
                count,
                mean,
                squares,
            } => {
                if let Some(number) = value.number() {
                    *count += 1.0;
                    let difference = number - *mean;
                    *mean += difference / *count;
                    *squares += difference * (number - *mean);
                }
            }
            Accumulator::Percentile { sketch, .. } => {
                if let Some(number) = value.number() {
                    return sketch.add(number);
                }
            }
        }
        0
    }

    fn result(self) -> Value {
        match self {
            Accumulator::Count(count) => Value::Number(count),
            Accumulator::Distinct(hashes) => Value::Number(distinct(&hashes)),
            // Moments are numbers until fromMillis makes them dates.
            Accumulator::Extreme { value, .. } | Accumulator::Timely { value, .. } => match value {
                Value::Moment(millis) => Value::Number(millis as f64),
                value => value,
            },
            Accumulator::Avg { sum, count } if count > 0.0 => Value::Number(sum / count),
            Accumulator::Sum { sum, any: true } => Value::Number(sum),
            Accumulator::Deviation { count, squares, .. } if count > 0.0 => {
                Value::Number((squares / count).sqrt())
            }
            Accumulator::Percentile { percent, sketch } => sketch
                .percentile(percent)
                .map_or(Value::Null, Value::Number),
            Accumulator::Avg { .. } | Accumulator::Sum { .. } | Accumulator::Deviation { .. } => {
                Value::Null
            }
        }
    }
}

/// How many values have these lowest hashes.
fn distinct(hashes: &BTreeSet<u64>) -> f64 {
    match hashes.last() {
        Some(highest) if hashes.len() == DISTINCT => {
            let share = (*highest as f64 + 1.0) / (u64::MAX as f64 + 1.0);
            ((DISTINCT - 1) as f64 / share).round()
        }
        _ => hashes.len() as f64,
    }
}

/// Numbers for percentiles: themselves, or how many there are in steps of 2 % each.
#[derive(Debug, Default)]
struct Sketch {
    exact: Vec<f64>,
    /// By sign and logarithm.
    steps: BTreeMap<(i8, i32), u64>,
    count: u64,
}

impl Sketch {
    /// Answers how many bytes it grew by.
    fn add(&mut self, number: f64) -> usize {
        self.count += 1;
        if self.steps.is_empty() && self.exact.len() < EXACT {
            self.exact.push(number);
            return 8;
        }
        let before = self.steps.len();
        for number in std::mem::take(&mut self.exact) {
            *self.steps.entry(step(number)).or_default() += 1;
        }
        *self.steps.entry(step(number)).or_default() += 1;
        (self.steps.len() - before) * 32
    }

    /// The nearest rank's.
    fn percentile(mut self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.count as f64).ceil().max(1.0) as u64;
        if self.steps.is_empty() {
            self.exact.sort_by(f64::total_cmp);
            return self.exact.get(rank as usize - 1).copied();
        }
        let mut passed = 0;
        for (step, count) in &self.steps {
            passed += count;
            if passed >= rank {
                return Some(middle(*step));
            }
        }
        None
    }
}

/// Steps sort as their numbers do.
fn step(number: f64) -> (i8, i32) {
    let growth = ((1.0 + ERROR) / (1.0 - ERROR)).ln();
    let size = number.abs();
    if size < 1e-9 {
        return (0, 0);
    }
    let logarithm = (size.ln() / growth).ceil() as i32;
    if number > 0.0 {
        (1, logarithm)
    } else {
        (-1, -logarithm)
    }
}

fn middle((sign, logarithm): (i8, i32)) -> f64 {
    let growth = (1.0 + ERROR) / (1.0 - ERROR);
    let size = |logarithm: i32| growth.powi(logarithm) * 2.0 / (growth + 1.0);
    match sign {
        0 => 0.0,
        1 => size(logarithm),
        _ => -size(-logarithm),
    }
}
