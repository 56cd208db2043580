//! Operations through their table, on a store in memory.

mod certificates;
mod listeners;
mod load_balancers;
mod names;
mod rules;
mod stored;
mod tags;
mod target_groups;
mod targets;
mod trust_stores;

use super::Elbv2;
use neargate_api_elbv2::{self as api, ops};
use neargate_api_s3 as s3;
use neargate_domain::vpc::DefaultVpc;
use neargate_service::{AwsError, Ctx, OperationTable, Service};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// An account's load balancing in a region, with its default VPC.
pub(crate) struct Place {
    pub(crate) lab: Lab,
    pub(crate) cx: Ctx,
    table: Arc<dyn Service>,
    pub(crate) vpc: DefaultVpc,
    objects: Arc<Objects>,
}

/// Objects of the bucket `trust`.
type Objects = Mutex<BTreeMap<String, Vec<u8>>>;

/// S3, as far as it is asked: it has one bucket for logs, and one for what trust stores are made of.
async fn put_object(
    _: Arc<Objects>,
    _: Ctx,
    input: s3::PutObjectInput,
) -> Result<s3::PutObjectOutput, AwsError> {
    match input.bucket.as_str() {
        "logs" => Ok(s3::PutObjectOutput::default()),
        _ => Err(AwsError::client(
            "NoSuchBucket",
            "The specified bucket does not exist",
        )),
    }
}

fn object(objects: &Objects, bucket: &str, key: &str) -> Result<(Vec<u8>, String), AwsError> {
    let objects = objects.lock().unwrap();
    let found = objects.get(key).filter(|_| bucket == "trust");
    let missing = || AwsError::client("NoSuchKey", "The specified key does not exist.");
    let found = found.ok_or_else(missing)?;
    Ok((found.clone(), neargate_wire::sigv4::sha256_hex(found)))
}

async fn head_object(
    objects: Arc<Objects>,
    _: Ctx,
    input: s3::HeadObjectInput,
) -> Result<s3::HeadObjectOutput, AwsError> {
    let (found, tag) = object(&objects, &input.bucket, &input.key)?;
    Ok(s3::HeadObjectOutput {
        content_length: i64::try_from(found.len()).ok(),
        e_tag: Some(tag),
        ..Default::default()
    })
}

async fn get_object(
    objects: Arc<Objects>,
    _: Ctx,
    input: s3::GetObjectInput,
) -> Result<s3::GetObjectOutput, AwsError> {
    let (found, tag) = object(&objects, &input.bucket, &input.key)?;
    Ok(s3::GetObjectOutput {
        body: Some(found.into()),
        e_tag: Some(tag),
        ..Default::default()
    })
}

pub(crate) fn place() -> Place {
    let lab = Lab::seeded(11);
    let objects = Arc::new(Objects::default());
    let s3 = OperationTable::new(&s3::SERVICE, objects.clone())
        .on(s3::ops::PutObject, put_object)
        .on(s3::ops::HeadObject, head_object)
        .on(s3::ops::GetObject, get_object);
    lab.house.caller.connect(vec![Arc::new(s3)]);
    Place {
        cx: lab.cx(),
        vpc: DefaultVpc::of(&lab.scope.account, &lab.scope.region),
        table: Arc::new(super::table(Arc::new(Elbv2::default()))),
        objects,
        lab,
    }
}

impl Place {
    pub(crate) async fn call<O: OperationDef>(
        &self,
        operation: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        neargate_testkit::call(&*self.table, self.cx.clone(), operation, input).await
    }

    /// Puts an object into the bucket `trust`.
    pub(crate) fn object(&self, key: &str, content: impl Into<Vec<u8>>) {
        self.objects
            .lock()
            .unwrap()
            .insert(key.into(), content.into());
    }

    /// Of the first `count` default subnets.
    pub(crate) fn subnets(&self, count: usize) -> Option<Vec<String>> {
        Some(
            self.vpc.subnets[..count]
                .iter()
                .map(|s| s.id.clone())
                .collect(),
        )
    }

    /// What makes an application load balancer.
    pub(crate) fn application(&self, name: &str) -> api::CreateLoadBalancerInput {
        api::CreateLoadBalancerInput {
            name: name.into(),
            subnets: self.subnets(2),
            ..Default::default()
        }
    }

    /// What makes a network load balancer.
    pub(crate) fn network(&self, name: &str) -> api::CreateLoadBalancerInput {
        api::CreateLoadBalancerInput {
            r#type: some("network"),
            ..self.application(name)
        }
    }

    pub(crate) async fn try_make(
        &self,
        input: api::CreateLoadBalancerInput,
    ) -> Result<api::LoadBalancer, AwsError> {
        let made = self.call(ops::CreateLoadBalancer, input).await?;
        Ok(made.load_balancers.unwrap().remove(0))
    }

    /// The ARN of a new load balancer.
    pub(crate) async fn make(&self, input: api::CreateLoadBalancerInput) -> String {
        self.try_make(input)
            .await
            .unwrap()
            .load_balancer_arn
            .unwrap()
    }

    /// What makes a target group of addresses.
    pub(crate) fn group_input(&self, name: &str, protocol: &str) -> api::CreateTargetGroupInput {
        api::CreateTargetGroupInput {
            name: name.into(),
            protocol: some(protocol),
            port: Some(80),
            vpc_id: some(&self.vpc.vpc_id),
            target_type: some("ip"),
            ..Default::default()
        }
    }

    pub(crate) async fn try_group(
        &self,
        input: api::CreateTargetGroupInput,
    ) -> Result<api::TargetGroup, AwsError> {
        let made = self.call(ops::CreateTargetGroup, input).await?;
        Ok(made.target_groups.unwrap().remove(0))
    }

    /// The ARN of a new HTTP target group of addresses.
    pub(crate) async fn group(&self, name: &str) -> String {
        let made = self.try_group(self.group_input(name, "HTTP")).await;
        made.unwrap().target_group_arn.unwrap()
    }

    pub(crate) async fn try_listen(
        &self,
        load_balancer: &str,
        protocol: &str,
        port: i32,
        action: api::Action,
    ) -> Result<api::Listener, AwsError> {
        let input = api::CreateListenerInput {
            load_balancer_arn: load_balancer.into(),
            protocol: some(protocol),
            port: Some(port),
            default_actions: vec![action],
            ..Default::default()
        };
        let made = self.call(ops::CreateListener, input).await?;
        Ok(made.listeners.unwrap().remove(0))
    }

    /// The ARN of a new HTTP listener.
    pub(crate) async fn listen(
        &self,
        load_balancer: &str,
        port: i32,
        action: api::Action,
    ) -> String {
        let made = self.try_listen(load_balancer, "HTTP", port, action).await;
        made.unwrap().listener_arn.unwrap()
    }

    pub(crate) async fn try_rule(
        &self,
        listener: &str,
        priority: i32,
        conditions: Vec<api::RuleCondition>,
        actions: Vec<api::Action>,
    ) -> Result<api::Rule, AwsError> {
        let input = api::CreateRuleInput {
            listener_arn: listener.into(),
            conditions,
            priority,
            actions,
            ..Default::default()
        };
        let made = self.call(ops::CreateRule, input).await?;
        Ok(made.rules.unwrap().remove(0))
    }

    pub(crate) async fn register(&self, group: &str, targets: &[(&str, Option<i32>)]) {
        self.try_register(group, targets).await.unwrap();
    }

    pub(crate) async fn try_register(
        &self,
        group: &str,
        targets: &[(&str, Option<i32>)],
    ) -> Result<(), AwsError> {
        let input = api::RegisterTargetsInput {
            target_group_arn: group.into(),
            targets: descriptions(targets),
        };
        self.call(ops::RegisterTargets, input).await.map(drop)
    }

    pub(crate) async fn deregister(&self, group: &str, targets: &[(&str, Option<i32>)]) {
        let input = api::DeregisterTargetsInput {
            target_group_arn: group.into(),
            targets: descriptions(targets),
        };
        self.call(ops::DeregisterTargets, input).await.unwrap();
    }

    /// `id:port state reason` of every target of a group.
    pub(crate) async fn health(&self, group: &str) -> Vec<String> {
        let input = api::DescribeTargetHealthInput {
            target_group_arn: group.into(),
            ..Default::default()
        };
        let found = self.call(ops::DescribeTargetHealth, input).await.unwrap();
        found
            .target_health_descriptions
            .unwrap()
            .iter()
            .map(line)
            .collect()
    }
}

fn line(of: &api::TargetHealthDescription) -> String {
    let (target, health) = (
        of.target.clone().unwrap(),
        of.target_health.clone().unwrap(),
    );
    format!(
        "{}:{} {} {}",
        target.id,
        target.port.unwrap(),
        health.state.unwrap(),
        health.reason.unwrap_or_default()
    )
}

pub(crate) fn descriptions(targets: &[(&str, Option<i32>)]) -> Vec<api::TargetDescription> {
    let one = |(id, port): &(&str, Option<i32>)| api::TargetDescription {
        id: (*id).into(),
        port: *port,
        ..Default::default()
    };
    targets.iter().map(one).collect()
}

pub(crate) fn forward(group: &str) -> api::Action {
    api::Action {
        r#type: "forward".into(),
        target_group_arn: some(group),
        ..Default::default()
    }
}

pub(crate) fn answer(code: &str) -> api::Action {
    api::Action {
        r#type: "fixed-response".into(),
        fixed_response_config: Some(api::FixedResponseActionConfig {
            status_code: code.into(),
            message_body: None,
            content_type: None,
        }),
        ..Default::default()
    }
}

pub(crate) fn path(pattern: &str) -> api::RuleCondition {
    api::RuleCondition {
        field: some("path-pattern"),
        values: Some(vec![pattern.into()]),
        ..Default::default()
    }
}

pub(crate) fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str, message: &str) {
    let e = result.unwrap_err();
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

/// The code alone, where the words are ours.
#[track_caller]
pub(crate) fn refused_as<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str) {
    let e = result.unwrap_err();
    assert_eq!(e.code, code, "{}", e.message);
}

#[test]
fn every_taken_operation_is_in_the_table() {
    let table = super::table(Arc::new(Elbv2::default()));
    let taken = table.schema().operations.iter().filter(|o| o.taken);
    let missing: Vec<_> = taken
        .filter(|o| table.status(o.name) == neargate_service::Status::NotYet)
        .map(|o| o.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
