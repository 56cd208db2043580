//! Statistics: what is asked of a [`Set`] of values
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>).

use crate::engine::Set;
use std::fmt;
use std::str::FromStr;

/// A statistic as callers name it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Statistic {
    SampleCount,
    Average,
    Sum,
    Minimum,
    Maximum,
    /// `p99`: of a hundred values, so many are not above it.
    Percentile(f64),
    /// `PR(a:b)`: the percentage of the values that are in the range.
    PercentileRank(Bounds),
    /// `TM`, `TC`, `TS` and `WM`, and `IQM`, which is a trimmed mean.
    Trimmed(Trimmed, Bounds),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trimmed {
    Mean,
    Count,
    Sum,
    /// What is outside counts as if it were at the edge.
    Winsorized,
}

/// A part of the values: either of their order, in percent, or of what they are; where nothing is given there
/// is no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    low: Option<f64>,
    high: Option<f64>,
    percent: bool,
}

/// No statistic has this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

impl FromStr for Statistic {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Statistic, Unknown> {
        Ok(match name {
            "SampleCount" => Statistic::SampleCount,
            "Average" => Statistic::Average,
            "Sum" => Statistic::Sum,
            "Minimum" => Statistic::Minimum,
            "Maximum" => Statistic::Maximum,
            "IQM" => {
                let bounds = Bounds {
                    low: Some(25.0),
                    high: Some(75.0),
                    percent: true,
                };
                Statistic::Trimmed(Trimmed::Mean, bounds)
            }
            _ => return extended(name).ok_or(Unknown),
        })
    }
}

fn extended(name: &str) -> Option<Statistic> {
    if let Some(n) = name.strip_prefix('p') {
        return Some(Statistic::Percentile(percent(n)?));
    }
    let (kind, rest) = (name.get(..2)?, name.get(2..)?);
    let trimmed = match kind.to_ascii_uppercase().as_str() {
        "TM" => Some(Trimmed::Mean),
        "TC" => Some(Trimmed::Count),
        "TS" => Some(Trimmed::Sum),
        "WM" => Some(Trimmed::Winsorized),
        "PR" => None,
        _ => return None,
    };
    let upper = kind.bytes().all(|b| b.is_ascii_uppercase());
    let bounds = match rest.strip_prefix('(').and_then(|r| r.strip_suffix(')')) {
        Some(range) if upper => bounds(range)?,
        // `tm99` is `TM(:99%)`.
        None if !upper && trimmed.is_some() => Bounds {
            low: None,
            high: Some(percent(rest)?),
            percent: true,
        },
        _ => return None,
    };
    match trimmed {
        Some(trimmed) => Some(Statistic::Trimmed(trimmed, bounds)),
        None => (!bounds.percent).then_some(Statistic::PercentileRank(bounds)),
    }
}

/// 0 to 100, with at most ten decimal places.
fn percent(text: &str) -> Option<f64> {
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let good =
        !whole.is_empty() && digits(whole) && digits(places) && (1..=10).contains(&places.len());
    let n: f64 = good.then(|| text.parse().ok()).flatten()?;
    (n <= 100.0).then_some(n)
}

fn bounds(range: &str) -> Option<Bounds> {
    let (low, high) = range.split_once(':')?;
    let percents = [low, high].map(|b| b.ends_with('%'));
    let given = [low, high].map(|b| !b.is_empty());
    let is_percent = percents.contains(&true);
    if given == [false; 2] || (is_percent && percents != given) {
        return None;
    }
    let read = |text: &str| match text.strip_suffix('%') {
        _ if text.is_empty() => Some(None),
        Some(n) => percent(n).map(Some),
        None => text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Some),
    };
    let (low, high) = (read(low)?, read(high)?);
    if let (Some(low), Some(high)) = (low, high)
        && low >= high
    {
        return None;
    }
    Some(Bounds {
        low,
        high,
        percent: is_percent,
    })
}

impl Statistic {
    /// One of the five that are no extended statistics.
    pub fn is_simple(&self) -> bool {
        use Statistic::{Average, Maximum, Minimum, SampleCount, Sum};
        matches!(self, SampleCount | Average | Sum | Minimum | Maximum)
    }

    /// `None` where it cannot be known: see [`Set::distribution`].
    pub fn of(&self, set: &Set) -> Option<f64> {
        match self {
            Statistic::SampleCount => Some(set.sample_count),
            Statistic::Average => (set.sample_count > 0.0).then(|| set.sum / set.sample_count),
            Statistic::Sum => Some(set.sum),
            Statistic::Minimum => Some(set.minimum),
            Statistic::Maximum => Some(set.maximum),
            Statistic::Percentile(n) => percentile(&set.distribution()?, *n),
            Statistic::PercentileRank(bounds) => {
                let all = set.distribution()?;
                let inside = bounds.within(&all);
                Some(100.0 * count(&inside) / count(&all))
            }
            Statistic::Trimmed(kind, bounds) => {
                let all = set.distribution()?;
                let inside = bounds.within(&all);
                let sum: f64 = inside.iter().map(|(v, n)| v * n).sum();
                let n = count(&inside);
                match kind {
                    Trimmed::Count => Some(n),
                    Trimmed::Sum => Some(sum),
                    Trimmed::Mean => (n > 0.0).then(|| sum / n),
                    Trimmed::Winsorized => bounds.winsorized(&all, &inside),
                }
            }
        }
    }
}

/// The least value that `n` percent of the values do not exceed.
fn percentile(values: &[(f64, f64)], n: f64) -> Option<f64> {
    let wanted = count(values) * n / 100.0;
    let mut seen = 0.0;
    let found = values.iter().find(|(_, count)| {
        seen += count;
        seen >= wanted - 1e-9
    });
    found.or(values.last()).map(|(value, _)| *value)
}

fn count(values: &[(f64, f64)]) -> f64 {
    values.iter().map(|(_, n)| n).sum()
}

impl Bounds {
    /// The values inside, the count of a value at an edge by the part of it that is.
    fn within(&self, values: &[(f64, f64)]) -> Vec<(f64, f64)> {
        if !self.percent {
            let inside =
                |v: f64| self.low.is_none_or(|l| v > l) && self.high.is_none_or(|h| v <= h);
            return values.iter().copied().filter(|(v, _)| inside(*v)).collect();
        }
        let total = count(values);
        let low = self.low.unwrap_or(0.0) / 100.0 * total;
        let high = self.high.unwrap_or(100.0) / 100.0 * total;
        let mut from = 0.0;
        let part = |(value, n): &(f64, f64)| {
            let to = from + n;
            let inside = to.min(high) - f64::max(from, low);
            from = to;
            (inside > 1e-9).then_some((*value, inside))
        };
        values.iter().filter_map(part).collect()
    }

    fn winsorized(&self, all: &[(f64, f64)], inside: &[(f64, f64)]) -> Option<f64> {
        let (first, last) = (inside.first()?.0, inside.last()?.0);
        let (low, high) = match self.percent {
            true => (first, last),
            false => (self.low.unwrap_or(first), self.high.unwrap_or(last)),
        };
        let sum: f64 = all.iter().map(|(v, n)| v.clamp(low, high) * n).sum();
        Some(sum / count(all))
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Statistic::SampleCount => "SampleCount",
            Statistic::Average => "Average",
            Statistic::Sum => "Sum",
            Statistic::Minimum => "Minimum",
            Statistic::Maximum => "Maximum",
            _ => "Extended",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, values: impl IntoIterator<Item = i32>) -> Option<f64> {
        let mut sets = values.into_iter().map(|n| Set::one(f64::from(n)));
        let mut all = sets.next().unwrap();
        sets.for_each(|set| all.add(&set));
        name.parse::<Statistic>().unwrap().of(&all)
    }

    #[test]
    fn statistics_are_as_aws_defines_them() {
        let cases = [
            ("Average", 5.5),
            ("SampleCount", 10.0),
            ("Sum", 55.0),
            ("p0", 1.0),
            ("p50", 5.0),
            ("p90", 9.0),
            ("p99.9", 10.0),
            ("p100", 10.0),
            ("tm90", 5.0),
            ("TM(10%:90%)", 5.5),
            ("TM(2:4)", 3.5),
            ("IQM", 5.5),
            ("tc90", 9.0),
            ("TC(8:)", 2.0),
            ("ts90", 45.0),
            ("TS(80%:)", 19.0),
            ("WM(20%:80%)", 5.5),
            ("wm90", 5.4),
            ("WM(:5)", 4.0),
            ("PR(:3)", 30.0),
            ("PR(3:5)", 20.0),
        ];
        for (name, wanted) in cases {
            let found = of(name, 1..=10).unwrap();
            assert!((found - wanted).abs() < 1e-9, "{name}: {found}");
        }
        assert_eq!(of("TM(10:20)", 1..=3), None, "nothing is in it");
        assert_eq!(of("p50", [-1, 1]), None, "some are negative");
    }

    #[test]
    fn other_names_are_none() {
        let names = [
            "",
            "average",
            "90",
            "p",
            "p101",
            "p-1",
            "p1e1",
            "P50",
            "tm",
            "tm(1:2)",
            "TM99",
            "TM(:)",
            "TM(1)",
            "TM(5:5)",
            "TM(1%:2)",
            "TM(90%:10%)",
            "PR(1%:2%)",
            "pr90",
            "XX(1:2)",
            "é",
            "IQM(1:2)",
        ];
        for name in names {
            assert_eq!(name.parse::<Statistic>(), Err(Unknown), "{name}");
        }
    }
}
