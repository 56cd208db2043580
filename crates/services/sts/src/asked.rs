//! What a caller asks of a session, checked: how long it lasts, its policies and its tags.

use crate::error;
use neargate_api_sts as api;
use neargate_base::Arn;
use neargate_policy::Document;
use neargate_service::identity::session::packed_bytes;
use neargate_service::identity::{Kind, Principal, Session};
use neargate_service::{AwsError, Ctx};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// AWS says only that there is a limit of what policies and tags take when they are packed.
const PACKED_BYTES: usize = 2_048;
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const MAX_POLICY_ARNS: usize = 10;

/// What a caller asks of a session.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    pub(crate) policy: Option<String>,
    pub(crate) policy_arns: Vec<api::PolicyDescriptorType>,
    pub(crate) tags: Vec<api::Tag>,
    pub(crate) transitive: Vec<String>,
    pub(crate) source_identity: Option<String>,
}

/// The session of a role out of which another is assumed
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining>).
pub(crate) fn chained(caller: &Principal) -> Option<&Session> {
    let session = caller.session.as_deref();
    session.filter(|_| caller.kind == Kind::AssumedRole)
}

/// How long a session of a role lasts: an hour unless asked otherwise, and never longer out of
/// another role's session.
pub(crate) fn role_duration(
    asked: Option<i32>,
    longest: Duration,
    chained: bool,
) -> Result<Duration, AwsError> {
    let asked = asked.map_or(HOUR, seconds);
    match asked {
        asked if chained && asked > HOUR => Err(error::chain_too_long()),
        asked if asked > longest => Err(error::too_long()),
        asked => Ok(asked),
    }
}

/// How long a session of a user lasts, or of a root, which gets an hour at the most.
pub(crate) fn user_duration(asked: Option<i32>, caller: Kind) -> Duration {
    let asked = asked.map_or(12 * HOUR, seconds);
    match caller {
        Kind::Root => asked.min(HOUR),
        _ => asked,
    }
}

fn seconds(count: i32) -> Duration {
    Duration::from_secs(u64::try_from(count).unwrap_or_default())
}

impl Asked {
    /// The session, and what its policies and tags take of their room in percent; `None` where there
    /// are none. `identity` is whose policies hold, and `calling` the session that asks.
    pub(crate) fn session(
        &self,
        cx: &Ctx,
        identity: &Arn,
        issuer: &str,
        calling: Option<&Session>,
        lasts: Duration,
    ) -> Result<(Session, Option<i32>), AwsError> {
        if let Some(policy) = &self.policy {
            Document::parse(policy).map_err(|why| error::malformed_policy(&why))?;
        }
        let now = cx.now();
        let (tags, transitive) = self.all_tags(calling)?;
        let session = Session {
            policy: self.policy.clone(),
            policy_arns: self.managed(cx, identity)?,
            tags,
            transitive,
            source_identity: self.source_identity(cx, issuer, calling)?,
            ..Session::of(issuer, now, now + lasts)
        };
        let packed = self.packed(&session)?;
        Ok((session, packed))
    }

    /// The ARNs of managed policies. They must be the identity's account's or AWS's.
    fn managed(&self, cx: &Ctx, identity: &Arn) -> Result<Vec<String>, AwsError> {
        if self.policy_arns.len() > MAX_POLICY_ARNS {
            return Err(error::too_many_policies(MAX_POLICY_ARNS));
        }
        let identities = cx.house.identities.get();
        let account = identity.account.parse().map_err(AwsError::internal)?;
        let arns = self.policy_arns.iter();
        arns.filter_map(|policy| policy.arn.clone())
            .map(|arn| match identities.managed_policy(&account, &arn) {
                Some(_) => Ok(arn),
                None => Err(error::no_such_policy(&arn)),
            })
            .collect()
    }

    /// The tags with those that the calling session hands on, and the keys of those that this one
    /// hands on in turn.
    fn all_tags(
        &self,
        calling: Option<&Session>,
    ) -> Result<(BTreeMap<String, String>, BTreeSet<String>), AwsError> {
        let handed_on = |key: &str| {
            let mut keys = calling.into_iter().flat_map(|session| &session.transitive);
            keys.any(|other| other.eq_ignore_ascii_case(key))
        };
        let mut lower = BTreeSet::new();
        for tag in &self.tags {
            if tag.key.to_lowercase().starts_with("aws:") {
                return Err(error::reserved_tag_key());
            }
            if !lower.insert(tag.key.to_lowercase()) {
                return Err(error::twice_a_tag_key());
            }
            if handed_on(&tag.key) {
                return Err(error::transitive_tag_conflict());
            }
        }
        let is_asked = |key: &String| lower.contains(&key.to_lowercase());
        if !self.transitive.iter().all(is_asked) {
            return Err(error::transitive_tag_missing());
        }
        let own = self.tags.iter();
        let mut tags: BTreeMap<_, _> = own.map(|t| (t.key.clone(), t.value.clone())).collect();
        let mut transitive: BTreeSet<_> = self.transitive.iter().cloned().collect();
        if let Some(session) = calling {
            transitive.extend(session.transitive.iter().cloned());
            let handed_on = session.tags.iter().filter(|(key, _)| handed_on(key));
            tags.extend(handed_on.map(|(key, value)| (key.clone(), value.clone())));
        }
        Ok((tags, transitive))
    }

    /// Who is behind a chain of sessions is said once, and stays.
    fn source_identity(
        &self,
        cx: &Ctx,
        role: &str,
        calling: Option<&Session>,
    ) -> Result<Option<String>, AwsError> {
        let kept = calling.and_then(|session| session.source_identity.as_ref());
        match (kept, &self.source_identity) {
            (Some(kept), Some(asked)) if kept != asked => Err(error::not_authorized(
                &cx.principal.arn,
                "sts:SetSourceIdentity",
                role,
            )),
            (kept, asked) => Ok(asked.as_ref().or(kept).cloned()),
        }
    }

    fn packed(&self, session: &Session) -> Result<Option<i32>, AwsError> {
        let has_policies = session.policy.is_some() || !session.policy_arns.is_empty();
        if !has_policies && session.tags.is_empty() {
            return Ok(None);
        }
        let percent = (packed_bytes(session) * 100).div_ceil(PACKED_BYTES);
        if percent > 100 {
            return Err(error::packed_too_large(has_policies, percent));
        }
        Ok(Some(i32::try_from(percent).expect("at most a hundred")))
    }
}
