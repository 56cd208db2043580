//! Starts one instance of a group: settles what it is started from, and calls `RunInstances`.
//!
//! The client token follows from the group and the number of the launch, and what is started from
//! is written before it is started: a replay of the call answers the same instance.

use crate::ec2::{self, GROUP_TAG};
use crate::error;
use crate::model::{self, From, Group, Launch, LaunchConfiguration, Source, Template};
use neargate_api_autoscaling as api;
use neargate_api_ec2 as ec2_api;
use neargate_service::{AwsError, House, Scope};
use std::sync::Arc;

/// An instance that EC2 has started.
#[derive(Debug, Clone)]
pub struct Started {
    pub id: String,
    pub instance_type: String,
    pub image_id: String,
    pub zone: String,
}

/// The ways to start an instance, in the order in which they are tried.
pub fn candidates(source: &Source) -> usize {
    match source {
        Source::Mixed(policy) => overrides(policy).len().max(1),
        Source::Configuration(_) | Source::Template(_) => 1,
    }
}

fn overrides(policy: &api::MixedInstancesPolicy) -> &[api::LaunchTemplateOverrides] {
    let template = policy.launch_template.as_ref();
    template
        .and_then(|t| t.overrides.as_deref())
        .unwrap_or_default()
}

/// A template as a group names it.
pub fn named(given: &api::LaunchTemplateSpecification) -> Template {
    Template {
        id: given.launch_template_id.clone().unwrap_or_default(),
        name: given.launch_template_name.clone().unwrap_or_default(),
        version: given.version.clone().filter(|v| !v.is_empty()),
    }
}

/// The template of a way to start an instance of a policy.
pub fn template_of(policy: &api::MixedInstancesPolicy, candidate: usize) -> Template {
    let own = overrides(policy)
        .get(candidate)
        .and_then(|o| o.launch_template_specification.as_ref());
    let common = policy
        .launch_template
        .as_ref()
        .and_then(|t| t.launch_template_specification.as_ref());
    own.or(common).map(named).unwrap_or_default()
}

/// What a launch starts from, with a version's number.
///
/// # Errors
/// `ValidationError` for what does not exist any more.
pub async fn settle(
    house: &Arc<House>,
    scope: &Scope,
    group: &Group,
    launch: &Launch,
) -> Result<From, AwsError> {
    let template = match group.source_now() {
        Source::Configuration(name) => {
            let found = configuration(house, scope, name).await?;
            return Ok(From::Configuration {
                name: name.clone(),
                created_at: found.created_at,
            });
        }
        Source::Template(template) => template.clone(),
        Source::Mixed(policy) => template_of(policy, launch.candidate),
    };
    let (settled, _) = ec2::template(house, scope, &template).await?;
    Ok(From::Template(settled))
}

async fn configuration(
    house: &House,
    scope: &Scope,
    name: &str,
) -> Result<LaunchConfiguration, AwsError> {
    let key = model::key::<LaunchConfiguration>(scope, name);
    let found = house.db.get_key::<LaunchConfiguration>(&key).await?;
    Ok(found
        .ok_or_else(|| error::launch_configuration_not_found(name))?
        .value)
}

/// Starts it, or answers what the same launch has started before.
///
/// # Errors
/// EC2's.
pub async fn run(
    house: &Arc<House>,
    scope: &Scope,
    group: &Group,
    number: u64,
    launch: &Launch,
    from: &From,
) -> Result<Started, AwsError> {
    let mut input = match from {
        From::Configuration { name, .. } => {
            let configuration = configuration(house, scope, name).await?;
            of_configuration(&configuration.asked, launch)
        }
        From::Template(template) => {
            let (_, data) = ec2::template(house, scope, template).await?;
            of_template(group, launch, template, data)
        }
        From::Elsewhere => ec2_api::RunInstancesInput::default(),
    };
    input.min_count = 1;
    input.max_count = 1;
    input.client_token = Some(format!("{}-{number}-{}", group.id, launch.candidate));
    if launch.place.subnet.is_none() {
        input.placement = Some(ec2_api::Placement {
            availability_zone: Some(launch.place.zone.clone()),
            ..Default::default()
        });
    }
    let specifications = input.tag_specifications.get_or_insert_default();
    let own = tags(group);
    match specifications
        .iter_mut()
        .find(|s| s.resource_type.as_deref() == Some("instance"))
    {
        Some(given) => {
            let tags = given.tags.get_or_insert_default();
            tags.retain(|t| !own.iter().any(|o| o.key == t.key));
            tags.extend(own);
        }
        None => specifications.push(ec2_api::TagSpecification {
            resource_type: Some("instance".into()),
            tags: Some(own),
        }),
    }
    let made = ec2::call::<ec2_api::ops::RunInstances>(house, scope, &input).await?;
    let made = made.instances.into_iter().flatten().next();
    let made = made.unwrap_or_default();
    let placement = made.placement.unwrap_or_default();
    Ok(Started {
        id: made.instance_id.unwrap_or_default(),
        instance_type: made.instance_type.unwrap_or_default(),
        image_id: made.image_id.unwrap_or_default(),
        zone: placement
            .availability_zone
            .unwrap_or_else(|| launch.place.zone.clone()),
    })
}

/// The group's tags that its instances get, and the one that names the group.
pub fn tags(group: &Group) -> Vec<ec2_api::Tag> {
    let propagated = group.tags.iter().filter(|(_, tag)| tag.propagates);
    let tag = |key: &str, value: &str| ec2_api::Tag {
        key: Some(key.to_owned()),
        value: Some(value.to_owned()),
    };
    propagated
        .map(|(key, t)| tag(key, &t.value))
        .chain([tag(GROUP_TAG, &group.name)])
        .collect()
}

fn of_configuration(
    asked: &api::CreateLaunchConfigurationInput,
    launch: &Launch,
) -> ec2_api::RunInstancesInput {
    let given = asked.security_groups.clone().unwrap_or_default();
    let (ids, names): (Vec<String>, Vec<String>) =
        given.into_iter().partition(|g| g.starts_with("sg-"));
    let some = |list: Vec<String>| Some(list).filter(|l| !l.is_empty());
    let profile =
        asked
            .iam_instance_profile
            .as_ref()
            .map(|given| match given.starts_with("arn:") {
                true => ec2_api::IamInstanceProfileSpecification {
                    arn: Some(given.clone()),
                    name: None,
                },
                false => ec2_api::IamInstanceProfileSpecification {
                    arn: None,
                    name: Some(given.clone()),
                },
            });
    let mut input = ec2_api::RunInstancesInput {
        image_id: asked.image_id.clone(),
        instance_type: asked.instance_type.clone(),
        key_name: asked.key_name.clone(),
        user_data: asked.user_data.clone(),
        iam_instance_profile: profile,
        ..Default::default()
    };
    match (asked.associate_public_ip_address, &launch.place.subnet) {
        (Some(public), Some(subnet)) if names.is_empty() => {
            input.network_interfaces = Some(vec![ec2_api::InstanceNetworkInterfaceSpecification {
                device_index: Some(0),
                associate_public_ip_address: Some(public),
                subnet_id: Some(subnet.clone()),
                groups: some(ids),
                ..Default::default()
            }]);
        }
        (_, subnet) => {
            input.subnet_id = subnet.clone();
            input.security_group_ids = some(ids);
            input.security_groups = some(names);
        }
    }
    input
}

fn of_template(
    group: &Group,
    launch: &Launch,
    template: &Template,
    data: ec2_api::ResponseLaunchTemplateData,
) -> ec2_api::RunInstancesInput {
    let version = template.version.clone().unwrap_or_default();
    let mut specifications: Vec<ec2_api::TagSpecification> = data
        .tag_specifications
        .into_iter()
        .flatten()
        .map(|s| ec2_api::TagSpecification {
            resource_type: s.resource_type,
            tags: s.tags,
        })
        .collect();
    let marks = [
        ("aws:ec2launchtemplate:id", template.id.clone()),
        ("aws:ec2launchtemplate:version", version.clone()),
    ]
    .map(|(key, value)| ec2_api::Tag {
        key: Some(key.into()),
        value: Some(value),
    });
    match specifications
        .iter_mut()
        .find(|s| s.resource_type.as_deref() == Some("instance"))
    {
        Some(given) => given.tags.get_or_insert_default().extend(marks),
        None => specifications.push(ec2_api::TagSpecification {
            resource_type: Some("instance".into()),
            tags: Some(marks.into()),
        }),
    }
    let chosen = match group.source_now() {
        Source::Mixed(policy) => overrides(policy).get(launch.candidate).cloned(),
        Source::Configuration(_) | Source::Template(_) => None,
    };
    let chosen = chosen.unwrap_or_default();
    ec2_api::RunInstancesInput {
        launch_template: Some(ec2_api::LaunchTemplateSpecification {
            launch_template_id: Some(template.id.clone()),
            launch_template_name: None,
            version: Some(version),
        }),
        instance_type: chosen.instance_type,
        image_id: chosen.image_id,
        subnet_id: launch.place.subnet.clone(),
        tag_specifications: Some(specifications),
        ..Default::default()
    }
}
