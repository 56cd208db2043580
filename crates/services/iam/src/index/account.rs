//! All records of one account.

use super::Shelf;
use crate::model::{
    self, AccessKey, CredentialReport, Group, InstanceProfile, KeyUse, LoginProfile, MfaDevice,
    OpenIdProvider, Policy, Role, ServerCertificate, ServiceCredential, SigningCertificate,
    SshPublicKey, User, id_of,
};
use neargate_service::{AwsError, Resource, db};
use neargate_store::{Entry, Event, Revision};
use std::fmt::Debug;

/// A kind of record that IAM keeps.
pub trait Record: Resource + Clone + Debug {
    /// The last part of its key.
    fn id(&self) -> String;

    /// What stays the same under another name; `None`: the kind has no names to change.
    fn unique_id(&self) -> Option<&str> {
        None
    }

    fn shelf(account: &Account) -> &Shelf<Self>;
}

/// Which record lies on which shelf, under which id.
macro_rules! account {
    ($($shelf:ident: $record:ty, $id:expr $(, $unique:ident)?;)*) => {
        /// See the module.
        #[derive(Debug, Clone, Default)]
        pub struct Account {
            /// The store's revision that it was last changed at, or listed at.
            pub state: Revision,
            $(pub $shelf: Shelf<$record>,)*
        }

        impl Account {
            /// Takes up a change of the record whose key's first two parts are `kind`.
            pub(super) fn apply(&mut self, kind: &str, id: &str, event: &Event) -> Result<(), AwsError> {
                let (Event::Put(Entry { mod_revision, .. }) | Event::Delete { mod_revision, .. }) = event;
                self.state = *mod_revision;
                match (event, kind) {
                    $(
                        (Event::Put(entry), <$record as Resource>::KIND) => {
                            self.$shelf.put(db::decode(entry)?);
                        }
                    )*
                    _ => self.remove(kind, id),
                }
                Ok(())
            }

            pub(super) fn remove(&mut self, kind: &str, id: &str) {
                match kind {
                    $(<$record as Resource>::KIND => self.$shelf.remove(id),)*
                    _ => {}
                }
            }
        }

        $(
            impl Record for $record {
                fn id(&self) -> String {
                    let id: fn(&$record) -> String = $id;
                    id(self)
                }

                $(fn unique_id(&self) -> Option<&str> {
                    Some(&self.$unique)
                })?

                fn shelf(account: &Account) -> &Shelf<Self> {
                    &account.$shelf
                }
            }
        )*
    };
}

account! {
    users: User, |r| id_of(&r.name), unique_id;
    groups: Group, |r| id_of(&r.name), unique_id;
    roles: Role, |r| id_of(&r.name), unique_id;
    policies: Policy, |r| id_of(&r.name), unique_id;
    profiles: InstanceProfile, |r| id_of(&r.name), unique_id;
    access_keys: AccessKey, |r| id_of(&r.id);
    key_uses: KeyUse, |r| id_of(&r.id);
    login_profiles: LoginProfile, |r| id_of(&r.user);
    ssh_keys: SshPublicKey, |r| id_of(&r.id);
    service_credentials: ServiceCredential, |r| id_of(&r.id);
    signing_certificates: SigningCertificate, |r| id_of(&r.id);
    server_certificates: ServerCertificate, |r| id_of(&r.name), unique_id;
    mfa_devices: MfaDevice, |r| id_of(&format!("{}{}", r.path, r.name));
    providers: OpenIdProvider, |r| id_of(&r.address);
    settings: model::Account, |_| "settings".to_owned();
    reports: CredentialReport, |_| "report".to_owned();
}

impl Account {
    /// What was set for the account as a whole.
    pub fn set(&self) -> model::Account {
        let settings = self.settings.named("settings");
        settings.map(|s| s.value.clone()).unwrap_or_default()
    }
}
