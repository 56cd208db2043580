use super::super::command::*;
use super::super::seams::{Joined, PulledImage};
use super::super::signal::stop_signal;
use super::{assignment, container};
use neargate_domain::{
    Assignment, ContainerNetwork, ContainerSpec, InstanceNetwork, LaunchType, PortMapping,
    Protocol, TaskNetwork,
};

fn image() -> PulledImage {
    PulledImage {
        entrypoint: vec!["/entry".into()],
        cmd: vec!["serve".into(), "80".into()],
        env: vec![
            "PATH=/bin".into(),
            "MODE=image".into(),
            "AWS_REGION=mars".into(),
        ],
        working_dir: Some("/srv".into()),
        user: Some("web".into()),
        ..PulledImage::default()
    }
}

/// As [`assignment`]'s interface gives it.
fn joined() -> Joined {
    Joined {
        netns: Some("/run/netns/x".into()),
        address: Some([172, 31, 0, 5].into()),
        hostname: Some("ip-172-31-0-5.ec2.internal".into()),
        ..Joined::default()
    }
}

fn on_instance(mode: InstanceNetwork) -> Assignment {
    Assignment {
        network: TaskNetwork::Instance(mode),
        launch_type: LaunchType::Ec2,
        ..assignment(vec![])
    }
}

fn words(text: &str) -> Option<Vec<String>> {
    Some(text.split_whitespace().map(String::from).collect())
}

#[test]
fn arguments_follow_dockers_rule() {
    for (entry_point, command, expected) in [
        (None, None, "/entry serve 80"),
        (None, words("other"), "/entry other"),
        (words("sh -c"), None, "sh -c"),
        (words("sh -c"), words("true"), "sh -c true"),
        (words(""), words("true"), "true"),
        (None, words(""), "/entry serve 80"),
    ] {
        let spec = ContainerSpec {
            entry_point,
            command,
            ..container("web")
        };
        assert_eq!(
            Ok(expected),
            arguments(&spec, &image())
                .as_ref()
                .map(|a| a.join(" "))
                .as_deref()
        );
    }
    let nothing = arguments(&container("web"), &PulledImage::default());
    assert_eq!(nothing, Err("no command specified".into()));
}

#[test]
fn the_task_definitions_environment_wins() {
    let task = assignment(vec![]);
    let mut spec = container("web");
    spec.environment.insert("MODE".into(), "task".into());
    spec.environment.insert("EMPTY".into(), "".into());
    let given = Given {
        endpoint_id: "0123".into(),
        credentials_id: Some("c1".into()),
        api_url: Some("http://169.254.169.253:4566".into()),
        ..Given::default()
    };
    let env = environment(
        &task,
        &spec,
        &image(),
        ("ip-172-31-0-5.ec2.internal", &[]),
        &given,
    );
    assert_eq!(
        env,
        [
            "HOSTNAME=ip-172-31-0-5.ec2.internal",
            "PATH=/bin",
            "MODE=task",
            "AWS_REGION=us-east-1",
            "AWS_EXECUTION_ENV=AWS_ECS_FARGATE",
            "AWS_DEFAULT_REGION=us-east-1",
            "AWS_ENDPOINT_URL=http://169.254.169.253:4566",
            "ECS_CONTAINER_METADATA_URI=http://169.254.170.2/v3/0123",
            "ECS_CONTAINER_METADATA_URI_V4=http://169.254.170.2/v4/0123",
            "ECS_AGENT_URI=http://169.254.170.2/api/0123",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=/v2/credentials/c1",
            "EMPTY=",
        ]
    );
}

#[test]
fn hosts_names_the_task() {
    let task = assignment(vec![]);
    assert_eq!(
        hosts(&task, &container("web"), &joined()),
        "127.0.0.1 localhost\n172.31.0.5 ip-172-31-0-5.ec2.internal\n"
    );
}

#[test]
fn stop_signals_have_names_and_numbers() {
    for (name, number) in [
        (None, 15),
        (Some(""), 15),
        (Some("SIGQUIT"), 3),
        (Some("quit"), 3),
        (Some("9"), 9),
        (Some(" 9 "), 9),
        (Some("SIGTTIN"), 21),
        (Some("xcpu"), 24),
        (Some("SIGIOT"), 6),
        (Some("sigcld"), 17),
        (Some("POLL"), 29),
        (Some("SIGRTMIN"), 34),
        (Some("SIGRTMIN+3"), 37),
        (Some("rtmin+30"), 64),
        (Some("SIGRTMIN+31"), 15),
        (Some("SIGRTMIN-1"), 15),
        (Some("SIGRTMIN+-1"), 15),
        (Some("SIGRTMAX"), 64),
        (Some("SIGRTMAX-2"), 62),
        (Some("SIGRTMAX-31"), 15),
        (Some("0"), 15),
        (Some("65"), 15),
        (Some("-9"), 15),
        (Some("SIG"), 15),
        (Some("nonsense"), 15),
    ] {
        assert_eq!(stop_signal(name), number, "{name:?}");
    }
}

#[test]
fn runtime_ids_have_fargates_form_or_dockers() {
    let fargate = assignment(vec![]);
    let id = runtime_id(&fargate, "web");
    let (task, number) = id.split_once('-').unwrap();
    assert_eq!(task.len(), 32);
    assert!(
        number.len() == 10 && number.bytes().all(|b| b.is_ascii_digit()),
        "{id}"
    );
    assert_ne!(id, runtime_id(&fargate, "db"));
    let id = runtime_id(&on_instance(InstanceNetwork::Bridge), "web");
    assert!(
        id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
}

#[test]
fn a_container_on_the_bridge_is_named_as_docker_does() {
    let task = on_instance(InstanceNetwork::Bridge);
    let mut spec = container("web");
    spec.extra_hosts = vec![("db".into(), "10.0.0.9".into())];
    let joined = Joined {
        address: Some([172, 17, 0, 2].into()),
        ..Joined::default()
    };
    let name = hostname(&task, &spec, &joined);
    assert_eq!(name, runtime_id(&task, "web")[..12]);
    let text = hosts(&task, &spec, &joined);
    assert!(
        text.ends_with(&format!("10.0.0.9\tdb\n172.17.0.2\t{name}\n")),
        "{text}"
    );
    spec.hostname = Some("own".into());
    assert_eq!(hostname(&task, &spec, &joined), "own");
    // Without a network it has a name, and nobody else's address.
    let text = hosts(&task, &spec, &Joined::default());
    assert!(text.starts_with("127.0.0.1\tlocalhost\n") && !text.contains("own"));
}

#[test]
fn a_link_is_a_name_and_variables() {
    let mut task = on_instance(InstanceNetwork::Bridge);
    let (mut web, mut db) = (container("web"), container("db"));
    web.network.links = vec![
        ("db".into(), "the-db".into()),
        ("gone".into(), "gone".into()),
    ];
    db.hostname = Some("store".into());
    db.port_mappings = vec![PortMapping {
        container_port: 5432,
        host_port: None,
        protocol: Protocol::Tcp,
    }];
    task.containers = vec![web, db];
    let at = |last: u8| {
        Ok(Joined {
            address: Some([172, 17, 0, last].into()),
            ..Joined::default()
        })
    };
    let links = [at(2), at(3)];
    let linked = linked(&task, 0, &links);
    let joined = Joined {
        linked: linked.clone(),
        ..links[0].clone().unwrap()
    };
    let text = hosts(&task, &task.containers[0], &joined);
    assert!(text.contains("\n172.17.0.3\tthe-db store db\n"), "{text}");
    let env = environment(
        &task,
        &task.containers[0],
        &image(),
        ("web", &linked),
        &Given::default(),
    );
    for line in [
        "THE_DB_PORT=tcp://172.17.0.3:5432",
        "THE_DB_PORT_5432_TCP_ADDR=172.17.0.3",
        "THE_DB_PORT_5432_TCP_PROTO=tcp",
        "THE_DB_NAME=/web/the-db",
    ] {
        assert!(env.iter().any(|l| l == line), "{line} in {env:?}");
    }
}

#[test]
fn own_servers_and_domains_take_the_places_of_the_networks() {
    let of_network = "search ec2.internal\nnameserver 172.31.0.2\noptions ndots:2\n";
    let mut own = ContainerNetwork::default();
    assert_eq!(resolv_conf(&own, of_network.into()), of_network);
    own.dns_servers = vec!["10.0.0.2".into(), "10.0.0.3".into()];
    assert_eq!(
        resolv_conf(&own, of_network.into()),
        "search ec2.internal\noptions ndots:2\nnameserver 10.0.0.2\nnameserver 10.0.0.3\n"
    );
    own = ContainerNetwork {
        dns_search_domains: vec!["a.example".into(), "b.example".into()],
        ..ContainerNetwork::default()
    };
    assert_eq!(
        resolv_conf(&own, of_network.into()),
        "nameserver 172.31.0.2\noptions ndots:2\nsearch a.example b.example\n"
    );
    own.dns_search_domains = vec![".".into()];
    assert_eq!(
        resolv_conf(&own, of_network.into()),
        "nameserver 172.31.0.2\noptions ndots:2\n"
    );
}

#[test]
fn in_host_mode_it_is_the_instance() {
    let task = on_instance(InstanceNetwork::Host);
    let joined = Joined {
        hostname: Some("ip-172-31-0-9.ec2.internal".into()),
        instance_hosts: Some("127.0.0.1 localhost\n".into()),
        ..Joined::default()
    };
    let mut spec = container("web");
    spec.extra_hosts = vec![("db".into(), "10.0.0.9".into())];
    assert_eq!(
        hosts(&task, &spec, &joined),
        "127.0.0.1 localhost\n10.0.0.9\tdb\n"
    );
    assert_eq!(
        hostname(&task, &spec, &joined),
        "ip-172-31-0-9.ec2.internal"
    );
    spec.sysctls
        .insert("net.core.somaxconn".into(), "1024".into());
    let refused = configure(&task, &spec, &image(), &joined, &Given::default()).unwrap_err();
    assert_eq!(
        refused,
        "sysctl \"net.core.somaxconn\" not allowed in host network namespace"
    );
}

#[test]
fn what_fargate_alone_does_is_not_done_on_instances() {
    for launch_type in [LaunchType::Ec2, LaunchType::External] {
        let task = Assignment {
            launch_type,
            ..on_instance(InstanceNetwork::Bridge)
        };
        let config = configure(
            &task,
            &container("web"),
            &image(),
            &Joined::default(),
            &Given::default(),
        )
        .unwrap();
        assert!(config.env.contains(&"AWS_EXECUTION_ENV=AWS_ECS_EC2".into()));
        let nofile = &config.ulimits[0];
        assert_eq!((nofile.soft, nofile.hard), (32_768, 65_536));
    }
}

#[test]
fn a_task_without_cpu_weighs_what_its_containers_do() {
    let units = |units| ContainerSpec {
        cpu_units: units,
        ..container("web")
    };
    let limits = |cpu_units, containers| {
        task_limits(&Assignment {
            cpu_units,
            ..assignment(containers)
        })
    };
    let all = vec![units(Some(128)), units(None), units(Some(256))];
    assert_eq!(limits(None, all.clone()).cpu_shares, Some(384));
    assert_eq!(limits(Some(0), vec![units(None)]).cpu_shares, Some(2));
    let capped = limits(Some(512), all);
    assert_eq!((capped.cpu_units, capped.cpu_shares), (Some(512), None));
}

#[test]
fn namespaces_are_shared_as_the_task_says() {
    use crate::runtime::{Namespace, PAUSE};
    use neargate_domain::{IpcMode, PidMode};
    let of = |pid_mode, ipc_mode| {
        let task = Assignment {
            pid_mode,
            ipc_mode,
            ..assignment(vec![container("web")])
        };
        let config = configure(
            &task,
            &container("web"),
            &image(),
            &joined(),
            &Given::default(),
        );
        let config = config.unwrap();
        let pause = super::super::command::pause(&task);
        (
            config.processes,
            config.ipc,
            config.without_shm,
            pause.is_some(),
        )
    };
    let theirs = || Namespace::Of(PAUSE.into());
    assert_eq!(
        of(None, None),
        (Namespace::Own, Namespace::Own, false, false)
    );
    let (pid, ipc) = (Some(PidMode::Task), Some(IpcMode::Task));
    assert_eq!(of(pid, None), (theirs(), Namespace::Own, false, true));
    assert_eq!(of(None, ipc), (Namespace::Own, theirs(), false, true));
    let (pid, ipc) = (Some(PidMode::Host), Some(IpcMode::Host));
    assert_eq!(
        of(pid, ipc),
        (Namespace::Host, Namespace::Host, false, false)
    );
    let none = of(None, Some(IpcMode::None));
    assert_eq!(none, (Namespace::Own, Namespace::Own, true, false));
}

#[test]
fn the_definition_overrides_the_image() {
    let task = assignment(vec![]);
    let own = ContainerSpec {
        working_directory: Some("/tmp".into()),
        user: Some("0".into()),
        ..container("web")
    };
    let config = configure(&task, &own, &image(), &joined(), &Given::default()).unwrap();
    assert_eq!((config.cwd.as_str(), config.user.as_str()), ("/tmp", "0"));
    assert_eq!(
        (config.ulimits[0].soft, config.ulimits[0].hard),
        (65_535, 65_535)
    );
    let config = configure(
        &task,
        &container("web"),
        &image(),
        &joined(),
        &Given::default(),
    )
    .unwrap();
    assert_eq!((config.cwd.as_str(), config.user.as_str()), ("/srv", "web"));
}

#[test]
fn health_checks_run_as_they_stand_or_by_the_shell() {
    let run = |command: &[&str]| {
        super::super::command::health_check(&neargate_domain::HealthCheck {
            command: command.iter().map(|&arg| arg.to_owned()).collect(),
            interval_secs: 30,
            timeout_secs: 5,
            retries: 3,
            start_period_secs: 0,
        })
    };
    assert_eq!(run(&["CMD", "curl", "-f", "x"]), ["curl", "-f", "x"]);
    assert_eq!(
        run(&["CMD-SHELL", "curl -f x || exit 1"]),
        ["/bin/sh", "-c", "curl -f x || exit 1"]
    );
}
