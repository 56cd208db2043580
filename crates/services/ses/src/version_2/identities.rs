//! Email identities.

use super::{refuse_some, worded};
use crate::api::identities::{address, domain};
use crate::api::policies;
use crate::model::settings::{Identity, MailFrom, id};
use crate::{Ses, error, identity, sending};
use neargate_api_sesv2 as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Stored, db, tags};
use std::sync::Arc;

async fn found(cx: &Ctx, name: &str) -> Result<Stored<Identity>, AwsError> {
    let found = identity::find(cx, name).await?;
    found.ok_or_else(|| error::email_identity_missing(name))
}

async fn change(
    cx: &Ctx,
    name: &str,
    change: impl FnMut(&mut Identity) -> Result<bool, AwsError>,
) -> Result<(), AwsError> {
    found(cx, name).await?;
    worded(identity::change(cx, name, change).await.map(drop))
}

fn kind(identity: &Identity) -> Option<String> {
    let word = if identity.is_domain() {
        "DOMAIN"
    } else {
        "EMAIL_ADDRESS"
    };
    Some(word.to_owned())
}

fn dkim(identity: &Identity, verified: bool) -> api::DkimAttributes {
    let tokens = identity.dkim_tokens.clone();
    let status = match (tokens.is_empty(), verified) {
        (true, _) => "NOT_STARTED",
        (false, true) => "SUCCESS",
        (false, false) => "PENDING",
    };
    api::DkimAttributes {
        signing_enabled: Some(identity.dkim_enabled && !tokens.is_empty()),
        status: Some(status.to_owned()),
        tokens: Some(tokens),
        signing_attributes_origin: Some("AWS_SES".to_owned()),
        next_signing_key_length: Some("RSA_2048_BIT".to_owned()),
        ..Default::default()
    }
}

pub async fn create_email_identity(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::CreateEmailIdentityInput,
) -> Result<api::CreateEmailIdentityOutput, AwsError> {
    if let Some(signing) = &input.dkim_signing_attributes {
        let own = signing.domain_signing_private_key.as_ref();
        refuse_some(own, "DomainSigningPrivateKey")?;
    }
    let given = &input.email_identity;
    let name = worded(match given.contains('@') {
        true => address(given),
        false => domain(given),
    })?;
    if identity::find(&cx, &name).await?.is_some() {
        return Err(error::email_identity_exists(given));
    }
    if let Some(set) = &input.configuration_set_name {
        worded(sending::configuration_set(&cx, set).await)?;
    }
    let pairs = input
        .tags
        .unwrap_or_default()
        .into_iter()
        .map(|t| (t.key, t.value));
    let tags = tags::parse(pairs).map_err(error::tags)?;
    let made = identity::verify(&ses, &cx, &name, |identity| {
        identity.tags = tags.clone();
        identity.configuration_set = input.configuration_set_name.clone();
        if identity.is_domain() && identity.dkim_tokens.is_empty() {
            identity.dkim_tokens = identity::dkim_tokens(&cx);
        }
    });
    let made = worded(made.await)?;
    let verified = worded(identity::is_verified(&cx, &made).await)?;
    Ok(api::CreateEmailIdentityOutput {
        identity_type: kind(&made),
        verified_for_sending_status: Some(verified),
        dkim_attributes: Some(dkim(&made, verified)),
    })
}

pub async fn get_email_identity(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetEmailIdentityInput,
) -> Result<api::GetEmailIdentityOutput, AwsError> {
    let identity = found(&cx, &input.email_identity).await?;
    let verified = identity::is_verified(&cx, &identity).await?;
    let mail_from = identity.mail_from.as_ref();
    let status = if verified { "SUCCESS" } else { "PENDING" };
    let default = || "USE_DEFAULT_VALUE".to_owned();
    let tags = identity.tags.iter().map(|(key, value)| api::Tag {
        key: key.clone(),
        value: value.clone(),
    });
    Ok(api::GetEmailIdentityOutput {
        identity_type: kind(&identity),
        feedback_forwarding_status: Some(!identity.no_feedback),
        verified_for_sending_status: Some(verified),
        dkim_attributes: Some(dkim(&identity, verified)),
        mail_from_attributes: Some(api::MailFromAttributes {
            mail_from_domain: mail_from.map(|m| m.domain.clone()),
            mail_from_domain_status: mail_from.map(|_| status.to_owned()),
            behavior_on_mx_failure: Some(mail_from.map_or_else(default, |m| {
                match m.on_failure.as_str() {
                    "RejectMessage" => "REJECT_MESSAGE".to_owned(),
                    _ => default(),
                }
            })),
        }),
        policies: Some(identity.policies.clone()),
        tags: Some(tags.collect()),
        configuration_set_name: identity.configuration_set.clone(),
        verification_status: Some(status.to_owned()),
        verification_info: None,
    })
}

pub async fn list_email_identities(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListEmailIdentitiesInput,
) -> Result<api::ListEmailIdentitiesOutput, AwsError> {
    let filter = input.filter.filter(|f| !f.is_empty());
    refuse_some(filter.as_ref(), "filters of identities")?;
    let all = cx.db().list::<Identity>(&cx.scope).await?;
    let (token, size) = (input.next_token.as_deref(), Size::up_to(1_000));
    let paged = page(all, token, size.clamp(input.page_size), |i| {
        i.id().to_owned()
    })
    .map_err(|_| error::next_token_invalid())?;
    let mut shown = Vec::new();
    for identity in paged.items {
        let verified = identity::is_verified(&cx, &identity).await?;
        let status = if verified { "SUCCESS" } else { "PENDING" };
        shown.push(api::IdentityInfo {
            identity_type: kind(&identity),
            sending_enabled: Some(verified),
            verification_status: Some(status.to_owned()),
            identity_name: Some(identity.value.name),
        });
    }
    Ok(api::ListEmailIdentitiesOutput {
        email_identities: Some(shown),
        next_token: paged.next_token,
    })
}

pub async fn delete_email_identity(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteEmailIdentityInput,
) -> Result<api::DeleteEmailIdentityOutput, AwsError> {
    let name = &input.email_identity;
    found(&cx, name).await?;
    let key = db::key::<Identity>(&cx.scope, &id(&identity::named(name)));
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteEmailIdentityOutput {})
}

pub async fn put_email_identity_dkim_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutEmailIdentityDkimAttributesInput,
) -> Result<api::PutEmailIdentityDkimAttributesOutput, AwsError> {
    change(&cx, &input.email_identity, |identity| {
        identity.dkim_enabled = input.signing_enabled.unwrap_or_default();
        Ok(true)
    })
    .await?;
    Ok(api::PutEmailIdentityDkimAttributesOutput {})
}

pub async fn put_email_identity_feedback_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutEmailIdentityFeedbackAttributesInput,
) -> Result<api::PutEmailIdentityFeedbackAttributesOutput, AwsError> {
    change(&cx, &input.email_identity, |identity| {
        identity.no_feedback = !input.email_forwarding_enabled.unwrap_or_default();
        Ok(true)
    })
    .await?;
    Ok(api::PutEmailIdentityFeedbackAttributesOutput {})
}

pub async fn put_email_identity_mail_from_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutEmailIdentityMailFromAttributesInput,
) -> Result<api::PutEmailIdentityMailFromAttributesOutput, AwsError> {
    let given = input.mail_from_domain.filter(|d| !d.is_empty());
    let given = worded(given.map(|d| domain(&d)).transpose())?;
    let on_failure = match input.behavior_on_mx_failure.as_deref() {
        Some("REJECT_MESSAGE") => "RejectMessage",
        _ => "UseDefaultValue",
    };
    change(&cx, &input.email_identity, |identity| {
        identity.mail_from = given.clone().map(|domain| MailFrom {
            domain,
            on_failure: on_failure.to_owned(),
        });
        Ok(true)
    })
    .await?;
    Ok(api::PutEmailIdentityMailFromAttributesOutput {})
}

pub async fn put_email_identity_configuration_set_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::PutEmailIdentityConfigurationSetAttributesInput,
) -> Result<api::PutEmailIdentityConfigurationSetAttributesOutput, AwsError> {
    if let Some(set) = &input.configuration_set_name {
        worded(sending::configuration_set(&cx, set).await)?;
    }
    change(&cx, &input.email_identity, |identity| {
        identity
            .configuration_set
            .clone_from(&input.configuration_set_name);
        Ok(true)
    })
    .await?;
    Ok(api::PutEmailIdentityConfigurationSetAttributesOutput {})
}

pub async fn create_email_identity_policy(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::CreateEmailIdentityPolicyInput,
) -> Result<api::CreateEmailIdentityPolicyOutput, AwsError> {
    let there = found(&cx, &input.email_identity).await?;
    if there.policies.contains_key(&input.policy_name) {
        return Err(error::policy_exists(&input.policy_name));
    }
    worded(
        policies::put(
            &cx,
            &input.email_identity,
            &input.policy_name,
            &input.policy,
        )
        .await,
    )?;
    Ok(api::CreateEmailIdentityPolicyOutput {})
}

pub async fn update_email_identity_policy(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::UpdateEmailIdentityPolicyInput,
) -> Result<api::UpdateEmailIdentityPolicyOutput, AwsError> {
    let there = found(&cx, &input.email_identity).await?;
    if !there.policies.contains_key(&input.policy_name) {
        return Err(error::policy_missing(&input.policy_name));
    }
    worded(
        policies::put(
            &cx,
            &input.email_identity,
            &input.policy_name,
            &input.policy,
        )
        .await,
    )?;
    Ok(api::UpdateEmailIdentityPolicyOutput {})
}

pub async fn delete_email_identity_policy(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteEmailIdentityPolicyInput,
) -> Result<api::DeleteEmailIdentityPolicyOutput, AwsError> {
    change(&cx, &input.email_identity, |identity| {
        Ok(identity.policies.remove(&input.policy_name).is_some())
    })
    .await?;
    Ok(api::DeleteEmailIdentityPolicyOutput {})
}

pub async fn get_email_identity_policies(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetEmailIdentityPoliciesInput,
) -> Result<api::GetEmailIdentityPoliciesOutput, AwsError> {
    let there = found(&cx, &input.email_identity).await?;
    Ok(api::GetEmailIdentityPoliciesOutput {
        policies: Some(there.value.policies),
    })
}
