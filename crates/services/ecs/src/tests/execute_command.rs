//! `ExecuteCommand`, and what tasks show of it.

use super::{Lab, nothing_yet, said};
use crate::observe;
use async_trait::async_trait;
use neargate_api_ecs::{self as api, ops};
use neargate_base::Timestamp;
use neargate_domain::ContainerStatus;
use neargate_service::session::{
    Audit, Bucket, Containers, Encryption, Phase, Place, Purpose, Stream, Terminal, Wanted,
};
use neargate_service::{House, Scope};
use std::sync::Arc;
use std::time::Duration;

/// Reaches everything but the node `far`.
#[derive(Debug)]
struct Near;

#[async_trait]
impl Containers for Near {
    async fn find(&self, _: &House, _: &Scope, _: &str) -> Option<Place> {
        None
    }

    fn is_within_reach(&self, node: &str) -> Result<(), String> {
        match node {
            "far" => Err("far".into()),
            _ => Ok(()),
        }
    }

    async fn terminal(&self, _: &Place, _: &[String]) -> Result<Terminal, String> {
        Err("nothing runs here".into())
    }

    async fn connect(&self, _: &Place, _: Option<&str>, _: u16) -> Result<Box<dyn Stream>, String> {
        Err("nothing runs here".into())
    }
}

fn execute(task: &str, command: &str) -> api::ExecuteCommandInput {
    api::ExecuteCommandInput {
        task: task.into(),
        command: command.into(),
        interactive: true,
        ..Default::default()
    }
}

impl Lab {
    /// A task that runs, as its node has it.
    async fn with_a_task(enabled: bool) -> (Lab, String) {
        let lab = Lab::new();
        lab.house.sessions.seat(Arc::new(Near));
        lab.register("web").await;
        let input = api::RunTaskInput {
            enable_execute_command: Some(enabled),
            ..lab.request("web")
        };
        let started = lab.run(input).await.expect("started");
        assert_eq!(started[0].enable_execute_command, Some(enabled));
        let stored = lab.tasks().await.remove(0);
        let mut report = nothing_yet(&stored.value);
        report.network_ready = true;
        report.sequence = 1;
        for c in &mut report.containers {
            c.status = ContainerStatus::Running;
            c.started_at = Some(Timestamp::from_millis(1_700_000_001_000));
            c.runtime_id = Some("0123".into());
        }
        let taken = observe::report(&lab.house, &stored.key, &report).await;
        taken.expect("recorded");
        (lab, super::arn(&started[0]))
    }

    async fn agents(&self, task: &str) -> Option<Vec<api::ManagedAgent>> {
        let input = api::DescribeTasksInput {
            tasks: vec![task.into()],
            ..Default::default()
        };
        let described = self
            .call(ops::DescribeTasks, input)
            .await
            .expect("described");
        let task = described.tasks.unwrap_or_default().remove(0);
        task.containers.unwrap_or_default().remove(0).managed_agents
    }

    /// What the session that a call begins is to be.
    async fn wanted(&self, task: &str) -> Wanted {
        let answer = self.call(ops::ExecuteCommand, execute(task, "sh")).await;
        let session = answer.expect("begun").session.expect("shown");
        let id = session.session_id.expect("named");
        let session = self.house.sessions.get(&id).expect("known");
        session.wanted.clone()
    }

    async fn configure(&self, configuration: api::ExecuteCommandConfiguration) {
        let input = api::UpdateClusterInput {
            cluster: "default".into(),
            configuration: Some(api::ClusterConfiguration {
                execute_command_configuration: Some(configuration),
                ..Default::default()
            }),
            ..Default::default()
        };
        self.call(ops::UpdateCluster, input).await.expect("updated");
    }
}

#[tokio::test]
async fn a_session_is_begun_with_the_container() {
    let (lab, task) = Lab::with_a_task(true).await;
    let agents = lab.agents(&task).await.expect("shown");
    assert_eq!(agents[0].name.as_deref(), Some("ExecuteCommandAgent"));
    assert_eq!(agents[0].last_status.as_deref(), Some("RUNNING"));
    let answer = lab.call(ops::ExecuteCommand, execute(&task, "sh -c 'echo \"a b\"'"));
    let answer = answer.await.expect("begun");
    assert_eq!(answer.container_name.as_deref(), Some("app"));
    let session = answer.session.expect("shown");
    let id = session.session_id.expect("named");
    let url = format!("ws://localhost:4566/v1/data-channel/{id}?role=publish_subscribe");
    assert_eq!(session.stream_url, Some(url));
    let session_of = lab.house.sessions.get(&id).expect("known");
    let wanted = &session_of.wanted;
    let args = ["sh", "-c", "echo \"a b\""].map(str::to_owned).to_vec();
    assert_eq!(wanted.purpose, Purpose::Command { args });
    let task_id = task.rsplit('/').next().unwrap();
    assert_eq!(wanted.target, format!("ecs:default_{task_id}_0123"));
    assert_eq!(
        (&*wanted.place.node, &*wanted.place.container),
        ("local", "app")
    );
    // The token is good once, and another one takes its place.
    let (token, now) = (session.token_value.expect("given"), lab.house.now());
    assert!(!session_of.admits("", now) && !session_of.admits(&token[1..], now));
    assert!(session_of.admits(&token, now) && !session_of.admits(&token, now));
    let next = session_of.token(&lab.house).expect("it goes on");
    assert!(session_of.admits(&next, now));
}

#[tokio::test]
async fn what_aws_refuses_is_refused() {
    let (lab, task) = Lab::with_a_task(true).await;
    let refused = async |input| said(lab.call(ops::ExecuteCommand, input).await);
    let with = |change: fn(&mut api::ExecuteCommandInput)| {
        let mut input = execute(&task, "sh");
        change(&mut input);
        input
    };
    let (code, message) = refused(with(|i| i.interactive = false)).await;
    assert_eq!(code, "InvalidParameterException");
    assert_eq!(message, "Interactive is the only mode supported currently.");
    let (code, _) = refused(with(|i| i.cluster = Some("other".into()))).await;
    assert_eq!(code, "ClusterNotFoundException");
    for input in [
        with(|i| i.container = Some("other".into())),
        with(|i| i.command = "'".into()),
        with(|i| i.command = " ".into()),
        with(|i| i.task = "0123456789abcdef0123456789abcdef".into()),
    ] {
        assert_eq!(refused(input).await.0, "InvalidParameterException");
    }
    let (lab, task) = Lab::with_a_task(false).await;
    assert_eq!(lab.agents(&task).await, None);
    let (code, message) = said(lab.call(ops::ExecuteCommand, execute(&task, "sh")).await);
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("agent isn\u{2019}t running"), "{message}");
}

#[tokio::test]
async fn sessions_are_written_down_and_encrypted_as_the_cluster_says() {
    let (lab, task) = Lab::with_a_task(true).await;
    // Without awslogs there is nowhere by default.
    assert_eq!(lab.wanted(&task).await.audit, None);
    lab.configure(api::ExecuteCommandConfiguration {
        kms_key_id: Some("alias/exec".into()),
        logging: Some("OVERRIDE".into()),
        log_configuration: Some(api::ExecuteCommandLogConfiguration {
            cloud_watch_log_group_name: Some("/audit".into()),
            s3_bucket_name: Some("audit".into()),
            s3_key_prefix: Some("exec/".into()),
            ..Default::default()
        }),
    })
    .await;
    let wanted = lab.wanted(&task).await;
    let role =
        "arn:aws:iam::000000000000:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";
    let audit = Audit {
        role: role.into(),
        log_group: Some("/audit".into()),
        bucket: Some(Bucket {
            name: "audit".into(),
            prefix: Some("exec".into()),
        }),
    };
    let encryption = Encryption {
        key_id: "alias/exec".into(),
        role: role.into(),
    };
    assert_eq!(
        (wanted.audit, wanted.encryption),
        (Some(audit), Some(encryption))
    );
    lab.configure(api::ExecuteCommandConfiguration {
        logging: Some("NONE".into()),
        ..Default::default()
    })
    .await;
    let wanted = lab.wanted(&task).await;
    assert_eq!((wanted.audit, wanted.encryption), (None, None));
}

#[tokio::test]
async fn who_does_not_connect_in_time_has_no_session() {
    let (lab, task) = Lab::with_a_task(true).await;
    lab.wanted(&task).await;
    let phase = || {
        let mut all = lab.house.sessions.of(&lab.house, &lab.scope);
        all.remove(0).phase()
    };
    assert_eq!(phase(), Phase::Connecting);
    lab.advance(Duration::from_secs(301));
    assert_eq!(phase(), Phase::Terminated);
    let session = lab.house.sessions.of(&lab.house, &lab.scope).remove(0);
    assert_eq!(session.token(&lab.house), None);
}
