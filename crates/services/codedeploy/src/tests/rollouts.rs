//! Deployments from their beginning to their end.

use super::{SPEC, World, asked, said};
use neargate_api_codedeploy::{self as api, ops};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn waits(ready: i32, termination: i32) -> api::BlueGreenDeploymentConfiguration {
    let stops = ready > 0;
    api::BlueGreenDeploymentConfiguration {
        terminate_blue_instances_on_deployment_success: Some(api::BlueInstanceTerminationOption {
            action: Some("TERMINATE".into()),
            termination_wait_time_in_minutes: Some(termination),
        }),
        deployment_ready_option: Some(api::DeploymentReadyOption {
            action_on_timeout: Some(
                if stops {
                    "STOP_DEPLOYMENT"
                } else {
                    "CONTINUE_DEPLOYMENT"
                }
                .into(),
            ),
            wait_time_in_minutes: Some(ready),
        }),
        green_fleet_provisioning_option: None,
    }
}

#[tokio::test]
async fn all_traffic_goes_over_at_once() {
    let world = World::of(asked("ECSAllAtOnce")).await;
    let id = world.deploy(SPEC).await.expect("made");
    world.run(&id).await;
    assert_eq!(world.status(&id).await, "Succeeded");
    assert_eq!(
        world.elsewhere.said(),
        [
            "weights 100/0",
            "create green:1 behind arn:green",
            "weights 0/100",
            "primary ecs-svc/2",
            "delete ecs-svc/1"
        ]
    );
    let input = api::BatchGetDeploymentTargetsInput {
        deployment_id: id.clone(),
        target_ids: vec!["c:web".into()],
    };
    let told = world.ask(ops::BatchGetDeploymentTargets, input).await;
    let told = told.expect("told").deployment_targets.expect("one");
    let told = told[0].ecs_target.clone().expect("of ECS");
    let events: Vec<String> = told
        .lifecycle_events
        .unwrap_or_default()
        .into_iter()
        .map(|e| {
            format!(
                "{} {}",
                e.lifecycle_event_name.unwrap_or_default(),
                e.status.unwrap_or_default()
            )
        })
        .collect();
    let names = [
        "BeforeInstall",
        "Install",
        "AfterInstall",
        "BeforeAllowTraffic",
        "AllowTraffic",
        "AfterAllowTraffic",
    ];
    assert_eq!(events, names.map(|name| format!("{name} Succeeded")));
}

#[tokio::test]
async fn shares_go_over_at_their_times() {
    for (config, times, wanted) in [
        ("ECSCanary10Percent5Minutes", 5, vec!["90/10", "0/100"]),
        (
            "ECSLinear10PercentEvery1Minutes",
            1,
            vec![
                "90/10", "80/20", "70/30", "60/40", "50/50", "40/60", "30/70", "20/80", "10/90",
                "0/100",
            ],
        ),
    ] {
        let world = World::of(asked(config)).await;
        let id = world.deploy(SPEC).await.expect("made");
        let mut shares = Vec::new();
        for _ in 0..wanted.len() {
            world.run(&id).await;
            let said = world.elsewhere.said();
            let weights = said.iter().filter_map(|s| s.strip_prefix("weights "));
            shares.extend(weights.map(str::to_owned));
            world
                .lab
                .clock
                .advance(MINUTE * times - Duration::from_secs(1));
            world.run(&id).await;
            let early = world.elsewhere.said();
            assert!(early.iter().all(|s| !s.starts_with("weights")), "{early:?}");
            world.lab.clock.advance(Duration::from_secs(1));
        }
        assert_eq!(shares[0], "100/0");
        assert_eq!(shares[1..], wanted);
        assert_eq!(world.status(&id).await, "Succeeded");
    }
}

#[tokio::test]
async fn it_waits_for_somebody_and_before_it_terminates() {
    let mut input = asked("ECSAllAtOnce");
    input.blue_green_deployment_configuration = Some(waits(10, 5));
    let world = World::of(input).await;
    let id = world.deploy(SPEC).await.expect("made");
    world.run(&id).await;
    assert_eq!(world.status(&id).await, "Ready");
    let told = said(world.deploy(SPEC).await);
    assert_eq!(
        told,
        format!(
            "400 DeploymentLimitExceededException The Deployment Group 'group' already has an active Deployment '{id}'"
        )
    );
    let go_on = |wait: &str| api::ContinueDeploymentInput {
        deployment_id: Some(id.clone()),
        deployment_wait_type: Some(wait.into()),
    };
    let early = world
        .ask(ops::ContinueDeployment, go_on("TERMINATION_WAIT"))
        .await;
    assert!(said(early).starts_with("400 DeploymentIsNotInReadyStateException"));
    world
        .ask(ops::ContinueDeployment, go_on("READY_WAIT"))
        .await
        .expect("continued");
    world.run(&id).await;
    let info = world.info(&id).await;
    assert_eq!(info.status.as_deref(), Some("InProgress"));
    assert_eq!(info.instance_termination_wait_time_started, Some(true));
    world.lab.clock.advance(MINUTE * 5);
    world.run(&id).await;
    assert_eq!(world.status(&id).await, "Succeeded");
    // Nobody continues the next one.
    let id = world.deploy(SPEC).await.expect("made");
    world.run(&id).await;
    world.lab.clock.advance(MINUTE * 10);
    world.run(&id).await;
    assert_eq!(world.status(&id).await, "Stopped");
}

#[tokio::test]
async fn an_alarm_or_somebody_brings_the_traffic_back() {
    for by_alarm in [true, false] {
        let mut input = asked("ECSCanary10Percent5Minutes");
        input.alarm_configuration = Some(api::AlarmConfiguration {
            enabled: Some(true),
            ignore_poll_alarm_failure: None,
            alarms: Some(vec![api::Alarm {
                name: Some("errors".into()),
            }]),
        });
        input.auto_rollback_configuration = Some(api::AutoRollbackConfiguration {
            enabled: Some(true),
            events: Some(vec!["DEPLOYMENT_STOP_ON_ALARM".into()]),
        });
        let world = World::of(input).await;
        let id = world.deploy(SPEC).await.expect("made");
        world.run(&id).await;
        assert_eq!(
            world.elsewhere.said().last().map(String::as_str),
            Some("weights 90/10")
        );
        if by_alarm {
            *world.elsewhere.alarm.lock().expect("whole") = true;
        } else {
            let input = api::StopDeploymentInput {
                deployment_id: id.clone(),
                auto_rollback_enabled: None,
            };
            world.ask(ops::StopDeployment, input).await.expect("asked");
        }
        world.run(&id).await;
        assert_eq!(
            world.elsewhere.said(),
            ["weights 100/0", "primary ecs-svc/1", "delete ecs-svc/2"]
        );
        let info = world.info(&id).await;
        assert_eq!(info.status.as_deref(), Some("Stopped"));
        let error = info.error_information.expect("why").code.expect("a code");
        let rollback = info.rollback_info.and_then(|r| r.rollback_deployment_id);
        if by_alarm {
            assert_eq!(error, "ALARM_ACTIVE");
            let of = world.info(&rollback.expect("one")).await;
            assert_eq!(of.creator.as_deref(), Some("codeDeployRollback"));
        } else {
            assert_eq!((error.as_str(), rollback), ("MANUAL_STOP", None));
        }
    }
}

#[tokio::test]
async fn a_replacement_that_never_gets_steady_fails() {
    let world = World::of(asked("ECSAllAtOnce")).await;
    *world.elsewhere.steady.lock().expect("whole") = false;
    let id = world.deploy(SPEC).await.expect("made");
    world.run(&id).await;
    assert_eq!(world.status(&id).await, "InProgress");
    world.lab.clock.advance(MINUTE * 60);
    world.run(&id).await;
    let info = world.info(&id).await;
    assert_eq!(info.status.as_deref(), Some("Failed"));
    assert_eq!(
        info.error_information.and_then(|e| e.code).as_deref(),
        Some("TIMEOUT")
    );
    assert!(world.elsewhere.said().contains(&"delete ecs-svc/2".into()));
}

#[tokio::test]
async fn what_is_not_built_or_wrong_is_refused() {
    let world = World::of(asked("ECSAllAtOnce")).await;
    let input = api::CreateApplicationInput {
        application_name: "server".into(),
        ..Default::default()
    };
    let told = said(world.ask(ops::CreateApplication, input).await);
    assert!(told.contains("the compute platform Server"), "{told}");
    let hooked = format!("{SPEC}Hooks:\n  - BeforeInstall: f\n");
    let told = said(world.deploy(&hooked).await);
    assert!(
        told.starts_with("400 InvalidRevisionException") && told.contains("Lambda"),
        "{told}"
    );
    let bomb = "a: &a [1]\nb: *a\n";
    assert!(said(world.deploy(bomb).await).contains("anchors"));
    let deep = "[".repeat(100);
    assert!(said(world.deploy(&deep).await).contains("nested"));
    let json = r#"{"version":1,"Resources":[{"T":{"Type":"AWS::ECS::Service","Properties":{"TaskDefinition":"x:1",
        "LoadBalancerInfo":{"ContainerName":"app","ContainerPort":80}}}}]}"#;
    world.deploy(json).await.expect("JSON is read");
    let told = said(
        world
            .ask(ops::CreateDeploymentGroup, asked("ECSAllAtOnce"))
            .await,
    );
    assert!(
        told.starts_with("400 ECSServiceMappingLimitExceededException")
            || told.starts_with("400 DeploymentGroupAlreadyExistsException"),
        "{told}"
    );
    let input = api::GetDeploymentInput {
        deployment_id: "d-000000000".into(),
    };
    let told = said(world.ask(ops::GetDeployment, input).await);
    assert_eq!(
        told,
        "400 DeploymentDoesNotExistException The deployment d-000000000 could not be found"
    );
}
