//! How listeners prove who they are: certificates, policies, mutual authentication
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/https-listener-certificates.html>).

use super::{listeners, paged, ssl_policies, text};
use crate::Elbv2;
use crate::change::{self, settle};
use crate::error::listener as say;
use crate::model::{Listener, Tls, Verify};
use crate::plan::protocol;
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::Protocol;
use neargate_service::db::Tx;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// Of a load balancer, without default ones
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_CERTIFICATES: usize = 25;
/// What AWS takes where a call says nothing.
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";
const ALPN_POLICIES: [&str; 5] = [
    "HTTP1Only",
    "HTTP2Only",
    "HTTP2Optional",
    "HTTP2Preferred",
    "None",
];

/// What a call says of TLS.
#[derive(Debug, Default)]
pub(super) struct AskedTls {
    pub(super) certificates: Option<Vec<api::Certificate>>,
    pub(super) ssl_policy: Option<String>,
    pub(super) alpn_policy: Option<Vec<String>>,
    pub(super) mutual_authentication: Option<api::MutualAuthenticationAttributes>,
}

/// A listener's TLS, as it was `before` and as a call changes it; `None` for plain protocols.
pub(super) fn tls(
    listener: Protocol,
    before: Option<&Tls>,
    asked: AskedTls,
) -> Result<Option<Tls>, AwsError> {
    let word = protocol::shown(listener);
    let certificates = asked.certificates.unwrap_or_default();
    let policies = asked.alpn_policy.unwrap_or_default();
    let mutual = mutual_authentication(listener, asked.mutual_authentication)?;
    if !protocol::is_secure(listener) {
        if asked.ssl_policy.is_some() {
            return Err(say::ssl_policy_of(word));
        }
        if !certificates.is_empty() {
            return Err(say::only_secure("A certificate", word));
        }
        if !policies.is_empty() {
            return Err(say::only_secure("An ALPN policy", word));
        }
        return Ok(None);
    }
    if certificates.iter().any(|c| c.is_default.is_some()) {
        return Err(say::default_given());
    }
    let certificate = match certificates.as_slice() {
        [one] => one.certificate_arn.clone(),
        [] => before.map(|b| b.default_certificate.clone()),
        _ => None,
    };
    if let Some(policy) = &asked.ssl_policy {
        ssl_policies::check(policy)?;
    }
    let alpn_policy = match policies.as_slice() {
        [] => before.and_then(|b| b.alpn_policy.clone()),
        [_] if listener != Protocol::Tls => {
            return Err(say::only_secure("An ALPN policy", word));
        }
        [one] if ALPN_POLICIES.contains(&one.as_str()) => Some(one.clone()),
        [one] => return Err(say::alpn_policy(one)),
        _ => return Err(say::one_alpn_policy()),
    };
    let (mode, verify) = match (mutual, before) {
        (Some(asked), _) => asked,
        (None, Some(before)) if listener == Protocol::Https => {
            (before.mutual_authentication.clone(), before.verify.clone())
        }
        (None, _) => ("off".into(), None),
    };
    let before_policy = || before.map(|b| b.ssl_policy.clone());
    let policy = asked.ssl_policy.or_else(before_policy);
    Ok(Some(Tls {
        default_certificate: certificate.ok_or_else(|| say::one_certificate(word))?,
        certificates: before.map(|b| b.certificates.clone()).unwrap_or_default(),
        ssl_policy: policy.unwrap_or_else(|| DEFAULT_POLICY.to_owned()),
        alpn_policy,
        mutual_authentication: mode,
        verify,
    }))
}

/// The mode, and what `verify` asks for; `None`: the call says nothing of it.
fn mutual_authentication(
    listener: Protocol,
    asked: Option<api::MutualAuthenticationAttributes>,
) -> Result<Option<(String, Option<Verify>)>, AwsError> {
    let Some(asked) = asked else {
        return Ok(None);
    };
    let mode = asked.mode.unwrap_or_else(|| "off".into());
    if listener != Protocol::Https && mode != "off" {
        return Err(say::only_secure(
            "Mutual authentication",
            protocol::shown(listener),
        ));
    }
    let (ignores, advertises) = (
        asked.ignore_client_certificate_expiry == Some(true),
        asked.advertise_trust_store_ca_names.as_deref() == Some("on"),
    );
    match mode.as_str() {
        "verify" => {
            let verify = Verify {
                trust_store: asked.trust_store_arn.ok_or_else(say::trust_store_missing)?,
                ignore_expiry: ignores,
                advertise_names: advertises,
            };
            return Ok(Some((mode, Some(verify))));
        }
        "off" | "passthrough" => {}
        other => return Err(say::mutual_authentication_mode(other)),
    }
    for (what, given) in [
        ("A trust store", asked.trust_store_arn.is_some()),
        ("IgnoreClientCertificateExpiry", ignores),
        ("AdvertiseTrustStoreCaNames", advertises),
    ] {
        if given {
            return Err(say::only_with_verify(what));
        }
    }
    Ok(Some((mode, None)))
}

/// The ARNs that a call names.
fn named(given: Vec<api::Certificate>) -> Result<Vec<String>, AwsError> {
    if given.iter().any(|c| c.is_default.is_some()) {
        return Err(say::default_given());
    }
    let arns = given.into_iter().filter_map(|c| c.certificate_arn);
    Ok(arns.collect())
}

pub async fn add_listener_certificates(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::AddListenerCertificatesInput,
) -> Result<api::AddListenerCertificatesOutput, AwsError> {
    let arns = named(input.certificates)?;
    settle(|| changed(&cx, &input.listener_arn, |tls| added(tls, &arns))).await?;
    let certificate = |arn: String| api::Certificate {
        certificate_arn: Some(arn),
        is_default: Some(false),
    };
    Ok(api::AddListenerCertificatesOutput {
        certificates: Some(arns.into_iter().map(certificate).collect()),
    })
}

fn added(tls: &mut Tls, arns: &[String]) -> Result<(), AwsError> {
    for arn in arns {
        if !tls.certificates.contains(arn) {
            tls.certificates.push(arn.clone());
        }
    }
    match tls.certificates.len() > MAX_CERTIFICATES {
        true => Err(say::too_many_certificates()),
        false => Ok(()),
    }
}

pub async fn remove_listener_certificates(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::RemoveListenerCertificatesInput,
) -> Result<api::RemoveListenerCertificatesOutput, AwsError> {
    let arns = named(input.certificates)?;
    settle(|| changed(&cx, &input.listener_arn, |tls| removed(tls, &arns))).await?;
    Ok(api::RemoveListenerCertificatesOutput {})
}

fn removed(tls: &mut Tls, arns: &[String]) -> Result<(), AwsError> {
    let is_only_default =
        |arn: &String| tls.default_certificate == *arn && !tls.certificates.contains(arn);
    if arns.iter().any(is_only_default) {
        return Err(say::default_certificate());
    }
    tls.certificates.retain(|c| !arns.contains(c));
    Ok(())
}

async fn changed(
    cx: &Ctx,
    arn: &str,
    change: impl Fn(&mut Tls) -> Result<(), AwsError>,
) -> Result<(Tx, ()), AwsError> {
    let stored = change::listener(cx, arn).await?;
    let of = change::load_balancer_of(cx, &stored).await?;
    let mut new: Listener = stored.value.clone();
    let word = protocol::shown(stored.protocol);
    change(new.tls.as_mut().ok_or_else(|| say::certificates_of(word))?)?;
    let tx = cx.db().tx().update(&of, &of.value).update(&stored, &new);
    Ok((
        listeners::recertified(cx, tx, &of, &stored, &new).await?,
        (),
    ))
}

pub async fn describe_listener_certificates(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeListenerCertificatesInput,
) -> Result<api::DescribeListenerCertificatesOutput, AwsError> {
    let stored = change::listener(&cx, &input.listener_arn).await?;
    let certificate = |arn: &String, is_default| api::Certificate {
        certificate_arn: text(arn),
        is_default: Some(is_default),
    };
    let mut all = Vec::new();
    if let Some(tls) = &stored.tls {
        all.push(certificate(&tls.default_certificate, true));
        let mut others = tls.certificates.clone();
        others.sort_unstable();
        all.extend(others.iter().map(|arn| certificate(arn, false)));
    }
    // The default one first.
    let place = |c: &api::Certificate| {
        let rank = u8::from(c.is_default == Some(false));
        format!("{rank}{}", c.certificate_arn.as_deref().unwrap_or_default())
    };
    let page = paged(all, input.marker.as_deref(), input.page_size, place)?;
    Ok(api::DescribeListenerCertificatesOutput {
        certificates: Some(page.items),
        next_marker: page.next_token,
    })
}
