//! Names of parameters, and how callers select a version
//! (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>).

use crate::error;
use crate::expiration::is_over;
use crate::model::{Parameter, Version};
use neargate_base::Arn;
use neargate_service::db::Stored;
use neargate_service::{AwsError, Ctx, Scope, db};

/// AWS's limits.
const LONGEST: usize = 1011;
const DEEPEST: usize = 15;

/// `a` and `/a` are one parameter.
pub(crate) fn record(scope: &Scope, name: &str) -> String {
    let name = match name.strip_prefix('/') {
        Some(rest) if !rest.contains('/') => rest,
        _ => name,
    };
    db::key::<Parameter>(scope, name)
}

/// `parameter/a/b` of `/a/b`, and `parameter/a` of `a`.
pub(crate) fn arn(scope: &Scope, name: &str) -> String {
    let name = name.strip_prefix('/').unwrap_or(name);
    scope.arn("ssm", format!("parameter/{name}"))
}

pub(crate) const PATH_RULE: &str = "The parameter doesn't meet the parameter name requirements. The \
    parameter name must begin with a forward slash \"/\". It can't be prefixed with \"aws\" or \
    \"ssm\" (case-insensitive). It must use only letters, numbers, or the following symbols: . \
    (period), - (hyphen), _ (underscore). Special characters are not allowed. All sub-paths, if \
    specified, must use the forward slash symbol \"/\". Valid example: \
    /get/parameters2-/by1./path0_.";

const NAME_RULE: &str = "Parameter name: can't be prefixed with \"ssm\" (case-insensitive). If formed \
    as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as \
    a mix of letters, numbers and the following 3 symbols .-_";

pub(crate) fn is_spelled(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_.-/".contains(c);
    name.chars().all(allowed) && !name.contains("//")
}

/// # Errors
/// No parameter of a caller can have this name.
pub(crate) fn check(name: &str) -> Result<(), AwsError> {
    let lower = name.to_ascii_lowercase();
    let begins = |word: &str| lower.trim_start_matches('/').starts_with(word);
    let is_path = name.matches('/').count() > 1;
    if lower.starts_with("/aws") && is_path {
        return Err(error::reserved(name));
    }
    if (begins("aws") || begins("ssm")) && !is_path {
        return Err(error::validation(
            "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).",
        ));
    }
    if begins("ssm") || !is_spelled(name) || name.ends_with('/') {
        return Err(error::validation(NAME_RULE));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(error::validation(
            "Parameter name must be a fully qualified name.",
        ));
    }
    if name.trim_start_matches('/').split('/').count() > DEEPEST {
        return Err(error::too_deep());
    }
    if name.len() > LONGEST {
        return Err(error::validation(
            "The parameter name exceeds the maximum length of 1011 characters.",
        ));
    }
    Ok(())
}

/// What a caller names: a parameter, and a version of it by number or label.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) selector: Option<String>,
}

/// # Errors
/// It is an ARN of something else.
pub(crate) fn parse(cx: &Ctx, text: &str) -> Result<Named, AwsError> {
    let invalid = || error::validation(format!("Invalid parameter ARN: {text}"));
    let (scope, rest) = match text.starts_with("arn:") {
        false => (cx.scope.clone(), text.to_owned()),
        true => {
            let arn: Arn = text.parse().map_err(|_| invalid())?;
            let name = arn.resource.strip_prefix("parameter");
            let name = name.filter(|name| name.starts_with('/'));
            let name = name.ok_or_else(invalid)?.to_owned();
            if arn.service != "ssm" || arn.region != cx.scope.region.as_str() {
                return Err(invalid());
            }
            // Public parameters are of no account.
            let account = match arn.account.as_str() {
                "" => cx.scope.account.clone(),
                account => account.parse().map_err(|_| invalid())?,
            };
            (cx.scope.of_account(account), name)
        }
    };
    let (name, selector) = match rest.split_once(':') {
        Some((name, selector)) => (name.to_owned(), Some(selector.to_owned())),
        None => (rest, None),
    };
    Ok(Named {
        scope,
        name,
        selector,
    })
}

/// The parameter, if there is one.
///
/// # Errors
/// The store's.
pub(crate) async fn find(cx: &Ctx, named: &Named) -> Result<Option<Stored<Parameter>>, AwsError> {
    let key = record(&named.scope, &named.name);
    let found = cx.db().get_key::<Parameter>(&key).await?;
    Ok(found.filter(|parameter| !is_over(parameter, cx.now())))
}

/// The version that is selected; the newest one unless it is said.
///
/// # Errors
/// There is none.
pub(crate) fn select<'a>(
    parameter: &'a Parameter,
    selector: Option<&str>,
) -> Result<&'a Version, AwsError> {
    let Some(selector) = selector else {
        return Ok(parameter.newest());
    };
    if selector.contains(':') {
        return Err(error::not_found());
    }
    let mut versions = parameter.versions.iter();
    match selector.parse::<i64>() {
        Ok(number) => versions
            .find(|version| version.number == number)
            .ok_or_else(|| error::version_not_found(&parameter.name, selector)),
        Err(_) => versions
            .find(|version| version.labels.contains(selector))
            .ok_or_else(|| error::label_not_found(&parameter.name, selector)),
    }
}
