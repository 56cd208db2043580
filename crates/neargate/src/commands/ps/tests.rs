use super::row::{HEADINGS, Known, Row};
use crate::view::{Paint, Table};
use neargate_api_ecs as ecs;
use neargate_base::Timestamp;
use neargate_control::pages::TaskUsage;
use std::collections::HashMap;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn task() -> ecs::Task {
    let some = |s: &str| Some(s.to_owned());
    ecs::Task {
        task_arn: Some(format!("arn:aws:ecs:us-east-1:000000000000:task/c/{ID}")),
        task_definition_arn: some("arn:td/web:1"),
        group: some("service:web"),
        last_status: some("RUNNING"),
        desired_status: some("RUNNING"),
        health_status: some("UNKNOWN"),
        launch_type: some("FARGATE"),
        availability_zone: some("us-east-1a"),
        created_at: Some(Timestamp::from_millis(0)),
        containers: Some(vec![ecs::Container {
            name: some("web"),
            network_interfaces: Some(vec![ecs::NetworkInterface {
                private_ipv4_address: some("172.31.0.9"),
                ..Default::default()
            }]),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

fn known() -> Known {
    let definition = ecs::TaskDefinition {
        task_definition_arn: Some("arn:td/web:1".into()),
        container_definitions: Some(vec![ecs::ContainerDefinition {
            port_mappings: Some(vec![ecs::PortMapping {
                container_port: Some(80),
                ..Default::default()
            }]),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let instance = ecs::ContainerInstance {
        container_instance_arn: Some("arn:ci".into()),
        ec2_instance_id: Some("i-1".into()),
        ..Default::default()
    };
    let usage = TaskUsage {
        task_id: ID.into(),
        at_millis: 0,
        cpu_nanos: 1,
        memory_bytes: 5 << 20,
        memory_limit_bytes: None,
        processes: 1,
        network: None,
    };
    let addresses = HashMap::from([("i-1".to_owned(), "172.31.0.4".to_owned())]);
    let usage = HashMap::from([(ID.to_owned(), usage)]);
    Known::new(vec![definition], &[instance], addresses, usage)
}

fn shown(task: &ecs::Task) -> String {
    let mut table = Table::new(&HEADINGS);
    let row = Row::new("c", task, &known());
    table.row(row.cells(false, Timestamp::from_millis(61_000)));
    table.lines(Paint::NONE, None).pop().expect("a row")
}

#[test]
fn a_fargate_task_shows_its_own_address() {
    assert_eq!(
        shown(&task()),
        "01234567  web    RUNNING  FARGATE  us-east-1a  172.31.0.9:80  1m01s  5.0MiB"
    );
}

#[test]
fn a_task_on_an_instance_shows_the_ports_it_is_given_there() {
    let mut task = task();
    task.launch_type = Some("EC2".into());
    task.container_instance_arn = Some("arn:ci".into());
    let container = &mut task.containers.as_mut().expect("one")[0];
    container.network_interfaces = None;
    container.network_bindings = Some(vec![ecs::NetworkBinding {
        container_port: Some(80),
        host_port: Some(32_768),
        ..Default::default()
    }]);
    let row = shown(&task);
    assert!(row.contains("EC2   i-1    172.31.0.4:32768->80"), "{row}");
}

#[test]
fn a_stopped_task_says_why() {
    let mut task = task();
    task.last_status = Some("STOPPED".into());
    task.stopped_reason = Some("Essential container in task exited".into());
    task.containers.as_mut().expect("one")[0].exit_code = Some(3);
    let row = shown(&task);
    assert!(
        row.ends_with("Essential container in task exited (exit code of web: 3)"),
        "{row}"
    );
    assert!(!row.contains("172.31.0.9"), "an address it no longer has");
}
