//! The controller of the load balancers that Express services share.

use super::network::Open;
use super::traffic::tags;
use super::{Asking, LOOK, gone, note, words};
use crate::model::ExpressLoadBalancer;
use crate::plan::express::MANAGED_TAG;
use crate::plan::express::next::{self, BalancerStep};
use async_trait::async_trait;
use neargate_api_acm as acm;
use neargate_api_elbv2::{self as api, ops};
use neargate_base::Timestamp;
use neargate_service::controller::{Applied, Controller, Plan};
use neargate_service::{AwsError, House, Resource, Scope, Stored};
use std::fmt;
use std::sync::Arc;

/// Makes the load balancers of Express services, and takes them down.
#[derive(Debug)]
pub struct Balancers {
    pub house: Arc<House>,
}

#[derive(Debug, Clone)]
pub struct Seen {
    scope: Scope,
    balancer: Stored<ExpressLoadBalancer>,
}

pub struct Work {
    seen: Seen,
    step: BalancerStep,
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {}", self.step, self.seen.balancer.key)
    }
}

#[async_trait]
impl Controller for Balancers {
    type View = Seen;
    type Action = Work;

    fn name(&self) -> &'static str {
        "ecs-express-load-balancers"
    }

    fn prefixes(&self) -> Vec<String> {
        crate::service::prefixes_of(&[ExpressLoadBalancer::KIND])
    }

    fn key_of(&self, store_key: &str) -> Option<String> {
        Some(store_key.to_owned())
    }

    async fn view(&self, key: &str) -> Result<Option<Seen>, AwsError> {
        let found = self.house.db.get_key::<ExpressLoadBalancer>(key).await?;
        Ok(found.and_then(|balancer| {
            let scope = Scope::of_key(key)?;
            Some(Seen { scope, balancer })
        }))
    }

    fn plan(&self, seen: &Seen, now: Timestamp) -> Plan<Work> {
        let work = |step| Work {
            seen: seen.clone(),
            step,
        };
        let step = next::of_balancer(&seen.balancer);
        Plan {
            wake_at: step.map(|_| now + LOOK),
            actions: step.map(work).into_iter().collect(),
            reason: "the next step of a load balancer of Express services",
        }
    }

    async fn apply(&self, Work { seen, step }: Work) -> Result<Applied, AwsError> {
        match self.step(&seen, step).await {
            Ok(()) => Ok(Applied::Done),
            Err(error) => {
                let problem = Some(words(&error));
                note(&self.house, &seen.balancer, |balancer| {
                    let new = balancer.problem != problem;
                    balancer.problem.clone_from(&problem);
                    new
                })
                .await?;
                Err(error)
            }
        }
    }
}

impl Balancers {
    async fn step(&self, seen: &Seen, step: BalancerStep) -> Result<(), AwsError> {
        let (scope, balancer) = (&seen.scope, &seen.balancer);
        let asking = Asking {
            house: &self.house,
            scope,
            role: &balancer.infrastructure_role_arn,
        };
        let name = format!("ecs-express-gateway-alb-{}", balancer.id());
        let group = balancer.security_group.clone().unwrap_or_default();
        let arn = balancer.arn.clone().unwrap_or_default();
        match step {
            BalancerStep::SecurityGroup => {
                let id = asking.security_group(&balancer.vpc_id, &name).await?;
                for port in [80, 443] {
                    asking.open(&id, port, Open::Everybody).await?;
                }
                self.made(balancer, |b| b.security_group = Some(id.clone()))
                    .await
            }
            BalancerStep::Certificate => {
                let arn = asking.certificate(balancer.id()).await?;
                self.made(balancer, |b| b.certificate = Some(arn.clone()))
                    .await
            }
            BalancerStep::Create => {
                let made = asking.balancer(&name, &group, balancer).await?;
                self.made(balancer, |b| {
                    b.arn.clone_from(&made.load_balancer_arn);
                    b.dns_name.clone_from(&made.dns_name);
                    b.hosted_zone_id.clone_from(&made.canonical_hosted_zone_id);
                })
                .await
            }
            BalancerStep::Listener => {
                let action = api::Action {
                    r#type: "fixed-response".into(),
                    fixed_response_config: Some(api::FixedResponseActionConfig {
                        status_code: "404".into(),
                        content_type: Some("text/plain".into()),
                        message_body: Some("Not Found".into()),
                    }),
                    ..Default::default()
                };
                let listener = asking
                    .listener(&arn, 443, balancer.certificate.clone(), action)
                    .await?;
                self.made(balancer, |b| b.listener = Some(listener.clone()))
                    .await
            }
            BalancerStep::Redirect => {
                let action = api::Action {
                    r#type: "redirect".into(),
                    redirect_config: Some(api::RedirectActionConfig {
                        protocol: Some("HTTPS".into()),
                        port: Some("443".into()),
                        status_code: "HTTP_301".into(),
                        ..Default::default()
                    }),
                    ..Default::default()
                };
                let listener = asking.listener(&arn, 80, None, action).await?;
                self.made(balancer, |b| b.redirect = Some(listener.clone()))
                    .await
            }
            BalancerStep::Delete => {
                asking.delete_balancer(&name).await?;
                self.down(balancer).await
            }
            BalancerStep::DeleteCertificate => {
                if let Some(arn) = &balancer.certificate {
                    let input = acm::DeleteCertificateInput {
                        certificate_arn: arn.clone(),
                    };
                    let deleted = asking.call::<acm::ops::DeleteCertificate>(&input).await;
                    gone(deleted, &["ResourceNotFoundException"])?;
                }
                self.down(balancer).await
            }
            BalancerStep::DeleteSecurityGroup => {
                asking.delete_group(&balancer.vpc_id, &name).await?;
                self.down(balancer).await
            }
            BalancerStep::Forget => {
                let _ = self.house.db.tx().delete(balancer).commit().await?;
                Ok(())
            }
        }
    }

    /// A step is done: what it made is written down, whoever changed the record meanwhile.
    async fn made(
        &self,
        balancer: &Stored<ExpressLoadBalancer>,
        change: impl Fn(&mut ExpressLoadBalancer),
    ) -> Result<(), AwsError> {
        note(&self.house, balancer, |balancer| {
            change(balancer);
            balancer.problem = None;
            true
        })
        .await
    }

    async fn down(&self, balancer: &Stored<ExpressLoadBalancer>) -> Result<(), AwsError> {
        let steps = balancer.down + 1;
        self.made(balancer, |b| b.down = steps).await
    }
}

impl Asking<'_> {
    /// For all names of Express services of the region. The same token means the same certificate.
    async fn certificate(&self, token: &str) -> Result<String, AwsError> {
        let (key, value) = MANAGED_TAG;
        let input = acm::RequestCertificateInput {
            domain_name: format!("*.ecs.{}.on.aws", self.scope.region),
            validation_method: Some("DNS".into()),
            idempotency_token: Some(token.to_owned()),
            key_algorithm: Some("EC_prime256v1".into()),
            tags: Some(vec![acm::Tag {
                key: key.into(),
                value: Some(value.into()),
            }]),
            ..Default::default()
        };
        let made = self.call::<acm::ops::RequestCertificate>(&input).await?;
        Ok(made.certificate_arn.unwrap_or_default())
    }

    async fn balancer(
        &self,
        name: &str,
        group: &str,
        of: &ExpressLoadBalancer,
    ) -> Result<api::LoadBalancer, AwsError> {
        if let Some(there) = self.find_balancer(name).await? {
            return Ok(there);
        }
        let scheme = if of.public {
            "internet-facing"
        } else {
            "internal"
        };
        let input = api::CreateLoadBalancerInput {
            name: name.to_owned(),
            subnets: Some(of.subnets.clone()),
            security_groups: Some(vec![group.to_owned()]),
            scheme: Some(scheme.into()),
            r#type: Some("application".into()),
            tags: tags(),
            ..Default::default()
        };
        let made = self.call::<ops::CreateLoadBalancer>(&input).await?;
        Ok(made
            .load_balancers
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_default())
    }

    async fn find_balancer(&self, name: &str) -> Result<Option<api::LoadBalancer>, AwsError> {
        let input = api::DescribeLoadBalancersInput {
            names: Some(vec![name.to_owned()]),
            ..Default::default()
        };
        match self.call::<ops::DescribeLoadBalancers>(&input).await {
            Ok(found) => Ok(found.load_balancers.into_iter().flatten().next()),
            Err(error) if error.code == "LoadBalancerNotFound" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The listener of this port, made unless it is there. With a certificate it speaks TLS.
    async fn listener(
        &self,
        arn: &str,
        port: i32,
        certificate: Option<String>,
        action: api::Action,
    ) -> Result<String, AwsError> {
        let input = api::DescribeListenersInput {
            load_balancer_arn: Some(arn.to_owned()),
            ..Default::default()
        };
        let found = self.call::<ops::DescribeListeners>(&input).await?;
        let found = found.listeners.into_iter().flatten();
        let there = found
            .filter(|l| l.port == Some(port))
            .find_map(|l| l.listener_arn);
        if let Some(there) = there {
            return Ok(there);
        }
        let protocol = if certificate.is_some() {
            "HTTPS"
        } else {
            "HTTP"
        };
        let certificates = certificate.map(|arn| {
            vec![api::Certificate {
                certificate_arn: Some(arn),
                is_default: None,
            }]
        });
        let input = api::CreateListenerInput {
            load_balancer_arn: arn.to_owned(),
            protocol: Some(protocol.into()),
            port: Some(port),
            certificates,
            default_actions: vec![action],
            tags: tags(),
            ..Default::default()
        };
        let made = self.call::<ops::CreateListener>(&input).await?;
        let made = made.listeners.into_iter().flatten().next();
        Ok(made.and_then(|l| l.listener_arn).unwrap_or_default())
    }

    async fn delete_balancer(&self, name: &str) -> Result<(), AwsError> {
        let Some(there) = self.find_balancer(name).await? else {
            return Ok(());
        };
        let input = api::DeleteLoadBalancerInput {
            load_balancer_arn: there.load_balancer_arn.unwrap_or_default(),
        };
        self.call::<ops::DeleteLoadBalancer>(&input)
            .await
            .map(|_| ())
    }
}
