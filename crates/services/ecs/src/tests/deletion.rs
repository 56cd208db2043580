//! Task definitions that are deleted while tasks run from them.

use super::Lab;
use crate::Deletion;
use crate::model::TaskDefinition;
use neargate_api_ecs::{self as api, ops};
use neargate_base::Timestamp;
use neargate_service::controller::Controller;

/// The controller's steps, without its driver: answers when to look again.
async fn look(lab: &Lab) -> Option<Timestamp> {
    let controller = Deletion {
        db: lab.house.db.clone(),
        fleet: lab.ecs.fleet.clone(),
    };
    let all = lab
        .house
        .db
        .list::<TaskDefinition>(&lab.scope)
        .await
        .expect("listed");
    let view = controller
        .view(&all.first()?.key)
        .await
        .expect("read")
        .expect("exists");
    let plan = controller.plan(&view, lab.house.now());
    for action in plan.actions {
        controller.apply(action).await.expect("applied");
    }
    plan.wake_at
}

async fn listed(lab: &Lab, status: &str) -> usize {
    let input = api::ListTaskDefinitionsInput {
        status: Some(status.into()),
        ..Default::default()
    };
    let output = lab
        .call(ops::ListTaskDefinitions, input)
        .await
        .expect("listed");
    output.task_definition_arns.expect("set").len()
}

async fn families(lab: &Lab) -> usize {
    let output = lab
        .call(
            ops::ListTaskDefinitionFamilies,
            api::ListTaskDefinitionFamiliesInput::default(),
        )
        .await;
    output.expect("listed").families.expect("set").len()
}

#[tokio::test]
async fn a_definition_goes_with_its_last_task() {
    let lab = Lab::new();
    let arn = lab.register("web").await;
    let task = lab.start("web").await;
    let delete = api::DeleteTaskDefinitionsInput {
        task_definitions: vec![arn.clone()],
    };
    let early = lab
        .call(ops::DeleteTaskDefinitions, delete.clone())
        .await
        .expect("answered");
    assert_eq!(early.failures.expect("set").len(), 1, "still ACTIVE");
    assert_eq!(look(&lab).await, None);
    let deregister = api::DeregisterTaskDefinitionInput {
        task_definition: arn.clone(),
    };
    lab.call(ops::DeregisterTaskDefinition, deregister)
        .await
        .expect("deregistered");
    for _ in 0..2 {
        let output = lab
            .call(ops::DeleteTaskDefinitions, delete.clone())
            .await
            .expect("marked");
        let marked = &output.task_definitions.expect("set")[0];
        assert_eq!(marked.status.as_deref(), Some("DELETE_IN_PROGRESS"));
    }
    assert!(look(&lab).await.is_some(), "in use");
    assert_eq!(listed(&lab, "DELETE_IN_PROGRESS").await, 1);
    assert_eq!(listed(&lab, "INACTIVE").await, 0);
    let describe = api::DescribeTaskDefinitionInput {
        task_definition: arn,
        ..Default::default()
    };
    lab.call(ops::DescribeTaskDefinition, describe.clone())
        .await
        .expect("still there");
    assert_eq!(families(&lab).await, 1);
    lab.end(&task).await;
    look(&lab).await;
    assert_eq!(listed(&lab, "DELETE_IN_PROGRESS").await, 0);
    assert!(
        lab.call(ops::DescribeTaskDefinition, describe)
            .await
            .is_err(),
        "gone"
    );
    assert_eq!(families(&lab).await, 0);
    let next = lab.register("web").await;
    assert!(
        next.ends_with("web:2"),
        "numbers are not used twice: {next}"
    );
}
