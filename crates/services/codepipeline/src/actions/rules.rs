//! Rules of conditions that ask a clock, an alarm or a variable
//! (<https://docs.aws.amazon.com/codepipeline/latest/userguide/rule-reference.html>).

use super::{Done, Ended, Step, Work, failed};
use neargate_base::Timestamp;
use neargate_service::cron::{Cron, Invalid};
use serde_json::json;
use std::time::Duration;

const MINUTE_MILLIS: i64 = 60_000;

fn met() -> Step {
    Step::Done(Done::default())
}

/// A window's expression: Quartz's with seconds in front, and a year that may be left out.
///
/// # Errors
/// When it is none, or there is no such zone.
pub fn window(text: &str, zone: &str) -> Result<Cron, Invalid> {
    let fields: Vec<&str> = text.split_whitespace().collect();
    match fields[..] {
        ["*", minute, hour, day, month, weekday] => {
            Cron::parse_quartz(&[minute, hour, day, month, weekday, "*"].join(" "), zone)
        }
        ["*", ref rest @ ..] if rest.len() == 6 => Cron::parse_quartz(&rest.join(" "), zone),
        _ => Err(Invalid::Expression),
    }
}

/// Is the minute that it is one of the window's?
pub fn deployment_window(work: &Work<'_>) -> Result<Step, Ended> {
    let zone = work.configured("TimeZone").unwrap_or("UTC");
    let cron = window(work.required("Cron"), zone).map_err(|_| {
        failed(
            "ConfigurationError",
            "The rule's Cron or TimeZone is not valid",
        )
    })?;
    let now = work.house.now().as_millis();
    let minute = now - now.rem_euclid(MINUTE_MILLIS);
    if cron.after(Timestamp::from_millis(minute - 1)) == Some(Timestamp::from_millis(minute)) {
        return Ok(met());
    }
    Err(failed(
        "RuleFailed",
        "The current time is not within the deployment window",
    ))
}

/// Compares a variable, which is filled in by now, with a value.
pub fn variable_check(work: &Work<'_>) -> Result<Step, Ended> {
    let empty = String::new();
    let variable = work.run.configuration.get("Variable").unwrap_or(&empty);
    let value = work.run.configuration.get("Value").unwrap_or(&empty);
    let operator = work.configured("Operator").unwrap_or("EQ");
    let holds = match operator {
        "EQ" => variable == value,
        "NE" => variable != value,
        "CONTAINS" => variable.contains(value.as_str()),
        "MATCHES" => {
            let pattern = format!("^(?:{value})$");
            let pattern = regex::RegexBuilder::new(&pattern)
                .size_limit(1 << 20)
                .build();
            let pattern = pattern.map_err(|_| {
                failed(
                    "ConfigurationError",
                    "The rule's Value is no regular expression",
                )
            })?;
            pattern.is_match(variable)
        }
        other => {
            return Err(failed(
                "ConfigurationError",
                format!("The rule has no operator {other}"),
            ));
        }
    };
    if holds {
        return Ok(met());
    }
    Err(failed(
        "RuleFailed",
        format!("The variable's value '{variable}' is not {operator} '{value}'"),
    ))
}

/// Fails as soon as the alarm is in one of the states, and succeeds when it was in none until its time is over.
pub async fn alarm(work: &Work<'_>) -> Result<Step, Ended> {
    let name = work.required("AlarmName");
    let named = json!({ "AlarmNames": [name], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] });
    let found = work.call(("cloudwatch", "DescribeAlarms"), named).await?;
    let kinds = ["MetricAlarms", "CompositeAlarms"].into_iter();
    let mut alarms = kinds.filter_map(|kind| found[kind].as_array()).flatten();
    let state = alarms.next().and_then(|alarm| alarm["StateValue"].as_str());
    let Some(state) = state else {
        return Err(failed(
            "ConfigurationError",
            format!("The alarm {name} does not exist"),
        ));
    };
    let states = work.configured("AlarmStates").unwrap_or("ALARM");
    if states.split(',').any(|one| one.trim() == state) {
        return Err(failed(
            "RuleFailed",
            format!("The alarm {name} is in the state {state}"),
        ));
    }
    let minutes = work
        .configured("WaitTime")
        .and_then(|text| text.trim().parse().ok());
    let waits = Duration::from_secs(60 * minutes.unwrap_or(0_u64));
    if work.house.now() < work.run.started_at + waits {
        return Ok(Step::Wait);
    }
    Ok(met())
}
