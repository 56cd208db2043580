//! ECS, Elastic Load Balancing and CloudWatch, as far as deployments ask them.

use neargate_api_cloudwatch as cloudwatch;
use neargate_api_ecs as ecs;
use neargate_api_elbv2 as elb;
use neargate_service::{AwsError, Ctx, OperationTable, Service};
use std::sync::{Arc, Mutex};

type Answer<T> = Result<T, AwsError>;

/// What was asked for, in its order, and what is answered.
#[derive(Debug)]
pub struct Elsewhere {
    pub log: Mutex<Vec<String>>,
    pub steady: Mutex<bool>,
    pub alarm: Mutex<bool>,
    actions: Mutex<Vec<elb::Action>>,
}

impl Default for Elsewhere {
    fn default() -> Elsewhere {
        Elsewhere {
            log: Mutex::default(),
            steady: Mutex::new(true),
            alarm: Mutex::new(false),
            actions: Mutex::new(vec![elb::Action {
                r#type: "forward".into(),
                target_group_arn: Some("arn:blue".into()),
                ..Default::default()
            }]),
        }
    }
}

impl Elsewhere {
    pub fn tables(self: &Arc<Self>) -> Vec<Arc<dyn Service>> {
        let cluster = OperationTable::new(&ecs::SERVICE, self.clone())
            .on(ecs::ops::DescribeServices, services)
            .on(ecs::ops::CreateTaskSet, create)
            .on(ecs::ops::DescribeTaskSets, sets)
            .on(ecs::ops::UpdateServicePrimaryTaskSet, primary)
            .on(ecs::ops::DeleteTaskSet, delete);
        let balancers = OperationTable::new(&elb::SERVICE, self.clone())
            .on(elb::ops::DescribeTargetGroups, groups)
            .on(elb::ops::DescribeListeners, listeners)
            .on(elb::ops::DescribeRules, rules)
            .on(elb::ops::ModifyListener, modify);
        let alarms = OperationTable::new(&cloudwatch::SERVICE, self.clone())
            .on(cloudwatch::ops::DescribeAlarms, alarms);
        vec![Arc::new(cluster), Arc::new(balancers), Arc::new(alarms)]
    }

    pub fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().expect("whole"))
    }

    fn note(&self, what: String) {
        self.log.lock().expect("whole").push(what);
    }
}

async fn services(
    _: Arc<Elsewhere>,
    _: Ctx,
    _: ecs::DescribeServicesInput,
) -> Answer<ecs::DescribeServicesOutput> {
    let blue = ecs::TaskSet {
        id: Some("ecs-svc/1".into()),
        status: Some("PRIMARY".into()),
        launch_type: Some("FARGATE".into()),
        load_balancers: Some(vec![ecs::LoadBalancer {
            target_group_arn: Some("arn:blue".into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    Ok(ecs::DescribeServicesOutput {
        services: Some(vec![ecs::Service {
            status: Some("ACTIVE".into()),
            task_sets: Some(vec![blue]),
            ..Default::default()
        }]),
        ..Default::default()
    })
}

async fn create(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: ecs::CreateTaskSetInput,
) -> Answer<ecs::CreateTaskSetOutput> {
    assert_eq!(input.client_token, input.external_id);
    let group = &input.load_balancers.as_ref().expect("one")[0];
    let group = group.target_group_arn.clone().unwrap_or_default();
    of.note(format!("create {} behind {group}", input.task_definition));
    Ok(ecs::CreateTaskSetOutput {
        task_set: Some(ecs::TaskSet {
            id: Some("ecs-svc/2".into()),
            ..Default::default()
        }),
    })
}

async fn sets(
    of: Arc<Elsewhere>,
    _: Ctx,
    _: ecs::DescribeTaskSetsInput,
) -> Answer<ecs::DescribeTaskSetsOutput> {
    let steady = *of.steady.lock().expect("whole");
    let state = if steady {
        "STEADY_STATE"
    } else {
        "STABILIZING"
    };
    Ok(ecs::DescribeTaskSetsOutput {
        task_sets: Some(vec![ecs::TaskSet {
            stability_status: Some(state.into()),
            ..Default::default()
        }]),
        ..Default::default()
    })
}

async fn primary(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: ecs::UpdateServicePrimaryTaskSetInput,
) -> Answer<ecs::UpdateServicePrimaryTaskSetOutput> {
    of.note(format!("primary {}", input.primary_task_set));
    Ok(Default::default())
}

async fn delete(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: ecs::DeleteTaskSetInput,
) -> Answer<ecs::DeleteTaskSetOutput> {
    of.note(format!("delete {}", input.task_set));
    Ok(Default::default())
}

async fn groups(
    _: Arc<Elsewhere>,
    _: Ctx,
    input: elb::DescribeTargetGroupsInput,
) -> Answer<elb::DescribeTargetGroupsOutput> {
    let group = |name: String| elb::TargetGroup {
        target_group_arn: Some(format!("arn:{name}")),
        target_group_name: Some(name),
        ..Default::default()
    };
    let names = input.names.unwrap_or_default();
    Ok(elb::DescribeTargetGroupsOutput {
        target_groups: Some(names.into_iter().map(group).collect()),
        ..Default::default()
    })
}

async fn listeners(
    of: Arc<Elsewhere>,
    _: Ctx,
    _: elb::DescribeListenersInput,
) -> Answer<elb::DescribeListenersOutput> {
    Ok(elb::DescribeListenersOutput {
        listeners: Some(vec![elb::Listener {
            default_actions: Some(of.actions.lock().expect("whole").clone()),
            ..Default::default()
        }]),
        ..Default::default()
    })
}

async fn rules(
    _: Arc<Elsewhere>,
    _: Ctx,
    _: elb::DescribeRulesInput,
) -> Answer<elb::DescribeRulesOutput> {
    Ok(Default::default())
}

async fn modify(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: elb::ModifyListenerInput,
) -> Answer<elb::ModifyListenerOutput> {
    let actions = input.default_actions.expect("some");
    let forward = actions[0].forward_config.clone().expect("weights");
    let weights = forward.target_groups.unwrap_or_default();
    let weights: Vec<String> = weights
        .iter()
        .map(|g| g.weight.unwrap_or_default().to_string())
        .collect();
    of.note(format!("weights {}", weights.join("/")));
    *of.actions.lock().expect("whole") = actions;
    Ok(Default::default())
}

async fn alarms(
    of: Arc<Elsewhere>,
    _: Ctx,
    _: cloudwatch::DescribeAlarmsInput,
) -> Answer<cloudwatch::DescribeAlarmsOutput> {
    let active = *of.alarm.lock().expect("whole");
    let alarm = cloudwatch::MetricAlarm::default();
    Ok(cloudwatch::DescribeAlarmsOutput {
        metric_alarms: Some(if active { vec![alarm] } else { Vec::new() }),
        ..Default::default()
    })
}
