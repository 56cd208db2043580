//! `DescribeEvents`, and which kinds there are.

use super::paged;
use crate::model::Happening;
use crate::{Rds, error, happening};
use neargate_api_rds as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;
use std::time::Duration;

const MINUTES: i32 = 60;

pub async fn describe_events(
    _: Arc<Rds>,
    cx: Ctx,
    input: api::DescribeEventsInput,
) -> Result<api::DescribeEventsOutput, AwsError> {
    if input.source_identifier.is_some() && input.source_type.is_none() {
        return Err(error::combination(
            "The parameter SourceType must be specified with SourceIdentifier.",
        ));
    }
    let end = input.end_time.unwrap_or_else(|| cx.now());
    let minutes = input.duration.unwrap_or(MINUTES);
    let longest = i64::try_from(happening::KEPT.as_secs() / 60).unwrap_or(i64::MAX);
    if !(1..=longest).contains(&i64::from(minutes)) {
        return Err(error::value(format!("Invalid Duration: {minutes}")));
    }
    let long = Duration::from_secs(u64::try_from(minutes).unwrap_or_default() * 60);
    let millis = i64::try_from(long.as_millis()).unwrap_or(i64::MAX);
    let start = input.start_time.unwrap_or_else(|| end.shift(-millis));
    if start > end {
        return Err(error::combination("The StartTime is after the EndTime."));
    }
    let mut all = cx.db().list::<Happening>(&cx.scope).await?;
    all.retain(|h| {
        let categories = input.event_categories.as_ref().filter(|c| !c.is_empty());
        (start..=end).contains(&h.at)
            && input
                .source_type
                .as_ref()
                .is_none_or(|kind| *kind == h.source_type)
            && input
                .source_identifier
                .as_ref()
                .is_none_or(|id| id.eq_ignore_ascii_case(&h.source))
            && categories.is_none_or(|asked| asked.iter().any(|c| h.categories.contains(c)))
    });
    let marker = input.marker.as_deref();
    let (page, marker) = paged(all, marker, input.max_records, |h| h.id().to_owned())?;
    let shown = page.into_iter().map(|h| api::Event {
        source_identifier: Some(h.source.clone()),
        source_type: Some(h.source_type.clone()),
        message: Some(h.message.clone()),
        event_categories: Some(h.categories.clone()),
        date: Some(h.at),
        source_arn: Some(h.source_arn.clone()),
    });
    Ok(api::DescribeEventsOutput {
        marker,
        events: Some(shown.collect()),
    })
}

pub async fn describe_event_categories(
    _: Arc<Rds>,
    _: Ctx,
    input: api::DescribeEventCategoriesInput,
) -> Result<api::DescribeEventCategoriesOutput, AwsError> {
    let instance: &[&str] = &[
        "availability",
        "backup",
        "configuration change",
        "creation",
        "deletion",
        "failure",
        "notification",
    ];
    let snapshot: &[&str] = &["creation", "deletion"];
    let asked = input.source_type.filter(|kind| !kind.is_empty());
    let all = [("db-instance", instance), ("db-snapshot", snapshot)];
    let wanted = all
        .into_iter()
        .filter(|(kind, _)| asked.as_deref().is_none_or(|asked| asked == *kind));
    let shown = wanted.map(|(kind, categories)| api::EventCategoriesMap {
        source_type: Some(kind.into()),
        event_categories: Some(categories.iter().map(|c| (*c).to_owned()).collect()),
    });
    Ok(api::DescribeEventCategoriesOutput {
        event_categories_map_list: Some(shown.collect()),
    })
}
