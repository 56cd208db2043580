//! What a node hears of its tasks, and what becomes of its reports.

use super::Lab;
use super::client::{ECS, Reply};
use neargate_base::{AccountId, Region};
use neargate_control::NodePort;
use neargate_control::node_port::Change;
use neargate_domain::vpc::DefaultVpc;
use neargate_domain::{
    Assignment, ContainerReport, ContainerStatus, DesiredState, Health, NodeKind, TaskReport,
};

async fn call(lab: &Lab, operation: &str, body: serde_json::Value) -> Reply {
    let reply = lab
        .json(&format!("{ECS}.{operation}"), &body.to_string())
        .await;
    assert_eq!(reply.status, 200, "{operation}: {}", reply.text());
    reply
}

async fn register(lab: &Lab) {
    let definition = serde_json::json!({
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512",
        "containerDefinitions": [{ "name": "app", "image": "busybox" }],
    });
    call(lab, "RegisterTaskDefinition", definition).await;
}

/// Starts a task; answers its id.
async fn run(lab: &Lab) -> String {
    let vpc = DefaultVpc::of(&AccountId::default(), &Region::default());
    let reply = call(
        lab,
        "RunTask",
        serde_json::json!({
            "taskDefinition": "web", "launchType": "FARGATE",
            "networkConfiguration": { "awsvpcConfiguration": { "subnets": [vpc.subnets[0].id] } },
        }),
    );
    let reply = reply.await.json();
    let arn = reply["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    arn.rsplit('/').next().unwrap().to_owned()
}

fn report(assignment: &Assignment, sequence: u64, status: ContainerStatus) -> TaskReport {
    let at = neargate_base::Timestamp::from_millis(1_700_000_000_000);
    let ended = status == ContainerStatus::Stopped;
    TaskReport {
        task_id: assignment.task_id.clone(),
        sequence,
        observed_generation: assignment.generation,
        network_ready: true,
        pull_started_at: None,
        pull_stopped_at: None,
        containers: vec![ContainerReport {
            name: "app".into(),
            status,
            runtime_id: None,
            image_digest: None,
            started_at: Some(at),
            finished_at: ended.then_some(at),
            exit_code: ended.then_some(0),
            reason: None,
            network_bindings: vec![],
            health: Health::Unknown,
        }],
        stopped: None,
        released: ended,
    }
}

#[tokio::test]
async fn a_node_hears_of_its_tasks_from_start_to_end() {
    let lab = Lab::new().await;
    register(&lab).await;
    let port = NodePort::connect(lab.control_plane.clone(), "local", NodeKind::Fargate);
    let early = run(&lab).await;
    let mut changes = port.assignments();
    let Some(Change::Snapshot(snapshot)) = changes.recv().await else {
        panic!("no snapshot")
    };
    assert_eq!(snapshot.len(), 1);
    assert_eq!(
        (snapshot[0].task_id.as_str(), snapshot[0].generation),
        (early.as_str(), 1)
    );

    let late = run(&lab).await;
    let Some(Change::Changed(assignment)) = changes.recv().await else {
        panic!("no change")
    };
    assert_eq!(
        (assignment.task_id.as_str(), assignment.desired),
        (late.as_str(), DesiredState::Running)
    );

    // What it reports itself is no news to it: the next thing it hears is the stop.
    port.report(&report(&assignment, 1, ContainerStatus::Running))
        .await
        .unwrap();
    call(&lab, "StopTask", serde_json::json!({ "task": late })).await;
    let Some(Change::Changed(stopping)) = changes.recv().await else {
        panic!("no change")
    };
    assert_eq!(
        (stopping.generation, stopping.desired),
        (2, DesiredState::Stopped)
    );
    assert_eq!(stopping.network, assignment.network);

    port.report(&report(&stopping, 2, ContainerStatus::Stopped))
        .await
        .unwrap();
    let Some(Change::Removed(id)) = changes.recv().await else {
        panic!("not removed")
    };
    assert_eq!(id, late);
    // Doubled, and of a task nobody knows: dropped, not refused.
    port.report(&report(&stopping, 2, ContainerStatus::Stopped))
        .await
        .unwrap();
    let unknown = Assignment {
        task_id: "0".repeat(32),
        ..*stopping
    };
    port.report(&report(&unknown, 1, ContainerStatus::Running))
        .await
        .unwrap();

    let shown = call(
        &lab,
        "DescribeTasks",
        serde_json::json!({ "tasks": [late] }),
    )
    .await
    .json();
    assert_eq!(shown["tasks"][0]["lastStatus"], "STOPPED");
    assert_eq!(shown["tasks"][0]["stopCode"], "UserInitiated");
    assert_eq!(shown["tasks"][0]["containers"][0]["exitCode"], 0);
    // Another node, or the same one later, is told only of what has not ended.
    let mut again = port.assignments();
    let Some(Change::Snapshot(snapshot)) = again.recv().await else {
        panic!("no snapshot")
    };
    assert_eq!(
        snapshot
            .iter()
            .map(|a| a.task_id.as_str())
            .collect::<Vec<_>>(),
        [early.as_str()]
    );
}

/// A report right after a restart, before the node has asked for its assignments.
#[tokio::test]
async fn a_report_finds_its_task_without_the_assignments() {
    let lab = Lab::new().await;
    register(&lab).await;
    let port = NodePort::connect(lab.control_plane.clone(), "local", NodeKind::Fargate);
    let id = run(&lab).await;
    let mut changes = port.assignments();
    let Some(Change::Snapshot(snapshot)) = changes.recv().await else {
        panic!("no snapshot")
    };
    let fresh = NodePort::connect(lab.control_plane.clone(), "local", NodeKind::Fargate);
    fresh
        .report(&report(&snapshot[0], 9, ContainerStatus::Running))
        .await
        .unwrap();
    let shown = call(&lab, "DescribeTasks", serde_json::json!({ "tasks": [id] }))
        .await
        .json();
    assert_eq!(shown["tasks"][0]["lastStatus"], "RUNNING");
}

#[tokio::test]
async fn a_node_that_is_gone_takes_no_tasks() {
    let lab = Lab::new().await;
    register(&lab).await;
    let port = NodePort::connect(lab.control_plane.clone(), "local", NodeKind::Fargate);
    run(&lab).await;
    drop(port);
    let vpc = DefaultVpc::of(&AccountId::default(), &Region::default());
    let body = serde_json::json!({
        "taskDefinition": "web", "launchType": "FARGATE",
        "networkConfiguration": { "awsvpcConfiguration": { "subnets": [vpc.subnets[0].id] } },
    });
    let refused = lab.json(&format!("{ECS}.RunTask"), &body.to_string()).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (400, "ClientException")
    );
    assert!(
        refused.text().contains("Capacity is unavailable"),
        "{}",
        refused.text()
    );
}

/// A node asks for what belongs to another one's tasks, and for what nobody has.
#[tokio::test]
async fn a_node_acts_for_its_own_tasks_only() {
    let lab = Lab::new().await;
    let definition = serde_json::json!({
        "family": "web", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"],
        "cpu": "256", "memory": "512", "executionRoleArn": "arn:aws:iam::000000000000:role/r",
        "containerDefinitions": [{
            "name": "app", "image": "localhost:4566/secret",
            "logConfiguration": { "logDriver": "awslogs", "options": {
                "awslogs-group": "g", "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "ecs", "awslogs-create-group": "true",
            } },
        }],
    });
    call(&lab, "RegisterTaskDefinition", definition).await;
    let port = NodePort::connect(lab.control_plane.clone(), "local", NodeKind::Fargate);
    let id = run(&lab).await;
    let other = NodePort::connect(lab.control_plane.clone(), "other", NodeKind::Ec2);
    let mut changes = port.assignments();
    let Some(Change::Snapshot(snapshot)) = changes.recv().await else {
        panic!("no snapshot")
    };
    let assignment = &snapshot[0];
    let target = assignment.containers[0].log.clone().unwrap();
    let source = format!("{id}/app");
    let denied = |error: neargate_service::AwsError| {
        assert_eq!(error.code, "AccessDeniedException", "{error}");
    };

    let forged = report(assignment, 9, ContainerStatus::Stopped);
    denied(other.report(&forged).await.unwrap_err());
    denied(
        other
            .put_logs(&target, &source, 0..0, Vec::new())
            .await
            .unwrap_err(),
    );
    denied(other.log_offset(&target, &source).await.unwrap_err());
    let (account, region) = (AccountId::default(), Region::default());
    let image = "localhost:4566/secret";
    denied(
        other
            .resolve_image(&account, &region, image)
            .await
            .unwrap_err(),
    );

    // Its own node, but another stream, container, image or account.
    let elsewhere = neargate_domain::LogTarget {
        stream: "ecs/app/other".into(),
        ..target.clone()
    };
    denied(
        port.put_logs(&elsewhere, &source, 0..0, Vec::new())
            .await
            .unwrap_err(),
    );
    let sidecar = format!("{id}/sidecar");
    denied(
        port.put_logs(&target, &sidecar, 0..0, Vec::new())
            .await
            .unwrap_err(),
    );
    denied(
        port.resolve_image(&account, &region, "localhost:4566/x")
            .await
            .unwrap_err(),
    );
    let stranger: AccountId = "123456789012".parse().unwrap();
    denied(
        port.resolve_image(&stranger, &region, image)
            .await
            .unwrap_err(),
    );

    port.put_logs(&target, &source, 0..0, Vec::new())
        .await
        .unwrap();
    assert_eq!(port.log_offset(&target, &source).await.unwrap(), 0);
    port.resolve_image(&account, &region, image).await.unwrap();
    // Before it has heard its assignments, too.
    let fresh = NodePort::connect(lab.control_plane.clone(), "local", NodeKind::Fargate);
    fresh.resolve_image(&account, &region, image).await.unwrap();
    fresh
        .put_logs(&target, &source, 0..0, Vec::new())
        .await
        .unwrap();
    let shown = call(&lab, "DescribeTasks", serde_json::json!({ "tasks": [id] }));
    assert_eq!(shown.await.json()["tasks"][0]["lastStatus"], "PROVISIONING");
    port.report(&forged).await.unwrap();
    // What an ended task wrote may still be on its way.
    port.put_logs(&target, &source, 0..0, Vec::new())
        .await
        .unwrap();
}
