//! What an account may send, and has sent.

use crate::model::State;
use crate::model::settings::Account;
use crate::{Ses, sending};
use neargate_api_ses as api;
use neargate_base::Timestamp;
use neargate_service::{AwsError, Committed, Ctx, db};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;

/// There is no quota here; AWS says so with this number.
pub const NO_QUOTA: f64 = -1.0;
/// Mails a second: what an account has that left the sandbox with no wishes.
pub const RATE: f64 = 14.0;
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;
/// A data point tells of so long.
const POINT_MILLIS: i64 = 15 * 60 * 1_000;
/// How far back data points go.
const POINTS_MILLIS: i64 = 14 * DAY_MILLIS;

/// How many recipients SES took mails for within the last day, of those the outbox still has.
pub async fn sent_last_day(ses: &Ses, cx: &Ctx) -> Result<f64, AwsError> {
    let since = cx.now().shift(-DAY_MILLIS);
    let all = ses.outbox(&cx.house).list(&cx.scope).await?;
    let counted = all
        .iter()
        .filter(|l| l.service == "ses" && l.about.is_some());
    let counted = counted.filter(|l| l.accepted_at >= since);
    Ok(counted.map(|l| l.recipients.len()).sum::<usize>() as f64)
}

/// Writes what holds for the account.
pub async fn change(cx: &Ctx, change: impl Fn(&mut Account)) -> Result<(), AwsError> {
    loop {
        let there = cx.db().get::<Account>(&cx.scope, "account").await?;
        let mut new = there.as_ref().map(|a| a.value.clone()).unwrap_or_default();
        change(&mut new);
        let tx = match &there {
            Some(there) => cx.db().tx().update(there, &new),
            None => cx
                .db()
                .tx()
                .create(db::key::<Account>(&cx.scope, "account"), &new),
        };
        if let Committed::At(_) = tx.commit().await? {
            return Ok(());
        }
    }
}

pub async fn get_send_quota(
    ses: Arc<Ses>,
    cx: Ctx,
    _: Unit,
) -> Result<api::GetSendQuotaOutput, AwsError> {
    Ok(api::GetSendQuotaOutput {
        max24_hour_send: Some(NO_QUOTA),
        max_send_rate: Some(RATE),
        sent_last24_hours: Some(sent_last_day(&ses, &cx).await?),
    })
}

pub async fn get_send_statistics(
    ses: Arc<Ses>,
    cx: Ctx,
    _: Unit,
) -> Result<api::GetSendStatisticsOutput, AwsError> {
    let since = cx.now().shift(-POINTS_MILLIS);
    let mut points = BTreeMap::<i64, (i64, i64)>::new();
    for letter in ses.outbox(&cx.house).list(&cx.scope).await? {
        if letter.about.is_none() || letter.accepted_at < since {
            continue;
        }
        let at = letter.accepted_at.as_millis();
        let (attempts, bounces) = points.entry(at - at.rem_euclid(POINT_MILLIS)).or_default();
        *attempts += 1;
        *bounces += i64::from(letter.recipients.iter().any(|r| r.state == State::Failed));
    }
    let point = |(at, (attempts, bounces))| api::SendDataPoint {
        timestamp: Some(Timestamp::from_millis(at)),
        delivery_attempts: Some(attempts),
        bounces: Some(bounces),
        complaints: Some(0),
        rejects: Some(0),
    };
    Ok(api::GetSendStatisticsOutput {
        send_data_points: Some(points.into_iter().map(point).collect()),
    })
}

pub async fn get_account_sending_enabled(
    _: Arc<Ses>,
    cx: Ctx,
    _: Unit,
) -> Result<api::GetAccountSendingEnabledOutput, AwsError> {
    let enabled = Some(!sending::account(&cx).await?.paused);
    Ok(api::GetAccountSendingEnabledOutput { enabled })
}

pub async fn update_account_sending_enabled(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateAccountSendingEnabledInput,
) -> Result<Unit, AwsError> {
    let paused = !input.enabled.unwrap_or_default();
    change(&cx, |account| account.paused = paused).await?;
    Ok(Unit)
}
