//! What is refused, and in which words.

use super::{invalid, place, refused, some};
use neargate_api_autoscaling::{self as api, ops};

#[tokio::test]
async fn groups_that_cannot_be() {
    let p = place();
    let with = |change: fn(&mut api::CreateAutoScalingGroupInput)| {
        let mut input = p.new_group(1, 2);
        change(&mut input);
        input
    };
    for (input, message) in [
        (
            with(|i| i.max_size = 0),
            "Max bound, 0, must be greater than or equal to min bound, 1",
        ),
        (
            with(|i| i.desired_capacity = Some(3)),
            "Desired capacity:3 must be between the specified min size:1 and max size:2",
        ),
        (
            with(|i| i.launch_template = None),
            "Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        ),
        (
            with(|i| i.launch_configuration_name = some("x")),
            "Valid requests must contain either launchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
        ),
        (
            with(|i| {
                i.launch_template = None;
                i.launch_configuration_name = some("x");
            }),
            "Launch configuration name not found - Launch configuration x not found",
        ),
        (
            with(|i| i.availability_zones = None),
            "At least one Availability Zone or VPC Subnet is required.",
        ),
        (
            with(|i| i.availability_zones = Some(vec!["mars-1a".into()])),
            "Invalid availability zones: [mars-1a]",
        ),
        (
            with(|i| {
                i.availability_zones = None;
                i.vpc_zone_identifier = some("subnet-0");
            }),
            "The subnet ID 'subnet-0' does not exist",
        ),
        (
            with(|i| i.termination_policies = Some(vec!["Best".into()])),
            "Best is not a valid Termination Policy Type",
        ),
        (
            with(|i| i.launch_template.as_mut().unwrap().launch_template_id = some("lt-2")),
            "You must use a valid fully-formed launch template. no such template",
        ),
        (
            with(|i| i.instance_id = some("i-1")),
            "Neargate does not take InstanceId, to make a group like an instance yet.",
        ),
    ] {
        invalid(p.call(ops::CreateAutoScalingGroup, input).await, message);
    }
    for name in ["a:b", "ü", "a\tb"] {
        let input = api::CreateAutoScalingGroupInput {
            auto_scaling_group_name: name.into(),
            ..p.new_group(0, 0)
        };
        let e = p
            .call(ops::CreateAutoScalingGroup, input)
            .await
            .unwrap_err();
        assert_eq!(e.code, "ValidationError", "{name}");
    }
    let e = p
        .call(
            ops::CreateAutoScalingGroup,
            with(|i| i.auto_scaling_group_name.clear()),
        )
        .await;
    let e = e.unwrap_err();
    assert!(
        e.message
            .contains("Member must have length greater than or equal to 1"),
        "{}",
        e.message
    );
}

#[tokio::test]
async fn names_are_unique_and_may_have_slashes() {
    let p = place();
    for name in ["web", "web/1", "web/2", "web%2F1", "Web (new)"] {
        let input = api::CreateAutoScalingGroupInput {
            auto_scaling_group_name: name.into(),
            ..p.new_group(0, 1)
        };
        p.create(input).await;
    }
    refused(
        p.call(ops::CreateAutoScalingGroup, p.new_group(0, 1)).await,
        "AlreadyExists",
        "AutoScalingGroup by this name already exists - A group with the name web already exists",
    );
    let mut token = None;
    let mut names = Vec::new();
    loop {
        let input = api::DescribeAutoScalingGroupsInput {
            max_records: Some(2),
            next_token: token,
            ..Default::default()
        };
        let page = p.call(ops::DescribeAutoScalingGroups, input).await.unwrap();
        let groups = page.auto_scaling_groups.unwrap().into_iter();
        names.extend(groups.filter_map(|g| g.auto_scaling_group_name));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["Web (new)", "web", "web%2F1", "web/1", "web/2"]);
    let one = api::DescribeAutoScalingGroupsInput {
        auto_scaling_group_names: Some(vec!["web/1".into()]),
        ..Default::default()
    };
    let found = p.call(ops::DescribeAutoScalingGroups, one).await.unwrap();
    assert_eq!(found.auto_scaling_groups.unwrap().len(), 1);
    let wrong = api::DescribeAutoScalingGroupsInput {
        next_token: some("%%"),
        ..Default::default()
    };
    let e = p
        .call(ops::DescribeAutoScalingGroups, wrong)
        .await
        .unwrap_err();
    assert_eq!(e.code, "InvalidNextToken");
}

#[tokio::test]
async fn what_does_not_exist_is_named() {
    let p = place();
    invalid(
        p.desire(1).await,
        "AutoScalingGroup name not found - AutoScalingGroup web not found",
    );
    let tag = api::CreateOrUpdateTagsInput {
        tags: vec![api::Tag {
            resource_id: some("web"),
            resource_type: some("auto-scaling-group"),
            key: "a".into(),
            value: some("b"),
            propagate_at_launch: Some(true),
        }],
    };
    invalid(
        p.call(ops::CreateOrUpdateTags, tag).await,
        "AutoScalingGroup not found - AutoScaling Group web not found",
    );
    // Names that nothing has are not found, and no error.
    let input = api::DescribeAutoScalingGroupsInput {
        auto_scaling_group_names: Some(vec!["none".into()]),
        ..Default::default()
    };
    let found = p.call(ops::DescribeAutoScalingGroups, input).await.unwrap();
    assert_eq!(found.auto_scaling_groups.unwrap().len(), 0);
}

#[tokio::test]
async fn a_launch_configuration_that_is_used_stays() {
    let p = place();
    let new = api::CreateLaunchConfigurationInput {
        launch_configuration_name: "lc".into(),
        image_id: some("ami-1"),
        instance_type: some("t3.small"),
        ..Default::default()
    };
    p.call(ops::CreateLaunchConfiguration, new.clone())
        .await
        .unwrap();
    refused(
        p.call(ops::CreateLaunchConfiguration, new).await,
        "AlreadyExists",
        "Launch Configuration by this name already exists - A launch configuration already exists with the name lc",
    );
    p.create(api::CreateAutoScalingGroupInput {
        launch_template: None,
        launch_configuration_name: some("lc"),
        ..p.new_group(1, 1)
    })
    .await;
    p.live().await;
    let shown = p.described().await;
    assert_eq!(shown.launch_configuration_name.as_deref(), Some("lc"));
    let instance = &shown.instances.unwrap()[0];
    assert_eq!(instance.launch_configuration_name.as_deref(), Some("lc"));
    assert_eq!(instance.instance_type.as_deref(), Some("t3.small"));
    let delete = || api::DeleteLaunchConfigurationInput {
        launch_configuration_name: "lc".into(),
    };
    refused(
        p.call(ops::DeleteLaunchConfiguration, delete()).await,
        "ResourceInUse",
        "Cannot delete launch configuration lc because it is attached to AutoScalingGroup web",
    );
    let update = api::UpdateAutoScalingGroupInput {
        auto_scaling_group_name: "web".into(),
        launch_template: p.new_group(1, 1).launch_template,
        ..Default::default()
    };
    p.call(ops::UpdateAutoScalingGroup, update).await.unwrap();
    p.call(ops::DeleteLaunchConfiguration, delete())
        .await
        .unwrap();
    invalid(
        p.call(ops::DeleteLaunchConfiguration, delete()).await,
        "Launch configuration name not found - Launch configuration lc not found",
    );
}

#[tokio::test]
async fn tags_are_put_filtered_and_deleted() {
    let p = place();
    p.create(p.new_group(0, 1)).await;
    let tag = |key: &str, value: &str| api::Tag {
        resource_id: some("web"),
        resource_type: some("auto-scaling-group"),
        key: key.into(),
        value: some(value),
        propagate_at_launch: Some(false),
    };
    let put = api::CreateOrUpdateTagsInput {
        tags: vec![tag("a", "1"), tag("b", "2")],
    };
    p.call(ops::CreateOrUpdateTags, put).await.unwrap();
    let reserved = api::CreateOrUpdateTagsInput {
        tags: vec![tag("aws:x", "1")],
    };
    assert!(p.call(ops::CreateOrUpdateTags, reserved).await.is_err());
    let filter = api::DescribeTagsInput {
        filters: Some(vec![api::Filter {
            name: some("key"),
            values: Some(vec!["b".into()]),
        }]),
        ..Default::default()
    };
    let found = p
        .call(ops::DescribeTags, filter)
        .await
        .unwrap()
        .tags
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].value.as_deref(), Some("2"));
    let delete = api::DeleteTagsInput {
        tags: vec![tag("a", "other"), tag("b", "2")],
    };
    p.call(ops::DeleteTags, delete).await.unwrap();
    let left = p.described().await.tags.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].key.as_deref(), Some("a"));
}
