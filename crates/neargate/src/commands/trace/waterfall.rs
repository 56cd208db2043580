//! Where the time of a trace went: a line for each segment and subsegment, as long as it took. Pure.

use crate::view::{Paint, Tone, cut, plain};
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// How deep lines go; what is deeper is not shown.
const MOST_DEPTH: usize = 64;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub depth: usize,
    pub name: String,
    pub start: f64,
    pub seconds: f64,
    pub state: &'static str,
}

/// A time that people read: `12ms`, `1.25s`.
pub fn time(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{:.0}us", s * 1e6),
        s if s < 1.0 => format!("{:.0}ms", s * 1e3),
        s => format!("{s:.2}s"),
    }
}

/// Segments below what called them, in the order of their beginning.
pub fn rows(documents: &[Value]) -> Vec<Row> {
    // An inferred segment says what its caller's subsegment says.
    let sent: Vec<&Value> = documents.iter().filter(|d| d["inferred"] != true).collect();
    let mut known = HashSet::new();
    sent.iter()
        .for_each(|document| collect(document, &mut known, 0));
    let mut called = HashMap::<&str, Vec<&Value>>::new();
    let mut roots = Vec::new();
    for document in &sent {
        match document["parent_id"].as_str() {
            Some(parent) if known.contains(parent) && Some(parent) != document["id"].as_str() => {
                called.entry(parent).or_default().push(document);
            }
            _ => roots.push(*document),
        }
    }
    let mut rows = Vec::new();
    for root in by_start(roots) {
        add(root, &mut called, 0, &mut rows);
    }
    rows
}

fn collect<'a>(document: &'a Value, known: &mut HashSet<&'a str>, depth: usize) {
    known.extend(document["id"].as_str());
    if depth < MOST_DEPTH {
        let inside = document["subsegments"].as_array().into_iter().flatten();
        inside.for_each(|one| collect(one, known, depth + 1));
    }
}

fn by_start(mut all: Vec<&Value>) -> Vec<&Value> {
    all.sort_by(|a, b| start(a).total_cmp(&start(b)));
    all
}

fn start(document: &Value) -> f64 {
    document["start_time"].as_f64().unwrap_or(0.0)
}

fn add<'a>(
    document: &'a Value,
    called: &mut HashMap<&'a str, Vec<&'a Value>>,
    depth: usize,
    rows: &mut Vec<Row>,
) {
    if depth > MOST_DEPTH {
        return;
    }
    let begun = start(document);
    rows.push(Row {
        depth,
        name: document["name"].as_str().unwrap_or("-").to_owned(),
        start: begun,
        seconds: (document["end_time"].as_f64().unwrap_or(begun) - begun).max(0.0),
        state: state(document),
    });
    let inside = document["subsegments"].as_array().into_iter().flatten();
    let mut below: Vec<&Value> = inside.collect();
    // Each is shown once, though two may say that the other called them.
    let id = document["id"].as_str().unwrap_or_default();
    below.extend(called.remove(id).unwrap_or_default());
    for one in by_start(below) {
        add(one, called, depth + 1, rows);
    }
}

fn state(document: &Value) -> &'static str {
    let status = document["http"]["response"]["status"].as_i64().unwrap_or(0);
    if document["fault"] == true || status >= 500 {
        "fault"
    } else if document["throttle"] == true || status == 429 {
        "throttle"
    } else if document["error"] == true || status >= 400 {
        "error"
    } else if document["in_progress"] == true {
        "in progress"
    } else {
        ""
    }
}

const NAME: usize = 36;
const NUMBERS: usize = 24;

/// The rows as text, no wider than `width`.
pub fn lines(rows: &[Row], width: usize, paint: Paint) -> Vec<String> {
    let first = rows.iter().map(|r| r.start).fold(f64::INFINITY, f64::min);
    let last = rows.iter().map(|r| r.start + r.seconds).fold(0.0, f64::max);
    let whole = (last - first).max(1e-9);
    let bar = width.saturating_sub(NAME + NUMBERS).clamp(10, 80);
    let line = |row: &Row| {
        let place = |at: f64| (((at - first) / whole * bar as f64) as usize).min(bar);
        let from = place(row.start).min(bar - 1);
        let long =
            (place(row.start + row.seconds) - from.min(place(row.start + row.seconds))).max(1);
        let long = long.min(bar - from);
        let drawn = format!(
            "{}{}{}",
            " ".repeat(from),
            "=".repeat(long),
            " ".repeat(bar - from - long)
        );
        let tone = match row.state {
            "" => Tone::Good,
            "in progress" => Tone::Waiting,
            _ => Tone::Bad,
        };
        let name = format!("{}{}", "  ".repeat(row.depth.min(12)), plain(&row.name));
        let name = cut(&name, NAME - 1);
        let pad = " ".repeat(NAME.saturating_sub(name.chars().count()));
        let text = format!(
            "{name}{pad}{} {:>8} {}",
            paint.text(&drawn, tone),
            time(row.seconds),
            row.state
        );
        text.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{lines, rows, time};
    use crate::view::Paint;
    use serde_json::json;

    #[test]
    fn a_trace_as_lines() {
        let web = json!({"id": "a", "name": "web", "start_time": 10.0, "end_time": 11.0, "fault": true,
            "subsegments": [
                {"id": "c", "name": "late", "start_time": 10.5, "end_time": 11.0},
                {"id": "b", "name": "api", "start_time": 10.0, "end_time": 10.5}]});
        let api = json!({"id": "d", "name": "api", "parent_id": "b", "start_time": 10.1, "end_time": 10.4});
        let inferred = json!({"id": "e", "name": "late", "parent_id": "c", "inferred": true,
            "start_time": 10.5, "end_time": 11.0});
        let alone = json!({"id": "f", "name": "alone", "parent_id": "x", "start_time": 10.9, "in_progress": true});
        let rows = rows(&[alone, api, web, inferred]);
        let shown: Vec<(usize, &str)> = rows.iter().map(|r| (r.depth, r.name.as_str())).collect();
        assert_eq!(
            shown,
            [
                (0, "web"),
                (1, "api"),
                (2, "api"),
                (1, "late"),
                (0, "alone")
            ]
        );
        let lines = lines(&rows, 80, Paint::NONE);
        assert!(lines[0].starts_with("web "), "{lines:?}");
        assert!(
            lines[0].ends_with("====================    1.00s fault"),
            "{lines:?}"
        );
        assert!(lines[3].ends_with("==========    500ms"), "{lines:?}");
        assert!(lines[4].ends_with("0us in progress"), "{lines:?}");
    }

    #[test]
    fn times() {
        assert_eq!([0.0002, 0.25, 1.234].map(time), ["200us", "250ms", "1.23s"]);
    }
}
