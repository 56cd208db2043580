//! Access keys of users and of the account's root.

use crate::call::{Change, View};
use crate::error;
use crate::model::AccessKey;
use crate::page::paged;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_iam as api;
use neargate_base::access_key;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

const MOST_PER_USER: usize = 2;
/// 40 characters.
const SECRET_BYTES: usize = 30;

/// Whose keys a call means: the unique id and the name of a user, or nobody's for the root.
fn owner(view: &View, name: Option<&str>) -> Result<(Option<String>, Option<String>), AwsError> {
    let user = view.meant(name)?;
    Ok(match user {
        Some(user) => (Some(user.unique_id.clone()), Some(user.name.clone())),
        None => (None, None),
    })
}

fn status(active: bool) -> Option<String> {
    Some(if active { "Active" } else { "Inactive" }.into())
}

/// The secret is in this answer and in no other
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html>).
pub fn create_access_key(
    call: &mut Change,
    input: api::CreateAccessKeyInput,
) -> Result<api::CreateAccessKeyOutput, AwsError> {
    let (user, name) = owner(call, input.user_name.as_deref())?;
    if call.access_keys.iter().filter(|k| k.user == user).count() >= MOST_PER_USER {
        return Err(error::quota("AccessKeysPerUser", MOST_PER_USER));
    }
    let house = &call.cx.house;
    let id = access_key::issue(call.id(), &house.rng);
    let mut secret = [0; SECRET_BYTES];
    house.rng.fill(&mut secret);
    let secret = STANDARD.encode(secret);
    let place = call.key::<AccessKey>(&id);
    let key = AccessKey {
        secret: house.root_key.seal(&place, secret.as_bytes()),
        id,
        user,
        active: true,
        created_at: call.now(),
    };
    call.create(&key);
    Ok(api::CreateAccessKeyOutput {
        access_key: Some(api::AccessKey {
            user_name: name,
            access_key_id: Some(key.id),
            status: status(true),
            secret_access_key: Some(secret),
            create_date: Some(key.created_at),
        }),
    })
}

/// The key of this id that is the user's.
fn key_of(view: &View, name: Option<&str>, id: &str) -> Result<Arc<Stored<AccessKey>>, AwsError> {
    let (user, _) = owner(view, name)?;
    let key = view.access_keys.named(id).filter(|k| k.user == user);
    key.cloned()
        .ok_or_else(|| error::id_not_found("Access Key", id))
}

pub fn list_access_keys(
    view: &View,
    input: api::ListAccessKeysInput,
) -> Result<api::ListAccessKeysOutput, AwsError> {
    let (user, name) = owner(view, input.user_name.as_deref())?;
    let keys = view.access_keys.iter().filter(|k| k.user == user);
    let page = paged(keys, input.marker.as_deref(), input.max_items, |k| {
        k.id().to_owned()
    })?;
    let page = page.map(|key| api::AccessKeyMetadata {
        user_name: name.clone(),
        access_key_id: Some(key.value.id.clone()),
        status: status(key.active),
        create_date: Some(key.created_at),
    });
    Ok(api::ListAccessKeysOutput {
        access_key_metadata: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn update_access_key(
    call: &mut Change,
    input: api::UpdateAccessKeyInput,
) -> Result<(), AwsError> {
    let key = key_of(call, input.user_name.as_deref(), &input.access_key_id)?;
    call.modify(&key, |key| key.active = input.status == "Active");
    Ok(())
}

pub fn delete_access_key(
    call: &mut Change,
    input: api::DeleteAccessKeyInput,
) -> Result<(), AwsError> {
    let key = key_of(call, input.user_name.as_deref(), &input.access_key_id)?;
    if let Some(used) = call.key_uses.named(&input.access_key_id).cloned() {
        call.delete(&used);
    }
    call.delete(&key);
    Ok(())
}

/// A key that was never used has no date, and `N/A` for the rest.
pub fn get_access_key_last_used(
    view: &View,
    input: api::GetAccessKeyLastUsedInput,
) -> Result<api::GetAccessKeyLastUsedOutput, AwsError> {
    let id = &input.access_key_id;
    let key = view.access_keys.named(id);
    let key = key.ok_or_else(|| error::id_not_found("Access Key", id))?;
    let user = key
        .user
        .as_deref()
        .and_then(|id| view.users.of_unique_id(id));
    let used = view.iam.uses.of(view, id);
    Ok(api::GetAccessKeyLastUsedOutput {
        user_name: user.map(|user| user.name.clone()),
        access_key_last_used: Some(match used {
            Some(used) => api::AccessKeyLastUsed {
                last_used_date: Some(used.at),
                service_name: Some(used.service),
                region: Some(used.region),
            },
            None => api::AccessKeyLastUsed {
                last_used_date: None,
                service_name: Some("N/A".into()),
                region: Some("N/A".into()),
            },
        }),
    })
}
