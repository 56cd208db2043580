//! The examples of AWS's documentation, and hostile input.

use super::*;
use crate::series::{TimeSeries, Window};

struct Given(Vec<(&'static str, Vec<Option<f64>>)>);

impl Names for Given {
    fn of_id(&mut self, id: &str) -> Result<Vec<TimeSeries>, MathError> {
        let found = self.0.iter().find(|(name, _)| *name == id);
        let (name, values) = found.ok_or_else(|| MathError::new(format!("Unknown {id}")))?;
        let values = (0..)
            .step_by(60)
            .zip(values)
            .filter_map(|(at, v)| Some((at, (*v)?)));
        Ok(vec![TimeSeries {
            label: (*name).into(),
            period: 60,
            values: values.collect(),
            ..TimeSeries::default()
        }])
    }

    fn is_array(&mut self, _: &str) -> bool {
        false
    }

    fn metrics(&mut self, part: &str) -> Result<Vec<TimeSeries>, MathError> {
        let ids: Vec<&str> = self
            .0
            .iter()
            .map(|(id, _)| *id)
            .filter(|id| id.contains(part))
            .collect();
        ids.into_iter()
            .map(|id| Ok(self.of_id(id)?.remove(0)))
            .collect()
    }

    fn search(&mut self, _: &str, _: &str, _: Option<i64>) -> Result<Vec<TimeSeries>, MathError> {
        self.metrics("m")
    }

    fn window(&self) -> Window {
        Window { start: 0, end: 300 }
    }

    fn period(&self) -> i64 {
        60
    }
}

const NO: Option<f64> = None;

fn some(values: &[i32]) -> Vec<Option<f64>> {
    values.iter().map(|n| Some(f64::from(*n))).collect()
}

fn compute(text: &str) -> Result<Vec<Vec<Option<f64>>>, MathError> {
    let mut given = Given(vec![
        ("m1", some(&[1, 1, 0, 0])),
        ("m2", vec![Some(30.0), NO, Some(0.0), Some(0.0), Some(30.0)]),
        ("m3", vec![Some(0.0), Some(0.0), Some(20.0), NO, Some(20.0)]),
        ("k1", some(&[30, 20, 0, 0])),
        ("k2", vec![Some(20.0), NO, Some(20.0), NO]),
        ("gaps", vec![NO, Some(2.0), NO, NO, Some(8.0)]),
    ]);
    let (all, _) = evaluate(&parse(text)?, &mut given)?;
    let row = |series: &TimeSeries| {
        (0..300)
            .step_by(60)
            .map(|at| series.values.get(&at).copied())
            .collect()
    };
    Ok(all.iter().map(row).collect())
}

fn one(text: &str) -> Vec<Option<f64>> {
    let all = compute(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(all.len(), 1, "{text}");
    all.into_iter().next().unwrap()
}

fn row(values: &[i32]) -> Vec<Option<f64>> {
    let mut row = some(values);
    row.resize(5, NO);
    row
}

#[test]
fn the_documentations_examples() {
    let dash = |mut row: Vec<Option<f64>>, at: usize| {
        row[at] = NO;
        row
    };
    let cases = [
        ("k1 < k2", row(&[0, 0, 1, 0])),
        ("k1 >= 30", row(&[1, 0, 0, 0])),
        ("k1 > 15 AND k2 > 15", row(&[1, 0, 0, 0])),
        ("IF(m1, m2, m3)", dash(row(&[30, 0, 20]), 3)),
        ("IF(m1, 5, m3)", row(&[5, 5, 20])),
        ("IF(m1, m2, 5)", row(&[30, 0, 5, 5])),
        ("IF(k1<25, 10, 2)", row(&[2, 10, 10, 10])),
        ("IF(0, m2)", row(&[])),
        ("1 + 2 * 3 ^ 2 - k1 / 2", row(&[4, 9, 19, 19])),
        ("-5 * k1", row(&[-150, -100, 0, 0])),
        ("k1 / m1", dash(row(&[30, 20]), 3)),
        ("SUM([k1, k2])", row(&[50, 20, 20, 0])),
        ("AVG([k1, k2])", row(&[25, 10, 10, 0])),
        ("MAX([k1, k2])", row(&[30, 20, 20, 0])),
        ("MIN(METRICS(\"k\"))", row(&[20, 20, 0, 0])),
        (
            "k1 - MIN(k1) + MAX(k1) + 2 * AVG(k1) + SUM(k1)",
            row(&[135, 125, 105, 105]),
        ),
        ("TIME_SERIES(STDDEV(m1) * 2)", row(&[1, 1, 1, 1, 1])),
        ("FILL(gaps, 0)", row(&[0, 2, 0, 0, 8])),
        (
            "FILL(gaps, LINEAR)",
            vec![NO, Some(2.0), Some(4.0), Some(6.0), Some(8.0)],
        ),
        (
            "FILL(gaps, REPEAT)",
            vec![NO, Some(2.0), Some(2.0), Some(2.0), Some(8.0)],
        ),
        ("DIFF(gaps)", vec![NO, NO, NO, NO, Some(6.0)]),
        ("DIFF_TIME(gaps)", vec![NO, NO, NO, NO, Some(180.0)]),
        ("RATE(gaps) * PERIOD(gaps)", vec![NO, NO, NO, NO, Some(2.0)]),
        ("RUNNING_SUM(k1)", row(&[30, 50, 50, 50])),
        ("MINUTE(k1)", row(&[0, 1, 2, 3, 4])),
        ("DAY(k1)", row(&[4, 4, 4, 4, 4])),
        ("CEIL(k1 / 7) + FLOOR(k1 / 7)", row(&[9, 5, 0, 0])),
        ("ABS(-k1) * METRIC_COUNT(METRICS())", row(&[180, 120, 0, 0])),
        ("FIRST(SORT(METRICS('k'), SUM, DESC))", row(&[30, 20, 0, 0])),
        (
            "LAST(SLICE(SORT(METRICS(), SUM, ASC), 0, 1))",
            row(&[1, 1, 0, 0]),
        ),
        ("DATAPOINT_COUNT([k1, k2])", row(&[2, 1, 2, 1])),
    ];
    for (text, wanted) in cases {
        let mut wanted = wanted;
        wanted.resize(5, NO);
        assert_eq!(one(text), wanted, "{text}");
    }
    assert_eq!(compute("METRICS() * 100").unwrap().len(), 6);
    assert_eq!(compute("100 / [m1, m2]").unwrap().len(), 2);
    assert_eq!(compute("SEARCH('{A}', 'Sum', 60)").unwrap().len(), 3);
    assert_eq!(compute("SORT(METRICS(), AVG, DESC, 2)").unwrap().len(), 2);
    assert_eq!(compute("REMOVE_EMPTY([IF(0, m1), m1])").unwrap().len(), 1);
}

#[test]
fn what_is_wrong_is_said() {
    let deep = format!("{}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let minus = "-".repeat(5_000);
    let long = format!("m1{}", "+1".repeat(1_000));
    let wrong = [
        "",
        "1",
        "AVG(m1)",
        "m1 +",
        "m1 m2",
        "m9",
        "NOPE(m1)",
        "[1]",
        "'text'",
        "m1 + 'a'",
        "(m1",
        "#",
        "1.2.3 * m1",
        "'open",
        "SORT(METRICS(), AVG, UP)",
        "SLICE(METRICS(), 1.5)",
        "m1/0*(1/0)",
        "[m1]+[m2]",
        &deep,
        &minus,
        &long,
        "FILL(m1)",
        "IF(m1)",
    ];
    for text in wrong {
        assert!(
            matches!(compute(text), Err(MathError::Wrong(_))),
            "{text}: {:?}",
            compute(text)
        );
    }
    for text in [
        "ANOMALY_DETECTION_BAND(m1)",
        "SELECT AVG(x) FROM y WHERE a = 'b'",
        "SERVICE_QUOTA(m1)",
    ] {
        assert!(
            matches!(compute(text), Err(MathError::NotBuilt(_))),
            "{text}"
        );
    }
}
