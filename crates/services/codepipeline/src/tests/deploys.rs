//! From a bucket to a service: S3 and ECS are tables that remember what they were asked.

use super::{World, action, aws, makes, pipeline, stage, takes, with};
use neargate_api_ecs as ecs;
use neargate_api_s3 as s3;
use neargate_service::{AwsError, Ctx, OperationTable};
use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::sync::{Arc, Mutex};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

#[derive(Debug, Default)]
struct Elsewhere {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Families' images, one a revision.
    registered: Mutex<Vec<String>>,
    updates: Mutex<Vec<String>>,
    rollout: Mutex<String>,
}

type Answer<T> = Result<T, AwsError>;

fn no_key() -> AwsError {
    AwsError::client("NoSuchKey", "The specified key does not exist.").status(404)
}

async fn head(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: s3::HeadObjectInput,
) -> Answer<s3::HeadObjectOutput> {
    let objects = of.objects.lock().expect("whole");
    let found = objects.get(&format!("{}/{}", input.bucket, input.key));
    let found = found.ok_or_else(no_key)?;
    Ok(s3::HeadObjectOutput {
        content_length: i64::try_from(found.len()).ok(),
        e_tag: Some(format!("\"{}\"", found.len())),
        version_id: Some(format!("v{}", found.len())),
        ..Default::default()
    })
}

async fn get(of: Arc<Elsewhere>, _: Ctx, input: s3::GetObjectInput) -> Answer<s3::GetObjectOutput> {
    let objects = of.objects.lock().expect("whole");
    let found = objects.get(&format!("{}/{}", input.bucket, input.key));
    Ok(s3::GetObjectOutput {
        body: Some(found.ok_or_else(no_key)?.clone().into()),
        ..Default::default()
    })
}

async fn copy(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: s3::CopyObjectInput,
) -> Answer<s3::CopyObjectOutput> {
    let mut objects = of.objects.lock().expect("whole");
    let source = input.copy_source.split('?').next().unwrap_or_default();
    let found = objects.get(source).cloned().ok_or_else(no_key)?;
    objects.insert(format!("{}/{}", input.bucket, input.key), found);
    Ok(Default::default())
}

fn definition(revision: usize, image: &str) -> ecs::TaskDefinition {
    ecs::TaskDefinition {
        family: Some("web".into()),
        task_definition_arn: Some(format!("web:{revision}")),
        revision: i32::try_from(revision).ok(),
        container_definitions: Some(vec![ecs::ContainerDefinition {
            name: Some("app".into()),
            image: Some(image.into()),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

async fn services(
    of: Arc<Elsewhere>,
    _: Ctx,
    _: ecs::DescribeServicesInput,
) -> Answer<ecs::DescribeServicesOutput> {
    Ok(ecs::DescribeServicesOutput {
        services: Some(vec![service(&of)]),
        ..Default::default()
    })
}

fn service(of: &Elsewhere) -> ecs::Service {
    let updates = of.updates.lock().expect("whole");
    let current = updates.last().cloned().unwrap_or_else(|| "web:1".into());
    ecs::Service {
        status: Some("ACTIVE".into()),
        task_definition: Some(current.clone()),
        deployments: Some(vec![ecs::Deployment {
            id: Some(format!("ecs-svc/{}", updates.len())),
            status: Some("PRIMARY".into()),
            task_definition: Some(current),
            rollout_state: Some(of.rollout.lock().expect("whole").clone()),
            ..Default::default()
        }]),
        ..Default::default()
    }
}

async fn described(
    of: Arc<Elsewhere>,
    cx: Ctx,
    _: ecs::DescribeTaskDefinitionInput,
) -> Answer<ecs::DescribeTaskDefinitionOutput> {
    let registered = of.registered.lock().expect("whole");
    let image = registered.last().map_or("old", String::as_str);
    let mut newest = definition(registered.len() + 1, image);
    newest.registered_at = Some(cx.now());
    Ok(ecs::DescribeTaskDefinitionOutput {
        task_definition: Some(newest),
        ..Default::default()
    })
}

async fn register(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: ecs::RegisterTaskDefinitionInput,
) -> Answer<ecs::RegisterTaskDefinitionOutput> {
    let image = input.container_definitions[0].image.clone();
    let mut registered = of.registered.lock().expect("whole");
    registered.push(image.clone().unwrap_or_default());
    Ok(ecs::RegisterTaskDefinitionOutput {
        task_definition: Some(definition(registered.len() + 1, &image.unwrap_or_default())),
        ..Default::default()
    })
}

async fn update(
    of: Arc<Elsewhere>,
    _: Ctx,
    input: ecs::UpdateServiceInput,
) -> Answer<ecs::UpdateServiceOutput> {
    let wanted = input.task_definition.unwrap_or_default();
    of.updates.lock().expect("whole").push(wanted);
    Ok(ecs::UpdateServiceOutput {
        service: Some(service(&of)),
    })
}

fn zipped(name: &str, text: &str) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file(name, SimpleFileOptions::default())
        .expect("begun");
    zip.write_all(text.as_bytes()).expect("written");
    zip.finish().expect("done").into_inner()
}

async fn world(object: Option<Vec<u8>>) -> (World, Arc<Elsewhere>) {
    let world = World::default();
    let of = Arc::new(Elsewhere::default());
    *of.rollout.lock().expect("whole") = "IN_PROGRESS".into();
    if let Some(object) = object {
        let mut objects = of.objects.lock().expect("whole");
        objects.insert("code/app.zip".into(), object);
    }
    let buckets = OperationTable::new(&s3::SERVICE, of.clone())
        .on(s3::ops::HeadObject, head)
        .on(s3::ops::GetObject, get)
        .on(s3::ops::CopyObject, copy);
    let cluster = OperationTable::new(&ecs::SERVICE, of.clone())
        .on(ecs::ops::DescribeServices, services)
        .on(ecs::ops::DescribeTaskDefinition, described)
        .on(ecs::ops::RegisterTaskDefinition, register)
        .on(ecs::ops::UpdateService, update);
    let caller = &world.lab.house.caller;
    caller.connect(vec![Arc::new(buckets), Arc::new(cluster)]);
    let source = with(
        makes(action("src", aws("Source", "S3")), "app"),
        &[("S3Bucket", "code"), ("S3ObjectKey", "app.zip")],
    );
    let deploy = with(
        takes(action("ship", aws("Deploy", "ECS")), "app"),
        &[("ClusterName", "c"), ("ServiceName", "web")],
    );
    let given = pipeline(vec![
        stage("Source", vec![source]),
        stage("Deploy", vec![deploy]),
    ]);
    world.create(given).await.expect("made");
    (world, of)
}

fn good() -> Vec<u8> {
    let images = r#"[{"name":"app","imageUri":"new"}]"#;
    zipped("imagedefinitions.json", images)
}

#[tokio::test]
async fn an_image_comes_to_its_service_once() {
    let (world, of) = world(Some(good())).await;
    world.run().await;
    assert_eq!(
        world.actions().await,
        ["src Succeeded", "ship InProgress"],
        "the deployment goes on"
    );
    assert_eq!(*of.registered.lock().expect("whole"), ["new"]);
    assert_eq!(*of.updates.lock().expect("whole"), ["web:2"]);
    *of.rollout.lock().expect("whole") = "COMPLETED".into();
    world.run().await;
    assert_eq!(world.statuses().await, ["Succeeded"]);
    assert_eq!(of.updates.lock().expect("whole").len(), 1);
    let revision = world.state().await[0].action_states.clone().expect("some")[0].clone();
    let revision = revision.current_revision.expect("one").revision_id;
    assert!(revision.starts_with('v'), "{revision}");
}

#[tokio::test]
async fn a_new_version_of_the_object_starts_an_execution() {
    let (world, of) = world(Some(good())).await;
    *of.rollout.lock().expect("whole") = "COMPLETED".into();
    world.run().await;
    world.lab.clock.advance(std::time::Duration::from_secs(5));
    world.run().await;
    assert_eq!(world.statuses().await, ["Succeeded"], "nothing is new");
    let newer = zipped(
        "imagedefinitions.json",
        r#"[{"name":"app","imageUri":"newer"}]"#,
    );
    let replace = |newer| {
        let mut objects = of.objects.lock().expect("whole");
        objects.insert("code/app.zip".into(), newer);
    };
    replace(newer);
    world.lab.clock.advance(std::time::Duration::from_secs(5));
    world.run().await;
    assert_eq!(world.statuses().await, ["Succeeded", "Succeeded"]);
    assert_eq!(*of.registered.lock().expect("whole"), ["new", "newer"]);
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let wrong = [
        (
            None,
            "src Failed: The object with key 'app.zip' does not exist in bucket 'code'",
        ),
        (
            Some(zipped("other.json", "[]")),
            "ship Failed: Did not find the image definition file imagedefinitions.json",
        ),
        (
            Some(zipped("imagedefinitions.json", "{")),
            "ship Failed: The image definition file imagedefinitions.json contains invalid JSON format",
        ),
        (
            Some(zipped(
                "imagedefinitions.json",
                r#"[{"name":"db","imageUri":"x"}]"#,
            )),
            "ship Failed: The task definition web:1 has no container with the name db",
        ),
        (
            Some(b"no archive".to_vec()),
            "ship Failed: The artifact is not a ZIP file",
        ),
    ];
    for (object, told) in wrong {
        let (world, _) = world(object).await;
        world.run().await;
        assert_eq!(world.statuses().await, ["Failed"]);
        let actions = world.actions().await;
        assert!(actions.iter().any(|a| a.starts_with(told)), "{actions:?}");
    }
}

#[tokio::test]
async fn a_deployment_that_fails_or_vanishes_fails_the_stage() {
    for rollout in ["FAILED", "GONE"] {
        let (world, of) = world(Some(good())).await;
        world.run().await;
        match rollout {
            "FAILED" => *of.rollout.lock().expect("whole") = rollout.into(),
            _ => of.updates.lock().expect("whole").push("web:9".into()),
        }
        world.run().await;
        assert_eq!(world.statuses().await, ["Failed"]);
    }
}
