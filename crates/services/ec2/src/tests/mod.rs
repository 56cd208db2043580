//! Operations through their table, on a store in memory.

mod account;
mod acls;
mod addresses;
mod endpoints;
mod groups;
mod instances;
mod interfaces;
mod key_pairs;
mod peering;
mod places;
mod routing;
mod stored;
mod subnets;
mod tags;
mod vpcs;

use super::Ec2;
use neargate_api_ec2::{self as api, ops};
use neargate_domain::vpc::DefaultVpc;
use neargate_service::{AwsError, Committed, Ctx, Service, eni};
use neargate_testkit::Lab;
use neargate_wire::structure::OperationDef;
use std::sync::Arc;

/// An account's EC2 in a region.
struct Place {
    lab: Lab,
    cx: Ctx,
    table: Arc<dyn Service>,
    /// The ids of its first default VPC.
    first: DefaultVpc,
}

fn place() -> Place {
    let lab = Lab::seeded(7);
    Place {
        cx: lab.cx(),
        first: DefaultVpc::of(&lab.scope.account, &lab.scope.region),
        table: Arc::new(super::table(Arc::new(Ec2::default()))),
        lab,
    }
}

impl Place {
    async fn call<O: OperationDef>(
        &self,
        operation: O,
        input: O::Input,
    ) -> Result<O::Output, AwsError> {
        neargate_testkit::call(&*self.table, self.cx.clone(), operation, input).await
    }

    /// The same for another account or region.
    fn elsewhere(&self, change: impl FnOnce(&mut neargate_service::Scope)) -> Place {
        let mut scope = self.lab.scope.clone();
        change(&mut scope);
        let mut cx = self.cx.clone();
        cx.scope = scope;
        Place {
            lab: Lab::seeded(8),
            first: DefaultVpc::of(&cx.scope.account, &cx.scope.region),
            table: self.table.clone(),
            cx,
        }
    }

    async fn vpc(&self, range: &str) -> String {
        let input = api::CreateVpcInput {
            cidr_block: some(range),
            ..Default::default()
        };
        let made = self.call(ops::CreateVpc, input).await.unwrap();
        made.vpc.unwrap().vpc_id.unwrap()
    }

    async fn subnet(&self, vpc: &str, range: &str) -> String {
        let made = self.try_subnet(vpc, range).await.unwrap();
        made.subnet_id.unwrap()
    }

    async fn try_subnet(&self, vpc: &str, range: &str) -> Result<api::Subnet, AwsError> {
        let input = api::CreateSubnetInput {
            vpc_id: vpc.into(),
            cidr_block: some(range),
            ..Default::default()
        };
        let made = self.call(ops::CreateSubnet, input).await?;
        Ok(made.subnet.unwrap())
    }

    async fn group(&self, vpc: &str, name: &str) -> String {
        let input = api::CreateSecurityGroupInput {
            vpc_id: some(vpc),
            group_name: name.into(),
            description: "for a test".into(),
            ..Default::default()
        };
        let made = self.call(ops::CreateSecurityGroup, input).await.unwrap();
        made.group_id.unwrap()
    }

    async fn gateway(&self, vpc: Option<&str>) -> String {
        let made = self.call(
            ops::CreateInternetGateway,
            api::CreateInternetGatewayInput::default(),
        );
        let gateway = made.await.unwrap().internet_gateway.unwrap();
        let id = gateway.internet_gateway_id.unwrap();
        if let Some(vpc) = vpc {
            self.attach(&id, vpc).await.unwrap();
        }
        id
    }

    async fn attach(&self, gateway: &str, vpc: &str) -> Result<(), AwsError> {
        let input = api::AttachInternetGatewayInput {
            internet_gateway_id: gateway.into(),
            vpc_id: vpc.into(),
            dry_run: None,
        };
        self.call(ops::AttachInternetGateway, input)
            .await
            .map(|_| ())
    }

    /// An interface as a task has it.
    async fn interface(
        &self,
        subnet: &str,
        groups: &[String],
    ) -> neargate_domain::NetworkInterface {
        let wanted = eni::Wanted {
            subnet_id: subnet,
            security_groups: groups,
            public: false,
            owner: "arn:aws:ecs:us-east-1:000000000000:task/default/1",
            held: &[],
        };
        let reserved = eni::reserve(&self.cx.house, &self.cx.scope, wanted);
        let reserved = reserved.await.unwrap();
        let tx = self.cx.db().tx().with(reserved.compares, reserved.ops);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
        reserved.interface
    }

    async fn released(&self, interface: &neargate_domain::NetworkInterface) {
        let ops = eni::release_interface(&self.cx.scope, interface);
        let tx = self.cx.db().tx().with(vec![], ops);
        assert!(matches!(tx.commit().await.unwrap(), Committed::At(_)));
    }

    async fn delete_vpc(&self, vpc: &str) -> Result<(), AwsError> {
        let input = api::DeleteVpcInput {
            vpc_id: vpc.into(),
            dry_run: None,
        };
        self.call(ops::DeleteVpc, input).await.map(|_| ())
    }

    async fn delete_subnet(&self, subnet: &str) -> Result<(), AwsError> {
        let input = api::DeleteSubnetInput {
            subnet_id: subnet.into(),
            dry_run: None,
        };
        self.call(ops::DeleteSubnet, input).await.map(|_| ())
    }

    async fn delete_group(&self, group: &str) -> Result<(), AwsError> {
        let input = api::DeleteSecurityGroupInput {
            group_id: some(group),
            ..Default::default()
        };
        self.call(ops::DeleteSecurityGroup, input).await.map(|_| ())
    }

    async fn tables(&self, name: &str, value: &str) -> Vec<api::RouteTable> {
        let input = api::DescribeRouteTablesInput {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        let found = self.call(ops::DescribeRouteTables, input).await.unwrap();
        found.route_tables.unwrap()
    }

    async fn vpcs(&self, input: api::DescribeVpcsInput) -> Result<Vec<api::Vpc>, AwsError> {
        Ok(self.call(ops::DescribeVpcs, input).await?.vpcs.unwrap())
    }

    async fn tag(&self, ids: &[&str], tags: &[(&str, &str)]) -> Result<(), AwsError> {
        let input = api::CreateTagsInput {
            resources: ids.iter().map(|s| (*s).into()).collect(),
            tags: pairs(tags),
            ..Default::default()
        };
        self.call(ops::CreateTags, input).await.map(|_| ())
    }

    /// `resource-type key=value` of every tag.
    async fn tags(&self, input: api::DescribeTagsInput) -> (Vec<String>, Option<String>) {
        let out = self.call(ops::DescribeTags, input).await.unwrap();
        let show = |t: api::TagDescription| {
            format!(
                "{} {}={}",
                t.resource_type.unwrap(),
                t.key.unwrap(),
                t.value.unwrap()
            )
        };
        (
            out.tags.unwrap().into_iter().map(show).collect(),
            out.next_token,
        )
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

fn pairs(tags: &[(&str, &str)]) -> Vec<api::Tag> {
    let tag = |(k, v): &(&str, &str)| api::Tag {
        key: some(k),
        value: some(v),
    };
    tags.iter().map(tag).collect()
}

fn specification(resource_type: &str, tags: &[(&str, &str)]) -> Option<Vec<api::TagSpecification>> {
    Some(vec![api::TagSpecification {
        resource_type: some(resource_type),
        tags: Some(pairs(tags)),
    }])
}

fn filter(name: &str, values: &[&str]) -> Option<Vec<api::Filter>> {
    let values = Some(values.iter().map(|v| (*v).into()).collect());
    Some(vec![api::Filter {
        name: some(name),
        values,
    }])
}

fn ids(id: &str) -> Option<Vec<String>> {
    Some(vec![id.into()])
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str, message: &str) {
    let e = result.unwrap_err();
    assert_eq!((e.code.as_str(), e.message.as_str()), (code, message));
}

/// The code alone, where the words are ours.
#[track_caller]
fn refused_as<T: std::fmt::Debug>(result: Result<T, AwsError>, code: &str) {
    let e = result.unwrap_err();
    assert_eq!(e.code, code, "{}", e.message);
}

#[test]
fn every_taken_operation_is_in_the_table() {
    let table = super::table(Arc::new(Ec2::default()));
    let missing: Vec<_> = table
        .schema()
        .operations
        .iter()
        .filter(|o| o.taken)
        .filter(|o| table.status(o.name) == neargate_service::Status::NotYet)
        .map(|o| o.name)
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn forms_of_ids() {
    use super::kind;
    for good in ["vpc-0", "vpc-0123456789abcdef0", "vpc-1a2b3c4d"] {
        assert!(kind::VPC.check(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "vpc",
        "vpc-",
        "vpc-xyz",
        "vpc-ABC",
        "subnet-1",
        "vpc-0123456789abcdef01",
    ] {
        assert!(kind::VPC.check(bad).is_err(), "{bad}");
    }
}
