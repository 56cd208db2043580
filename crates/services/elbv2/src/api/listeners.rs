//! Listeners
//! (<https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html>).

use super::certificates::{self, AskedTls};
use super::{paged, references, tags_of, text};
use crate::change::{self, settle};
use crate::error::listener as say;
use crate::model::{Listener, LoadBalancer, Tls, Verify};
use crate::plan::{actions, protocol};
use crate::{Elbv2, error, names};
use neargate_api_elbv2 as api;
use neargate_domain::load_balancer::{Attributes, LoadBalancerType, Protocol};
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::{AwsError, Ctx};
use neargate_wire::json::Json;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Of a load balancer
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>).
const MAX_LISTENERS: usize = 50;

pub async fn create_listener(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::CreateListenerInput,
) -> Result<api::CreateListenerOutput, AwsError> {
    let ids = (cx.house.rng.hex(16), cx.house.rng.hex(16));
    let made = settle(|| created(&cx, &input, &ids)).await?;
    Ok(api::CreateListenerOutput {
        listeners: Some(vec![made]),
    })
}

/// A call with the settings of a listener that is there means that one.
async fn created(
    cx: &Ctx,
    input: &api::CreateListenerInput,
    (id, default_rule): &(String, String),
) -> Result<(Tx, api::Listener), AwsError> {
    let of = change::load_balancer(cx, &input.load_balancer_arn).await?;
    let port = input.port.and_then(|p| u16::try_from(p).ok());
    let port = port.ok_or_else(|| say::must_be_specified("port"))?;
    let kind = of.load_balancer_type;
    let protocol = protocol_of(kind, input.protocol.as_deref())?;
    let protocol = protocol.ok_or_else(|| say::must_be_specified("protocol"))?;
    let tls = certificates::tls(
        protocol,
        None,
        AskedTls {
            certificates: input.certificates.clone(),
            ssl_policy: input.ssl_policy.clone(),
            alpn_policy: input.alpn_policy.clone(),
            mutual_authentication: input.mutual_authentication.clone(),
        },
    )?;
    let new = Listener {
        arn: names::listener_arn(&input.load_balancer_arn, id),
        port,
        protocol,
        tls,
        default_actions: actions::checked(input.default_actions.clone(), protocol)?,
        default_rule: default_rule.clone(),
        rules: Vec::new(),
        attributes: Attributes::new(),
        tags: tags_of(input.tags.clone())?,
        default_rule_tags: Tags::new(),
        created_at: cx.now(),
    };
    let others = change::listeners_of(cx, of.id()).await?;
    if let Some(there) = others.iter().find(|l| l.port == port) {
        return match is_same(there, &new) {
            true => Ok((cx.db().tx().unchanged(there), shown(there))),
            false => Err(say::duplicate(&input.load_balancer_arn)),
        };
    }
    if others.len() >= MAX_LISTENERS {
        return Err(say::too_many());
    }
    references::check_endpoints(cx, &new.default_actions)?;
    let tx = cx.db().tx().update(&of, &of.value);
    let tx = references::lead_to(cx, tx, &of, protocol, &new.target_groups().collect()).await?;
    let used = new.certificates().collect();
    let tx = references::use_certificates(cx, tx, &used, &input.load_balancer_arn).await?;
    let tx = references::believe(cx, tx, &new).await?;
    let key = change::key::<Listener>(cx, &format!("{}/{id}", of.id()));
    Ok((tx.create(key, &new), shown(&new)))
}

fn is_same(there: &Listener, new: &Listener) -> bool {
    there.protocol == new.protocol
        && there.tls.as_ref().map(|t| &t.default_certificate)
            == new.tls.as_ref().map(|t| &t.default_certificate)
        && there.tls.as_ref().map(|t| &t.ssl_policy) == new.tls.as_ref().map(|t| &t.ssl_policy)
        && there
            .tls
            .as_ref()
            .map(|t| (&t.mutual_authentication, &t.verify))
            == new
                .tls
                .as_ref()
                .map(|t| (&t.mutual_authentication, &t.verify))
        && there.default_actions == new.default_actions
}

/// What the call says, if the load balancer can listen so.
fn protocol_of(kind: LoadBalancerType, asked: Option<&str>) -> Result<Option<Protocol>, AwsError> {
    let Some(word) = asked else {
        return Ok(None);
    };
    let allowed = protocol::of_listeners(kind);
    match protocol::parse(word) {
        Some(protocol) if allowed.contains(&word) => Ok(Some(protocol)),
        None if kind == LoadBalancerType::Network && word != "GENEVE" => {
            Err(error::unsupported(&format!("the protocol '{word}'")))
        }
        _ => Err(say::protocol(word, allowed)),
    }
}

pub async fn modify_listener(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::ModifyListenerInput,
) -> Result<api::ModifyListenerOutput, AwsError> {
    let modified = settle(|| modified(&cx, &input)).await?;
    Ok(api::ModifyListenerOutput {
        listeners: Some(vec![modified]),
    })
}

async fn modified(
    cx: &Ctx,
    input: &api::ModifyListenerInput,
) -> Result<(Tx, api::Listener), AwsError> {
    let stored = change::listener(cx, &input.listener_arn).await?;
    let of = change::load_balancer_of(cx, &stored).await?;
    let kind = of.load_balancer_type;
    let mut new = stored.value.clone();
    if let Some(protocol) = protocol_of(kind, input.protocol.as_deref())? {
        new.protocol = protocol;
    }
    if let Some(port) = input.port.and_then(|p| u16::try_from(p).ok()) {
        let others = change::listeners_of(cx, of.id()).await?;
        if others.iter().any(|l| l.port == port && l.key != stored.key) {
            return Err(say::duplicate(&change::arn(cx, &of)));
        }
        new.port = port;
    }
    new.tls = certificates::tls(
        new.protocol,
        stored.tls.as_ref(),
        AskedTls {
            certificates: input.certificates.clone(),
            ssl_policy: input.ssl_policy.clone(),
            alpn_policy: input.alpn_policy.clone(),
            mutual_authentication: input.mutual_authentication.clone(),
        },
    )?;
    if let Some(given) = input.default_actions.clone() {
        new.default_actions = actions::checked(given, new.protocol)?;
        references::check_endpoints(cx, &new.default_actions)?;
    }
    if new.protocol != stored.protocol {
        // What was right for the protocol before may not be for this one.
        let plain = |of: &[Json<api::Action>]| of.iter().map(|a| a.0.clone()).collect::<Vec<_>>();
        actions::checked(plain(&new.default_actions), new.protocol)?;
        for rule in &new.rules {
            actions::checked(plain(&rule.actions), new.protocol)?;
        }
    }
    let tx = cx.db().tx().update(&of, &of.value).update(&stored, &new);
    let tx = references::lead_to(cx, tx, &of, new.protocol, &new.target_groups().collect()).await?;
    let tx = recertified(cx, tx, &of, &stored, &new).await?;
    let tx = references::believe(cx, tx, &new).await?;
    Ok((tx, shown(&new)))
}

/// Adds to a transaction which certificates the load balancer begins and ceases to use.
pub(super) async fn recertified(
    cx: &Ctx,
    tx: Tx,
    of: &Stored<LoadBalancer>,
    before: &Stored<Listener>,
    new: &Listener,
) -> Result<Tx, AwsError> {
    let user = change::arn(cx, of);
    let now: BTreeSet<_> = new.certificates().collect();
    let elsewhere = references::certificates_elsewhere(cx, before).await?;
    let gone = before.certificates().filter(|c| !now.contains(c));
    let gone = gone.filter(|c| !elsewhere.contains(*c)).map(str::to_owned);
    let tx = references::give_up(cx, tx, gone.collect(), &user).await?;
    let added = now
        .iter()
        .copied()
        .filter(|c| !before.certificates().any(|b| b == *c));
    references::use_certificates(cx, tx, &added.collect(), &user).await
}

pub async fn delete_listener(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DeleteListenerInput,
) -> Result<api::DeleteListenerOutput, AwsError> {
    settle(|| deleted(&cx, &input.listener_arn)).await?;
    Ok(api::DeleteListenerOutput {})
}

async fn deleted(cx: &Ctx, arn: &str) -> Result<(Tx, ()), AwsError> {
    let stored = change::listener(cx, arn).await?;
    let of = change::load_balancer_of(cx, &stored).await?;
    let tx = cx.db().tx().update(&of, &of.value).delete(&stored);
    let elsewhere = references::certificates_elsewhere(cx, &stored).await?;
    let gone = stored
        .certificates()
        .filter(|c| !elsewhere.contains(*c))
        .map(str::to_owned);
    let tx = references::give_up(cx, tx, gone.collect(), &change::arn(cx, &of)).await?;
    Ok((tx, ()))
}

pub async fn describe_listeners(
    _: Arc<Elbv2>,
    cx: Ctx,
    input: api::DescribeListenersInput,
) -> Result<api::DescribeListenersOutput, AwsError> {
    let arns = input.listener_arns.unwrap_or_default();
    let mut found = Vec::new();
    match (&input.load_balancer_arn, arns.as_slice()) {
        (Some(of), []) => {
            let of = change::load_balancer(&cx, of).await?;
            found = change::listeners_of(&cx, of.id()).await?;
        }
        (None, [_, ..]) => {
            for arn in &arns {
                found.push(change::listener(&cx, arn).await?);
            }
        }
        _ => return Err(say::selectors()),
    }
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found.dedup_by(|a, b| a.key == b.key);
    let page = paged(found, input.marker.as_deref(), input.page_size, |l| {
        l.key.clone()
    })?;
    Ok(api::DescribeListenersOutput {
        listeners: Some(page.items.iter().map(|l| shown(l)).collect()),
        next_marker: page.next_token,
    })
}

fn shown(listener: &Listener) -> api::Listener {
    let tls = listener.tls.as_ref();
    let of = listener.arn.rsplit_once('/').map_or("", |(of, _)| of);
    api::Listener {
        listener_arn: text(&listener.arn),
        load_balancer_arn: text(of.replacen(":listener/", ":loadbalancer/", 1)),
        port: Some(i32::from(listener.port)),
        protocol: text(protocol::shown(listener.protocol)),
        certificates: tls.map(|tls| {
            vec![api::Certificate {
                certificate_arn: text(&tls.default_certificate),
                is_default: None,
            }]
        }),
        ssl_policy: tls.map(|tls| tls.ssl_policy.clone()),
        default_actions: Some(
            listener
                .default_actions
                .iter()
                .map(|a| a.0.clone())
                .collect(),
        ),
        alpn_policy: tls
            .and_then(|tls| tls.alpn_policy.clone())
            .map(|policy| vec![policy]),
        mutual_authentication: tls
            .filter(|_| listener.protocol == Protocol::Https)
            .map(mutual),
    }
}

fn mutual(tls: &Tls) -> api::MutualAuthenticationAttributes {
    let advertised = |verify: &Verify| text(if verify.advertise_names { "on" } else { "off" });
    let verify = tls.verify.as_ref();
    api::MutualAuthenticationAttributes {
        mode: text(&tls.mutual_authentication),
        trust_store_arn: verify.map(|v| v.trust_store.clone()),
        ignore_client_certificate_expiry: verify.map(|v| v.ignore_expiry),
        trust_store_association_status: verify.and_then(|_| text("active")),
        advertise_trust_store_ca_names: verify.and_then(advertised),
    }
}
