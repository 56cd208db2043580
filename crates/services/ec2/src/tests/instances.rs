//! Instances as callers ask for them. A host is played: it writes the states.

use super::{Place, place, some};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_ec2::{self as api, ops};
use neargate_domain::machine_image;
use neargate_service::AwsError;
use neargate_service::db;
use neargate_service::eni::Interface;
use neargate_service::instance::{self, Instance, State};
use std::time::Duration;

impl Place {
    fn image(&self) -> String {
        let image = machine_image::ecs_optimized(&self.lab.scope.region, "x86_64");
        image.expect("an image").id
    }

    fn launch(&self, count: i32) -> api::RunInstancesInput {
        api::RunInstancesInput {
            image_id: Some(self.image()),
            instance_type: some("t3.small"),
            min_count: count,
            max_count: count,
            ..Default::default()
        }
    }

    async fn run(&self, input: api::RunInstancesInput) -> Result<Vec<api::Instance>, AwsError> {
        let out = self.call(ops::RunInstances, input).await?;
        Ok(out.instances.unwrap_or_default())
    }

    /// What the host that keeps it observed.
    async fn observe(&self, id: &str, state: State) {
        let key = db::key::<Instance>(&self.lab.scope, id);
        let write = |i: &mut Instance| {
            i.state = state;
            true
        };
        instance::observed(&self.lab.house, &key, write)
            .await
            .unwrap();
    }

    async fn end(&self, id: &str) {
        let key = db::key::<Instance>(&self.lab.scope, id);
        instance::ended(&self.lab.house, &key).await.unwrap();
    }

    async fn described(&self, id: &str) -> api::Instance {
        let input = api::DescribeInstancesInput {
            instance_ids: Some(vec![id.into()]),
            ..Default::default()
        };
        let out = self.call(ops::DescribeInstances, input).await.unwrap();
        let mut reservations = out.reservations.unwrap();
        reservations
            .pop()
            .unwrap()
            .instances
            .unwrap()
            .pop()
            .unwrap()
    }

    async fn state(&self, id: &str) -> String {
        self.described(id).await.state.unwrap().name.unwrap()
    }

    async fn count_interfaces(&self) -> usize {
        let db = &self.lab.house.db;
        db.list::<Interface>(&self.lab.scope).await.unwrap().len()
    }
}

fn id(instance: &api::Instance) -> String {
    instance.instance_id.clone().expect("an id")
}

fn encoded(user_data: &str) -> Option<String> {
    Some(STANDARD.encode(user_data))
}

fn code<T: std::fmt::Debug>(result: Result<T, AwsError>) -> String {
    result.expect_err("refused").code
}

#[tokio::test]
async fn an_instance_has_an_interface_and_an_agent_as_user_data_say() {
    let p = place();
    let input = api::RunInstancesInput {
        user_data: encoded("#!/bin/bash\necho ECS_CLUSTER=prod >> /etc/ecs/ecs.config"),
        tag_specifications: Some(vec![api::TagSpecification {
            resource_type: some("instance"),
            tags: Some(vec![api::Tag {
                key: some("Name"),
                value: some("web"),
            }]),
        }]),
        ..p.launch(2)
    };
    let made = p.run(input).await.unwrap();
    assert_eq!(made.len(), 2);
    for (n, instance) in made.iter().enumerate() {
        let state = instance.state.clone().unwrap();
        assert_eq!(
            (state.code, state.name.as_deref()),
            (Some(0), Some("pending"))
        );
        assert_eq!(instance.ami_launch_index, i32::try_from(n).ok());
        assert_eq!(instance.vpc_id.as_ref(), Some(&p.first.vpc_id));
        assert!(
            instance.public_ip_address.is_some(),
            "default subnets give one"
        );
        assert_eq!(
            instance.tags.as_ref().unwrap()[0].value.as_deref(),
            Some("web")
        );
        let group = &instance.security_groups.as_ref().unwrap()[0];
        assert_eq!(group.group_name.as_deref(), Some("default"));
    }
    let first = id(&made[0]);
    let stored = p
        .lab
        .house
        .db
        .get::<Instance>(&p.lab.scope, &first)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.agent.as_ref().unwrap().cluster, "prod");
    p.observe(&first, State::Running).await;
    assert_eq!(p.state(&first).await, "running");
    let statuses = p
        .call(ops::DescribeInstanceStatus, Default::default())
        .await
        .unwrap();
    let statuses = statuses.instance_statuses.unwrap();
    assert_eq!(statuses.len(), 1, "only what runs");
    let status = statuses[0].instance_status.clone().unwrap().status;
    assert_eq!(status.as_deref(), Some("ok"));
    let filtered = api::DescribeInstancesInput {
        filters: Some(vec![api::Filter {
            name: some("instance-state-name"),
            values: Some(vec!["running".into()]),
        }]),
        ..Default::default()
    };
    let found = p.call(ops::DescribeInstances, filtered).await.unwrap();
    let found = &found.reservations.unwrap()[0];
    assert_eq!(found.instances.as_ref().unwrap().len(), 1);
}

#[tokio::test]
async fn it_stops_starts_and_ends() {
    let p = place();
    let made = p.run(p.launch(1)).await.unwrap();
    let id = id(&made[0]);
    p.observe(&id, State::Running).await;
    let stop = api::StopInstancesInput {
        instance_ids: vec![id.clone()],
        ..Default::default()
    };
    let start = api::StartInstancesInput {
        instance_ids: vec![id.clone()],
        ..Default::default()
    };
    let out = p.call(ops::StopInstances, stop.clone()).await.unwrap();
    let change = out.stopping_instances.unwrap().pop().unwrap();
    let name = |s: Option<api::InstanceState>| s.unwrap().name.unwrap();
    assert_eq!(name(change.previous_state), "running");
    assert_eq!(name(change.current_state), "stopping");
    assert_eq!(
        code(p.call(ops::StartInstances, start.clone()).await),
        "IncorrectInstanceState"
    );
    p.observe(&id, State::Stopped).await;
    assert_eq!(p.state(&id).await, "stopped");
    p.call(ops::StopInstances, stop)
        .await
        .expect("twice is fine");
    p.call(ops::StartInstances, start).await.unwrap();
    assert_eq!(p.state(&id).await, "pending");
    p.observe(&id, State::Running).await;

    let protect = |value| api::ModifyInstanceAttributeInput {
        instance_id: id.clone(),
        disable_api_termination: Some(api::AttributeBooleanValue { value: Some(value) }),
        ..Default::default()
    };
    let terminate = api::TerminateInstancesInput {
        instance_ids: vec![id.clone()],
        ..Default::default()
    };
    p.call(ops::ModifyInstanceAttribute, protect(true))
        .await
        .unwrap();
    let refused = p.call(ops::TerminateInstances, terminate.clone()).await;
    assert_eq!(code(refused), "OperationNotPermitted");
    p.call(ops::ModifyInstanceAttribute, protect(false))
        .await
        .unwrap();
    p.call(ops::TerminateInstances, terminate.clone())
        .await
        .unwrap();
    assert_eq!(p.state(&id).await, "shutting-down");
    assert_eq!(
        p.count_interfaces().await,
        1,
        "until its host says that it has ended"
    );
    p.end(&id).await;
    let ended = p.described(&id).await;
    assert_eq!(ended.state.unwrap().name.unwrap(), "terminated");
    assert_eq!(
        (ended.private_ip_address, p.count_interfaces().await),
        (None, 0)
    );
    p.call(ops::TerminateInstances, terminate)
        .await
        .expect("twice is fine");
    p.lab.clock.advance(Duration::from_secs(3_601));
    instance::forget_ended(&p.lab.house).await.unwrap();
    let gone = api::DescribeInstancesInput {
        instance_ids: Some(vec![id]),
        ..Default::default()
    };
    assert_eq!(
        code(p.call(ops::DescribeInstances, gone).await),
        "InvalidInstanceID.NotFound"
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_nothing_is_left() {
    let p = place();
    let with = |change: &dyn Fn(&mut api::RunInstancesInput)| {
        let mut input = p.launch(1);
        change(&mut input);
        input
    };
    for (input, expected) in [
        (with(&|i| i.image_id = None), "MissingParameter"),
        (
            with(&|i| i.image_id = some("ami-xyz")),
            "InvalidAMIID.Malformed",
        ),
        (
            with(&|i| i.image_id = some("ami-0123456789abcdef0")),
            "InvalidAMIID.NotFound",
        ),
        (
            with(&|i| i.instance_type = some("t9.huge")),
            "InvalidParameterValue",
        ),
        (
            with(&|i| i.instance_type = some("t4g.small")),
            "InvalidParameterValue",
        ),
        (with(&|i| i.min_count = 0), "InvalidParameterValue"),
        (with(&|i| i.min_count = 2), "InvalidParameterValue"),
        (
            with(&|i| i.subnet_id = some("subnet-1")),
            "InvalidSubnetID.NotFound",
        ),
        (
            with(&|i| i.security_group_ids = Some(vec!["sg-1".into()])),
            "InvalidGroup.NotFound",
        ),
        (
            with(&|i| i.security_groups = Some(vec!["web".into()])),
            "InvalidGroup.NotFound",
        ),
        (
            with(&|i| i.user_data = some("not base64!")),
            "InvalidParameterValue",
        ),
        (with(&|i| i.dry_run = Some(true)), "DryRunOperation"),
        (
            with(&|i| {
                i.launch_template = Some(api::LaunchTemplateSpecification {
                    launch_template_name: some("none"),
                    ..Default::default()
                });
            }),
            "InvalidLaunchTemplateName.NotFoundException",
        ),
    ] {
        assert_eq!(code(p.run(input.clone()).await), expected, "{input:?}");
    }
    assert_eq!(p.count_interfaces().await, 0);
    let unknown = api::TerminateInstancesInput {
        instance_ids: vec!["i-0123456789abcdef0".into(), "i-0123456789abcdef1".into()],
        ..Default::default()
    };
    let error = p.call(ops::TerminateInstances, unknown).await.unwrap_err();
    assert_eq!(
        error.message,
        "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist"
    );
}

#[tokio::test]
async fn a_token_starts_once() {
    let p = place();
    let input = api::RunInstancesInput {
        client_token: some("once"),
        ..p.launch(2)
    };
    let first = p.run(input.clone()).await.unwrap();
    let again = p.run(input.clone()).await.unwrap();
    let ids = |all: &[api::Instance]| {
        all.iter()
            .map(id)
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!((ids(&first), p.count_interfaces().await), (ids(&again), 2));
    let other = api::RunInstancesInput {
        instance_type: some("t3.large"),
        ..input
    };
    assert_eq!(code(p.run(other).await), "IdempotentParameterMismatch");
}

#[tokio::test]
async fn a_launch_template_says_what_the_call_does_not() {
    let p = place();
    let data = |kind: &str| api::RequestLaunchTemplateData {
        image_id: Some(p.image()),
        instance_type: some(kind),
        user_data: encoded("#!/bin/bash\necho ECS_CLUSTER=blue >> /etc/ecs/ecs.config"),
        ..Default::default()
    };
    let create = api::CreateLaunchTemplateInput {
        launch_template_name: "nodes".into(),
        launch_template_data: data("t3.small"),
        ..Default::default()
    };
    let made = p
        .call(ops::CreateLaunchTemplate, create.clone())
        .await
        .unwrap();
    let template = made.launch_template.unwrap().launch_template_id.unwrap();
    let taken = p.call(ops::CreateLaunchTemplate, create).await;
    assert_eq!(
        code(taken),
        "InvalidLaunchTemplateName.AlreadyExistsException"
    );
    let second = api::CreateLaunchTemplateVersionInput {
        launch_template_id: Some(template.clone()),
        source_version: some("1"),
        launch_template_data: api::RequestLaunchTemplateData {
            instance_type: some("t3.large"),
            ..Default::default()
        },
        ..Default::default()
    };
    p.call(ops::CreateLaunchTemplateVersion, second)
        .await
        .unwrap();
    let run = |version: Option<&str>, kind: Option<&str>| api::RunInstancesInput {
        min_count: 1,
        max_count: 1,
        instance_type: kind.map(str::to_owned),
        launch_template: Some(api::LaunchTemplateSpecification {
            launch_template_name: some("nodes"),
            version: version.map(str::to_owned),
            ..Default::default()
        }),
        ..Default::default()
    };
    for (version, kind, expected) in [
        (None, None, "t3.small"),
        (Some("$Latest"), None, "t3.large"),
        (Some("2"), Some("t3.medium"), "t3.medium"),
    ] {
        let made = p.run(run(version, kind)).await.unwrap();
        assert_eq!(made[0].instance_type.as_deref(), Some(expected));
        let stored = p
            .lab
            .house
            .db
            .get::<Instance>(&p.lab.scope, &id(&made[0]))
            .await;
        assert_eq!(
            stored.unwrap().unwrap().agent.as_ref().unwrap().cluster,
            "blue"
        );
    }
    let missing = p.run(run(Some("7"), None)).await;
    assert_eq!(code(missing), "InvalidLaunchTemplateId.VersionNotFound");
    let versions = api::DescribeLaunchTemplateVersionsInput {
        launch_template_id: Some(template.clone()),
        ..Default::default()
    };
    let versions = p
        .call(ops::DescribeLaunchTemplateVersions, versions)
        .await
        .unwrap();
    let versions = versions.launch_template_versions.unwrap();
    let numbers: Vec<_> = versions.iter().filter_map(|v| v.version_number).collect();
    assert_eq!(numbers, [2, 1]);
    let data = versions[0].launch_template_data.clone().unwrap();
    assert_eq!(data.image_id, Some(p.image()), "of its source");
    let delete = api::DeleteLaunchTemplateVersionsInput {
        launch_template_id: Some(template.clone()),
        versions: vec!["1".into(), "2".into()],
        ..Default::default()
    };
    let out = p
        .call(ops::DeleteLaunchTemplateVersions, delete)
        .await
        .unwrap();
    assert_eq!(
        out.successfully_deleted_launch_template_versions
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        out.unsuccessfully_deleted_launch_template_versions
            .unwrap()
            .len(),
        1
    );
    let delete = api::DeleteLaunchTemplateInput {
        launch_template_id: Some(template),
        ..Default::default()
    };
    p.call(ops::DeleteLaunchTemplate, delete).await.unwrap();
}

#[tokio::test]
async fn images_and_types_are_found_as_tools_look_for_them() {
    let p = place();
    let images = api::DescribeImagesInput {
        owners: Some(vec!["amazon".into()]),
        filters: Some(vec![api::Filter {
            name: some("name"),
            values: Some(vec!["al2023-ami-ecs-hvm-*-x86_64".into()]),
        }]),
        ..Default::default()
    };
    let images = p
        .call(ops::DescribeImages, images)
        .await
        .unwrap()
        .images
        .unwrap();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0].image_id, Some(p.image()));
    let types = api::DescribeInstanceTypesInput {
        instance_types: Some(vec!["t3.small".into(), "m5.large".into()]),
        ..Default::default()
    };
    let types = p.call(ops::DescribeInstanceTypes, types).await.unwrap();
    let types = types.instance_types.unwrap();
    let memory = types[1].memory_info.clone().unwrap().size_in_mib;
    assert_eq!((types.len(), memory), (2, Some(2048)));
    let unknown = api::DescribeInstanceTypesInput {
        instance_types: Some(vec!["x1e.xlarge".into()]),
        ..Default::default()
    };
    assert_eq!(
        code(p.call(ops::DescribeInstanceTypes, unknown).await),
        "InvalidInstanceType"
    );
    let offered = api::DescribeInstanceTypeOfferingsInput {
        location_type: some("availability-zone"),
        filters: Some(vec![api::Filter {
            name: some("instance-type"),
            values: Some(vec!["t3.small".into()]),
        }]),
        ..Default::default()
    };
    let offered = p
        .call(ops::DescribeInstanceTypeOfferings, offered)
        .await
        .unwrap();
    assert_eq!(offered.instance_type_offerings.unwrap().len(), 3);
}

#[tokio::test]
async fn a_templates_interface_goes_into_the_subnet_of_the_call() {
    let p = place();
    let vpc = p.vpc("10.7.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.7.1.0/24").await;
    let group = p.group(&vpc, "nodes").await;
    let specification = api::LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
        device_index: Some(0),
        groups: Some(vec![group.clone()]),
        associate_public_ip_address: Some(true),
        ..Default::default()
    };
    let create = api::CreateLaunchTemplateInput {
        launch_template_name: "nodes".into(),
        launch_template_data: api::RequestLaunchTemplateData {
            image_id: Some(p.image()),
            instance_type: some("t3.small"),
            network_interfaces: Some(vec![specification]),
            ..Default::default()
        },
        ..Default::default()
    };
    p.call(ops::CreateLaunchTemplate, create).await.unwrap();
    let run = api::RunInstancesInput {
        min_count: 1,
        max_count: 1,
        subnet_id: Some(subnet.clone()),
        launch_template: Some(api::LaunchTemplateSpecification {
            launch_template_name: some("nodes"),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = p.run(run).await.unwrap();
    assert_eq!(made[0].subnet_id, Some(subnet));
    assert!(made[0].public_ip_address.is_some());
    let groups = made[0].security_groups.clone().unwrap();
    assert_eq!(groups[0].group_id, Some(group));
}
