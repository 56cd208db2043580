//! SSH public keys of users, for git.

use super::check_quota;
use crate::call::{Change, View};
use crate::model::{SshPublicKey, User};
use crate::page::paged;
use crate::ssh_key::{NoKey, PublicKey};
use crate::{error, name};
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

const MOST_PER_USER: usize = 5;

fn parse(text: &str) -> Result<PublicKey, AwsError> {
    PublicKey::parse(text).map_err(|why| match why {
        NoKey::Form => error::unknown_ssh_encoding(),
        NoKey::Broken => error::invalid_ssh_key(),
    })
}

fn status(active: bool) -> Option<String> {
    Some(if active { "Active" } else { "Inactive" }.into())
}

fn shown(user: &User, key: &SshPublicKey, body: String) -> api::SSHPublicKey {
    api::SSHPublicKey {
        user_name: Some(user.name.clone()),
        ssh_public_key_id: Some(key.id.clone()),
        fingerprint: Some(key.fingerprint.clone()),
        ssh_public_key_body: Some(body),
        status: status(key.active),
        upload_date: Some(key.created_at),
    }
}

pub fn upload_ssh_public_key(
    call: &mut Change,
    input: api::UploadSSHPublicKeyInput,
) -> Result<api::UploadSSHPublicKeyOutput, AwsError> {
    let user = call.user(&input.user_name)?;
    let key = parse(&input.ssh_public_key_body)?;
    let fingerprint = key.fingerprint();
    let own = call.ssh_keys.iter().filter(|k| k.user == user.unique_id);
    let own: Vec<_> = own.collect();
    if own.iter().any(|k| k.fingerprint == fingerprint) {
        return Err(error::ssh_key_taken());
    }
    check_quota("SSHPublicKeysPerUser", own.len(), MOST_PER_USER)?;
    let key = SshPublicKey {
        id: name::unique_id(name::SSH_KEY, &call.cx.house.rng),
        user: user.unique_id.clone(),
        body: input.ssh_public_key_body,
        fingerprint,
        active: true,
        created_at: call.now(),
    };
    call.create(&key);
    Ok(api::UploadSSHPublicKeyOutput {
        ssh_public_key: Some(shown(&user, &key, key.body.clone())),
    })
}

fn find(view: &View, user: &User, id: &str) -> Result<Arc<Stored<SshPublicKey>>, AwsError> {
    let key = view.ssh_keys.named(id);
    let key = key.filter(|k| k.user == user.unique_id).cloned();
    key.ok_or_else(|| error::id_not_found("SSH Public Key", id))
}

pub fn get_ssh_public_key(
    view: &View,
    input: api::GetSSHPublicKeyInput,
) -> Result<api::GetSSHPublicKeyOutput, AwsError> {
    let user = view.user(&input.user_name)?;
    let key = find(view, &user, &input.ssh_public_key_id)?;
    let parsed = parse(&key.body)?;
    let body = match input.encoding.as_str() {
        "PEM" => parsed.pem(),
        _ => parsed.line(),
    };
    Ok(api::GetSSHPublicKeyOutput {
        ssh_public_key: Some(shown(&user, &key, body)),
    })
}

pub fn list_ssh_public_keys(
    view: &View,
    input: api::ListSSHPublicKeysInput,
) -> Result<api::ListSSHPublicKeysOutput, AwsError> {
    let user = view.meant_user(input.user_name.as_deref())?;
    let keys = view.ssh_keys.iter().filter(|k| k.user == user.unique_id);
    let page = paged(keys, input.marker.as_deref(), input.max_items, |k| {
        k.id().to_owned()
    })?;
    let page = page.map(|key| api::SSHPublicKeyMetadata {
        user_name: Some(user.name.clone()),
        ssh_public_key_id: Some(key.value.id.clone()),
        status: status(key.active),
        upload_date: Some(key.created_at),
    });
    Ok(api::ListSSHPublicKeysOutput {
        ssh_public_keys: Some(page.items),
        is_truncated: page.is_truncated,
        marker: page.marker,
    })
}

pub fn update_ssh_public_key(
    call: &mut Change,
    input: api::UpdateSSHPublicKeyInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    let key = find(call, &user, &input.ssh_public_key_id)?;
    call.modify(&key, |key| key.active = input.status == "Active");
    Ok(())
}

pub fn delete_ssh_public_key(
    call: &mut Change,
    input: api::DeleteSSHPublicKeyInput,
) -> Result<(), AwsError> {
    let user = call.user(&input.user_name)?;
    let key = find(call, &user, &input.ssh_public_key_id)?;
    call.delete(&key);
    Ok(())
}
