//! What a segment document must be
//! (<https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html>).
//!
//! A document is kept as it was sent; only what it is filed under is read here.

use super::id::{TraceId, segment_id};
use neargate_base::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// The longest document.
pub const MOST_BYTES: usize = 64 << 10;
/// Traces are kept so long, and none is begun that is older.
pub const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// How far ahead of our clock the sender's may be.
const AHEAD: Duration = Duration::from_secs(14 * 86_400);
const MOST_NAME_CHARS: usize = 200;
const MOST_TEXT_CHARS: usize = 250;
/// What a service's name may have besides letters, numbers and white space.
const SYMBOLS: &str = "_.:/%&#=+\\-@";

/// A document and what it is filed under.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    pub trace: TraceId,
    pub segment: u64,
    pub in_progress: bool,
    pub start: Timestamp,
    /// Where it is in progress, its start.
    pub end: Timestamp,
    pub text: String,
}

/// Why a document is not taken, by the code that AWS answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprocessed {
    pub id: Option<String>,
    pub code: &'static str,
}

/// Reads what a caller sent: a segment, a subsegment, or a list of subsegments.
pub fn read(text: &str, now: Timestamp) -> Vec<Result<Document, Unprocessed>> {
    let refused = |code| vec![Err(Unprocessed { id: None, code })];
    if text.len() > MOST_BYTES {
        return refused("SegmentTooLarge");
    }
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(object)) => vec![check(&object, || text.to_owned(), now, true)],
        Ok(Value::Array(several)) if several.is_empty() => refused("MissingId"),
        Ok(Value::Array(several)) => several
            .iter()
            .map(|one| match one {
                Value::Object(object) => check(object, || one.to_string(), now, true),
                _ => Err(Unprocessed {
                    id: None,
                    code: "ParseError",
                }),
            })
            .collect(),
        _ => refused("ParseError"),
    }
}

/// Checks what a span became: the id of its trace need not begin with a time.
///
/// # Errors
/// It is not taken.
pub fn of_span(object: &Map<String, Value>, now: Timestamp) -> Result<Document, Unprocessed> {
    let text = || Value::Object(object.clone()).to_string();
    let document = check(object, text, now, false)?;
    match document.text.len() > MOST_BYTES {
        true => Err(Unprocessed {
            id: None,
            code: "SegmentTooLarge",
        }),
        false => Ok(document),
    }
}

fn check(
    object: &Map<String, Value>,
    text: impl FnOnce() -> String,
    now: Timestamp,
    is_dated: bool,
) -> Result<Document, Unprocessed> {
    let id = object.get("id").and_then(Value::as_str);
    let refused = |code| Unprocessed {
        id: id.map(|id| id.chars().take(MOST_TEXT_CHARS).collect()),
        code,
    };
    let id = match (object.get("id"), id) {
        (None | Some(Value::Null), _) => return Err(refused("MissingId")),
        (Some(_), id) => id.and_then(segment_id),
    };
    let segment = id.ok_or_else(|| refused("InvalidId"))?;
    let trace = match object.get("trace_id") {
        None | Some(Value::Null) => return Err(refused("MissingTraceId")),
        Some(given) => given.as_str().and_then(TraceId::parse),
    };
    let trace = trace.ok_or_else(|| refused("InvalidTraceId"))?;
    let begun = Timestamp::from_millis(i64::from(trace.epoch()) * 1000);
    if is_dated && !is_timely(begun, now) {
        return Err(refused("InvalidTraceId"));
    }
    let is_subsegment = match object.get("type") {
        None | Some(Value::Null) => false,
        Some(kind) if kind == "subsegment" => true,
        Some(_) => return Err(refused("InvalidType")),
    };
    match object.get("name") {
        None | Some(Value::Null) => return Err(refused("MissingName")),
        Some(name) if is_name(name, is_subsegment) => {}
        Some(_) => return Err(refused("InvalidName")),
    }
    match object.get("parent_id") {
        None | Some(Value::Null) if is_subsegment => return Err(refused("MissingParentId")),
        None | Some(Value::Null) => {}
        Some(parent) if parent.as_str().and_then(segment_id).is_some() => {}
        Some(_) => return Err(refused("InvalidParentId")),
    }
    let start = match object.get("start_time") {
        None | Some(Value::Null) => return Err(refused("MissingStartTime")),
        Some(time) => moment(time).filter(|start| is_timely(*start, now)),
    };
    let start = start.ok_or_else(|| refused("InvalidStartTime"))?;
    let in_progress = object.get("in_progress").and_then(Value::as_bool) == Some(true);
    let end = match object.get("end_time") {
        None | Some(Value::Null) if in_progress => start,
        None | Some(Value::Null) => return Err(refused("MissingEndTime")),
        Some(time) => moment(time)
            .filter(|end| *end >= start && is_timely(*end, now))
            .ok_or_else(|| refused("InvalidEndTime"))?,
    };
    Ok(Document {
        trace,
        segment,
        in_progress,
        start,
        end,
        text: text(),
    })
}

fn is_name(name: &Value, is_subsegment: bool) -> bool {
    let Some(name) = name.as_str().filter(|name| !name.is_empty()) else {
        return false;
    };
    let allowed = |c: char| c.is_alphanumeric() || c.is_whitespace() || SYMBOLS.contains(c);
    match is_subsegment {
        true => name.chars().count() <= MOST_TEXT_CHARS && !name.chars().any(char::is_control),
        false => name.chars().count() <= MOST_NAME_CHARS && name.chars().all(allowed),
    }
}

/// Seconds since 1970 with a fraction.
fn moment(time: &Value) -> Option<Timestamp> {
    let seconds = time.as_f64().filter(|seconds| *seconds >= 0.0)?;
    Some(Timestamp::from_millis((seconds * 1000.0) as i64))
}

fn is_timely(at: Timestamp, now: Timestamp) -> bool {
    at >= now - KEPT && at <= now + AHEAD
}
