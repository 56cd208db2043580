//! The functions of expressions.

use super::MathError;
use super::eval::{MOST, Names, Value, each, too_many, value};
use super::parse::Expression;
use crate::series::{TimeSeries, Values};

/// AWS has them; they need what is not here.
const NOT_BUILT: [&str; 5] = [
    "ANOMALY_DETECTION_BAND",
    "DB_PERF_INSIGHTS",
    "INSIGHT_RULE_METRIC",
    "LAMBDA",
    "SERVICE_QUOTA",
];

pub(super) fn call(
    name: &str,
    arguments: &[Expression],
    names: &mut dyn Names,
) -> Result<Value, MathError> {
    if let Some(known) = NOT_BUILT.iter().find(|known| **known == name) {
        return Err(MathError::NotBuilt(known));
    }
    let one = |names: &mut dyn Names| match arguments {
        [one] => value(one, names),
        _ => Err(MathError::new(format!("{name} takes one argument"))),
    };
    Ok(match name {
        "ABS" => each(one(names)?, f64::abs)?,
        "CEIL" => each(one(names)?, f64::ceil)?,
        "FLOOR" => each(one(names)?, f64::floor)?,
        "LOG" => each(one(names)?, f64::ln)?,
        "LOG10" => each(one(names)?, f64::log10)?,
        "AVG" => reduce(name, one(names)?, true, average)?,
        "MAX" => reduce(name, one(names)?, false, |all| {
            all.iter().copied().reduce(f64::max)
        })?,
        "MIN" => reduce(name, one(names)?, false, |all| {
            all.iter().copied().reduce(f64::min)
        })?,
        "STDDEV" => reduce(name, one(names)?, false, deviation)?,
        "SUM" => reduce(name, one(names)?, false, |all| Some(all.iter().sum()))?,
        "DATAPOINT_COUNT" => reduce(name, one(names)?, false, |all| Some(all.len() as f64))?,
        "DIFF" => steps(one(names)?, |_, before, after| after - before)?,
        "DIFF_TIME" => steps(one(names)?, |seconds, _, _| seconds)?,
        "RATE" => steps(one(names)?, |seconds, before, after| {
            (after - before) / seconds
        })?,
        "RUNNING_SUM" => over(one(names)?, |series| {
            let mut sum = 0.0;
            series.values.values_mut().for_each(|v| {
                sum += *v;
                *v = sum;
            });
        })?,
        "FILL" => fill(arguments, names)?,
        "IF" => condition(arguments, names)?,
        "FIRST" => Value::Series(pick(array(name, one(names)?)?, |all| all.first().cloned())?),
        "LAST" => Value::Series(pick(array(name, one(names)?)?, |all| all.last().cloned())?),
        "METRIC_COUNT" => Value::Scalar(array(name, one(names)?)?.len() as f64),
        "METRICS" => {
            let part = match arguments {
                [] => String::new(),
                [Expression::Text(part)] => part.clone(),
                _ => return Err(MathError::new("METRICS takes nothing, or a text")),
            };
            Value::Array(names.metrics(&part)?)
        }
        "PERIOD" => match one(names)? {
            Value::Series(series) => Value::Scalar(series.period as f64),
            _ => return Err(MathError::new("PERIOD takes a metric")),
        },
        "REMOVE_EMPTY" => {
            let mut all = array(name, one(names)?)?;
            all.retain(|series| !series.values.is_empty());
            Value::Array(all)
        }
        "SEARCH" => search(arguments, names)?,
        "SLICE" => slice(arguments, names)?,
        "SORT" => sort(arguments, names)?,
        "TIME_SERIES" => match one(names)? {
            Value::Scalar(n) => {
                let period = names.period();
                let values = names.window().starts(period).map(|at| (at, n)).collect();
                Value::Series(TimeSeries {
                    period,
                    values,
                    ..TimeSeries::default()
                })
            }
            _ => return Err(MathError::new("TIME_SERIES takes a number")),
        },
        "MINUTE" | "HOUR" | "DAY" | "DATE" | "MONTH" | "YEAR" | "EPOCH" => {
            let window = names.window();
            let of = one(names)?;
            affordable(&of, names)?;
            over(of, |series| {
                let part = |at| (at, calendar(name, at));
                series.values = window.starts(series.period).map(part).collect();
            })?
        }
        _ => return Err(MathError::new(format!("Unknown function {name}"))),
    })
}

/// A part of a time, in UTC; days of the week from Monday, which is 1.
fn calendar(part: &str, at: i64) -> f64 {
    if part == "EPOCH" {
        return at as f64;
    }
    let Ok(time) = jiff::Timestamp::from_second(at) else {
        return 0.0;
    };
    let time = time.to_zoned(jiff::tz::TimeZone::UTC);
    match part {
        "MINUTE" => f64::from(time.minute()),
        "HOUR" => f64::from(time.hour()),
        "DAY" => f64::from(time.weekday().to_monday_one_offset()),
        "DATE" => f64::from(time.day()),
        "MONTH" => f64::from(time.month()),
        _ => f64::from(time.year()),
    }
}

fn average(all: &[f64]) -> Option<f64> {
    (!all.is_empty()).then(|| all.iter().sum::<f64>() / all.len() as f64)
}

fn deviation(all: &[f64]) -> Option<f64> {
    let mean = average(all)?;
    let squares: f64 = all.iter().map(|v| (v - mean).powi(2)).sum();
    Some((squares / all.len() as f64).sqrt())
}

/// Of one time series a number, of several a time series. `zeros`: who has no value at a time has 0.
fn reduce(
    name: &str,
    of: Value,
    zeros: bool,
    f: impl Fn(&[f64]) -> Option<f64>,
) -> Result<Value, MathError> {
    match of {
        Value::Series(series) => {
            let all: Vec<f64> = series.values.values().copied().collect();
            Ok(Value::Scalar(f(&all).unwrap_or(0.0)))
        }
        Value::Array(all) => {
            let times = all.iter().flat_map(|series| series.values.keys().copied());
            let times: std::collections::BTreeSet<i64> = times.collect();
            let at = |time: i64| {
                let missing = zeros.then_some(0.0);
                let values = all
                    .iter()
                    .filter_map(|s| s.values.get(&time).copied().or(missing));
                Some((time, f(&values.collect::<Vec<_>>())?))
            };
            Ok(Value::Series(TimeSeries {
                period: all.iter().map(|s| s.period).max().unwrap_or(60),
                values: times.into_iter().filter_map(at).collect(),
                ..TimeSeries::default()
            }))
        }
        Value::Scalar(_) | Value::Text(_) => Err(MathError::new(format!(
            "{name} takes a time series, or an array of them"
        ))),
    }
}

/// May every period of the window have a value in all of them?
fn affordable(of: &Value, names: &dyn Names) -> Result<(), MathError> {
    let window = names.window();
    let periods = |series: &TimeSeries| (window.end - window.start) / series.period.max(1);
    let points: i64 = match of {
        Value::Series(series) => periods(series),
        Value::Array(all) => all.iter().map(periods).sum(),
        Value::Scalar(_) | Value::Text(_) => 0,
    };
    match usize::try_from(points) {
        Ok(points) if points <= MOST => Ok(()),
        _ => Err(too_many()),
    }
}

fn over(value: Value, mut change: impl FnMut(&mut TimeSeries)) -> Result<Value, MathError> {
    match value {
        Value::Series(mut series) => {
            change(&mut series);
            Ok(Value::Series(series))
        }
        Value::Array(mut all) => {
            all.iter_mut().for_each(change);
            Ok(Value::Array(all))
        }
        Value::Scalar(_) | Value::Text(_) => Err(MathError::new("A time series is needed")),
    }
}

/// From each value to the next: the seconds between them, and both.
fn steps(value: Value, f: impl Fn(f64, f64, f64) -> f64) -> Result<Value, MathError> {
    over(value, |series| {
        let pairs = series.values.iter().zip(series.values.iter().skip(1));
        let step = |((t0, v0), (t1, v1)): ((&i64, &f64), (&i64, &f64))| {
            (*t1, f((t1 - t0) as f64, *v0, *v1))
        };
        series.values = pairs.map(step).collect();
    })
}

fn array(name: &str, value: Value) -> Result<Vec<TimeSeries>, MathError> {
    match value {
        Value::Array(all) => Ok(all),
        Value::Series(one) => Ok(vec![one]),
        Value::Scalar(_) | Value::Text(_) => Err(MathError::new(format!(
            "{name} takes an array of time series"
        ))),
    }
}

fn pick(
    all: Vec<TimeSeries>,
    f: impl Fn(&[TimeSeries]) -> Option<TimeSeries>,
) -> Result<TimeSeries, MathError> {
    f(&all).ok_or_else(|| MathError::new("The array has no time series"))
}

fn fill(arguments: &[Expression], names: &mut dyn Names) -> Result<Value, MathError> {
    let [series, with] = arguments else {
        return Err(MathError::new(
            "FILL takes a time series and what to fill it with",
        ));
    };
    enum With {
        Repeat,
        Linear,
        Number(f64),
        Series(Values),
    }
    let with = match with {
        Expression::Name(word) if word == "REPEAT" => With::Repeat,
        Expression::Name(word) if word == "LINEAR" => With::Linear,
        other => match value(other, names)? {
            Value::Scalar(n) => With::Number(n),
            Value::Series(series) => With::Series(series.values),
            _ => {
                return Err(MathError::new(
                    "FILL fills with a number, a time series, REPEAT or LINEAR",
                ));
            }
        },
    };
    let window = names.window();
    let of = value(series, names)?;
    affordable(&of, names)?;
    over(of, |series| {
        let had = series.values.clone();
        for at in window.starts(series.period) {
            if had.contains_key(&at) {
                continue;
            }
            let before = had.range(..at).next_back();
            let value = match &with {
                With::Number(n) => Some(*n),
                With::Series(values) => values.get(&at).copied(),
                With::Repeat => before.map(|(_, v)| *v),
                With::Linear => before
                    .zip(had.range(at..).next())
                    .map(|((t0, v0), (t1, v1))| {
                        v0 + (v1 - v0) * (at - t0) as f64 / (t1 - t0) as f64
                    }),
            };
            series.values.extend(value.map(|v| (at, v)));
        }
    })
}

fn condition(arguments: &[Expression], names: &mut dyn Names) -> Result<Value, MathError> {
    let (first, yes, no) = match arguments {
        [first, yes] => (first, yes, None),
        [first, yes, no] => (first, yes, Some(no)),
        _ => return Err(MathError::new("IF takes a condition and one or two values")),
    };
    let first = value(first, names)?;
    let yes = value(yes, names)?;
    let no = no.map(|no| value(no, names)).transpose()?;
    // Where the condition holds and its value is missing, it is 0; otherwise the point is dropped.
    let at = |of: &Value, time: i64| match of {
        Value::Scalar(n) => Ok(Some(*n)),
        Value::Series(series) => Ok(series.values.get(&time).copied()),
        Value::Array(_) | Value::Text(_) => Err(MathError::new("IF takes time series and numbers")),
    };
    match first {
        Value::Scalar(n) => {
            let chosen = if n != 0.0 { Some(yes) } else { no };
            Ok(chosen.unwrap_or(Value::Series(TimeSeries {
                period: names.period(),
                ..TimeSeries::default()
            })))
        }
        Value::Series(series) => {
            let mut values = Values::new();
            for (time, truth) in &series.values {
                let chosen = match (&no, *truth != 0.0) {
                    (_, true) => Some(at(&yes, *time)?.unwrap_or(0.0)),
                    (Some(no), false) => at(no, *time)?,
                    (None, false) => None,
                };
                values.extend(chosen.map(|v| (*time, v)));
            }
            Ok(Value::Series(TimeSeries { values, ..series }))
        }
        Value::Array(_) | Value::Text(_) => {
            Err(MathError::new("IF takes one time series as its condition"))
        }
    }
}

fn search(arguments: &[Expression], names: &mut dyn Names) -> Result<Value, MathError> {
    let (query, stat, period) = match arguments {
        [Expression::Text(query), Expression::Text(stat)] => (query, stat, None),
        [
            Expression::Text(query),
            Expression::Text(stat),
            Expression::Number(n),
        ] if *n >= 1.0 => (query, stat, Some(*n as i64)),
        _ => {
            return Err(MathError::new(
                "SEARCH takes a search expression, a statistic and a period",
            ));
        }
    };
    Ok(Value::Array(names.search(query, stat, period)?))
}

fn slice(arguments: &[Expression], names: &mut dyn Names) -> Result<Value, MathError> {
    let (all, from, to) = match arguments {
        [all, from] => (all, from, None),
        [all, from, to] => (all, from, Some(to)),
        _ => {
            return Err(MathError::new(
                "SLICE takes an array and one or two numbers",
            ));
        }
    };
    let all = array("SLICE", value(all, names)?)?;
    let from = whole(value(from, names)?)?;
    let Some(to) = to else {
        return Ok(Value::Array(all.into_iter().skip(from).collect()));
    };
    let to = whole(value(to, names)?)?;
    Ok(Value::Array(all.into_iter().take(to).skip(from).collect()))
}

fn sort(arguments: &[Expression], names: &mut dyn Names) -> Result<Value, MathError> {
    let (all, by, order, limit) = match arguments {
        [all, Expression::Name(by), Expression::Name(order)] => (all, by, order, None),
        [all, Expression::Name(by), Expression::Name(order), limit] => {
            (all, by, order, Some(limit))
        }
        _ => {
            return Err(MathError::new(
                "SORT takes an array, a function, ASC or DESC, and a limit",
            ));
        }
    };
    let measure = |series: &TimeSeries| {
        let all: Vec<f64> = series.values.values().copied().collect();
        match by.as_str() {
            "AVG" => Ok(average(&all)),
            "MAX" => Ok(all.iter().copied().reduce(f64::max)),
            "MIN" => Ok(all.iter().copied().reduce(f64::min)),
            "SUM" => Ok(Some(all.iter().sum())),
            _ => Err(MathError::new(format!("SORT cannot sort by {by}"))),
        }
    };
    let mut measured = Vec::new();
    for series in array("SORT", value(all, names)?)? {
        measured.push((measure(&series)?.unwrap_or(f64::NEG_INFINITY), series));
    }
    match order.as_str() {
        "ASC" => measured.sort_by(|a, b| a.0.total_cmp(&b.0)),
        "DESC" => measured.sort_by(|a, b| b.0.total_cmp(&a.0)),
        _ => return Err(MathError::new("SORT's order is ASC or DESC")),
    }
    let limit = limit.map(|limit| whole(value(limit, names)?)).transpose()?;
    let sorted = measured.into_iter().map(|(_, series)| series);
    Ok(Value::Array(
        sorted.take(limit.unwrap_or(usize::MAX)).collect(),
    ))
}

fn whole(value: Value) -> Result<usize, MathError> {
    match value {
        Value::Scalar(n) if n >= 0.0 && n.fract() == 0.0 => Ok(n as usize),
        _ => Err(MathError::new("A whole number is needed")),
    }
}
