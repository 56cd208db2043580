//! The rules of security groups: permissions that are granted and taken back
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html>).

use super::security_groups::named;
use super::{prefix_lists, tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::group as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::permissions::{self, Asked, AskedPeer, MAX_RULES};
use crate::query::{Describe, Query, dry_run, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::tags::Tags;
use neargate_service::vpc::{PeeringConnection, RulePeer, SecurityGroup, SecurityGroupRule, Vpc};
use neargate_service::{AwsError, Ctx};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the four calls that grant and take back have in common.
#[derive(Debug, Default)]
struct Request {
    is_egress: bool,
    group_id: Option<String>,
    group_name: Option<String>,
    permissions: Vec<api::IpPermission>,
    rule_ids: Vec<String>,
}

impl Request {
    fn group<'a>(
        &'a self,
        cx: &'a Ctx,
    ) -> impl Future<Output = Result<Stored<SecurityGroup>, AwsError>> + 'a {
        named(cx, self.group_id.as_deref(), self.group_name.as_deref())
    }

    /// The group, and its VPC, which every change of its rules writes too: so nobody deletes a
    /// group that a rule begins to name.
    async fn group_and_vpc(
        &self,
        cx: &Ctx,
    ) -> Result<(Stored<SecurityGroup>, Stored<Vpc>), AwsError> {
        let group = self.group(cx).await?;
        let vpc = find::<Vpc>(cx, &group.vpc_id).await?;
        Ok((group, vpc))
    }
}

/// The short form of a permission, which has one peer: a range, or a group by its name.
fn short(
    protocol: Option<String>,
    ports: (Option<i32>, Option<i32>),
    cidr: Option<String>,
    group: (Option<String>, Option<String>),
) -> Option<api::IpPermission> {
    if cidr.is_none() && group.0.is_none() {
        return protocol.map(|protocol| api::IpPermission {
            ip_protocol: Some(protocol),
            from_port: ports.0,
            to_port: ports.1,
            ..Default::default()
        });
    }
    // The name of a group alone stands for everything from it.
    let pair = group.0.map(|name| api::UserIdGroupPair {
        group_name: Some(name),
        user_id: group.1,
        ..Default::default()
    });
    let range = cidr.map(|cidr| api::IpRange {
        cidr_ip: Some(cidr),
        description: None,
    });
    let protocol = protocol.or_else(|| pair.as_ref().map(|_| "-1".to_owned()));
    Some(api::IpPermission {
        ip_protocol: protocol,
        from_port: ports.0,
        to_port: ports.1,
        ip_ranges: Some(range.into_iter().collect()),
        user_id_group_pairs: Some(pair.into_iter().collect()),
        ..Default::default()
    })
}

/// Either form of a call's permissions.
macro_rules! request {
    ($input:expr, $is_egress:expr, $group_name:expr, $rule_ids:expr) => {{
        let input = $input;
        let mut permissions = input.ip_permissions.unwrap_or_default();
        let group = (
            input.source_security_group_name,
            input.source_security_group_owner_id,
        );
        permissions.extend(short(
            input.ip_protocol,
            (input.from_port, input.to_port),
            input.cidr_ip,
            group,
        ));
        Request {
            is_egress: $is_egress,
            group_id: input.group_id.into(),
            group_name: $group_name,
            permissions,
            rule_ids: $rule_ids,
        }
    }};
}

pub async fn authorize_security_group_ingress(
    _: Arc<Ec2>,
    cx: Ctx,
    mut input: api::AuthorizeSecurityGroupIngressInput,
) -> Result<api::AuthorizeSecurityGroupIngressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications.take(), &kind::SECURITY_GROUP_RULE)?;
    let name = input.group_name.take();
    let rules = authorize(&cx, request!(input, false, name, vec![]), &tags).await?;
    Ok(api::AuthorizeSecurityGroupIngressOutput {
        r#return: Some(true),
        security_group_rules: Some(rules),
    })
}

pub async fn authorize_security_group_egress(
    _: Arc<Ec2>,
    cx: Ctx,
    mut input: api::AuthorizeSecurityGroupEgressInput,
) -> Result<api::AuthorizeSecurityGroupEgressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications.take(), &kind::SECURITY_GROUP_RULE)?;
    let rules = authorize(&cx, request!(input, true, None, vec![]), &tags).await?;
    Ok(api::AuthorizeSecurityGroupEgressOutput {
        r#return: Some(true),
        security_group_rules: Some(rules),
    })
}

async fn authorize(
    cx: &Ctx,
    request: Request,
    tags: &Tags,
) -> Result<Vec<api::SecurityGroupRule>, AwsError> {
    let asked = permissions::flatten(&request.permissions)?;
    if asked.is_empty() {
        return Err(error::missing_parameter("ipPermissions"));
    }
    let ids: Vec<String> = asked.iter().map(|_| fresh(cx, "sgr")).collect();
    let (group, rules) = settle(|| authorized(cx, &request, &asked, &ids, tags)).await?;
    let mut place = Place::of_new(cx, "", &Tags::new());
    place.tags = ids.iter().map(|id| (id.clone(), tags.clone())).collect();
    let shown = rules.iter().map(|(id, r)| rule(&place, &group, id, r));
    Ok(shown.collect())
}

type New = Vec<(String, SecurityGroupRule)>;

async fn authorized(
    cx: &Ctx,
    request: &Request,
    asked: &[Asked],
    ids: &[String],
    tags: &Tags,
) -> Result<(Tx, (String, New)), AwsError> {
    let (group, vpc) = request.group_and_vpc(cx).await?;
    let mut new = group.value.clone();
    let mut rules = New::new();
    for (asked, rule_id) in asked.iter().zip(ids) {
        let peer = peer(cx, &group.vpc_id, &asked.peer).await?;
        let rule = permissions::rule(asked, request.is_egress, peer);
        if rules
            .iter()
            .any(|(_, other)| permissions::same(other, &rule))
        {
            return Err(say::said_twice());
        }
        if new
            .rules
            .values()
            .any(|other| permissions::same(other, &rule))
        {
            return Err(say::duplicate_rule(&permissions::words(&rule)));
        }
        rules.push((rule_id.clone(), rule));
    }
    new.rules.extend(rules.iter().cloned());
    let count = new
        .rules
        .values()
        .filter(|r| r.is_egress == request.is_egress)
        .count();
    if count > MAX_RULES {
        return Err(say::too_many_rules());
    }
    let tx = within(cx, &vpc).update(&group, &new);
    let tx = prefix_lists::kept(cx, tx, rules.iter().map(|(_, rule)| rule)).await?;
    let tx = ids
        .iter()
        .fold(tx, |tx, rule| change::tag(tx, cx, rule, tags));
    Ok((tx, (group.id().to_owned(), rules)))
}

/// Whom a rule of a group in this VPC is to be about.
async fn peer(cx: &Ctx, vpc_id: &str, asked: &AskedPeer) -> Result<RulePeer, AwsError> {
    let (group_id, name, account) = match asked {
        AskedPeer::Known(peer) => return Ok(peer.clone()),
        AskedPeer::PrefixList(list) => {
            prefix_lists::named(cx, list).await?;
            return Ok(RulePeer::PrefixList(list.clone()));
        }
        AskedPeer::Group { id, name, account } => (id, name, account),
    };
    let mut scope = cx.scope.clone();
    if let Some(account) = account {
        let parsed = account.parse();
        scope.account = parsed.map_err(|_| error::invalid_value("userId", account))?;
    }
    let groups = cx.db().list::<SecurityGroup>(&scope).await?;
    let group = match (group_id, name) {
        (Some(group_id), _) => change::named(&groups, &kind::SECURITY_GROUP, group_id)?,
        (None, name) => {
            let name = name.as_deref().unwrap_or_default();
            let found = groups.iter().find(|g| g.vpc_id == vpc_id && g.name == name);
            found.ok_or_else(|| say::name_not_found(name, vpc_id))?
        }
    };
    let same = group.vpc_id == vpc_id;
    if !same && !peered(cx, vpc_id, &group.vpc_id).await? {
        return Err(say::other_network());
    }
    Ok(RulePeer::Group {
        group_id: group.id().to_owned(),
        account: scope.account.to_string(),
        vpc_id: (!same).then(|| group.vpc_id.clone()),
    })
}

/// Does an active peering connection of this region join these VPCs?
async fn peered(cx: &Ctx, vpc_id: &str, other: &str) -> Result<bool, AwsError> {
    let all = PeeringConnection::all(cx.db(), &cx.scope).await?;
    let joins = |p: &PeeringConnection| {
        let far = p.side_of(vpc_id).map(|(_, far)| &far.vpc_id);
        p.is_active() && far.is_some_and(|far| far == other)
    };
    Ok(all.iter().any(|p| joins(p)))
}

pub async fn revoke_security_group_ingress(
    _: Arc<Ec2>,
    cx: Ctx,
    mut input: api::RevokeSecurityGroupIngressInput,
) -> Result<api::RevokeSecurityGroupIngressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let rule_ids = input.security_group_rule_ids.take().unwrap_or_default();
    let name = input.group_name.take();
    let (unknown, revoked) = revoke(&cx, request!(input, false, name, rule_ids)).await?;
    Ok(api::RevokeSecurityGroupIngressOutput {
        r#return: Some(true),
        unknown_ip_permissions: Some(unknown),
        revoked_security_group_rules: Some(revoked),
    })
}

pub async fn revoke_security_group_egress(
    _: Arc<Ec2>,
    cx: Ctx,
    mut input: api::RevokeSecurityGroupEgressInput,
) -> Result<api::RevokeSecurityGroupEgressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let rule_ids = input.security_group_rule_ids.take().unwrap_or_default();
    let (unknown, revoked) = revoke(&cx, request!(input, true, None, rule_ids)).await?;
    Ok(api::RevokeSecurityGroupEgressOutput {
        r#return: Some(true),
        unknown_ip_permissions: Some(unknown),
        revoked_security_group_rules: Some(revoked),
    })
}

type Revoked = (Vec<api::IpPermission>, Vec<api::RevokedSecurityGroupRule>);

async fn revoke(cx: &Ctx, request: Request) -> Result<Revoked, AwsError> {
    let asked = permissions::flatten(&request.permissions)?;
    if asked.is_empty() && request.rule_ids.is_empty() {
        return Err(error::missing_parameter("ipPermissions"));
    }
    settle(|| revoked(cx, &request, &asked)).await
}

/// In a default VPC EC2 answers permissions that the group does not have; in any other it refuses
/// the call
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RevokeSecurityGroupIngress.html>).
async fn revoked(cx: &Ctx, request: &Request, asked: &[Asked]) -> Result<(Tx, Revoked), AwsError> {
    let (group, vpc) = request.group_and_vpc(cx).await?;
    let mut new = group.value.clone();
    let mut gone = BTreeMap::new();
    for rule_id in &request.rule_ids {
        kind::SECURITY_GROUP_RULE.check(rule_id)?;
        let found = new.rules.remove(rule_id);
        let rule = found.filter(|r| r.is_egress == request.is_egress);
        let rule = rule.ok_or_else(|| error::not_found(&kind::SECURITY_GROUP_RULE, rule_id))?;
        gone.insert(rule_id.clone(), rule);
    }
    let mut unknown = Vec::new();
    for asked in asked {
        let rule = permissions::rule(
            asked,
            request.is_egress,
            said_peer(cx, &group, asked).await?,
        );
        let found = new
            .rules
            .iter()
            .find(|(_, other)| permissions::same(other, &rule));
        match found.map(|(rule_id, _)| rule_id.clone()) {
            Some(rule_id) => gone.extend(new.rules.remove_entry(&rule_id)),
            None if vpc.is_default => unknown.push(rule),
            None => return Err(say::rule_not_found()),
        }
    }
    let tx = within(cx, &vpc).update(&group, &new);
    let tx = gone.keys().fold(tx, |tx, rule| change::untag(tx, cx, rule));
    let shown = gone
        .iter()
        .map(|(rule_id, rule)| revoked_rule(group.id(), rule_id, rule));
    Ok((tx, (permissions::gather(unknown.iter()), shown.collect())))
}

/// The peer of a permission that is taken back, which need not exist any more.
async fn said_peer(cx: &Ctx, group: &SecurityGroup, asked: &Asked) -> Result<RulePeer, AwsError> {
    match &asked.peer {
        AskedPeer::PrefixList(list) => Ok(RulePeer::PrefixList(list.clone())),
        AskedPeer::Group {
            id: Some(group_id),
            account,
            ..
        } => Ok(RulePeer::Group {
            group_id: group_id.clone(),
            account: account
                .clone()
                .unwrap_or_else(|| cx.scope.account.to_string()),
            vpc_id: None,
        }),
        other => peer(cx, &group.vpc_id, other).await,
    }
}

pub async fn modify_security_group_rules(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ModifySecurityGroupRulesInput,
) -> Result<api::ModifySecurityGroupRulesOutput, AwsError> {
    dry_run(input.dry_run)?;
    if input.security_group_rules.is_empty() {
        return Err(error::missing_parameter("SecurityGroupRule"));
    }
    let mut updates = Vec::new();
    for update in &input.security_group_rules {
        kind::SECURITY_GROUP_RULE.check(&update.security_group_rule_id)?;
        let asked = asked(update.security_group_rule.clone().unwrap_or_default())?;
        updates.push((update.security_group_rule_id.as_str(), asked));
    }
    let request = Request {
        group_id: Some(input.group_id.clone()),
        ..Default::default()
    };
    settle(|| modified(&cx, &request, &updates)).await?;
    Ok(api::ModifySecurityGroupRulesOutput {
        r#return: Some(true),
    })
}

async fn modified(
    cx: &Ctx,
    request: &Request,
    updates: &[(&str, Asked)],
) -> Result<(Tx, ()), AwsError> {
    let (group, vpc) = request.group_and_vpc(cx).await?;
    let mut new = group.value.clone();
    for (rule_id, asked) in updates {
        let not_found = || error::not_found(&kind::SECURITY_GROUP_RULE, rule_id);
        let old = new.rules.get(*rule_id).ok_or_else(not_found)?;
        let peer = peer(cx, &group.vpc_id, &asked.peer).await?;
        if std::mem::discriminant(&peer) != std::mem::discriminant(&old.peer) {
            return Err(say::other_kind_of_peer(rule_id));
        }
        let rule = permissions::rule(asked, old.is_egress, peer);
        new.rules.insert((*rule_id).to_owned(), rule);
    }
    for (rule_id, _) in updates {
        let rule = &new.rules[*rule_id];
        let others = new.rules.iter().filter(|(id, _)| id != rule_id);
        if others
            .into_iter()
            .any(|(_, other)| permissions::same(other, rule))
        {
            return Err(say::duplicate_rule(&permissions::words(rule)));
        }
    }
    let tx = within(cx, &vpc).update(&group, &new);
    let changed = updates
        .iter()
        .filter_map(|(rule_id, _)| new.rules.get(*rule_id));
    Ok((prefix_lists::kept(cx, tx, changed).await?, ()))
}

/// A rule as `ModifySecurityGroupRules` writes it.
fn asked(rule: api::SecurityGroupRuleRequest) -> Result<Asked, AwsError> {
    let protocol = rule.ip_protocol.as_deref();
    let protocol = protocol.ok_or_else(|| error::missing_parameter("IpProtocol"))?;
    let peer = match (
        rule.cidr_ipv4,
        rule.cidr_ipv6,
        rule.prefix_list_id,
        rule.referenced_group_id,
    ) {
        (Some(cidr), None, None, None) => permissions::ipv4(&cidr)?,
        (None, Some(cidr), None, None) => permissions::ipv6(&cidr)?,
        (None, None, Some(list), None) => AskedPeer::PrefixList(list),
        (None, None, None, Some(group)) => AskedPeer::Group {
            id: Some(group),
            name: None,
            account: None,
        },
        _ => return Err(say::one_peer()),
    };
    Ok(Asked {
        ports: permissions::ports(protocol, rule.from_port, rule.to_port)?,
        peer,
        description: permissions::checked_description(rule.description)?,
    })
}

pub async fn update_security_group_rule_descriptions_ingress(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::UpdateSecurityGroupRuleDescriptionsIngressInput,
) -> Result<api::UpdateSecurityGroupRuleDescriptionsIngressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let request = Request {
        is_egress: false,
        group_id: input.group_id,
        group_name: input.group_name,
        permissions: input.ip_permissions.unwrap_or_default(),
        rule_ids: Vec::new(),
    };
    let by_id = input.security_group_rule_descriptions.unwrap_or_default();
    describe_rules(&cx, request, by_id).await?;
    Ok(api::UpdateSecurityGroupRuleDescriptionsIngressOutput {
        r#return: Some(true),
    })
}

pub async fn update_security_group_rule_descriptions_egress(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::UpdateSecurityGroupRuleDescriptionsEgressInput,
) -> Result<api::UpdateSecurityGroupRuleDescriptionsEgressOutput, AwsError> {
    dry_run(input.dry_run)?;
    let request = Request {
        is_egress: true,
        group_id: input.group_id,
        group_name: input.group_name,
        permissions: input.ip_permissions.unwrap_or_default(),
        rule_ids: Vec::new(),
    };
    let by_id = input.security_group_rule_descriptions.unwrap_or_default();
    describe_rules(&cx, request, by_id).await?;
    Ok(api::UpdateSecurityGroupRuleDescriptionsEgressOutput {
        r#return: Some(true),
    })
}

async fn describe_rules(
    cx: &Ctx,
    request: Request,
    by_id: Vec<api::SecurityGroupRuleDescription>,
) -> Result<(), AwsError> {
    let asked = permissions::flatten(&request.permissions)?;
    if asked.is_empty() && by_id.is_empty() {
        return Err(error::missing_parameter("ipPermissions"));
    }
    settle(|| described(cx, &request, &asked, &by_id)).await
}

async fn described(
    cx: &Ctx,
    request: &Request,
    asked: &[Asked],
    by_id: &[api::SecurityGroupRuleDescription],
) -> Result<(Tx, ()), AwsError> {
    let group = request.group(cx).await?;
    let mut new = group.value.clone();
    for asked in asked {
        let said = permissions::rule(
            asked,
            request.is_egress,
            said_peer(cx, &group, asked).await?,
        );
        let found = new.rules.values_mut().find(|r| permissions::same(r, &said));
        found.ok_or_else(say::rule_not_found)?.description = said.description;
    }
    for update in by_id {
        let rule_id = update.security_group_rule_id.as_deref();
        let rule_id = rule_id.ok_or_else(|| error::missing_parameter("SecurityGroupRuleId"))?;
        kind::SECURITY_GROUP_RULE.check(rule_id)?;
        let rule = new
            .rules
            .get_mut(rule_id)
            .filter(|r| r.is_egress == request.is_egress);
        let rule = rule.ok_or_else(|| error::not_found(&kind::SECURITY_GROUP_RULE, rule_id))?;
        rule.description = permissions::checked_description(update.description.clone())?;
    }
    Ok((cx.db().tx().update(&group, &new), ()))
}

pub async fn describe_security_group_rules(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeSecurityGroupRulesInput,
) -> Result<api::DescribeSecurityGroupRulesOutput, AwsError> {
    let ids = input.security_group_rule_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let groups = all::<SecurityGroup>(&cx).await?;
    let rules = groups.iter().flat_map(|g| {
        let rules = g.rules.iter();
        rules.map(|(rule_id, r)| rule(&place, g.id(), rule_id, r))
    });
    let found = query.run(rules.collect())?;
    Ok(api::DescribeSecurityGroupRulesOutput {
        security_group_rules: Some(found.items),
        next_token: found.next_token,
    })
}

fn rule(place: &Place, group: &str, id: &str, rule: &SecurityGroupRule) -> api::SecurityGroupRule {
    let mut shown = api::SecurityGroupRule {
        security_group_rule_arn: Some(place.scope.arn("ec2", format!("security-group-rule/{id}"))),
        tags: place.tags_of(id),
        security_group_rule_id: text(id),
        group_id: text(group),
        group_owner_id: place.account(),
        is_egress: Some(rule.is_egress),
        ip_protocol: text(&rule.protocol),
        from_port: Some(rule.from_port),
        to_port: Some(rule.to_port),
        description: rule.description.clone(),
        ..Default::default()
    };
    match &rule.peer {
        RulePeer::Ipv4(range) => shown.cidr_ipv4 = Some(range.to_string()),
        RulePeer::Ipv6(range) => shown.cidr_ipv6 = text(range),
        RulePeer::PrefixList(list) => shown.prefix_list_id = text(list),
        RulePeer::Group {
            group_id,
            account,
            vpc_id,
        } => {
            shown.referenced_group_info = Some(api::ReferencedSecurityGroup {
                group_id: text(group_id),
                user_id: text(account),
                vpc_id: vpc_id.clone(),
                ..Default::default()
            });
        }
    }
    shown
}

fn revoked_rule(group: &str, id: &str, rule: &SecurityGroupRule) -> api::RevokedSecurityGroupRule {
    let mut shown = api::RevokedSecurityGroupRule {
        security_group_rule_id: text(id),
        group_id: text(group),
        is_egress: Some(rule.is_egress),
        ip_protocol: text(&rule.protocol),
        from_port: Some(rule.from_port),
        to_port: Some(rule.to_port),
        description: rule.description.clone(),
        ..Default::default()
    };
    match &rule.peer {
        RulePeer::Ipv4(range) => shown.cidr_ipv4 = Some(range.to_string()),
        RulePeer::Ipv6(range) => shown.cidr_ipv6 = text(range),
        RulePeer::PrefixList(list) => shown.prefix_list_id = text(list),
        RulePeer::Group { group_id, .. } => shown.referenced_group_id = text(group_id),
    }
    shown
}

impl Describe for api::SecurityGroupRule {
    const KIND: Kind = kind::SECURITY_GROUP_RULE;

    fn id(&self) -> &str {
        self.security_group_rule_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        match filter {
            "group-id" => one(&self.group_id),
            "security-group-rule-id" => one(&self.security_group_rule_id),
            _ => None,
        }
    }
}
