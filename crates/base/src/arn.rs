//! Amazon Resource Names: `arn:partition:service:region:account:resource`
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>).

use crate::{AccountId, Region};
use std::fmt;
use std::str::FromStr;

/// A parsed ARN. `region` and `account` may be empty, as in `arn:aws:s3:::bucket`;
/// `resource` is everything behind the fifth colon, colons included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Arn {
    pub partition: String,
    pub service: String,
    pub region: String,
    pub account: String,
    pub resource: String,
}

/// The string is not an ARN: it lacks the `arn:` prefix or one of its six parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an ARN")]
pub struct InvalidArn(pub String);

impl Arn {
    /// An ARN in this region and account; the partition follows from the region.
    pub fn new(
        service: &str,
        region: &Region,
        account: &AccountId,
        resource: impl Into<String>,
    ) -> Arn {
        Arn {
            partition: partition(region).into(),
            service: service.into(),
            region: region.to_string(),
            account: account.to_string(),
            resource: resource.into(),
        }
    }

    /// The resource split at its first slash: `task/web/123` is `("task", "web/123")`.
    pub fn resource_type(&self) -> (&str, &str) {
        self.resource
            .split_once('/')
            .unwrap_or((&self.resource, ""))
    }
}

/// The partition a region belongs to: `aws-cn` for China, `aws-us-gov` for GovCloud, else `aws`.
pub fn partition(region: &Region) -> &'static str {
    match region.as_str() {
        r if r.starts_with("cn-") => "aws-cn",
        r if r.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

impl fmt::Display for Arn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Arn {
            partition,
            service,
            region,
            account,
            resource,
        } = self;
        write!(f, "arn:{partition}:{service}:{region}:{account}:{resource}")
    }
}

impl FromStr for Arn {
    type Err = InvalidArn;

    fn from_str(s: &str) -> Result<Self, InvalidArn> {
        let invalid = || InvalidArn(s.into());
        let mut parts = s.splitn(6, ':');
        if parts.next() != Some("arn") {
            return Err(invalid());
        }
        let mut next = || parts.next().map(str::to_owned).ok_or_else(invalid);
        let arn = Arn {
            partition: next()?,
            service: next()?,
            region: next()?,
            account: next()?,
            resource: next()?,
        };
        if arn.partition.is_empty() || arn.service.is_empty() || arn.resource.is_empty() {
            return Err(invalid());
        }
        Ok(arn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for s in [
            "arn:aws:ecs:us-east-1:000000000000:task/default/0123",
            "arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/web:*",
            "arn:aws:s3:::bucket/key",
        ] {
            assert_eq!(s.parse::<Arn>().map(|a| a.to_string()), Ok(s.into()));
        }
    }

    #[test]
    fn refuses_what_is_not_an_arn() {
        for s in [
            "",
            "default",
            "arn:aws:ecs",
            "arn:::::x",
            "nra:aws:ecs:r:a:x",
        ] {
            assert!(s.parse::<Arn>().is_err(), "{s}");
        }
    }
}
