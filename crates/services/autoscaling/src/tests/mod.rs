//! Operations through their table, with the controller driven by hand, on a store in memory. EC2 is
//! played: it keeps records of instances as EC2 does, and hosts are what a test says.

mod errors;
mod hooks;
mod keeping;
mod members;
mod policies;
mod refreshes;
mod schedules;
mod sizes;
mod stored;
mod traffic;
mod victims;

use crate::Autoscaling;
use crate::controller::{Action, Keeper};
use crate::model::{self, Group};
use neargate_api_autoscaling::{self as api, ops};
use neargate_api_cloudwatch as cloudwatch_api;
use neargate_api_ec2 as ec2_api;
use neargate_api_elbv2 as elbv2_api;
use neargate_service::controller::{Applied, Controller};
use neargate_service::instance::{self, Instance, NewInstance, Power, State};
use neargate_service::{AwsError, Committed, Ctx, OperationTable, Service, Status, db, vpc};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// EC2, as far as Auto Scaling asks it.
#[derive(Debug, Default)]
struct Fake {
    /// The number of the newest version of `lt-1`.
    latest: Mutex<i64>,
    /// What the next launches answer instead, and whether they start an instance all the same.
    refusals: Mutex<Vec<(AwsError, bool)>>,
    runs: Mutex<Vec<ec2_api::RunInstancesInput>>,
    tags: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
    /// The states of targets of the one target group there is.
    targets: Mutex<BTreeMap<String, String>>,
    /// CloudWatch's.
    alarms: Mutex<BTreeMap<String, cloudwatch_api::PutMetricAlarmInput>>,
}

type Answer<T> = Result<T, AwsError>;

async fn run_instances(
    fake: Arc<Fake>,
    cx: Ctx,
    input: ec2_api::RunInstancesInput,
) -> Answer<ec2_api::RunInstancesOutput> {
    let refusal = fake.refusals.lock().pop();
    if let Some((error, false)) = &refusal {
        return Err(error.clone());
    }
    fake.runs.lock().push(input.clone());
    let known = instance::list(&cx.house, &cx.scope).await?;
    let before = known.iter().find(|i| i.client_token == input.client_token);
    let (id, made) = match before {
        Some(before) => (before.id().to_owned(), before.value.clone()),
        None => {
            let zone = input
                .placement
                .as_ref()
                .and_then(|p| p.availability_zone.clone());
            let subnet = match (&input.subnet_id, zone) {
                (Some(subnet), _) => subnet.clone(),
                (None, zone) => {
                    let zone = zone.unwrap_or_else(|| "us-east-1a".into());
                    let found = vpc::default_subnet(&cx.house, &cx.scope, &zone).await?;
                    found.expect("a default subnet").id().to_owned()
                }
            };
            let id = instance::new_id(&cx.house);
            let new = NewInstance {
                instance_type: input.instance_type.clone().unwrap_or("t3.micro".into()),
                image_id: "ami-1".into(),
                subnet_id: subnet,
                client_token: input.client_token.clone(),
                ..Default::default()
            };
            let tx = cx.db().tx();
            let made = instance::create(&cx.house, &cx.scope, tx, &id, new, &[]).await;
            let (tx, made) = made.map_err(AwsError::from)?;
            assert!(matches!(tx.commit().await?, Committed::At(_)));
            (id, made)
        }
    };
    if let Some((error, true)) = refusal {
        return Err(error);
    }
    for specification in input.tag_specifications.into_iter().flatten() {
        let tags = specification.tags.into_iter().flatten();
        let pair = |t: ec2_api::Tag| (t.key.unwrap_or_default(), t.value.unwrap_or_default());
        fake.tags
            .lock()
            .insert(id.clone(), tags.map(pair).collect());
    }
    Ok(ec2_api::RunInstancesOutput {
        instances: Some(vec![ec2_api::Instance {
            instance_id: Some(id),
            instance_type: Some(made.instance_type),
            image_id: Some(made.image_id),
            placement: Some(ec2_api::Placement {
                availability_zone: Some(made.interface.availability_zone),
                ..Default::default()
            }),
            ..Default::default()
        }]),
        ..Default::default()
    })
}

async fn terminate_instances(
    _: Arc<Fake>,
    cx: Ctx,
    input: ec2_api::TerminateInstancesInput,
) -> Answer<ec2_api::TerminateInstancesOutput> {
    for id in input.instance_ids {
        let key = db::key::<Instance>(&cx.scope, &id);
        let end = |i: &mut Instance| {
            i.wanted = Power::Terminated;
            true
        };
        instance::observed(&cx.house, &key, end).await?;
    }
    Ok(Default::default())
}

async fn describe_launch_template_versions(
    fake: Arc<Fake>,
    _: Ctx,
    input: ec2_api::DescribeLaunchTemplateVersionsInput,
) -> Answer<ec2_api::DescribeLaunchTemplateVersionsOutput> {
    let known = input.launch_template_id.as_deref() == Some("lt-1")
        || input.launch_template_name.as_deref() == Some("web");
    if !known {
        return Err(AwsError::client(
            "InvalidLaunchTemplateId.NotFound",
            "no such template",
        ));
    }
    let latest = *fake.latest.lock() + 1;
    let version = input.versions.and_then(|v| v.first().cloned());
    let number = match version.as_deref() {
        Some("$Latest") => latest,
        Some("$Default") | None => 1,
        Some(number) => number.parse().unwrap_or(0),
    };
    if !(1..=latest).contains(&number) {
        return Err(AwsError::client(
            "InvalidLaunchTemplateId.VersionNotFound",
            "no such version",
        ));
    }
    Ok(ec2_api::DescribeLaunchTemplateVersionsOutput {
        launch_template_versions: Some(vec![ec2_api::LaunchTemplateVersion {
            launch_template_id: some("lt-1"),
            launch_template_name: some("web"),
            version_number: Some(number),
            launch_template_data: Some(Default::default()),
            ..Default::default()
        }]),
        ..Default::default()
    })
}

async fn create_tags(
    fake: Arc<Fake>,
    _: Ctx,
    input: ec2_api::CreateTagsInput,
) -> Answer<neargate_wire::structure::Unit> {
    for id in input.resources {
        let pair = |t: ec2_api::Tag| (t.key.unwrap_or_default(), t.value.unwrap_or_default());
        let mut all = fake.tags.lock();
        all.entry(id)
            .or_default()
            .extend(input.tags.iter().cloned().map(pair));
    }
    Ok(neargate_wire::structure::Unit)
}

async fn delete_tags(
    fake: Arc<Fake>,
    _: Ctx,
    input: ec2_api::DeleteTagsInput,
) -> Answer<neargate_wire::structure::Unit> {
    for id in input.resources {
        if let Some(tags) = fake.tags.lock().get_mut(&id) {
            tags.remove("aws:autoscaling:groupName");
        }
    }
    Ok(neargate_wire::structure::Unit)
}

async fn describe_target_groups(
    _: Arc<Fake>,
    _: Ctx,
    input: elbv2_api::DescribeTargetGroupsInput,
) -> Answer<elbv2_api::DescribeTargetGroupsOutput> {
    let asked = input.target_group_arns.unwrap_or_default();
    let group = |arn: String| elbv2_api::TargetGroup {
        target_group_arn: Some(arn),
        ..Default::default()
    };
    match asked.iter().all(|arn| arn.ends_with("targetgroup/web/1")) {
        true => Ok(elbv2_api::DescribeTargetGroupsOutput {
            target_groups: Some(asked.into_iter().map(group).collect()),
            ..Default::default()
        }),
        false => Err(AwsError::client("TargetGroupNotFound", "no such group")),
    }
}

async fn register_targets(
    fake: Arc<Fake>,
    _: Ctx,
    input: elbv2_api::RegisterTargetsInput,
) -> Answer<elbv2_api::RegisterTargetsOutput> {
    for target in input.targets {
        fake.targets.lock().insert(target.id, "healthy".into());
    }
    Ok(Default::default())
}

async fn deregister_targets(
    fake: Arc<Fake>,
    _: Ctx,
    input: elbv2_api::DeregisterTargetsInput,
) -> Answer<elbv2_api::DeregisterTargetsOutput> {
    for target in input.targets {
        fake.targets.lock().insert(target.id, "draining".into());
    }
    Ok(Default::default())
}

async fn describe_target_health(
    fake: Arc<Fake>,
    _: Ctx,
    _: elbv2_api::DescribeTargetHealthInput,
) -> Answer<elbv2_api::DescribeTargetHealthOutput> {
    let all = fake.targets.lock().clone().into_iter();
    let shown = all.map(|(id, state)| elbv2_api::TargetHealthDescription {
        target: Some(elbv2_api::TargetDescription {
            id,
            ..Default::default()
        }),
        target_health: Some(elbv2_api::TargetHealth {
            state: Some(state),
            ..Default::default()
        }),
        ..Default::default()
    });
    Ok(elbv2_api::DescribeTargetHealthOutput {
        target_health_descriptions: Some(shown.collect()),
    })
}

async fn put_metric_alarm(
    fake: Arc<Fake>,
    _: Ctx,
    input: cloudwatch_api::PutMetricAlarmInput,
) -> Answer<neargate_wire::structure::Unit> {
    fake.alarms.lock().insert(input.alarm_name.clone(), input);
    Ok(neargate_wire::structure::Unit)
}

async fn delete_alarms(
    fake: Arc<Fake>,
    _: Ctx,
    input: cloudwatch_api::DeleteAlarmsInput,
) -> Answer<neargate_wire::structure::Unit> {
    let mut alarms = fake.alarms.lock();
    alarms.retain(|name, _| !input.alarm_names.contains(name));
    Ok(neargate_wire::structure::Unit)
}

async fn describe_alarms(
    _: Arc<Fake>,
    _: Ctx,
    _: cloudwatch_api::DescribeAlarmsInput,
) -> Answer<cloudwatch_api::DescribeAlarmsOutput> {
    Ok(Default::default())
}

/// An account's Auto Scaling in a region.
struct Place {
    lab: Lab,
    cx: Ctx,
    table: Arc<dyn Service>,
    keeper: Keeper,
    ec2: Arc<Fake>,
}

fn place() -> Place {
    let lab = Lab::seeded(11);
    let fake = Arc::new(Fake::default());
    let ec2 = OperationTable::new(&ec2_api::SERVICE, fake.clone())
        .on(ec2_api::ops::RunInstances, run_instances)
        .on(ec2_api::ops::TerminateInstances, terminate_instances)
        .on(
            ec2_api::ops::DescribeLaunchTemplateVersions,
            describe_launch_template_versions,
        )
        .on(ec2_api::ops::CreateTags, create_tags)
        .on(ec2_api::ops::DeleteTags, delete_tags);
    let elbv2 = OperationTable::new(&elbv2_api::SERVICE, fake.clone())
        .on(elbv2_api::ops::DescribeTargetGroups, describe_target_groups)
        .on(elbv2_api::ops::RegisterTargets, register_targets)
        .on(elbv2_api::ops::DeregisterTargets, deregister_targets)
        .on(elbv2_api::ops::DescribeTargetHealth, describe_target_health);
    let cloudwatch = OperationTable::new(&cloudwatch_api::SERVICE, fake.clone())
        .on(cloudwatch_api::ops::PutMetricAlarm, put_metric_alarm)
        .on(cloudwatch_api::ops::DeleteAlarms, delete_alarms)
        .on(cloudwatch_api::ops::DescribeAlarms, describe_alarms);
    let services: Vec<Arc<dyn Service>> =
        vec![Arc::new(ec2), Arc::new(elbv2), Arc::new(cloudwatch)];
    lab.house.caller.connect(services);
    Place {
        cx: lab.cx(),
        table: Arc::new(crate::table(Arc::new(Autoscaling::default()))),
        keeper: Keeper::new(lab.house.clone(), Arc::default()),
        ec2: fake,
        lab,
    }
}

impl Place {
    async fn call<O: OperationDef>(&self, operation: O, input: O::Input) -> Answer<O::Output> {
        neargate_testkit::call(&*self.table, self.cx.clone(), operation, input).await
    }

    /// Runs the controller of every group until it has nothing to do.
    async fn settle(&self) {
        self.try_settle().await.expect("nothing fails");
    }

    async fn try_settle(&self) -> Answer<()> {
        for group in self.lab.house.db.list::<Group>(&self.cx.scope).await? {
            for round in 0.. {
                assert!(round < 100, "it never rests");
                let Some(view) = self.keeper.view(&group.key).await? else {
                    break;
                };
                let plan = self.keeper.plan(&view, self.lab.house.now());
                if plan.actions.is_empty() {
                    break;
                }
                self.carry_out(plan.actions).await?;
            }
        }
        Ok(())
    }

    async fn carry_out(&self, actions: Vec<Action>) -> Answer<()> {
        for action in actions {
            if self.keeper.apply(action).await? == Applied::Conflict {
                break;
            }
        }
        Ok(())
    }

    /// Settles while every instance that starts runs and every one that is to end ends.
    async fn live(&self) {
        for _ in 0..20 {
            self.settle().await;
            let mut moved = false;
            for i in instance::list(&self.lab.house, &self.cx.scope)
                .await
                .unwrap()
            {
                match (i.wanted, i.state) {
                    (Power::Running, State::Pending) => self.observe(i.id(), State::Running).await,
                    (Power::Terminated, state) if state != State::Terminated => {
                        instance::ended(&self.lab.house, &i.key).await.unwrap();
                    }
                    _ => continue,
                }
                moved = true;
            }
            if !moved {
                return;
            }
        }
        panic!("instances never rest");
    }

    async fn observe(&self, id: &str, state: State) {
        let key = db::key::<Instance>(&self.cx.scope, id);
        let write = |i: &mut Instance| {
            i.state = state;
            true
        };
        instance::observed(&self.lab.house, &key, write)
            .await
            .unwrap();
    }

    /// What somebody else did to an instance.
    async fn end(&self, id: &str) {
        let key = db::key::<Instance>(&self.cx.scope, id);
        instance::ended(&self.lab.house, &key).await.unwrap();
    }

    fn later(&self, seconds: u64) {
        self.lab.clock.advance(Duration::from_secs(seconds));
    }

    async fn group(&self) -> Group {
        let key = model::key::<Group>(&self.cx.scope, "web");
        let found = self.lab.house.db.get_key::<Group>(&key).await.unwrap();
        found.expect("the group").value
    }

    fn new_group(&self, min: i32, max: i32) -> api::CreateAutoScalingGroupInput {
        api::CreateAutoScalingGroupInput {
            auto_scaling_group_name: "web".into(),
            launch_template: Some(api::LaunchTemplateSpecification {
                launch_template_id: some("lt-1"),
                ..Default::default()
            }),
            min_size: min,
            max_size: max,
            availability_zones: Some(vec!["us-east-1a".into(), "us-east-1b".into()]),
            ..Default::default()
        }
    }

    async fn create(&self, input: api::CreateAutoScalingGroupInput) {
        self.call(ops::CreateAutoScalingGroup, input).await.unwrap();
    }

    async fn described(&self) -> api::AutoScalingGroup {
        let input = api::DescribeAutoScalingGroupsInput::default();
        let found = self
            .call(ops::DescribeAutoScalingGroups, input)
            .await
            .unwrap();
        found.auto_scaling_groups.unwrap().remove(0)
    }

    /// Ids of the instances in a state.
    async fn in_state(&self, state: &str) -> Vec<String> {
        let instances = self.described().await.instances.unwrap();
        let is = |i: &api::Instance| i.lifecycle_state.as_deref() == Some(state);
        let ids = instances.into_iter().filter(is);
        ids.filter_map(|i| i.instance_id).collect()
    }

    async fn desire(&self, count: i32) -> Answer<()> {
        let input = api::SetDesiredCapacityInput {
            auto_scaling_group_name: "web".into(),
            desired_capacity: count,
            honor_cooldown: None,
        };
        self.call(ops::SetDesiredCapacity, input).await.map(drop)
    }

    async fn activities(&self) -> Vec<api::Activity> {
        let input = api::DescribeScalingActivitiesInput {
            auto_scaling_group_name: some("web"),
            ..Default::default()
        };
        let found = self.call(ops::DescribeScalingActivities, input).await;
        found.unwrap().activities.unwrap()
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Answer<T>, code: &str, message: &str) {
    let e = result.unwrap_err();
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

#[track_caller]
fn invalid<T: std::fmt::Debug>(result: Answer<T>, message: &str) {
    refused(result, "ValidationError", message);
}

#[test]
fn every_taken_operation_is_in_the_table() {
    let table = crate::table(Arc::new(Autoscaling::default()));
    let operations = table.schema().operations.iter().filter(|o| o.taken);
    let missing: Vec<_> = operations
        .filter(|o| table.status(o.name) == Status::NotYet)
        .map(|o| o.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
