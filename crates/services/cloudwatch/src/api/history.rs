//! The history of alarms.

use super::shown;
use crate::CloudWatch;
use crate::model::HistoryItem;
use neargate_api_cloudwatch as api;
use neargate_service::{AwsError, Committed, Ctx, House, Resource, alarm, db};
use std::sync::Arc;
use std::time::Duration;

/// "CloudWatch keeps 30 days of alarm history"
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html>).
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Between two looks for what is older.
const FORGET: Duration = Duration::from_secs(3_600);

pub async fn describe_alarm_history(
    _: Arc<CloudWatch>,
    cx: Ctx,
    input: api::DescribeAlarmHistoryInput,
) -> Result<api::DescribeAlarmHistoryOutput, AwsError> {
    let prefix = match &input.alarm_name {
        Some(name) => db::key::<HistoryItem>(&cx.scope, &format!("{}/", alarm::id(name))),
        None => db::prefix::<HistoryItem>(&cx.scope),
    };
    let mut all = cx.db().list_prefix::<HistoryItem>(&prefix).await?;
    // Without the types only metric alarms are told of.
    let types = input
        .alarm_types
        .unwrap_or_else(|| vec!["MetricAlarm".into()]);
    all.retain(|item| {
        let kind = input
            .history_item_type
            .as_ref()
            .is_none_or(|k| *k == item.kind);
        let from = input.start_date.is_none_or(|start| item.at >= start);
        let to = input.end_date.is_none_or(|end| item.at <= end);
        let of = types.contains(&item.alarm_type) || input.alarm_name.is_some();
        of && kind && from && to
    });
    let ascending = input.scan_by.as_deref() == Some("TimestampAscending");
    let mut ordered: Vec<(String, HistoryItem)> = all
        .into_iter()
        .map(|item| {
            // Newest first: what is later comes before.
            let at = item.at.as_millis();
            let at = if ascending {
                at
            } else {
                i64::from(u32::MAX) * 10_000 - at
            };
            (format!("{at:015}{}", item.key), item.value)
        })
        .collect();
    ordered.sort_by(|a, b| a.0.cmp(&b.0));
    let token = input.next_token.as_deref();
    let (page, next_token) = shown::page(ordered, token, input.max_records, |(id, _)| id.clone())?;
    let shown = |(_, item): (String, HistoryItem)| api::AlarmHistoryItem {
        alarm_name: Some(item.alarm_name),
        alarm_type: Some(item.alarm_type),
        timestamp: Some(item.at),
        history_item_type: Some(item.kind),
        history_summary: Some(item.summary),
        history_data: Some(item.data),
        ..Default::default()
    };
    Ok(api::DescribeAlarmHistoryOutput {
        alarm_history_items: Some(page.into_iter().map(shown).collect()),
        next_token,
    })
}

/// Forgets what is old, for ever.
pub async fn forget(house: Arc<House>) {
    loop {
        tokio::time::sleep(FORGET).await;
        if let Err(error) = forget_old(&house).await {
            tracing::warn!(%error, "old history of alarms is kept for longer");
        }
    }
}

async fn forget_old(house: &House) -> Result<(), AwsError> {
    let all = format!("{}/", HistoryItem::KIND);
    for item in house.db.list_prefix::<HistoryItem>(&all).await? {
        if house.now().since(item.at) >= KEPT {
            let _: Committed = house.db.tx().delete(&item).commit().await?;
        }
    }
    Ok(())
}
