//! Steps by tables: what alarms, clocks and bounds make of a target.

use super::*;
use crate::model::{Kind, Named, Policy, Scheduled, Suspended};
use neargate_api_application_autoscaling as api;
use neargate_domain::alarm::AlarmState;
use neargate_service::scaling::own_alarm::OwnAlarm;
use neargate_wire::json::Json;
use std::cell::Cell;
use std::collections::BTreeMap;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

struct Town {
    scope: Scope,
    target: Target,
    service: Option<Seen>,
    readings: Vec<AlarmReading>,
    now: Timestamp,
    ids: Cell<u32>,
}

fn town(min: u32, max: u32, count: u32) -> Town {
    let scope = Scope {
        account: "000000000000".parse().expect("an account"),
        region: "us-east-1".parse().expect("a region"),
    };
    let target = Target {
        id: "t".into(),
        cluster: "c".into(),
        service: "s".into(),
        created_at: NOW,
        min,
        max,
        suspended: Suspended::default(),
        tags: BTreeMap::new(),
        policies: BTreeMap::new(),
        scheduled: BTreeMap::new(),
        deregistered: false,
        bounds_set: false,
        acting: None,
        grew: None,
        shrank: None,
        heard: BTreeMap::new(),
        not_scaled: None,
        unwanted_alarms: Default::default(),
    };
    Town {
        scope,
        target,
        service: Some(seen(count)),
        readings: Vec::new(),
        now: NOW,
        ids: Cell::new(0),
    }
}

fn seen(count: u32) -> Seen {
    Seen {
        desired: count,
        running: count,
        ..Seen::default()
    }
}

impl Town {
    fn policy(mut self, name: &str, kind: Kind) -> Town {
        let own = |which: &str, is_high| OwnAlarm {
            name: format!("{name}-{which}"),
            is_high,
            is_made: true,
        };
        let alarms = match &kind {
            Kind::TargetTracking(asked) if asked.disable_scale_in == Some(true) => {
                vec![own("high", true)]
            }
            Kind::TargetTracking(_) => vec![own("high", true), own("low", false)],
            Kind::Step(_) => vec![],
        };
        let policy = Policy {
            id: "p".into(),
            created_at: NOW,
            kind,
            created_by: "b".into(),
            alarms,
        };
        self.target.policies.insert(name.into(), policy);
        self
    }

    fn tracking(self, name: &str, target: f64) -> Town {
        self.policy(name, tracking(target, |_| {}))
    }

    /// An alarm of this name is evaluated; its action is the policy.
    fn alarm(&mut self, alarm: &str, policy: &str, value: Option<f64>) {
        let arn = self
            .target
            .policy_arn(&self.scope, policy, &self.target.policies[policy]);
        self.readings.retain(|r| r.name != alarm);
        self.readings.push(AlarmReading {
            arn: format!("arn:{alarm}"),
            name: alarm.into(),
            state: AlarmState::Alarm,
            since: self.now,
            evaluated_at: self.now,
            value,
            threshold: Some(50.0),
            actions_enabled: true,
            actions: vec![format!("{arn}:createdBy/b")],
        });
    }

    /// One step: the activities that it writes, in words.
    fn step(&mut self) -> Vec<String> {
        let id = || {
            self.ids.set(self.ids.get() + 1);
            self.ids.get().to_string()
        };
        let view = View {
            scope: &self.scope,
            service: self.service.as_ref(),
            readings: &self.readings,
            now: self.now,
        };
        let step = next(&self.target, &view, &id);
        self.target = step.target;
        let words = |a: &Activity| {
            let why = a.not_scaled.as_ref().map(|n| n.code.clone());
            let why = why.or(a.message.clone()).unwrap_or_default();
            format!(
                "{} {} | {} | {why}",
                a.status.as_str(),
                a.description,
                a.cause
            )
        };
        step.activities.iter().map(words).collect()
    }

    /// ECS is told, and so many tasks run.
    fn ecs(&mut self, running: u32) {
        if let Some(acting) = self.target.acting.clone() {
            told(&mut self.target, None, self.now);
            self.service = Some(Seen {
                desired: acting.to,
                running,
                ..Seen::default()
            });
        }
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn wanted(&self) -> Option<u32> {
        self.target.acting.as_ref().map(|a| a.to)
    }
}

fn tracking(target: f64, change: fn(&mut api::TargetTrackingScalingPolicyConfiguration)) -> Kind {
    let mut asked = api::TargetTrackingScalingPolicyConfiguration {
        target_value: target,
        ..Default::default()
    };
    change(&mut asked);
    Kind::TargetTracking(Json(asked))
}

fn steps(kind: &str, steps: &[(Option<f64>, Option<f64>, i32)]) -> Kind {
    let step = |(lower, upper, by): &(Option<f64>, Option<f64>, i32)| api::StepAdjustment {
        metric_interval_lower_bound: *lower,
        metric_interval_upper_bound: *upper,
        scaling_adjustment: *by,
    };
    Kind::Step(Json(api::StepScalingPolicyConfiguration {
        adjustment_type: Some(kind.into()),
        step_adjustments: Some(steps.iter().map(step).collect()),
        cooldown: Some(60),
        ..Default::default()
    }))
}

#[test]
fn a_metric_over_its_target_lets_the_service_grow_in_proportion() {
    let mut t = town(1, 10, 1).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(150.0));
    assert_eq!(
        t.step(),
        [
            "Pending Setting desired count to 3. | monitor alarm cpu-high in state ALARM triggered policy cpu | "
        ]
    );
    assert_eq!(t.step(), [""; 0], "until ECS is told");
    t.ecs(1);
    t.later(10);
    assert_eq!(t.step(), [""; 0]);
    t.service = Some(seen(3));
    assert_eq!(
        t.step(),
        [
            "Successful Setting desired count to 3. | monitor alarm cpu-high in state ALARM triggered policy cpu | Successfully set desired count to 3. Change successfully fulfilled by ecs."
        ]
    );
    assert_eq!(t.wanted(), None);
}

#[test]
fn what_was_added_counts_until_it_takes_effect() {
    let mut t = town(1, 20, 1).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(150.0));
    t.step();
    t.ecs(3);
    t.step();
    // The same evaluation again, then one that is as high: three is what that asks for.
    t.step();
    t.later(60);
    t.alarm("cpu-high", "cpu", Some(150.0));
    assert_eq!(
        t.step(),
        [
            "Successful Attempting to scale due to alarm triggered | monitor alarm cpu-high in state ALARM triggered policy cpu | AlreadyAtDesiredCapacity"
        ]
    );
    t.later(60);
    t.alarm("cpu-high", "cpu", Some(150.0));
    assert_eq!(t.step(), [""; 0], "it is written once");
    // A larger one is not waited with.
    t.later(60);
    t.alarm("cpu-high", "cpu", Some(240.0));
    t.step();
    assert_eq!(t.wanted(), Some(5));
    t.ecs(5);
    t.step();
    t.later(301);
    t.alarm("cpu-high", "cpu", Some(60.0));
    t.step();
    assert_eq!(
        t.wanted(),
        Some(6),
        "after the cooldown it counts what runs"
    );
}

#[test]
fn what_cannot_be_started_does_not_grow_without_end() {
    let mut t = town(1, 100, 2).tracking("cpu", 50.0);
    for _ in 0..10 {
        t.alarm("cpu-high", "cpu", Some(100.0));
        t.step();
        t.ecs(2);
        t.later(400);
    }
    assert_eq!(t.service.as_ref().map(|s| s.desired), Some(4));
}

#[test]
fn a_service_shrinks_when_every_metric_is_low_and_to_what_is_enough_for_all() {
    let mut t = town(1, 20, 10)
        .tracking("cpu", 50.0)
        .tracking("memory", 50.0);
    t.alarm("cpu-low", "cpu", Some(10.0));
    assert_eq!(t.step(), [""; 0], "the memory is not low");
    t.later(60);
    t.alarm("memory-low", "memory", Some(40.0));
    t.step();
    assert_eq!(t.wanted(), Some(8));
    t.ecs(8);
    t.step();
    // Within the cooldown it stays, and does so when the other one is evaluated.
    t.later(60);
    t.alarm("cpu-low", "cpu", Some(10.0));
    t.step();
    assert_eq!(t.wanted(), None);
    // A cooldown of shrinking does not keep it from growing.
    t.alarm("cpu-high", "cpu", Some(100.0));
    t.readings.retain(|r| r.name != "cpu-low");
    t.step();
    assert_eq!(t.wanted(), Some(16));
}

#[test]
fn a_service_does_not_shrink_while_it_deploys_nor_where_that_is_switched_off() {
    let mut t = town(1, 20, 10).tracking("cpu", 50.0);
    t.service = Some(Seen {
        deploys: true,
        ..seen(10)
    });
    t.alarm("cpu-low", "cpu", Some(10.0));
    assert_eq!(t.step(), [""; 0]);
    t.service = Some(seen(10));
    assert_eq!(t.step(), [""; 0], "that evaluation is over");
    t.later(60);
    t.alarm("cpu-low", "cpu", Some(10.0));
    t.target.suspended.scale_in = true;
    assert_eq!(t.step(), [""; 0]);
    t.target.suspended.scale_in = false;
    t.later(60);
    t.alarm("cpu-low", "cpu", None);
    assert_eq!(t.step(), [""; 0], "no data, no scaling");
    t.later(60);
    t.alarm("cpu-low", "cpu", Some(10.0));
    t.step();
    assert_eq!(t.wanted(), Some(2));

    let only_out = tracking(50.0, |asked| asked.disable_scale_in = Some(true));
    let mut t = town(1, 20, 10)
        .tracking("cpu", 50.0)
        .policy("out", only_out);
    t.alarm("cpu-low", "cpu", Some(10.0));
    t.step();
    assert_eq!(t.wanted(), Some(2), "it has no say in that");
}

#[test]
fn bounds_hold() {
    let mut t = town(2, 4, 4).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(500.0));
    assert!(t.step()[0].ends_with("AlreadyAtMaxCapacity"));
    t.later(60);
    t.readings.clear();
    t.alarm("cpu-low", "cpu", Some(1.0));
    t.step();
    assert_eq!(t.wanted(), Some(2));
    t.ecs(2);
    t.later(60);
    t.step();
    t.later(400);
    t.alarm("cpu-low", "cpu", Some(1.0));
    assert!(t.step()[0].ends_with("AlreadyAtMinCapacity"));

    let mut t = town(3, 5, 1);
    t.target.bounds_set = true;
    assert_eq!(
        t.step(),
        ["Pending Setting desired count to 3. | minimum capacity was set to 3 | "]
    );
    t.ecs(3);
    t.step();
    t.target.max = 3;
    t.service = Some(seen(9));
    assert_eq!(t.step(), [""; 0], "set by hand");
    t.target.bounds_set = true;
    assert_eq!(
        t.step(),
        ["Pending Setting desired count to 3. | maximum capacity was set to 3 | "]
    );
}

#[test]
fn steps_go_by_the_distance_from_the_threshold() {
    let kind = || {
        steps(
            "ChangeInCapacity",
            &[(Some(0.0), Some(20.0), 1), (Some(20.0), None, 3)],
        )
    };
    let mut t = town(1, 20, 2).policy("p", kind());
    for (value, expected) in [(Some(60.0), 3), (Some(70.0), 5), (None, 3), (Some(69.9), 3)] {
        t.target.grew = None;
        t.target.acting = None;
        t.service = Some(seen(2));
        t.later(60);
        t.alarm("a", "p", value);
        t.step();
        assert_eq!(t.wanted(), Some(expected), "{value:?}");
    }
    t.target.acting = None;
    t.later(60);
    t.alarm("a", "p", Some(40.0));
    assert_eq!(t.step(), [""; 0], "no step is for that");

    let less = steps("PercentChangeInCapacity", &[(None, Some(0.0), -50)]);
    let mut t = town(1, 20, 7).policy("p", less);
    t.alarm("a", "p", Some(40.0));
    t.step();
    assert_eq!(t.wanted(), Some(4));

    let exact = steps("ExactCapacity", &[(Some(0.0), None, 5)]);
    for (count, expected) in [(2, Some(5)), (9, Some(5)), (5, None)] {
        let mut t = town(1, 20, count).policy("p", exact.clone());
        t.alarm("a", "p", Some(50.0));
        t.step();
        assert_eq!(t.wanted(), expected, "{count}");
    }
}

#[test]
fn the_policy_that_asks_for_the_most_wins() {
    let more = steps("ChangeInCapacity", &[(Some(0.0), None, 4)]);
    let less = steps("ChangeInCapacity", &[(None, None, -1)]);
    let mut t = town(1, 20, 2)
        .tracking("cpu", 50.0)
        .policy("more", more)
        .policy("less", less);
    t.alarm("cpu-high", "cpu", Some(100.0));
    t.alarm("a", "more", Some(50.0));
    t.alarm("b", "less", Some(50.0));
    t.step();
    assert_eq!(t.wanted(), Some(6));
}

#[test]
fn an_alarm_whose_actions_are_off_is_not_heard() {
    let mut t = town(1, 20, 2).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(100.0));
    t.readings[0].actions_enabled = false;
    assert_eq!(t.step(), [""; 0]);
    t.later(60);
    t.alarm("cpu-high", "cpu", Some(100.0));
    t.target.suspended.scale_out = true;
    assert_eq!(t.step(), [""; 0]);
}

#[test]
fn scheduled_actions_set_bounds_once() {
    let mut t = town(1, 5, 1);
    let action = |schedule: &str, min, max, next_at| Scheduled {
        id: "s".into(),
        created_at: NOW,
        schedule: schedule.into(),
        time_zone: None,
        start: None,
        end: None,
        min,
        max,
        next_at,
    };
    let soon = NOW + Duration::from_secs(30);
    let scheduled = &mut t.target.scheduled;
    scheduled.insert(
        "once".into(),
        action("at(2023-11-14T22:13:50)", Some(3), None, soon),
    );
    scheduled.insert(
        "regular".into(),
        action("rate(1 minute)", Some(9), None, soon),
    );
    assert_eq!(t.step(), [""; 0]);
    t.later(40);
    assert_eq!(
        t.step(),
        [
            "Successful Setting min capacity to 3 | scheduled action name once was triggered | Successfully set min capacity to 3",
            "Failed Setting min capacity to 9 | scheduled action name regular was triggered | Failed to set min capacity to 9. Reason: Maximum capacity cannot be less than minimum capacity",
            "Pending Setting desired count to 3. | minimum capacity was set to 3 | ",
        ]
    );
    assert_eq!((t.target.min, t.target.scheduled.len()), (3, 1));
    assert_eq!(
        t.target.scheduled["regular"].next_at,
        NOW + Duration::from_secs(60)
    );
    t.ecs(3);
    t.target.suspended.scheduled = true;
    t.later(600);
    let quiet = t.step();
    assert_eq!(quiet.len(), 1, "only what was under way: {quiet:?}");
    assert!(
        t.target.scheduled["regular"].next_at > t.now,
        "those are skipped"
    );
}

#[test]
fn what_others_set_overrides() {
    let mut t = town(1, 9, 1).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(150.0));
    t.step();
    t.ecs(1);
    t.service = Some(seen(7));
    assert!(
        t.step()[0]
            .ends_with("Successfully set desired count to 3. Found it was later changed to 7.")
    );

    let mut t = town(1, 9, 1).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(150.0));
    t.step();
    t.ecs(1);
    t.later(60);
    t.alarm("cpu-high", "cpu", Some(250.0));
    let written = t.step();
    assert!(
        written[0].starts_with("Overridden Setting desired count to 3."),
        "{written:?}"
    );
    assert!(
        written[1].starts_with("Pending Setting desired count to 5."),
        "{written:?}"
    );
    t.ecs(1);
    t.later(1_801);
    t.readings.clear();
    assert!(t.step()[0].starts_with("Unfulfilled"));
}

#[test]
fn what_ecs_refuses_has_failed_and_leaves_no_cooldown() {
    let mut t = town(1, 9, 1).tracking("cpu", 50.0);
    t.alarm("cpu-high", "cpu", Some(150.0));
    t.step();
    let failed = told(&mut t.target, Some("No such service"), t.now).expect("an activity");
    let message = failed.message.unwrap_or_default();
    assert_eq!(
        message,
        "Failed to set desired count to 3. Reason: No such service"
    );
    assert_eq!((t.target.acting.is_none(), t.target.grew), (true, None));
    assert_eq!(Named::parse("service/c/s"), Some(t.target.named()));
}
