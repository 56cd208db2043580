//! Operations through their table, with the controller driven by hand; ECS and Elastic Load Balancing are tables
//! that remember what they were asked.

mod elsewhere;
mod rollouts;

use crate::CodeDeploy;
use crate::controller::Deployments;
use crate::model::{Application, Config, Deployment, Group};
use elsewhere::Elsewhere;
use neargate_api_codedeploy::{self as api, ops};
use neargate_service::controller::Controller;
use neargate_service::golden::check;
use neargate_service::{AwsError, Component, db};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

pub const SPEC: &str = r#"
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: "green:1"
        LoadBalancerInfo:
          ContainerName: "app"
          ContainerPort: 80
"#;

pub struct World {
    pub lab: Lab,
    pub elsewhere: Arc<Elsewhere>,
    controller: Deployments,
}

pub fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}

fn named(name: &str) -> api::TargetGroupInfo {
    api::TargetGroupInfo {
        name: Some(name.into()),
    }
}

fn route(listener: &str) -> api::TrafficRoute {
    api::TrafficRoute {
        listener_arns: Some(vec![listener.into()]),
    }
}

pub fn asked(config: &str) -> api::CreateDeploymentGroupInput {
    api::CreateDeploymentGroupInput {
        application_name: "app".into(),
        deployment_group_name: "group".into(),
        deployment_config_name: Some(format!("CodeDeployDefault.{config}")),
        service_role_arn: "arn:aws:iam::000000000000:role/deploy".into(),
        deployment_style: Some(api::DeploymentStyle {
            deployment_type: Some("BLUE_GREEN".into()),
            deployment_option: Some("WITH_TRAFFIC_CONTROL".into()),
        }),
        load_balancer_info: Some(api::LoadBalancerInfo {
            target_group_pair_info_list: Some(vec![api::TargetGroupPairInfo {
                target_groups: Some(vec![named("blue"), named("green")]),
                prod_traffic_route: Some(route("listener")),
                test_traffic_route: None,
            }]),
            ..Default::default()
        }),
        ecs_services: Some(vec![api::ECSService {
            service_name: Some("web".into()),
            cluster_name: Some("c".into()),
        }]),
        ..Default::default()
    }
}

impl World {
    pub async fn of(input: api::CreateDeploymentGroupInput) -> World {
        let lab = Lab::default();
        let elsewhere = Arc::new(Elsewhere::default());
        lab.house.caller.connect(elsewhere.tables());
        let controller = Deployments::new(lab.house.clone());
        let world = World {
            lab,
            elsewhere,
            controller,
        };
        let made = api::CreateApplicationInput {
            application_name: "app".into(),
            compute_platform: Some("ECS".into()),
            tags: None,
        };
        world.ask(ops::CreateApplication, made).await.expect("made");
        world
            .ask(ops::CreateDeploymentGroup, input)
            .await
            .expect("made");
        world
    }

    pub async fn ask<O: OperationDef>(
        &self,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        let table = Arc::new(CodeDeploy).table();
        call(&*table, self.lab.cx(), op, input).await
    }

    pub async fn deploy(&self, spec: &str) -> Result<String, AwsError> {
        let input = api::CreateDeploymentInput {
            application_name: "app".into(),
            deployment_group_name: Some("group".into()),
            revision: Some(api::RevisionLocation {
                revision_type: Some("AppSpecContent".into()),
                app_spec_content: Some(api::AppSpecContent {
                    content: Some(spec.into()),
                    sha256: None,
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let made = self.ask(ops::CreateDeployment, input).await?;
        Ok(made.deployment_id.expect("an id"))
    }

    /// Takes the deployment as far as it goes without time passing.
    pub async fn run(&self, id: &str) {
        let key = db::key::<Deployment>(&self.lab.scope, id);
        for _ in 0..20 {
            let view = self.controller.view(&key).await.expect("viewed");
            let Some(view) = view else { return };
            let plan = self.controller.plan(&view, self.lab.house.now());
            for action in plan.actions {
                self.controller.apply(action).await.expect("applied");
            }
        }
    }

    pub async fn info(&self, id: &str) -> api::DeploymentInfo {
        let input = api::GetDeploymentInput {
            deployment_id: id.into(),
        };
        let told = self.ask(ops::GetDeployment, input).await.expect("told");
        told.deployment_info.expect("one")
    }

    pub async fn status(&self, id: &str) -> String {
        self.info(id).await.status.expect("a status")
    }
}

#[test]
fn stored_forms() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    check::<Application>(dir);
    check::<Group>(dir);
    check::<Config>(dir);
    check::<Deployment>(dir);
}
