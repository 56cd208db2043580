//! How callers name secrets: by name, by ARN, and by an ARN without its last six characters
//! (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/troubleshoot.html>).

use crate::error;
use crate::model::Secret;
use neargate_base::Arn;
use neargate_service::db::{self, Stored};
use neargate_service::{AwsError, Ctx, Scope};

/// A secret and where it lives.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) scope: Scope,
    pub(crate) stored: Stored<Secret>,
}

impl std::ops::Deref for Found {
    type Target = Secret;
    fn deref(&self) -> &Secret {
        &self.stored.value
    }
}

impl Found {
    pub(crate) fn arn(&self) -> String {
        arn(&self.scope, &self.stored.value)
    }

    /// # Errors
    /// When it is to be deleted.
    pub(crate) fn kept(self) -> Result<Found, AwsError> {
        match self.deleted_at {
            None => Ok(self),
            Some(_) => Err(error::deleted()),
        }
    }

    /// # Errors
    /// It is a replica, which only its secret changes.
    pub(crate) fn primary(self) -> Result<Found, AwsError> {
        match self.primary_region {
            None => Ok(self),
            Some(_) => Err(error::is_replica()),
        }
    }
}

const SUFFIX_CHARS: usize = 6;

pub(crate) fn arn(scope: &Scope, secret: &Secret) -> String {
    let Secret { name, suffix, .. } = secret;
    scope.arn("secretsmanager", format!("secret:{name}-{suffix}"))
}

/// Six letters and digits, so that a secret which is made again under its name is another one.
pub(crate) fn new_suffix(cx: &Ctx) -> String {
    const OF: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let one = |_| {
        let at = cx.house.rng.below(OF.len() as u64);
        char::from(OF[usize::try_from(at).unwrap_or_default()])
    };
    (0..SUFFIX_CHARS).map(one).collect()
}

pub(crate) fn record(scope: &Scope, name: &str) -> String {
    db::key::<Secret>(scope, name)
}

/// The secret that a caller names, also one that is to be deleted.
///
/// # Errors
/// There is none.
pub(crate) async fn find(cx: &Ctx, named: &str) -> Result<Found, AwsError> {
    if !named.starts_with("arn:") {
        let found = of_name(cx, &cx.scope, named).await?;
        return found.ok_or_else(error::secret_not_found);
    }
    let invalid = || error::validation("Invalid ARN.");
    let parsed: Arn = named.parse().map_err(|_| invalid())?;
    let resource = parsed.resource.strip_prefix("secret:");
    let resource = resource.ok_or_else(invalid)?;
    if parsed.service != "secretsmanager" || parsed.region != cx.scope.region.as_str() {
        return Err(error::secret_not_found());
    }
    let account = parsed.account.parse().map_err(|_| invalid())?;
    let scope = cx.scope.of_account(account);
    if let Some((name, suffix)) = resource.rsplit_once('-') {
        let found = of_name(cx, &scope, name).await?;
        if let Some(found) = found.filter(|found| found.suffix == suffix) {
            return Ok(found);
        }
    }
    let found = of_name(cx, &scope, resource).await?;
    found.ok_or_else(error::secret_not_found)
}

async fn of_name(cx: &Ctx, scope: &Scope, name: &str) -> Result<Option<Found>, AwsError> {
    let stored = cx.db().get_key::<Secret>(&record(scope, name)).await?;
    let there = stored.filter(|secret| !is_gone(secret, cx));
    Ok(there.map(|stored| Found {
        scope: scope.clone(),
        stored,
    }))
}

/// Has its recovery window ended? It is removed from the store a little later.
pub(crate) fn is_gone(secret: &Secret, cx: &Ctx) -> bool {
    secret.deleted_at.is_some_and(|end| end <= cx.now())
}
