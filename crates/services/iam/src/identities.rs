//! What everybody else asks of IAM ([`Identities`]), answered from the index.
//!
//! Policies are parsed once: a text for as long as somebody has it, and what an identity may do
//! until something of its account is written.

use crate::api::managed;
use crate::document;
use crate::index::{Account, Index};
use crate::model::{Grants, Role, User};
use crate::name;
use crate::totp;
use crate::uses::Uses;
use neargate_base::{AccountId, Arn, Secret, Timestamp, access_key};
use neargate_policy::{Document, Use};
use neargate_service::House;
use neargate_service::identity::{
    self, AccessKey, Identities, IdentityPolicies, NoFactor, OidcProvider, Principal,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// See the module.
#[derive(Debug)]
pub struct Known {
    index: Arc<Index>,
    uses: Arc<Uses>,
    /// The house has this, and not the other way round.
    house: Weak<House>,
    texts: Texts,
    /// By the identity's ARN, with the state of the account that they are of.
    policies: Mutex<HashMap<String, (u64, Arc<IdentityPolicies>)>>,
    /// The last half minute of which each device, by the key of its record, has shown a code.
    shown: Mutex<HashMap<String, i64>>,
}

/// How many identities' policies are kept ready.
const MOST_READY: usize = 10_000;

impl Known {
    pub fn new(index: Arc<Index>, uses: Arc<Uses>, house: &Arc<House>) -> Known {
        Known {
            index,
            uses,
            house: Arc::downgrade(house),
            texts: Texts::default(),
            policies: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    fn of_user(&self, id: &AccountId, account: &Account, user: &User) -> IdentityPolicies {
        let groups = user.groups.iter();
        let groups = groups.filter_map(|group| account.groups.of_unique_id(group));
        IdentityPolicies {
            own: self.granted(id, account, &user.grants),
            of_groups: groups
                .flat_map(|group| self.granted(id, account, &group.grants))
                .collect(),
            boundary: self.boundary(id, account, user.boundary.as_deref()),
            tags: user.tags.clone(),
        }
    }

    fn of_role(&self, id: &AccountId, account: &Account, role: &Role) -> IdentityPolicies {
        IdentityPolicies {
            own: self.granted(id, account, &role.grants),
            of_groups: Vec::new(),
            boundary: self.boundary(id, account, role.boundary.as_deref()),
            tags: role.tags.clone(),
        }
    }

    fn granted(&self, id: &AccountId, account: &Account, grants: &Grants) -> Vec<Arc<Document>> {
        let attached = grants.attached.iter();
        let attached = attached.filter_map(|arn| managed::find(id, account, arn));
        let inline = grants.inline.values();
        let inline = inline.map(|text| self.texts.parsed(text, Use::Identity));
        attached
            .map(|policy| self.texts.parsed(policy.document(), Use::Identity))
            .chain(inline)
            .collect()
    }

    fn boundary(
        &self,
        id: &AccountId,
        account: &Account,
        arn: Option<&str>,
    ) -> Option<Arc<Document>> {
        let policy = managed::find(id, account, arn?);
        // A boundary that is gone allows nothing, as on AWS.
        let text = policy.as_ref().map_or(NOTHING, |policy| policy.document());
        Some(self.texts.parsed(text, Use::Identity))
    }
}

impl Identities for Known {
    fn key(&self, access_key_id: &str) -> Option<AccessKey> {
        let id = access_key::account(access_key_id)?;
        let account = self.index.account(&id);
        let key = account.access_keys.named(access_key_id)?;
        if key.value.id != access_key_id {
            return None;
        }
        let secret = self.house.upgrade()?.root_key.open(&key.key, &key.secret)?;
        let (principal, unique_id) = match &key.user {
            Some(user) => {
                let user = account.users.of_unique_id(user)?;
                let arn = name::arn(&id, "user", &user.path, &user.name);
                (arn, user.unique_id.clone())
            }
            None => (format!("arn:aws:iam::{id}:root"), id.to_string()),
        };
        Some(AccessKey {
            secret: Secret::new(String::from_utf8(secret).ok()?),
            account: id,
            principal,
            unique_id,
            active: key.active,
        })
    }

    fn service_credential(
        &self,
        service: &str,
        user_name: &str,
    ) -> Option<identity::ServiceCredential> {
        // A name ends in the account that it is of: `alice-at-123456789012`.
        let (_, id) = user_name.rsplit_once("-at-")?;
        let id: AccountId = id.parse().ok()?;
        let account = self.index.account(&id);
        let mut all = account.service_credentials.iter();
        let found = all.find(|c| c.service == service && c.user_name == user_name)?;
        let user = account.users.of_unique_id(&found.user)?;
        let root_key = &self.house.upgrade()?.root_key;
        let password = root_key.open(&found.key, &found.password)?;
        Some(identity::ServiceCredential {
            password: Secret::new(String::from_utf8(password).ok()?),
            principal: name::arn(&id, "user", &user.path, &user.name),
            unique_id: user.unique_id.clone(),
            active: found.active,
            account: id,
        })
    }

    fn role(&self, arn: &str) -> Option<identity::Role> {
        let (id, kind, path) = parts(arn)?;
        let account = self.index.account(&id);
        let role = account.roles.named(name::last(&path))?;
        let is_it = kind == "role" && path == format!("{}{}", role.path, role.name);
        is_it.then(|| identity::Role {
            arn: arn.to_owned(),
            name: role.name.clone(),
            path: role.path.clone(),
            unique_id: role.unique_id.clone(),
            trust: self.texts.parsed(&role.trust, Use::Trust),
            max_session: Duration::from_secs(role.max_session_seconds.into()),
            boundary: self.boundary(&id, &account, role.boundary.as_deref()),
            tags: role.tags.clone(),
        })
    }

    fn policies(&self, principal: &Principal) -> Arc<IdentityPolicies> {
        let arn = principal.identity();
        let Some((id, kind, path)) = parts(arn) else {
            return Arc::default();
        };
        let account = self.index.account(&id);
        let ready = self.policies.lock().get(arn).cloned();
        if let Some((_, policies)) = ready.filter(|(state, _)| *state == account.state) {
            return policies;
        }
        let last = name::last(&path);
        let is_path = |of: &str, name: &str| path == format!("{of}{name}");
        let policies = match kind.as_str() {
            "user" => account
                .users
                .named(last)
                .filter(|u| is_path(&u.path, &u.name))
                .map(|user| self.of_user(&id, &account, user)),
            "role" => account
                .roles
                .named(last)
                .filter(|r| is_path(&r.path, &r.name))
                .map(|role| self.of_role(&id, &account, role)),
            _ => None,
        };
        let policies = Arc::new(policies.unwrap_or_default());
        let mut ready = self.policies.lock();
        if ready.len() >= MOST_READY {
            ready.clear();
        }
        ready.insert(arn.to_owned(), (account.state, policies.clone()));
        policies
    }

    fn managed_policy(&self, account: &AccountId, arn: &str) -> Option<Arc<Document>> {
        let policy = managed::find(account, &self.index.account(account), arn)?;
        Some(self.texts.parsed(policy.document(), Use::Identity))
    }

    fn oidc_provider(&self, account: &AccountId, issuer: &str) -> Option<OidcProvider> {
        let records = self.index.account(account);
        let provider = records.providers.named(issuer)?;
        Some(OidcProvider {
            arn: format!("arn:aws:iam::{account}:oidc-provider/{}", provider.address),
            client_ids: provider.client_ids.iter().cloned().collect(),
        })
    }

    fn second_factor(
        &self,
        user: &Principal,
        serial: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<(), NoFactor> {
        let found = parts(serial).filter(|(_, kind, _)| kind == "mfa");
        let (id, _, path) = found.ok_or(NoFactor::Device)?;
        let account = self.index.account(&id);
        let device = account.mfa_devices.named(&path);
        let device = device.filter(|d| d.user.as_ref() == Some(&user.user_id));
        let device = device.ok_or(NoFactor::Device)?;
        let house = self.house.upgrade().ok_or(NoFactor::Device)?;
        let seed = house.root_key.open(&device.key, &device.seed);
        let seed = seed.ok_or(NoFactor::Device)?;
        let at = totp::shown(&seed, code, device.ahead, now).ok_or(NoFactor::Code)?;
        let mut shown = self.shown.lock();
        match shown.get(&device.key) {
            Some(before) if *before >= at => Err(NoFactor::Code),
            _ => {
                shown.insert(device.key.clone(), at);
                Ok(())
            }
        }
    }

    fn used(&self, access_key_id: &str, service: &str, region: &str, now: Timestamp) {
        self.uses.note(access_key_id, service, region, now);
    }
}

/// The account, `role` and `/path/name` of an ARN of IAM's.
fn parts(arn: &str) -> Option<(AccountId, String, String)> {
    let arn: Arn = arn.parse().ok().filter(|arn: &Arn| arn.service == "iam")?;
    let (kind, path) = arn.resource.split_once('/')?;
    Some((
        arn.account.parse().ok()?,
        kind.to_owned(),
        format!("/{path}"),
    ))
}

/// What stands for a boundary that is gone, and for a text that is kept and not understood: nothing
/// is allowed that might be meant to be denied.
const NOTHING: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
/// The same where it says whom a role trusts.
const NOBODY: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*"}}"#;

/// Texts that are parsed for as long as somebody has what became of them.
#[derive(Debug, Default)]
struct Texts(Mutex<HashMap<String, Weak<Document>>>);

impl Texts {
    fn parsed(&self, text: &str, used: Use) -> Arc<Document> {
        let mut known = self.0.lock();
        if let Some(document) = known.get(text).and_then(Weak::upgrade) {
            return document;
        }
        let document = document::parse(text, used).or_else(|error| {
            tracing::error!(%error, "a policy that is kept is not understood");
            let instead = if used == Use::Trust { NOBODY } else { NOTHING };
            document::parse(instead, used)
        });
        let document = Arc::new(document.expect("these two are policies"));
        if known.len() == known.capacity() {
            known.retain(|_, document| document.strong_count() > 0);
        }
        known.insert(text.to_owned(), Arc::downgrade(&document));
        document
    }
}
