//! Events that customers send, and patterns that they try.

use crate::model::Bus;
use crate::name::{self, BusName};
use crate::{Events, error, policy};
use neargate_api_events as api;
use neargate_service::event_pattern::Pattern;
use neargate_service::events::{Event, Posted};
use neargate_service::{AwsError, Ctx, Tx, db};
use serde_json::Value;
use std::sync::Arc;

/// All entries of a call together
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>).
const MOST_BYTES: usize = 256 << 10;
const DETAIL_TYPE_CHARS: usize = 128;

pub async fn put_events(
    events: Arc<Events>,
    cx: Ctx,
    input: api::PutEventsInput,
) -> Result<api::PutEventsOutput, AwsError> {
    if input.endpoint_id.is_some() {
        return Err(error::not_built("global endpoints"));
    }
    if input.entries.iter().map(bytes).sum::<usize>() > MOST_BYTES {
        return Err(error::validation(
            "Total size of the entries in the request is over the limit.",
        ));
    }
    let mut tx = cx.db().tx();
    let mut any = false;
    let mut results = Vec::new();
    for entry in input.entries {
        let (result, posted) = match take(&events, &cx, entry).await? {
            Ok((id, posted)) => (
                api::PutEventsResultEntry {
                    event_id: Some(id),
                    ..Default::default()
                },
                posted,
            ),
            Err((code, message)) => (
                api::PutEventsResultEntry {
                    error_code: Some(code.into()),
                    error_message: Some(message),
                    ..Default::default()
                },
                None,
            ),
        };
        if let Some((key, posted)) = posted {
            tx = Tx::put(tx, key, &posted);
            any = true;
        }
        results.push(result);
    }
    if any {
        let _ = tx.commit().await?;
    }
    let failed = results.iter().filter(|r| r.error_code.is_some()).count();
    Ok(api::PutEventsOutput {
        failed_entry_count: i32::try_from(failed).ok(),
        entries: Some(results),
    })
}

/// An event's id, and its record if somebody wants it; or AWS's code and sentence.
type Taken = Result<(String, Option<(String, Posted)>), (&'static str, String)>;

async fn take(
    events: &Events,
    cx: &Ctx,
    entry: api::PutEventsRequestEntry,
) -> Result<Taken, AwsError> {
    let required = |name: &str, given: Option<String>| {
        given.filter(|text| !text.is_empty()).ok_or_else(|| {
            let why =
                format!("Parameter {name} is not valid. Reason: {name} is a required argument.");
            ("InvalidArgument", why)
        })
    };
    let parts = required("Source", entry.source.clone()).and_then(|source| {
        let detail_type = required("DetailType", entry.detail_type.clone())?;
        let detail = required("Detail", entry.detail.clone())?;
        Ok((source, detail_type, detail))
    });
    let (source, detail_type, detail) = match parts {
        Ok(parts) => parts,
        Err(refused) => return Ok(Err(refused)),
    };
    let detail: Value = match serde_json::from_str(&detail) {
        Ok(detail @ Value::Object(_)) => detail,
        _ => return Ok(Err(("MalformedDetail", "Detail is malformed.".into()))),
    };
    if source.starts_with("aws.") {
        let why = "Not authorized for the source.".to_owned();
        return Ok(Err(("NotAuthorizedForSourceException", why)));
    }
    if detail_type.chars().count() > DETAIL_TYPE_CHARS {
        let why =
            "Parameter DetailType is not valid. Reason: DetailType is longer than 128 characters.";
        return Ok(Err(("InvalidArgument", why.to_owned())));
    }
    let bus = name::bus(cx, entry.event_bus_name.as_deref())?;
    if !may_send(cx, &bus).await? {
        let why = format!("Not authorized to put events to {}.", bus.arn());
        return Ok(Err(("NotAuthorizedForDetailTypeException", why)));
    }
    let event = Event {
        id: cx.house.rng.uuid(),
        source,
        detail_type,
        time: entry.time.unwrap_or_else(|| cx.now()),
        resources: entry.resources.unwrap_or_default(),
        detail,
    };
    let lookup = events.index.bus(&bus.scope, &bus.name);
    let wanted = lookup.may_match(&event.source, &event.detail_type);
    // Who sends it is who it is of, whosever bus it is.
    let sender = cx.scope.of_account(
        cx.principal
            .account()
            .unwrap_or_else(|| cx.scope.account.clone()),
    );
    let posted = wanted.then(|| {
        let key = db::key::<Posted>(&bus.scope, &event.id);
        (key, Posted::to(&bus.name, event.to_json(&sender)))
    });
    Ok(Ok((event.id, posted)))
}

/// Another account's bus takes what its policy lets it; there is no telling whether it is there.
async fn may_send(cx: &Ctx, bus: &BusName) -> Result<bool, AwsError> {
    if bus.scope.account == cx.scope.account {
        return Ok(true);
    }
    let stored = cx.db().get::<Bus>(&bus.scope, &bus.name).await?;
    let policy = stored.and_then(|bus| bus.value.policy);
    Ok(policy::allows(policy.as_ref(), &cx.scope))
}

fn bytes(entry: &api::PutEventsRequestEntry) -> usize {
    let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let time = entry.time.map_or(0, |_| 14);
    let resources = entry.resources.iter().flatten().map(String::len);
    time + of(&entry.source) + of(&entry.detail_type) + of(&entry.detail) + resources.sum::<usize>()
}

pub async fn test_event_pattern(
    _: Arc<Events>,
    _: Ctx,
    input: api::TestEventPatternInput,
) -> Result<api::TestEventPatternOutput, AwsError> {
    let event: Value = match serde_json::from_str(&input.event) {
        Ok(event @ Value::Object(_)) => event,
        _ => return Err(error::parameter("Event", "Event is not valid JSON.")),
    };
    for member in ["id", "account", "source", "time", "region", "detail-type"] {
        if event.get(member).is_none() {
            return Err(error::parameter(
                "Event",
                &format!("{member} is a required argument."),
            ));
        }
    }
    let pattern =
        Pattern::parse(&input.event_pattern).map_err(|why| error::invalid_pattern(&why))?;
    Ok(api::TestEventPatternOutput {
        result: Some(pattern.matches(&event)),
    })
}
