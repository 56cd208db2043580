//! Cloud Map's handlers, a file for each resource.

pub mod attributes;
pub mod discover;
pub mod instances;
pub mod list;
pub mod namespaces;
pub mod operations;
pub mod services;
pub mod tags;

use crate::error;
use crate::model::{Namespace, Service};
use neargate_service::{AwsError, Ctx, Stored};

const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A new id: so many letters and digits.
fn random(cx: &Ctx, letters: usize) -> String {
    let letter = |_| char::from(LETTERS[usize::try_from(cx.house.rng.below(36)).unwrap_or(0)]);
    (0..letters).map(letter).collect()
}

/// What is named by its id or its ARN, `…:namespace/ns-…`.
fn id<'a>(given: &'a str, kind: &str) -> &'a str {
    let resource = given
        .rsplit(':')
        .next()
        .filter(|_| given.starts_with("arn:"));
    let named = resource.and_then(|resource| resource.strip_prefix(kind));
    named.unwrap_or(given)
}

async fn namespace(cx: &Ctx, given: &str) -> Result<Stored<Namespace>, AwsError> {
    let id = id(given, "namespace/");
    let found = cx.db().get::<Namespace>(&cx.scope, id).await?;
    found.ok_or_else(|| error::namespace_not_found(id))
}

async fn service(cx: &Ctx, given: &str) -> Result<Stored<Service>, AwsError> {
    let id = id(given, "service/");
    let found = cx.db().get::<Service>(&cx.scope, id).await?;
    found.ok_or_else(|| error::service_not_found(id))
}

fn namespace_arn(cx: &Ctx, id: &str) -> String {
    cx.arn("servicediscovery", format!("namespace/{id}"))
}

fn service_arn(cx: &Ctx, id: &str) -> String {
    cx.arn("servicediscovery", format!("service/{id}"))
}

fn ttl(given: i64) -> u32 {
    u32::try_from(given).unwrap_or(u32::MAX)
}

/// One of a list's filters: AWS's name of it, its condition and its values.
struct Filter<'a> {
    name: &'a str,
    condition: &'a str,
    values: &'a [String],
}

impl<'a> Filter<'a> {
    /// # Errors
    /// More than one value for `EQ`, or a condition that this filter has not.
    fn of(
        name: &'a str,
        condition: Option<&'a str>,
        values: &'a [String],
    ) -> Result<Filter<'a>, AwsError> {
        let condition = condition.unwrap_or("EQ");
        let fits = match condition {
            "BETWEEN" => values.len() == 2,
            "IN" => !values.is_empty(),
            _ => values.len() == 1,
        };
        if !fits {
            return Err(error::invalid_input(format!(
                "The number of values for the filter {name} does not fit the condition {condition}."
            )));
        }
        Ok(Filter {
            name,
            condition,
            values,
        })
    }

    fn takes(&self, has: &str) -> bool {
        match self.condition {
            "BEGINS_WITH" => self.values.iter().any(|value| has.starts_with(value)),
            _ => self.values.iter().any(|value| value == has),
        }
    }
}
