//! Volumes of tasks: what a node is told of them, and what is shown of those that are made for a task.

use super::{Lab, definition, said};
use neargate_api_ecs::{self as api, ops};
use neargate_domain::{EfsVolume, PidMode, VolumeSource};

fn volume(name: &str, change: impl Fn(&mut api::Volume)) -> api::Volume {
    let mut volume = api::Volume {
        name: Some(name.into()),
        ..Default::default()
    };
    change(&mut volume);
    volume
}

async fn register(lab: &Lab, volumes: Vec<api::Volume>) {
    let mut input = definition("data");
    let mount = |volume: &api::Volume| api::MountPoint {
        source_volume: volume.name.clone(),
        container_path: Some(format!("/{}", volume.name.as_deref().unwrap_or_default())),
        read_only: Some(true),
    };
    input.container_definitions[0].mount_points = Some(volumes.iter().map(mount).collect());
    input.volumes = Some(volumes);
    input.pid_mode = Some("task".into());
    lab.call(ops::RegisterTaskDefinition, input)
        .await
        .expect("registered");
}

#[tokio::test]
async fn a_node_is_told_of_the_tasks_volumes() {
    let lab = Lab::new();
    let efs = |volume: &mut api::Volume| {
        volume.efs_volume_configuration = Some(api::EFSVolumeConfiguration {
            file_system_id: "fs-1".into(),
            root_directory: Some("/a".into()),
            ..Default::default()
        });
    };
    register(&lab, vec![volume("scratch", |_| {}), volume("efs", efs)]).await;
    lab.run(lab.request("data")).await.expect("it runs");
    let task = lab.tasks().await.remove(0).value;
    let told = &task.spec.assignment;
    assert_eq!(told.volumes[0].source, VolumeSource::Task);
    let efs = EfsVolume {
        file_system_id: "fs-1".into(),
        root_directory: "/a".into(),
        access_point_id: None,
    };
    assert_eq!(told.volumes[1].source, VolumeSource::Efs(efs));
    assert_eq!(told.pid_mode, Some(PidMode::Task));
    let mounts = &told.containers[0].mounts;
    assert!(mounts[0].read_only && mounts[0].container_path == "/scratch");
}

#[tokio::test]
async fn a_volume_is_made_for_each_task() {
    let lab = Lab::new();
    register(
        &lab,
        vec![volume("data", |v| v.configured_at_launch = Some(true))],
    )
    .await;
    let (code, words) = said(lab.run(lab.request("data")).await);
    assert_eq!(code, "InvalidParameterException");
    assert!(words.contains("'data' at launch"), "{words}");
    let role = "arn:aws:iam::000000000000:role/ecsInfrastructureRole";
    let mut request = lab.request("data");
    request.count = Some(2);
    request.volume_configurations = Some(vec![api::TaskVolumeConfiguration {
        name: "data".into(),
        managed_ebs_volume: Some(api::TaskManagedEBSVolumeConfiguration {
            role_arn: role.into(),
            size_in_gib: Some(20),
            ..Default::default()
        }),
    }]);
    let tasks = lab.run(request).await.expect("they run");
    let details = |task: &api::Task| {
        let attachments = task.attachments.iter().flatten();
        let mut ebs =
            attachments.filter(|a| a.r#type.as_deref() == Some("AmazonElasticBlockStorage"));
        let ebs = ebs.next().expect("it has one").clone();
        let details = ebs.details.into_iter().flatten();
        let names: Vec<String> = details.filter_map(|d| d.name).collect();
        (ebs.status.expect("it has one"), names)
    };
    let known = ["roleArn", "volumeName", "deleteOnTermination"].map(str::to_owned);
    assert_eq!(details(&tasks[0]), ("CREATED".to_owned(), known.to_vec()));
    let stored = lab.tasks().await;
    let ids: std::collections::BTreeSet<String> = stored
        .iter()
        .flat_map(|task| &task.spec.assignment.volumes)
        .filter_map(|volume| match &volume.source {
            VolumeSource::Ebs(ebs) => Some(ebs.volume_id.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 2);
    let shown = crate::describe::task(&stored[0].value, false);
    let (status, names) = details(&shown);
    assert_eq!((status.as_str(), names.len()), ("ATTACHING", 4));
}
