//! AWS's sentences of why an alarm is in a state, and the data beside them.

use super::judge::{Judgement, Missing};
use neargate_base::Timestamp;
use neargate_domain::alarm::AlarmState;
use serde_json::{Value, json};

/// A datapoint that an alarm looks at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Datapoint {
    /// When its period begins.
    pub at: Timestamp,
    pub value: Option<f64>,
    pub sample_count: Option<f64>,
    /// Whether it is on the wrong side of the threshold.
    pub breaches: bool,
}

/// What the alarm was set to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Asked<'a> {
    pub needed: usize,
    /// Where the caller gave it.
    pub to_alarm: Option<usize>,
    pub threshold: f64,
    pub comparison: &'a str,
    pub missing: Missing,
    /// Of alarms of one metric.
    pub statistic: Option<&'a str>,
    pub unit: Option<&'a str>,
    pub period: i64,
}

/// `2026-11-30T11:00:00.000+0000`.
pub fn date(at: Timestamp) -> String {
    format(at, "%Y-%m-%dT%H:%M:%S%.3f+0000")
}

fn format(at: Timestamp, as_: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(at.as_millis());
    time.map_or_else(|_| at.to_string(), |t| t.strftime(as_).to_string())
}

/// `Friday 22 July, 2022 15:57:45 UTC`.
pub fn long_date(at: Timestamp) -> String {
    format(at, "%A %d %B, %Y %H:%M:%S UTC")
}

/// As Java writes a double.
pub fn number(n: f64) -> String {
    let size = n.abs();
    if n != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{n:E}");
        return match text.split_once('E') {
            Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
            _ => text,
        };
    }
    let text = n.to_string();
    if text.contains('.') {
        text
    } else {
        format!("{text}.0")
    }
}

fn comparison(operator: &str) -> &'static str {
    match operator {
        "GreaterThanOrEqualToThreshold" => "greater than or equal to",
        "GreaterThanThreshold" => "greater than",
        "LessThanThreshold" => "less than",
        _ => "less than or equal to",
    }
}

/// `1 datapoint`, `3 datapoints`, `no datapoints`.
fn many(n: usize, of: &str) -> String {
    match n {
        0 => format!("no {of}s"),
        1 => format!("1 {of}"),
        n => format!("{n} {of}s"),
    }
}

fn were(n: usize) -> &'static str {
    if n == 1 { "was" } else { "were" }
}

/// Why it is in `state`; `range` is newest first.
pub fn reason(
    state: AlarmState,
    asked: &Asked<'_>,
    judged: &Judgement,
    range: &[Datapoint],
) -> String {
    let Asked {
        needed, threshold, ..
    } = *asked;
    if state == AlarmState::InsufficientData {
        let unknown = many(needed, "datapoint");
        return format!("Insufficient Data: {unknown} {} unknown.", were(needed));
    }
    if judged.filled > 0 && matches!(asked.missing, Missing::Breaching | Missing::NotBreaching) {
        let treated = if asked.missing == Missing::Breaching {
            "Breaching"
        } else {
            "NonBreaching"
        };
        let received = judged.seen.len();
        let received = format!(
            "{} {} received",
            many(received, "datapoint"),
            were(received)
        );
        let filled = many(judged.filled, "missing datapoint");
        return format!(
            "Threshold Crossed: {received} for {} and {filled} {} treated as [{treated}].",
            many(needed, "period"),
            were(judged.filled)
        );
    }
    let alarm = state == AlarmState::Alarm;
    let counted = judged
        .seen
        .iter()
        .map(|at| range[*at])
        .filter(|point| point.breaches == alarm);
    let values: Vec<String> = counted
        .map(|point| {
            let value = number(point.value.unwrap_or_default());
            format!("{value} ({})", format(point.at, "%d/%m/%y %H:%M:%S"))
        })
        .collect();
    let not = if alarm { "" } else { "not " };
    let how = format!(
        "[{}] {} {not}{} the threshold ({})",
        values.join(", "),
        were(values.len()),
        comparison(asked.comparison),
        number(threshold)
    );
    let Some(to_alarm) = asked.to_alarm else {
        return format!(
            "Threshold Crossed: {} {how}.",
            many(values.len(), "datapoint")
        );
    };
    let (least, change) = match alarm {
        true => (to_alarm, "OK -> ALARM"),
        false => (needed + 1 - to_alarm, "ALARM -> OK"),
    };
    format!(
        "Threshold Crossed: {} out of the last {needed} datapoints {how} (minimum {} for {change} transition).",
        values.len(),
        many(least, "datapoint")
    )
}

/// `StateReasonData`.
pub fn reason_data(
    asked: &Asked<'_>,
    judged: &Judgement,
    range: &[Datapoint],
    now: Timestamp,
) -> Value {
    let seen: Vec<&Datapoint> = judged.seen.iter().map(|at| &range[*at]).collect();
    let mut data = json!({ "version": "1.0", "queryDate": date(now) });
    let members = data.as_object_mut().expect("an object");
    if let Some(oldest) = seen.last() {
        members.insert("startDate".into(), date(oldest.at).into());
    }
    if let Some(unit) = asked.unit {
        members.insert("unit".into(), unit.into());
    }
    if let Some(statistic) = asked.statistic {
        members.insert("statistic".into(), statistic.into());
    }
    members.insert("period".into(), asked.period.into());
    let recent: Vec<f64> = seen.iter().rev().filter_map(|p| p.value).collect();
    members.insert("recentDatapoints".into(), json!(recent));
    members.insert("threshold".into(), asked.threshold.into());
    // Those that are missing are told by their time alone.
    let filled = range
        .iter()
        .filter(|p| p.value.is_none())
        .take(judged.filled);
    let mut evaluated: Vec<&Datapoint> = seen.iter().copied().chain(filled).collect();
    evaluated.sort_by_key(|p| std::cmp::Reverse(p.at));
    let point = |p: &&Datapoint| {
        let mut point = json!({ "timestamp": date(p.at) });
        if let Some(count) = p.sample_count.filter(|_| p.value.is_some()) {
            point["sampleCount"] = count.into();
        }
        if let Some(value) = p.value {
            point["value"] = value.into();
        }
        point
    };
    let evaluated: Vec<Value> = evaluated.iter().map(point).collect();
    members.insert("evaluatedDatapoints".into(), evaluated.into());
    data
}

#[cfg(test)]
mod tests {
    use super::super::judge::judge;
    use super::*;

    /// 30 November 2026, 11:00:00 UTC.
    const AT: Timestamp = Timestamp::from_millis(1_796_036_400_000);

    fn told(
        values: &[Option<f64>],
        needed: usize,
        to_alarm: Option<usize>,
        missing: Missing,
    ) -> String {
        let point = |(n, value): (usize, &Option<f64>)| Datapoint {
            at: AT.shift(-60_000 * n as i64),
            value: *value,
            sample_count: Some(1.0),
            breaches: value.is_some_and(|v| v > 1.0),
        };
        let range: Vec<Datapoint> = values.iter().enumerate().map(point).collect();
        let asked = Asked {
            needed,
            to_alarm,
            threshold: 1.0,
            comparison: "GreaterThanThreshold",
            missing,
            statistic: Some("Sum"),
            unit: None,
            period: 60,
        };
        let breaches: Vec<Option<bool>> =
            range.iter().map(|p| p.value.map(|_| p.breaches)).collect();
        let judged = judge(&breaches, needed, to_alarm.unwrap_or(needed), missing);
        reason(judged.state.expect("a state"), &asked, &judged, &range)
    }

    #[test]
    fn sentences() {
        let missing = Missing::Insufficient;
        let cases = [
            (
                told(&[Some(5.0)], 1, Some(1), missing),
                "Threshold Crossed: 1 out of the last 1 datapoints [5.0 (30/11/26 11:00:00)] was greater than the \
                 threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition).",
            ),
            (
                told(&[Some(0.5), Some(2.0), Some(0.0)], 3, Some(2), missing),
                "Threshold Crossed: 2 out of the last 3 datapoints [0.5 (30/11/26 11:00:00), 0.0 (30/11/26 \
                 10:58:00)] were not greater than the threshold (1.0) (minimum 2 datapoints for ALARM -> OK \
                 transition).",
            ),
            (
                told(&[Some(2.0), Some(3.0)], 2, None, missing),
                "Threshold Crossed: 2 datapoints [2.0 (30/11/26 11:00:00), 3.0 (30/11/26 10:59:00)] were greater \
                 than the threshold (1.0).",
            ),
            (
                told(&[None, None], 2, None, Missing::Breaching),
                "Threshold Crossed: no datapoints were received for 2 periods and 2 missing datapoints were \
                 treated as [Breaching].",
            ),
            (
                told(&[Some(0.0), None, None], 3, Some(2), Missing::NotBreaching),
                "Threshold Crossed: 1 datapoint was received for 3 periods and 2 missing datapoints were treated \
                 as [NonBreaching].",
            ),
            (
                told(&[None], 1, None, missing),
                "Insufficient Data: 1 datapoint was unknown.",
            ),
        ];
        for (found, wanted) in cases {
            assert_eq!(found, wanted);
        }
        let numbers = [0.0, 21.5, 1e7, 123_456_789.0, 0.0001, -2.0].map(number);
        assert_eq!(
            numbers,
            ["0.0", "21.5", "1.0E7", "1.23456789E8", "1.0E-4", "-2.0"]
        );
        assert_eq!(date(AT), "2026-11-30T11:00:00.000+0000");
        assert_eq!(long_date(AT), "Monday 30 November, 2026 11:00:00 UTC");
    }
}
