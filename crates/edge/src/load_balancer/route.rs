//! Rules of a listener, compiled once per change, and which of them a request is for
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html>).

use super::http::head::Request;
use super::pattern::Pattern;
use super::target::Group;
use super::token::Validation;
use neargate_domain::cidr::Cidr;
use neargate_domain::load_balancer::{Action, Condition, Patterns, Rule, Transform};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A rule as requests meet it.
#[derive(Debug)]
pub struct Route {
    pub rule_arn: String,
    /// 0 of the default one.
    pub priority: u16,
    conditions: Vec<Check>,
    pub rewrites: Vec<Rewrite>,
    /// What tokens requests must have.
    pub validations: Vec<Validation>,
    pub end: End,
}

/// What a rule does in the end.
#[derive(Debug)]
pub enum End {
    Forward(Forward),
    Redirect(Redirect),
    FixedResponse {
        status: u16,
        content_type: String,
        body: String,
    },
    /// Nobody says what: requests get 500.
    Nothing,
}

#[derive(Debug)]
pub struct Forward {
    /// With weights above zero.
    pub groups: Vec<(Arc<Group>, u64)>,
    pub stickiness: Option<Duration>,
    turns: AtomicU64,
}

impl Forward {
    /// The group that a cookie names.
    pub fn find(&self, cookie: u64) -> Option<&Arc<Group>> {
        let mut groups = self.groups.iter().map(|(group, _)| group);
        groups.find(|group| group.cookie() == cookie)
    }

    /// The group whose turn it is. Turns are spread so that few requests already keep to the weights.
    pub fn group(&self) -> Option<&Arc<Group>> {
        /// 2^64 by the golden ratio.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let total: u64 = self.groups.iter().map(|(_, weight)| weight).sum();
        let turn = self
            .turns
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_mul(STEP);
        let mut at = u64::try_from((u128::from(turn) * u128::from(total)) >> 64).unwrap_or(0);
        self.groups.iter().find_map(|(group, weight)| {
            let is_it = at < *weight;
            at = at.saturating_sub(*weight);
            is_it.then_some(group)
        })
    }
}

#[derive(Debug)]
pub struct Redirect {
    pub protocol: String,
    pub host: String,
    pub port: String,
    pub path: String,
    pub query: String,
    pub status: u16,
}

#[derive(Debug)]
enum Check {
    Host(Vec<Pattern>),
    Path(Vec<Pattern>),
    Field(String, Vec<Pattern>),
    Method(Vec<String>),
    Query(Vec<(Option<Pattern>, Pattern)>),
    Source(Vec<Cidr>),
}

/// Rewrites a request's host or its path with the query.
#[derive(Debug)]
pub struct Rewrite {
    pub of: Part,
    pub regex: regex::bytes::Regex,
    pub replace: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Host,
    Url,
}

impl Route {
    /// # Errors
    /// A sentence about what cannot be compiled.
    pub fn compile(rule: &Rule, groups: &BTreeMap<String, Arc<Group>>) -> Result<Route, String> {
        let conditions = rule
            .conditions
            .iter()
            .map(check)
            .collect::<Result<_, _>>()?;
        let rewrites = rule.transforms.iter().map(rewrite);
        let validations = rule.actions.iter().filter_map(|action| match action {
            Action::JwtValidation {
                issuer,
                additional_claims,
                keys,
                ..
            } => Some(Validation::new(keys.as_deref(), issuer, additional_claims)),
            _ => None,
        });
        let last = rule.actions.last().ok_or("a rule has no actions")?;
        Ok(Route {
            rule_arn: rule.arn.clone(),
            priority: rule.priority,
            conditions,
            rewrites: rewrites.collect::<Result<_, _>>()?,
            validations: validations.collect(),
            end: end(last, groups),
        })
    }

    pub fn is_for(&self, request: &Request, source: Ipv4Addr) -> bool {
        self.conditions
            .iter()
            .all(|check| check.holds(request, source))
    }
}

fn end(action: &Action, groups: &BTreeMap<String, Arc<Group>>) -> End {
    match action {
        Action::Forward {
            target_groups,
            stickiness_seconds,
        } => {
            let weighted = target_groups.iter().filter(|(_, weight)| *weight > 0);
            let known = weighted.filter_map(|(arn, weight)| {
                let group = groups.get(arn)?;
                Some((Arc::clone(group), u64::from(*weight)))
            });
            End::Forward(Forward {
                groups: known.collect(),
                stickiness: stickiness_seconds.map(|s| Duration::from_secs(s.into())),
                turns: AtomicU64::new(0),
            })
        }
        Action::Redirect {
            protocol,
            host,
            port,
            path,
            query,
            status_code,
        } => End::Redirect(Redirect {
            protocol: protocol.clone(),
            host: host.clone(),
            port: port.clone(),
            path: path.clone(),
            query: query.clone(),
            status: *status_code,
        }),
        Action::FixedResponse {
            status_code,
            content_type,
            message_body,
        } => End::FixedResponse {
            status: *status_code,
            content_type: content_type.clone().unwrap_or_else(|| "text/plain".into()),
            body: message_body.clone().unwrap_or_default(),
        },
        Action::JwtValidation { .. } => End::Nothing,
    }
}

fn patterns(patterns: &Patterns, ignores_case: bool) -> Result<Vec<Pattern>, String> {
    let values = patterns.values.iter();
    let values = values.map(|value| Ok(Pattern::wildcards(value, ignores_case)));
    let regexes = patterns.regex_values.iter();
    let regexes = regexes.map(|value| Pattern::regex(value, ignores_case));
    let all = values.chain(regexes).collect::<Result<_, _>>();
    all.map_err(|error: regex::Error| error.to_string())
}

fn check(condition: &Condition) -> Result<Check, String> {
    Ok(match condition {
        Condition::HostHeader(values) => Check::Host(patterns(values, true)?),
        Condition::PathPattern(values) => Check::Path(patterns(values, false)?),
        Condition::HttpHeader {
            name,
            patterns: values,
        } => Check::Field(name.clone(), patterns(values, true)?),
        Condition::HttpRequestMethod(methods) => Check::Method(methods.clone()),
        Condition::QueryString(pairs) => {
            let pattern = |text: &String| Pattern::wildcards(text, true);
            let pair = |(key, value): &(Option<String>, String)| {
                (key.as_ref().map(pattern), pattern(value))
            };
            Check::Query(pairs.iter().map(pair).collect())
        }
        Condition::SourceIp(ranges) => {
            // A client of a load balancer has an address of the fourth version.
            let fourth = ranges.iter().filter(|range| !range.contains(':'));
            let parsed =
                fourth.map(|range| Cidr::canonical(range).map_err(|error| error.to_string()));
            Check::Source(parsed.collect::<Result<_, _>>()?)
        }
    })
}

fn rewrite(transform: &Transform) -> Result<Rewrite, String> {
    let (of, regex, replace) = match transform {
        Transform::HostHeaderRewrite { regex, replace } => (Part::Host, regex, replace),
        Transform::UrlRewrite { regex, replace } => (Part::Url, regex, replace),
    };
    let regex = regex::bytes::RegexBuilder::new(regex)
        .unicode(false)
        .size_limit(1 << 20)
        .build();
    Ok(Rewrite {
        of,
        regex: regex.map_err(|error| error.to_string())?,
        replace: replace.clone(),
    })
}

impl Check {
    fn holds(&self, request: &Request, source: Ipv4Addr) -> bool {
        let any = |patterns: &[Pattern], text: &[u8]| patterns.iter().any(|p| p.matches(text));
        match self {
            Check::Host(patterns) => {
                let host = request.host().map(without_port);
                host.is_some_and(|host| any(patterns, host))
            }
            Check::Path(patterns) => any(patterns, request.path()),
            Check::Field(name, patterns) => {
                request.fields.all(name).any(|value| any(patterns, value))
            }
            Check::Method(methods) => methods.iter().any(|m| m.as_bytes() == request.method()),
            Check::Query(wanted) => {
                let query = request.query().unwrap_or_default();
                let mut pairs = query.split(|byte| *byte == b'&').map(key_and_value);
                pairs.any(|(key, value)| {
                    wanted.iter().any(|(wanted_key, wanted_value)| {
                        let is_key = wanted_key.as_ref().is_none_or(|p| p.matches(key));
                        is_key && wanted_value.matches(value)
                    })
                })
            }
            Check::Source(ranges) => ranges.iter().any(|range| range.contains(source)),
        }
    }
}

fn key_and_value(pair: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', pair) {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, b""),
    }
}

/// A host without the port that may follow it.
pub fn without_port(host: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', host) {
        Some(at) if !host.ends_with(b"]") => &host[..at],
        _ => host,
    }
}
