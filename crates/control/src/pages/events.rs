//! `GET /_neargate/events`: ECS's events, one JSON object a line, for as long as the caller listens:
//! those of the caller's account, of all regions.
//!
//! Query: `follow=true` (go on with what comes), `since` (ISO 8601 or epoch seconds), `after` (the
//! id of the last event seen: what follows it; everything kept when it is not known any more),
//! `cluster`, `detail-type` (may be repeated). Without `follow` it answers with the newest events,
//! with it and neither `since` nor `after` only with those to come. A line `{"missed":n}` says that
//! n events came faster than they were read; an empty line, that the server still lives.

use crate::error;
use crate::gateway::body::full;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use neargate_ecs::events::{Event, Events, Filter, Next, Subscription};
use neargate_service::door::{Body, BoxError};
use neargate_service::{AwsError, Scope};
use neargate_wire::timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

/// How often a silent stream says that it lives, so that a caller that is gone is noticed.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Query {
    follow: bool,
    after: Option<String>,
    filter: Filter,
}

/// The events that `query` asks for, of those that `scope` may see.
///
/// # Errors
/// When the query cannot be read.
pub(super) fn page(events: &Events, scope: &Scope, query: &str) -> Result<Body, AwsError> {
    let query = read(query).map_err(error::invalid_query);
    let mut query: Query = query?;
    query.filter.account = Some(scope.account.clone());
    let (kept, live) = events.subscribe();
    let kept = first(&kept, &query);
    Ok(match query.follow {
        true => following(kept, live, query.filter),
        false => full(lines(&kept)),
    })
}

fn read(query: &str) -> Result<Query, String> {
    let mut read = Query::default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = value.replace('+', " ");
        let value = percent_decode_str(&value).decode_utf8();
        let value = value.map_err(|_| format!("{name} is no UTF-8"))?;
        match name {
            "follow" => read.follow = matches!(&*value, "" | "true" | "1"),
            "after" => read.after = Some(value.into_owned()),
            "cluster" => read.filter.cluster = Some(value.into_owned()),
            "since" => {
                let since = timestamp::parse_any(&value);
                let since = since.ok_or_else(|| format!("since: {value:?} is no time"))?;
                read.filter.since = Some(since);
            }
            "detail-type" => {
                let one = value.parse().map_err(|e| format!("detail-type: {e}"))?;
                read.filter.detail_types.push(one);
            }
            other => return Err(format!("unknown parameter {other:?}")),
        }
    }
    Ok(read)
}

/// What of the kept events comes first.
fn first(kept: &[Arc<Event>], query: &Query) -> Vec<Arc<Event>> {
    let kept = match &query.after {
        Some(after) => {
            let seen = kept.iter().rposition(|event| event.id() == *after);
            &kept[seen.map_or(0, |at| at + 1)..]
        }
        None if query.follow && query.filter.since.is_none() => &[],
        None => kept,
    };
    let wanted = kept.iter().filter(|event| query.filter.admits(event));
    wanted.cloned().collect()
}

fn lines(events: &[Arc<Event>]) -> String {
    let mut text = String::new();
    for event in events {
        text.push_str(&event.json());
        text.push('\n');
    }
    text
}

/// The stream's state.
struct Following {
    waiting: VecDeque<Arc<Event>>,
    live: Subscription,
    filter: Filter,
    started: bool,
}

fn following(kept: Vec<Arc<Event>>, live: Subscription, filter: Filter) -> Body {
    let state = Following {
        waiting: kept.into(),
        live,
        filter,
        started: false,
    };
    let pieces = stream::unfold(state, |mut state| async move {
        let piece = state.next().await?;
        Some((Ok::<_, BoxError>(Frame::data(Bytes::from(piece))), state))
    });
    StreamBody::new(pieces).boxed_unsync()
}

impl Following {
    async fn next(&mut self) -> Option<String> {
        // The head goes out with the first piece: at once, so that the caller knows it is heard.
        if !std::mem::replace(&mut self.started, true) && self.waiting.is_empty() {
            return Some("\n".into());
        }
        if let Some(event) = self.waiting.pop_front() {
            return Some(lines(&[event]));
        }
        loop {
            let Ok(next) = tokio::time::timeout(HEARTBEAT, self.live.next()).await else {
                return Some("\n".into());
            };
            match next {
                Next::Event(event) if self.filter.admits(&event) => return Some(lines(&[event])),
                Next::Event(_) => {}
                Next::Missed(n) => {
                    let mut line = json!({ "missed": n }).to_string();
                    let _ = writeln!(line);
                    return Some(line);
                }
                Next::End => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_ecs::events::DetailType;

    #[test]
    fn queries_are_read() {
        assert_eq!(read(""), Ok(Query::default()));
        let asked = "follow=true&cluster=a%2Db&detail-type=ECS%20Task+State%20change&since=1.5";
        let query = read(asked).expect("good");
        assert!(query.follow);
        assert_eq!(query.filter.cluster.as_deref(), Some("a-b"));
        assert_eq!(query.filter.detail_types, [DetailType::Task]);
        assert_eq!(query.filter.since.map(|t| t.as_millis()), Some(1_500));
        for bad in ["since=yesterday", "detail-type=ECS", "x=1", "cluster=%ff"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
