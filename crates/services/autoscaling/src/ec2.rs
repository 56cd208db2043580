//! What Auto Scaling asks of EC2, under its service-linked role
//! (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/autoscaling-service-linked-role.html>).

use crate::error;
use crate::model::Template;
use neargate_api_ec2::{self as api, ops};
use neargate_service::{AwsError, Caller, House, Scope};
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// The tag of an instance that names its group.
pub const GROUP_TAG: &str = "aws:autoscaling:groupName";

pub fn role(scope: &Scope) -> String {
    format!(
        "arn:aws:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
        scope.account
    )
}

pub async fn call<O: OperationDef>(
    house: &Arc<House>,
    scope: &Scope,
    input: &O::Input,
) -> Result<O::Output, AwsError> {
    Caller::call::<O>(house, scope, &role(scope), input).await
}

/// A version of a launch template: with its number, and what it says.
///
/// # Errors
/// `ValidationError` when there is no such template or version.
pub async fn template(
    house: &Arc<House>,
    scope: &Scope,
    named: &Template,
) -> Result<(Template, api::ResponseLaunchTemplateData), AwsError> {
    let by_id = !named.id.is_empty();
    let input = api::DescribeLaunchTemplateVersionsInput {
        launch_template_id: by_id.then(|| named.id.clone()),
        launch_template_name: (!by_id).then(|| named.name.clone()),
        versions: Some(vec![
            named.version.clone().unwrap_or_else(|| "$Default".into()),
        ]),
        ..Default::default()
    };
    let found = call::<ops::DescribeLaunchTemplateVersions>(house, scope, &input).await;
    let found = found.map_err(|e| match e.status {
        500.. => e,
        _ => error::launch_template(&e.message),
    })?;
    let version = found.launch_template_versions.into_iter().flatten().next();
    let version = version.ok_or_else(|| {
        error::launch_template("The specified launch template version does not exist.")
    })?;
    let number = version.version_number.unwrap_or_default();
    let template = Template {
        id: version.launch_template_id.unwrap_or_default(),
        name: version.launch_template_name.unwrap_or_default(),
        version: Some(number.to_string()),
    };
    Ok((template, version.launch_template_data.unwrap_or_default()))
}

/// Ends an instance; one that EC2 does not know has ended.
///
/// # Errors
/// EC2's.
pub async fn terminate(house: &Arc<House>, scope: &Scope, id: &str) -> Result<(), AwsError> {
    let input = api::TerminateInstancesInput {
        instance_ids: vec![id.to_owned()],
        ..Default::default()
    };
    known(
        call::<ops::TerminateInstances>(house, scope, &input)
            .await
            .map(drop),
    )
}

/// Marks an instance as a group's, with the group's tags.
///
/// # Errors
/// EC2's.
pub async fn tag(
    house: &Arc<House>,
    scope: &Scope,
    id: &str,
    tags: Vec<api::Tag>,
) -> Result<(), AwsError> {
    let input = api::CreateTagsInput {
        resources: vec![id.to_owned()],
        tags,
        ..Default::default()
    };
    known(
        call::<ops::CreateTags>(house, scope, &input)
            .await
            .map(drop),
    )
}

/// Marks it as no group's.
///
/// # Errors
/// EC2's.
pub async fn untag(house: &Arc<House>, scope: &Scope, id: &str) -> Result<(), AwsError> {
    let input = api::DeleteTagsInput {
        resources: vec![id.to_owned()],
        tags: Some(vec![api::Tag {
            key: Some(GROUP_TAG.into()),
            value: None,
        }]),
        ..Default::default()
    };
    known(
        call::<ops::DeleteTags>(house, scope, &input)
            .await
            .map(drop),
    )
}

fn known(answer: Result<(), AwsError>) -> Result<(), AwsError> {
    match answer {
        Err(e) if e.code == "InvalidInstanceID.NotFound" => Ok(()),
        other => other,
    }
}
