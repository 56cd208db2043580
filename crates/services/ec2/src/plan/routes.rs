//! Whether a route leads anywhere.

use crate::change::all;
use neargate_service::vpc::{InternetGateway, NatGateway, PeeringConnection, RouteTarget};
use neargate_service::{AwsError, Ctx};

/// `state` of a route. A black hole swallows what it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Active,
    Blackhole,
}

/// What routes can lead to: each with the VPCs that it serves.
#[derive(Debug, Default)]
pub struct Targets(Vec<(RouteTarget, Vec<String>)>);

impl Targets {
    pub async fn read(cx: &Ctx) -> Result<Targets, AwsError> {
        let mut targets = Vec::new();
        for gateway in all::<InternetGateway>(cx).await? {
            let target = RouteTarget::InternetGateway(gateway.id().to_owned());
            targets.push((target, gateway.value.vpc_id.into_iter().collect()));
        }
        for gateway in all::<NatGateway>(cx).await? {
            if gateway.deleted_at.is_none() {
                let target = RouteTarget::NatGateway(gateway.id().to_owned());
                targets.push((target, vec![gateway.value.vpc_id]));
            }
        }
        for peering in PeeringConnection::all(cx.db(), &cx.scope).await? {
            if peering.is_active() {
                let target = RouteTarget::PeeringConnection(peering.id().to_owned());
                let vpcs = [peering.value.requester, peering.value.accepter];
                targets.push((target, vpcs.map(|side| side.vpc_id).to_vec()));
            }
        }
        Ok(Targets(targets))
    }

    /// Does a route of this VPC to `target` lead there?
    pub fn state(&self, vpc_id: &str, target: &RouteTarget) -> State {
        let leads = |(there, vpcs): &(RouteTarget, Vec<String>)| {
            there == target && vpcs.iter().any(|v| v == vpc_id)
        };
        match self.0.iter().any(leads) {
            true => State::Active,
            false => State::Blackhole,
        }
    }
}
