//! What a `valueFrom` names, what of a secret is wanted, and the words for what cannot be had: those of
//! Fargate's agent, as stopped tasks show them
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html>). Pure.

use neargate_base::{AccountId, Arn, Region, Secret};
use neargate_domain::RegistryLogin;
use serde_json::Value;
use std::collections::BTreeMap;

/// Where a value is from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The parameter store of this region.
    Parameter {
        region: Region,
        /// Or an ARN, where the parameter is another account's.
        name: String,
    },
    /// Secrets Manager.
    Secret(SecretPart),
}

/// A secret, or a part of one
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html>).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretPart {
    pub region: Region,
    /// The secret's own.
    pub arn: String,
    /// `None`: all of it.
    pub json_key: Option<String>,
    /// `None`: the current version.
    pub version_stage: Option<String>,
    pub version_id: Option<String>,
}

impl Source {
    /// What `value_from` names for a task of this account and region.
    ///
    /// # Errors
    /// The reason, as [`of_secret`] takes it.
    pub fn parse(value_from: &str, account: &AccountId, region: &Region) -> Result<Source, String> {
        let Ok(arn) = value_from.parse::<Arn>() else {
            return Ok(Source::Parameter {
                region: region.clone(),
                name: value_from.to_owned(),
            });
        };
        let invalid = || format!("invalid ARN {value_from}");
        let in_region = arn.region.parse().map_err(|_| invalid())?;
        match arn.service.as_str() {
            "ssm" => {
                let name = arn.resource.strip_prefix("parameter").ok_or_else(invalid)?;
                // `parameter/a/b` is the parameter `/a/b`, and `parameter/a` is `a` or `/a`.
                let name = match name.matches('/').count() {
                    1 => name.trim_start_matches('/'),
                    _ => name,
                };
                let is_own = arn.account == account.as_str();
                Ok(Source::Parameter {
                    region: in_region,
                    name: if is_own {
                        name.to_owned()
                    } else {
                        value_from.to_owned()
                    },
                })
            }
            "secretsmanager" => {
                let parts: Vec<&str> = arn.resource.split(':').collect();
                let given = |part: &str| Some(part.to_owned()).filter(|part| !part.is_empty());
                let [key, stage, id] = match parts.as_slice() {
                    ["secret", _] => [None, None, None],
                    ["secret", _, key, stage, id] => [given(key), given(stage), given(id)],
                    _ => {
                        return Err(format!(
                            "unexpected ARN format with parameters when trying to retrieve ASM \
                             secret: {value_from}"
                        ));
                    }
                };
                let stem = value_from
                    .splitn(8, ':')
                    .take(7)
                    .collect::<Vec<_>>()
                    .join(":");
                Ok(Source::Secret(SecretPart {
                    region: in_region,
                    arn: stem,
                    json_key: key,
                    version_stage: stage,
                    version_id: id,
                }))
            }
            _ => Err(invalid()),
        }
    }
}

/// What of a secret's text is wanted. Text and numbers are given as they are.
///
/// # Errors
/// The reason, as [`of_secret`] takes it.
pub fn part(text: &str, json_key: Option<&str>) -> Result<String, String> {
    let Some(key) = json_key else {
        return Ok(text.to_owned());
    };
    let all: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|_| {
        match text.trim_start().chars().next() {
            // The words of Go, which the agent hands on.
            Some(first) if first != '{' => {
                format!("invalid character '{first}' looking for beginning of value")
            }
            _ => "unexpected end of JSON input".to_owned(),
        }
    })?;
    match all.get(key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Ok(other.to_string()),
        None => Err(format!(
            "retrieved secret from Secrets Manager did not contain json key {key}"
        )),
    }
}

/// Name and password for a registry
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/private-auth.html>).
///
/// # Errors
/// The reason, as [`of_secret`] takes it.
pub fn login(text: &str) -> Result<RegistryLogin, String> {
    let username = part(text, Some("username"))?;
    let password = Secret::new(part(text, Some("password"))?);
    Ok(RegistryLogin { username, password })
}

const RETRIEVAL: &str =
    "unable to pull secrets or registry auth: execution resource retrieval failed";

/// Why a secret cannot be had.
pub fn of_secret(why: &str) -> String {
    format!(
        "{RETRIEVAL}: unable to retrieve secret from asm: service call has been retried 1 time(s): \
         {why}"
    )
}

/// Secrets Manager's own refusal.
pub fn of_secrets_manager(arn: &str, error: &str) -> String {
    of_secret(&format!(
        "failed to fetch secret {arn} from secrets manager: {error}"
    ))
}

/// Why parameters cannot be had.
pub fn of_parameters(why: &str) -> String {
    format!(
        "{RETRIEVAL}: unable to retrieve secrets from ssm: service call has been retried 1 time(s): \
         {why}"
    )
}

/// There are no such parameters.
pub fn invalid_parameters(names: &[String]) -> String {
    of_parameters(&format!("invalid ssm parameters: {}", names.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value_from: &str) -> Result<Source, String> {
        let (account, region) = (AccountId::default(), Region::default());
        Source::parse(value_from, &account, &region)
    }

    fn parameter(region: &str, name: &str) -> Source {
        Source::Parameter {
            region: region.parse().unwrap(),
            name: name.into(),
        }
    }

    #[test]
    fn parameters_are_named_by_name_or_arn() {
        for (value_from, wanted) in [
            ("plain", parameter("us-east-1", "plain")),
            ("/a/b", parameter("us-east-1", "/a/b")),
            (
                "arn:aws:ssm:eu-west-1:000000000000:parameter/plain",
                parameter("eu-west-1", "plain"),
            ),
            (
                "arn:aws:ssm:us-east-1:000000000000:parameter/a/b",
                parameter("us-east-1", "/a/b"),
            ),
            (
                "arn:aws:ssm:us-east-1:111122223333:parameter/a/b",
                parameter(
                    "us-east-1",
                    "arn:aws:ssm:us-east-1:111122223333:parameter/a/b",
                ),
            ),
        ] {
            assert_eq!(parse(value_from), Ok(wanted), "{value_from}");
        }
    }

    #[test]
    fn a_secret_is_named_whole_or_in_part() {
        let arn = "arn:aws:secretsmanager:us-east-1:000000000000:secret:db-AbCdEf";
        let whole = SecretPart {
            region: Region::default(),
            arn: arn.into(),
            json_key: None,
            version_stage: None,
            version_id: None,
        };
        assert_eq!(parse(arn), Ok(Source::Secret(whole.clone())));
        let part = SecretPart {
            json_key: Some("password".into()),
            version_id: Some("9d4cb84b".into()),
            ..whole.clone()
        };
        assert_eq!(
            parse(&format!("{arn}:password::9d4cb84b")),
            Ok(Source::Secret(part))
        );
        let staged = SecretPart {
            version_stage: Some("AWSPREVIOUS".into()),
            ..whole
        };
        assert_eq!(
            parse(&format!("{arn}::AWSPREVIOUS:")),
            Ok(Source::Secret(staged))
        );
        assert!(
            parse(&format!("{arn}:password"))
                .unwrap_err()
                .contains("unexpected ARN format")
        );
        assert!(parse("arn:aws:s3:us-east-1:000000000000:x").is_err());
    }

    #[test]
    fn a_part_is_a_value_of_the_secrets_json() {
        let text = r#"{"user":"a","port":5432,"on":true}"#;
        assert_eq!(part(text, None).unwrap(), text);
        assert_eq!(part(text, Some("user")).unwrap(), "a");
        assert_eq!(part(text, Some("port")).unwrap(), "5432");
        assert_eq!(
            part(text, Some("no")).unwrap_err(),
            "retrieved secret from Secrets Manager did not contain json key no"
        );
        assert_eq!(
            part("plain", Some("no")).unwrap_err(),
            "invalid character 'p' looking for beginning of value"
        );
        assert!(login(r#"{"username":"u","password":"p"}"#).is_ok());
        assert!(login(r#"{"username":"u"}"#).is_err());
    }

    #[test]
    fn words_are_those_of_stopped_tasks() {
        assert_eq!(
            invalid_parameters(&["a".into(), "b".into()]),
            "unable to pull secrets or registry auth: execution resource retrieval failed: unable \
             to retrieve secrets from ssm: service call has been retried 1 time(s): invalid ssm \
             parameters: a,b"
        );
        let error = "ResourceNotFoundException: Secrets Manager can't find the specified secret.";
        assert_eq!(
            of_secrets_manager("arn:x", error),
            format!(
                "unable to pull secrets or registry auth: execution resource retrieval failed: \
                 unable to retrieve secret from asm: service call has been retried 1 time(s): \
                 failed to fetch secret arn:x from secrets manager: {error}"
            )
        );
    }
}
