//! What comes next, from nothing to a service and back, and what a call may ask for.

use super::configuration::{self, Asked};
use super::next::{Around, BalancerStep, Next, Standing, Step, of_balancer, of_service};
use crate::model::{ExpressConfiguration, ExpressLoadBalancer, ExpressMade, ExpressService};
use neargate_api_ecs as api;
use neargate_base::Timestamp;
use neargate_wire::json::Json;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn express() -> ExpressService {
    ExpressService {
        name: "web".into(),
        arn: "arn:aws:ecs:us-east-1:000000000000:service/default/web".into(),
        cluster: "default".into(),
        infrastructure_role_arn: "arn:aws:iam::000000000000:role/infrastructure".into(),
        endpoint: super::endpoint("web", &"0a".repeat(16), "us-east-1"),
        vpc_id: "vpc-1".into(),
        public: true,
        tags: Default::default(),
        created_at: NOW,
        updated_at: NOW,
        deleted_at: None,
        configurations: vec![wanted(1, 80)],
        made: ExpressMade::default(),
        problem: None,
    }
}

fn wanted(number: u32, port: u16) -> ExpressConfiguration {
    ExpressConfiguration {
        number,
        shown: Json(api::ExpressGatewayServiceConfiguration::default()),
        container_port: port,
    }
}

/// What the step leaves behind.
fn done(express: &mut ExpressService, around: &mut Around, step: Step) {
    let number = express.wanted().expect("one").number;
    let port = express.wanted().expect("one").container_port;
    let made = &mut express.made;
    match step {
        Step::LogGroup => made.log_group = number,
        Step::Join => made.load_balancer = Some("1".into()),
        Step::SecurityGroup => made.security_group = Some("sg-1".into()),
        Step::Port => made.ports.push(port),
        Step::TargetGroups => made.target_groups = vec![Default::default(); 2],
        Step::Name => made.named = true,
        Step::Rule => made.rule = Some("rule".into()),
        Step::Alarm => made.alarm = true,
        Step::Service => {
            made.service = number;
            around.service = Standing::Active;
        }
        Step::Scaling => made.scaling = number,
        Step::Abandon => express.deleted_at = Some(NOW),
        Step::DeleteService => {
            made.down += 1;
            around.service = Standing::Gone;
        }
        _ => made.down += 1,
    }
}

/// The steps from here until there is nothing to do by itself.
fn steps(express: &mut ExpressService, around: &mut Around) -> (Vec<Step>, Next) {
    let mut all = Vec::new();
    loop {
        match of_service(express, *around, NOW) {
            Next::Do(step) => {
                done(express, around, step);
                all.push(step);
            }
            end => return (all, end),
        }
    }
}

const READY: Around = Around {
    ready: true,
    service: Standing::Gone,
};

#[test]
fn everything_is_made_in_order_and_taken_down_again() {
    let (mut express, mut around) = (express(), READY);
    let (made, end) = steps(&mut express, &mut around);
    assert_eq!(
        made,
        [
            Step::LogGroup,
            Step::Join,
            Step::SecurityGroup,
            Step::Port,
            Step::TargetGroups,
            Step::Name,
            Step::Rule,
            Step::Alarm,
            Step::Service,
            Step::Scaling
        ]
    );
    assert_eq!(end, Next::Nothing);
    // Another port and image.
    express.configurations.push(wanted(2, 8080));
    let (made, _) = steps(&mut express, &mut around);
    let again = [Step::LogGroup, Step::Port, Step::Service, Step::Scaling];
    assert_eq!(made, again);
    express.deleted_at = Some(NOW);
    let (made, end) = steps(&mut express, &mut around);
    assert_eq!(
        made,
        [
            Step::StopScaling,
            Step::DeleteService,
            Step::DeleteAlarm,
            Step::Unname,
            Step::DeleteRule,
            Step::DeleteTargetGroups,
            Step::DeleteSecurityGroup,
            Step::Leave
        ]
    );
    let hour = Duration::from_secs(3_600);
    assert_eq!(end, Next::At(NOW + hour));
    assert_eq!(
        of_service(&express, around, NOW + hour),
        Next::Do(Step::Forget)
    );
}

#[test]
fn it_waits_for_its_load_balancer_and_for_the_tasks_to_drain() {
    let (mut express, mut around) = (express(), READY);
    around.ready = false;
    let (made, end) = steps(&mut express, &mut around);
    assert_eq!((made, end), (vec![Step::LogGroup, Step::Join], Next::Wait));
    // Deleted before it was ever there: all of the way down is gone, whatever was made.
    express.deleted_at = Some(NOW);
    express.made.down = 2;
    around.service = Standing::Draining;
    assert_eq!(of_service(&express, around, NOW), Next::Wait);
    around.service = Standing::Gone;
    assert_eq!(
        of_service(&express, around, NOW),
        Next::Do(Step::DeleteAlarm)
    );
}

#[test]
fn a_service_that_its_customer_deletes_takes_the_rest_with_it() {
    let (mut express, mut around) = (express(), READY);
    steps(&mut express, &mut around);
    around.service = Standing::Draining;
    assert_eq!(of_service(&express, around, NOW), Next::Do(Step::Abandon));
}

#[test]
fn a_load_balancer_lasts_as_long_as_it_has_members() {
    let of = express();
    let mut balancer = ExpressLoadBalancer::new(&of, Vec::new(), "default/web".into());
    assert_eq!(of_balancer(&balancer), Some(BalancerStep::SecurityGroup));
    balancer.security_group = Some("sg-1".into());
    balancer.certificate = Some("certificate".into());
    balancer.arn = Some("arn".into());
    balancer.listener = Some("listener".into());
    assert!(!balancer.is_ready());
    assert_eq!(of_balancer(&balancer), Some(BalancerStep::Redirect));
    balancer.redirect = Some("listener".into());
    assert!(balancer.is_ready());
    assert_eq!(of_balancer(&balancer), None);
    balancer.members.insert("default/other".into(), 3);
    assert_eq!(balancer.free_priority(), 2);
    balancer.leaving = true;
    assert_eq!(of_balancer(&balancer), Some(BalancerStep::Delete));
    balancer.down = 3;
    assert_eq!(of_balancer(&balancer), Some(BalancerStep::Forget));
}

fn container(image: &str) -> Asked {
    Asked {
        execution_role_arn: Some("arn:aws:iam::000000000000:role/execution".into()),
        primary_container: Some(api::ExpressGatewayContainer {
            image: image.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn defaults_are_those_of_the_reference() {
    let made = configuration::of(None, container("web"), "/logs").expect("made");
    assert_eq!(made.cpu.as_deref(), Some("256"));
    assert_eq!(made.memory.as_deref(), Some("512"));
    assert_eq!(made.health_check_path.as_deref(), Some("/ping"));
    let scaling = made.scaling_target.clone().expect("scaled");
    assert_eq!(
        (scaling.min_task_count, scaling.max_task_count),
        (Some(1), Some(20))
    );
    assert_eq!(scaling.auto_scaling_target_value, Some(60));
    let input = configuration::definition("default-web", "us-east-1", &made).expect("one");
    let main = &input.container_definitions[0];
    assert_eq!(main.name.as_deref(), Some("Main"));
    let ports = main.port_mappings.as_ref().expect("ports");
    assert_eq!(ports[0].container_port, Some(80));
}

#[test]
fn an_update_keeps_what_it_does_not_name() {
    let mut asked = container("one");
    asked.cpu = Some("1024".into());
    asked.memory = Some("2048".into());
    let mut before = configuration::of(None, asked, "/logs").expect("made");
    before.task_definition_arn = Some("arn".into());
    let scaled = Asked {
        scaling_target: Some(api::ExpressGatewayScalingTarget {
            max_task_count: Some(2),
            ..Default::default()
        }),
        ..Default::default()
    };
    let after = configuration::of(Some(&before), scaled, "/logs").expect("updated");
    assert_eq!(
        after.task_definition_arn.as_deref(),
        Some("arn"),
        "the same tasks"
    );
    assert_eq!(
        after.scaling_target.expect("scaled").max_task_count,
        Some(2)
    );
    let image = Asked {
        execution_role_arn: None,
        ..container("two")
    };
    let after = configuration::of(Some(&before), image, "/logs").expect("updated");
    assert_eq!(after.task_definition_arn, None, "one is to be registered");
    assert_eq!(after.cpu.as_deref(), Some("1024"));
    assert_eq!(after.execution_role_arn, before.execution_role_arn);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let refused = |asked| {
        let error = configuration::of(None, asked, "/logs").expect_err("refused");
        (error.code, error.message)
    };
    let says = |asked, what: &str| {
        let (code, message) = refused(asked);
        assert_eq!(code, "InvalidParameterException");
        assert!(message.contains(what), "{message}");
    };
    says(Asked::default(), "primaryContainer is required");
    says(
        Asked {
            task_definition_arn: Some("web:1".into()),
            ..container("web")
        },
        "primaryContainer cannot be specified",
    );
    says(
        Asked {
            execution_role_arn: None,
            ..container("web")
        },
        "executionRoleArn is required",
    );
    says(
        Asked {
            health_check_path: Some("ping".into()),
            ..container("web")
        },
        "forward slash",
    );
    says(container(" "), "image");
    let scaling = |least, most| Asked {
        scaling_target: Some(api::ExpressGatewayScalingTarget {
            min_task_count: Some(least),
            max_task_count: Some(most),
            ..Default::default()
        }),
        ..container("web")
    };
    says(scaling(0, 1), "minTaskCount");
    says(scaling(3, 2), "minTaskCount");
}

#[test]
fn a_definition_of_the_customer_has_one_named_port_of_main() {
    let mapping = |name: Option<&str>| api::PortMapping {
        container_port: Some(8080),
        name: name.map(str::to_owned),
        ..Default::default()
    };
    let definition = |name: &str, ports| api::TaskDefinition {
        compatibilities: Some(vec!["EC2".into(), "FARGATE".into()]),
        container_definitions: Some(vec![api::ContainerDefinition {
            name: Some(name.into()),
            port_mappings: Some(ports),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let port = |name, ports| configuration::port_of(&definition(name, ports)).ok();
    assert_eq!(port("Main", vec![mapping(Some("http"))]), Some(8080));
    assert_eq!(port("Main", vec![mapping(None)]), None);
    assert_eq!(
        port("Main", vec![mapping(Some("a")), mapping(Some("b"))]),
        None
    );
    assert_eq!(port("app", vec![mapping(Some("http"))]), None);
}
