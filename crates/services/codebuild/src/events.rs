//! What CodeBuild tells EventBridge: that a build's state, or its phase, has changed
//! (<https://docs.aws.amazon.com/codebuild/latest/userguide/sample-build-notifications.html>).

use crate::model::Build;
use neargate_base::Timestamp;
use neargate_service::db::Tx;
use neargate_service::events::Event;
use neargate_service::{House, Scope, managed};
use neargate_wire::json::to_json;
use serde_json::{Value, json};

const SOURCE: &str = "aws.codebuild";
const STATE: &str = "CodeBuild Build State Change";
const PHASE: &str = "CodeBuild Build Phase Change";

/// Adds the events of a change to its transaction.
pub fn tell(house: &House, mut tx: Tx, scope: &Scope, before: Option<&Build>, after: &Build) -> Tx {
    if managed::is_managed(after.project()) {
        return tx;
    }
    let arn = after.shown.arn.clone().unwrap_or_default();
    let status = |b: &Build| b.shown.build_status.clone();
    if before.and_then(status) != status(after) {
        tx = house.events.post(tx, scope, SOURCE, STATE, || {
            Event::new(house, SOURCE, STATE, vec![arn.clone()], state(after))
        });
    }
    let ended = |b: &Build| {
        let phases = b.shown.phases.iter().flatten();
        phases.filter(|p| p.phase_status.is_some()).count()
    };
    let already = before.map_or(0, ended);
    let phases = after.shown.phases.clone().unwrap_or_default();
    let new = phases.iter().filter(|p| p.phase_status.is_some());
    for phase in new.skip(already) {
        tx = house.events.post(tx, scope, SOURCE, PHASE, || {
            let mut detail = common(after);
            detail["completed-phase"] = json!(phase.phase_type);
            detail["completed-phase-status"] = json!(phase.phase_status);
            detail["completed-phase-duration-seconds"] = json!(phase.duration_in_seconds);
            detail["completed-phase-start"] = json!(phase.start_time.map(words));
            detail["completed-phase-end"] = json!(phase.end_time.map(words));
            let contexts = phase.contexts.iter().flatten();
            let said = contexts.map(|c| {
                let part = |text: &Option<String>| text.clone().unwrap_or_default();
                format!("{}: {}", part(&c.status_code), part(&c.message))
            });
            detail["completed-phase-context"] =
                json!(format!("[{}]", said.collect::<Vec<_>>().join(", ")));
            Event::new(house, SOURCE, PHASE, vec![arn.clone()], detail)
        });
    }
    tx
}

fn state(build: &Build) -> Value {
    let mut detail = common(build);
    detail["build-status"] = json!(build.shown.build_status);
    detail["current-phase"] = json!(build.shown.current_phase);
    detail["current-phase-context"] = json!("[]");
    detail
}

fn common(build: &Build) -> Value {
    let shown = to_json(&build.shown.0);
    let mut more = json!({});
    for (kebab, camel) in [
        ("artifact", "artifacts"),
        ("environment", "environment"),
        ("timeout-in-minutes", "timeoutInMinutes"),
        ("initiator", "initiator"),
        ("source", "source"),
        ("source-version", "sourceVersion"),
        ("logs", "logs"),
        ("phases", "phases"),
        ("queued-timeout-in-minutes", "queuedTimeoutInMinutes"),
        (
            "exported-environment-variables",
            "exportedEnvironmentVariables",
        ),
    ] {
        if let Some(value) = shown.get(camel) {
            more[kebab] = kebabs(value);
        }
    }
    more["build-complete"] = json!(build.shown.build_complete.unwrap_or(false));
    more["build-start-time"] = json!(build.shown.start_time.map(words));
    json!({
        "project-name": build.project(),
        "build-id": build.shown.arn,
        "additional-information": more,
        "version": "1",
    })
}

/// Members as CodeBuild writes them in events: `phase-type`. Times are seconds in what is shown.
fn kebabs(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let value = match (key.as_str(), value) {
                    ("startTime" | "endTime", Value::Number(at)) => {
                        let seconds = at.as_f64().unwrap_or_default();
                        #[allow(clippy::cast_possible_truncation, reason = "a time of this age")]
                        let at = Timestamp::from_millis((seconds * 1000.0) as i64);
                        Value::String(words(at))
                    }
                    (_, value) => kebabs(value),
                };
                (kebab(key), value)
            });
            Value::Object(entries.collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(kebabs).collect()),
        other => other.clone(),
    }
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

/// `Sep 1, 2017 4:12:29 PM`.
fn words(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // 2017-09-01T16:12:29…
    let text = at.rfc3339();
    let number = |from: usize, to: usize| text.get(from..to).and_then(|t| t.parse::<usize>().ok());
    let parts = (number(0, 4), number(5, 7), number(8, 10), number(11, 13));
    let (Some(year), Some(month), Some(day), Some(hour)) = parts else {
        return text;
    };
    let month = MONTHS.get(month.saturating_sub(1)).unwrap_or(&"Jan");
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = (hour + 11) % 12 + 1;
    let rest = text.get(14..19).unwrap_or_default();
    format!("{month} {day}, {year} {hour}:{rest} {half}")
}
