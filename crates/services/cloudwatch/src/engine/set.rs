//! A statistic set: what is kept of the values of one metric in one slot of time.
//!
//! With the values come their statistics ([`crate::statistic`] reads them). A set remembers single values
//! while they are few; many become a sketch of logarithmic buckets, whose values are right within 1 %.

use std::f64::consts::LN_2;

/// So many distinct values are remembered one by one.
const EXACT: usize = 48;
/// The ratio of neighbouring buckets: 2 to the power of 1/36, which is 1.0194.
const PER_DOUBLING: f64 = 36.0;

/// What is known of many values.
#[derive(Debug, Clone, PartialEq)]
pub struct Set {
    pub sample_count: f64,
    pub sum: f64,
    pub minimum: f64,
    pub maximum: f64,
    pub values: Values,
}

/// Which values a set has, and how often.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Value and count, ascending by value.
    Exact(Vec<(f64, f64)>),
    /// Bucket and count, ascending. No value is negative; zero has a bucket of its own.
    Buckets(Vec<(i32, f64)>),
    /// Some came as a statistic set, or some were negative and too many to remember.
    Unknown,
}

/// The bucket of zero and of what is too small to matter.
pub const ZERO: i32 = i32::MIN;

fn bucket(value: f64) -> i32 {
    if value < 1e-300 {
        return ZERO;
    }
    (value.ln() / LN_2 * PER_DOUBLING).round() as i32
}

fn middle(bucket: i32) -> f64 {
    if bucket == ZERO {
        return 0.0;
    }
    (f64::from(bucket) / PER_DOUBLING).exp2()
}

impl Set {
    pub fn one(value: f64) -> Set {
        Set::of(value, 1.0)
    }

    /// `count` times the same value.
    pub fn of(value: f64, count: f64) -> Set {
        Set {
            sample_count: count,
            sum: value * count,
            minimum: value,
            maximum: value,
            values: Values::Exact(vec![(value, count)]),
        }
    }

    /// A statistic set as a caller gives it. Its values are known only when all are equal.
    pub fn statistics(sample_count: f64, sum: f64, minimum: f64, maximum: f64) -> Set {
        let equal = minimum == maximum && (sum - minimum * sample_count).abs() <= sum.abs() * 1e-9;
        let values = if equal {
            Values::Exact(vec![(minimum, sample_count)])
        } else {
            Values::Unknown
        };
        Set {
            sample_count,
            sum,
            minimum,
            maximum,
            values,
        }
    }

    /// The value of a set that is nothing but one value, once.
    pub fn single(&self) -> Option<f64> {
        match &self.values {
            Values::Exact(values) if self.sample_count == 1.0 && values.len() == 1 => {
                Some(values[0].0)
            }
            _ => None,
        }
    }

    pub fn add(&mut self, other: &Set) {
        self.sample_count += other.sample_count;
        self.sum += other.sum;
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        let mine = std::mem::replace(&mut self.values, Values::Unknown);
        self.values = merge(mine, &other.values);
    }

    /// Values and counts, ascending; within the smallest and the largest value. `None` when they are not
    /// known, or when some are negative.
    pub fn distribution(&self) -> Option<Vec<(f64, f64)>> {
        if self.minimum < 0.0 {
            return None;
        }
        match &self.values {
            Values::Exact(values) => Some(values.clone()),
            Values::Buckets(buckets) => {
                let value = |at: i32| middle(at).clamp(self.minimum, self.maximum);
                Some(buckets.iter().map(|(at, n)| (value(*at), *n)).collect())
            }
            Values::Unknown => None,
        }
    }

    /// What it takes in memory, beside itself.
    pub fn heap_bytes(&self) -> usize {
        match &self.values {
            Values::Exact(values) => values.capacity() * 16,
            Values::Buckets(buckets) => buckets.capacity() * 16,
            Values::Unknown => 0,
        }
    }
}

fn merge(mine: Values, other: &Values) -> Values {
    match (mine, other) {
        (Values::Unknown, _) | (_, Values::Unknown) => Values::Unknown,
        (Values::Exact(mut mine), Values::Exact(other)) => {
            for (value, count) in other {
                match mine.binary_search_by(|(v, _)| v.total_cmp(value)) {
                    Ok(at) => mine[at].1 += count,
                    Err(at) => mine.insert(at, (*value, *count)),
                }
            }
            if mine.len() <= EXACT {
                return Values::Exact(mine);
            }
            if mine.first().is_some_and(|(v, _)| *v < 0.0) {
                return Values::Unknown;
            }
            let mut buckets = Vec::new();
            mine.iter()
                .for_each(|(v, n)| count(&mut buckets, bucket(*v), *n));
            Values::Buckets(buckets)
        }
        (Values::Exact(exact), Values::Buckets(buckets)) => sketch(buckets.clone(), &exact),
        (Values::Buckets(buckets), Values::Exact(exact)) => sketch(buckets, exact),
        (Values::Buckets(mut mine), Values::Buckets(other)) => {
            other.iter().for_each(|(at, n)| count(&mut mine, *at, *n));
            Values::Buckets(mine)
        }
    }
}

fn sketch(mut buckets: Vec<(i32, f64)>, exact: &[(f64, f64)]) -> Values {
    if exact.first().is_some_and(|(v, _)| *v < 0.0) {
        return Values::Unknown;
    }
    exact
        .iter()
        .for_each(|(v, n)| count(&mut buckets, bucket(*v), *n));
    Values::Buckets(buckets)
}

fn count(buckets: &mut Vec<(i32, f64)>, at: i32, n: f64) {
    match buckets.binary_search_by_key(&at, |(b, _)| *b) {
        Ok(found) => buckets[found].1 += n,
        Err(place) => buckets.insert(place, (at, n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_are_exact_and_many_within_one_percent() {
        let mut set = Set::one(1.0);
        (2..=40).for_each(|n| set.add(&Set::one(f64::from(n))));
        assert_eq!(set.distribution().unwrap().len(), 40);
        (41..=1000).for_each(|n| set.add(&Set::one(f64::from(n))));
        assert!(matches!(set.values, Values::Buckets(_)));
        assert_eq!((set.sample_count, set.sum), (1000.0, 500_500.0));
        let all = set.distribution().unwrap();
        assert!(all.len() < 400);
        let mut seen = 0.0;
        let median = all.iter().find(|(_, n)| {
            seen += n;
            seen >= 500.0
        });
        assert!((median.unwrap().0 / 500.0 - 1.0).abs() < 0.011);
    }

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let mut set = Set::statistics(3.0, 6.0, 1.0, 3.0);
        assert_eq!(set.distribution(), None);
        set.add(&Set::one(2.0));
        assert_eq!((set.distribution(), set.sample_count), (None, 4.0));
        assert!(Set::statistics(3.0, 6.0, 2.0, 2.0).distribution().is_some());
        assert_eq!(Set::one(-1.0).distribution(), None);
        let mut zero = Set::of(0.0, 2.0);
        (0..100).for_each(|n| zero.add(&Set::one(f64::from(n))));
        assert_eq!(zero.distribution().unwrap()[0], (0.0, 3.0));
    }
}
