//! Who may send: identities, and how they are verified.
//!
//! An address is verified by whoever follows the link in the mail that is sent to it. A domain is verified
//! at once where nobody needs proof (a development installation on loopback), and elsewhere as soon as a
//! zone of Route 53 in this installation holds the record that SES asks for.

use crate::address::domain_of;
use crate::model::settings::{Identity, id};
use crate::{Ses, error};
use neargate_service::dns::{HostedZone, RecordData, RecordSet, global, records_of};
use neargate_service::mail::Mail;
use neargate_service::{AwsError, Committed, Ctx, House, Scope, Stored, db};
use std::sync::Arc;

/// The path under which links of mails that verify an address lead here.
pub const LINKS: &str = "/_neargate/verify-email/";

/// The most identities of an account and region
/// (<https://docs.aws.amazon.com/ses/latest/dg/quotas.html>).
const MOST: usize = 10_000;

/// The name of an identity, as it is kept: of an address only the domain is free of case.
pub fn named(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((local, domain)) => format!("{local}@{}", domain.to_ascii_lowercase()),
        None => name.to_ascii_lowercase(),
    }
}

/// # Errors
/// The store's.
pub async fn find(cx: &Ctx, name: &str) -> Result<Option<Stored<Identity>>, AwsError> {
    cx.db().get::<Identity>(&cx.scope, &id(&named(name))).await
}

/// Changes an identity that there is.
///
/// # Errors
/// Those of `change`; SES's word where there is none.
pub async fn change(
    cx: &Ctx,
    name: &str,
    change: impl FnMut(&mut Identity) -> Result<bool, AwsError>,
) -> Result<Stored<Identity>, AwsError> {
    let key = db::key::<Identity>(&cx.scope, &id(&named(name)));
    let changed = cx.db().modify::<Identity, _>(&key, change).await?;
    changed.ok_or_else(|| error::identity_missing(name))
}

/// Begins to verify an address or a domain, or goes on with it. An address is sent its link once more.
///
/// # Errors
/// When there are too many, and the store's.
pub async fn verify(
    ses: &Arc<Ses>,
    cx: &Ctx,
    name: &str,
    prepare: impl Fn(&mut Identity),
) -> Result<Stored<Identity>, AwsError> {
    let name = named(name);
    let key = db::key::<Identity>(&cx.scope, &id(&name));
    loop {
        let there = cx.db().get_key::<Identity>(&key).await?;
        let is_new = there.is_none();
        let mut identity = match &there {
            Some(there) => there.value.clone(),
            None => Identity {
                token: match name.contains('@') {
                    true => cx.house.rng.hex(48),
                    false => domain_token(cx),
                },
                created_at: cx.now(),
                dkim_enabled: true,
                name: name.clone(),
                ..Identity::default()
            },
        };
        prepare(&mut identity);
        if identity.is_domain() && !cx.house.settings.enforced {
            identity.verified = true;
        }
        let tx = match &there {
            Some(there) => cx.db().tx().update(there, &identity),
            None => cx.db().tx().create(key.clone(), &identity),
        };
        if is_new && cx.db().list::<Identity>(&cx.scope).await?.len() >= MOST {
            return Err(error::limit("Too many identities in this account."));
        }
        if let Committed::At(revision) = tx.commit().await? {
            if !identity.is_domain() && !identity.verified {
                let mail = verification_mail(&cx.house, &cx.scope, &identity);
                ses.outbox(&cx.house).take(&cx.scope, mail).await?;
            }
            let value = identity;
            return Ok(Stored {
                key,
                revision,
                value,
            });
        }
    }
}

fn domain_token(cx: &Ctx) -> String {
    use base64::Engine as _;
    let mut bytes = [0; 32];
    cx.house.rng.fill(&mut bytes);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Three tokens of DKIM, each the label of a record.
pub fn dkim_tokens(cx: &Ctx) -> Vec<String> {
    (0..3).map(|_| cx.house.rng.hex(32)).collect()
}

fn verification_mail(house: &House, scope: &Scope, identity: &Identity) -> Mail {
    let (region, token) = (&scope.region, &identity.token);
    let url = house.settings.registry_url();
    let link = format!("{url}{LINKS}{}/{region}/{token}", scope.account);
    let text = format!(
        "Dear Amazon Web Services Customer,\n\n\
         We have received a request to authorize this email address for use with Amazon SES in region \
         {region}. If you requested this verification, please go to the following URL to confirm that \
         you are authorized to use this email address:\n\n{link}\n\n\
         Your request will not be processed unless you confirm the address using this URL.\n\n\
         If you did NOT request to verify this email address, do not click on the link.\n"
    );
    let subject =
        format!("Amazon Web Services - Email Address Verification Request in region {region}");
    let from = "Amazon Web Services <no-reply-aws@amazon.com>";
    Mail::text("ses", from, &identity.name, &subject, &text)
}

/// Somebody followed the link of a mail, whose path ends with `rest`. The address that is verified now;
/// `None`: the link is none of ours.
///
/// # Errors
/// The store's.
pub async fn follow(house: &House, rest: &str) -> Result<Option<String>, AwsError> {
    let mut parts = rest.split('/');
    let (Some(account), Some(region), Some(token)) = (parts.next(), parts.next(), parts.next())
    else {
        return Ok(None);
    };
    let (Ok(account), Ok(region)) = (account.parse(), region.parse()) else {
        return Ok(None);
    };
    let scope = Scope { account, region };
    let all = house.db.list::<Identity>(&scope).await?;
    // The token is 192 random bits: whoever can guess one by time can guess it without.
    let found = all.into_iter().find(|i| !i.is_domain() && i.token == token);
    let Some(found) = found.filter(|_| token.len() == 48) else {
        return Ok(None);
    };
    let verified = house.db.modify::<Identity, _>(&found.key, |identity| {
        identity.verified = true;
        Ok(true)
    });
    Ok(verified.await?.map(|i| i.value.name))
}

/// The identity that lets this address send: its own, its domain's, or that of a domain above.
///
/// # Errors
/// The store's.
pub async fn verified(cx: &Ctx, mailbox: &str) -> Result<Option<String>, AwsError> {
    let domain = domain_of(mailbox).to_ascii_lowercase();
    let labels: Vec<&str> = domain.split('.').collect();
    let domains = (0..labels.len()).map(|n| labels[n..].join("."));
    for name in std::iter::once(named(mailbox)).chain(domains) {
        if let Some(identity) = find(cx, &name).await?
            && is_verified(cx, &identity).await?
        {
            return Ok(Some(identity.value.name));
        }
    }
    Ok(None)
}

/// Is it verified, or is it now that its domain has the record?
///
/// # Errors
/// The store's.
pub async fn is_verified(cx: &Ctx, identity: &Stored<Identity>) -> Result<bool, AwsError> {
    if identity.verified || !identity.is_domain() {
        return Ok(identity.verified);
    }
    let name = format!("_amazonses.{}", identity.name);
    let has_token = has_record(cx, &name, "TXT", &identity.token).await?;
    let mut has_dkim = !identity.dkim_tokens.is_empty();
    for token in &identity.dkim_tokens {
        let name = format!("{token}._domainkey.{}", identity.name);
        let to = format!("{token}.dkim.amazonses.com");
        has_dkim = has_dkim && has_record(cx, &name, "CNAME", &to).await?;
    }
    if !has_token && !has_dkim {
        return Ok(false);
    }
    let proven = cx.db().modify::<Identity, _>(&identity.key, |identity| {
        identity.verified = true;
        Ok(true)
    });
    proven.await?;
    Ok(true)
}

/// Does a public zone of the account say this of a name?
async fn has_record(cx: &Ctx, name: &str, kind: &str, wanted: &str) -> Result<bool, AwsError> {
    let account = &cx.scope.account;
    let name = format!("{name}.");
    for zone in cx.db().list::<HostedZone>(&global(account)).await? {
        if zone.is_private() || !name.ends_with(&format!(".{}", zone.name)) {
            continue;
        }
        let prefix = records_of(account, zone.id());
        for record in cx.db().list_prefix::<RecordSet>(&prefix).await? {
            if record.name != name || record.record_type != kind {
                continue;
            }
            if let RecordData::Records { values, .. } = &record.data {
                let same = |v: &String| v.trim_matches('"').trim_end_matches('.') == wanted;
                if values.iter().any(same) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}
