//! What a log router is given, and when it starts and stops.

use super::super::firelens;
use super::super::observe::Event;
use super::super::plan::Action;
use super::plan::{exit, running, step};
use super::*;
use neargate_base::Secret;
use neargate_domain::{
    ContainerSecrets, Firelens, InstanceNetwork, LogRoute, LogRouter, SecretVariable, TaskNetwork,
    TaskSecrets,
};
use std::collections::BTreeMap;

fn options(given: &[(&str, &str)]) -> BTreeMap<String, String> {
    let given = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    given.collect()
}

fn router(router: LogRouter, given: &[(&str, &str)]) -> ContainerSpec {
    let options = options(given);
    ContainerSpec {
        firelens: Some(Firelens { router, options }),
        ..container("router")
    }
}

fn routed(name: &str, given: &[(&str, &str)]) -> ContainerSpec {
    let options = options(given);
    let driver = "awsfirelens".into();
    ContainerSpec {
        log_route: Some(LogRoute { driver, options }),
        ..after(container(name), "router", "START")
    }
}

fn text(task: &Assignment) -> String {
    let files = firelens::files(task, &task.containers[0], Some("i-0a1b"), None).unwrap();
    files[0].text.clone()
}

const OPTIONS: [(&str, &str); 5] = [
    ("Name", "es"),
    ("Port", "9200"),
    ("Host", "es.internal"),
    ("exclude-pattern", "^healthy"),
    ("log-driver-buffer-limit", "2097152"),
];

#[test]
fn fluent_bits_configuration_is_that_of_ecs() {
    let mut of = router(
        LogRouter::Fluentbit,
        &[
            ("config-file-type", "file"),
            ("config-file-value", "/extra.conf"),
        ],
    );
    of.memory_reservation_mib = Some(64);
    let mut task = assignment(vec![of, routed("web", &OPTIONS)]);
    task.containers[1].log_secrets = vec![("HTTP_Passwd".into(), "/es/password".into())];
    assert_eq!(
        text(&task),
        "
[INPUT]
    Name forward
    Mem_Buf_Limit 32MB
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 24224

[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877

[FILTER]
    Name   grep
    Match web-firelens*
    Exclude log ^healthy

[FILTER]
    Name record_modifier
    Match *
    Record ec2_instance_id i-0a1b
    Record ecs_cluster default
    Record ecs_task_arn arn:aws:ecs:us-east-1:000000000000:task/default/0123456789abcdef0123456789abcdef
    Record ecs_task_definition web:1

@INCLUDE /extra.conf

[OUTPUT]
    Name null
    Match firelens-healthcheck

[OUTPUT]
    Name es
    Match web-firelens*
    HTTP_Passwd ${HTTP_Passwd_1}
    Host es.internal
    Port 9200
"
    );
    // In host mode nobody else may take its ports.
    task.network = TaskNetwork::Instance(InstanceNetwork::Host);
    let text = text(&task);
    assert!(!text.contains("24224") && !text.contains("null"), "{text}");
}

#[test]
fn fluentds_configuration_is_that_of_ecs() {
    let of = router(LogRouter::Fluentd, &[("enable-ecs-log-metadata", "false")]);
    let given = [
        ("@type", "s3"),
        ("s3_bucket", "logs"),
        ("include-pattern", "^ERROR"),
    ];
    let mut task = assignment(vec![of, routed("web", &given)]);
    task.network = TaskNetwork::Instance(InstanceNetwork::Bridge);
    assert_eq!(
        text(&task),
        "
<source>
    @type unix
    path /var/run/fluent.sock
</source>

<source>
    @type forward
    bind 0.0.0.0
    port 24224
</source>

<filter web-firelens**>
    @type  grep
    <regexp>
        key log
        pattern ^ERROR
    </regexp>
</filter>

<match web-firelens**>
    @type s3
    s3_bucket logs
</match>
"
    );
    let env = |spec: &ContainerSpec| firelens::environment(&task, spec, Some("172.17.0.2"));
    assert_eq!(env(&task.containers[0]), [("FLUENT_UID", "0".to_owned())]);
    let host = [
        ("FLUENT_HOST", "172.17.0.2".to_owned()),
        ("FLUENT_PORT", "24224".to_owned()),
    ];
    assert_eq!(env(&task.containers[1]), host);
}

#[test]
fn options_without_an_output_are_refused_and_none_are_somebody_elses() {
    let of = |given: &[(&str, &str)]| {
        let task = assignment(vec![
            router(LogRouter::Fluentbit, &[]),
            routed("web", given),
        ]);
        firelens::files(&task, &task.containers[0], None, None)
    };
    assert_eq!(
        of(&[("Host", "x")]).unwrap_err(),
        "unable to generate firelens config file: unable to generate firelens config: unable to \
         apply log options of container web to firelens config: missing output key Name which is \
         required for firelens configuration of type fluentbit"
    );
    assert!(!of(&[]).unwrap()[0].text.contains("web-firelens"));
}

#[test]
fn secret_options_are_in_the_routers_environment() {
    let mut task = assignment(vec![router(LogRouter::Fluentbit, &[]), routed("web", &[])]);
    task.containers[1].log_secrets = vec![("apikey".into(), "/dd/key".into())];
    let apikey = SecretVariable {
        name: "apikey".into(),
        value: Secret::new("k".into()),
    };
    let of_web = ContainerSecrets {
        log_options: vec![apikey],
        ..ContainerSecrets::default()
    };
    let all = TaskSecrets([("web".to_owned(), of_web)].into());
    let env = firelens::secrets(&task, &task.containers[0], &all);
    assert_eq!(
        env.iter().map(Secret::expose).collect::<Vec<_>>(),
        ["apikey_1=k"]
    );
    assert!(firelens::secrets(&task, &task.containers[1], &all).is_empty());
}

#[test]
fn a_router_stops_once_it_has_the_last_lines() {
    let mut state = running(vec![router(LogRouter::Fluentbit, &[]), routed("web", &[])]);
    let stopped = stop(&state.assignment);
    state.on(Event::Assigned(Box::new(stopped)), T0);
    let stops = |state: &mut TaskState, i: usize| {
        let steps = step(state, T0);
        steps
            .iter()
            .any(|a| matches!(a, Action::Signal(of, _) if *of == i))
    };
    assert!(stops(&mut state, 1));
    state.on(Event::Exited(1, exit(0)), T0);
    assert!(!stops(&mut state, 0), "the last lines are under way");
    state.on(Event::Drained(1), T0);
    assert!(stops(&mut state, 0));
}
