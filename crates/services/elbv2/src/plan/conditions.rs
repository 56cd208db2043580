//! Conditions of rules: what they may be, and how they are kept
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>).

use crate::error::{self, rule as say};
use neargate_api_elbv2 as api;
use neargate_service::AwsError;
use neargate_wire::json::Json;
use std::net::IpAddr;

/// Of a rule
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_VALUES: usize = 5;
const MAX_WILDCARDS: usize = 6;
/// Characters of a value, of a header's name and of a method.
const MAX_VALUE: usize = 128;
const MAX_NAME: usize = 40;
/// Those that a rule may have only once.
const ONCE: [&str; 4] = [
    "host-header",
    "path-pattern",
    "http-request-method",
    "source-ip",
];

/// Conditions as they are kept: with the configuration of their field, and with `Values` beside it
/// where AWS shows both.
///
/// # Errors
/// AWS's `ValidationError`.
pub(crate) fn checked(
    conditions: Vec<api::RuleCondition>,
) -> Result<Vec<Json<api::RuleCondition>>, AwsError> {
    if conditions.is_empty() {
        return Err(say::no_condition());
    }
    let mut kept = Vec::new();
    let (mut values, mut wildcards) = (0, 0);
    for condition in conditions {
        let field = condition.field.clone().unwrap_or_default();
        let is_same = |k: &Json<api::RuleCondition>| k.field.as_deref() == Some(&field);
        if ONCE.contains(&field.as_str()) && kept.iter().any(is_same) {
            return Err(say::condition_twice(&field));
        }
        let (condition, texts) = check(condition, &field)?;
        values += texts.len();
        wildcards += texts.iter().map(|t| wildcards_of(t)).sum::<usize>();
        kept.push(Json(condition));
    }
    match () {
        () if values > MAX_VALUES => Err(say::too_many_values()),
        () if wildcards > MAX_WILDCARDS => Err(say::too_many_wildcards()),
        () => Ok(kept),
    }
}

fn wildcards_of(text: &str) -> usize {
    text.chars().filter(|c| matches!(c, '*' | '?')).count()
}

/// The condition, and its values; regular expressions count as values without wildcards.
fn check(
    given: api::RuleCondition,
    field: &str,
) -> Result<(api::RuleCondition, Vec<String>), AwsError> {
    let config = match field {
        "host-header" => "HostHeaderConfig",
        "path-pattern" => "PathPatternConfig",
        "http-header" => "HttpHeaderConfig",
        "http-request-method" => "HttpRequestMethodConfig",
        "query-string" => "QueryStringConfig",
        "source-ip" => "SourceIpConfig",
        other => return Err(say::field(other)),
    };
    foreign(&given, config, field)?;
    let empty = api::RuleCondition {
        field: given.field.clone(),
        ..Default::default()
    };
    let old = Patterns::new(given.values, given.regex_values);
    let is_pattern = matches!(field, "host-header" | "path-pattern");
    if !is_pattern && !old.values.is_empty() {
        return Err(say::values_of(field));
    }
    if !is_pattern && !old.regexes.is_empty() {
        return Err(say::regexes_of(field));
    }
    match field {
        "host-header" => {
            let own = given
                .host_header_config
                .map(|c| Patterns::new(c.values, c.regex_values));
            let patterns = either(old, own, config, field)?;
            patterns.check(field, config, host)?;
            let config = api::HostHeaderConditionConfig {
                values: patterns.values(),
                regex_values: patterns.regexes(),
            };
            let kept = api::RuleCondition {
                values: patterns.values(),
                regex_values: patterns.regexes(),
                host_header_config: Some(config),
                ..empty
            };
            Ok((kept, patterns.counted()))
        }
        "path-pattern" => {
            let own = given
                .path_pattern_config
                .map(|c| Patterns::new(c.values, c.regex_values));
            let patterns = either(old, own, config, field)?;
            patterns.check(field, config, path)?;
            let config = api::PathPatternConditionConfig {
                values: patterns.values(),
                regex_values: patterns.regexes(),
            };
            let kept = api::RuleCondition {
                values: patterns.values(),
                regex_values: patterns.regexes(),
                path_pattern_config: Some(config),
                ..empty
            };
            Ok((kept, patterns.counted()))
        }
        "http-header" => {
            let of = given
                .http_header_config
                .ok_or_else(|| say::config_missing(config, field))?;
            let name = of.http_header_name.clone().unwrap_or_default();
            header_name(&name)?;
            let patterns = Patterns::new(of.values.clone(), of.regex_values.clone());
            patterns.check(field, config, printable)?;
            let kept = api::RuleCondition {
                http_header_config: Some(of),
                ..empty
            };
            Ok((kept, patterns.counted()))
        }
        "http-request-method" => {
            let of = given.http_request_method_config;
            let of = of.ok_or_else(|| say::config_missing(config, field))?;
            let methods = of.values.clone().unwrap_or_default();
            methods.iter().try_for_each(|m| method(m))?;
            let kept = api::RuleCondition {
                http_request_method_config: Some(of),
                ..empty
            };
            some(kept, methods)
        }
        "query-string" => {
            let of = given
                .query_string_config
                .ok_or_else(|| say::config_missing(config, field))?;
            let pairs = of.values.clone().unwrap_or_default();
            let texts = pairs.iter().map(query).collect::<Result<_, _>>()?;
            let kept = api::RuleCondition {
                query_string_config: Some(of),
                ..empty
            };
            some(kept, texts)
        }
        _ => {
            let of = given
                .source_ip_config
                .ok_or_else(|| say::config_missing(config, field))?;
            if of.ip_address_type.is_some() {
                return Err(error::unsupported("SourceIpConfig.IpAddressType"));
            }
            let ranges = of.values.clone().unwrap_or_default();
            if ranges.is_empty() {
                return Err(say::no_source());
            }
            ranges.iter().try_for_each(|r| range(r))?;
            let kept = api::RuleCondition {
                source_ip_config: Some(of),
                ..empty
            };
            some(kept, ranges)
        }
    }
}

fn some(
    kept: api::RuleCondition,
    texts: Vec<String>,
) -> Result<(api::RuleCondition, Vec<String>), AwsError> {
    match texts.is_empty() {
        true => Err(say::no_value()),
        false => Ok((kept, texts)),
    }
}

/// A configuration belongs to its field.
fn foreign(given: &api::RuleCondition, own: &str, field: &str) -> Result<(), AwsError> {
    let all = [
        ("HostHeaderConfig", given.host_header_config.is_some()),
        ("PathPatternConfig", given.path_pattern_config.is_some()),
        ("HttpHeaderConfig", given.http_header_config.is_some()),
        ("QueryStringConfig", given.query_string_config.is_some()),
        (
            "HttpRequestMethodConfig",
            given.http_request_method_config.is_some(),
        ),
        ("SourceIpConfig", given.source_ip_config.is_some()),
    ];
    match all.iter().find(|(name, is)| *is && *name != own) {
        Some((name, _)) => Err(say::foreign_config(name, field)),
        None => Ok(()),
    }
}

/// Values with wildcards, or regular expressions.
struct Patterns {
    values: Vec<String>,
    regexes: Vec<String>,
}

impl Patterns {
    fn new(values: Option<Vec<String>>, regexes: Option<Vec<String>>) -> Patterns {
        Patterns {
            values: values.unwrap_or_default(),
            regexes: regexes.unwrap_or_default(),
        }
    }

    fn is_empty(&self) -> bool {
        self.values.is_empty() && self.regexes.is_empty()
    }

    fn check(
        &self,
        field: &str,
        config: &str,
        value: fn(&str) -> Result<(), AwsError>,
    ) -> Result<(), AwsError> {
        if self.is_empty() {
            return Err(say::no_value());
        }
        if !self.values.is_empty() && !self.regexes.is_empty() {
            return Err(say::values_or_regexes(config));
        }
        for text in self.values.iter().chain(&self.regexes) {
            if text.is_empty() {
                return Err(say::no_value());
            }
            if text.chars().count() > MAX_VALUE {
                return Err(say::value_too_long(field, MAX_VALUE));
            }
        }
        self.values.iter().try_for_each(|text| value(text))?;
        self.regexes.iter().try_for_each(|text| regex(text))
    }

    fn values(&self) -> Option<Vec<String>> {
        Some(self.values.clone()).filter(|v| !v.is_empty())
    }

    fn regexes(&self) -> Option<Vec<String>> {
        Some(self.regexes.clone()).filter(|v| !v.is_empty())
    }

    /// As they count: a regular expression has no wildcards.
    fn counted(self) -> Vec<String> {
        let regexes = self.regexes.iter().map(|_| String::new());
        let regexes: Vec<_> = regexes.collect();
        self.values.into_iter().chain(regexes).collect()
    }
}

/// What `Values` says, or the field's own configuration.
fn either(
    old: Patterns,
    own: Option<Patterns>,
    config: &str,
    field: &str,
) -> Result<Patterns, AwsError> {
    match own {
        None if old.values.len() > 1 => Err(say::one_value(field)),
        None => Ok(old),
        // What AWS shows may be given back: both, and the same.
        Some(own) if old.is_empty() || (own.values == old.values && own.regexes == old.regexes) => {
            Ok(own)
        }
        Some(_) => Err(say::values_twice(config, field)),
    }
}

/// The expressions that edges understand; what they do not is refused here.
pub(super) fn regex(pattern: &str) -> Result<(), AwsError> {
    let built = regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .build();
    built.map(drop).map_err(|_| say::regex(pattern))
}

fn host(text: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.*?".contains(c);
    if !text.chars().all(allowed) {
        return Err(say::value_characters(text));
    }
    // What follows the last dot is a name, such as `com`.
    match text.rsplit_once('.') {
        Some((_, last))
            if last
                .chars()
                .all(|c| c.is_ascii_alphabetic() || "*?".contains(c)) =>
        {
            Ok(())
        }
        None if wildcards_of(text) > 0 => Ok(()),
        _ => Err(say::host_name(text)),
    }
}

fn path(text: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.$/~\"'@:+&*?".contains(c);
    match text.chars().all(allowed) {
        true => Ok(()),
        false => Err(say::value_characters(text)),
    }
}

fn printable(text: &str) -> Result<(), AwsError> {
    match text.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(say::value_characters(text)),
    }
}

/// A token of RFC 9110.
fn header_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.chars().count() > MAX_NAME {
        return Err(say::value_too_long("HttpHeaderName", MAX_NAME));
    }
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(say::header_name(name));
    }
    match name.eq_ignore_ascii_case("host") {
        true => Err(say::header_name_host()),
        false => Ok(()),
    }
}

fn method(text: &str) -> Result<(), AwsError> {
    if text.chars().count() > MAX_NAME {
        return Err(say::value_too_long("http-request-method", MAX_NAME));
    }
    let allowed = |c: char| c.is_ascii_uppercase() || "_-".contains(c);
    match !text.is_empty() && text.chars().all(allowed) {
        true => Ok(()),
        false => Err(say::method_characters()),
    }
}

/// Key and value as they count.
fn query(pair: &api::QueryStringKeyValuePair) -> Result<String, AwsError> {
    let value = pair.value.as_deref().ok_or_else(say::query_value)?;
    let key = pair.key.as_deref().unwrap_or_default();
    for (name, text) in [("Key", key), ("Value", value)] {
        if text.chars().count() > MAX_VALUE {
            return Err(say::value_too_long(name, MAX_VALUE));
        }
        printable(text)?;
    }
    // A wildcard that is escaped is none.
    Ok(format!("{key}{value}")
        .replace("\\*", "")
        .replace("\\?", ""))
}

/// A range of either family.
fn range(text: &str) -> Result<(), AwsError> {
    let (address, length) = text.split_once('/').ok_or_else(|| say::cidr(text))?;
    let address: IpAddr = address.parse().map_err(|_| say::cidr(text))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    match length.parse::<u8>() {
        Ok(length) if length <= most => Ok(()),
        _ => Err(say::cidr(text)),
    }
}
