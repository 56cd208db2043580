use super::super::command::*;
use super::super::seams::PulledImage;
use super::{assignment, container};
use neargate_domain::ContainerSpec;

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
    let env = environment(&task, &spec, &image());
    assert_eq!(
        env,
        [
            "HOSTNAME=ip-172-31-0-5.ec2.internal",
            "PATH=/bin",
            "MODE=task",
            "AWS_REGION=us-east-1",
            "AWS_EXECUTION_ENV=AWS_ECS_FARGATE",
            "AWS_DEFAULT_REGION=us-east-1",
            "EMPTY=",
        ]
    );
}

#[test]
fn hosts_names_the_task() {
    let task = assignment(vec![]);
    assert_eq!(
        hosts(&task, &container("web")),
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
        (Some("SIGRTMIN+3"), 37),
        (Some("SIGRTMIN+99"), 15),
        (Some("0"), 15),
        (Some("nonsense"), 15),
    ] {
        assert_eq!(stop_signal(name), number, "{name:?}");
    }
}

#[test]
fn runtime_ids_have_fargates_form() {
    let id = runtime_id("0123456789abcdef0123456789abcdef", "web");
    let (task, number) = id.split_once('-').unwrap();
    assert_eq!(task.len(), 32);
    assert!(
        number.len() == 10 && number.bytes().all(|b| b.is_ascii_digit()),
        "{id}"
    );
    assert_ne!(id, runtime_id("0123456789abcdef0123456789abcdef", "db"));
}

#[test]
fn the_definition_overrides_the_image() {
    let task = assignment(vec![]);
    let own = ContainerSpec {
        working_directory: Some("/tmp".into()),
        user: Some("0".into()),
        ..container("web")
    };
    let netns = std::path::Path::new("/run/netns/x");
    let config = configure(&task, &own, &image(), netns).unwrap();
    assert_eq!((config.cwd.as_str(), config.user.as_str()), ("/tmp", "0"));
    assert_eq!(
        (config.ulimits[0].soft, config.ulimits[0].hard),
        (65_535, 65_535)
    );
    let config = configure(&task, &container("web"), &image(), netns).unwrap();
    assert_eq!((config.cwd.as_str(), config.user.as_str()), ("/srv", "web"));
}
