//! Transforms of rules: what they may be
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-transforms.html>).

use super::conditions::regex;
use crate::error;
use neargate_api_elbv2 as api;
use neargate_service::AwsError;
use neargate_wire::json::Json;

/// Characters of an expression and of what replaces it.
const MAX_TEXT: usize = 1_024;

/// # Errors
/// AWS's `ValidationError`.
pub(crate) fn checked(
    transforms: Vec<api::RuleTransform>,
) -> Result<Vec<Json<api::RuleTransform>>, AwsError> {
    for (at, transform) in transforms.iter().enumerate() {
        let kind = transform.r#type.as_str();
        if transforms[..at].iter().any(|t| t.r#type == kind) {
            return Err(error::validation(format!(
                "A rule can only have one '{kind}' transform"
            )));
        }
        let (own, foreign) = match kind {
            "host-header-rewrite" => (
                transform
                    .host_header_rewrite_config
                    .as_ref()
                    .map(|c| &c.rewrites),
                transform.url_rewrite_config.is_some(),
            ),
            _ => (
                transform.url_rewrite_config.as_ref().map(|c| &c.rewrites),
                transform.host_header_rewrite_config.is_some(),
            ),
        };
        let rewrites = own.and_then(Option::as_deref).unwrap_or_default();
        match rewrites {
            [one] if !foreign => check(one)?,
            _ => {
                return Err(error::validation(format!(
                    "A transform of type '{kind}' must have exactly one rewrite of its own"
                )));
            }
        }
    }
    Ok(transforms.into_iter().map(Json).collect())
}

fn check(rewrite: &api::RewriteConfig) -> Result<(), AwsError> {
    for text in [&rewrite.regex, &rewrite.replace] {
        if text.chars().count() > MAX_TEXT {
            return Err(error::validation(format!(
                "The text of a rewrite cannot be longer than '{MAX_TEXT}' characters"
            )));
        }
    }
    regex(&rewrite.regex)
}
