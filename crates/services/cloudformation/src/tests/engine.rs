//! What stacks go through.

use super::{World, said};
use crate::engine::Engine;
use neargate_api_cloudformation::{self as api, ops};

const TWO: &str = r#"
Resources:
  Dead:
    Type: AWS::SQS::Queue
    Properties: {QueueName: dead}
  Work:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: work
      VisibilityTimeout: 30
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn, maxReceiveCount: 3}
Outputs:
  Url: {Value: !Ref Work, Export: {Name: work-url}}
"#;

#[tokio::test]
async fn a_stack_is_made_and_taken_away() {
    let world = World::new();
    world.create("s", TWO).await.expect("created");
    assert_eq!(world.status("s").await, "CREATE_COMPLETE");
    assert_eq!(world.queues.calls(), ["create dead", "create work"]);
    assert_eq!(
        world.events("s").await,
        [
            "s CREATE_IN_PROGRESS",
            "Dead CREATE_IN_PROGRESS",
            "Dead CREATE_IN_PROGRESS",
            "Dead CREATE_COMPLETE",
            "Work CREATE_IN_PROGRESS",
            "Work CREATE_IN_PROGRESS",
            "Work CREATE_COMPLETE",
            "s CREATE_COMPLETE",
        ]
    );
    let outputs = world.stack("s").await.outputs.expect("outputs");
    assert_eq!(outputs[0].output_value.as_deref(), Some("http://sqs/work"));
    let id = world.stack("s").await.stack_id.expect("an id");
    world.delete("s").await.expect("deleted");
    assert_eq!(world.queues.calls(), ["delete work", "delete dead"]);
    assert_eq!(world.status(&id).await, "DELETE_COMPLETE");
    assert_eq!(
        said(
            world
                .ask(
                    ops::DescribeStacks,
                    api::DescribeStacksInput {
                        stack_name: Some("s".into()),
                        ..Default::default()
                    }
                )
                .await
        ),
        "Stack with id s does not exist"
    );
    world.create("s", TWO).await.expect("the name is free");
}

#[tokio::test]
async fn an_update_changes_what_changed() {
    let world = World::new();
    world.create("s", TWO).await.expect("created");
    world.queues.calls();
    assert_eq!(
        said(world.update("s", TWO).await),
        "No updates are to be performed."
    );
    let other = TWO.replace("VisibilityTimeout: 30", "VisibilityTimeout: 31");
    world.update("s", &other).await.expect("updated");
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    assert_eq!(world.queues.calls(), ["set work"]);
    // Another name is another queue; the old one goes when all is done.
    let other = other.replace("QueueName: work", "QueueName: labour");
    world.update("s", &other).await.expect("updated");
    assert_eq!(world.queues.calls(), ["create labour", "delete work"]);
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    // What the template has no more goes.
    world
        .update(
            "s",
            "Resources: {Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}}",
        )
        .await
        .expect("updated");
    assert_eq!(world.queues.names(), ["dead"]);
    assert_eq!(world.resources().await.len(), 1);
    assert_eq!(world.stack("s").await.outputs, None);
}

#[tokio::test]
async fn what_fails_is_taken_back() {
    let world = World::new();
    world
        .queues
        .refused
        .lock()
        .expect("one test")
        .insert("work".into());
    world.create("s", TWO).await.expect("asked");
    assert_eq!(world.status("s").await, "ROLLBACK_COMPLETE");
    assert_eq!(world.queues.names(), [""; 0]);
    world.delete("s").await.expect("deleted");
    world.queues.refused.lock().expect("one test").clear();
    world.create("s", TWO).await.expect("created");
    world
        .queues
        .refused
        .lock()
        .expect("one test")
        .insert("late".into());
    world.queues.calls();
    let other = TWO
        .replace("VisibilityTimeout: 30", "VisibilityTimeout: 31")
        .replace("QueueName: dead", "QueueName: grave")
        .replace("Outputs:", "  Late:\n    Type: AWS::SQS::Queue\n    DependsOn: Work\n    Properties: {QueueName: late}\nOutputs:");
    world.update("s", &other).await.expect("asked");
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(world.queues.names(), ["dead", "work"]);
    let queues = world.queues.there.lock().expect("one test").clone();
    assert_eq!(queues["work"]["VisibilityTimeout"], "30");
    assert!(queues["work"]["RedrivePolicy"].contains(":dead"));
    world
        .update(
            "s",
            &TWO.replace("VisibilityTimeout: 30", "VisibilityTimeout: 32"),
        )
        .await
        .expect("updated");
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
}

/// A process that ends in the middle of any call is followed by one that makes nothing twice.
#[tokio::test]
async fn a_process_that_ends_is_followed_by_another() {
    for silent_after in 0..8 {
        let mut world = World::new();
        *world.queues.silent_after.lock().expect("one test") = Some(silent_after);
        let other = TWO
            .replace("QueueName: work", "QueueName: labour")
            .replace("Name: dead", "Name: grave");
        survive(&mut world, |world| {
            Box::pin(async move { world.create("s", TWO).await.expect("asked") })
        })
        .await;
        assert_eq!(
            world.status("s").await,
            "CREATE_COMPLETE",
            "after {silent_after}"
        );
        assert_eq!(
            world.queues.names(),
            ["dead", "work"],
            "after {silent_after}"
        );
        survive(&mut world, |world| {
            Box::pin(async move { world.update("s", &other).await.expect("asked") })
        })
        .await;
        assert_eq!(
            world.status("s").await,
            "UPDATE_COMPLETE",
            "after {silent_after}"
        );
        assert_eq!(
            world.queues.names(),
            ["grave", "labour"],
            "after {silent_after}"
        );
        survive(&mut world, |world| {
            Box::pin(async move { world.delete("s").await.expect("asked") })
        })
        .await;
        assert_eq!(world.queues.names(), [""; 0], "after {silent_after}");
    }
}

type Doing<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

async fn survive(world: &mut World, what: impl for<'a> FnOnce(&'a World) -> Doing<'a>) {
    tokio::select! {
        () = what(world) => return,
        () = world.queues.silent.notified() => {}
    }
    world.engine = Engine::new(world.lab.house.clone());
    world.run().await;
}

#[tokio::test]
async fn what_is_to_stay_stays() {
    let world = World::new();
    let kept = "Resources: {Kept: {Type: AWS::SQS::Queue, DeletionPolicy: Retain, Properties: {QueueName: kept}}}";
    world.create("s", kept).await.expect("created");
    world.delete("s").await.expect("deleted");
    assert_eq!(world.queues.names(), ["kept"]);
}

#[tokio::test]
async fn exports_in_use_keep_their_stack() {
    let world = World::new();
    world.create("s", TWO).await.expect("created");
    let user = "
Resources:
  Used:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Select [3, !Split [/, !ImportValue work-url]]}
";
    let named = user
        .replace("work-url]]", "work-url]], DelaySeconds: 1")
        .replace("!Select [3", "!Select [9");
    assert!(
        said(world.create("t", &named).await)
            .contains("cannot select nonexistent value at index 9")
    );
    world
        .create(
            "t",
            &user.replace(
                "!Select [3, !Split [/, !ImportValue work-url]]",
                "!Sub ['${u}-x', {u: !Select [2, !Split [/, !ImportValue work-url]]}]",
            ),
        )
        .await
        .expect("created");
    assert_eq!(world.status("t").await, "CREATE_COMPLETE");
    world.delete("s").await.expect("asked");
    let stack = world.stack("s").await;
    assert_eq!(stack.stack_status.as_deref(), Some("CREATE_COMPLETE"));
    assert_eq!(
        stack.stack_status_reason.as_deref(),
        Some("Delete canceled. Cannot delete export work-url as it is in use by t.")
    );
    world.delete("t").await.expect("deleted");
    let input = api::ListImportsInput {
        export_name: "work-url".into(),
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::ListImports, input).await),
        "Export 'work-url' is not imported by any stack."
    );
    world.delete("s").await.expect("deleted");
    assert_eq!(world.queues.names(), [""; 0]);
}
