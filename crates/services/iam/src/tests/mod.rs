//! IAM's operations, called through the table as the gateway calls them.

mod account;
mod credentials;
mod known;
mod mfa;
mod policies;
mod roles;
mod simulated;
mod stored;
mod users;

use crate::Iam;
use neargate_api_iam::{self as api, ops};
use neargate_service::{AwsError, Background, Component, Ctx, Service};
use neargate_testkit::{Lab, call};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// IAM with its index at work.
struct Room {
    lab: Lab,
    table: Arc<dyn Service>,
    _background: Background,
}

impl Room {
    fn new() -> Room {
        let lab = Lab::default();
        let iam: Arc<Iam> = Arc::default();
        let mut background = Background::new(lab.house.clone());
        iam.clone().start(&mut background);
        Room {
            lab,
            table: iam.table(),
            _background: background,
        }
    }

    async fn ask<O: OperationDef>(&self, op: O, input: O::Input) -> Result<O::Output, AwsError> {
        call(&*self.table, self.lab.cx(), op, input).await
    }

    async fn ask_as<O: OperationDef>(
        &self,
        cx: Ctx,
        op: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        call(&*self.table, cx, op, input).await
    }

    async fn user(&self, name: &str) -> api::User {
        let input = api::CreateUserInput {
            user_name: name.into(),
            ..Default::default()
        };
        let made = self.ask(ops::CreateUser, input).await.expect("a user");
        made.user.expect("a user")
    }

    async fn role(&self, name: &str) -> api::Role {
        let input = api::CreateRoleInput {
            role_name: name.into(),
            assume_role_policy_document: TRUST.into(),
            ..Default::default()
        };
        let made = self.ask(ops::CreateRole, input).await.expect("a role");
        made.role.expect("a role")
    }

    /// A managed policy; its ARN.
    async fn policy(&self, name: &str) -> String {
        let input = api::CreatePolicyInput {
            policy_name: name.into(),
            policy_document: ALLOW.into(),
            ..Default::default()
        };
        let made = self.ask(ops::CreatePolicy, input).await.expect("a policy");
        made.policy.and_then(|p| p.arn).expect("an ARN")
    }
}

const ALLOW: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ecs:List*","Resource":"*"}]}"#;
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const EXECUTION: &str = "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy";

fn said<T: std::fmt::Debug>(refused: Result<T, AwsError>) -> String {
    let error = refused.expect_err("refused");
    format!("{} {} {}", error.status, error.code, error.message)
}
