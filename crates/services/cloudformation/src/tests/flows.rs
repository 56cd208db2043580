//! What happens with stacks besides being made: cancelled, gone on with, signalled, held to policies, nested.

use super::{World, said};
use crate::model::{Signal, Stack};
use neargate_api_cloudformation::{self as api, ops};

const QUEUE: &str =
    "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q, VisibilityTimeout: 30}}\n";

fn waiting(count: u32) -> String {
    format!(
        "{QUEUE}  H: {{Type: AWS::CloudFormation::WaitConditionHandle}}
  W: {{Type: AWS::CloudFormation::WaitCondition, DependsOn: Q, Properties: {{Handle: !Ref H, Timeout: 60, Count: {count}}}}}
Outputs: {{Data: {{Value: !GetAtt W.Data}}}}
"
    )
}

impl World {
    async fn advance(&self, name: &str) {
        let all = self
            .lab
            .house
            .db
            .list_prefix::<Stack>("cloudformation/stack/")
            .await
            .expect("listed");
        for stack in all.iter().filter(|s| s.name == name) {
            self.engine.advance(&stack.key).await.expect("advanced");
        }
    }

    /// Lets all stacks go on until nothing is done any more.
    async fn settle(&self) {
        for _ in 0..40 {
            let all = self
                .lab
                .house
                .db
                .list_prefix::<Stack>("cloudformation/stack/")
                .await
                .expect("listed");
            let open: Vec<_> = all.iter().filter(|s| s.operation.is_some()).collect();
            if open.is_empty() {
                return;
            }
            for stack in open {
                self.engine.advance(&stack.key).await.expect("advanced");
            }
        }
        panic!("it does not come to rest");
    }

    async fn begin(&self, name: &str, body: &str) {
        let input = api::CreateStackInput {
            stack_name: name.into(),
            template_body: Some(body.into()),
            ..Default::default()
        };
        self.ask(ops::CreateStack, input).await.expect("asked");
        self.advance(name).await;
    }

    async fn begin_update(&self, name: &str, body: &str, keep: bool) {
        let input = api::UpdateStackInput {
            stack_name: name.into(),
            template_body: Some(body.into()),
            disable_rollback: Some(keep),
            ..Default::default()
        };
        self.ask(ops::UpdateStack, input).await.expect("asked");
        self.advance(name).await;
    }

    async fn signal(
        &self,
        name: &str,
        of: &str,
        id: &str,
        status: &str,
    ) -> Result<(), neargate_service::AwsError> {
        let input = api::SignalResourceInput {
            stack_name: name.into(),
            logical_resource_id: of.into(),
            unique_id: id.into(),
            status: status.into(),
        };
        self.ask(ops::SignalResource, input).await.map(drop)
    }

    /// As who knows the handle's address says it.
    async fn say(&self, of: &str, id: &str, status: &str) {
        let all = self.resources().await;
        let handle = all.iter().find(|r| r.logical_id == of).expect("a handle");
        let stack = handle.key.rsplit('/').nth(1).expect("a stack");
        let scope = &self.lab.cx().scope;
        let key = Signal::key(scope, stack, &handle.token, id);
        let signal = Signal {
            unique_id: id.into(),
            status: status.into(),
            at: self.lab.house.now(),
            reason: Some("it broke".into()),
            data: Some("d".into()),
            physical_id: None,
        };
        let _ = self
            .lab
            .house
            .db
            .tx()
            .put(key, &signal)
            .commit()
            .await
            .expect("written");
    }

    async fn reason(&self, name: &str, status: &str) -> String {
        let input = api::DescribeStackEventsInput {
            stack_name: name.into(),
            ..Default::default()
        };
        let found = self
            .ask(ops::DescribeStackEvents, input)
            .await
            .expect("described");
        let all = found.stack_events.expect("events");
        let event = all
            .into_iter()
            .find(|e| e.resource_status.as_deref() == Some(status));
        event
            .expect("such an event")
            .resource_status_reason
            .unwrap_or_default()
    }
}

#[tokio::test]
async fn a_condition_waits_for_what_is_said() {
    let world = World::new();
    world.begin("s", &waiting(2)).await;
    world.advance("s").await;
    world.say("H", "a", "SUCCESS").await;
    world.advance("s").await;
    assert_eq!(world.status("s").await, "CREATE_IN_PROGRESS");
    world.say("H", "b", "SUCCESS").await;
    world.settle().await;
    assert_eq!(world.status("s").await, "CREATE_COMPLETE");
    let outputs = world.stack("s").await.outputs.expect("outputs");
    assert_eq!(
        outputs[0].output_value.as_deref(),
        Some(r#"{"a":"d","b":"d"}"#)
    );
    world
        .begin("t", &waiting(1).replace("QueueName: q", "QueueName: p"))
        .await;
    let all = world.resources().await;
    assert!(all.iter().any(|r| r.logical_id == "H"));
}

#[tokio::test]
async fn a_condition_fails_or_is_late() {
    let world = World::new();
    world.begin("s", &waiting(1)).await;
    world.say("H", "a", "FAILURE").await;
    world.settle().await;
    assert_eq!(world.status("s").await, "ROLLBACK_COMPLETE");
    assert_eq!(
        world.reason("s", "CREATE_FAILED").await,
        "WaitCondition received failed message: 'it broke' for uniqueId: a"
    );
    world.begin("t", &waiting(1)).await;
    world.lab.clock.advance(std::time::Duration::from_secs(61));
    world.settle().await;
    assert_eq!(
        world.reason("t", "CREATE_FAILED").await,
        "WaitCondition timed out. Received 0 conditions when expecting 1"
    );
}

#[tokio::test]
async fn a_resource_is_signalled() {
    let world = World::new();
    let body = "Resources:\n  Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}, CreationPolicy: {ResourceSignal: {Count: 2, Timeout: PT1M}}}\n";
    world.begin("s", body).await;
    world
        .signal("s", "Q", "one", "SUCCESS")
        .await
        .expect("signalled");
    world
        .signal("s", "Q", "one", "SUCCESS")
        .await
        .expect("counts once");
    world.advance("s").await;
    assert_eq!(world.status("s").await, "CREATE_IN_PROGRESS");
    world
        .signal("s", "Q", "two", "SUCCESS")
        .await
        .expect("signalled");
    world.settle().await;
    assert_eq!(world.status("s").await, "CREATE_COMPLETE");
    assert!(said(world.signal("s", "Q", "x", "SUCCESS").await).contains("can not be signaled"));
    world
        .begin("t", &body.replace("QueueName: q", "QueueName: p"))
        .await;
    world.lab.clock.advance(std::time::Duration::from_secs(61));
    world.settle().await;
    assert_eq!(
        world.reason("t", "CREATE_FAILED").await,
        "Failed to receive 2 resource signal(s) within the specified duration"
    );
    assert_eq!(world.status("t").await, "ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn an_update_is_cancelled() {
    let world = World::new();
    world.create("s", QUEUE).await.expect("created");
    let other = waiting(1).replace("VisibilityTimeout: 30", "VisibilityTimeout: 31");
    let cancel = || api::CancelUpdateStackInput {
        stack_name: "s".into(),
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::CancelUpdateStack, cancel()).await),
        "CancelUpdateStack cannot be called from current stack status"
    );
    world.begin_update("s", &other, false).await;
    assert_eq!(world.status("s").await, "UPDATE_IN_PROGRESS");
    world
        .ask(ops::CancelUpdateStack, cancel())
        .await
        .expect("cancelled");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    let queues = world.queues.there.lock().expect("one test").clone();
    assert_eq!(queues["q"]["VisibilityTimeout"], "30");
    assert_eq!(world.resources().await.len(), 1);
}

#[tokio::test]
async fn what_was_left_as_it_was_goes_back_when_asked() {
    let world = World::new();
    world.create("s", QUEUE).await.expect("created");
    world
        .queues
        .refused
        .lock()
        .expect("one test")
        .insert("p".into());
    let other = QUEUE.replace("VisibilityTimeout: 30", "VisibilityTimeout: 31")
        + "  P: {Type: AWS::SQS::Queue, DependsOn: Q, Properties: {QueueName: p}}\n";
    world.begin_update("s", &other, true).await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_FAILED");
    let timeout = |world: &World| {
        world.queues.there.lock().expect("one test")["q"]["VisibilityTimeout"].clone()
    };
    assert_eq!(timeout(&world), "31");
    let input = api::RollbackStackInput {
        stack_name: "s".into(),
        ..Default::default()
    };
    world
        .ask(ops::RollbackStack, input.clone())
        .await
        .expect("asked");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(timeout(&world), "30");
    assert!(said(world.ask(ops::RollbackStack, input).await).contains("can not be rolled back"));
}

#[tokio::test]
async fn a_rollback_that_failed_goes_on() {
    let world = World::new();
    world.create("s", QUEUE).await.expect("created");
    world
        .queues
        .refused
        .lock()
        .expect("one test")
        .insert("p".into());
    let other = QUEUE.replace("VisibilityTimeout: 30", "VisibilityTimeout: 31")
        + "  P: {Type: AWS::SQS::Queue, DependsOn: Q, Properties: {QueueName: p}}\n";
    world.begin_update("s", &other, true).await;
    world.settle().await;
    *world.queues.stuck.lock().expect("one test") = true;
    let input = api::RollbackStackInput {
        stack_name: "s".into(),
        ..Default::default()
    };
    world.ask(ops::RollbackStack, input).await.expect("asked");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_FAILED");
    let go_on = |skip: &[&str]| api::ContinueUpdateRollbackInput {
        stack_name: "s".into(),
        resources_to_skip: Some(skip.iter().map(|s| (*s).to_owned()).collect()),
        ..Default::default()
    };
    assert!(
        said(world.ask(ops::ContinueUpdateRollback, go_on(&["P"])).await)
            .contains("not in UPDATE_FAILED state")
    );
    world
        .ask(ops::ContinueUpdateRollback, go_on(&[]))
        .await
        .expect("asked");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_FAILED");
    world
        .ask(ops::ContinueUpdateRollback, go_on(&["Q"]))
        .await
        .expect("asked");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
}

const POLICY: &str = r#"{"Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "Update:*", "Resource": "*"},
    {"Effect": "Deny", "Principal": "*", "Action": ["Update:Replace", "Update:Delete"], "Resource": "LogicalResourceId/Q"}]}"#;

#[tokio::test]
async fn a_policy_holds() {
    let world = World::new();
    world.create("s", QUEUE).await.expect("created");
    let policy = |body: &str| api::SetStackPolicyInput {
        stack_name: "s".into(),
        stack_policy_body: Some(body.into()),
        ..Default::default()
    };
    assert_eq!(
        said(world.ask(ops::SetStackPolicy, policy("{}")).await),
        "Error validating stack policy: Invalid stack policy"
    );
    world
        .ask(ops::SetStackPolicy, policy(POLICY))
        .await
        .expect("set");
    world
        .update("s", &QUEUE.replace("30", "31"))
        .await
        .expect("updated");
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    world
        .begin_update("s", &QUEUE.replace("QueueName: q", "QueueName: p"), false)
        .await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(
        world.reason("s", "UPDATE_FAILED").await,
        "Action denied by stack policy: Statement [#2] denies [Update:Replace] for resource [LogicalResourceId/Q]"
    );
    let gone = "Resources: {H: {Type: AWS::CloudFormation::WaitConditionHandle}}";
    world.begin_update("s", gone, false).await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(world.queues.names(), ["q"]);
    let input = api::UpdateStackInput {
        stack_name: "s".into(),
        template_body: Some(gone.into()),
        stack_policy_during_update_body: Some(POLICY.replace("Deny", "Allow")),
        ..Default::default()
    };
    world.ask(ops::UpdateStack, input).await.expect("asked");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    assert_eq!(world.queues.names(), [""; 0]);
}

#[tokio::test]
async fn secrets_are_sealed() {
    let world = World::new();
    let body = "Parameters: {Name: {Type: String, NoEcho: true}, T: {Type: String, Default: '30'}}
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${Name}', VisibilityTimeout: !Ref T}}}
";
    let parameter = |name: &str, value: Option<&str>| api::Parameter {
        parameter_key: Some(name.into()),
        parameter_value: value.map(str::to_owned),
        use_previous_value: value.is_none().then_some(true),
        ..Default::default()
    };
    let input = api::CreateStackInput {
        stack_name: "s".into(),
        template_body: Some(body.into()),
        parameters: Some(vec![parameter("Name", Some("hunter2"))]),
        ..Default::default()
    };
    world.ask(ops::CreateStack, input).await.expect("asked");
    world.settle().await;
    assert_eq!(world.queues.names(), ["hunter2"]);
    let input = api::UpdateStackInput {
        stack_name: "s".into(),
        use_previous_template: Some(true),
        parameters: Some(vec![parameter("Name", None), parameter("T", Some("31"))]),
        ..Default::default()
    };
    world.ask(ops::UpdateStack, input).await.expect("asked");
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    assert_eq!(world.queues.names(), ["hunter2"]);
    // The queue's own name is its id; nothing else of the store says it.
    let page = world
        .lab
        .house
        .db
        .store()
        .range("cloudformation/", None, 1000, None)
        .await
        .expect("read");
    for entry in page.entries {
        let text = String::from_utf8_lossy(&entry.value).replace("http://sqs/hunter2", "");
        assert!(!text.contains("hunter2"), "{}: {text}", entry.key);
    }
}

fn nested(parameter: &str) -> String {
    format!(
        "Resources:
  Inner: {{Type: AWS::CloudFormation::Stack, Properties: {{TemplateURL: 'http://s3/b/inner.yaml', Parameters: {{Name: {parameter}}}}}}}
Outputs: {{Url: {{Value: !GetAtt Inner.Outputs.Url}}}}
"
    )
}

const INNER: &str = "Parameters: {Name: {Type: String}}
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}}
Outputs: {Url: {Value: !Ref Q}}
";

#[tokio::test]
async fn a_stack_in_a_stack() {
    let world = World::new();
    world
        .cloud
        .objects
        .lock()
        .expect("one test")
        .insert("inner.yaml".into(), INNER.into());
    world.begin("s", &nested("one")).await;
    world.settle().await;
    assert_eq!(
        world.status("s").await,
        "CREATE_COMPLETE",
        "{:?}",
        world.events("s").await
    );
    let url = |stack: api::Stack| {
        stack.outputs.expect("outputs")[0]
            .output_value
            .clone()
            .expect("a value")
    };
    assert_eq!(url(world.stack("s").await), "http://sqs/one");
    world.begin_update("s", &nested("two"), false).await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    assert_eq!(url(world.stack("s").await), "http://sqs/two");
    assert_eq!(world.queues.names(), ["two"]);
    // What the inner stack has changed goes back with what fails beside it; what it replaced is still the same.
    world.queues.calls();
    world
        .queues
        .refused
        .lock()
        .expect("one test")
        .insert("bad".into());
    let other = nested("three").replace(
        "Outputs:",
        "  Bad: {Type: AWS::SQS::Queue, DependsOn: Inner, Properties: {QueueName: bad}}\nOutputs:",
    );
    world.begin_update("s", &other, false).await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(world.queues.calls(), ["create three", "delete three"]);
    assert_eq!(url(world.stack("s").await), "http://sqs/two");
    let all = world
        .lab
        .house
        .db
        .list_prefix::<Stack>("cloudformation/stack/")
        .await
        .expect("listed");
    let inner = all.iter().find(|s| s.parent.is_some()).expect("nested");
    assert_eq!(inner.status, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(inner.outputs[0].value, "http://sqs/two");
    // One that cannot be changed says why.
    world.begin_update("s", &nested("bad"), false).await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_ROLLBACK_COMPLETE");
    assert!(
        world
            .reason("s", "UPDATE_FAILED")
            .await
            .contains("was not successfully updated. Currently in UPDATE_ROLLBACK_COMPLETE")
    );
    let input = api::DeleteStackInput {
        stack_name: "s".into(),
        ..Default::default()
    };
    world.ask(ops::DeleteStack, input).await.expect("asked");
    world.settle().await;
    assert_eq!(world.queues.names(), [""; 0]);
    let all = world
        .lab
        .house
        .db
        .list_prefix::<Stack>("cloudformation/stack/")
        .await
        .expect("listed");
    assert!(all.iter().all(|s| s.status == "DELETE_COMPLETE"));
}

const CUSTOM: &str = "Resources: {C: {Type: 'Custom::Thing', Properties: {ServiceToken: 'arn:aws:sns:us-east-1:000000000000:t', Size: 1, On: true}}}
Outputs: {A: {Value: !GetAtt C.Answer}}
";

#[tokio::test]
async fn a_custom_resource_is_asked_and_answers() {
    let world = World::new();
    world.begin("s", CUSTOM).await;
    let asked = world.published();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (
            asked[0]["RequestType"].as_str(),
            asked[0]["ResourceType"].as_str()
        ),
        (Some("Create"), Some("Custom::Thing"))
    );
    assert_eq!(asked[0]["ResourceProperties"]["Size"], "1");
    assert_eq!(asked[0]["ResourceProperties"]["On"], "true");
    let status = world
        .answer(
            &asked[0],
            r#"{"Status":"SUCCESS","PhysicalResourceId":"p-1","Data":{"Answer":"42"}}"#,
        )
        .await;
    assert_eq!(status, 200);
    world.settle().await;
    assert_eq!(world.status("s").await, "CREATE_COMPLETE");
    assert_eq!(
        world.stack("s").await.outputs.expect("outputs")[0]
            .output_value
            .as_deref(),
        Some("42")
    );
    // Another id is another thing: the old one is deleted once all is done.
    world
        .begin_update("s", &CUSTOM.replace("Size: 1", "Size: 2"), false)
        .await;
    let asked = world.published();
    assert_eq!(
        (
            asked[0]["RequestType"].as_str(),
            asked[0]["PhysicalResourceId"].as_str()
        ),
        (Some("Update"), Some("p-1"))
    );
    assert_eq!(asked[0]["OldResourceProperties"]["Size"], "1");
    world
        .answer(
            &asked[0],
            r#"{"Status":"SUCCESS","PhysicalResourceId":"p-2","Data":{"Answer":"43"}}"#,
        )
        .await;
    world.advance("s").await;
    let asked = world.published();
    assert_eq!(
        (
            asked[0]["RequestType"].as_str(),
            asked[0]["PhysicalResourceId"].as_str()
        ),
        (Some("Delete"), Some("p-1"))
    );
    world
        .answer(
            &asked[0],
            r#"{"Status":"SUCCESS","PhysicalResourceId":"p-1"}"#,
        )
        .await;
    world.settle().await;
    assert_eq!(world.status("s").await, "UPDATE_COMPLETE");
    // Nobody else may answer, and nobody answers twice.
    let address = asked[0]["ResponseURL"]
        .as_str()
        .expect("an address")
        .replace("/C/", "/D/");
    assert_eq!(world.put(&address, "{}").await, 403);
    let input = api::DeleteStackInput {
        stack_name: "s".into(),
        ..Default::default()
    };
    world.ask(ops::DeleteStack, input).await.expect("asked");
    world.advance("s").await;
    let asked = world.published();
    world
        .answer(&asked[0], r#"{"Status":"FAILED","Reason":"no"}"#)
        .await;
    world.settle().await;
    assert!(world.reason("s", "DELETE_FAILED").await.contains("[C]"));
    let functions = CUSTOM.replace("arn:aws:sns", "arn:aws:lambda");
    world.begin("f", &functions).await;
    world.settle().await;
    assert!(
        world
            .reason("f", "CREATE_FAILED")
            .await
            .contains("has no Lambda")
    );
}
