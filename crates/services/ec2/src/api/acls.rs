//! Network ACLs and their rules
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html>).

use super::{tags, text};
use crate::change::{self, all, find, fresh, settle, within};
use crate::error::acl as say;
use crate::kind::{self, Kind};
use crate::model::Place;
use crate::plan::acl_entries::{Asked, MAX_ENTRIES, entry, number};
use crate::query::{Describe, Query, dry_run, each, one};
use crate::{Ec2, error};
use neargate_api_ec2 as api;
use neargate_service::db::{Stored, Tx};
use neargate_service::vpc::{Acl, AclEntry, Association, NetworkAcl, Subnet, Vpc};
use neargate_service::{AwsError, Ctx};
use neargate_wire::structure::Unit;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number EC2 gives the rule it writes as `*`.
const LAST_RULE: i32 = 32767;
/// Network ACLs of a VPC
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>).
const MAX_ACLS: usize = 200;

/// A new ACL lets nothing through.
pub async fn create_network_acl(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateNetworkAclInput,
) -> Result<api::CreateNetworkAclOutput, AwsError> {
    dry_run(input.dry_run)?;
    let tags = tags::specified(input.tag_specifications, &kind::NETWORK_ACL)?;
    let acl_id = fresh(&cx, "acl");
    let new = NetworkAcl {
        vpc_id: input.vpc_id.clone(),
        is_default: false,
        entries: Acl::default(),
        created_at: cx.now(),
    };
    let add = async || -> Result<(Tx, ()), AwsError> {
        let vpc = find::<Vpc>(&cx, &input.vpc_id).await?;
        let acls = all::<NetworkAcl>(&cx).await?;
        if acls.iter().filter(|a| a.vpc_id == input.vpc_id).count() >= MAX_ACLS {
            return Err(error::limit_exceeded(
                "NetworkAclLimitExceeded",
                "network ACLs",
            ));
        }
        Ok((
            change::create(within(&cx, &vpc), &cx, &acl_id, &new, &tags),
            (),
        ))
    };
    settle(add).await?;
    let place = Place::of_new(&cx, &acl_id, &tags);
    Ok(api::CreateNetworkAclOutput {
        network_acl: Some(network_acl(&place, &acl_id, &new, &[])),
        client_token: input.client_token,
    })
}

pub async fn delete_network_acl(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteNetworkAclInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let acl_id = &input.network_acl_id;
    let delete = async || -> Result<(Tx, ()), AwsError> {
        let acl = find::<NetworkAcl>(&cx, acl_id).await?;
        if acl.is_default {
            return Err(say::default_acl(acl_id));
        }
        let vpc = find::<Vpc>(&cx, &acl.vpc_id).await?;
        if all::<Subnet>(&cx)
            .await?
            .iter()
            .any(|s| s.acl.acl_id == *acl_id)
        {
            return Err(error::has_dependencies("networkAcl", acl_id));
        }
        Ok((change::delete(within(&cx, &vpc), &cx, &acl), ()))
    };
    settle(delete).await?;
    Ok(Unit)
}

pub async fn create_network_acl_entry(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::CreateNetworkAclEntryInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let number = number(input.rule_number)?;
    let new = entry(&Asked {
        protocol: input.protocol,
        action: input.rule_action,
        cidr: input.cidr_block,
        ipv6_cidr: input.ipv6_cidr_block,
        ports: input.port_range,
        icmp: input.icmp_type_code,
    })?;
    change_entries(&cx, &input.network_acl_id, input.egress, |entries| {
        if entries.contains_key(&number) {
            return Err(say::entry_exists(number));
        }
        if entries.len() >= MAX_ENTRIES {
            let code = "NetworkAclEntryLimitExceeded";
            return Err(error::limit_exceeded(code, "network acl entries"));
        }
        entries.insert(number, new.clone());
        Ok(())
    })
    .await
}

pub async fn replace_network_acl_entry(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ReplaceNetworkAclEntryInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let number = number(input.rule_number)?;
    let new = entry(&Asked {
        protocol: input.protocol,
        action: input.rule_action,
        cidr: input.cidr_block,
        ipv6_cidr: input.ipv6_cidr_block,
        ports: input.port_range,
        icmp: input.icmp_type_code,
    })?;
    change_entries(
        &cx,
        &input.network_acl_id,
        input.egress,
        |entries| match entries.insert(number, new.clone()) {
            Some(_) => Ok(()),
            None => Err(say::entry_not_found(input.rule_number)),
        },
    )
    .await
}

pub async fn delete_network_acl_entry(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DeleteNetworkAclEntryInput,
) -> Result<Unit, AwsError> {
    dry_run(input.dry_run)?;
    let number = number(input.rule_number)?;
    change_entries(
        &cx,
        &input.network_acl_id,
        input.egress,
        |entries| match entries.remove(&number) {
            Some(_) => Ok(()),
            None => Err(say::entry_not_found(input.rule_number)),
        },
    )
    .await
}

/// Changes the rules of an ACL in one direction.
async fn change_entries(
    cx: &Ctx,
    acl_id: &str,
    egress: bool,
    change: impl Fn(&mut BTreeMap<u16, AclEntry>) -> Result<(), AwsError>,
) -> Result<Unit, AwsError> {
    let changed = async || -> Result<(Tx, ()), AwsError> {
        let acl = find::<NetworkAcl>(cx, acl_id).await?;
        let vpc = find::<Vpc>(cx, &acl.vpc_id).await?;
        let mut new = acl.value.clone();
        change(match egress {
            true => &mut new.entries.outbound,
            false => &mut new.entries.inbound,
        })?;
        Ok((within(cx, &vpc).update(&acl, &new), ()))
    };
    settle(changed).await?;
    Ok(Unit)
}

pub async fn replace_network_acl_association(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::ReplaceNetworkAclAssociationInput,
) -> Result<api::ReplaceNetworkAclAssociationOutput, AwsError> {
    dry_run(input.dry_run)?;
    let new_id = fresh(&cx, "aclassoc");
    let replace = async || -> Result<(Tx, ()), AwsError> {
        let subnets = all::<Subnet>(&cx).await?;
        let of = |s: &&Stored<Subnet>| s.acl.association_id == input.association_id;
        let subnet = subnets.iter().find(of);
        let subnet = subnet.ok_or_else(|| error::association_not_found(&input.association_id))?;
        let acl = find::<NetworkAcl>(&cx, &input.network_acl_id).await?;
        if acl.vpc_id != subnet.vpc_id {
            let of = ("network ACL", acl.id());
            return Err(error::routing::different_networks(
                of,
                ("subnet", subnet.id()),
            ));
        }
        let vpc = find::<Vpc>(&cx, &acl.vpc_id).await?;
        let new = Subnet {
            acl: Association {
                association_id: new_id.clone(),
                acl_id: input.network_acl_id.clone(),
            },
            ..subnet.value.clone()
        };
        Ok((within(&cx, &vpc).update(subnet, &new), ()))
    };
    settle(replace).await?;
    Ok(api::ReplaceNetworkAclAssociationOutput {
        new_association_id: Some(new_id),
    })
}

pub async fn describe_network_acls(
    _: Arc<Ec2>,
    cx: Ctx,
    input: api::DescribeNetworkAclsInput,
) -> Result<api::DescribeNetworkAclsOutput, AwsError> {
    let ids = input.network_acl_ids;
    let query = Query::new(
        input.dry_run,
        ids,
        input.filters,
        input.next_token,
        input.max_results,
    )?;
    let place = Place::read(&cx).await?;
    let subnets = all::<Subnet>(&cx).await?;
    let acls = all::<NetworkAcl>(&cx).await?;
    let shown = acls
        .iter()
        .map(|a| network_acl(&place, a.id(), a, &subnets));
    let found = query.run(shown.collect())?;
    Ok(api::DescribeNetworkAclsOutput {
        network_acls: Some(found.items),
        next_token: found.next_token,
    })
}

fn network_acl(
    place: &Place,
    id: &str,
    acl: &NetworkAcl,
    subnets: &[Stored<Subnet>],
) -> api::NetworkAcl {
    let own = subnets.iter().filter(|s| s.acl.acl_id == id);
    let associations = own.map(|s| api::NetworkAclAssociation {
        network_acl_association_id: text(&s.acl.association_id),
        network_acl_id: text(id),
        subnet_id: text(s.id()),
    });
    let of = |egress, entries: &BTreeMap<u16, AclEntry>| {
        let entries = entries.iter();
        let entries = entries.map(|(number, e)| shown(egress, i32::from(*number), e));
        entries.chain([last(egress)]).collect::<Vec<_>>()
    };
    let mut entries = of(true, &acl.entries.outbound);
    entries.extend(of(false, &acl.entries.inbound));
    api::NetworkAcl {
        network_acl_id: text(id),
        vpc_id: text(&acl.vpc_id),
        owner_id: place.account(),
        is_default: Some(acl.is_default),
        associations: Some(associations.collect()),
        entries: Some(entries),
        tags: place.tags_of(id),
    }
}

fn shown(egress: bool, number: i32, entry: &AclEntry) -> api::NetworkAclEntry {
    let is_ipv6 = entry.range.contains(':');
    api::NetworkAclEntry {
        cidr_block: (!is_ipv6).then(|| entry.range.clone()),
        ipv6_cidr_block: is_ipv6.then(|| entry.range.clone()),
        egress: Some(egress),
        protocol: text(&entry.protocol),
        rule_action: text(if entry.allow { "allow" } else { "deny" }),
        rule_number: Some(number),
        port_range: entry.ports.map(|(from, to)| api::PortRange {
            from: Some(i32::from(from)),
            to: Some(i32::from(to)),
        }),
        icmp_type_code: entry.icmp.map(|(kind, code)| api::IcmpTypeCode {
            r#type: Some(kind),
            code: Some(code),
        }),
    }
}

/// What no rule allows is denied.
fn last(egress: bool) -> api::NetworkAclEntry {
    let all = AclEntry {
        allow: false,
        protocol: "-1".into(),
        ports: None,
        icmp: None,
        range: "0.0.0.0/0".into(),
    };
    shown(egress, LAST_RULE, &all)
}

impl Describe for api::NetworkAcl {
    const KIND: Kind = kind::NETWORK_ACL;

    fn id(&self) -> &str {
        self.network_acl_id.as_deref().unwrap_or_default()
    }

    fn tags(&self) -> &[api::Tag] {
        self.tags.as_deref().unwrap_or_default()
    }

    fn values(&self, filter: &str) -> Option<Vec<String>> {
        let (associations, entries) = (&self.associations, &self.entries);
        match filter {
            "network-acl-id" => one(&self.network_acl_id),
            "vpc-id" => one(&self.vpc_id),
            "owner-id" => one(&self.owner_id),
            "default" => one(&self.is_default),
            "association.association-id" => {
                each(associations, |a| a.network_acl_association_id.clone())
            }
            "association.network-acl-id" => each(associations, |a| a.network_acl_id.clone()),
            "association.subnet-id" => each(associations, |a| a.subnet_id.clone()),
            "entry.cidr" => each(entries, |e| e.cidr_block.clone()),
            "entry.ipv6-cidr" => each(entries, |e| e.ipv6_cidr_block.clone()),
            "entry.egress" => each(entries, |e| e.egress),
            "entry.protocol" => each(entries, |e| e.protocol.clone()),
            "entry.rule-action" => each(entries, |e| e.rule_action.clone()),
            "entry.rule-number" => each(entries, |e| e.rule_number),
            "entry.icmp.code" => each(entries, |e| e.icmp_type_code.as_ref()?.code),
            "entry.icmp.type" => each(entries, |e| e.icmp_type_code.as_ref()?.r#type),
            "entry.port-range.from" => each(entries, |e| e.port_range.as_ref()?.from),
            "entry.port-range.to" => each(entries, |e| e.port_range.as_ref()?.to),
            _ => None,
        }
    }
}
