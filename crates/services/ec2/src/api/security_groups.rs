//! Security groups
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html>).

use super::{tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::group as say;
use crate::kind::{self, Kind};
use crate::model::{Place, shown};
use crate::plan::permissions::{describable, gather};
use crate::query::{Describe, Query, dry_run, each, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_domain::Cidr;
use neargate_service::db::{Committed, Stored, Tx};
use neargate_service::eni::Interface;
use neargate_service::vpc::{RulePeer, SecurityGroup, SecurityGroupRule, Vpc};
use neargate_service::{AwsError, Ctx};
use std::sync::Arc;

/// The name of every VPC's default group.
const DEFAULT: &str = "default";
/// Groups of an account in a region
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_GROUPS: usize = 2500;

pub async fn create_security_group(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateSecurityGroupInput,
) -> Result<api::CreateSecurityGroupOutput, AwsError> {
    dry_run(input.dry_run)?;
    let name = input.group_name.trim_end();
    if name == DEFAULT {
        return Err(say::reserved_name());
    }
    if name.is_empty() || name.starts_with("sg-") || !describable(name) {
        return Err(say::name(name));
    }
    if input.description.is_empty() {
        return Err(error::missing_parameter("GroupDescription"));
    }
    if !describable(&input.description) {
        return Err(say::description());
    }
    let tags = tags::specified(input.tag_specifications, &kind::SECURITY_GROUP)?;
    let (group_id, rule_id) = (fresh(&cx, "sg"), fresh(&cx, "sgr"));
    let add = async || -> Result<(Tx, ()), AwsError> {
        let vpc = match &input.vpc_id {
            Some(vpc_id) => find::<Vpc>(&cx, vpc_id).await?,
            None => default_vpc(&cx).await?.ok_or_else(say::no_default_vpc)?,
        };
        let groups = all::<SecurityGroup>(&cx).await?;
        if groups.len() >= MAX_GROUPS {
            let code = "SecurityGroupLimitExceeded";
            return Err(error::limit_exceeded(code, "security groups"));
        }
        if groups
            .iter()
            .any(|g| g.vpc_id == vpc.id() && g.name == name)
        {
            return Err(say::duplicate_name(name, vpc.id()));
        }
        let everything_out = SecurityGroupRule {
            is_egress: true,
            protocol: "-1".into(),
            from_port: -1,
            to_port: -1,
            peer: RulePeer::Ipv4(Cidr::ANY),
            description: None,
        };
        let new = SecurityGroup {
            vpc_id: vpc.id().to_owned(),
            name: name.to_owned(),
            description: input.description.clone(),
            rules: [(rule_id.clone(), everything_out)].into(),
            deleting: false,
            created_at: cx.now(),
        };
        Ok((
            change::create(within(&cx, &vpc), &cx, &group_id, &new, &tags),
            (),
        ))
    };
    settle(add).await?;
    Ok(api::CreateSecurityGroupOutput {
        security_group_arn: Some(cx.arn("ec2", format!("security-group/{group_id}"))),
        group_id: Some(group_id),
        tags: Some(shown(&tags)),
    })
}

pub(super) async fn default_vpc(cx: &Ctx) -> Result<Option<Stored<Vpc>>, AwsError> {
    Ok(all::<Vpc>(cx).await?.into_iter().find(|v| v.is_default))
}

/// The group that a call names, by its id or, in the default VPC, by its name.
pub(super) async fn named(
    cx: &Ctx,
    group_id: Option<&str>,
    name: Option<&str>,
) -> Result<Stored<SecurityGroup>, AwsError> {
    match (group_id, name) {
        (Some(group_id), _) => find::<SecurityGroup>(cx, group_id).await,
        (None, Some(name)) => {
            let vpc = default_vpc(cx).await?.ok_or_else(say::no_default_vpc)?;
            let mut groups = all::<SecurityGroup>(cx).await?.into_iter();
            let found = groups.find(|g| g.vpc_id == vpc.id() && g.name == name);
            found.ok_or_else(|| say::name_not_found(name, vpc.id()))
        }
        (None, None) => Err(error::missing_parameter("groupName or groupId")),
    }
}

/// A group that has interfaces, or that rules of other groups name, stays. It is marked before they
/// are looked for: see [`neargate_service::vpc`].
pub async fn delete_security_group(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteSecurityGroupInput,
) -> Result<api::DeleteSecurityGroupOutput, AwsError> {
    dry_run(input.dry_run)?;
    loop {
        let group = named(&cx, input.group_id.as_deref(), input.group_name.as_deref()).await?;
        let group_id = group.id().to_owned();
        if group.name == DEFAULT {
            return Err(say::cannot_delete(&group_id, DEFAULT));
        }
        let Some(group) = marked(&cx, group).await? else {
            continue;
        };
        if is_used(&cx, &group_id, &group.vpc_id).await? {
            return Err(say::in_use(&group_id));
        }
        let vpc = find::<Vpc>(&cx, &group.vpc_id).await?;
        let tx = change::delete(within(&cx, &vpc), &cx, &group);
        let tx = group
            .rules
            .keys()
            .fold(tx, |tx, rule| change::untag(tx, &cx, rule));
        if let Committed::At(_) = tx.commit().await? {
            return Ok(api::DeleteSecurityGroupOutput {
                r#return: Some(true),
                group_id: Some(group_id),
            });
        }
    }
}

/// The group with the mark that it is about to go; `None`: somebody changed it.
async fn marked(
    cx: &Ctx,
    group: Stored<SecurityGroup>,
) -> Result<Option<Stored<SecurityGroup>>, AwsError> {
    let value = SecurityGroup {
        deleting: true,
        ..group.value.clone()
    };
    let committed = cx.db().tx().update(&group, &value).commit().await?;
    Ok(match committed {
        Committed::At(revision) => Some(Stored {
            revision,
            value,
            ..group
        }),
        Committed::Conflict => None,
    })
}

/// Rules of peered VPCs keep no group: they become stale.
async fn is_used(cx: &Ctx, group_id: &str, vpc_id: &str) -> Result<bool, AwsError> {
    let interfaces = all::<Interface>(cx).await?;
    let has = |i: &Stored<Interface>| i.interface.security_groups.iter().any(|g| g == group_id);
    let groups = all::<SecurityGroup>(cx).await?;
    let others = groups
        .iter()
        .filter(|g| g.vpc_id == vpc_id && g.id() != group_id);
    Ok(interfaces.iter().any(has) || others.into_iter().any(|g| names(g, group_id)))
}

/// Does a rule of `group` name the group `group_id`?
pub(super) fn names(group: &SecurityGroup, group_id: &str) -> bool {
    let is =
        |peer: &RulePeer| matches!(peer, RulePeer::Group { group_id: of, .. } if of == group_id);
    group.rules.values().any(|rule| is(&rule.peer))
}

pub async fn describe_security_groups(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeSecurityGroupsInput,
) -> Result<api::DescribeSecurityGroupsOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        input.group_ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let mut groups = all::<SecurityGroup>(&cx).await?;
    let names = input.group_names.unwrap_or_default();
    if !names.is_empty() {
        let vpc = default_vpc(&cx).await?.ok_or_else(say::no_default_vpc)?;
        groups.retain(|g| g.vpc_id == vpc.id());
        if let Some(unknown) = names.iter().find(|n| !groups.iter().any(|g| g.name == **n)) {
            return Err(say::name_not_found(unknown, vpc.id()));
        }
        groups.retain(|g| names.contains(&g.name));
    }
    let found = query.run(groups.iter().map(|g| group(&place, g)).collect())?;
    Ok(api::DescribeSecurityGroupsOutput {
        security_groups: Some(found.items),
        next_token: found.next_token,
    })
}

/// Groups of peered VPCs whose rules name these groups.
pub async fn describe_security_group_references(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeSecurityGroupReferencesInput,
) -> Result<api::DescribeSecurityGroupReferencesOutput, AwsError> {
    dry_run(input.dry_run)?;
    let groups = all::<SecurityGroup>(&cx).await?;
    let mut references = Vec::new();
    for group_id in &input.group_id {
        let group = change::named(&groups, &kind::SECURITY_GROUP, group_id)?;
        let far = groups
            .iter()
            .filter(|g| g.vpc_id != group.vpc_id && names(g, group_id));
        let mut vpcs: Vec<_> = far.map(|g| &g.vpc_id).collect();
        vpcs.sort();
        vpcs.dedup();
        references.extend(vpcs.into_iter().map(|vpc_id| api::SecurityGroupReference {
            group_id: text(group_id),
            referencing_vpc_id: text(vpc_id),
            ..Default::default()
        }));
    }
    Ok(api::DescribeSecurityGroupReferencesOutput {
        security_group_reference_set: Some(references),
    })
}

/// Groups of a VPC with rules that name groups which are gone: of peered VPCs, since others cannot
/// go before.
pub async fn describe_stale_security_groups(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeStaleSecurityGroupsInput,
) -> Result<api::DescribeStaleSecurityGroupsOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        None,
        None,
        input.next_token,
        input.max_results,
    )?;
    find::<Vpc>(&cx, &input.vpc_id).await?;
    let groups = all::<SecurityGroup>(&cx).await?;
    let gone = |rule: &&SecurityGroupRule| match &rule.peer {
        RulePeer::Group {
            group_id, account, ..
        } => *account == cx.scope.account.as_str() && !groups.iter().any(|g| g.id() == group_id),
        _ => false,
    };
    let stale = |group: &Stored<SecurityGroup>| {
        let of = |is_egress| {
            let rules = group
                .rules
                .values()
                .filter(move |r| r.is_egress == is_egress);
            stale_permissions(gather(rules.filter(gone)))
        };
        let (ingress, egress) = (of(false), of(true));
        (!ingress.is_empty() || !egress.is_empty()).then(|| api::StaleSecurityGroup {
            group_id: text(group.id()),
            group_name: text(&group.name),
            description: text(&group.description),
            vpc_id: text(&group.vpc_id),
            stale_ip_permissions: Some(ingress),
            stale_ip_permissions_egress: Some(egress),
        })
    };
    let own = groups.iter().filter(|g| g.vpc_id == input.vpc_id);
    let found = query.run(own.filter_map(stale).collect())?;
    Ok(api::DescribeStaleSecurityGroupsOutput {
        stale_security_group_set: Some(found.items),
        next_token: found.next_token,
    })
}

fn stale_permissions(permissions: Vec<api::IpPermission>) -> Vec<api::StaleIpPermission> {
    let stale = |p: api::IpPermission| api::StaleIpPermission {
        ip_protocol: p.ip_protocol,
        from_port: p.from_port,
        to_port: p.to_port,
        user_id_group_pairs: p.user_id_group_pairs,
        ..Default::default()
    };
    permissions.into_iter().map(stale).collect()
}

pub async fn get_security_groups_for_vpc(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::GetSecurityGroupsForVpcInput,
) -> Result<api::GetSecurityGroupsForVpcOutput, AwsError> {
    let query = Query::new(
        input.dry_run,
        None,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    find::<Vpc>(&cx, &input.vpc_id).await?;
    let place = Place::read(&cx).await?;
    let groups = all::<SecurityGroup>(&cx).await?;
    let own = groups.iter().filter(|g| g.vpc_id == input.vpc_id);
    let shown = own.map(|g| api::SecurityGroupForVpc {
        group_id: text(g.id()),
        group_name: text(&g.name),
        description: text(&g.description),
        owner_id: place.account(),
        primary_vpc_id: text(&g.vpc_id),
        tags: place.tags_of(g.id()),
    });
    let found = query.run(shown.collect())?;
    Ok(api::GetSecurityGroupsForVpcOutput {
        security_group_for_vpcs: Some(found.items),
        next_token: found.next_token,
    })
}

fn group(place: &Place, group: &Stored<SecurityGroup>) -> api::SecurityGroup {
    let of = |is_egress| {
        gather(
            group
                .rules
                .values()
                .filter(move |r| r.is_egress == is_egress),
        )
    };
    api::SecurityGroup {
        group_id: text(group.id()),
        group_name: text(&group.name),
        description: text(&group.description),
        owner_id: place.account(),
        vpc_id: text(&group.vpc_id),
        security_group_arn: Some(
            place
                .scope
                .arn("ec2", format!("security-group/{}", group.id())),
        ),
        ip_permissions: Some(of(false)),
        ip_permissions_egress: Some(of(true)),
        tags: place.tags_of(group.id()),
    }
}

impl Describe for api::SecurityGroup {
    const KIND: Kind = kind::SECURITY_GROUP;

    fn id(&self) -> &str {
        self.group_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "group-id" => one(&self.group_id),
            "group-name" => one(&self.group_name),
            "description" => one(&self.description),
            "owner-id" => one(&self.owner_id),
            "vpc-id" => one(&self.vpc_id),
            _ => match filter.strip_prefix("egress.") {
                Some(filter) => permission(&self.ip_permissions_egress, filter),
                None => permission(&self.ip_permissions, filter),
            },
        }
    }
}

/// What a list of permissions has under a filter that begins with `ip-permission.`.
fn permission(list: &Option<Vec<api::IpPermission>>, filter: &str) -> Option<Vec<String>> {
    fn peers<T>(
        list: &Option<Vec<api::IpPermission>>,
        of: fn(&api::IpPermission) -> &Option<Vec<T>>,
        member: fn(&T) -> &Option<String>,
    ) -> Option<Vec<String>> {
        let all = list.iter().flatten().flat_map(|p| of(p).iter().flatten());
        Some(all.filter_map(|peer| member(peer).clone()).collect())
    }
    let pairs = |p| peers(list, |p: &api::IpPermission| &p.user_id_group_pairs, p);
    match filter.strip_prefix("ip-permission.")? {
        "protocol" => each(list, |p| p.ip_protocol.clone()),
        "from-port" => each(list, |p| p.from_port),
        "to-port" => each(list, |p| p.to_port),
        "cidr" => peers(list, |p| &p.ip_ranges, |r| &r.cidr_ip),
        "ipv6-cidr" => peers(list, |p| &p.ipv6_ranges, |r| &r.cidr_ipv6),
        "prefix-list-id" => peers(list, |p| &p.prefix_list_ids, |l| &l.prefix_list_id),
        "group-id" => pairs(|p| &p.group_id),
        "group-name" => pairs(|p| &p.group_name),
        "user-id" => pairs(|p| &p.user_id),
        _ => None,
    }
}

impl Describe for api::StaleSecurityGroup {
    const KIND: Kind = kind::SECURITY_GROUP;

    fn id(&self) -> &str {
        self.group_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        &[]
    }

    fn values(&self, _: &str) -> Option<Vec<String>> {
        None
    }
}

impl Describe for api::SecurityGroupForVpc {
    const KIND: Kind = kind::SECURITY_GROUP;

    fn id(&self) -> &str {
        self.group_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "group-id" => one(&self.group_id),
            "group-name" => one(&self.group_name),
            "description" => one(&self.description),
            "owner-id" => one(&self.owner_id),
            "primary-vpc-id" => one(&self.primary_vpc_id),
            _ => None,
        }
    }
}
