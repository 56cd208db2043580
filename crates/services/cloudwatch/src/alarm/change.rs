//! How the state of an alarm changes: state, reading, history and actions to do in one transaction.

use super::{arn, event, mute, name_of};
use crate::model::{Alarm, Held, HeldBy, HistoryItem, PendingAction, State, Watches};
use neargate_base::Timestamp;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::db::{self, Tx};
use neargate_service::{AwsError, Committed, House, Scope, Stored, alarm};
use serde_json::{Value, json};

/// A state that an alarm comes into.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    pub value: AlarmState,
    pub reason: String,
    pub reason_data: Option<String>,
    /// What it saw last.
    pub seen: Option<f64>,
    /// Somebody sets it.
    pub by_hand: bool,
}

/// Writes that the alarm is in another state, or is in the same for another reason.
///
/// # Errors
/// The store's.
pub async fn change(
    house: &House,
    scope: &Scope,
    stored: &Stored<Alarm>,
    next: Next,
) -> Result<Committed, AwsError> {
    let now = house.now();
    let before = stored.state.clone();
    let mut alarm = stored.value.clone();
    let changes = before.value != next.value;
    alarm.state = State {
        value: next.value,
        reason: next.reason,
        reason_data: next.reason_data,
        updated_at: now,
        transitioned_at: if changes { now } else { before.transitioned_at },
        set_by_hand: next.by_hand,
    };
    let mut tx = house.db.tx();
    if changes {
        let muted_by = mute::muted_by(house, scope, &alarm.name).await?;
        let data = json!({
            "version": "1.0",
            "oldState": told(&before),
            "newState": told(&alarm.state),
        });
        let summary = format!(
            "Alarm updated from {} to {}",
            before.value.as_str(),
            next.value.as_str()
        );
        tx = history(tx, house, scope, &alarm, "StateUpdate", summary, &data);
        tx = event::posted(tx, house, scope, &alarm, &before);
        tx = if holds(&mut alarm, before.value, now) {
            tx
        } else {
            let last = (before.value, next.seen);
            mute::act(tx, house, scope, &mut alarm, last, muted_by.as_deref())
        };
    }
    tx = reading(tx, scope, &alarm, next.seen, now);
    tx.update(stored, &alarm).commit().await
}

/// Do the actions of a composite alarm with a suppressor wait? Which state the suppressor is in is looked at
/// by the next round.
fn holds(alarm: &mut Alarm, from: AlarmState, now: Timestamp) -> bool {
    let acts = alarm.actions_enabled && !alarm.actions(alarm.state.value).is_empty();
    let Watches::Composite(watch) = &mut alarm.watches else {
        return false;
    };
    watch.held = (acts && watch.suppressor.is_some()).then_some(Held {
        by: HeldBy::WaitPeriod,
        since: now,
        from,
    });
    watch.held.is_some()
}

fn told(state: &State) -> Value {
    let mut told = json!({
        "stateValue": state.value.as_str(),
        "stateReason": state.reason,
    });
    let data = state
        .reason_data
        .as_ref()
        .and_then(|d| serde_json::from_str::<Value>(d).ok());
    if let Some(data) = data {
        told["stateReasonData"] = data;
    }
    told
}

/// What others see of it.
pub fn reading(tx: Tx, scope: &Scope, alarm: &Alarm, seen: Option<f64>, now: Timestamp) -> Tx {
    let reading = AlarmReading {
        arn: arn(scope, &alarm.name),
        name: alarm.name.clone(),
        state: alarm.state.value,
        since: alarm.state.transitioned_at,
        evaluated_at: now,
        value: seen,
        threshold: alarm.metric().map(|watch| watch.threshold),
        actions_enabled: alarm.actions_enabled && alarm.muted.is_none(),
        actions: alarm.actions(alarm.state.value).to_vec(),
    };
    tx.put(
        db::key::<AlarmReading>(scope, &alarm::id(&alarm.name)),
        &reading,
    )
}

/// An action that Auto Scaling takes from the reading itself: a policy of Application Auto Scaling.
fn is_read(action: &str) -> bool {
    is_scaling(action) && action.contains(":resource/")
}

/// "For Amazon EC2 Auto Scaling actions, the alarm continues to invoke the action for every period that the
/// alarm remains in the new state."
pub fn is_scaling(action: &str) -> bool {
    action.split(':').nth(2) == Some("autoscaling")
}

/// The actions of the state that the alarm is in.
pub fn todo(
    tx: Tx,
    house: &House,
    scope: &Scope,
    alarm: &Alarm,
    from: AlarmState,
    seen: Option<f64>,
) -> Tx {
    todo_of(tx, house, scope, alarm, from, seen, |action| {
        !is_read(action)
    })
}

/// Those that are invoked again while it stays in its state.
pub fn again(tx: Tx, house: &House, scope: &Scope, alarm: &Alarm, seen: Option<f64>) -> Tx {
    let from = alarm.state.value;
    todo_of(tx, house, scope, alarm, from, seen, |action| {
        is_scaling(action) && !is_read(action)
    })
}

fn todo_of(
    mut tx: Tx,
    house: &House,
    scope: &Scope,
    alarm: &Alarm,
    from: AlarmState,
    seen: Option<f64>,
    wanted: impl Fn(&str) -> bool,
) -> Tx {
    if !alarm.actions_enabled {
        return tx;
    }
    for action in alarm
        .actions(alarm.state.value)
        .iter()
        .filter(|a| wanted(a))
    {
        let pending = PendingAction {
            alarm: alarm.clone(),
            from,
            action: action.clone(),
            at: house.now(),
            value: seen,
            begun: false,
        };
        tx = tx.put(db::key::<PendingAction>(scope, &house.rng.uuid()), &pending);
    }
    tx
}

/// One more item of an alarm's history.
pub fn history(
    tx: Tx,
    house: &House,
    scope: &Scope,
    alarm: &Alarm,
    kind: &str,
    summary: String,
    data: &Value,
) -> Tx {
    let now = house.now();
    let item = HistoryItem {
        alarm_name: alarm.name.clone(),
        alarm_type: alarm.kind().to_owned(),
        at: now,
        kind: kind.to_owned(),
        summary,
        data: data.to_string(),
    };
    let id = format!(
        "{}/{:015}-{}",
        alarm::id(&alarm.name),
        now.as_millis(),
        house.rng.uuid()
    );
    tx.put(db::key::<HistoryItem>(scope, &id), &item)
}

/// What the next look at a composite alarm whose actions wait leads to.
#[derive(Debug, Clone, PartialEq)]
pub enum Release {
    /// It waits on, for this reason.
    Hold(Held),
    /// Its actions are done now.
    Act,
}

/// `suppressing`: the suppressor is in `ALARM`.
pub fn release(alarm: &Alarm, suppressing: bool, now: Timestamp) -> Option<Release> {
    let watch = alarm.composite()?;
    let held = watch.held.as_ref()?;
    let over =
        |seconds: i32| now.since(held.since).as_secs() >= u64::try_from(seconds).unwrap_or(0);
    let Some(suppressor) = &watch.suppressor else {
        return Some(Release::Act);
    };
    let hold = |by| {
        let since = now;
        let from = held.from;
        Some(Release::Hold(Held { by, since, from }))
    };
    match (held.by, suppressing) {
        (HeldBy::Alarm, true) => None,
        (_, true) => hold(HeldBy::Alarm),
        (HeldBy::Alarm, false) => hold(HeldBy::ExtensionPeriod),
        (HeldBy::WaitPeriod, false) => over(suppressor.wait_seconds).then_some(Release::Act),
        (HeldBy::ExtensionPeriod, false) => {
            over(suppressor.extension_seconds).then_some(Release::Act)
        }
    }
}

/// The name of the suppressor.
pub fn suppressor(alarm: &Alarm) -> Option<&str> {
    alarm
        .composite()?
        .suppressor
        .as_ref()
        .map(|s| name_of(&s.alarm))
}
