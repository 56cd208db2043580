//! AWS's security policies: protocols and ciphers
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/describe-ssl-policies.html>).
//! Those of FIPS are not among them, for no cryptography here is validated.

use super::{paged, text};
use crate::{Elbv2, error};
use neargate_api_elbv2 as api;
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// A policy's name behind `ELBSecurityPolicy-`, its protocols and its ciphers in groups.
type Policy = (&'static str, &'static [&'static str], &'static [Ciphers]);
type Ciphers = &'static [&'static str];

const TLS13: Ciphers = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
];
/// Forward secrecy with authenticated encryption alone.
const RESTRICTED: Ciphers = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];
/// Forward secrecy without SHA-1.
const FORWARD: Ciphers = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
];
/// Forward secrecy, SHA-1 too.
const FORWARD_SHA1: Ciphers = &[
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
];
const PLAIN: Ciphers = &[
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
];
const PLAIN_SHA1: Ciphers = &[
    "AES128-GCM-SHA256",
    "AES128-SHA256",
    "AES128-SHA",
    "AES256-GCM-SHA384",
    "AES256-SHA256",
    "AES256-SHA",
];

const V3: &[&str] = &["TLSv1.3"];
const V32: &[&str] = &["TLSv1.3", "TLSv1.2"];
const V321: &[&str] = &["TLSv1.3", "TLSv1.2", "TLSv1.1"];
const V3210: &[&str] = &["TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"];
const V2: &[&str] = &["TLSv1.2"];
const V21: &[&str] = &["TLSv1.2", "TLSv1.1"];
const V210: &[&str] = &["TLSv1.2", "TLSv1.1", "TLSv1"];

const POLICIES: &[Policy] = &[
    ("2016-08", V210, &[FORWARD_SHA1, PLAIN_SHA1]),
    ("FS-1-1-2019-08", V21, &[FORWARD_SHA1]),
    ("FS-1-2-2019-08", V2, &[FORWARD_SHA1]),
    ("FS-1-2-Res-2019-08", V2, &[FORWARD]),
    ("FS-1-2-Res-2020-10", V2, &[RESTRICTED]),
    ("FS-2018-06", V210, &[FORWARD_SHA1]),
    (
        "TLS-1-0-2015-04",
        V210,
        &[FORWARD_SHA1, PLAIN_SHA1, &["DES-CBC3-SHA"]],
    ),
    ("TLS-1-1-2017-01", V21, &[FORWARD_SHA1, PLAIN_SHA1]),
    ("TLS-1-2-2017-01", V2, &[FORWARD, PLAIN]),
    ("TLS-1-2-Ext-2018-06", V2, &[FORWARD_SHA1, PLAIN_SHA1]),
    (
        "TLS13-1-0-2021-06",
        V3210,
        &[TLS13, FORWARD_SHA1, PLAIN_SHA1],
    ),
    (
        "TLS13-1-0-PQ-2025-09",
        V3210,
        &[TLS13, FORWARD_SHA1, PLAIN_SHA1],
    ),
    (
        "TLS13-1-1-2021-06",
        V321,
        &[TLS13, FORWARD_SHA1, PLAIN_SHA1],
    ),
    ("TLS13-1-2-2021-06", V32, &[TLS13, FORWARD]),
    ("TLS13-1-2-Ext1-2021-06", V32, &[TLS13, FORWARD, PLAIN]),
    ("TLS13-1-2-Ext1-PQ-2025-09", V32, &[TLS13, FORWARD, PLAIN]),
    (
        "TLS13-1-2-Ext2-2021-06",
        V32,
        &[TLS13, FORWARD_SHA1, PLAIN_SHA1],
    ),
    (
        "TLS13-1-2-Ext2-PQ-2025-09",
        V32,
        &[TLS13, FORWARD_SHA1, PLAIN_SHA1],
    ),
    ("TLS13-1-2-PQ-2025-09", V32, &[TLS13, FORWARD]),
    ("TLS13-1-2-Res-2021-06", V32, &[TLS13, RESTRICTED]),
    ("TLS13-1-2-Res-PQ-2025-09", V32, &[TLS13, RESTRICTED]),
    ("TLS13-1-3-2021-06", V3, &[TLS13]),
    ("TLS13-1-3-PQ-2025-09", V3, &[TLS13]),
];

fn find(name: &str) -> Option<&'static Policy> {
    let behind = name.strip_prefix("ELBSecurityPolicy-")?;
    POLICIES.iter().find(|(of, ..)| *of == behind)
}

/// # Errors
/// `SSLPolicyNotFound`.
pub(super) fn check(name: &str) -> Result<(), AwsError> {
    find(name)
        .map(drop)
        .ok_or_else(|| error::ssl_policy_not_found(name))
}

pub async fn describe_ssl_policies(
    _: Arc<Elbv2>,
    _: Ctx,
    input: api::DescribeSSLPoliciesInput,
) -> Result<api::DescribeSSLPoliciesOutput, AwsError> {
    let names = input.names.unwrap_or_default();
    names.iter().try_for_each(|n| check(n))?;
    let named: Vec<_> = names
        .iter()
        .filter_map(|n| find(n))
        .map(|(n, ..)| *n)
        .collect();
    let asked = POLICIES
        .iter()
        .filter(|(n, ..)| named.is_empty() || named.contains(n));
    let found = match input.load_balancer_type.as_deref() {
        Some("gateway") => Vec::new(),
        _ => asked.map(shown).collect(),
    };
    let page = paged(found, input.marker.as_deref(), input.page_size, |p| {
        p.name.clone().unwrap_or_default()
    })?;
    Ok(api::DescribeSSLPoliciesOutput {
        ssl_policies: Some(page.items),
        next_marker: page.next_token,
    })
}

fn shown((name, protocols, ciphers): &Policy) -> api::SslPolicy {
    let all = ciphers.iter().copied().flatten().zip(1..);
    let cipher = |(name, priority): (&&str, i32)| api::Cipher {
        name: text(*name),
        priority: Some(priority),
    };
    api::SslPolicy {
        name: Some(format!("ELBSecurityPolicy-{name}")),
        ssl_protocols: Some(protocols.iter().map(|p| (*p).to_owned()).collect()),
        ciphers: Some(all.map(cipher).collect()),
        supported_load_balancer_types: Some(vec!["application".into(), "network".into()]),
    }
}
