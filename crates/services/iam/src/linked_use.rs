//! What a service still has that needs the role that is linked to it, as the service itself tells.

use neargate_api_iam::RoleUsageType;
use neargate_service::caller::{By, Caller};
use neargate_service::{AwsError, Ctx, Scope};
use serde_json::{Value, json};

/// How a service is asked.
struct Asked {
    /// Whose role: `ecs.amazonaws.com`.
    role_of: &'static str,
    service: &'static str,
    operation: &'static str,
    input: fn() -> Value,
    /// The list in its answer, and what names each thing in it; nothing: it is a list of names.
    list: &'static str,
    name: &'static str,
}

const fn asked(
    role_of: &'static str,
    (service, operation): (&'static str, &'static str),
    (list, name): (&'static str, &'static str),
) -> Asked {
    Asked {
        role_of,
        service,
        operation,
        input: || json!({}),
        list,
        name,
    }
}

static ASKED: [Asked; 7] = [
    asked(
        "appmesh.amazonaws.com",
        ("appmesh", "ListMeshes"),
        ("meshes", "arn"),
    ),
    asked(
        "autoscaling.amazonaws.com",
        ("autoscaling", "DescribeAutoScalingGroups"),
        ("AutoScalingGroups", "AutoScalingGroupARN"),
    ),
    asked(
        "codestar-notifications.amazonaws.com",
        ("codestar-notifications", "ListNotificationRules"),
        ("NotificationRules", "Arn"),
    ),
    asked(
        "ecs.amazonaws.com",
        ("ecs", "ListClusters"),
        ("clusterArns", ""),
    ),
    Asked {
        input: || json!({ "ServiceNamespace": "ecs" }),
        ..asked(
            "ecs.application-autoscaling.amazonaws.com",
            ("application-autoscaling", "DescribeScalableTargets"),
            ("ScalableTargets", "ScalableTargetARN"),
        )
    },
    asked(
        "elasticloadbalancing.amazonaws.com",
        ("elbv2", "DescribeLoadBalancers"),
        ("LoadBalancers", "LoadBalancerArn"),
    ),
    asked(
        "rds.amazonaws.com",
        ("rds", "DescribeDBInstances"),
        ("DBInstances", "DBInstanceArn"),
    ),
];

/// What uses the role that is linked to the service, by region; up to a page of each.
///
/// # Errors
/// The service's own: of what it does not tell nothing may be thought.
pub async fn of(cx: &Ctx, service: &str) -> Result<Vec<RoleUsageType>, AwsError> {
    let mut used = Vec::new();
    let Some(asked) = ASKED.iter().find(|a| a.role_of == service) else {
        return Ok(used);
    };
    let own = format!(
        "arn:aws:iam::{}:role/aws-service-role/{service}/own",
        cx.scope.account
    );
    for region in regions(cx, &own).await? {
        let Ok(region) = region.parse() else {
            continue;
        };
        let scope = Scope {
            account: cx.scope.account.clone(),
            region,
        };
        let resources = in_region(cx, &scope, &own, asked).await?;
        if !resources.is_empty() {
            used.push(RoleUsageType {
                region: Some(scope.region.as_str().to_owned()),
                resources: Some(resources),
            });
        }
    }
    Ok(used)
}

async fn in_region(
    cx: &Ctx,
    scope: &Scope,
    own: &str,
    asked: &Asked,
) -> Result<Vec<String>, AwsError> {
    let operation = (asked.service, asked.operation);
    let told = Caller::call_by_name(&cx.house, scope, By::Role(own), operation, (asked.input)());
    let told = match told.await {
        Ok(told) => told,
        // A house without the service has nothing of it.
        Err(e) if e.is("NotImplemented") => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let all = told[asked.list].as_array().map_or(&[][..], Vec::as_slice);
    let names = all.iter().map(|one| match asked.name {
        "" => one.as_str(),
        name => one[name].as_str(),
    });
    Ok(names.map(|n| n.unwrap_or_default().to_owned()).collect())
}

/// The regions that there are; the caller's own in a house that knows no others.
async fn regions(cx: &Ctx, own: &str) -> Result<Vec<String>, AwsError> {
    let operation = ("ec2", "DescribeRegions");
    let told = Caller::call_by_name(&cx.house, &cx.scope, By::Role(own), operation, json!({}));
    let told = match told.await {
        Ok(told) => told,
        Err(e) if e.is("NotImplemented") => json!({}),
        Err(e) => return Err(e),
    };
    // EC2 names lists on the wire otherwise than in its model.
    let list = ["Regions", "regionInfo"]
        .iter()
        .find_map(|k| told[*k].as_array());
    let names = list.into_iter().flatten().filter_map(|region| {
        let name = ["RegionName", "regionName"]
            .iter()
            .find_map(|k| region[*k].as_str());
        name.map(str::to_owned)
    });
    let mut names: Vec<String> = names.collect();
    let here = cx.scope.region.as_str();
    if !names.iter().any(|name| name == here) {
        names.push(here.to_owned());
    }
    Ok(names)
}
