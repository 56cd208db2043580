//! Actions of listeners and rules: what they may be, and how they are kept
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-action-types.html>).

use crate::error::{self, rule as say};
use crate::plan::protocol;
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::Protocol;
use neargate_service::AwsError;
use neargate_wire::json::Json;

/// Target groups of one action
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_GROUPS: usize = 5;
const MAX_WEIGHT: i32 = 999;
/// How long a client may stay with a target group, in seconds.
const MAX_STICKINESS: i32 = 604_800;
/// A JWT action's claims, the values of one, and the characters of its texts.
const MAX_CLAIMS: usize = 10;
const MAX_TEXT: usize = 256;
/// Validated without being asked for.
const OWN_CLAIMS: [&str; 4] = ["exp", "iss", "nbf", "iat"];
/// As AWS lists them.
const CONTENT_TYPES: [&str; 5] = [
    "text/html",
    "application/json",
    "application/javascript",
    "text/css",
    "text/plain",
];

/// Actions as they are kept: in their order, each complete.
///
/// # Errors
/// AWS's for actions that cannot be together or on such a listener; ours for those that need an
/// identity provider.
pub(crate) fn checked(
    actions: Vec<api::Action>,
    listener: Protocol,
) -> Result<Vec<Json<api::Action>>, AwsError> {
    let mut actions = ordered(actions)?;
    let last = actions.len() - 1;
    for (at, action) in actions.iter_mut().enumerate() {
        let ends = matches!(
            action.r#type.as_str(),
            "forward" | "redirect" | "fixed-response"
        );
        match (ends, at == last) {
            (true, false) => {
                return Err(say::action(format!(
                    "An action of type '{}' must be the last action to be performed",
                    action.r#type
                )));
            }
            (false, true) => {
                return Err(say::action(
                    "A rule must have exactly one action of type forward, redirect, or fixed-response, and it must be the last action to be performed",
                ));
            }
            _ => {}
        }
        check(action, listener)?;
    }
    Ok(actions.into_iter().map(Json).collect())
}

fn ordered(mut actions: Vec<api::Action>) -> Result<Vec<api::Action>, AwsError> {
    match actions.as_slice() {
        [] => return Err(say::no_action()),
        [_] => return Ok(actions),
        _ => {}
    }
    if actions.iter().any(|a| a.order.is_none()) {
        return Err(error::validation(
            "The order must be specified for each action when there are multiple actions",
        ));
    }
    actions.sort_by_key(|a| a.order);
    let twice = actions
        .windows(2)
        .any(|pair| pair[0].order == pair[1].order);
    match twice {
        true => Err(error::validation("Each action must have a unique order")),
        false => Ok(actions),
    }
}

fn check(action: &mut api::Action, listener: Protocol) -> Result<(), AwsError> {
    let kind = action.r#type.clone();
    foreign(action)?;
    if !protocol::is_http(listener) && kind != "forward" {
        return Err(say::action(format!(
            "Actions of type '{kind}' are not supported for {} listeners",
            protocol::shown(listener)
        )));
    }
    match kind.as_str() {
        "forward" => forward(action, listener),
        "redirect" => redirect(action, listener),
        "fixed-response" => fixed_response(action),
        "jwt-validation" => jwt_validation(action, listener),
        other => Err(error::unsupported(&format!("actions of type '{other}'"))),
    }
}

/// A configuration belongs to its type.
fn foreign(action: &api::Action) -> Result<(), AwsError> {
    let given = [
        (
            "forward",
            "TargetGroupArn",
            action.target_group_arn.is_some(),
        ),
        ("forward", "ForwardConfig", action.forward_config.is_some()),
        (
            "redirect",
            "RedirectConfig",
            action.redirect_config.is_some(),
        ),
        (
            "fixed-response",
            "FixedResponseConfig",
            action.fixed_response_config.is_some(),
        ),
        (
            "jwt-validation",
            "JwtValidationConfig",
            action.jwt_validation_config.is_some(),
        ),
        (
            "authenticate-oidc",
            "AuthenticateOidcConfig",
            action.authenticate_oidc_config.is_some(),
        ),
        (
            "authenticate-cognito",
            "AuthenticateCognitoConfig",
            action.authenticate_cognito_config.is_some(),
        ),
    ];
    let foreign = given.iter().find(|(of, _, is)| *is && *of != action.r#type);
    match foreign {
        Some((_, name, _)) => Err(say::action(format!(
            "'{name}' cannot be specified for an action of type '{}'",
            action.r#type
        ))),
        None => Ok(()),
    }
}

fn forward(action: &mut api::Action, listener: Protocol) -> Result<(), AwsError> {
    let config = action.forward_config.take().unwrap_or_default();
    let mut groups = config.target_groups.unwrap_or_default();
    if let Some(arn) = &action.target_group_arn {
        match groups.as_slice() {
            [] => groups.push(api::TargetGroupTuple {
                target_group_arn: Some(arn.clone()),
                weight: None,
            }),
            [one] if one.target_group_arn.as_ref() == Some(arn) => {}
            _ => {
                return Err(say::action(
                    "If you specify both 'TargetGroupArn' and 'ForwardConfig', you can specify only one target group, and it must be the same one",
                ));
            }
        }
    }
    if groups.is_empty() {
        return Err(error::validation("A target group ARN must be specified"));
    }
    if groups.len() > MAX_GROUPS {
        return Err(say::action(format!(
            "A forward action can have at most '{MAX_GROUPS}' target groups"
        )));
    }
    for (at, group) in groups.iter_mut().enumerate() {
        group.weight.get_or_insert(1);
        if !(0..=MAX_WEIGHT).contains(&group.weight.unwrap_or_default()) {
            return Err(error::validation(format!(
                "Target group weight '{}' must be between '0-{MAX_WEIGHT}' inclusive",
                group.weight.unwrap_or_default()
            )));
        }
        if group.target_group_arn.is_none() {
            return Err(error::validation(format!(
                "A target group ARN must be specified for target group '{}'",
                at + 1
            )));
        }
    }
    let mut arns: Vec<_> = groups.iter().map(|g| &g.target_group_arn).collect();
    arns.sort_unstable();
    if arns.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(error::validation(
            "A target group can be specified only once in an action",
        ));
    }
    let stickiness = config.target_group_stickiness_config.unwrap_or_default();
    let stickiness = stickiness_of(stickiness, listener)?;
    action.target_group_arn = match groups.as_slice() {
        [one] => one.target_group_arn.clone(),
        _ => None,
    };
    action.forward_config = Some(api::ForwardActionConfig {
        target_groups: Some(groups),
        target_group_stickiness_config: Some(stickiness),
    });
    Ok(())
}

fn stickiness_of(
    given: api::TargetGroupStickinessConfig,
    listener: Protocol,
) -> Result<api::TargetGroupStickinessConfig, AwsError> {
    let enabled = given.enabled == Some(true);
    if enabled && !protocol::is_http(listener) {
        return Err(error::unsupported(&format!(
            "target group stickiness of {} listeners",
            protocol::shown(listener)
        )));
    }
    match given.duration_seconds {
        None if enabled => Err(error::validation(
            "Target group stickiness duration must be specified when stickiness is enabled",
        )),
        Some(seconds) if !(1..=MAX_STICKINESS).contains(&seconds) => {
            Err(error::validation(format!(
                "Target group stickiness duration '{seconds}' must be between '1-{MAX_STICKINESS}' inclusive"
            )))
        }
        _ => Ok(api::TargetGroupStickinessConfig {
            enabled: Some(enabled),
            ..given
        }),
    }
}

fn redirect(action: &mut api::Action, listener: Protocol) -> Result<(), AwsError> {
    let Some(config) = action.redirect_config.as_mut() else {
        return Err(say::action(
            "A 'RedirectConfig' must be specified with 'redirect'",
        ));
    };
    let complete = |part: &mut Option<String>, default: &str| {
        part.get_or_insert_with(|| default.to_owned()).clone()
    };
    let scheme = complete(&mut config.protocol, "#{protocol}");
    let host = complete(&mut config.host, "#{host}");
    let port = complete(&mut config.port, "#{port}");
    let path = complete(&mut config.path, "/#{path}");
    let query = complete(&mut config.query, "#{query}");
    if !path.starts_with('/') {
        return Err(say::action(format!(
            "Redirect path '{path}' must begin with a '/' character"
        )));
    }
    let is_port = port.parse::<u16>().is_ok_and(|n| n > 0);
    if port != "#{port}" && !is_port {
        return Err(say::action(format!(
            "Redirect port '{port}' must be between '1-65535' or '#{{port}}'"
        )));
    }
    for (name, text) in [("host", &host), ("path", &path), ("query", &query)] {
        if let Some(word) = unknown_keyword(text) {
            return Err(say::action(format!(
                "The redirect {name} contains the reserved keyword '{word}', which is not valid"
            )));
        }
    }
    if listener == Protocol::Https && scheme == "HTTP" {
        return Err(say::action("You cannot redirect HTTPS to HTTP"));
    }
    let same_scheme = scheme == "#{protocol}" || scheme == protocol::shown(listener);
    if same_scheme && host == "#{host}" && port == "#{port}" && path == "/#{path}" {
        return Err(say::action(
            "The redirect configuration is not valid because it creates a loop.",
        ));
    }
    Ok(())
}

/// `#{…}` that is none of AWS's.
fn unknown_keyword(text: &str) -> Option<&str> {
    const KNOWN: [&str; 5] = ["protocol", "host", "port", "path", "query"];
    let mut rest = text;
    while let Some(at) = rest.find("#{") {
        let behind = &rest[at + 2..];
        let end = behind.find('}').unwrap_or(behind.len());
        if !KNOWN.contains(&&behind[..end]) {
            return Some(&behind[..end]);
        }
        rest = &behind[end..];
    }
    None
}

fn fixed_response(action: &api::Action) -> Result<(), AwsError> {
    let Some(config) = &action.fixed_response_config else {
        return Err(say::action(
            "A 'FixedResponseConfig' must be specified with 'fixed-response'",
        ));
    };
    match config.content_type.as_deref() {
        Some(given) if !given.is_empty() && !CONTENT_TYPES.contains(&given) => {
            let all: Vec<_> = CONTENT_TYPES.iter().map(|t| format!("'{t}'")).collect();
            Err(say::action(format!(
                "The ContentType must be one of:{}",
                all.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

fn jwt_validation(action: &api::Action, listener: Protocol) -> Result<(), AwsError> {
    let Some(config) = &action.jwt_validation_config else {
        return Err(say::action(
            "A 'JwtValidationConfig' must be specified with 'jwt-validation'",
        ));
    };
    if listener != Protocol::Https {
        return Err(say::action(
            "Actions of type 'jwt-validation' are supported for HTTPS listeners only",
        ));
    }
    if !config.jwks_endpoint.starts_with("https://") {
        return Err(say::action(format!(
            "The JWKS endpoint '{}' must be a full URL, including the HTTPS protocol",
            config.jwks_endpoint
        )));
    }
    let long = |text: &String| text.chars().count() > MAX_TEXT;
    if long(&config.jwks_endpoint) || long(&config.issuer) {
        return Err(say::action(format!(
            "The JWKS endpoint and the issuer cannot be longer than '{MAX_TEXT}' characters"
        )));
    }
    let claims = config.additional_claims.as_deref().unwrap_or_default();
    if claims.len() > MAX_CLAIMS {
        return Err(say::action(format!(
            "At most '{MAX_CLAIMS}' additional claims can be specified"
        )));
    }
    for claim in claims {
        if OWN_CLAIMS.contains(&claim.name.as_str()) {
            return Err(say::action(format!(
                "The claim '{}' is validated by default and cannot be specified",
                claim.name
            )));
        }
        if claim.values.is_empty()
            || claim.values.len() > MAX_CLAIMS
            || claim.values.iter().any(long)
        {
            return Err(say::action(format!(
                "The claim '{}' must have from 1 to '{MAX_CLAIMS}' values of at most '{MAX_TEXT}' characters",
                claim.name
            )));
        }
        if claim.format == "single-string" && claim.values.len() > 1 {
            return Err(say::action(format!(
                "The claim '{}' has the format single-string and can have only one value",
                claim.name
            )));
        }
        let spaced = |text: &String| text.contains(' ');
        if claim.format == "space-separated-values" && claim.values.iter().any(spaced) {
            return Err(say::action(format!(
                "The values of the claim '{}' cannot include spaces",
                claim.name
            )));
        }
    }
    Ok(())
}

/// The ARNs of the target groups that actions forward to.
pub(crate) fn target_groups(actions: &[Json<api::Action>]) -> impl Iterator<Item = &str> {
    let configs = actions.iter().filter_map(|a| a.forward_config.as_ref());
    let groups = configs.flat_map(|c| c.target_groups.as_deref().unwrap_or_default());
    groups.filter_map(|g| g.target_group_arn.as_deref())
}
