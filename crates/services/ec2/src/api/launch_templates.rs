//! Launch templates
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-launch-templates.html>).

use super::{tags, text};
use crate::change::{self, all, fresh, settle};
use crate::error::instance as say;
use crate::kind::{self, Kind};
use crate::model::{LaunchTemplate, Place, TemplateVersion};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::Tx;
use neargate_service::page::{Size, page};
use neargate_service::{AwsError, Ctx, Stored};
use neargate_wire::json::{Json, from_json, to_json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Versions on a page.
const VERSIONS: Size = Size {
    least: 1,
    most: 200,
    ..Size::ANY
};
/// What of a template's data `RunInstances` takes, by the names both have.
const COMMON: [&str; 14] = [
    "ImageId",
    "InstanceType",
    "KeyName",
    "UserData",
    "SecurityGroupIds",
    "SecurityGroups",
    "NetworkInterfaces",
    "Placement",
    "TagSpecifications",
    "IamInstanceProfile",
    "DisableApiTermination",
    "DisableApiStop",
    "InstanceMarketOptions",
    "HibernationOptions",
];

/// The call with what its launch template adds.
pub(super) async fn completed(
    cx: &Ctx,
    input: api::RunInstancesInput,
) -> Result<api::RunInstancesInput, AwsError> {
    let Some(named) = &input.launch_template else {
        return Ok(input);
    };
    let template = find(cx, &named.launch_template_id, &named.launch_template_name).await?;
    let (_, version) = version(&template, named.version.as_deref().unwrap_or("$Default"))?;
    let (mut call, data) = (to_json(&input), to_json(&version.data.0));
    if let (Some(call), Some(data)) = (call.as_object_mut(), data.as_object()) {
        for name in COMMON {
            if let (false, Some(value)) = (call.contains_key(name), data.get(name)) {
                call.insert(name.to_owned(), value.clone());
            }
        }
        if input.network_interfaces.is_none() {
            subnet_of_call(call);
        }
    }
    from_json(&call).map_err(|_| error::invalid_parameter("The launch template is not valid."))
}

/// A template's interface goes into the subnet that the call names, unless it names one itself.
fn subnet_of_call(call: &mut serde_json::Map<String, serde_json::Value>) {
    let subnet = call.get("SubnetId").cloned();
    let first = call
        .get_mut("NetworkInterfaces")
        .and_then(|interfaces| interfaces.get_mut(0)?.as_object_mut());
    if let (Some(subnet), Some(first)) = (subnet, first)
        && !first.contains_key("SubnetId")
    {
        first.insert("SubnetId".into(), subnet);
        call.remove("SubnetId");
    }
}

pub async fn create_launch_template(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateLaunchTemplateInput,
) -> Result<api::CreateLaunchTemplateOutput, AwsError> {
    dry_run(input.dry_run)?;
    let name = input.launch_template_name;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-().,/_".contains(c);
    if !(3..=128).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(say::template_name_malformed());
    }
    let tags = tags::specified(input.tag_specifications, &kind::LAUNCH_TEMPLATE)?;
    let id = fresh(&cx, "lt");
    let new = LaunchTemplate {
        name: name.clone(),
        default_version: 1,
        versions: BTreeMap::from([(
            1,
            TemplateVersion {
                description: input.version_description,
                data: Json(input.launch_template_data),
                created_at: cx.now(),
            },
        )]),
        last_version: 1,
        created_at: cx.now(),
    };
    let add = async || -> Result<(Tx, ()), AwsError> {
        if all::<LaunchTemplate>(&cx)
            .await?
            .iter()
            .any(|t| t.name == name)
        {
            return Err(say::template_name_taken());
        }
        Ok((change::create(cx.db().tx(), &cx, &id, &new, &tags), ()))
    };
    settle(add).await?;
    let place = Place::of_new(&cx, &id, &tags);
    Ok(api::CreateLaunchTemplateOutput {
        launch_template: Some(template(&place, &id, &new)),
        ..Default::default()
    })
}

pub async fn create_launch_template_version(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateLaunchTemplateVersionInput,
) -> Result<api::CreateLaunchTemplateVersionOutput, AwsError> {
    dry_run(input.dry_run)?;
    let add = async || -> Result<(Tx, (String, LaunchTemplate)), AwsError> {
        let read = find(&cx, &input.launch_template_id, &input.launch_template_name).await?;
        let data = match &input.source_version {
            None => input.launch_template_data.clone(),
            Some(source) => over(&version(&read, source)?.1.data, &input.launch_template_data)?,
        };
        let mut new = read.value.clone();
        new.last_version += 1;
        let version = TemplateVersion {
            description: input.version_description.clone(),
            data: Json(data),
            created_at: cx.now(),
        };
        new.versions.insert(new.last_version, version);
        Ok((
            cx.db().tx().update(&read, &new),
            (read.id().to_owned(), new),
        ))
    };
    let (id, new) = settle(add).await?;
    Ok(api::CreateLaunchTemplateVersionOutput {
        launch_template_version: Some(shown_version(&cx, &id, &new, new.last_version)?),
        ..Default::default()
    })
}

/// A version's data, where the call says nothing else.
fn over(
    source: &api::RequestLaunchTemplateData,
    call: &api::RequestLaunchTemplateData,
) -> Result<api::RequestLaunchTemplateData, AwsError> {
    let (mut data, call) = (to_json(source), to_json(call));
    if let (Some(data), Some(call)) = (data.as_object_mut(), call.as_object()) {
        data.extend(call.clone());
    }
    from_json(&data)
        .map_err(|_| error::invalid_parameter("The launch template data are not valid."))
}

pub async fn describe_launch_templates(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeLaunchTemplatesInput,
) -> Result<api::DescribeLaunchTemplatesOutput, AwsError> {
    let ids = input.launch_template_ids.unwrap_or_default();
    let names = input.launch_template_names.unwrap_or_default();
    let place = Place::read(&cx).await?;
    let mut stored = all::<LaunchTemplate>(&cx).await?;
    if let Some(id) = ids.iter().find(|id| !stored.iter().any(|t| t.id() == **id)) {
        return Err(say::template_id_not_found(id));
    }
    if names
        .iter()
        .any(|name| !stored.iter().any(|t| t.name == *name))
    {
        return Err(say::template_name_not_found());
    }
    stored.retain(|t| names.is_empty() || names.contains(&t.name));
    let query = Query::new(
        input.dry_run,
        Some(ids),
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let found = query.run(stored.iter().map(|t| template(&place, t.id(), t)).collect())?;
    Ok(api::DescribeLaunchTemplatesOutput {
        launch_templates: Some(found.items),
        next_token: found.next_token,
    })
}

pub async fn describe_launch_template_versions(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeLaunchTemplateVersionsInput,
) -> Result<api::DescribeLaunchTemplateVersionsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let asked = input.versions.unwrap_or_default();
    let found = match (&input.launch_template_id, &input.launch_template_name) {
        // The latest or default versions of all.
        (None, None) if !asked.is_empty() => all::<LaunchTemplate>(&cx).await?,
        (id, name) => vec![find(&cx, id, name).await?],
    };
    let bound = |text: &Option<String>| text.as_deref().and_then(|t| t.parse::<u64>().ok());
    let (least, most) = (bound(&input.min_version), bound(&input.max_version));
    let mut versions = Vec::new();
    for template in &found {
        let numbers: Vec<u64> = match asked.is_empty() {
            false => {
                let of = |v: &String| version(template, v).map(|(number, _)| number);
                asked.iter().map(of).collect::<Result<_, _>>()?
            }
            true => {
                let within =
                    |n: &u64| least.is_none_or(|l| *n >= l) && most.is_none_or(|m| *n <= m);
                template
                    .versions
                    .keys()
                    .rev()
                    .copied()
                    .filter(within)
                    .collect()
            }
        };
        for number in numbers {
            versions.push(shown_version(&cx, template.id(), template, number)?);
        }
    }
    let limit = VERSIONS.clamp(input.max_results);
    // Newest first, in the order that was made: a page begins after the place where the last one ended.
    let places: BTreeMap<String, String> = versions
        .iter()
        .enumerate()
        .map(|(n, v)| (key_of(v), format!("{n:06}")))
        .collect();
    let at = |v: &api::LaunchTemplateVersion| places[&key_of(v)].clone();
    let found = page(versions, input.next_token.as_deref(), limit, at);
    let found = found.map_err(|_| error::invalid_next_token())?;
    Ok(api::DescribeLaunchTemplateVersionsOutput {
        launch_template_versions: Some(found.items),
        next_token: found.next_token,
    })
}

fn key_of(version: &api::LaunchTemplateVersion) -> String {
    let id = version.launch_template_id.as_deref().unwrap_or_default();
    format!("{id}/{}", version.version_number.unwrap_or(0))
}

pub async fn modify_launch_template(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifyLaunchTemplateInput,
) -> Result<api::ModifyLaunchTemplateOutput, AwsError> {
    dry_run(input.dry_run)?;
    let set = async || -> Result<(Tx, (String, LaunchTemplate)), AwsError> {
        let read = find(&cx, &input.launch_template_id, &input.launch_template_name).await?;
        let mut new = read.value.clone();
        if let Some(wanted) = &input.default_version {
            (new.default_version, _) = version(&read, wanted)?;
        }
        Ok((
            cx.db().tx().update(&read, &new),
            (read.id().to_owned(), new),
        ))
    };
    let (id, new) = settle(set).await?;
    let place = Place::read(&cx).await?;
    Ok(api::ModifyLaunchTemplateOutput {
        launch_template: Some(template(&place, &id, &new)),
    })
}

pub async fn delete_launch_template(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteLaunchTemplateInput,
) -> Result<api::DeleteLaunchTemplateOutput, AwsError> {
    dry_run(input.dry_run)?;
    let delete = async || -> Result<(Tx, Stored<LaunchTemplate>), AwsError> {
        let read = find(&cx, &input.launch_template_id, &input.launch_template_name).await?;
        Ok((change::delete(cx.db().tx(), &cx, &read), read))
    };
    let gone = settle(delete).await?;
    let place = Place::of_new(&cx, gone.id(), &BTreeMap::new());
    Ok(api::DeleteLaunchTemplateOutput {
        launch_template: Some(template(&place, gone.id(), &gone)),
    })
}

/// The default version stays.
pub async fn delete_launch_template_versions(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteLaunchTemplateVersionsInput,
) -> Result<api::DeleteLaunchTemplateVersionsOutput, AwsError> {
    dry_run(input.dry_run)?;
    let delete = async || -> Result<(Tx, api::DeleteLaunchTemplateVersionsOutput), AwsError> {
        let read = find(&cx, &input.launch_template_id, &input.launch_template_name).await?;
        let mut new = read.value.clone();
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for wanted in &input.versions {
            let number = wanted.parse::<u64>().ok();
            let why = match number.filter(|n| new.versions.contains_key(n)) {
                None => ("launchTemplateVersionDoesNotExist", "does not exist."),
                Some(n) if n == new.default_version => (
                    "unexpectedError",
                    "is the default version and cannot be deleted.",
                ),
                Some(n) => {
                    new.versions.remove(&n);
                    done.push(api::DeleteLaunchTemplateVersionsResponseSuccessItem {
                        launch_template_id: text(read.id()),
                        launch_template_name: text(&new.name),
                        version_number: i64::try_from(n).ok(),
                    });
                    continue;
                }
            };
            failed.push(api::DeleteLaunchTemplateVersionsResponseErrorItem {
                launch_template_id: text(read.id()),
                launch_template_name: text(&new.name),
                version_number: number.and_then(|n| i64::try_from(n).ok()),
                response_error: Some(api::ResponseError {
                    code: text(why.0),
                    message: Some(format!("The version {wanted} {}", why.1)),
                }),
            });
        }
        let answer = api::DeleteLaunchTemplateVersionsOutput {
            successfully_deleted_launch_template_versions: Some(done),
            unsuccessfully_deleted_launch_template_versions: Some(failed),
        };
        Ok((cx.db().tx().update(&read, &new), answer))
    };
    settle(delete).await
}

/// A template by its id or its name, one of the two.
async fn find(
    cx: &Ctx,
    id: &Option<String>,
    name: &Option<String>,
) -> Result<Stored<LaunchTemplate>, AwsError> {
    let mut known = all::<LaunchTemplate>(cx).await?.into_iter();
    match (id, name) {
        (Some(id), None) => {
            kind::LAUNCH_TEMPLATE.check(id)?;
            let found = known.find(|t| t.id() == id);
            found.ok_or_else(|| say::template_id_not_found(id))
        }
        (None, Some(name)) => {
            let found = known.find(|t| t.name == *name);
            found.ok_or_else(say::template_name_not_found)
        }
        _ => Err(say::template_id_or_name()),
    }
}

/// A version by its number, or `$Latest` or `$Default`.
fn version<'a>(
    template: &'a LaunchTemplate,
    named: &str,
) -> Result<(u64, &'a TemplateVersion), AwsError> {
    let number = match named {
        "$Latest" => template.versions.keys().next_back().copied(),
        "$Default" | "" => Some(template.default_version),
        number => number.parse().ok(),
    };
    let found = number.and_then(|n| Some((n, template.versions.get(&n)?)));
    found.ok_or_else(|| say::template_version_not_found(named))
}

fn template(place: &Place, id: &str, stored: &LaunchTemplate) -> api::LaunchTemplate {
    let latest = stored.versions.keys().next_back().copied();
    api::LaunchTemplate {
        launch_template_id: text(id),
        launch_template_name: text(&stored.name),
        create_time: Some(stored.created_at),
        created_by: Some(format!("arn:aws:iam::{}:root", place.scope.account)),
        default_version_number: i64::try_from(stored.default_version).ok(),
        latest_version_number: latest.and_then(|n| i64::try_from(n).ok()),
        tags: place.tags_of(id),
        ..Default::default()
    }
}

/// The request's data and the response's have the same members by the same names.
fn shown_version(
    cx: &Ctx,
    id: &str,
    template: &LaunchTemplate,
    number: u64,
) -> Result<api::LaunchTemplateVersion, AwsError> {
    let (_, version) = version(template, &number.to_string())?;
    let data = from_json(&to_json(&version.data.0));
    Ok(api::LaunchTemplateVersion {
        launch_template_id: text(id),
        launch_template_name: text(&template.name),
        version_number: i64::try_from(number).ok(),
        version_description: version.description.clone(),
        create_time: Some(version.created_at),
        created_by: Some(format!("arn:aws:iam::{}:root", cx.scope.account)),
        default_version: Some(number == template.default_version),
        launch_template_data: Some(data.map_err(AwsError::internal)?),
        ..Default::default()
    })
}

impl Describe for api::LaunchTemplate {
    const KIND: Kind = kind::LAUNCH_TEMPLATE;

    fn id(&self) -> &str {
        self.launch_template_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "create-time" => one(&self.create_time.map(|t| t.rfc3339())),
            "launch-template-name" => one(&self.launch_template_name),
            _ => None,
        }
    }
}
