//! What EventBridge and its Scheduler tell of themselves
//! (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html>).

use neargate_service::invocation::Origin;
use neargate_service::metrics::Datum;
use neargate_service::{House, Scope};

/// One more of a rule's.
pub fn of_rule(house: &House, scope: &Scope, bus: &str, rule: &str, metric: &str) {
    let named = [("RuleName", rule)];
    let with_bus = [("EventBusName", bus), ("RuleName", rule)];
    // Rules of the default bus are not counted under its name.
    let dimensions: &[(&str, &str)] = match bus {
        neargate_service::events::DEFAULT_BUS => &named,
        _ => &with_bus,
    };
    put(house, scope, "AWS/Events", metric, dimensions);
}

/// One more of whatever invokes: a rule's or a schedule's own name for it, if it has one.
pub fn of_origin(house: &House, scope: &Scope, origin: &Origin, what: Counted) {
    match origin {
        Origin::Rule { name, bus, .. } => {
            for metric in what.of_rules() {
                of_rule(house, scope, bus, name, metric);
            }
        }
        Origin::Schedule { group, .. } => {
            for metric in what.of_schedules() {
                put(
                    house,
                    scope,
                    "AWS/Scheduler",
                    metric,
                    &[("ScheduleGroup", group)],
                );
            }
        }
        Origin::Bucket { .. } | Origin::AutoScalingGroup { .. } => {}
    }
}

/// What became of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    Tried,
    TriedAgain,
    Succeeded,
    /// It may still succeed.
    Failed,
    GivenUp,
    SentToDeadLetters,
    NotSentToDeadLetters,
}

impl Counted {
    fn of_rules(self) -> &'static [&'static str] {
        match self {
            Counted::Tried => &["InvocationAttempts"],
            Counted::TriedAgain => &["InvocationAttempts", "RetryInvocationAttempts"],
            Counted::Succeeded => &["Invocations", "SuccessfulInvocationAttempts"],
            Counted::Failed => &[],
            Counted::GivenUp => &["Invocations", "FailedInvocations"],
            Counted::SentToDeadLetters => &["InvocationsSentToDlq", "DeadLetterInvocations"],
            Counted::NotSentToDeadLetters => &["InvocationsFailedToBeSentToDlq"],
        }
    }

    fn of_schedules(self) -> &'static [&'static str] {
        match self {
            Counted::Tried | Counted::TriedAgain => &["InvocationAttemptCount"],
            Counted::Succeeded => &[],
            Counted::Failed => &["TargetErrorCount"],
            Counted::GivenUp => &["TargetErrorCount", "InvocationDroppedCount"],
            Counted::SentToDeadLetters => &["InvocationsSentToDeadLetterCount"],
            Counted::NotSentToDeadLetters => &["InvocationsFailedToBeSentToDeadLetterCount"],
        }
    }
}

fn put(house: &House, scope: &Scope, namespace: &str, metric: &str, dimensions: &[(&str, &str)]) {
    let datum = Datum::new(namespace, metric, dimensions, "Count", 1.0, house.now());
    house.metrics.put(scope, datum);
}
