//! Filters of parameters
//! (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ParameterStringFilter.html>).

use crate::error;
use crate::model::Parameter;
use crate::name;
use neargate_api_ssm as api;
use neargate_service::AwsError;

const EQUALS: &str = "Equals";
const BEGINS: &str = "BeginsWith";
const CONTAINS: &str = "Contains";
const RECURSIVE: &str = "Recursive";
const ONE_LEVEL: &str = "OneLevel";

/// A filter that AWS would take.
#[derive(Debug)]
pub(crate) struct Filter {
    key: String,
    option: String,
    values: Vec<String>,
}

/// # Errors
/// AWS would not take one of them. `by_path`: of `GetParametersByPath`.
pub(crate) fn parse(
    given: Option<Vec<api::ParameterStringFilter>>,
    by_path: bool,
) -> Result<Vec<Filter>, AwsError> {
    let mut filters: Vec<Filter> = Vec::new();
    for one in given.unwrap_or_default() {
        let is_path = one.key == "Path";
        let option = one
            .option
            .unwrap_or_else(|| if is_path { ONE_LEVEL } else { EQUALS }.into());
        let filter = Filter {
            key: one.key,
            option,
            values: one.values.unwrap_or_default(),
        };
        check_key(&filter, by_path)?;
        if filters.iter().any(|other| other.key == filter.key) {
            return Err(error::filter_key(format!(
                "The following filter is duplicated in the request: {}. A request can contain only \
                 one occurrence of a specific filter.",
                filter.key
            )));
        }
        check_values(&filter)?;
        filters.push(filter);
    }
    Ok(filters)
}

fn check_key(filter: &Filter, by_path: bool) -> Result<(), AwsError> {
    let key = filter.key.as_str();
    if !by_path && key == "Label" {
        return Err(error::filter_key(
            "The following filter key is not valid: Label. Valid filter keys include: [Path, Name, \
             Type, KeyId, Tier].",
        ));
    }
    if by_path && ["Name", "Path", "Tier", "DataType"].contains(&key) {
        return Err(error::filter_key(format!(
            "The following filter key is not valid: {key}. Valid filter keys include: [Type, \
             KeyId]."
        )));
    }
    if !key.starts_with("tag:") && filter.values.is_empty() {
        return Err(error::filter_value(format!(
            "The following filter values are missing : null for filter key {key}."
        )));
    }
    Ok(())
}

fn one_of(what: &str, given: &str, valid: &[&str]) -> Result<(), AwsError> {
    if valid.contains(&given) {
        return Ok(());
    }
    Err(error::filter_option(format!(
        "The following filter {what} is not valid: {given}. Valid {what}s include: [{}].",
        valid.join(", ")
    )))
}

fn check_values(filter: &Filter) -> Result<(), AwsError> {
    let Filter {
        key,
        option,
        values,
    } = filter;
    match key.as_str() {
        "Path" => {
            one_of("option", option, &[RECURSIVE, ONE_LEVEL])?;
            values.iter().try_for_each(|path| check_path(path))
        }
        "Tier" => values.iter().try_for_each(|tier| {
            one_of(
                "value",
                tier,
                &["Standard", "Advanced", "Intelligent-Tiering"],
            )
        }),
        "Type" => {
            one_of("option", option, &[BEGINS, EQUALS])?;
            values.iter().try_for_each(|kind| {
                one_of("value", kind, &["String", "StringList", "SecureString"])
            })
        }
        "Name" if option == CONTAINS => Ok(()),
        _ => one_of("option", option, &[BEGINS, EQUALS]),
    }
}

fn check_path(path: &str) -> Result<(), AwsError> {
    let lower = path.to_ascii_lowercase();
    if lower.starts_with("/aws") || lower.starts_with("/ssm") {
        return Err(error::validation(
            "Filters for common parameters can't be prefixed with \"aws\" or \"ssm\" \
             (case-insensitive). When using global parameters, please specify within a global \
             namespace.",
        ));
    }
    if path.starts_with('/') && name::is_spelled(path) {
        Ok(())
    } else {
        Err(error::validation(name::PATH_RULE))
    }
}

/// With the slash that names of one level may lack.
fn rooted(name: &str) -> String {
    format!("/{}", name.trim_start_matches('/'))
}

/// Does `name` lie under the path, or directly under it?
pub(crate) fn is_under(name: &str, path: &str, recursive: bool) -> bool {
    let name = rooted(name);
    let path = rooted(path.trim_end_matches('/'));
    let path = path.trim_end_matches('/');
    let below = name
        .strip_prefix(path)
        .and_then(|rest| rest.strip_prefix('/'));
    below.is_some_and(|rest| !rest.is_empty() && (recursive || !rest.contains('/')))
}

pub(crate) fn fits(parameter: &Parameter, filters: &[Filter]) -> bool {
    filters.iter().all(|filter| fits_one(parameter, filter))
}

fn fits_one(parameter: &Parameter, filter: &Filter) -> bool {
    let Filter {
        key,
        option,
        values,
    } = filter;
    let version = parameter.newest();
    let any = |text: &str| {
        values.iter().any(|value| match option.as_str() {
            BEGINS => text.starts_with(value.as_str()),
            CONTAINS => text.contains(value.as_str()),
            _ => text == value,
        })
    };
    match key.as_str() {
        "Name" if option == CONTAINS => any(&rooted(&parameter.name)),
        "Name" => {
            let name = rooted(&parameter.name);
            values.iter().any(|value| match option.as_str() {
                BEGINS => name.starts_with(&rooted(value)),
                _ => name == rooted(value),
            })
        }
        "Path" => values
            .iter()
            .any(|path| is_under(&parameter.name, path, option == RECURSIVE)),
        "Type" => any(version.value.kind()),
        "KeyId" => version.value.key_id().is_some_and(any),
        "Tier" => any(&version.tier),
        "DataType" => any(&version.data_type),
        "Label" => {
            let mut labels = parameter.versions.iter().flat_map(|v| &v.labels);
            labels.any(|label| any(label))
        }
        _ => {
            let tag = key.strip_prefix("tag:").unwrap_or_default();
            let value = parameter.tags.get(tag);
            value.is_some_and(|value| values.is_empty() || any(value))
        }
    }
}
