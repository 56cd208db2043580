//! What a grant lets whom do
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html>).

use crate::model::Grant;
use neargate_policy::principal::Named;
use neargate_policy::{Reach, Requester};
use std::collections::BTreeMap;

type Pairs = BTreeMap<String, String>;

/// What somebody wants of a key.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) requester: Requester<'a>,
    /// `ReEncryptFrom`.
    pub(crate) operation: &'a str,
    /// The encryption context of a cryptographic operation.
    pub(crate) context: &'a Pairs,
    /// What the call is made for, where a service makes it.
    pub(crate) source_arn: Option<&'a str>,
    /// The grant that would be made.
    pub(crate) made: Option<Made<'a>>,
}

/// A grant that is asked for.
#[derive(Debug)]
pub(crate) struct Made<'a> {
    pub(crate) operations: Vec<&'a str>,
    pub(crate) context_equals: Option<Pairs>,
    pub(crate) context_subset: Option<Pairs>,
    pub(crate) source_arn: Option<&'a str>,
}

/// How near the grant comes to letting who asks; [`Reach::No`]: it does not.
pub(crate) fn reach(grant: &Grant, asked: &Asked) -> Reach {
    let has = |operation: &str| grant.operations.iter().any(|o| o == operation);
    let to = |name: &Option<String>| {
        let named = name.as_deref().and_then(principal);
        named.map_or(Reach::No, |named| named.reach(&asked.requester))
    };
    // Whoever may retire it needs nothing else; constraints do not bind him.
    if asked.operation == "RetireGrant" {
        let grantee = match has("RetireGrant") {
            true => to(&grant.grantee),
            false => Reach::No,
        };
        return to(&grant.retiring).max(grantee);
    }
    let made = asked.made.as_ref();
    let lets = has(asked.operation)
        && source_fits(grant, asked)
        && (!takes_context(asked.operation) || context_fits(grant, asked.context))
        && made.is_none_or(|made| covers(grant, made));
    match lets {
        true => to(&grant.grantee),
        false => Reach::No,
    }
}

/// Whom a grant names: a principal by its ARN, or a service.
pub(crate) fn principal(name: &str) -> Option<Named> {
    match name.starts_with("arn:") {
        true => Named::aws(name),
        false if name.ends_with(".amazonaws.com") => Some(Named::Service(name.into())),
        false => Named::aws(name).filter(|named| *named != Named::Everyone),
    }
}

/// Has the operation an encryption context?
pub(crate) fn takes_context(operation: &str) -> bool {
    matches!(operation, "Encrypt" | "Decrypt")
        || operation.starts_with("GenerateDataKey")
        || operation.starts_with("ReEncrypt")
}

fn source_fits(grant: &Grant, asked: &Asked) -> bool {
    let wanted = grant.source_arn.as_deref();
    wanted.is_none() || wanted == asked.source_arn
}

fn context_fits(grant: &Grant, context: &Pairs) -> bool {
    let equals = grant.context_equals.as_ref();
    let subset = grant.context_subset.as_ref();
    equals.is_none_or(|wanted| wanted.len() == context.len() && includes(context, wanted))
        && subset.is_none_or(|wanted| includes(context, wanted))
}

/// Are all of these pairs among those? Keys know no case here, values do.
fn includes(all: &Pairs, wanted: &Pairs) -> bool {
    wanted.iter().all(|(key, value)| {
        let mut all = all.iter();
        all.any(|(k, v)| k.eq_ignore_ascii_case(key) && v == value)
    })
}

/// Would the new grant let nobody do what this one does not?
fn covers(grant: &Grant, made: &Made) -> bool {
    let operations = made.operations.iter();
    let equals = |wanted: &Pairs| {
        let own = made.context_equals.as_ref();
        own.is_some_and(|own| own.len() == wanted.len() && includes(own, wanted))
    };
    let subset = |wanted: &Pairs| {
        let own = made
            .context_equals
            .as_ref()
            .or(made.context_subset.as_ref());
        own.is_some_and(|own| includes(own, wanted))
    };
    operations
        .clone()
        .all(|o| grant.operations.iter().any(|own| own == o))
        && grant.context_equals.as_ref().is_none_or(equals)
        && grant.context_subset.as_ref().is_none_or(subset)
        && (grant.source_arn.is_none() || grant.source_arn.as_deref() == made.source_arn)
}

#[cfg(test)]
mod tests;
