//! Network interfaces.

use super::*;

impl Place {
    async fn interfaces(&self, filters: Option<Vec<api::Filter>>) -> Vec<api::NetworkInterface> {
        let input = api::DescribeNetworkInterfacesInput {
            filters,
            ..Default::default()
        };
        let found = self.call(ops::DescribeNetworkInterfaces, input).await;
        found.unwrap().network_interfaces.unwrap()
    }

    async fn try_interface(
        &self,
        subnet: &str,
        address: Option<&str>,
        groups: Option<Vec<String>>,
    ) -> Result<api::NetworkInterface, AwsError> {
        let input = api::CreateNetworkInterfaceInput {
            subnet_id: subnet.into(),
            private_ip_address: address.map(Into::into),
            groups,
            description: some("of a test"),
            ..Default::default()
        };
        let made = self.call(ops::CreateNetworkInterface, input).await?;
        Ok(made.network_interface.unwrap())
    }

    async fn delete_interface(&self, id: &str) -> Result<(), AwsError> {
        let input = api::DeleteNetworkInterfaceInput {
            network_interface_id: id.into(),
            dry_run: None,
        };
        self.call(ops::DeleteNetworkInterface, input)
            .await
            .map(|_| ())
    }
}

#[tokio::test]
async fn a_tasks_interface_is_shown_until_it_is_released() {
    let p = place();
    let eni = p.interface(&p.first.subnets[0].id, &[]).await;
    p.interface(&p.first.subnets[0].id, &[]).await;
    let address = eni.private_ipv4.to_string();
    let found = p
        .interfaces(filter("addresses.private-ip-address", &[&address]))
        .await;
    let [shown] = found.as_slice() else {
        panic!("one of the two")
    };
    assert_eq!(shown.network_interface_id.as_ref(), Some(&eni.id));
    assert_eq!(shown.mac_address.as_ref(), Some(&eni.mac));
    let groups = shown.groups.as_ref().unwrap();
    assert_eq!(groups[0].group_name.as_deref(), Some("default"));
    let attachment = shown.attachment.as_ref().unwrap();
    assert_eq!(attachment.status.as_deref(), Some("attached"));
    assert_eq!(
        p.interfaces(filter("attachment.instance-id", &["i-*"]))
            .await,
        vec![]
    );
    refused(
        p.delete_interface(&eni.id).await,
        "InvalidParameterValue",
        &format!("Network interface '{}' is currently in use.", eni.id),
    );
    refused(
        p.delete_interface("eni-0123456789abcdef0").await,
        "InvalidNetworkInterfaceID.NotFound",
        "The networkInterface ID 'eni-0123456789abcdef0' does not exist",
    );
    p.released(&eni).await;
    assert_eq!(p.interfaces(None).await.len(), 1);
}

#[tokio::test]
async fn somebody_makes_an_interface() {
    let p = place();
    let vpc = p.vpc("10.0.0.0/16").await;
    let subnet = p.subnet(&vpc, "10.0.0.0/24").await;
    let web = p.group(&vpc, "web").await;
    let made = p
        .try_interface(&subnet, Some("10.0.0.77"), Some(vec![web.clone()]))
        .await;
    let made = made.unwrap();
    assert_eq!(made.status.as_deref(), Some("pending"));
    assert_eq!(made.private_ip_address.as_deref(), Some("10.0.0.77"));
    assert_eq!(made.description.as_deref(), Some("of a test"));
    let id = made.network_interface_id.unwrap();
    let shown = p
        .interfaces(filter("status", &["available"]))
        .await
        .remove(0);
    assert_eq!(shown.network_interface_id.as_ref(), Some(&id));
    assert_eq!(
        (shown.attachment, shown.requester_managed),
        (None, Some(false))
    );
    for (address, code) in [
        ("10.0.0.77", "InvalidIPAddress.InUse"),
        ("10.0.0.3", "InvalidParameterValue"),
        ("10.0.0.255", "InvalidParameterValue"),
        ("10.0.1.9", "InvalidParameterValue"),
        ("ten", "InvalidParameterValue"),
    ] {
        refused_as(p.try_interface(&subnet, Some(address), None).await, code);
    }
    let other = p.group(&p.first.vpc_id, "other").await;
    refused_as(
        p.try_interface(&subnet, None, Some(vec![other.clone()]))
            .await,
        "InvalidGroup.NotFound",
    );

    let modify = |change: fn(&mut api::ModifyNetworkInterfaceAttributeInput), group: &str| {
        let mut input = api::ModifyNetworkInterfaceAttributeInput {
            network_interface_id: id.clone(),
            ..Default::default()
        };
        change(&mut input);
        if let Some(groups) = &mut input.groups {
            groups.push(group.into());
        }
        p.call(ops::ModifyNetworkInterfaceAttribute, input)
    };
    let db = p.group(&vpc, "db").await;
    modify(|input| input.groups = Some(vec![]), &db)
        .await
        .unwrap();
    refused_as(
        modify(|input| input.groups = Some(vec![]), &other).await,
        "InvalidGroup.NotFound",
    );
    p.delete_group(&web).await.unwrap();
    refused_as(p.delete_group(&db).await, "DependencyViolation");
    let off = |input: &mut api::ModifyNetworkInterfaceAttributeInput| {
        input.source_dest_check = Some(api::AttributeBooleanValue { value: Some(false) });
    };
    modify(off, "").await.unwrap();
    assert_eq!(
        p.interfaces(filter("source-dest-check", &["false"]))
            .await
            .len(),
        1
    );
    let input = api::DescribeNetworkInterfaceAttributeInput {
        network_interface_id: id.clone(),
        attribute: some("groupSet"),
        dry_run: None,
    };
    let groups = p
        .call(ops::DescribeNetworkInterfaceAttribute, input)
        .await
        .unwrap()
        .groups;
    assert_eq!(groups.unwrap()[0].group_name.as_deref(), Some("db"));

    refused_as(p.delete_subnet(&subnet).await, "DependencyViolation");
    p.delete_interface(&id).await.unwrap();
    p.try_interface(&subnet, Some("10.0.0.77"), None)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_interface_of_a_task_is_its_services() {
    let p = place();
    let eni = p.interface(&p.first.subnets[0].id, &[]).await;
    let input = api::ModifyNetworkInterfaceAttributeInput {
        network_interface_id: eni.id,
        description: Some(api::AttributeValue {
            value: some("mine"),
        }),
        ..Default::default()
    };
    refused_as(
        p.call(ops::ModifyNetworkInterfaceAttribute, input).await,
        "AuthFailure",
    );
}
