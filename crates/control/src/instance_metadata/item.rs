//! Which path is which of an instance's metadata
//! (<https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html>).

use super::Answer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use neargate_api_iam as iam;
use neargate_base::Arn;
use neargate_domain::Cidr;
use neargate_service::identity::session;
use neargate_service::instance::Instance;
use neargate_service::vpc::SecurityGroup;
use neargate_service::{AwsError, Caller, Fault, House, Scope, Stored};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long keys of an instance's role are good.
const ROLE_SESSION: Duration = Duration::from_secs(6 * 3600);

/// An instance profile with its role.
struct Profile {
    arn: String,
    id: String,
    /// Name and ARN.
    role: Option<(String, String)>,
}

/// What is at `path`, below the version; `None`: nothing.
pub(super) async fn find(
    house: &Arc<House>,
    instance: &Stored<Instance>,
    path: &str,
) -> Result<Option<Answer>, AwsError> {
    let scope = Scope::of_key(&instance.key).expect("keys hold an account and a region");
    Ok(match path.trim_end_matches('/') {
        "" => Some(Answer::text(match &instance.user_data {
            Some(_) => "dynamic\nmeta-data\nuser-data",
            None => "dynamic\nmeta-data",
        })),
        "user-data" => {
            let data = instance.user_data.as_ref();
            let bytes = data.and_then(|data| STANDARD.decode(data).ok());
            bytes.map(|body| Answer {
                body,
                content_type: "application/octet-stream",
                ..Answer::text("")
            })
        }
        "dynamic" | "dynamic/instance-identity" => {
            let is_top = !path.contains("identity");
            let listed = if is_top {
                "instance-identity/"
            } else {
                "document"
            };
            Some(Answer::text(listed))
        }
        "dynamic/instance-identity/document" => {
            let document = document(instance, &scope);
            Some(Answer::text(pretty(&document)))
        }
        path => match path.strip_prefix("meta-data") {
            Some(item) if item.is_empty() || item.starts_with('/') => {
                metadata(house, instance, &scope, item.trim_start_matches('/')).await?
            }
            _ => None,
        },
    })
}

async fn metadata(
    house: &Arc<House>,
    instance: &Stored<Instance>,
    scope: &Scope,
    item: &str,
) -> Result<Option<Answer>, AwsError> {
    let mut items = plain(instance, scope);
    let mut groups = Vec::new();
    for id in &instance.interface.security_groups {
        if let Some(group) = house.db.get::<SecurityGroup>(scope, id).await? {
            groups.push(group.value.name);
        }
    }
    if !groups.is_empty() {
        items.insert("security-groups".into(), groups.join("\n"));
    }
    if let Some(profile) = profile(house, instance, scope).await? {
        let now = seconds(&house.now().rfc3339());
        let info = json!({
            "Code": "Success",
            "LastUpdated": now,
            "InstanceProfileArn": profile.arn,
            "InstanceProfileId": profile.id,
        });
        items.insert("iam/info".into(), pretty(&info));
        if let Some((name, arn)) = profile.role {
            let at = format!("iam/security-credentials/{name}");
            let keys = match item == at {
                true => keys(house, instance, &arn, &now),
                // A listing needs no keys.
                false => Some(String::new()),
            };
            items.extend(keys.map(|keys| (at, keys)));
        }
    }
    if let Some(value) = items.get(item) {
        return Ok(Some(Answer::text(value.clone())));
    }
    Ok(listing(&items, item).map(Answer::text))
}

/// What is below `directory`, one a line; what has something below itself ends with a slash.
fn listing(items: &BTreeMap<String, String>, directory: &str) -> Option<String> {
    let prefix = match directory {
        "" => String::new(),
        directory => format!("{directory}/"),
    };
    let mut names: Vec<String> = Vec::new();
    for rest in items.keys().filter_map(|path| path.strip_prefix(&prefix)) {
        let name = match rest.split_once('/') {
            Some((name, _)) => format!("{name}/"),
            None => rest.to_owned(),
        };
        if names.last() != Some(&name) {
            names.push(name);
        }
    }
    (!names.is_empty()).then(|| names.join("\n"))
}

/// Whatever the record itself says.
fn plain(instance: &Stored<Instance>, scope: &Scope) -> BTreeMap<String, String> {
    let eni = &instance.interface;
    let mut items = BTreeMap::new();
    let mut set = |path: &str, value: String| items.insert(path.to_owned(), value);
    set("ami-id", instance.image_id.clone());
    set("ami-launch-index", instance.launch_index.to_string());
    set("hostname", eni.private_dns_name.clone());
    set("instance-action", "none".into());
    set("instance-id", instance.id().to_owned());
    set("instance-life-cycle", "on-demand".into());
    set("instance-type", instance.instance_type.clone());
    set("local-hostname", eni.private_dns_name.clone());
    set("local-ipv4", eni.private_ipv4.to_string());
    set("mac", eni.mac.clone());
    set("placement/availability-zone", eni.availability_zone.clone());
    set("placement/region", scope.region.to_string());
    set("reservation-id", instance.reservation_id.clone());
    set("services/domain", "amazonaws.com".into());
    set("services/partition", "aws".into());
    if let Some(public) = eni.public_ipv4 {
        set("public-ipv4", public.to_string());
    }
    let subnet = Cidr::around(eni.private_ipv4, eni.prefix_len);
    let public = eni.public_ipv4.map(|public| public.to_string());
    for (name, value) in [
        ("device-number", Some("0".into())),
        ("interface-id", Some(eni.id.clone())),
        ("local-hostname", Some(eni.private_dns_name.clone())),
        ("local-ipv4s", Some(eni.private_ipv4.to_string())),
        ("mac", Some(eni.mac.clone())),
        ("owner-id", Some(scope.account.to_string())),
        ("public-ipv4s", public),
        ("security-group-ids", Some(eni.security_groups.join("\n"))),
        ("subnet-id", Some(eni.subnet_id.clone())),
        ("subnet-ipv4-cidr-block", Some(subnet.to_string())),
        ("vpc-id", Some(eni.vpc_id.clone())),
        ("vpc-ipv4-cidr-block", Some(eni.vpc_cidr.clone())),
        ("vpc-ipv4-cidr-blocks", Some(eni.vpc_cidr.clone())),
    ] {
        if let Some(value) = value {
            set(
                &format!("network/interfaces/macs/{}/{name}", eni.mac),
                value,
            );
        }
    }
    items
}

/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html>
fn document(instance: &Stored<Instance>, scope: &Scope) -> Value {
    json!({
        "accountId": scope.account.to_string(),
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" },
        "availabilityZone": instance.interface.availability_zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "marketplaceProductCodes": null,
        "imageId": instance.image_id,
        "instanceId": instance.id(),
        "instanceType": instance.instance_type,
        "kernelId": null,
        "pendingTime": seconds(&instance.launched_at.rfc3339()),
        "privateIp": instance.interface.private_ipv4.to_string(),
        "ramdiskId": null,
        "region": scope.region.to_string(),
        "version": "2017-09-30",
    })
}

/// As IAM has it; one that IAM does not know, or no longer, is none.
async fn profile(
    house: &Arc<House>,
    instance: &Stored<Instance>,
    scope: &Scope,
) -> Result<Option<Profile>, AwsError> {
    let Some(arn) = &instance.profile else {
        return Ok(None);
    };
    let name = arn
        .parse::<Arn>()
        .map_or_else(|_| arn.clone(), |arn| arn.resource);
    let input = iam::GetInstanceProfileInput {
        instance_profile_name: name.rsplit('/').next().unwrap_or_default().to_owned(),
    };
    let role = format!(
        "arn:aws:iam::{}:role/aws-service-role/ec2.amazonaws.com/AWSServiceRoleForEC2",
        scope.account
    );
    let asked = Caller::call::<iam::ops::GetInstanceProfile>(house, scope, &role, &input).await;
    let found = match asked {
        Err(error) if error.fault == Fault::Client => return Ok(None),
        asked => asked?.instance_profile.unwrap_or_default(),
    };
    let role = found.roles.into_iter().flatten().next();
    Ok(Some(Profile {
        arn: found.arn.unwrap_or_default(),
        id: found.instance_profile_id.unwrap_or_default(),
        role: role.and_then(|role| Some((role.role_name?, role.arn?))),
    }))
}

fn keys(house: &House, instance: &Stored<Instance>, role: &str, now: &str) -> Option<String> {
    let keys = session::of_role(house, role, instance.id(), ROLE_SESSION)?;
    Some(pretty(&json!({
        "Code": "Success",
        "LastUpdated": now,
        "Type": "AWS-HMAC",
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key.expose(),
        "Token": keys.token.expose(),
        "Expiration": seconds(&keys.expires_at.rfc3339()),
    })))
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON has string keys only")
}

/// EC2 shows no fractions of a second here.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_end_with_a_slash_and_are_listed_once() {
        let items = ["a", "b/c", "b/d/e", "b/d/f"];
        let items = items.map(|path| (path.to_owned(), String::new())).into();
        assert_eq!(listing(&items, "").unwrap(), "a\nb/");
        assert_eq!(listing(&items, "b").unwrap(), "c\nd/");
        assert_eq!(listing(&items, "b/d").unwrap(), "e\nf");
        assert_eq!(listing(&items, "x"), None);
    }
}
