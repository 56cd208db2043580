//! The operations, a file for each kind of thing.

pub mod change_sets;
pub mod drift;
pub mod exports;
pub mod prepare;
pub mod registry;
pub mod resources;
pub mod rollback;
pub mod stacks;
pub mod templates;
pub mod view;

use crate::engine::{self, Said};
use crate::error;
use crate::model::{Event, Name, Operation, Phase, Stack};
use neargate_base::Arn;
use neargate_service::page::{Paged, Size, page};
use neargate_service::{AwsError, Ctx, Stored, db};

/// A page of anything.
const PAGE: Size = Size::up_to(100);

pub fn paged<T>(
    items: Vec<T>,
    token: Option<&str>,
    id: impl Fn(&T) -> String,
) -> Result<Paged<T>, AwsError> {
    page(items, token, PAGE.clamp(None), id)
        .map_err(|_| error::validation("The next token is invalid"))
}

/// The stack of that name that is not deleted, or of that ARN.
pub async fn stack(cx: &Ctx, named: &str) -> Result<Option<Stored<Stack>>, AwsError> {
    let place = match named.parse::<Arn>() {
        Ok(arn) => match arn.resource.strip_prefix("stack/") {
            Some(place) if cx.scope.holds(&arn) => place.to_owned(),
            _ => return Ok(None),
        },
        Err(_) => match cx.db().get::<Name>(&cx.scope, named).await? {
            Some(name) => format!("{named}/{}", name.id),
            None => return Ok(None),
        },
    };
    cx.db().get::<Stack>(&cx.scope, &place).await
}

/// An operation that begins now.
pub fn operation(cx: &Ctx, phase: Phase, client_token: Option<String>) -> Operation {
    Operation {
        id: cx.house.rng.uuid(),
        phase,
        begun_at: cx.now(),
        client_token,
        asker: crate::model::Asker::of(&cx.principal),
        before: None,
        rolls_back: None,
        retain: Vec::new(),
        forced: false,
        cancelled: false,
        policy: None,
        from_failed: false,
    }
}

/// The event of the stack's status, and its key.
pub fn told(cx: &Ctx, stack: &Stack) -> (String, Event) {
    let arn = stack.arn(&cx.scope);
    let said = Said::stack(&stack.name, &arn, &stack.status, stack.reason.as_deref());
    // It comes before all that the engine says in the same millisecond.
    engine::event(&cx.house, &cx.scope, stack, said, 0)
}

/// The key of a stack's record.
pub fn key(cx: &Ctx, stack: &Stack) -> String {
    db::key::<Stack>(&cx.scope, &stack.record())
}

/// Stacks' names and change sets'.
pub fn check_name(name: &str, what: &str) -> Result<(), AwsError> {
    let is_name = name.len() <= 128
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if is_name {
        return Ok(());
    }
    Err(error::validation(format!(
        "1 validation error detected: Value '{name}' at '{what}' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}
