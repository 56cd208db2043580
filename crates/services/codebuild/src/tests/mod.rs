//! The operations through their table, the phases by a real shell, and what is read of both.

mod projects;
mod reading;
mod script;

use crate::CodeBuild;
use neargate_api_codebuild as api;
use neargate_service::{AwsError, Component as _, Ctx, Service};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

pub struct Place {
    pub lab: Lab,
    cx: Ctx,
    table: Arc<dyn Service>,
}

pub fn place() -> Place {
    let lab = Lab::seeded(5);
    Place {
        cx: lab.cx(),
        table: Arc::new(CodeBuild::default()).table(),
        lab,
    }
}

impl Place {
    pub async fn call<O: OperationDef>(
        &self,
        operation: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        neargate_testkit::call(&*self.table, self.cx.clone(), operation, input).await
    }
}

pub const ROLE: &str = "arn:aws:iam::000000000000:role/build";

pub fn project(name: &str) -> api::CreateProjectInput {
    api::CreateProjectInput {
        name: name.into(),
        source: api::ProjectSource {
            r#type: "NO_SOURCE".into(),
            buildspec: Some("version: 0.2\nphases: {build: {commands: [\"true\"]}}\n".into()),
            ..Default::default()
        },
        artifacts: api::ProjectArtifacts {
            r#type: "NO_ARTIFACTS".into(),
            ..Default::default()
        },
        environment: api::ProjectEnvironment {
            r#type: "LINUX_CONTAINER".into(),
            image: "busybox".into(),
            compute_type: "BUILD_GENERAL1_SMALL".into(),
            ..Default::default()
        },
        service_role: ROLE.into(),
        ..Default::default()
    }
}
