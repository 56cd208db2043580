//! The default VPC of an account in a region. It is written when somebody first looks for it, with
//! ids that derive from account and region; from then on it is a VPC as any other, which may be
//! changed or deleted
//! (<https://docs.aws.amazon.com/vpc/latest/userguide/default-vpc-components.html>).

use super::{
    Acl, AclEntry, Association, DhcpOptions, InternetGateway, NetworkAcl, RouteTable, RouteTarget,
    RulePeer, SecurityGroup, SecurityGroupRule, StoredRoute, Subnet, Vpc,
};
use crate::db::{self, Committed, Resource, Stored, Tx};
use crate::{AwsError, House, Scope};
use neargate_base::Timestamp;
use neargate_domain::Cidr;
use neargate_domain::vpc::{DefaultVpc, SUBNET_PREFIX, VpcRange};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `ec2/default-vpc/…/made`: the scope has had its first default VPC.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Made {}

impl Resource for Made {
    const KIND: &'static str = "ec2/default-vpc";
}

/// The scope has its default VPC, unless somebody deleted that.
///
/// # Errors
/// The store's.
pub async fn ensure_default(house: &House, scope: &Scope) -> Result<(), AwsError> {
    if house.db.get::<Made>(scope, "made").await?.is_some() {
        return Ok(());
    }
    let vpc = DefaultVpc::within(house.settings.vpc, &scope.account, &scope.region);
    let tx = house
        .db
        .tx()
        .create(db::key::<Made>(scope, "made"), &Made {})
        .create(
            db::key::<DhcpOptions>(scope, &vpc.dhcp_options_id),
            &amazons_options(scope, house.now()),
        );
    // A conflict means that somebody else has just written it.
    let (Committed::At(_) | Committed::Conflict) =
        write(tx, scope, &vpc, house.now()).commit().await?;
    Ok(())
}

/// The set of options that an account has in every region: Amazon's DNS server and the domain that
/// it gives names in
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/DHCPOptionSetConcepts.html>).
fn amazons_options(scope: &Scope, now: Timestamp) -> DhcpOptions {
    let domain = match scope.region.as_str() {
        "us-east-1" => "ec2.internal".to_owned(),
        region => format!("{region}.compute.internal"),
    };
    let configurations = [
        ("domain-name", domain),
        ("domain-name-servers", "AmazonProvidedDNS".to_owned()),
    ];
    DhcpOptions {
        configurations: configurations
            .into_iter()
            .map(|(key, value)| (key.to_owned(), vec![value]))
            .collect(),
        created_at: now,
    }
}

/// Makes a default VPC for a scope that has none any more. Of two who do so at the same time one
/// finds a conflict.
///
/// # Errors
/// The store's.
pub async fn make_default(house: &House, scope: &Scope, vpc: &DefaultVpc) -> Result<Tx, AwsError> {
    let key = db::key::<Made>(scope, "made");
    let tx = match house.db.get::<Made>(scope, "made").await? {
        Some(made) => house.db.tx().update(&made, &Made {}),
        None => house.db.tx().create(key, &Made {}),
    };
    Ok(write(tx, scope, vpc, house.now()))
}

/// Writes a default VPC with everything in it.
fn write(tx: Tx, scope: &Scope, vpc: &DefaultVpc, now: Timestamp) -> Tx {
    let key = |kind: &str, id: &str| format!("ec2/{kind}/{}/{}/{id}", scope.account, scope.region);
    let range = range(vpc);
    let tx = tx
        .create(key("vpc", &vpc.vpc_id), &record(vpc, range, now))
        .create(
            key("security-group", &vpc.security_group_id),
            &default_group(scope, &vpc.vpc_id, &vpc.security_group_id, now),
        )
        .create(
            key("network-acl", &vpc.network_acl_id),
            &default_acl(&vpc.vpc_id, now),
        )
        .create(
            key("route-table", &vpc.route_table_id),
            &RouteTable {
                vpc_id: vpc.vpc_id.clone(),
                main_association_id: Some(companion("rtbassoc", &vpc.route_table_id)),
                subnets: BTreeMap::new(),
                routes: vec![StoredRoute {
                    to: Cidr::ANY,
                    by: RouteTarget::InternetGateway(vpc.internet_gateway_id.clone()),
                }],
                created_at: now,
            },
        )
        .create(
            key("internet-gateway", &vpc.internet_gateway_id),
            &InternetGateway {
                vpc_id: Some(vpc.vpc_id.clone()),
                created_at: now,
            },
        );
    vpc.subnets.iter().fold(tx, |tx, s| {
        let subnet = Subnet {
            vpc_id: vpc.vpc_id.clone(),
            range: Cidr::around(s.base, SUBNET_PREFIX),
            availability_zone: s.availability_zone.clone(),
            map_public_ip_on_launch: true,
            default_for_az: true,
            acl: Association {
                association_id: companion("aclassoc", &s.id),
                acl_id: vpc.network_acl_id.clone(),
            },
            hostname_type: "ip-name".into(),
            resource_name_dns_a_record: false,
            deleting: false,
            created_at: now,
        };
        tx.create(key("subnet", &s.id), &subnet)
    })
}

fn record(vpc: &DefaultVpc, range: Cidr, now: Timestamp) -> Vpc {
    Vpc {
        range,
        secondary: BTreeMap::new(),
        is_default: true,
        instance_tenancy: "default".into(),
        enable_dns_support: true,
        enable_dns_hostnames: true,
        network_address_usage_metrics: false,
        dhcp_options_id: vpc.dhcp_options_id.clone(),
        default_group_id: vpc.security_group_id.clone(),
        main_route_table_id: vpc.route_table_id.clone(),
        default_acl_id: vpc.network_acl_id.clone(),
        created_at: now,
    }
}

fn range(vpc: &DefaultVpc) -> Cidr {
    Cidr::around(vpc.subnets[0].base, 16)
}

/// The group named `default` that every VPC begins with: its members may send each other
/// everything, and everybody else too
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html>).
pub fn default_group(scope: &Scope, vpc_id: &str, id: &str, now: Timestamp) -> SecurityGroup {
    let all = |is_egress, peer| SecurityGroupRule {
        is_egress,
        protocol: "-1".into(),
        from_port: -1,
        to_port: -1,
        peer,
        description: None,
    };
    let members = RulePeer::Group {
        group_id: id.to_owned(),
        account: scope.account.to_string(),
        vpc_id: None,
    };
    let rules = [
        (companion("sgr", id), all(false, members)),
        (
            companion("sgr", vpc_id),
            all(true, RulePeer::Ipv4(Cidr::ANY)),
        ),
    ];
    SecurityGroup {
        vpc_id: vpc_id.to_owned(),
        name: "default".into(),
        description: "default VPC security group".into(),
        rules: rules.into(),
        deleting: false,
        created_at: now,
    }
}

/// The network ACL that every VPC begins with: it lets everything through
/// (<https://docs.aws.amazon.com/vpc/latest/userguide/default-network-acl.html>).
pub fn default_acl(vpc_id: &str, now: Timestamp) -> NetworkAcl {
    let all = AclEntry {
        allow: true,
        protocol: "-1".into(),
        ports: None,
        icmp: None,
        range: Cidr::ANY.to_string(),
    };
    let rules = BTreeMap::from([(100, all)]);
    NetworkAcl {
        vpc_id: vpc_id.to_owned(),
        is_default: true,
        entries: Acl {
            inbound: rules.clone(),
            outbound: rules,
        },
        created_at: now,
    }
}

/// An id that belongs to another one, such as a subnet's association: its digits, another prefix.
pub fn companion(prefix: &str, of: &str) -> String {
    let digits = of.split_once('-').map_or(of, |(_, digits)| digits);
    format!("{prefix}-{digits}")
}

/// Gives the default VPCs that were written before, of every account and region, the addresses of
/// `range`. Nobody may have an interface in them.
///
/// # Errors
/// The store's.
pub async fn move_default_vpcs(house: &House, range: VpcRange) -> Result<(), AwsError> {
    let vpcs = house
        .db
        .list_prefix::<Vpc>(&format!("{}/", Vpc::KIND))
        .await?;
    for vpc in vpcs.into_iter().filter(|vpc| vpc.is_default) {
        let Some(scope) = Scope::of_key(&vpc.key) else {
            continue;
        };
        let id = vpc.key.rsplit('/').next().unwrap_or_default();
        let moved = |cidr: Cidr| {
            let [_, _, c, d] = cidr.base().octets();
            let [a, b, ..] = range.gateways()[0].octets();
            Cidr::around([a, b, c, d].into(), cidr.prefix_len())
        };
        let subnets = house.db.list::<Subnet>(&scope).await?;
        let within = |s: &&Stored<Subnet>| s.vpc_id == id && vpc.range.covers(s.range);
        let mut tx = house.db.tx();
        for subnet in subnets.iter().filter(within) {
            let range = moved(subnet.range);
            tx = tx.update(
                subnet,
                &Subnet {
                    range,
                    ..subnet.value.clone()
                },
            );
        }
        let range = moved(vpc.range);
        tx = tx.update(
            &vpc,
            &Vpc {
                range,
                ..vpc.value.clone()
            },
        );
        // Nobody else is served yet: this runs while Neargate starts.
        let Committed::At(_) = tx.commit().await? else {
            return Err(AwsError::server(
                "InternalError",
                "a VPC changed while Neargate starts",
            ));
        };
    }
    Ok(())
}
