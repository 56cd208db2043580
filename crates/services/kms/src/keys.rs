//! How callers name keys, and what a key in which state may be used for
//! (<https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html>).

use crate::model::{Alias, Key, Material, Origin, State};
use crate::{error, symmetric};
use neargate_base::Arn;
use neargate_service::db::{self, Committed, Stored};
use neargate_service::{AwsError, Ctx, House, Scope};

/// A key and where it lives.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) scope: Scope,
    pub(crate) stored: Stored<Key>,
}

impl std::ops::Deref for Found {
    type Target = Key;
    fn deref(&self) -> &Key {
        &self.stored.value
    }
}

impl Found {
    pub(crate) fn arn(&self) -> String {
        arn(&self.scope, &self.id)
    }

    /// # Errors
    /// Unless the key is enabled.
    pub(crate) fn enabled(self) -> Result<Found, AwsError> {
        match self.state {
            State::Enabled => Ok(self),
            State::Disabled => Err(error::disabled(&self.arn())),
            State::PendingImport => Err(error::invalid_state(&self.arn(), "is pending import")),
            State::PendingDeletion { .. } => Err(self.is_pending_deletion()),
        }
    }

    /// # Errors
    /// When the key is about to be deleted.
    pub(crate) fn kept(self) -> Result<Found, AwsError> {
        match self.state {
            State::PendingDeletion { .. } => Err(self.is_pending_deletion()),
            _ => Ok(self),
        }
    }

    fn is_pending_deletion(&self) -> AwsError {
        error::invalid_state(&self.arn(), "is pending deletion")
    }

    /// # Errors
    /// Unless the key is for this.
    pub(crate) fn used_for(self, usage: &str, operation: &str) -> Result<Found, AwsError> {
        if self.usage == usage {
            Ok(self)
        } else {
            Err(error::wrong_usage(&self.arn(), &self.usage, operation))
        }
    }

    /// # Errors
    /// When AWS manages the key: nobody else changes it.
    pub(crate) fn customers(self, cx: &Ctx, operation: &str) -> Result<Found, AwsError> {
        match self.managed_for {
            Some(_) => Err(error::managed_by_aws(
                &cx.principal.arn,
                operation,
                &self.arn(),
            )),
            None => Ok(self),
        }
    }

    /// The material that encrypts and signs.
    pub(crate) fn current(&self) -> Result<&Material, AwsError> {
        let current = self.materials.last();
        current.ok_or_else(|| error::invalid_state(&self.arn(), "is pending import"))
    }
}

pub(crate) fn arn(scope: &Scope, id: &str) -> String {
    scope.arn("kms", format!("key/{id}"))
}

/// The key that a caller names: by id, ARN, alias or the ARN of an alias. A key that AWS manages is
/// made when its alias is first named.
///
/// # Errors
/// There is none.
pub(crate) async fn find(cx: &Ctx, named: &str) -> Result<Found, AwsError> {
    let (scope, resource) = parse(cx, named)?;
    match resource.split_once('/') {
        Some(("alias", _)) => of_alias(&cx.house, &scope, &resource).await,
        Some(("key", id)) => by_id(&cx.house, &scope, id).await,
        _ => Err(error::invalid_key_id(named)),
    }
}

/// [`find`] for operations that take no alias.
pub(crate) async fn find_key(cx: &Ctx, named: &str) -> Result<Found, AwsError> {
    let (scope, resource) = parse(cx, named)?;
    match resource.split_once('/') {
        Some(("key", id)) => by_id(&cx.house, &scope, id).await,
        _ => Err(error::invalid_key_id(named)),
    }
}

/// Scope and resource, `key/…` or `alias/…`.
fn parse(cx: &Ctx, named: &str) -> Result<(Scope, String), AwsError> {
    if named.starts_with("alias/") {
        return Ok((cx.scope.clone(), named.to_owned()));
    }
    if !named.starts_with("arn:") {
        return Ok((cx.scope.clone(), format!("key/{named}")));
    }
    let parsed: Arn = named.parse().map_err(|_| error::invalid_arn(named))?;
    if parsed.service != "kms" || parsed.region != cx.scope.region.as_str() {
        return Err(error::invalid_arn(&parsed.region));
    }
    let account = parsed.account.parse();
    let account = account.map_err(|_| error::invalid_arn(named))?;
    Ok((cx.scope.of_account(account), parsed.resource))
}

pub(crate) async fn by_id(house: &House, scope: &Scope, id: &str) -> Result<Found, AwsError> {
    let stored = if is_uuid(id) {
        house.db.get::<Key>(scope, id).await?
    } else {
        return Err(error::invalid_key_id(id));
    };
    let gone =
        |key: &Key| matches!(key.state, State::PendingDeletion { at, .. } if at <= house.now());
    match stored {
        Some(stored) if !gone(&stored) => Ok(Found {
            scope: scope.clone(),
            stored,
        }),
        _ => Err(error::key_not_found(&arn(scope, id))),
    }
}

/// Is this 8-4-4-4-12 hexadecimal digits?
pub(crate) fn is_uuid(id: &str) -> bool {
    let lengths: Vec<usize> = id.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && id.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit())
}

async fn of_alias(house: &House, scope: &Scope, name: &str) -> Result<Found, AwsError> {
    loop {
        if let Some(alias) = house.db.get::<Alias>(scope, name).await? {
            return by_id(house, scope, &alias.key_id).await;
        }
        let service = name.strip_prefix("alias/aws/");
        let Some(service) = service.filter(|s| AWS_SERVICES.contains(s)) else {
            return Err(error::alias_not_found(&scope.arn("kms", name)));
        };
        // Of two who make it, one finds that it is there.
        make_managed(house, scope, service).await?;
    }
}

/// The services whose keys AWS makes and manages in an account, as it lists their aliases.
pub(crate) const AWS_SERVICES: [&str; 15] = [
    "acm",
    "backup",
    "codecommit",
    "dynamodb",
    "ebs",
    "elasticfilesystem",
    "es",
    "kinesis",
    "lambda",
    "rds",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "ssm",
];

/// The period with which AWS rotates the keys that it manages.
pub(crate) const YEAR_DAYS: i32 = 365;

async fn make_managed(house: &House, scope: &Scope, service: &str) -> Result<(), AwsError> {
    let (now, id) = (house.now(), house.rng.uuid());
    let key_key = db::key::<Key>(scope, &id);
    let material = symmetric::new_material(house, &key_key, None);
    let key = Key {
        created_at: now,
        description: format!(
            "Default key that protects my {service} data when no other key is defined"
        ),
        usage: "ENCRYPT_DECRYPT".into(),
        spec: "SYMMETRIC_DEFAULT".into(),
        origin: Origin::AwsKms,
        managed_for: Some(service.to_owned()),
        state: State::Enabled,
        policy: crate::policy::of_managed(scope, service),
        rotation: Some(crate::schedule::rotation(now, YEAR_DAYS)),
        materials: vec![material],
        imported: None,
        tags: Default::default(),
        id,
    };
    let alias = Alias {
        name: format!("alias/aws/{service}"),
        key_id: key.id.clone(),
        created_at: now,
        updated_at: now,
    };
    let alias_key = db::key::<Alias>(scope, &alias.name);
    let made = house
        .db
        .tx()
        .create(key_key, &key)
        .create(alias_key, &alias);
    let (Committed::At(_) | Committed::Conflict) = made.commit().await?;
    Ok(())
}
