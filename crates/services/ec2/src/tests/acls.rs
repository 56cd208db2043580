//! Network ACLs and DHCP options.

use super::*;

impl Place {
    async fn acls(&self, name: &str, value: &str) -> Vec<api::NetworkAcl> {
        let input = api::DescribeNetworkAclsInput {
            filters: filter(name, &[value]),
            ..Default::default()
        };
        let found = self.call(ops::DescribeNetworkAcls, input).await.unwrap();
        found.network_acls.unwrap()
    }
}

fn entry(acl: &str, number: i32, protocol: &str) -> api::CreateNetworkAclEntryInput {
    api::CreateNetworkAclEntryInput {
        network_acl_id: acl.into(),
        rule_number: number,
        protocol: protocol.into(),
        rule_action: "allow".into(),
        egress: false,
        cidr_block: some("10.0.0.0/8"),
        ..Default::default()
    }
}

#[tokio::test]
async fn the_default_acl() {
    let p = place();
    let acls = p
        .acls("association.subnet-id", &p.first.subnets[2].id)
        .await;
    assert_eq!((acls.len(), acls[0].is_default), (1, Some(true)));
    assert_eq!(acls[0].entries.as_ref().unwrap().len(), 4);
    let delete = api::DeleteNetworkAclInput {
        network_acl_id: p.first.network_acl_id.clone(),
        dry_run: None,
    };
    refused_as(
        p.call(ops::DeleteNetworkAcl, delete).await,
        "InvalidParameterValue",
    );
}

#[tokio::test]
async fn entries_come_change_and_go() {
    let p = place();
    let input = api::CreateNetworkAclInput {
        vpc_id: p.first.vpc_id.clone(),
        ..Default::default()
    };
    let made = p
        .call(ops::CreateNetworkAcl, input)
        .await
        .unwrap()
        .network_acl
        .unwrap();
    assert_eq!(made.entries.unwrap().len(), 2, "all is denied");
    let acl = made.network_acl_id.unwrap();
    let create = |input| p.call(ops::CreateNetworkAclEntry, input);
    create(entry(&acl, 100, "-1")).await.unwrap();
    refused(
        create(entry(&acl, 100, "-1")).await,
        "NetworkAclEntryAlreadyExists",
        "The network acl entry identified by 100 already exists.",
    );
    refused_as(
        create(entry(&acl, 32767, "-1")).await,
        "InvalidParameterValue",
    );
    refused_as(create(entry(&acl, 110, "6")).await, "MissingParameter");
    let http = api::CreateNetworkAclEntryInput {
        port_range: Some(api::PortRange {
            from: Some(80),
            to: Some(90),
        }),
        ..entry(&acl, 110, "tcp")
    };
    create(http).await.unwrap();
    let ping = api::CreateNetworkAclEntryInput {
        icmp_type_code: Some(api::IcmpTypeCode {
            r#type: Some(8),
            code: Some(-1),
        }),
        ..entry(&acl, 120, "1")
    };
    create(ping).await.unwrap();
    let entries = p
        .acls("network-acl-id", &acl)
        .await
        .remove(0)
        .entries
        .unwrap();
    let numbers: Vec<_> = entries.iter().filter_map(|e| e.rule_number).collect();
    assert_eq!(numbers, [32767, 100, 110, 120, 32767]);
    assert_eq!(p.acls("entry.port-range.from", "80").await.len(), 1);
    assert_eq!(p.acls("entry.protocol", "6").await.len(), 1);

    let deny = api::ReplaceNetworkAclEntryInput {
        network_acl_id: acl.clone(),
        rule_number: 100,
        protocol: "-1".into(),
        rule_action: "deny".into(),
        egress: false,
        cidr_block: some("10.0.0.0/8"),
        ..Default::default()
    };
    p.call(ops::ReplaceNetworkAclEntry, deny).await.unwrap();
    let delete = |egress| {
        let input = api::DeleteNetworkAclEntryInput {
            network_acl_id: acl.clone(),
            rule_number: 100,
            egress,
            dry_run: None,
        };
        p.call(ops::DeleteNetworkAclEntry, input)
    };
    refused(
        delete(true).await,
        "InvalidNetworkAclEntry.NotFound",
        "The network acl entry identified by 100 does not exist",
    );
    delete(false).await.unwrap();
}

#[tokio::test]
async fn a_subnet_has_one_acl() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let input = api::CreateNetworkAclInput {
        vpc_id: vpc.clone(),
        ..Default::default()
    };
    let acl = p
        .call(ops::CreateNetworkAcl, input)
        .await
        .unwrap()
        .network_acl
        .unwrap();
    let acl = acl.network_acl_id.unwrap();
    let association = |acls: Vec<api::NetworkAcl>| {
        let association = acls[0].associations.as_ref().unwrap()[0].clone();
        association.network_acl_association_id.unwrap()
    };
    let replace = |association: String, acl: &str| {
        let input = api::ReplaceNetworkAclAssociationInput {
            association_id: association,
            network_acl_id: acl.into(),
            dry_run: None,
        };
        p.call(ops::ReplaceNetworkAclAssociation, input)
    };
    let first = association(p.acls("association.subnet-id", &subnet).await);
    let second = replace(first.clone(), &acl)
        .await
        .unwrap()
        .new_association_id
        .unwrap();
    let found = p.acls("association.subnet-id", &subnet).await;
    assert_eq!(found[0].network_acl_id.as_ref(), Some(&acl));
    refused_as(replace(first, &acl).await, "InvalidAssociationID.NotFound");
    refused_as(
        replace(second, &p.first.network_acl_id).await,
        "InvalidParameterValue",
    );
    let delete = || api::DeleteNetworkAclInput {
        network_acl_id: acl.clone(),
        dry_run: None,
    };
    refused_as(
        p.call(ops::DeleteNetworkAcl, delete()).await,
        "DependencyViolation",
    );
    p.delete_subnet(&subnet).await.unwrap();
    p.call(ops::DeleteNetworkAcl, delete()).await.unwrap();
}

#[tokio::test]
async fn dhcp_options() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let make = |key: &str, value: &str| {
        let input = api::CreateDhcpOptionsInput {
            dhcp_configurations: vec![api::NewDhcpConfiguration {
                key: some(key),
                values: ids(value),
            }],
            ..Default::default()
        };
        p.call(ops::CreateDhcpOptions, input)
    };
    refused_as(make("colour", "red").await, "InvalidParameterValue");
    refused_as(make("ntp-servers", "clock").await, "InvalidParameterValue");
    let options = make("domain-name", "example.internal").await.unwrap();
    let options = options.dhcp_options.unwrap().dhcp_options_id.unwrap();
    let associate = |options: &str| {
        let input = api::AssociateDhcpOptionsInput {
            dhcp_options_id: options.into(),
            vpc_id: vpc.clone(),
            dry_run: None,
        };
        p.call(ops::AssociateDhcpOptions, input)
    };
    let delete = || {
        let input = api::DeleteDhcpOptionsInput {
            dhcp_options_id: options.clone(),
            dry_run: None,
        };
        p.call(ops::DeleteDhcpOptions, input)
    };
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    assert_eq!(p.interface(&subnet, &[]).await.domain_name, None);
    associate(&options).await.unwrap();
    let of_own = p.interface(&subnet, &[]).await;
    assert_eq!(of_own.search_domain(), Some("example.internal"));
    refused(
        delete().await,
        "DependencyViolation",
        &format!("The dhcpOptions '{options}' has dependencies and cannot be deleted."),
    );
    associate("default").await.unwrap();
    delete().await.unwrap();
    refused_as(associate(&options).await, "InvalidDhcpOptionID.NotFound");
    let amazons = api::DescribeDhcpOptionsInput {
        filters: filter("value", &["AmazonProvidedDNS"]),
        ..Default::default()
    };
    let amazons = p.call(ops::DescribeDhcpOptions, amazons).await.unwrap();
    assert_eq!(amazons.dhcp_options.unwrap().len(), 1);
}
