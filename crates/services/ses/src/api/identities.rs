//! Addresses and domains that send.

use crate::address::Address;
use crate::model::settings::{Identity, MailFrom, id};
use crate::{Ses, error, identity};
use neargate_api_ses as api;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Stored, db};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;

const PAGE: Size = Size::up_to(1_000);

/// An address, as SES verifies one.
pub fn address(given: &str) -> Result<String, AwsError> {
    let parsed = Address::parse(given).ok().filter(|a| a.mailbox == given);
    parsed
        .map(|a| a.mailbox)
        .ok_or_else(|| error::invalid_address(given))
}

/// A domain, as SES verifies one.
pub fn domain(given: &str) -> Result<String, AwsError> {
    let label = |l: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !l.is_empty() && l.len() <= 63 && l.chars().all(known)
    };
    let good = given.len() <= 253 && given.contains('.') && given.split('.').all(label);
    match good {
        true => Ok(given.to_ascii_lowercase()),
        false => Err(error::invalid_domain(given)),
    }
}

/// As SES's words say it.
fn status(is_verified: bool) -> Option<String> {
    Some(if is_verified { "Success" } else { "Pending" }.to_owned())
}

pub async fn verify_email_identity(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::VerifyEmailIdentityInput,
) -> Result<api::VerifyEmailIdentityOutput, AwsError> {
    let name = address(&input.email_address)?;
    identity::verify(&ses, &cx, &name, |_| {}).await?;
    Ok(api::VerifyEmailIdentityOutput {})
}

/// The older name of the same.
pub async fn verify_email_address(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::VerifyEmailAddressInput,
) -> Result<Unit, AwsError> {
    let name = address(&input.email_address)?;
    identity::verify(&ses, &cx, &name, |_| {}).await?;
    Ok(Unit)
}

pub async fn verify_domain_identity(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::VerifyDomainIdentityInput,
) -> Result<api::VerifyDomainIdentityOutput, AwsError> {
    let name = domain(&input.domain)?;
    let made = identity::verify(&ses, &cx, &name, |_| {}).await?;
    Ok(api::VerifyDomainIdentityOutput {
        verification_token: Some(made.value.token),
    })
}

pub async fn verify_domain_dkim(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::VerifyDomainDkimInput,
) -> Result<api::VerifyDomainDkimOutput, AwsError> {
    let name = domain(&input.domain)?;
    let made = identity::verify(&ses, &cx, &name, |identity| {
        if identity.dkim_tokens.is_empty() {
            identity.dkim_tokens = identity::dkim_tokens(&cx);
        }
    });
    Ok(api::VerifyDomainDkimOutput {
        dkim_tokens: Some(made.await?.value.dkim_tokens),
    })
}

/// What does not exist is as good as deleted.
pub async fn delete_identity(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteIdentityInput,
) -> Result<api::DeleteIdentityOutput, AwsError> {
    let name = identity::named(&input.identity);
    let key = db::key::<Identity>(&cx.scope, &id(&name));
    let _ = cx.db().tx().delete_key(key).commit().await?;
    Ok(api::DeleteIdentityOutput {})
}

pub async fn delete_verified_email_address(
    ses: Arc<Ses>,
    cx: Ctx,
    input: api::DeleteVerifiedEmailAddressInput,
) -> Result<Unit, AwsError> {
    let identity = input.email_address;
    let input = api::DeleteIdentityInput { identity };
    delete_identity(ses, cx, input).await?;
    Ok(Unit)
}

pub async fn list_identities(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::ListIdentitiesInput,
) -> Result<api::ListIdentitiesOutput, AwsError> {
    let wanted = input.identity_type.as_deref();
    let all = cx.db().list::<Identity>(&cx.scope).await?.into_iter();
    let all = all.filter(|i| match wanted {
        Some("Domain") => i.is_domain(),
        Some("EmailAddress") => !i.is_domain(),
        _ => true,
    });
    let (token, size) = (input.next_token.as_deref(), PAGE.clamp(input.max_items));
    let paged = page(all, token, size, |i| i.id().to_owned())
        .map_err(|_| error::invalid_token(token.unwrap_or_default()))?;
    Ok(api::ListIdentitiesOutput {
        identities: Some(paged.items.into_iter().map(|i| i.value.name).collect()),
        next_token: paged.next_token,
    })
}

pub async fn list_verified_email_addresses(
    _: Arc<Ses>,
    cx: Ctx,
    _: Unit,
) -> Result<api::ListVerifiedEmailAddressesOutput, AwsError> {
    let all = cx.db().list::<Identity>(&cx.scope).await?.into_iter();
    let all = all.filter(|i| !i.is_domain() && i.verified);
    Ok(api::ListVerifiedEmailAddressesOutput {
        verified_email_addresses: Some(all.map(|i| i.value.name).collect()),
    })
}

/// What is said of each of these that there is.
async fn each<T>(
    cx: &Ctx,
    names: Vec<String>,
    say: impl Fn(&Identity, bool) -> T,
) -> Result<BTreeMap<String, T>, AwsError> {
    let mut said = BTreeMap::new();
    for name in names {
        if let Some(found) = identity::find(cx, &name).await? {
            let found: Stored<Identity> = found;
            let verified = identity::is_verified(cx, &found).await?;
            said.insert(name, say(&found, verified));
        }
    }
    Ok(said)
}

pub async fn get_identity_verification_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetIdentityVerificationAttributesInput,
) -> Result<api::GetIdentityVerificationAttributesOutput, AwsError> {
    let said = each(&cx, input.identities, |identity, verified| {
        let token = identity.is_domain().then(|| identity.token.clone());
        api::IdentityVerificationAttributes {
            verification_status: status(verified),
            verification_token: token,
        }
    });
    Ok(api::GetIdentityVerificationAttributesOutput {
        verification_attributes: Some(said.await?),
    })
}

pub async fn get_identity_dkim_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetIdentityDkimAttributesInput,
) -> Result<api::GetIdentityDkimAttributesOutput, AwsError> {
    let mut said = each(&cx, input.identities.clone(), dkim).await?;
    // An address without an identity of its own has its domain's.
    for name in input.identities {
        said.entry(name)
            .or_insert_with(|| dkim(&Identity::default(), false));
    }
    Ok(api::GetIdentityDkimAttributesOutput {
        dkim_attributes: Some(said),
    })
}

fn dkim(identity: &Identity, verified: bool) -> api::IdentityDkimAttributes {
    let tokens = identity.dkim_tokens.clone();
    let status = match (tokens.is_empty(), verified) {
        (true, _) => "NotStarted",
        (false, true) => "Success",
        (false, false) => "Pending",
    };
    api::IdentityDkimAttributes {
        dkim_enabled: Some(identity.dkim_enabled && !tokens.is_empty()),
        dkim_verification_status: Some(status.to_owned()),
        dkim_tokens: Some(tokens),
    }
}

pub async fn set_identity_dkim_enabled(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::SetIdentityDkimEnabledInput,
) -> Result<api::SetIdentityDkimEnabledOutput, AwsError> {
    identity::change(&cx, &input.identity, |identity| {
        identity.dkim_enabled = input.dkim_enabled;
        Ok(true)
    })
    .await?;
    Ok(api::SetIdentityDkimEnabledOutput {})
}

pub async fn set_identity_mail_from_domain(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::SetIdentityMailFromDomainInput,
) -> Result<api::SetIdentityMailFromDomainOutput, AwsError> {
    let on_failure = input.behavior_on_mx_failure;
    let on_failure = on_failure.unwrap_or_else(|| "UseDefaultValue".into());
    let given = input.mail_from_domain.filter(|d| !d.is_empty());
    let given = given.map(|d| domain(&d)).transpose()?;
    identity::change(&cx, &input.identity, |identity| {
        let domain = given.clone();
        let of = identity.name.rsplit('@').next().unwrap_or_default().to_owned();
        if let Some(domain) = domain.as_ref().filter(|d| !d.ends_with(&format!(".{of}"))) {
            let why = format!("Provided MAIL-FROM domain <{domain}> is not subdomain of the domain of the identity <{of}>.");
            return Err(error::invalid_parameter(why));
        }
        let on_failure = on_failure.clone();
        identity.mail_from = domain.map(|domain| MailFrom { domain, on_failure });
        Ok(true)
    })
    .await?;
    Ok(api::SetIdentityMailFromDomainOutput {})
}

pub async fn get_identity_mail_from_domain_attributes(
    _: Arc<Ses>,
    cx: Ctx,
    input: api::GetIdentityMailFromDomainAttributesInput,
) -> Result<api::GetIdentityMailFromDomainAttributesOutput, AwsError> {
    let said = each(&cx, input.identities, |identity, verified| {
        let set = identity.mail_from.as_ref();
        api::IdentityMailFromDomainAttributes {
            mail_from_domain: set.map(|m| m.domain.clone()),
            mail_from_domain_status: set.and_then(|_| status(verified)),
            behavior_on_mx_failure: Some(
                set.map_or("UseDefaultValue".to_owned(), |m| m.on_failure.clone()),
            ),
        }
    });
    Ok(api::GetIdentityMailFromDomainAttributesOutput {
        mail_from_domain_attributes: Some(said.await?),
    })
}
