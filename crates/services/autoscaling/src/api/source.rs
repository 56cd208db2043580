//! What a group's instances are started from, and where: as a call says it, checked.

use super::text;
use crate::launch::{candidates, named, template_of};
use crate::model::{self, LaunchConfiguration, Place, Source};
use crate::{ec2, error};
use neargate_api_autoscaling as api;
use neargate_service::{AwsError, Ctx, vpc};
use neargate_wire::json::Json;
use std::collections::BTreeSet;

/// The one source that a call names; `None`: it names none.
///
/// # Errors
/// `ValidationError` for several, or one that does not exist.
pub(super) async fn source(
    cx: &Ctx,
    configuration: Option<&String>,
    template: Option<&api::LaunchTemplateSpecification>,
    mixed: Option<&api::MixedInstancesPolicy>,
) -> Result<Option<Source>, AwsError> {
    match (configuration, template, mixed) {
        (None, None, None) => Ok(None),
        (Some(name), None, None) => {
            let key = model::key::<LaunchConfiguration>(&cx.scope, name);
            let found = cx.db().get_key::<LaunchConfiguration>(&key).await?;
            found.ok_or_else(|| error::launch_configuration_not_found(name))?;
            Ok(Some(Source::Configuration(name.clone())))
        }
        (None, Some(given), None) => {
            let asked = given.version.clone();
            let given = checked(cx, given).await?;
            Ok(Some(Source::Template(model::Template {
                version: asked,
                ..given
            })))
        }
        (None, None, Some(policy)) => mixed_policy(cx, policy.clone()).await.map(Some),
        _ => Err(error::one_source()),
    }
}

/// A template that exists, with its id and name.
async fn checked(
    cx: &Ctx,
    given: &api::LaunchTemplateSpecification,
) -> Result<model::Template, AwsError> {
    if given.launch_template_id.is_some() == given.launch_template_name.is_some() {
        return Err(error::template_by_one_name());
    }
    let (template, data) = ec2::template(&cx.house, &cx.scope, &named(given)).await?;
    if data.instance_market_options.is_some() {
        return Err(error::unsupported(
            "launch templates that ask for Spot Instances",
        ));
    }
    Ok(template)
}

async fn mixed_policy(cx: &Ctx, mut policy: api::MixedInstancesPolicy) -> Result<Source, AwsError> {
    if let Some(distribution) = &policy.instances_distribution
        && distribution
            .on_demand_percentage_above_base_capacity
            .is_some_and(|percent| percent < 100)
    {
        return Err(error::unsupported(
            "OnDemandPercentageAboveBaseCapacity below 100: there are no Spot Instances",
        ));
    }
    let Some(template) = policy.launch_template.as_mut() else {
        return Err(error::validation(
            "LaunchTemplate is required in the MixedInstancesPolicy.",
        ));
    };
    for given in template.overrides.iter().flatten() {
        if given.weighted_capacity.is_some() {
            return Err(error::unsupported("WeightedCapacity"));
        }
        if given.instance_requirements.is_some() {
            return Err(error::unsupported("InstanceRequirements"));
        }
    }
    let Some(given) = template.launch_template_specification.as_mut() else {
        return Err(error::template_by_one_name());
    };
    let found = checked(cx, given).await?;
    *given = api::LaunchTemplateSpecification {
        launch_template_id: text(found.id),
        launch_template_name: text(found.name),
        version: given.version.clone(),
    };
    let source = Source::Mixed(Json(policy));
    if let Source::Mixed(policy) = &source {
        for candidate in 0..candidates(&source) {
            ec2::template(&cx.house, &cx.scope, &template_of(policy, candidate)).await?;
        }
    }
    Ok(source)
}

/// The places of a call; empty where it names none.
///
/// # Errors
/// `ValidationError` for subnets or zones that do not exist, or do not fit each other.
pub(super) async fn places(
    cx: &Ctx,
    zones: Option<&Vec<String>>,
    subnets: Option<&String>,
) -> Result<Vec<Place>, AwsError> {
    let zones: BTreeSet<String> = zones.into_iter().flatten().cloned().collect();
    let known = cx.scope.region.zones();
    let unknown: Vec<String> = zones
        .iter()
        .filter(|z| !known.contains(z))
        .cloned()
        .collect();
    if !unknown.is_empty() {
        return Err(error::unknown_zones(&unknown));
    }
    let given = subnets.map(String::as_str).unwrap_or_default();
    let ids: Vec<String> = given
        .split(',')
        .map(|id| id.trim().to_owned())
        .filter(|id| !id.is_empty())
        .collect();
    if ids.is_empty() {
        let place = |zone| Place { zone, subnet: None };
        return Ok(zones.into_iter().map(place).collect());
    }
    let found = vpc::zones(&cx.house, &cx.scope, &ids).await?;
    let mut places = Vec::new();
    for id in ids {
        let zone = found.get(&id).ok_or_else(|| error::unknown_subnet(&id))?;
        let place = Place {
            zone: zone.clone(),
            subnet: Some(id),
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let of_subnets: BTreeSet<String> = places.iter().map(|p| p.zone.clone()).collect();
    if !zones.is_empty() && zones != of_subnets {
        return Err(error::zones_of_subnets());
    }
    Ok(places)
}
