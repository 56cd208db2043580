use super::choose::{Choice, among};
use super::source::{LogStream, streams_of};
use super::*;
use neargate_domain::{LaunchType, runtime_id};

fn task(group: &str, id: &str) -> ecs::Task {
    ecs::Task {
        task_arn: Some(format!("arn:aws:ecs:r:1:task/c/{id}")),
        group: Some(group.into()),
        ..Default::default()
    }
}

#[test]
fn a_name_is_a_service_before_a_family_before_a_task() {
    let all = [
        task("service:web", "aa11"),
        task("family:web", "bb22"),
        task("family:job", "bb33"),
    ];
    let group = |group: &str| {
        vec![Choice::Group {
            cluster: "c".into(),
            group: group.into(),
        }]
    };
    assert_eq!(among("c", &all, "web"), group("service:web"));
    assert_eq!(among("c", &all, "family:web"), group("family:web"));
    assert_eq!(among("c", &all, "job"), group("family:job"));
    assert_eq!(among("c", &all, "bb").len(), 2, "not enough of an id");
    let one = among("c", &all, "arn:aws:ecs:r:1:task/c/bb22");
    assert!(matches!(&one[..], [Choice::Task { id, .. }] if id == "bb22"));
    assert!(among("c", &all, "zz").is_empty());
}

#[test]
fn streams_are_named_as_the_driver_names_them() {
    let options = [
        ("awslogs-group", "/g"),
        ("awslogs-stream-prefix", "p"),
        ("awslogs-region", "eu-west-1"),
    ];
    let container = |name: &str, driver: &str| ecs::ContainerDefinition {
        name: Some(name.into()),
        log_configuration: Some(ecs::LogConfiguration {
            log_driver: driver.into(),
            options: Some(options.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let definition = ecs::TaskDefinition {
        container_definitions: Some(vec![container("app", "awslogs"), container("side", "none")]),
        ..Default::default()
    };
    let wanted = LogStream {
        region: "eu-west-1".into(),
        group: "/g".into(),
        stream: "p/app/t1".into(),
    };
    let task = ecs::Task {
        task_arn: Some("arn:aws:ecs:r:1:task/c/t1".into()),
        launch_type: Some("EC2".into()),
        ..Default::default()
    };
    let found = streams_of(&definition, &task, "us-east-1");
    assert_eq!(found, [("app".into(), Some(wanted)), ("side".into(), None)]);
    // Without a prefix, as on an instance: the container's id.
    let mut bare = definition;
    let containers = bare.container_definitions.as_mut().expect("set");
    let log = containers[0].log_configuration.as_mut().expect("set");
    let options = log.options.as_mut().expect("set");
    options.remove("awslogs-stream-prefix");
    let found = streams_of(&bare, &task, "us-east-1");
    let stream = &found[0].1.as_ref().expect("kept").stream;
    assert_eq!(*stream, runtime_id(LaunchType::Ec2, "t1", "app"));
}

#[test]
fn ages_are_read_as_aws_reads_them() {
    assert_eq!(since("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(since("10m"), Ok(Duration::from_secs(600)));
    assert_eq!(since("2d"), Ok(Duration::from_secs(172_800)));
    for wrong in ["", "m", "10", "-1m", "1y", "é"] {
        assert!(since(wrong).is_err(), "{wrong}");
    }
}
