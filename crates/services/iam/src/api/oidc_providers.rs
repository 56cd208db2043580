//! Identity providers that speak OpenID Connect: whom `AssumeRoleWithWebIdentity` believes.

use super::{all_tags, check_quota, new_tags, shown_tags};
use crate::call::{Change, View};
use crate::error;
use crate::model::OpenIdProvider;
use neargate_api_iam as api;
use neargate_service::{AwsError, Stored};
use std::sync::Arc;

const MOST: usize = 100;
const MOST_CLIENT_IDS: usize = 100;
const MOST_THUMBPRINTS: usize = 5;

pub fn arn(view: &View, provider: &OpenIdProvider) -> String {
    format!(
        "arn:aws:iam::{}:oidc-provider/{}",
        view.id(),
        provider.address
    )
}

impl View {
    pub(super) fn provider(&self, arn: &str) -> Result<Arc<Stored<OpenIdProvider>>, AwsError> {
        let prefix = format!("arn:aws:iam::{}:oidc-provider/", self.id());
        let address = arn.strip_prefix(&prefix);
        let provider = address.and_then(|address| self.providers.named(address));
        provider
            .cloned()
            .ok_or_else(|| error::provider_not_found(arn))
    }
}

fn thumbprints(given: Vec<String>) -> Result<Vec<String>, AwsError> {
    match given.len() > MOST_THUMBPRINTS {
        true => Err(error::invalid_input(
            "Thumbprint list must contain fewer than 5 entries.",
        )),
        false => Ok(given),
    }
}

pub fn create_open_id_connect_provider(
    call: &mut Change,
    input: api::CreateOpenIDConnectProviderInput,
) -> Result<api::CreateOpenIDConnectProviderOutput, AwsError> {
    let url = input.url;
    let address = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let address = address.filter(|a| !a.is_empty() && !a.contains(['?', '#', ' ']));
    let address = address
        .ok_or_else(|| error::validation("Invalid Open ID Connect Provider URL"))?
        .trim_end_matches('/');
    if call.providers.named(address).is_some() {
        return Err(error::provider_taken(&url));
    }
    check_quota(
        "OpenIDConnectProvidersPerAccount",
        call.providers.len(),
        MOST,
    )?;
    let client_ids = input.client_id_list.unwrap_or_default();
    if client_ids.len() > MOST_CLIENT_IDS {
        return Err(error::quota(
            "ClientIdsPerOpenIdConnectProvider",
            MOST_CLIENT_IDS,
        ));
    }
    let provider = OpenIdProvider {
        address: address.to_owned(),
        client_ids: client_ids.into_iter().collect(),
        thumbprints: thumbprints(input.thumbprint_list.unwrap_or_default())?,
        created_at: call.now(),
        tags: new_tags(input.tags)?,
    };
    call.create(&provider);
    Ok(api::CreateOpenIDConnectProviderOutput {
        openid_connect_provider_arn: Some(arn(call, &provider)),
        tags: shown_tags(&provider.tags),
    })
}

pub fn get_open_id_connect_provider(
    view: &View,
    input: api::GetOpenIDConnectProviderInput,
) -> Result<api::GetOpenIDConnectProviderOutput, AwsError> {
    let provider = view.provider(&input.openid_connect_provider_arn)?;
    Ok(api::GetOpenIDConnectProviderOutput {
        url: Some(provider.address.clone()),
        client_id_list: Some(provider.client_ids.iter().cloned().collect()),
        thumbprint_list: Some(provider.thumbprints.clone()),
        create_date: Some(provider.created_at),
        tags: Some(all_tags(&provider.tags)),
    })
}

pub fn list_open_id_connect_providers(
    view: &View,
    _: api::ListOpenIDConnectProvidersInput,
) -> Result<api::ListOpenIDConnectProvidersOutput, AwsError> {
    let all = view.providers.iter();
    let all = all.map(|p| api::OpenIDConnectProviderListEntry {
        arn: Some(arn(view, p)),
    });
    Ok(api::ListOpenIDConnectProvidersOutput {
        openid_connect_provider_list: Some(all.collect()),
    })
}

pub fn delete_open_id_connect_provider(
    call: &mut Change,
    input: api::DeleteOpenIDConnectProviderInput,
) -> Result<(), AwsError> {
    let provider = call.provider(&input.openid_connect_provider_arn)?;
    call.delete(&provider);
    Ok(())
}

pub fn add_client_id_to_open_id_connect_provider(
    call: &mut Change,
    input: api::AddClientIDToOpenIDConnectProviderInput,
) -> Result<(), AwsError> {
    let provider = call.provider(&input.openid_connect_provider_arn)?;
    if provider.client_ids.contains(&input.client_id) {
        return Ok(());
    }
    check_quota(
        "ClientIdsPerOpenIdConnectProvider",
        provider.client_ids.len(),
        MOST_CLIENT_IDS,
    )?;
    call.modify(&provider, |provider| {
        provider.client_ids.insert(input.client_id);
    });
    Ok(())
}

pub fn remove_client_id_from_open_id_connect_provider(
    call: &mut Change,
    input: api::RemoveClientIDFromOpenIDConnectProviderInput,
) -> Result<(), AwsError> {
    let provider = call.provider(&input.openid_connect_provider_arn)?;
    if provider.client_ids.contains(&input.client_id) {
        call.modify(&provider, |provider| {
            provider.client_ids.remove(&input.client_id);
        });
    }
    Ok(())
}

pub fn update_open_id_connect_provider_thumbprint(
    call: &mut Change,
    input: api::UpdateOpenIDConnectProviderThumbprintInput,
) -> Result<(), AwsError> {
    let provider = call.provider(&input.openid_connect_provider_arn)?;
    let thumbprints = thumbprints(input.thumbprint_list)?;
    call.modify(&provider, |provider| provider.thumbprints = thumbprints);
    Ok(())
}
