//! Task protection, and what agents submit.

use super::{Lab, said};
use crate::model::{ServiceLink, Task};
use neargate_api_ecs::{self as api, ops};
use std::time::Duration;

fn protect(tasks: &[&str], enabled: bool, minutes: Option<i32>) -> api::UpdateTaskProtectionInput {
    api::UpdateTaskProtectionInput {
        cluster: "default".into(),
        tasks: tasks.iter().map(|t| (*t).to_owned()).collect(),
        protection_enabled: enabled,
        expires_in_minutes: minutes,
    }
}

/// A running task that belongs to a deployment of the service `s`.
async fn of_service(lab: &Lab, deployment: &str) -> String {
    let arn = lab.start("web").await;
    let tasks = lab.tasks().await;
    let task = tasks.iter().find(|t| t.spec.arn == arn).expect("stored");
    let linked = lab.house.db.modify::<Task, _>(&task.key, |task| {
        task.spec.service = Some(ServiceLink {
            service: "s".into(),
            deployment: deployment.into(),
            revision: "1".into(),
        });
        Ok(true)
    });
    linked.await.expect("linked");
    arn
}

async fn is_protected(lab: &Lab, arn: &str) -> bool {
    let input = api::GetTaskProtectionInput {
        cluster: "default".into(),
        tasks: Some(vec![arn.into()]),
    };
    let output = lab.call(ops::GetTaskProtection, input).await.expect("read");
    output.protected_tasks.expect("set")[0].protection_enabled == Some(true)
}

#[tokio::test]
async fn protection_lasts_as_long_as_asked_for() {
    let lab = Lab::new();
    lab.register("web").await;
    let task = of_service(&lab, "ecs-svc/1").await;
    assert!(!is_protected(&lab, &task).await);
    let output = lab
        .call(ops::UpdateTaskProtection, protect(&[&task], true, None))
        .await;
    let shown = output.expect("protected").protected_tasks.expect("set");
    let two_hours = lab.house.now() + Duration::from_secs(7_200);
    assert_eq!(shown[0].expiration_date, Some(two_hours));
    assert!(is_protected(&lab, &task).await);
    lab.advance(Duration::from_secs(7_200));
    assert!(!is_protected(&lab, &task).await, "over");
    for enabled in [true, false] {
        lab.call(
            ops::UpdateTaskProtection,
            protect(&[&task], enabled, Some(2_880)),
        )
        .await
        .expect("changed");
        assert_eq!(is_protected(&lab, &task).await, enabled);
    }
}

#[tokio::test]
async fn what_cannot_be_protected() {
    let lab = Lab::new();
    lab.register("web").await;
    let alone = lab.start("web").await;
    let ghost = "0".repeat(32);
    let output = lab
        .call(
            ops::UpdateTaskProtection,
            protect(&[&alone, &ghost], true, None),
        )
        .await
        .expect("answered");
    assert_eq!(output.protected_tasks, Some(vec![]));
    let reasons: Vec<_> = output
        .failures
        .expect("set")
        .into_iter()
        .map(|f| f.reason)
        .collect();
    assert_eq!(
        reasons,
        [Some("TASK_NOT_VALID".into()), Some("MISSING".into())]
    );
    let many = vec![ghost.as_str(); 11];
    for bad in [
        protect(&[&alone], true, Some(0)),
        protect(&[&alone], true, Some(2_881)),
        protect(&[], true, None),
        protect(&many, true, None),
        protect(&["x"], true, None),
    ] {
        let (code, _) = said(lab.call(ops::UpdateTaskProtection, bad.clone()).await);
        assert_eq!(code, "InvalidParameterException", "{bad:?}");
    }
    // Protected tasks of an earlier deployment hold the newest one up: theirs is not prolonged.
    let old = of_service(&lab, "ecs-svc/1").await;
    lab.call(ops::UpdateTaskProtection, protect(&[&old], true, None))
        .await
        .expect("protected");
    lab.advance(Duration::from_secs(1));
    let new = of_service(&lab, "ecs-svc/2").await;
    let output = lab
        .call(
            ops::UpdateTaskProtection,
            protect(&[&old, &new], true, None),
        )
        .await
        .expect("answered");
    let failures = output.failures.expect("set");
    assert_eq!(failures[0].reason.as_deref(), Some("DEPLOYMENT_BLOCKED"));
    assert_eq!(output.protected_tasks.expect("set").len(), 1);
    lab.call(ops::UpdateTaskProtection, protect(&[&old], false, None))
        .await
        .expect("ended");
    assert!(!is_protected(&lab, &old).await);
}

#[tokio::test]
async fn nobody_can_say_what_became_of_a_task() {
    let lab = Lab::new();
    lab.register("web").await;
    let task = lab.start("web").await;
    let lie = api::SubmitTaskStateChangeInput {
        task: Some(task.clone()),
        status: Some("STOPPED".into()),
        ..Default::default()
    };
    let output = lab.call(ops::SubmitTaskStateChange, lie.clone()).await;
    assert_eq!(output.expect("read").acknowledgment.as_deref(), Some("ACK"));
    let input = api::DescribeTasksInput {
        tasks: vec![task],
        ..Default::default()
    };
    let shown = lab
        .call(ops::DescribeTasks, input)
        .await
        .expect("described");
    let shown = &shown.tasks.expect("set")[0];
    assert_eq!(shown.last_status.as_deref(), Some("PROVISIONING"));
    assert_eq!(shown.desired_status.as_deref(), Some("RUNNING"));
    let unknown = api::SubmitTaskStateChangeInput {
        task: Some("0".repeat(32)),
        ..lie.clone()
    };
    let nowhere = api::SubmitTaskStateChangeInput {
        cluster: Some("none".into()),
        ..lie
    };
    assert_eq!(
        said(lab.call(ops::SubmitTaskStateChange, unknown).await).0,
        "InvalidParameterException"
    );
    assert_eq!(
        said(lab.call(ops::SubmitTaskStateChange, nowhere).await).0,
        "ClusterNotFoundException"
    );
}
