use super::file::wanted;
use super::plan;
use super::progress::{self, Verdict, verdict};
use crate::commands::yaml::parse;
use crate::view::Paint;
use neargate_api_ecs as ecs;
use neargate_base::Timestamp;

const WEB: &str = "
cluster: prod
taskDefinition:
  networkMode: awsvpc
  requiresCompatibilities: [FARGATE]
  cpu: 256
  memory: \"512\"
  containerDefinitions:
    - name: web
      image: web:1
      essential: true
      portMappings: [{containerPort: 80}]
      environment:
        - {name: PORT, value: 080}
      dockerLabels: {a: yes}
service:
  serviceName: web
  desiredCount: 2
";

fn wrong(text: &str) -> String {
    wanted(text).expect_err("is wrong").to_string()
}

#[test]
fn a_file_is_read_by_the_models_types() {
    let web = wanted(WEB).expect("reads");
    assert_eq!(web.cluster.as_deref(), Some("prod"));
    let definition = &web.task_definition;
    assert_eq!(definition.family, "web", "the service's name");
    assert_eq!(
        (definition.cpu.as_deref(), definition.memory.as_deref()),
        (Some("256"), Some("512"))
    );
    let container = &definition.container_definitions[0];
    assert_eq!(container.essential, Some(true));
    assert_eq!(
        container.port_mappings.as_ref().expect("ports")[0].container_port,
        Some(80)
    );
    let environment = container.environment.as_ref().expect("variables");
    assert_eq!(
        environment[0].value.as_deref(),
        Some("080"),
        "text stays as it was written"
    );
    assert_eq!(
        container.docker_labels.as_ref().expect("labels")["a"],
        "yes"
    );
    assert_eq!(
        (web.service.service_name.as_str(), web.service.desired_count),
        ("web", Some(2))
    );
    let json = r#"{"taskDefinition": {"family": "f", "containerDefinitions": []}, "service": {}}"#;
    assert_eq!(
        wanted(json).expect("JSON is YAML").service.service_name,
        "f"
    );
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_and_the_line() {
    let say = |from: &str, to: &str| wrong(&WEB.replace(from, to));
    assert_eq!(
        say("cluster:", "clster:"),
        "line 2: unknown key \"clster\"; did you mean \"cluster\"?"
    );
    assert_eq!(
        say("image: web:1", "imgae: web:1"),
        "line 10: unknown key \"imgae\" in taskDefinition.containerDefinitions[0]; did you mean \"image\"?"
    );
    assert_eq!(
        say("desiredCount: 2", "desired_count: 2"),
        "line 18: unknown key \"desired_count\" in service; did you mean \"desiredCount\"?"
    );
    assert_eq!(
        say("desiredCount: 2", "cluster: other"),
        "line 18: service.cluster: give the cluster beside service, not in it"
    );
}

#[test]
fn values_of_another_type_are_refused() {
    let say = |from: &str, to: &str| wrong(&WEB.replace(from, to));
    assert_eq!(
        say("desiredCount: 2", "desiredCount: two"),
        "line 18: service.desiredCount must be a whole number, not \"two\""
    );
    assert_eq!(
        say("essential: true", "essential: yes"),
        "line 11: taskDefinition.containerDefinitions[0].essential must be true or false, not \"yes\""
    );
    assert_eq!(
        say("networkMode: awsvpc", "networkMode: awsvcp"),
        "line 4: taskDefinition.networkMode cannot be \"awsvcp\"; did you mean \"awsvpc\"?"
    );
    assert_eq!(
        say(
            "requiresCompatibilities: [FARGATE]",
            "requiresCompatibilities: FARGATE"
        ),
        "line 5: taskDefinition.requiresCompatibilities must be a list, not a single value"
    );
    assert!(say("serviceName: web", "").contains("is missing"));
    assert_eq!(wrong("service: {}"), "line 1: taskDefinition is missing");
}

#[test]
fn yaml_is_bounded() {
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]";
    assert!(
        wrong(bomb).starts_with("line 1: anchors and aliases"),
        "{}",
        wrong(bomb)
    );
    let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert!(parse(&deep).expect_err("deep").message.contains("deep"));
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(
        parse(&" ".repeat(2 << 20))
            .expect_err("large")
            .message
            .contains("larger")
    );
    assert!(wrong("a: 1\na: 2").contains("given twice, first on line 1"));
    assert!(wrong("a: 1\n---\nb: 2").contains("second document"));
    assert_eq!(wrong("# nothing"), "line 1: the file is empty");
    assert!(wrong("a: !!binary abc").contains("tag"));
    assert!(wrong("a: [1, 2").starts_with("line "));
}

fn registered(input: &ecs::RegisterTaskDefinitionInput) -> ecs::TaskDefinition {
    let arn = "arn:aws:ecs:r:1:task-definition/web:7".to_owned();
    let at = Timestamp::from_millis(5);
    neargate_ecs::as_described(input, arn, 7, "someone".into(), at)
}

#[test]
fn a_definition_is_registered_only_if_it_changed() {
    let web = wanted(WEB).expect("reads").task_definition;
    let known = registered(&web);
    assert!(plan::is_registered(&web, &known, &[]));
    let other = wanted(&WEB.replace("web:1", "web:2"))
        .expect("reads")
        .task_definition;
    assert!(!plan::is_registered(&other, &known, &[]));
    let fewer = wanted(&WEB.replace("- {name: PORT, value: 080}", "[]"));
    let fewer = fewer.expect("reads").task_definition;
    assert!(
        !plan::is_registered(&fewer, &known, &[]),
        "something was taken out"
    );
    let tag = ecs::Tag {
        key: Some("k".into()),
        value: Some("v".into()),
    };
    assert!(!plan::is_registered(&web, &known, &[tag]));
}

fn service() -> ecs::Service {
    ecs::Service {
        status: Some("ACTIVE".into()),
        task_definition: Some("td:1".into()),
        launch_type: Some("FARGATE".into()),
        desired_count: Some(2),
        running_count: Some(2),
        deployments: Some(vec![deployment("PRIMARY", "ours", "COMPLETED")]),
        ..Default::default()
    }
}

fn deployment(status: &str, id: &str, state: &str) -> ecs::Deployment {
    ecs::Deployment {
        id: Some(id.into()),
        status: Some(status.into()),
        rollout_state: Some(state.into()),
        rollout_state_reason: Some("why".into()),
        task_definition: Some("arn:td/web:1".into()),
        desired_count: Some(2),
        running_count: Some(1),
        pending_count: Some(1),
        ..Default::default()
    }
}

#[test]
fn only_what_changes_is_updated() {
    let mut web = wanted(WEB).expect("reads").service;
    assert_eq!(plan::update(&web, &service(), "td:1", false), Ok(None));
    let update = plan::update(&web, &service(), "td:2", false)
        .expect("can")
        .expect("changes");
    assert_eq!(
        (update.task_definition.as_deref(), update.desired_count),
        (Some("td:2"), None)
    );
    let forced = plan::update(&web, &service(), "td:1", true)
        .expect("can")
        .expect("changes");
    assert_eq!(forced.force_new_deployment, Some(true));
    web.launch_type = Some("EC2".into());
    let why = plan::update(&web, &service(), "td:1", false).expect_err("cannot");
    assert!(
        why.starts_with("launchType of a service cannot change from FARGATE to EC2"),
        "{why}"
    );
}

#[test]
fn steady_is_when_nothing_is_left_to_do() {
    assert_eq!(verdict(&service(), "ours"), Verdict::Steady);
    let with = |change: fn(&mut ecs::Service)| {
        let mut service = service();
        change(&mut service);
        verdict(&service, "ours")
    };
    assert_eq!(with(|s| s.running_count = Some(1)), Verdict::Going);
    assert_eq!(
        with(|s| s.deployments = Some(vec![deployment("PRIMARY", "ours", "IN_PROGRESS")])),
        Verdict::Going
    );
    let draining = |s: &mut ecs::Service| {
        let old = deployment("ACTIVE", "old", "COMPLETED");
        s.deployments.get_or_insert_default().push(old);
    };
    assert_eq!(with(draining), Verdict::Going);
    let failed = |s: &mut ecs::Service| {
        let ours = deployment("ACTIVE", "ours", "FAILED");
        s.deployments = Some(vec![deployment("PRIMARY", "rollback", "IN_PROGRESS"), ours]);
    };
    assert_eq!(with(failed), Verdict::Failed("why".into()));
    let replaced = |s: &mut ecs::Service| {
        s.deployments = Some(vec![deployment("PRIMARY", "rollback", "IN_PROGRESS")]);
    };
    assert!(matches!(with(replaced), Verdict::Failed(why) if why.contains("another deployment")));
    assert!(matches!(
        with(|s| s.status = Some("DRAINING".into())),
        Verdict::Failed(_)
    ));
}

#[test]
fn progress_is_a_line_a_deployment_and_each_event_once() {
    let mut service = service();
    assert_eq!(
        progress::lines(&service, Paint::NONE),
        ["  PRIMARY  web:1 COMPLETED: 1 of 2 running, 1 pending"]
    );
    let event = |id: &str| ecs::ServiceEvent {
        id: Some(id.into()),
        ..Default::default()
    };
    service.events = Some(vec![event("3"), event("2"), event("1")]);
    let ids = |seen: Option<&str>| -> Vec<String> {
        let new = progress::new_events(&service, seen);
        new.iter().filter_map(|e| e.id.clone()).collect()
    };
    assert_eq!(ids(Some("1")), ["2", "3"]);
    assert_eq!(ids(Some("3")), [""; 0]);
    assert_eq!(ids(None), ["1", "2", "3"]);
}

#[test]
fn a_failure_says_everything_known() {
    let task = ecs::Task {
        stop_code: Some("EssentialContainerExited".into()),
        stopped_reason: Some("Essential container in task exited".into()),
        containers: Some(vec![ecs::Container {
            name: Some("web".into()),
            exit_code: Some(3),
            reason: Some("OutOfMemoryError: Container killed due to memory usage".into()),
            ..Default::default()
        }]),
        ..Default::default()
    };
    assert_eq!(
        progress::failure(&task).as_deref(),
        Some(
            "Essential container in task exited; web: OutOfMemoryError: Container killed due to \
             memory usage; web exited with 3"
        )
    );
    let scaled_in = ecs::Task {
        stop_code: Some("ServiceSchedulerInitiated".into()),
        ..task
    };
    assert_eq!(progress::failure(&scaled_in), None);
}
