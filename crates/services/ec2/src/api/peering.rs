//! Peering connections between two VPCs, of any account and region
//! (<https://docs.aws.amazon.com/vpc/latest/peering/what-is-vpc-peering.html>).

use super::{tags, text};
use crate::change::{find, fresh, key, settle, tag, untag, within};
use crate::error::link as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::query::{Describe, Query, dry_run, each, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_base::Timestamp;
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::vpc::{PeeringConnection, PeeringSide, PeeringState, Vpc};
use neargate_service::{AwsError, Ctx, Scope, vpc};
use std::sync::Arc;
use std::time::Duration;

/// How long one waits to be accepted.
const WAITS: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long one that ended is shown
/// (<https://docs.aws.amazon.com/vpc/latest/peering/vpc-peering-basics.html#vpc-peering-lifecycle>).
const SHOWN: Duration = Duration::from_secs(2 * 3600);

pub async fn create_vpc_peering_connection(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateVpcPeeringConnectionInput,
) -> Result<api::CreateVpcPeeringConnectionOutput, AwsError> {
    dry_run(input.dry_run)?;
    super::refuse(&[(
        "RequesterPeeringConnectionOptions",
        input.requester_peering_connection_options.is_some(),
    )])?;
    let tags = tags::specified(input.tag_specifications.clone(), &kind::PEERING)?;
    let peering_id = fresh(&cx, "pcx");
    let new = settle(|| created(&cx, &input, &peering_id, &tags)).await?;
    let place = Place::of_new(&cx, &peering_id, &tags);
    Ok(api::CreateVpcPeeringConnectionOutput {
        vpc_peering_connection: Some(peering(&place, &peering_id, &new, cx.now())),
    })
}

/// EC2 makes a connection that fails at once, when there is no such VPC or the ranges overlap.
async fn created(
    cx: &Ctx,
    input: &api::CreateVpcPeeringConnectionInput,
    peering_id: &str,
    tags: &Tags,
) -> Result<(Tx, PeeringConnection), AwsError> {
    let own = find::<Vpc>(cx, &input.vpc_id).await?;
    let peer_vpc = input.peer_vpc_id.as_deref();
    let peer_vpc = peer_vpc.ok_or_else(|| error::missing_parameter("peerVpcId"))?;
    kind::VPC.check(peer_vpc)?;
    if peer_vpc == input.vpc_id {
        return Err(say::peered_with_itself(peer_vpc));
    }
    let other = other_scope(cx, input)?;
    vpc::ensure_default(&cx.house, &other).await?;
    let peer = cx.db().get::<Vpc>(&other, peer_vpc).await?;
    let all = PeeringConnection::all(cx.db(), &cx.scope).await?;
    let between = |p: &&Stored<PeeringConnection>| {
        let sides = p.side_of(&input.vpc_id);
        sides.is_some_and(|(_, far)| far.vpc_id == peer_vpc)
            && matches!(state(p, cx.now()), "active" | "pending-acceptance")
    };
    if let Some(there) = all.iter().find(between) {
        return Err(say::peering_exists(there.id()));
    }
    let ranges: Vec<_> = peer.iter().flat_map(|p| p.ranges()).collect();
    let overlap = peer.iter().any(|peer| overlap(&own, peer));
    let new = PeeringConnection {
        requester: side(&cx.scope, &input.vpc_id, own.ranges().collect()),
        accepter: side(&other, peer_vpc, ranges),
        state: match peer.is_none() || overlap {
            true => PeeringState::Failed,
            false => PeeringState::PendingAcceptance,
        },
        created_at: cx.now(),
        ended_at: (peer.is_none() || overlap).then(|| cx.now()),
    };
    let tx = within(cx, &own).create(key::<PeeringConnection>(cx, peering_id), &new);
    let tx = peer
        .iter()
        .fold(tx, |tx, peer| tx.update(peer, &peer.value));
    let tx = gone(cx, &all, tx);
    Ok((tag(tx, cx, peering_id, tags), new))
}

fn overlap(one: &Vpc, other: &Vpc) -> bool {
    one.ranges()
        .any(|range| other.ranges().any(|of_other| of_other.overlaps(range)))
}

/// Connections that are not shown any more go with the next one that is made.
fn gone(cx: &Ctx, all: &[Stored<PeeringConnection>], tx: Tx) -> Tx {
    let own = all.iter().filter(|p| p.requester.is_in(&cx.scope));
    let old = own.filter(|p| !is_shown(p, cx.now())).take(20);
    old.fold(tx, |tx, p| untag(tx.delete(p), cx, p.id()))
}

fn other_scope(cx: &Ctx, input: &api::CreateVpcPeeringConnectionInput) -> Result<Scope, AwsError> {
    let mut other = cx.scope.clone();
    if let Some(account) = &input.peer_owner_id {
        let parsed = account.parse();
        other.account = parsed.map_err(|_| error::invalid_value("peerOwnerId", account))?;
    }
    if let Some(region) = &input.peer_region {
        let parsed = region.parse();
        other.region = parsed.map_err(|_| error::invalid_value("peerRegion", region))?;
    }
    Ok(other)
}

fn side(scope: &Scope, vpc_id: &str, ranges: Vec<neargate_domain::Cidr>) -> PeeringSide {
    PeeringSide {
        account: scope.account.to_string(),
        region: scope.region.to_string(),
        vpc_id: vpc_id.to_owned(),
        ranges,
        allow_dns_resolution: false,
    }
}

/// The connection of this id, on either side.
async fn named(cx: &Ctx, peering_id: &str) -> Result<Stored<PeeringConnection>, AwsError> {
    kind::PEERING.check(peering_id)?;
    let all = PeeringConnection::all(cx.db(), &cx.scope).await?;
    let found = all.into_iter().find(|p| p.id() == peering_id);
    found.ok_or_else(|| error::not_found(&kind::PEERING, peering_id))
}

/// The VPC of a side, unless it is gone.
async fn of_side(cx: &Ctx, side: &PeeringSide) -> Result<Option<Stored<Vpc>>, AwsError> {
    let (Ok(account), Ok(region)) = (side.account.parse(), side.region.parse()) else {
        return Ok(None);
    };
    let scope = Scope { account, region };
    cx.db().get::<Vpc>(&scope, &side.vpc_id).await
}

/// The VPCs of both sides are written too: see [`neargate_service::vpc`].
async fn with_vpcs(cx: &Ctx, mut tx: Tx, peering: &PeeringConnection) -> Result<Tx, AwsError> {
    for side in [&peering.requester, &peering.accepter] {
        if let Some(vpc) = of_side(cx, side).await? {
            tx = tx.update(&vpc, &vpc.value);
        }
    }
    Ok(tx)
}

/// The VPCs that are peered with one, of whichever account and region, as they are now.
pub(super) async fn peers(cx: &Ctx, vpc_id: &str) -> Result<Vec<Vpc>, AwsError> {
    let mut peers = Vec::new();
    for peering in PeeringConnection::all(cx.db(), &cx.scope).await? {
        if let Some((_, far)) = peering.side_of(vpc_id)
            && peering.is_active()
        {
            peers.extend(of_side(cx, far).await?.map(|peer| peer.value));
        }
    }
    Ok(peers)
}

/// Only the accepter decides, in its region.
fn decides(cx: &Ctx, peering: &Stored<PeeringConnection>, verb: &str) -> Result<(), AwsError> {
    let accepter = &peering.accepter;
    if accepter.account != cx.scope.account.as_str() {
        let account = cx.scope.account.as_str();
        return Err(say::not_the_accepter(account, verb, peering.id()));
    }
    if accepter.region != cx.scope.region.as_str() {
        let (here, right) = (cx.scope.region.as_str(), &accepter.region);
        let verb = match verb {
            "accept" => "accepted",
            _ => "accepted or rejected",
        };
        return Err(say::other_region(here, peering.id(), verb, right));
    }
    match state(peering, cx.now()) {
        "pending-acceptance" => Ok(()),
        _ => Err(say::peering_state(peering.id())),
    }
}

pub async fn accept_vpc_peering_connection(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::AcceptVpcPeeringConnectionInput,
) -> Result<api::AcceptVpcPeeringConnectionOutput, AwsError> {
    dry_run(input.dry_run)?;
    let peering_id = &input.vpc_peering_connection_id;
    let accept = async || -> Result<(Tx, PeeringConnection), AwsError> {
        let read = named(&cx, peering_id).await?;
        decides(&cx, &read, "accept")?;
        let own = find::<Vpc>(&cx, &read.accepter.vpc_id).await?;
        let other = of_side(&cx, &read.requester).await?;
        // Either may have got a range since it was asked for, and the other may be gone.
        let mut new = match other {
            Some(other) if !overlap(&own, &other) => PeeringConnection {
                state: PeeringState::Active,
                ..read.value.clone()
            },
            _ => ended(&cx, &read, PeeringState::Failed),
        };
        new.accepter.ranges = own.ranges().collect();
        let tx = with_vpcs(&cx, cx.db().tx(), &new).await?;
        Ok((tx.update(&read, &new), new))
    };
    let new = settle(accept).await?;
    let place = Place::read(&cx).await?;
    Ok(api::AcceptVpcPeeringConnectionOutput {
        vpc_peering_connection: Some(peering(&place, peering_id, &new, cx.now())),
    })
}

pub async fn reject_vpc_peering_connection(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::RejectVpcPeeringConnectionInput,
) -> Result<api::RejectVpcPeeringConnectionOutput, AwsError> {
    dry_run(input.dry_run)?;
    let reject = async || -> Result<(Tx, ()), AwsError> {
        let read = named(&cx, &input.vpc_peering_connection_id).await?;
        decides(&cx, &read, "reject")?;
        let new = ended(&cx, &read, PeeringState::Rejected);
        Ok((cx.db().tx().update(&read, &new), ()))
    };
    settle(reject).await?;
    Ok(api::RejectVpcPeeringConnectionOutput {
        r#return: Some(true),
    })
}

/// Either side ends an active connection; one that waits is ended by who asked for it.
pub async fn delete_vpc_peering_connection(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteVpcPeeringConnectionInput,
) -> Result<api::DeleteVpcPeeringConnectionOutput, AwsError> {
    dry_run(input.dry_run)?;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let read = named(&cx, &input.vpc_peering_connection_id).await?;
        let requested = read.requester.is_in(&cx.scope);
        match state(&read, cx.now()) {
            "active" => {}
            "pending-acceptance" if requested => {}
            "deleted" => return Ok((cx.db().tx().unchanged(&read), ())),
            _ => return Err(say::peering_state(read.id())),
        }
        let new = ended(&cx, &read, PeeringState::Deleted);
        let tx = with_vpcs(&cx, cx.db().tx(), &new).await?;
        Ok((tx.update(&read, &new), ()))
    };
    settle(delete).await?;
    Ok(api::DeleteVpcPeeringConnectionOutput {
        r#return: Some(true),
    })
}

fn ended(cx: &Ctx, peering: &PeeringConnection, state: PeeringState) -> PeeringConnection {
    PeeringConnection {
        state,
        ended_at: Some(cx.now()),
        ..peering.clone()
    }
}

/// Each side says for itself what the other one may resolve.
pub async fn modify_vpc_peering_connection_options(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyVpcPeeringConnectionOptionsInput,
) -> Result<api::ModifyVpcPeeringConnectionOptionsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let dns = |options: &Option<api::PeeringConnectionOptionsRequest>| {
        let options = options.as_ref()?;
        options.allow_dns_resolution_from_remote_vpc
    };
    let requester = dns(&input.requester_peering_connection_options);
    let accepter = dns(&input.accepter_peering_connection_options);
    let modify = async || -> Result<(Tx, PeeringConnection), AwsError> {
        let read = named(&cx, &input.vpc_peering_connection_id).await?;
        if !read.is_active() {
            return Err(say::not_active(read.id()));
        }
        let mut new = read.value.clone();
        for (given, side) in [
            (requester, &mut new.requester),
            (accepter, &mut new.accepter),
        ] {
            let Some(given) = given else { continue };
            if !side.is_in(&cx.scope) {
                let account = cx.scope.account.as_str();
                return Err(say::not_the_accepter(account, "modify", read.id()));
            }
            side.allow_dns_resolution = given;
        }
        Ok((cx.db().tx().update(&read, &new), new))
    };
    let new = settle(modify).await?;
    let shown = |side: &PeeringSide| api::PeeringConnectionOptions {
        allow_dns_resolution_from_remote_vpc: Some(side.allow_dns_resolution),
        ..Default::default()
    };
    Ok(api::ModifyVpcPeeringConnectionOptionsOutput {
        requester_peering_connection_options: requester.map(|_| shown(&new.requester)),
        accepter_peering_connection_options: accepter.map(|_| shown(&new.accepter)),
    })
}

pub async fn describe_vpc_peering_connections(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeVpcPeeringConnectionsInput,
) -> Result<api::DescribeVpcPeeringConnectionsOutput, AwsError> {
    let ids = input.vpc_peering_connection_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let mut all = PeeringConnection::all(cx.db(), &cx.scope).await?;
    all.retain(|p| is_shown(p, cx.now()));
    let shown = all.iter().map(|p| peering(&place, p.id(), p, cx.now()));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeVpcPeeringConnectionsOutput {
        vpc_peering_connections: Some(found.items),
        next_token: found.next_token,
    })
}

fn is_shown(peering: &PeeringConnection, now: Timestamp) -> bool {
    let expired = state(peering, now) == "expired";
    let ended = peering
        .ended_at
        .or(expired.then(|| peering.created_at + WAITS));
    ended.is_none_or(|at| now < at + SHOWN)
}

/// `status.code`. One that nobody accepts expires.
fn state(peering: &PeeringConnection, now: Timestamp) -> &'static str {
    match peering.state {
        PeeringState::PendingAcceptance if now >= peering.created_at + WAITS => "expired",
        PeeringState::PendingAcceptance => "pending-acceptance",
        PeeringState::Active => "active",
        PeeringState::Rejected => "rejected",
        PeeringState::Deleted => "deleted",
        PeeringState::Failed => "failed",
    }
}

fn message(peering: &PeeringConnection, state: &str) -> String {
    let (requester, accepter) = (&peering.requester.account, &peering.accepter.account);
    match state {
        "pending-acceptance" => format!("Pending Acceptance by {accepter}"),
        "active" => "Active".into(),
        "rejected" => format!("Rejected by {accepter}"),
        "deleted" => format!("Deleted by {requester}"),
        "expired" => "Expired".into(),
        _ => "Failed due to incorrect VPC-ID, Account ID, or overlapping CIDR range".into(),
    }
}

fn peering(
    place: &Place,
    id: &str,
    peering: &PeeringConnection,
    now: Timestamp,
) -> api::VpcPeeringConnection {
    let state = state(peering, now);
    let waits = state == "pending-acceptance";
    api::VpcPeeringConnection {
        vpc_peering_connection_id: text(id),
        requester_vpc_info: Some(vpc_info(&peering.requester)),
        accepter_vpc_info: Some(vpc_info(&peering.accepter)),
        expiration_time: waits.then(|| peering.created_at + WAITS),
        status: Some(api::VpcPeeringConnectionStateReason {
            code: text(state),
            message: Some(message(peering, state)),
        }),
        tags: place.tags_of(id),
        ..Default::default()
    }
}

fn vpc_info(side: &PeeringSide) -> api::VpcPeeringConnectionVpcInfo {
    let ranges = side.ranges.iter().map(|r| api::CidrBlock {
        cidr_block: Some(r.to_string()),
    });
    api::VpcPeeringConnectionVpcInfo {
        vpc_id: text(&side.vpc_id),
        owner_id: text(&side.account),
        region: text(&side.region),
        cidr_block: side.ranges.first().map(ToString::to_string),
        cidr_block_set: Some(ranges.collect()),
        peering_options: Some(api::VpcPeeringConnectionOptionsDescription {
            allow_dns_resolution_from_remote_vpc: Some(side.allow_dns_resolution),
            allow_egress_from_local_classic_link_to_remote_vpc: Some(false),
            allow_egress_from_local_vpc_to_remote_classic_link: Some(false),
            ..Default::default()
        }),
        ..Default::default()
    }
}

impl Describe for api::VpcPeeringConnection {
    const KIND: Kind = kind::PEERING;

    fn id(&self) -> &str {
        self.vpc_peering_connection_id
            .as_deref()
            .unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let (side, member) = match filter.split_once('.') {
            Some(("accepter-vpc-info", member)) => (&self.accepter_vpc_info, member),
            Some(("requester-vpc-info", member)) => (&self.requester_vpc_info, member),
            _ => {
                let status = self.status.clone().unwrap_or_default();
                return match filter {
                    "vpc-peering-connection-id" => one(&self.vpc_peering_connection_id),
                    "status-code" => one(&status.code),
                    "status-message" => one(&status.message),
                    "expiration-time" => one(&self.expiration_time),
                    _ => None,
                };
            }
        };
        let side = side.clone().unwrap_or_default();
        match member {
            "cidr-block" => each(&side.cidr_block_set, |c| c.cidr_block.clone()),
            "owner-id" => one(&side.owner_id),
            "vpc-id" => one(&side.vpc_id),
            _ => None,
        }
    }
}
