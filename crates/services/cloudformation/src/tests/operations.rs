//! Calls that ask for stacks.

use super::{World, said};
use crate::types;
use neargate_api_cloudformation::{self as api, ops};

const ONE: &str = r#"{"Parameters": {"Name": {"Type": "String", "Default": "q", "NoEcho": true}},
    "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}}}}}"#;

fn set(name: &str, kind: &str, body: &str) -> api::CreateChangeSetInput {
    api::CreateChangeSetInput {
        stack_name: "s".into(),
        change_set_name: name.into(),
        change_set_type: Some(kind.into()),
        template_body: Some(body.into()),
        ..Default::default()
    }
}

async fn described(world: &World, name: &str) -> api::DescribeChangeSetOutput {
    let input = api::DescribeChangeSetInput {
        stack_name: Some("s".into()),
        change_set_name: name.into(),
        ..Default::default()
    };
    world
        .ask(ops::DescribeChangeSet, input)
        .await
        .expect("described")
}

async fn execute(world: &World, name: &str) {
    let input = api::ExecuteChangeSetInput {
        stack_name: Some("s".into()),
        change_set_name: name.into(),
        ..Default::default()
    };
    world
        .ask(ops::ExecuteChangeSet, input)
        .await
        .expect("executed");
    world.run().await;
}

#[tokio::test]
async fn change_sets_say_what_they_do() {
    let world = World::new();
    assert_eq!(
        said(
            world
                .ask(ops::CreateChangeSet, set("a", "UPDATE", ONE))
                .await
        ),
        "Stack [s] does not exist"
    );
    world
        .ask(ops::CreateChangeSet, set("a", "CREATE", ONE))
        .await
        .expect("made");
    assert_eq!(world.status("s").await, "REVIEW_IN_PROGRESS");
    let shown = described(&world, "a").await;
    assert_eq!(shown.execution_status.as_deref(), Some("AVAILABLE"));
    assert_eq!(
        shown.parameters.expect("parameters")[0]
            .parameter_value
            .as_deref(),
        Some("****")
    );
    execute(&world, "a").await;
    assert_eq!(world.status("s").await, "CREATE_COMPLETE");
    world
        .ask(ops::CreateChangeSet, set("same", "UPDATE", ONE))
        .await
        .expect("made");
    let shown = described(&world, "same").await;
    assert_eq!(shown.status.as_deref(), Some("FAILED"));
    assert!(
        shown
            .status_reason
            .expect("why")
            .contains("didn't contain changes")
    );
    let other = ONE.replace("\"q\"", "\"p\"");
    world
        .ask(ops::CreateChangeSet, set("b", "UPDATE", &other))
        .await
        .expect("made");
    let changes = described(&world, "b").await.changes.expect("changes");
    let change = changes[0].resource_change.clone().expect("of a resource");
    assert_eq!(
        (change.action.as_deref(), change.replacement.as_deref()),
        (Some("Modify"), Some("True"))
    );
    execute(&world, "b").await;
    assert_eq!(world.queues.names(), ["p"]);
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let world = World::new();
    let lambda = "Resources: {F: {Type: AWS::Lambda::Function}}";
    assert_eq!(
        said(world.create("s", lambda).await),
        "Template format error: Unrecognized resource types: [AWS::Lambda::Function]"
    );
    let role = "Resources: {R: {Type: AWS::IAM::Role, Properties: {AssumeRolePolicyDocument: {}}}}";
    assert_eq!(
        said(world.create("s", role).await),
        "Requires capabilities : [CAPABILITY_IAM]"
    );
    assert!(
        said(world.create("9", ONE).await).contains("'stackName' failed to satisfy constraint")
    );
    world.create("s", ONE).await.expect("created");
    assert_eq!(
        said(world.create("s", ONE).await),
        "Stack [s] already exists"
    );
    let typo = "Resources: {Q: {Type: AWS::SQS::Queue, Properties: {Colour: red}}}";
    world.create("t", typo).await.expect("asked");
    assert_eq!(world.status("t").await, "ROLLBACK_COMPLETE");
    let input = api::UpdateTerminationProtectionInput {
        stack_name: "s".into(),
        enable_termination_protection: true,
    };
    world
        .ask(ops::UpdateTerminationProtection, input)
        .await
        .expect("protected");
    assert_eq!(
        said(world.delete("s").await),
        "Stack [s] cannot be deleted while TerminationProtection is enabled"
    );
}

/// `docs/cloudformation.md` has a row for every type.
#[test]
fn the_documentation_names_every_type() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../docs/cloudformation.md"
    );
    let text = std::fs::read_to_string(path).expect("the page");
    let rows = text
        .lines()
        .filter_map(|line| line.strip_prefix("- `"))
        .filter_map(|l| l.split_once('`'));
    let rows: Vec<&str> = rows
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("AWS::"))
        .collect();
    let known = types::all().keys().map(String::as_str);
    let known: Vec<&str> = known
        .filter(|name| name.starts_with("AWS::") && *name != "AWS::Lambda::Function")
        .collect();
    assert_eq!(rows, known);
}

/// Every operation that a type names is one, and every property that it knows is there once.
#[test]
fn the_descriptions_name_operations() {
    for (name, kind) in types::all() {
        let properties = kind.properties();
        assert!(!properties.iter().any(String::is_empty), "{name}");
        let Some(service) = neargate_api::SERVICES.iter().find(|s| s.id == kind.service) else {
            assert_eq!(kind.service, "", "{name}");
            continue;
        };
        let steps = kind
            .create
            .iter()
            .chain(&kind.set)
            .chain(&kind.update)
            .chain(&kind.delete);
        let steps = steps.chain(&kind.retag).filter_map(|step| step.op.as_ref());
        let reads = kind
            .read
            .iter()
            .chain(&kind.find)
            .chain(kind.more.values())
            .map(|read| &read.op);
        for op in steps.chain(reads) {
            let operation = service.operation(op);
            assert!(operation.is_some_and(|o| o.taken), "{name}: {op}");
        }
    }
}
