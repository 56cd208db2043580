//! Express services, and the load balancers that they share
//! (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-work.html>).
//!
//! The API writes what is asked for: configurations and the deletion. `ecs::express` writes what it has made,
//! member by member, so that whoever goes on after a crash knows what is there.

use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_service::Resource;
use neargate_service::tags::Tags;
use neargate_wire::json::Json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ecs/express-service/…/<cluster>/<service>`: what stands beside the service of the same cluster and name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpressService {
    pub name: String,
    pub arn: String,
    pub cluster: String,
    pub infrastructure_role_arn: String,
    /// The name that it is reached by.
    pub endpoint: String,
    pub vpc_id: String,
    /// Its load balancer is internet-facing.
    pub public: bool,
    pub tags: Tags,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When somebody deleted it: everything is taken down from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// The last one is what is wanted; those before it may still be running.
    pub configurations: Vec<ExpressConfiguration>,
    pub made: ExpressMade,
    /// Why the last step failed, in the words of whoever refused it. Written by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Resource for ExpressService {
    const KIND: &'static str = "ecs/express-service";
}

/// What is asked for at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExpressConfiguration {
    /// Counts from 1.
    pub number: u32,
    /// As it is described, defaults filled in, without what is known of the running service only.
    pub shown: Json<api::ExpressGatewayServiceConfiguration>,
    /// In the task definition.
    pub container_port: u16,
}

/// What is there already.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExpressMade {
    /// Its id: this service is a member of it.
    pub load_balancer: Option<String>,
    /// The number of the configuration whose log group is there.
    pub log_group: u32,
    pub security_group: Option<String>,
    /// Ports that the load balancer is let to.
    pub ports: Vec<u16>,
    /// The two that deployments shift traffic between, with the path of their health checks.
    pub target_groups: Vec<(String, String)>,
    pub named: bool,
    pub rule: Option<String>,
    pub alarm: bool,
    /// The number of the configuration that the ECS service was given.
    pub service: u32,
    /// The number of the configuration that Application Auto Scaling was given.
    pub scaling: u32,
    /// How many steps of the way down are done, once it is deleted.
    pub down: usize,
}

/// `ecs/express-load-balancer/…/<id>`: one that the Express services of the same subnets share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpressLoadBalancer {
    pub vpc_id: String,
    pub public: bool,
    pub subnets: Vec<String>,
    /// The role of the member that had it made or, once nobody is left, of the last one.
    pub infrastructure_role_arn: String,
    /// `<cluster>/<service>`, and the priority of its rule.
    pub members: BTreeMap<String, u32>,
    /// Nobody is left: it is taken down, and takes nobody in any more.
    pub leaving: bool,
    /// How many steps of the way down are done.
    #[serde(default)]
    pub down: usize,
    pub security_group: Option<String>,
    pub certificate: Option<String>,
    pub arn: Option<String>,
    pub dns_name: Option<String>,
    pub hosted_zone_id: Option<String>,
    /// The listener for HTTPS.
    pub listener: Option<String>,
    /// The one that redirects from HTTP.
    pub redirect: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Resource for ExpressLoadBalancer {
    const KIND: &'static str = "ecs/express-load-balancer";
}

/// "Up to 25 Express services" share one
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/express-service-work.html>).
pub const MAX_MEMBERS: usize = 25;

impl ExpressService {
    /// Within its key, and as a member.
    pub fn key_id(cluster: &str, name: &str) -> String {
        format!("{cluster}/{name}")
    }

    /// The configuration that is wanted.
    pub fn wanted(&self) -> Option<&ExpressConfiguration> {
        self.configurations.last()
    }
}

impl ExpressLoadBalancer {
    /// A new one with its first member.
    pub fn new(of: &ExpressService, subnets: Vec<String>, member: String) -> ExpressLoadBalancer {
        ExpressLoadBalancer {
            vpc_id: of.vpc_id.clone(),
            public: of.public,
            subnets,
            infrastructure_role_arn: of.infrastructure_role_arn.clone(),
            members: BTreeMap::from([(member, 1)]),
            leaving: false,
            down: 0,
            security_group: None,
            certificate: None,
            arn: None,
            dns_name: None,
            hosted_zone_id: None,
            listener: None,
            redirect: None,
            problem: None,
        }
    }

    /// Traffic can be led through it.
    pub fn is_ready(&self) -> bool {
        self.listener.is_some() && self.redirect.is_some()
    }

    /// The lowest priority that no member has.
    pub fn free_priority(&self) -> u32 {
        let taken = |n: &u32| self.members.values().any(|of| of == n);
        (1..).find(|n| !taken(n)).unwrap_or(u32::MAX)
    }
}
