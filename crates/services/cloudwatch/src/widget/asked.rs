//! The JSON of a widget
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Metric-Widget-Structure.html>).
//! What would show in the picture and is not drawn here is refused by its name.

use neargate_api_cloudwatch as api;
use neargate_base::Timestamp;
use neargate_wire::timestamp::parse_any;
use serde_json::{Map, Value};

/// "Valid values: 1 to 2000" of both sides.
const LARGEST: i64 = 2_000;
const HOURS_BY_DEFAULT: i64 = 3;

/// What is wrong with a widget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bad {
    Wrong(String),
    NotBuilt(&'static str),
}

fn wrong(text: impl Into<String>) -> Bad {
    Bad::Wrong(text.into())
}

/// A widget, read.
#[derive(Debug)]
pub struct Widget {
    pub width: u32,
    pub height: u32,
    pub title: String,
    pub stacked: bool,
    pub start: Timestamp,
    pub end: Timestamp,
    /// How far the clock that times are shown by is ahead of UTC.
    pub offset_seconds: i64,
    pub queries: Vec<api::MetricDataQuery>,
    /// The color of each query that has one of its own, by its id.
    pub colors: Vec<(String, [u8; 3])>,
    /// Of the left axis.
    pub axis: Axis,
    /// Lines across: value, text and color.
    pub across: Vec<Across>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Axis {
    pub label: Option<String>,
    pub min: Option<f64>,
    pub max: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Across {
    pub value: f64,
    pub label: String,
    pub color: Option<[u8; 3]>,
}

/// Reads a widget that is asked for now.
///
/// # Errors
/// What is wrong with it.
pub fn read(text: &str, now: Timestamp) -> Result<Widget, Bad> {
    let json: Value = serde_json::from_str(text)
        .map_err(|why| wrong(format!("MetricWidget is no JSON: {why}")))?;
    let of = json
        .as_object()
        .ok_or_else(|| wrong("MetricWidget must be a JSON object."))?;
    match of.get("view").and_then(Value::as_str) {
        None | Some("timeSeries") => {}
        Some("singleValue") => return Err(Bad::NotBuilt("widgets that show a single value")),
        Some("bar") => return Err(Bad::NotBuilt("widgets that show bars")),
        Some("pie") => return Err(Bad::NotBuilt("widgets that show a pie")),
        Some(other) => return Err(wrong(format!("The view {other} is not supported."))),
    }
    let annotations = of.get("annotations");
    let listed = |what: &str| {
        let list = annotations
            .and_then(|a| a.get(what))
            .and_then(Value::as_array);
        list.is_some_and(|list| !list.is_empty())
    };
    if listed("vertical") {
        return Err(Bad::NotBuilt("vertical annotations of widgets"));
    }
    if listed("alarms") {
        return Err(Bad::NotBuilt("alarms in widgets"));
    }
    let side = |name: &str, default: i64| match of.get(name) {
        None => Ok(default),
        Some(value) => value
            .as_i64()
            .filter(|n| (1..=LARGEST).contains(n))
            .ok_or_else(|| wrong(format!("{name} must be a number from 1 to {LARGEST}."))),
    };
    let side = |name, default| side(name, default).map(|n| u32::try_from(n).unwrap_or(1));
    let end = moment(of.get("end"), now, 0, "end")?;
    let start = moment(of.get("start"), now, HOURS_BY_DEFAULT * 3_600, "start")?;
    if start >= end {
        return Err(wrong("The start of the widget must be before its end."));
    }
    let (queries, colors) = queries(of)?;
    let left = of.get("yAxis").and_then(|axes| axes.get("left"));
    let number = |name: &str| left.and_then(|axis| axis.get(name)).and_then(Value::as_f64);
    Ok(Widget {
        width: side("width", 600)?,
        height: side("height", 400)?,
        title: said(of, "title").unwrap_or_default().to_owned(),
        stacked: of.get("stacked").and_then(Value::as_bool).unwrap_or(false),
        start,
        end,
        offset_seconds: match said(of, "timezone") {
            None => 0,
            Some(zone) => offset(zone)
                .ok_or_else(|| wrong(format!("The timezone {zone} is not of the form +0130.")))?,
        },
        queries,
        colors,
        axis: Axis {
            label: left
                .and_then(|axis| axis.get("label"))
                .and_then(Value::as_str)
                .map(str::to_owned),
            min: number("min"),
            max: number("max"),
        },
        across: across(annotations)?,
    })
}

fn said<'a>(of: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    of.get(name).and_then(Value::as_str)
}

/// `+0130`.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let digits = &zone[1..];
    let good = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    let number: i64 = digits.parse().ok().filter(|_| good)?;
    Some(sign * (number / 100 * 3_600 + number % 100 * 60))
}

/// A time, or how long before now: `-PT3H`.
fn moment(value: Option<&Value>, now: Timestamp, ago: i64, name: &str) -> Result<Timestamp, Bad> {
    let before = |seconds: i64| Timestamp::from_millis(now.as_millis() - seconds * 1_000);
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(before(ago));
    };
    let text = value.as_str().unwrap_or_default();
    let relative = text.strip_prefix('-').unwrap_or(text);
    let found = match relative.starts_with('P') {
        true => duration(relative).map(before),
        false => parse_any(text),
    };
    found.ok_or_else(|| wrong(format!("The {name} {value} is no time.")))
}

/// The seconds of a duration of ISO 8601; a month has thirty days.
fn duration(text: &str) -> Option<i64> {
    let (mut total, mut number, mut is_time) = (0_i64, String::new(), false);
    for letter in text.strip_prefix('P')?.chars() {
        if letter == 'T' {
            is_time = true;
            continue;
        }
        if letter.is_ascii_digit() && number.len() < 9 {
            number.push(letter);
            continue;
        }
        let unit = match (letter, is_time) {
            ('Y', false) => 365 * 86_400,
            ('M', false) => 30 * 86_400,
            ('W', false) => 7 * 86_400,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        let count: i64 = std::mem::take(&mut number).parse().ok()?;
        total = count.checked_mul(unit)?.checked_add(total)?;
    }
    number.is_empty().then_some(total)
}

fn across(annotations: Option<&Value>) -> Result<Vec<Across>, Bad> {
    let list = annotations.and_then(|a| a.get("horizontal"));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.map(|one| {
        if one.is_array() {
            return Err(Bad::NotBuilt("bands of widgets"));
        }
        let value = one.get("value").and_then(Value::as_f64);
        let text = |name: &str| one.get(name).and_then(Value::as_str);
        Ok(Across {
            value: value.ok_or_else(|| wrong("A horizontal annotation needs a value."))?,
            label: text("label").unwrap_or_default().to_owned(),
            color: text("color").map(color).transpose()?,
        })
    })
    .collect()
}

/// `#1f77b4`.
fn color(text: &str) -> Result<[u8; 3], Bad> {
    let bad = || wrong(format!("{text} is no color of the form #1f77b4."));
    let digits = text
        .strip_prefix('#')
        .filter(|d| d.len() == 6 && d.is_ascii());
    let number = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
    let [_, red, green, blue] = number.ok_or_else(bad)?.to_be_bytes();
    Ok([red, green, blue])
}

type Queries = (Vec<api::MetricDataQuery>, Vec<(String, [u8; 3])>);

/// Each row is a metric, whose words may stand for those of the row before, or an expression.
fn queries(of: &Map<String, Value>) -> Result<Queries, Bad> {
    let rows = of.get("metrics").and_then(Value::as_array);
    let rows = rows.ok_or_else(|| wrong("The widget has no array metrics."))?;
    let (mut queries, mut colors) = (Vec::new(), Vec::new());
    let mut before: Vec<String> = Vec::new();
    let none = Map::new();
    let taken: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.as_array()?.last()?.get("id")?.as_str())
        .collect();
    for (n, row) in rows.iter().enumerate() {
        let row = row
            .as_array()
            .ok_or_else(|| wrong("Each of the widget's metrics must be an array."))?;
        let (words, options) = match row.split_last() {
            Some((Value::Object(options), words)) => (words, options),
            _ => (row.as_slice(), &none),
        };
        let option = |name: &str| said(options, name);
        for (is, what) in [
            (option("yAxis") == Some("right"), "right axes of widgets"),
            (
                option("region").is_some(),
                "widgets of other regions' metrics",
            ),
            (
                option("accountId").is_some(),
                "widgets of other accounts' metrics",
            ),
        ] {
            if is {
                return Err(Bad::NotBuilt(what));
            }
        }
        let number = |name: &str| options.get(name).or(of.get(name)).and_then(Value::as_i64);
        let period = number("period").unwrap_or(300);
        let period = i32::try_from(period).map_err(|_| wrong(format!("{period} is no period.")))?;
        let id = option("id").map_or_else(
            || {
                let mut id = format!("m{}", n + 1);
                while taken.contains(&id.as_str()) {
                    id.push('x');
                }
                id
            },
            str::to_owned,
        );
        if let Some(text) = option("color") {
            colors.push((id.clone(), color(text)?));
        }
        let mut query = api::MetricDataQuery {
            id,
            label: option("label").map(str::to_owned),
            return_data: Some(
                options
                    .get("visible")
                    .and_then(Value::as_bool)
                    .unwrap_or(true),
            ),
            ..Default::default()
        };
        if let Some(expression) = option("expression") {
            query.expression = Some(expression.to_owned());
            query.period = Some(period);
        } else {
            let words = spelled(words, &before)?;
            let stat = option("stat").or(said(of, "stat")).unwrap_or("Average");
            query.metric_stat = Some(metric(&words, stat, period)?);
            before = words;
        }
        queries.push(query);
    }
    Ok((queries, colors))
}

fn metric(words: &[String], stat: &str, period: i32) -> Result<api::MetricStat, Bad> {
    let [namespace, name, rest @ ..] = words else {
        return Err(wrong("A metric of a widget needs a namespace and a name."));
    };
    if rest.len() % 2 != 0 {
        return Err(wrong(format!(
            "A dimension of the metric {name} has no value."
        )));
    }
    let dimensions = rest.chunks(2).map(|pair| api::Dimension {
        name: pair[0].clone(),
        value: pair[1].clone(),
    });
    Ok(api::MetricStat {
        metric: api::Metric {
            namespace: Some(namespace.clone()),
            metric_name: Some(name.clone()),
            dimensions: Some(dimensions.collect()),
        },
        period,
        stat: stat.to_owned(),
        unit: None,
    })
}

/// The words of a row with those of the row before in place of `.`, which is one, and `...`, which is as many as
/// leave room for what follows.
fn spelled(row: &[Value], before: &[String]) -> Result<Vec<String>, Bad> {
    let mut words = Vec::new();
    let nothing = || wrong("There is no row before that . and ... could stand for.");
    for (n, word) in row.iter().enumerate() {
        let word = word
            .as_str()
            .ok_or_else(|| wrong("The words of a metric must be strings."))?;
        match word {
            "." => words.push(before.get(words.len()).ok_or_else(nothing)?.clone()),
            "..." => {
                let end = before.len().checked_sub(row.len() - n - 1);
                let end = end.filter(|end| *end >= words.len()).ok_or_else(nothing)?;
                words.extend_from_slice(&before[words.len()..end]);
            }
            word => words.push(word.to_owned()),
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn asked(json: Value) -> Result<Widget, Bad> {
        read(&json.to_string(), NOW)
    }

    #[test]
    fn rows_may_stand_for_those_before() {
        let widget = asked(json!({ "metrics": [
            ["AWS/ECS", "CPUUtilization", "ClusterName", "c", "ServiceName", "a"],
            ["...", "b", { "stat": "Maximum", "color": "#0000ff" }],
            [".", "MemoryUtilization", ".", ".", ".", ".", { "period": 60, "visible": false }],
            [{ "expression": "m1 + m2", "label": "both", "id": "m4" }],
        ], "start": "-PT1H30M", "timezone": "-0130" }))
        .unwrap();
        let metric = |n: usize| widget.queries[n].metric_stat.clone().unwrap();
        let last = |n: usize| metric(n).metric.dimensions.unwrap().pop().unwrap().value;
        assert_eq!(
            (last(0), last(1), last(2)),
            ("a".into(), "b".into(), "b".into())
        );
        assert_eq!(
            metric(2).metric.metric_name.as_deref(),
            Some("MemoryUtilization")
        );
        assert_eq!((metric(1).stat.as_str(), metric(2).period), ("Maximum", 60));
        assert_eq!(widget.queries[2].return_data, Some(false));
        assert_eq!(widget.colors, [("m2".to_owned(), [0, 0, 255])]);
        assert_eq!(NOW.since(widget.start).as_secs(), 5_400);
        assert_eq!(
            (widget.width, widget.height, widget.offset_seconds),
            (600, 400, -5_400)
        );
    }

    #[test]
    fn what_is_no_widget_or_not_drawn() {
        for (bad, why) in [
            (json!([]), "must be a JSON object"),
            (json!({}), "no array metrics"),
            (json!({ "metrics": [["A"]] }), "a namespace and a name"),
            (json!({ "metrics": [["A", "b", "c"]] }), "has no value"),
            (json!({ "metrics": [["...", "b"]] }), "no row before"),
            (json!({ "metrics": [[1, "b"]] }), "must be strings"),
            (json!({ "metrics": [], "width": 2001 }), "width must be"),
            (json!({ "metrics": [], "start": "-PT0H" }), "before its end"),
            (json!({ "metrics": [], "start": "soon" }), "is no time"),
            (json!({ "metrics": [], "timezone": "CET" }), "of the form"),
            (
                json!({ "metrics": [["A", "b", { "color": "red" }]] }),
                "is no color",
            ),
        ] {
            match asked(bad) {
                Err(Bad::Wrong(text)) => assert!(text.contains(why), "{text}"),
                other => panic!("{other:?}"),
            }
        }
        let pie = asked(json!({ "metrics": [], "view": "pie" }));
        assert_eq!(pie.unwrap_err(), Bad::NotBuilt("widgets that show a pie"));
        assert!(read("{", NOW).is_err());
    }
}
