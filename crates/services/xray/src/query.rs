//! Traces as queries see them: loaded from the engine, put together and digested.

use crate::engine::{Engine, Loaded, Range};
use crate::filter::{Expression, GroupName};
use crate::model::{DEFAULT, Group};
use crate::trace::{Digest, Shown, TraceId, assemble};
use crate::{error, filter};
use neargate_base::{Timestamp, task};
use neargate_service::{AwsError, Ctx, Scope};
use std::sync::Arc;

/// Traces that are looked for at once; others may write meanwhile.
const AT_ONCE: usize = 1_024;

/// A trace with what it says.
#[derive(Debug)]
pub struct Found {
    pub time: u32,
    pub loaded: Loaded,
    pub shown: Vec<Shown>,
    pub digest: Digest,
}

pub fn load(engine: &Engine, scope: &Scope, id: TraceId) -> Option<Found> {
    let loaded = engine.load(scope, id)?;
    let shown = assemble(&loaded.documents);
    let digest = Digest::of(&shown);
    Some(Found {
        time: loaded.entry.time,
        loaded,
        shown,
        digest,
    })
}

/// Every trace in `range`, the newest first, until `take` says that it is enough. Blocks.
pub fn each(
    engine: &Engine,
    scope: &Scope,
    range: Range,
    mut after: Option<(u32, TraceId)>,
    mut take: impl FnMut(Found) -> bool,
) {
    loop {
        let ids = engine.ids(scope, range, after, AT_ONCE);
        for (_, id) in &ids {
            let goes_on = load(engine, scope, *id).is_none_or(&mut take);
            if !goes_on {
                return;
            }
        }
        match ids.last() {
            Some(last) if ids.len() == AT_ONCE => after = Some(*last),
            _ => return,
        }
    }
}

/// Does blocking work of a query where that holds nobody up.
///
/// # Errors
/// It was given up.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AwsError> {
    task::spawn_blocking(work).await.map_err(AwsError::internal)
}

/// # Errors
/// The range is none, or too long.
pub fn check_range(start: Timestamp, end: Timestamp, hours: i64) -> Result<(), AwsError> {
    if start >= end {
        return Err(error::range_reversed());
    }
    match end.as_millis().saturating_sub(start.as_millis()) > hours * 3_600_000 {
        true => Err(error::range_too_long(hours)),
        false => Ok(()),
    }
}

/// How deep groups may name groups.
const MOST_GROUPS_DEEP: usize = 4;

/// An expression, with those of the groups that it names.
///
/// # Errors
/// It is none, or names a group that is not there.
pub async fn expression(cx: &Ctx, text: &str) -> Result<Arc<Expression>, AwsError> {
    let mut expression = filter::parse(text).map_err(|why| error::invalid_filter(&why))?;
    for _ in 0..MOST_GROUPS_DEEP {
        let mut named = Vec::new();
        expression.groups(&mut named);
        if named.is_empty() {
            return Ok(Arc::new(expression));
        }
        let groups = cx.db().list::<Group>(&cx.scope).await?;
        let known = |name: &GroupName| {
            let (default_name, default_arn) = Group::default_of(&cx.scope);
            match name {
                GroupName::Name(name) if *name == default_name => return Some(Expression::Always),
                GroupName::Arn(arn) if *arn == default_arn => return Some(Expression::Always),
                _ => {}
            }
            let group = groups.iter().find(|group| match name {
                GroupName::Name(name) => group.name == *name,
                GroupName::Arn(arn) => group.arn(&cx.scope) == *arn,
            })?;
            filter::parse(&group.filter).ok()
        };
        if named.iter().any(|name| known(name).is_none()) {
            return Err(error::group_not_found());
        }
        expression.expand(&known);
    }
    Err(error::invalid_filter(&"groups name each other"))
}

/// The expression of a group that an input names, if it names one.
///
/// # Errors
/// There is no such group.
pub async fn of_group(
    cx: &Ctx,
    name: Option<&str>,
    arn: Option<&str>,
) -> Result<Arc<Expression>, AwsError> {
    let text = match (name, arn) {
        (None, None) => return Ok(Arc::new(Expression::Always)),
        (Some(DEFAULT), _) => return Ok(Arc::new(Expression::Always)),
        (Some(name), _) => format!("group.name = {}", quoted(name)),
        (None, Some(arn)) => format!("group.arn = {}", quoted(arn)),
    };
    expression(cx, &text).await
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
