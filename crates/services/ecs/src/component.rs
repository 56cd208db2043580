//! ECS as the house takes it.

use crate::balancing::Balancer;
use crate::connect;
use crate::model::KnownNode;
use crate::registries::Registrar;
use crate::{
    Deletion, Deregistration, Ecs, Expire, ForgetTokens, Scaling, Scheduler, TaskSets, Waiting,
    elsewhere, events, express, fleet, halt, lost, metrics, table,
};
use async_trait::async_trait;
use neargate_service::{AfterReset, AwsError, Background, Component, House, Service};
use std::sync::Arc;

#[async_trait]
impl Component for Ecs {
    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        Arc::new(table(self))
    }

    fn start(self: Arc<Self>, background: &mut Background) {
        let (ecs, house) = (self, background.house().clone());
        let (db, clock, rng) = (&house.db, &house.clock, &house.rng);
        background.control(Expire {
            db: db.clone(),
            clock: clock.clone(),
        });
        background.control(ForgetTokens { db: db.clone() });
        background.control(Deletion {
            db: db.clone(),
            fleet: ecs.fleet.clone(),
        });
        background.control(Deregistration {
            db: db.clone(),
            fleet: ecs.fleet.clone(),
        });
        background.control(Scheduler {
            ecs: ecs.clone(),
            house: house.clone(),
        });
        background.control(Balancer {
            ecs: ecs.clone(),
            house: house.clone(),
        });
        background.control(Registrar {
            ecs: ecs.clone(),
            house: house.clone(),
        });
        background.control(TaskSets {
            ecs: ecs.clone(),
            house: house.clone(),
        });
        background.control(Waiting {
            ecs: ecs.clone(),
            house: house.clone(),
        });
        background.control(express::Services {
            house: house.clone(),
        });
        background.control(express::Balancers {
            house: house.clone(),
        });
        background.control(Scaling::new(ecs.clone(), house.clone()));
        let (fleet, nodes) = (ecs.fleet.clone(), ecs.nodes.clone());
        let followed = fleet::follow(fleet, nodes, db.clone(), rng.clone());
        background.spawn("ecs-fleet", followed);
        let connected = connect::follow(ecs.connect.clone(), db.clone(), rng.clone());
        background.spawn("ecs-connect", connected);
        let watched = lost::watch(house.clone(), ecs.clone(), ecs.times.node_lease);
        background.spawn("ecs-lost-nodes", watched);
        let told = events::follow(ecs.events.clone(), ecs.fleet.clone(), house.clone());
        background.spawn("ecs-events", told);
        let announced = events::announce(ecs.clone(), db.clone(), rng.clone());
        background.spawn("ecs-agents", announced);
        let insights = metrics::publish(ecs.clone(), house.clone());
        background.spawn("ecs-insights", insights);
    }

    /// Stops every task at once. Nodes of other hosts stay nodes; those that are away stop their
    /// tasks when they come back.
    async fn reset(self: Arc<Self>, house: &Arc<House>) -> Result<AfterReset, AwsError> {
        // Services would replace what is stopped.
        let held = self.hold().await;
        let nodes = elsewhere(house).await?;
        let here = |node: &str| !nodes.contains(node) || self.nodes.is_connected(node);
        halt(house, here).await?;
        let db = house.db.clone();
        let known = db.list_prefix::<KnownNode>(&KnownNode::prefix()).await?;
        Ok(AfterReset::new(async move || {
            let _held = held;
            for node in known.into_iter().filter(|n| !n.dismissed) {
                let kept = KnownNode {
                    instance: None,
                    ..node.value
                };
                // Without a compare there is no conflict.
                let _ = db.tx().put(node.key, &kept).commit().await?;
            }
            Ok(())
        }))
    }
}
