//! The controller of Express services.

use super::network::Open;
use super::traffic::{Group, group_names};
use super::{Asking, LOOK, endpoint, note, running, scaling, words};
use crate::model::{ExpressLoadBalancer, ExpressService, MAX_MEMBERS, Service};
use crate::plan::express::next::{self, Around, Next, Standing, Step};
use crate::plan::express::suffix;
use crate::role;
use crate::service::is_of;
use async_trait::async_trait;
use neargate_api_logs as logs;
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::db::settle;
use neargate_service::{AwsError, House, Resource, Scope, Stored, Tx, db};
use std::fmt;
use std::sync::Arc;

/// Makes Express services, and takes them down.
#[derive(Debug)]
pub struct Services {
    pub house: Arc<House>,
}

/// An Express service and what it stands on.
#[derive(Debug, Clone)]
pub struct Seen {
    scope: Scope,
    express: Stored<ExpressService>,
    balancer: Option<Stored<ExpressLoadBalancer>>,
    service: Standing,
}

pub struct Work {
    seen: Seen,
    step: Step,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}", self.step, self.seen.express.arn)
    }
}

#[async_trait]
impl Controller for Services {
    type View = Seen;
    type Action = Work;

    fn name(&self) -> &'static str {
        "ecs-express"
    }

    fn prefixes(&self) -> Vec<String> {
        crate::service::prefixes_of(&[ExpressService::KIND, Service::KIND])
    }

    /// Express services are named as their ECS services are.
    fn key_of(&self, store_key: &str) -> Option<String> {
        match store_key.strip_prefix(Service::KIND) {
            Some(rest) if is_of(store_key, Service::KIND) => {
                Some(format!("{}{rest}", ExpressService::KIND))
            }
            _ => Some(store_key.to_owned()),
        }
    }

    async fn view(&self, key: &str) -> Result<Option<Seen>, AwsError> {
        let found = self.house.db.get_key::<ExpressService>(key).await?;
        let (Some(express), Some(scope)) = (found, Scope::of_key(key)) else {
            return Ok(None);
        };
        let db = &self.house.db;
        let balancer = match &express.made.load_balancer {
            Some(id) => db.get::<ExpressLoadBalancer>(&scope, id).await?,
            None => None,
        };
        let service = running::of(db, &scope, &express).await?;
        Ok(Some(Seen {
            service: running::standing(service.as_ref()),
            scope,
            express,
            balancer,
        }))
    }

    fn plan(&self, seen: &Seen, now: Timestamp) -> Plan<Work> {
        let around = Around {
            ready: seen.balancer.as_ref().is_some_and(|b| b.is_ready()),
            service: seen.service,
        };
        let (step, wake_at) = match next::of_service(&seen.express, around, now) {
            Next::Do(step) => (Some(step), Some(now + LOOK)),
            Next::Wait => (None, Some(now + LOOK)),
            Next::At(at) => (None, Some(at)),
            Next::Nothing => (None, None),
        };
        let work = |step| Work {
            seen: seen.clone(),
            step,
        };
        Plan {
            actions: step.map(work).into_iter().collect(),
            wake_at,
            reason: "the next step of an Express service",
        }
    }

    async fn apply(&self, Work { seen, step }: Work) -> Result<Applied, AwsError> {
        match self.step(&seen, step).await {
            Ok(()) => Ok(Applied::Done),
            Err(error) => {
                let problem = Some(words(&error));
                note(&self.house, &seen.express, |express| {
                    let new = express.problem != problem;
                    express.problem.clone_from(&problem);
                    new
                })
                .await?;
                Err(error)
            }
        }
    }
}

impl Services {
    async fn step(&self, seen: &Seen, step: Step) -> Result<(), AwsError> {
        let express = &seen.express;
        let (house, scope) = (&self.house, &seen.scope);
        let infrastructure = Asking {
            house,
            scope,
            role: &express.infrastructure_role_arn,
        };
        let linked = role::service_linked(scope);
        let own = Asking {
            house,
            scope,
            role: &linked,
        };
        let Some(wanted) = express.wanted() else {
            return Ok(());
        };
        let number = wanted.number;
        let made = &express.made;
        let balancer = seen.balancer.as_ref();
        let of_balancer = |of: fn(&ExpressLoadBalancer) -> &Option<String>| {
            balancer.and_then(|b| of(b).clone()).unwrap_or_default()
        };
        let names = group_names(&express.endpoint);
        let group = format!("ecs-express-gateway-sg-{}", suffix(&express.endpoint));
        match step {
            Step::LogGroup => {
                let container = wanted.shown.0.primary_container.as_ref();
                let logs = container.and_then(|c| c.aws_logs_configuration.as_ref());
                if let Some(logs) = logs {
                    infrastructure.log_group(&logs.log_group).await?;
                }
                self.made(express, |e| e.made.log_group = number).await
            }
            Step::Join => self.join(seen).await,
            Step::SecurityGroup => {
                let id = infrastructure
                    .security_group(&express.vpc_id, &group)
                    .await?;
                self.made(express, |e| e.made.security_group = Some(id.clone()))
                    .await
            }
            Step::Port => {
                let of = made.security_group.as_deref().unwrap_or_default();
                let from = of_balancer(|b| &b.security_group);
                let port = wanted.container_port;
                infrastructure.open(of, port, Open::Group(&from)).await?;
                self.made(express, |e| e.made.ports.push(port)).await
            }
            Step::TargetGroups => {
                let path = wanted.shown.0.health_check_path.as_deref().unwrap_or("/");
                let mut groups = Vec::new();
                for name in &names {
                    let wanted = Group {
                        name,
                        vpc_id: &express.vpc_id,
                        port: wanted.container_port,
                        path,
                    };
                    groups.push(infrastructure.target_group(wanted).await?);
                }
                self.made(express, |e| e.made.target_groups.clone_from(&groups))
                    .await
            }
            Step::Name => {
                let (name, zone) = (
                    of_balancer(|b| &b.dns_name),
                    of_balancer(|b| &b.hosted_zone_id),
                );
                let tx = house.db.tx();
                let tx = endpoint::lead(tx, &express.endpoint, (&name, &zone), house.now());
                // Nothing is compared that could have changed.
                let _ = tx.commit().await?;
                self.made(express, |e| e.made.named = true).await
            }
            Step::Rule => {
                let member = ExpressService::key_id(&express.cluster, &express.name);
                let priority = balancer.and_then(|b| b.members.get(&member)).copied();
                let listener = of_balancer(|b| &b.listener);
                let rule = infrastructure
                    .rule(
                        &listener,
                        &express.endpoint,
                        priority.unwrap_or(1),
                        &made.target_groups,
                    )
                    .await?;
                self.made(express, |e| e.made.rule = Some(rule.clone()))
                    .await
            }
            Step::Alarm => {
                let arn = of_balancer(|b| &b.arn);
                infrastructure
                    .put_alarm(&express.endpoint, &arn, &made.target_groups)
                    .await?;
                self.made(express, |e| e.made.alarm = true).await
            }
            Step::Service => {
                let there = seen.service == Standing::Active;
                let groups = match there {
                    true => self.paths(&own, seen).await?,
                    false => made.target_groups.clone(),
                };
                running::deploy(&own, express, there).await?;
                self.made(express, |e| {
                    e.made.service = number;
                    e.made.target_groups.clone_from(&groups);
                })
                .await
            }
            Step::Scaling => {
                let resource = scaling::resource(&express.cluster, &express.name);
                let target = wanted.shown.0.scaling_target.clone().unwrap_or_default();
                let arn = of_balancer(|b| &b.arn);
                infrastructure
                    .scale(&resource, &target, &arn, &made.target_groups)
                    .await?;
                self.made(express, |e| e.made.scaling = number).await
            }
            Step::Abandon => {
                let now = house.now();
                self.made(express, |e| e.deleted_at = e.deleted_at.or(Some(now)))
                    .await
            }
            Step::StopScaling => {
                let resource = scaling::resource(&express.cluster, &express.name);
                infrastructure.stop_scaling(&resource).await?;
                self.down(express).await
            }
            Step::DeleteService => {
                if seen.service != Standing::Gone {
                    running::delete(&own, express).await?;
                }
                self.down(express).await
            }
            Step::DeleteAlarm => {
                infrastructure.delete_alarm(&express.endpoint).await?;
                self.down(express).await
            }
            Step::Unname => {
                let _ = endpoint::forget(house.db.tx(), &express.endpoint)
                    .commit()
                    .await?;
                self.down(express).await
            }
            Step::DeleteRule => {
                let listener = of_balancer(|b| &b.listener);
                if !listener.is_empty() {
                    infrastructure
                        .delete_rule(&listener, &express.endpoint)
                        .await?;
                }
                self.down(express).await
            }
            Step::DeleteTargetGroups => {
                for name in &names {
                    infrastructure.delete_target_group(name).await?;
                }
                self.down(express).await
            }
            Step::DeleteSecurityGroup => {
                infrastructure.delete_group(&express.vpc_id, &group).await?;
                self.down(express).await
            }
            Step::Leave => {
                self.leave(seen).await?;
                self.down(express).await
            }
            Step::Forget => {
                let _ = house.db.tx().delete(express).commit().await?;
                Ok(())
            }
        }
    }

    /// A step is done: what it made is written down, whoever changed the record meanwhile.
    async fn made(
        &self,
        express: &Stored<ExpressService>,
        change: impl Fn(&mut ExpressService),
    ) -> Result<(), AwsError> {
        note(&self.house, express, |express| {
            change(express);
            express.problem = None;
            true
        })
        .await
    }

    async fn down(&self, express: &Stored<ExpressService>) -> Result<(), AwsError> {
        let steps = express.made.down + 1;
        self.made(express, |e| e.made.down = steps).await
    }

    /// Becomes a member of a load balancer of the same subnets that has room, or of a new one.
    async fn join(&self, seen: &Seen) -> Result<(), AwsError> {
        let (house, scope, express) = (&self.house, &seen.scope, &seen.express);
        let member = ExpressService::key_id(&express.cluster, &express.name);
        let network = express
            .wanted()
            .and_then(|w| w.shown.0.network_configuration.as_ref());
        let subnets = network.and_then(|n| n.subnets.clone()).unwrap_or_default();
        let id = settle(async || -> Result<(Tx, String), AwsError> {
            let all = house.db.list::<ExpressLoadBalancer>(scope).await?;
            if let Some(of) = all.iter().find(|b| b.members.contains_key(&member)) {
                return Ok((house.db.tx().unchanged(of), of.id().to_owned()));
            }
            let fits = |b: &&Stored<ExpressLoadBalancer>| {
                !b.leaving
                    && (&b.vpc_id, b.public, &b.subnets)
                        == (&express.vpc_id, express.public, &subnets)
                    && b.members.len() < MAX_MEMBERS
            };
            if let Some(of) = all.iter().find(fits) {
                let mut balancer = of.value.clone();
                let priority = balancer.free_priority();
                balancer.members.insert(member.clone(), priority);
                return Ok((house.db.tx().update(of, &balancer), of.id().to_owned()));
            }
            let id = house.rng.hex(8);
            let balancer = ExpressLoadBalancer::new(express, subnets.clone(), member.clone());
            let key = db::key::<ExpressLoadBalancer>(scope, &id);
            Ok((house.db.tx().create(key, &balancer), id))
        })
        .await?;
        self.made(express, |e| e.made.load_balancer = Some(id.clone()))
            .await
    }

    /// The last member takes its load balancer with it.
    async fn leave(&self, seen: &Seen) -> Result<(), AwsError> {
        let (house, scope, express) = (&self.house, &seen.scope, &seen.express);
        let member = ExpressService::key_id(&express.cluster, &express.name);
        settle(async || -> Result<(Tx, ()), AwsError> {
            let all = house.db.list::<ExpressLoadBalancer>(scope).await?;
            let mut tx = house.db.tx();
            for of in all.iter().filter(|b| b.members.contains_key(&member)) {
                let mut balancer = of.value.clone();
                balancer.members.remove(&member);
                if balancer.members.is_empty() {
                    balancer.leaving = true;
                    balancer.infrastructure_role_arn = express.infrastructure_role_arn.clone();
                }
                tx = tx.update(of, &balancer);
            }
            Ok((tx, ()))
        })
        .await
    }

    /// The target group that the next deployment's tasks go to asks at the path of their configuration. It is the
    /// one without traffic; while both have some, the path of neither can be changed.
    async fn paths(
        &self,
        own: &Asking<'_>,
        seen: &Seen,
    ) -> Result<Vec<(String, String)>, AwsError> {
        let express = &seen.express;
        let mut groups = express.made.target_groups.clone();
        let wanted = express
            .wanted()
            .and_then(|w| w.shown.0.health_check_path.clone());
        let wanted = wanted.unwrap_or_default();
        if groups.iter().all(|(_, path)| *path == wanted) {
            return Ok(groups);
        }
        let listener = seen.balancer.as_ref().and_then(|b| b.listener.clone());
        let idle = own
            .idle(&listener.unwrap_or_default(), &express.endpoint)
            .await?;
        let found = groups.iter_mut().find(|(arn, _)| idle.contains(arn));
        let Some((arn, path)) = found else {
            return Err(crate::error::client(
                "The health check path is changed once the deployment that is under way has ended.",
            ));
        };
        if *path != wanted {
            own.set_path(arn, &wanted).await?;
            *path = wanted;
        }
        Ok(groups)
    }
}

impl Asking<'_> {
    async fn log_group(&self, name: &str) -> Result<(), AwsError> {
        let input = logs::CreateLogGroupInput {
            log_group_name: name.to_owned(),
            tags: Some(super::tag_map()),
            ..Default::default()
        };
        let made = self.call::<logs::ops::CreateLogGroup>(&input).await;
        super::gone(made, &["ResourceAlreadyExistsException"])
    }
}
