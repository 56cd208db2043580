//! Names and passwords of users for one service, such as for git over HTTPS
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_service-specific-creds.html>).

use super::check_quota;
use crate::call::{Change, View};
use crate::model::{ServiceCredential, User};
use crate::page::paged;
use crate::{error, name};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

/// For one user and one service.
const MOST: usize = 2;
const PASSWORD_BYTES: usize = 33;
const SERVICES: [&str; 2] = ["codecommit.amazonaws.com", "cassandra.amazonaws.com"];
/// A service of AWS's whose credentials are long-term API keys.
const BEDROCK: &str = "bedrock.amazonaws.com";

type Of = Arc<Stored<User>>;
type Found = Arc<Stored<ServiceCredential>>;

fn check_service(service: &str) -> Result<(), AwsError> {
    match service {
        BEDROCK => Err(AwsError::not_implemented("iam", "API keys for Bedrock")),
        service if SERVICES.contains(&service) => Ok(()),
        service => Err(error::unsupported_service(service)),
    }
}

fn status(active: bool) -> Option<String> {
    Some(if active { "Active" } else { "Inactive" }.into())
}

/// With its password, which is shown when it is made and when it is made anew.
fn shown(
    user: &User,
    credential: &ServiceCredential,
    password: String,
) -> api::ServiceSpecificCredential {
    api::ServiceSpecificCredential {
        create_date: Some(credential.created_at),
        service_name: Some(credential.service.clone()),
        service_user_name: Some(credential.user_name.clone()),
        service_password: Some(password),
        service_specific_credential_id: Some(credential.id.clone()),
        user_name: Some(user.name.clone()),
        status: status(credential.active),
        ..Default::default()
    }
}

fn new_password(view: &View) -> String {
    let mut bytes = [0; PASSWORD_BYTES];
    view.cx.house.rng.fill(&mut bytes);
    STANDARD.encode(bytes)
}

pub fn create_service_specific_credential(
    call: &mut Change,
    input: api::CreateServiceSpecificCredentialInput,
) -> Result<api::CreateServiceSpecificCredentialOutput, AwsError> {
    let user = call.user(&input.user_name)?;
    check_service(&input.service_name)?;
    if input.credential_age_days.is_some() {
        return Err(error::invalid_input(
            "CredentialAgeDays is only supported for Bedrock API keys",
        ));
    }
    let own = call.service_credentials.iter();
    let own = own.filter(|c| c.user == user.unique_id && c.service == input.service_name);
    let own: Vec<_> = own.collect();
    check_quota("ServiceSpecificCredentialsPerUser", own.len(), MOST)?;
    let first = format!("{}-at-{}", user.name, call.id());
    let is_taken = own.iter().any(|c| c.user_name == first);
    let user_name = match is_taken {
        true => format!("{}+1-at-{}", user.name, call.id()),
        false => first,
    };
    let house = &call.cx.house;
    let id = name::unique_id(name::SERVICE_CREDENTIAL, &house.rng);
    let place = call.key::<ServiceCredential>(&id);
    let password = new_password(call);
    let credential = ServiceCredential {
        id,
        user: user.unique_id.clone(),
        service: input.service_name,
        user_name,
        password: house.root_key.seal(&place, password.as_bytes()),
        active: true,
        created_at: call.now(),
    };
    call.create(&credential);
    Ok(api::CreateServiceSpecificCredentialOutput {
        service_specific_credential: Some(shown(&user, &credential, password)),
    })
}

/// The user that a call means, and the user's credential of this id.
fn find(view: &View, user: Option<&str>, id: &str) -> Result<(Of, Found), AwsError> {
    let user = view.meant_user(user)?;
    let credential = view.service_credentials.named(id);
    let credential = credential.filter(|c| c.user == user.unique_id).cloned();
    let credential = credential.ok_or_else(|| error::credential_not_found(id))?;
    Ok((user, credential))
}

pub fn list_service_specific_credentials(
    view: &View,
    input: api::ListServiceSpecificCredentialsInput,
) -> Result<api::ListServiceSpecificCredentialsOutput, AwsError> {
    let service = input.service_name.as_deref();
    service.map_or(Ok(()), check_service)?;
    let user = match input.all_users {
        Some(true) => None,
        _ => Some(view.meant_user(input.user_name.as_deref())?),
    };
    let asked = view.service_credentials.iter().filter(|c| {
        user.as_ref().is_none_or(|user| user.unique_id == c.user)
            && service.is_none_or(|service| service == c.service)
    });
    let page = paged(asked, input.marker.as_deref(), input.max_items, |c| {
        c.id().to_owned()
    })?;
    let page = page.map(|c| api::ServiceSpecificCredentialMetadata {
        user_name: view.users.of_unique_id(&c.user).map(|u| u.name.clone()),
        status: status(c.active),
        service_user_name: Some(c.user_name.clone()),
        service_credential_alias: None,
        create_date: Some(c.created_at),
        expiration_date: None,
        service_specific_credential_id: Some(c.value.id.clone()),
        service_name: Some(c.service.clone()),
    });
    // This list says that it has an end only where somebody asked for a page of it.
    let is_paged = input.all_users.is_some() || input.max_items.is_some() || page.marker.is_some();
    Ok(api::ListServiceSpecificCredentialsOutput {
        service_specific_credentials: Some(page.items),
        is_truncated: page.is_truncated.filter(|_| is_paged),
        marker: page.marker,
    })
}

pub fn update_service_specific_credential(
    call: &mut Change,
    input: api::UpdateServiceSpecificCredentialInput,
) -> Result<(), AwsError> {
    let id = &input.service_specific_credential_id;
    let (_, credential) = find(call, input.user_name.as_deref(), id)?;
    call.modify(&credential, |c| c.active = input.status == "Active");
    Ok(())
}

pub fn reset_service_specific_credential(
    call: &mut Change,
    input: api::ResetServiceSpecificCredentialInput,
) -> Result<api::ResetServiceSpecificCredentialOutput, AwsError> {
    let id = &input.service_specific_credential_id;
    let (user, credential) = find(call, input.user_name.as_deref(), id)?;
    let password = new_password(call);
    let sealed = call
        .cx
        .house
        .root_key
        .seal(&credential.key, password.as_bytes());
    call.modify(&credential, |c| c.password = sealed);
    Ok(api::ResetServiceSpecificCredentialOutput {
        service_specific_credential: Some(shown(&user, &credential, password)),
    })
}

pub fn delete_service_specific_credential(
    call: &mut Change,
    input: api::DeleteServiceSpecificCredentialInput,
) -> Result<(), AwsError> {
    let id = &input.service_specific_credential_id;
    let (_, credential) = find(call, input.user_name.as_deref(), id)?;
    call.delete(&credential);
    Ok(())
}
