//! How callers name buses and rules.

use crate::error;
use neargate_base::Arn;
use neargate_service::events::DEFAULT_BUS;
use neargate_service::{AwsError, Ctx, Scope};

/// A bus of an account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusName {
    pub scope: Scope,
    pub name: String,
}

impl BusName {
    pub fn arn(&self) -> String {
        self.scope.arn("events", format!("event-bus/{}", self.name))
    }
}

/// The bus that a name or an ARN means; none means the default one.
pub fn bus(cx: &Ctx, given: Option<&str>) -> Result<BusName, AwsError> {
    let given = given.unwrap_or(DEFAULT_BUS);
    if !given.starts_with("arn:") {
        return Ok(BusName {
            scope: cx.scope.clone(),
            name: given.to_owned(),
        });
    }
    let named = bus_of_arn(given);
    named.ok_or_else(|| error::parameter("EventBusName", "Provided Arn is not in correct format."))
}

/// The same, where only buses of the caller's own are meant.
pub fn own_bus(cx: &Ctx, given: Option<&str>) -> Result<String, AwsError> {
    let named = bus(cx, given)?;
    match named.scope == cx.scope {
        true => Ok(named.name),
        false => Err(error::bus_not_found(&named.name)),
    }
}

/// The bus that an ARN names.
pub fn bus_of_arn(arn: &str) -> Option<BusName> {
    let parsed: Arn = arn.parse().ok()?;
    let name = parsed.resource.strip_prefix("event-bus/")?;
    (parsed.service == "events" && !name.is_empty()).then_some(())?;
    Some(BusName {
        scope: Scope::of_arn(arn)?,
        name: name.to_owned(),
    })
}

/// What has tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tagged {
    Bus(String),
    /// Bus and name.
    Rule(String, String),
}

/// The bus or rule of the caller's that an ARN names.
pub fn tagged(cx: &Ctx, arn: &str) -> Result<Tagged, AwsError> {
    let wrong = || error::parameter("ResourceArn", "Provided Arn is not in correct format.");
    let parsed: Arn = arn.parse().map_err(|_| wrong())?;
    if parsed.service != "events" || !cx.scope.holds(&parsed) {
        return Err(wrong());
    }
    let (kind, rest) = parsed.resource.split_once('/').ok_or_else(wrong)?;
    match (kind, rest.split_once('/')) {
        ("event-bus", _) => Ok(Tagged::Bus(rest.to_owned())),
        ("rule", None) => Ok(Tagged::Rule(DEFAULT_BUS.to_owned(), rest.to_owned())),
        ("rule", Some((bus, name))) => Ok(Tagged::Rule(bus.to_owned(), name.to_owned())),
        _ => Err(wrong()),
    }
}
