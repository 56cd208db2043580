//! `ListTasks` and `ListClusters`: filters, and pages while things come and go.

use super::{Lab, arn, said};
use neargate_api_ecs::{self as api, ops};
use std::collections::BTreeSet;

async fn list(lab: &Lab, input: api::ListTasksInput) -> BTreeSet<String> {
    let page = lab.call(ops::ListTasks, input).await.expect("listed");
    page.task_arns.expect("set").into_iter().collect()
}

#[tokio::test]
async fn filters() {
    let lab = Lab::new();
    lab.register("web").await;
    lab.register("web-b").await;
    let mine = api::RunTaskInput {
        started_by: Some("me".into()),
        ..lab.request("web")
    };
    let mine = arn(&lab.run(mine).await.expect("started")[0]);
    let other = lab.start("web-b").await;
    let stopped = lab.start("web").await;
    lab.call(
        ops::StopTask,
        api::StopTaskInput {
            task: stopped.clone(),
            ..Default::default()
        },
    )
    .await
    .expect("stopped");
    let set = |arns: &[&String]| arns.iter().map(|a| (*a).clone()).collect::<BTreeSet<_>>();
    let none = api::ListTasksInput::default;
    assert_eq!(
        list(&lab, none()).await,
        set(&[&mine, &other]),
        "RUNNING unless asked"
    );
    let by = |status: &str| api::ListTasksInput {
        desired_status: Some(status.into()),
        ..none()
    };
    assert_eq!(list(&lab, by("STOPPED")).await, set(&[&stopped]));
    assert_eq!(list(&lab, by("PENDING")).await, set(&[]));
    let family = api::ListTasksInput {
        family: Some("web".into()),
        ..none()
    };
    assert_eq!(list(&lab, family).await, set(&[&mine]), "whole names only");
    let by_me = api::ListTasksInput {
        started_by: Some("me".into()),
        ..none()
    };
    assert_eq!(list(&lab, by_me).await, set(&[&mine]));
    let ec2 = api::ListTasksInput {
        launch_type: Some("EC2".into()),
        ..none()
    };
    assert_eq!(list(&lab, ec2).await, set(&[]));
    // <https://github.com/aws/aws-sdk-go-v2/issues/1893>, <https://github.com/boto/boto3/issues/874>
    let alone = |refused: &str, change: fn(&mut api::ListTasksInput)| {
        let mut input = none();
        change(&mut input);
        let said = format!("cannot specify {refused} with other arguments");
        (input, said)
    };
    for (input, message) in [
        alone("startedBy", |l| {
            l.started_by = Some("me".into());
            l.family = Some("web".into());
        }),
        alone("startedBy", |l| {
            l.started_by = Some("me".into());
            l.launch_type = Some("FARGATE".into());
        }),
        alone("serviceName", |l| {
            l.service_name = Some("s".into());
            l.container_instance = Some("0".repeat(32));
        }),
    ] {
        assert_eq!(said(lab.call(ops::ListTasks, input).await).1, message);
    }
    let mine_stopped = api::ListTasksInput {
        started_by: Some("me".into()),
        ..by("STOPPED")
    };
    assert_eq!(list(&lab, mine_stopped).await, set(&[]));
    let service = api::ListTasksInput {
        service_name: Some("s".into()),
        ..none()
    };
    assert_eq!(
        said(lab.call(ops::ListTasks, service).await).0,
        "ServiceNotFoundException"
    );
    for bad in [0, 101, -1] {
        let sized = api::ListTasksInput {
            max_results: Some(bad),
            ..none()
        };
        assert_eq!(
            said(lab.call(ops::ListTasks, sized).await).0,
            "InvalidParameterException"
        );
    }
    let token = api::ListTasksInput {
        next_token: Some("*".into()),
        ..none()
    };
    assert_eq!(
        said(lab.call(ops::ListTasks, token).await).0,
        "InvalidParameterException"
    );
    let unknown = api::ListTasksInput {
        cluster: Some("none".into()),
        ..none()
    };
    assert_eq!(
        said(lab.call(ops::ListTasks, unknown).await).0,
        "ClusterNotFoundException"
    );
}

/// What exists from the first page to the last is listed exactly once, whatever comes and goes.
#[tokio::test]
async fn pages_hold_while_tasks_come_and_go() {
    for seed in 0..4 {
        let lab = Lab::seeded(seed);
        lab.register("web").await;
        let mut lasting = BTreeSet::new();
        let mut leaving = Vec::new();
        for n in 0..12 {
            let task = lab.start("web").await;
            if n % 3 == 0 {
                leaving.push(task)
            } else {
                lasting.extend([task])
            }
        }
        let mut seen = Vec::new();
        let mut token = None;
        loop {
            let input = api::ListTasksInput {
                max_results: Some(2),
                next_token: token,
                ..Default::default()
            };
            let page = lab.call(ops::ListTasks, input).await.expect("listed");
            seen.extend(page.task_arns.expect("set"));
            // One leaves (perhaps the very one the token names) and one comes.
            if let Some(task) = leaving.pop() {
                let stop = api::StopTaskInput {
                    task,
                    ..Default::default()
                };
                lab.call(ops::StopTask, stop).await.expect("stopped");
                lab.start("web").await;
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        let distinct: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!(distinct.len(), seen.len(), "seed {seed}: none twice");
        assert!(distinct.is_superset(&lasting), "seed {seed}: none left out");
    }
}

#[tokio::test]
async fn clusters_by_pages() {
    let lab = Lab::new();
    for name in ["a", "b", "c", "d"] {
        lab.create_cluster(name).await;
    }
    let page = |token| {
        lab.call(
            ops::ListClusters,
            api::ListClustersInput {
                max_results: Some(2),
                next_token: token,
            },
        )
    };
    let first = page(None).await.expect("listed");
    for gone in ["b", "c"] {
        let input = api::DeleteClusterInput {
            cluster: gone.into(),
        };
        lab.call(ops::DeleteCluster, input).await.expect("deleted");
    }
    let rest = page(first.next_token).await.expect("listed");
    assert_eq!(
        rest.cluster_arns,
        Some(vec!["arn:aws:ecs:us-east-1:000000000000:cluster/d".into()])
    );
    assert_eq!(rest.next_token, None);
}

#[tokio::test]
async fn names_of_services_tasks_are_not_for_customers() {
    let lab = Lab::new();
    let input = api::CreateClusterInput {
        cluster_name: Some(neargate_service::managed::cluster("rds")),
        ..Default::default()
    };
    let refused = lab.call(ops::CreateCluster, input).await;
    assert_eq!(
        said(refused).1,
        "The name neargate-managed-rds is reserved for tasks that services of this installation run."
    );
    let mounts = api::RegisterTaskDefinitionInput {
        family: "thief".into(),
        container_definitions: vec![api::ContainerDefinition {
            name: Some("app".into()),
            image: Some("busybox".into()),
            memory: Some(64),
            ..Default::default()
        }],
        volumes: Some(vec![api::Volume {
            name: Some("data".into()),
            efs_volume_configuration: Some(api::EFSVolumeConfiguration {
                file_system_id: neargate_service::managed::file_system("rds", "1"),
                ..Default::default()
            }),
            ..Default::default()
        }]),
        ..Default::default()
    };
    let refused = lab.call(ops::RegisterTaskDefinition, mounts).await;
    assert!(
        said(refused)
            .1
            .starts_with("The name fs-neargate-managed-rds-1 is reserved")
    );
}
