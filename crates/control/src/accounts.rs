//! The accounts of this installation and the keys of their roots. The account that the operator
//! configured has its root's key in the data directory; the others are records.
//!
//! Only the operator makes accounts, through this process: what is in memory is what is stored.

use crate::error::refused;
use crate::root_credentials::RootCredentials;
use neargate_base::{AccountId, Secret, Timestamp, access_key};
use neargate_service::sealing::{self, Sealed};
use neargate_service::{AwsError, Committed, House, Resource, Scope, db};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The longest name, as of AWS Organizations' accounts.
const MAX_NAME: usize = 50;

/// `accounts/account/…/<number>`, in the default account's scope.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub created_at: Timestamp,
    /// The root's key.
    pub access_key: String,
    secret_key: Sealed,
}

impl Resource for Account {
    const KIND: &'static str = "accounts/account";
}

/// An account just made, with its root's key: its secret is never shown again.
#[derive(Debug)]
pub struct Created {
    pub id: AccountId,
    pub access_key: String,
    pub secret_key: Secret<String>,
}

/// The accounts that were made.
#[derive(Debug)]
pub struct Accounts {
    house: Arc<House>,
    keys: Arc<RootCredentials>,
}

impl Accounts {
    /// Takes up what is stored.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(house: Arc<House>) -> Result<Accounts, AwsError> {
        let accounts = Accounts {
            house,
            keys: Arc::default(),
        };
        for (id, account) in accounts.all().await? {
            let key = accounts.key(&id);
            // The root key was found right before: what it does not open was not written here.
            if let Some(secret) = accounts.house.root_key.open(&key, &account.secret_key)
                && let Ok(secret) = String::from_utf8(secret)
            {
                let keys = &accounts.keys;
                keys.put(account.access_key, id, Secret::new(secret));
            }
        }
        Ok(accounts)
    }

    /// The keys of all roots.
    pub fn keys(&self) -> &Arc<RootCredentials> {
        &self.keys
    }

    /// Every account but the configured one, by number.
    ///
    /// # Errors
    /// The store's.
    pub async fn all(&self) -> Result<Vec<(AccountId, Account)>, AwsError> {
        let all = self.house.db.list::<Account>(self.scope()).await?;
        let named = all.into_iter().filter_map(|stored| {
            let id = stored.key.rsplit('/').next()?.parse().ok()?;
            Some((id, stored.value))
        });
        Ok(named.collect())
    }

    /// Makes an account, of this number or of any.
    ///
    /// # Errors
    /// Name or number are taken, or no name; the store's.
    pub async fn create(&self, name: &str, id: Option<AccountId>) -> Result<Created, AwsError> {
        let length = name.chars().count();
        if !(1..=MAX_NAME).contains(&length) || name.chars().any(char::is_control) {
            return Err(refused(format!(
                "An account's name has 1 to {MAX_NAME} characters."
            )));
        }
        let House { db, rng, .. } = &*self.house;
        loop {
            let all = self.all().await?;
            if all.iter().any(|(_, account)| account.name == name) {
                return Err(refused(format!("There is an account {name} already.")));
            }
            let id = id.clone().unwrap_or_else(|| {
                let number = 100_000_000_000 + rng.below(900_000_000_000);
                let id = number.to_string().parse();
                id.expect("twelve digits are an account")
            });
            if id == self.scope().account || all.iter().any(|(other, _)| *other == id) {
                return Err(refused(format!("There is an account {id} already.")));
            }
            let access_key = access_key::issue(&id, rng);
            let secret = sealing::access_secret();
            let key = self.key(&id);
            let account = Account {
                name: name.to_owned(),
                created_at: self.house.now(),
                access_key: access_key.clone(),
                secret_key: self.house.root_key.seal(&key, secret.expose().as_bytes()),
            };
            if let Committed::At(_) = db.tx().create(key, &account).commit().await? {
                self.keys
                    .put(access_key.clone(), id.clone(), secret.clone());
                return Ok(Created {
                    id,
                    access_key,
                    secret_key: secret,
                });
            }
        }
    }

    /// The store was emptied.
    pub(crate) fn forget(&self) {
        self.keys.keep_only(&self.scope().account);
    }

    fn scope(&self) -> &Scope {
        &self.house.settings.default_scope
    }

    fn key(&self, id: &AccountId) -> String {
        db::key::<Account>(self.scope(), id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_testkit::Lab;

    #[tokio::test]
    async fn accounts_and_their_roots_keys_are_kept() {
        let lab = Lab::default();
        let accounts = Accounts::open(lab.house.clone()).await.expect("opens");
        let made = accounts.create("shop", None).await.expect("made");
        assert_eq!(access_key::account(&made.access_key), Some(made.id.clone()));
        let id: AccountId = "111122223333".parse().expect("an account");
        accounts
            .create("dev", Some(id.clone()))
            .await
            .expect("made");
        for (name, id) in [("shop", None), ("other", Some(id)), ("", None)] {
            assert!(accounts.create(name, id).await.is_err(), "{name}");
        }
        let own = lab.scope.account.clone();
        assert!(accounts.create("own", Some(own)).await.is_err());
        // As after a restart.
        let again = Accounts::open(lab.house.clone()).await.expect("opens");
        let key = again.keys().get(&made.access_key).expect("known");
        assert_eq!((key.account, &key.secret), (made.id, &made.secret_key));
        assert_eq!(again.all().await.expect("listed").len(), 2);
        // No secret is stored as it is.
        let stored = lab
            .house
            .db
            .store()
            .range("", None, 100, None)
            .await
            .expect("read");
        for entry in stored.entries {
            let text = String::from_utf8_lossy(&entry.value).into_owned();
            assert!(!text.contains(made.secret_key.expose()), "{text}");
        }
        again.forget();
        assert!(again.keys().get(&made.access_key).is_none());
    }
}
