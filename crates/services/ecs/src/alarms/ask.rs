//! One question to CloudWatch.

use super::{Heard, LONGEST_BAKE, PACE, Watched};
use crate::role;
use neargate_api_cloudwatch as api;
use neargate_service::{AwsError, Caller, House, Scope};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// As many names as `DescribeAlarms` takes.
const NAMES: usize = 100;
const TYPES: [&str; 3] = ["MetricAlarm", "CompositeAlarm", "LogAlarm"];
/// CloudWatch's shortest period of a standard alarm: what one counts for that names none.
const MINUTE: Duration = Duration::from_secs(60);

/// How the alarms are now. A name that no alarm has is in no state.
///
/// # Errors
/// CloudWatch's; when it takes longer than [`PACE`].
pub(super) async fn ask(
    house: &Arc<House>,
    scope: &Scope,
    watched: &Watched,
) -> Result<Heard, AwsError> {
    let mut heard = Heard {
        deployment: watched.deployment.clone(),
        ringing: Vec::new(),
        bake: Duration::ZERO,
    };
    for names in watched.names.chunks(NAMES) {
        // Without the types only metric alarms are described.
        let mut input = api::DescribeAlarmsInput {
            alarm_names: Some(names.to_vec()),
            alarm_types: Some(TYPES.map(String::from).into()),
            max_records: i32::try_from(NAMES).ok(),
            ..Default::default()
        };
        // An answer has at least one alarm on a page.
        for _ in 0..names.len() {
            let role = role::service_linked(scope);
            let call = Caller::call::<api::ops::DescribeAlarms>(house, scope, &role, &input);
            let output = timeout(PACE, call).await.map_err(AwsError::internal)??;
            read(&output, &mut heard);
            input.next_token = output.next_token.filter(|t| !t.is_empty());
            if input.next_token.is_none() {
                break;
            }
        }
    }
    heard.ringing.sort();
    heard.bake = heard.bake.min(LONGEST_BAKE);
    Ok(heard)
}

pub(super) fn read(output: &api::DescribeAlarmsOutput, heard: &mut Heard) {
    let metric = output.metric_alarms.iter().flatten();
    let metric = metric.map(|a| (&a.alarm_name, &a.state_value, window(a)));
    let composite = output.composite_alarms.iter().flatten();
    let composite = composite.map(|a| (&a.alarm_name, &a.state_value, MINUTE));
    let log = output.log_alarms.iter().flatten();
    let log = log.map(|a| (&a.alarm_name, &a.state_value, MINUTE));
    for (name, state, window) in metric.chain(composite).chain(log) {
        heard.bake = heard.bake.max(window);
        if state.as_deref() == Some("ALARM") {
            heard.ringing.extend(name.clone());
        }
    }
}

/// How much time the alarm looks back over.
fn window(alarm: &api::MetricAlarm) -> Duration {
    let queries = alarm.metrics.iter().flatten();
    let queries = queries.filter_map(|q| q.period.or(q.metric_stat.as_ref().map(|s| s.period)));
    let period = alarm.period.into_iter().chain(queries).max();
    let seconds = |n: i32| u64::try_from(n).unwrap_or(0);
    let period = period.map_or(MINUTE, |n| Duration::from_secs(seconds(n)));
    let periods = u32::try_from(alarm.evaluation_periods.unwrap_or(1)).unwrap_or(1);
    period.saturating_mul(periods)
}
