//! Operations through their table and controllers by hand, over an ECS that only remembers.

mod fake_ecs;
mod instances;
mod rules;
mod snapshots;
mod stored;

use crate::Rds;
use crate::controller::{Instances, Snapshots};
use fake_ecs::FakeEcs;
use neargate_api_rds::{self as api, ops};
use neargate_service::controller::Controller;
use neargate_service::{AwsError, Component as _, Ctx, Resource, Service};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

struct Place {
    lab: Lab,
    cx: Ctx,
    table: Arc<dyn Service>,
    ecs: Arc<FakeEcs>,
    instances: Instances,
    snapshots: Snapshots,
}

fn place() -> Place {
    let lab = Lab::seeded(18);
    let ecs = Arc::new(FakeEcs::default());
    let table = Arc::new(Rds).table();
    let all = vec![table.clone(), ecs.clone().table()];
    lab.house.caller.connect(all);
    Place {
        cx: lab.cx(),
        table,
        ecs,
        instances: Instances::new(lab.house.clone()),
        snapshots: Snapshots::new(lab.house.clone()),
        lab,
    }
}

/// Looks and acts until there is nothing to do.
async fn settle<C: Controller>(lab: &Lab, controller: &C, key: &str) {
    for _ in 0..50 {
        let Some(view) = controller.view(key).await.unwrap() else {
            return;
        };
        let plan = controller.plan(&view, lab.house.now());
        if plan.actions.is_empty() {
            return;
        }
        for action in plan.actions {
            let _ = controller.apply(action).await.unwrap();
        }
    }
    panic!("{key} does not settle");
}

impl Place {
    async fn call<O: OperationDef>(
        &self,
        operation: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        neargate_testkit::call(&*self.table, self.cx.clone(), operation, input).await
    }

    /// Everything that the controllers do now.
    async fn settle(&self) {
        for kind in [crate::model::Instance::KIND, crate::model::Snapshot::KIND] {
            let store = self.lab.house.db.store();
            let prefix = format!("{kind}/");
            let page = store.range(&prefix, None, 100, None);
            for entry in page.await.unwrap().entries {
                match kind {
                    crate::model::Instance::KIND => {
                        settle(&self.lab, &self.instances, &entry.key).await;
                    }
                    _ => settle(&self.lab, &self.snapshots, &entry.key).await,
                }
            }
        }
    }

    async fn create(&self, id: &str) -> api::DBInstance {
        let output = self.call(ops::CreateDBInstance, wanted(id)).await.unwrap();
        output.db_instance.unwrap()
    }

    /// An instance whose engine answers.
    async fn available(&self, id: &str) -> api::DBInstance {
        self.create(id).await;
        self.settle().await;
        self.ecs.health("HEALTHY");
        self.settle().await;
        let shown = self.shown(id).await.unwrap();
        assert_eq!(shown.db_instance_status.as_deref(), Some("available"));
        shown
    }

    async fn shown(&self, id: &str) -> Result<api::DBInstance, AwsError> {
        let input = api::DescribeDBInstancesInput {
            db_instance_identifier: Some(id.into()),
            ..Default::default()
        };
        let output = self.call(ops::DescribeDBInstances, input).await?;
        Ok(output.db_instances.unwrap().remove(0))
    }

    async fn status(&self, id: &str) -> String {
        let shown = self.shown(id).await;
        shown.map_or_else(|e| e.code, |i| i.db_instance_status.unwrap())
    }
}

fn wanted(id: &str) -> api::CreateDBInstanceInput {
    api::CreateDBInstanceInput {
        db_instance_identifier: id.into(),
        engine: "postgres".into(),
        engine_version: Some("16".into()),
        db_instance_class: "db.t3.micro".into(),
        allocated_storage: Some(20),
        master_username: Some("app".into()),
        master_user_password: Some("it's secret".replace(' ', "-")),
        ..Default::default()
    }
}
