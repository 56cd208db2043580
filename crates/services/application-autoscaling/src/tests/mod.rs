//! Operations through their table, with the controller driven by hand, on a store in memory. ECS and
//! CloudWatch are played.

mod policies;
mod scaling;
mod stored;
mod targets;

use crate::ApplicationAutoscaling;
use crate::controller::Scaler;
use neargate_api_application_autoscaling::{self as api, ops};
use neargate_api_cloudwatch as cloudwatch;
use neargate_api_ecs as ecs;
use neargate_domain::alarm::{AlarmReading, AlarmState};
use neargate_service::controller::{Applied, Controller as _};
use neargate_service::{AwsError, Ctx, OperationTable, Resource as _, Service, Status, alarm, db};
use neargate_testkit::Lab;
use neargate_wire::structure::{OperationDef, Unit};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub const POLICY: &str = "cpu";
pub const RESOURCE: &str = "service/c/web";
pub const DIMENSION: &str = "ecs:service:DesiredCount";

/// ECS's services and CloudWatch's alarms, as far as they are asked.
#[derive(Debug, Default)]
pub struct Fake {
    pub services: Mutex<BTreeMap<String, ecs::Service>>,
    pub alarms: Mutex<BTreeMap<String, cloudwatch::PutMetricAlarmInput>>,
    pub refusal: Mutex<Option<AwsError>>,
}

type Answer<T> = Result<T, AwsError>;

async fn describe_services(
    fake: Arc<Fake>,
    _: Ctx,
    input: ecs::DescribeServicesInput,
) -> Answer<ecs::DescribeServicesOutput> {
    if input.cluster.as_deref() != Some("c") {
        return Err(AwsError::client(
            "ClusterNotFoundException",
            "Cluster not found.",
        ));
    }
    let services = fake.services.lock();
    let found = input
        .services
        .iter()
        .filter_map(|name| services.get(name).cloned());
    Ok(ecs::DescribeServicesOutput {
        services: Some(found.collect()),
        ..Default::default()
    })
}

async fn update_service(
    fake: Arc<Fake>,
    _: Ctx,
    input: ecs::UpdateServiceInput,
) -> Answer<ecs::UpdateServiceOutput> {
    let mut services = fake.services.lock();
    let service = services.get_mut(&input.service);
    let service = service.ok_or_else(|| AwsError::client("ServiceNotFoundException", "Gone."))?;
    service.desired_count = input.desired_count;
    Ok(Default::default())
}

async fn put_metric_alarm(
    fake: Arc<Fake>,
    _: Ctx,
    input: cloudwatch::PutMetricAlarmInput,
) -> Answer<Unit> {
    match fake.refusal.lock().clone() {
        Some(refusal) => Err(refusal),
        None => {
            fake.alarms.lock().insert(input.alarm_name.clone(), input);
            Ok(Unit)
        }
    }
}

async fn delete_alarms(
    fake: Arc<Fake>,
    _: Ctx,
    input: cloudwatch::DeleteAlarmsInput,
) -> Answer<Unit> {
    for name in input.alarm_names {
        fake.alarms.lock().remove(&name);
    }
    Ok(Unit)
}

async fn describe_alarms(
    _: Arc<Fake>,
    _: Ctx,
    input: cloudwatch::DescribeAlarmsInput,
) -> Answer<cloudwatch::DescribeAlarmsOutput> {
    let asked = input.action_prefix.unwrap_or_default();
    let alarm = |name: &str| cloudwatch::MetricAlarm {
        alarm_name: Some(name.into()),
        alarm_arn: Some(format!("arn:{name}")),
        ..Default::default()
    };
    let is_step = asked.ends_with("policyName/step");
    Ok(cloudwatch::DescribeAlarmsOutput {
        metric_alarms: Some(is_step.then(|| alarm("by-hand")).into_iter().collect()),
        ..Default::default()
    })
}

pub struct Place {
    pub lab: Lab,
    pub fake: Arc<Fake>,
    table: Arc<dyn Service>,
    component: Arc<ApplicationAutoscaling>,
    scaler: Scaler,
}

/// A place in which ECS has the service `web` of one task, in the cluster `c`.
pub fn place() -> Place {
    let lab = Lab::default();
    let fake = Arc::new(Fake::default());
    let component = Arc::<ApplicationAutoscaling>::default();
    let table: Arc<dyn Service> = Arc::new(crate::table(component.clone()));
    let of_ecs = OperationTable::new(&ecs::SERVICE, fake.clone())
        .on(ecs::ops::DescribeServices, describe_services)
        .on(ecs::ops::UpdateService, update_service);
    let of_cloudwatch = OperationTable::new(&cloudwatch::SERVICE, fake.clone())
        .on(cloudwatch::ops::PutMetricAlarm, put_metric_alarm)
        .on(cloudwatch::ops::DeleteAlarms, delete_alarms)
        .on(cloudwatch::ops::DescribeAlarms, describe_alarms);
    lab.house.caller.connect(vec![
        table.clone(),
        Arc::new(of_ecs),
        Arc::new(of_cloudwatch),
    ]);
    let scaler = Scaler::new(lab.house.clone(), component.readings.clone());
    let place = Place {
        lab,
        fake,
        table,
        component,
        scaler,
    };
    place.has("web", 1);
    place
}

impl Place {
    pub async fn call<O: OperationDef>(&self, operation: O, input: O::Input) -> Answer<O::Output> {
        neargate_testkit::call(&*self.table, self.lab.cx(), operation, input).await
    }

    /// ECS has a service with so many tasks, all running.
    pub fn has(&self, name: &str, count: i32) {
        let group =
            "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/web/0123456789abcdef";
        let service = ecs::Service {
            status: Some("ACTIVE".into()),
            desired_count: Some(count),
            running_count: Some(count),
            load_balancers: Some(vec![ecs::LoadBalancer {
                target_group_arn: Some(group.into()),
                ..Default::default()
            }]),
            ..Default::default()
        };
        self.fake.services.lock().insert(name.into(), service);
    }

    pub fn desired(&self, name: &str) -> Option<i32> {
        self.fake.services.lock()[name].desired_count
    }

    /// As many tasks run as are desired.
    pub fn run(&self) {
        for service in self.fake.services.lock().values_mut() {
            service.running_count = service.desired_count;
        }
    }

    pub fn later(&self, seconds: u64) {
        self.lab.clock.advance(Duration::from_secs(seconds));
    }

    pub async fn register(&self, min: i32, max: i32) {
        let input = api::RegisterScalableTargetInput {
            min_capacity: Some(min),
            max_capacity: Some(max),
            ..registration()
        };
        self.call(ops::RegisterScalableTarget, input).await.unwrap();
    }

    /// The controller does what there is to do.
    pub async fn live(&self) {
        let prefix = format!("{}/", crate::model::Target::KIND);
        for _ in 0..20 {
            let all = self
                .lab
                .house
                .db
                .list_prefix::<crate::model::Target>(&prefix);
            let mut is_quiet = true;
            for target in all.await.unwrap() {
                let Some(view) = self.scaler.view(&target.key).await.unwrap() else {
                    continue;
                };
                let plan = self.scaler.plan(&view, self.lab.house.now());
                for action in plan.actions {
                    is_quiet = false;
                    if self.scaler.apply(action).await.unwrap() == Applied::Conflict {
                        break;
                    }
                }
            }
            if is_quiet {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// CloudWatch evaluates an alarm, whose action is the policy.
    pub fn evaluated(&self, name: &str, action: &str, value: Option<f64>) {
        let now = self.lab.house.now();
        let reading = AlarmReading {
            arn: self.lab.scope.arn("cloudwatch", format!("alarm:{name}")),
            name: name.into(),
            state: AlarmState::Alarm,
            since: now,
            evaluated_at: now,
            value,
            threshold: Some(50.0),
            actions_enabled: true,
            actions: vec![action.into()],
        };
        let key = db::key::<AlarmReading>(&self.lab.scope, &alarm::id(name));
        self.component.readings.put(&key, &reading);
    }

    /// The alarm that the policy owns: its name and its action.
    pub fn own(&self, which: &str) -> (String, String) {
        let alarms = self.fake.alarms.lock();
        let mut found = alarms.values().filter(|a| a.alarm_name.contains(which));
        let alarm = found.next().expect("the alarm is made");
        let action = alarm.alarm_actions.as_ref().expect("an action")[0].clone();
        (alarm.alarm_name.clone(), action)
    }

    pub async fn activities(&self) -> Vec<api::ScalingActivity> {
        let input = api::DescribeScalingActivitiesInput {
            service_namespace: "ecs".into(),
            include_not_scaled_activities: Some(true),
            ..Default::default()
        };
        let found = self.call(ops::DescribeScalingActivities, input).await;
        found.unwrap().scaling_activities.unwrap()
    }

    pub async fn targets(&self) -> Vec<api::ScalableTarget> {
        let input = api::DescribeScalableTargetsInput {
            service_namespace: "ecs".into(),
            ..Default::default()
        };
        let found = self.call(ops::DescribeScalableTargets, input).await;
        found.unwrap().scalable_targets.unwrap()
    }
}

pub fn registration() -> api::RegisterScalableTargetInput {
    api::RegisterScalableTargetInput {
        service_namespace: "ecs".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
        ..Default::default()
    }
}

/// A policy that tracks the CPU at 50 %.
pub fn tracking() -> api::PutScalingPolicyInput {
    let metric = api::PredefinedMetricSpecification {
        predefined_metric_type: "ECSServiceAverageCPUUtilization".into(),
        ..Default::default()
    };
    api::PutScalingPolicyInput {
        policy_name: POLICY.into(),
        service_namespace: "ecs".into(),
        resource_id: RESOURCE.into(),
        scalable_dimension: DIMENSION.into(),
        policy_type: some("TargetTrackingScaling"),
        target_tracking_scaling_policy_configuration: Some(
            api::TargetTrackingScalingPolicyConfiguration {
                target_value: 50.0,
                predefined_metric_specification: Some(metric),
                ..Default::default()
            },
        ),
        ..Default::default()
    }
}

pub fn some(text: &str) -> Option<String> {
    Some(text.into())
}

/// The call was refused with these.
pub fn refused<T: std::fmt::Debug>(answer: Answer<T>, code: &str, message: &str) {
    let error = answer.expect_err(message);
    assert_eq!((&*error.code, &*error.message), (code, message));
}

#[test]
fn every_taken_operation_is_in_the_table() {
    let table = crate::table(Arc::default());
    let operations = table.schema().operations.iter().filter(|o| o.taken);
    let missing: Vec<_> = operations
        .filter(|o| table.status(o.name) == Status::NotYet)
        .map(|o| o.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}
