//! What is refused, in AWS's words.

use super::{place, wanted};
use neargate_api_rds::{self as api, ops};

/// What is wrong with a request.
type Change = fn(&mut api::CreateDBInstanceInput);

#[tokio::test]
async fn what_an_instance_may_not_be() {
    let place = place();
    let changes: [(&str, Change); 14] = [
        ("InvalidParameterValue", |i| {
            i.db_instance_identifier = "1a".into()
        }),
        ("InvalidParameterValue", |i| i.engine = "oracle-ee".into()),
        ("InvalidParameterCombination", |i| {
            i.engine = "aurora-mysql".into()
        }),
        ("InvalidParameterCombination", |i| {
            i.engine_version = Some("9.6".into())
        }),
        ("InvalidParameterValue", |i| {
            i.db_instance_class = "db.x9.huge".into()
        }),
        ("InvalidParameterValue", |i| i.allocated_storage = Some(19)),
        ("InvalidParameterCombination", |i| {
            i.allocated_storage = None
        }),
        ("InvalidParameterValue", |i| {
            i.master_username = Some("rdsadmin".into())
        }),
        ("InvalidParameterValue", |i| {
            i.master_user_password = Some("short".into())
        }),
        ("InvalidParameterCombination", |i| {
            i.manage_master_user_password = Some(true)
        }),
        ("InvalidParameterCombination", |i| {
            i.storage_encrypted = Some(true)
        }),
        ("InvalidParameterCombination", |i| i.multi_az = Some(true)),
        ("DBSubnetGroupNotFoundFault", |i| {
            i.db_subnet_group_name = Some("none".into())
        }),
        ("InvalidParameterValue", |i| {
            i.vpc_security_group_ids = Some(vec!["sg-1".into()])
        }),
    ];
    for (code, change) in changes {
        let mut input = wanted("orders");
        change(&mut input);
        let error = place.call(ops::CreateDBInstance, input).await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
    }
    place.create("orders").await;
    let twice = place.call(ops::CreateDBInstance, wanted("ORDERS")).await;
    assert_eq!(twice.unwrap_err().code, "DBInstanceAlreadyExists");
}

#[tokio::test]
async fn a_protected_instance_is_not_deleted() {
    let place = place();
    let input = api::CreateDBInstanceInput {
        deletion_protection: Some(true),
        ..wanted("orders")
    };
    place.call(ops::CreateDBInstance, input).await.unwrap();
    let delete = api::DeleteDBInstanceInput {
        db_instance_identifier: "orders".into(),
        skip_final_snapshot: Some(true),
        ..Default::default()
    };
    let error = place
        .call(ops::DeleteDBInstance, delete.clone())
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "Cannot delete protected DB Instance, please disable deletion protection and try again."
    );
    let without = api::DeleteDBInstanceInput {
        skip_final_snapshot: None,
        ..delete
    };
    let error = place
        .call(ops::DeleteDBInstance, without)
        .await
        .unwrap_err();
    assert_eq!(
        error.message,
        "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified."
    );
}

#[tokio::test]
async fn subnet_groups() {
    let place = place();
    place.create("first").await;
    let subnets: Vec<String> = place
        .shown("first")
        .await
        .unwrap()
        .db_subnet_group
        .unwrap()
        .subnets
        .unwrap()
        .into_iter()
        .filter_map(|subnet| subnet.subnet_identifier)
        .collect();
    let create = |subnet_ids: Vec<String>| api::CreateDBSubnetGroupInput {
        db_subnet_group_name: "Data".into(),
        db_subnet_group_description: "for data".into(),
        subnet_ids,
        ..Default::default()
    };
    let one = place
        .call(ops::CreateDBSubnetGroup, create(subnets[..1].to_vec()))
        .await;
    assert_eq!(one.unwrap_err().code, "DBSubnetGroupDoesNotCoverEnoughAZs");
    let made = place
        .call(ops::CreateDBSubnetGroup, create(subnets.clone()))
        .await
        .unwrap();
    assert_eq!(
        made.db_subnet_group
            .unwrap()
            .db_subnet_group_name
            .as_deref(),
        Some("data")
    );
    let twice = place.call(ops::CreateDBSubnetGroup, create(subnets)).await;
    assert_eq!(twice.unwrap_err().code, "DBSubnetGroupAlreadyExists");
    let input = api::CreateDBInstanceInput {
        db_subnet_group_name: Some("data".into()),
        ..wanted("orders")
    };
    place.call(ops::CreateDBInstance, input).await.unwrap();
    let delete = api::DeleteDBSubnetGroupInput {
        db_subnet_group_name: "data".into(),
    };
    let used = place
        .call(ops::DeleteDBSubnetGroup, delete)
        .await
        .unwrap_err();
    assert_eq!(used.code, "InvalidDBSubnetGroupStateFault");
}

#[tokio::test]
async fn parameters_are_checked() {
    let place = place();
    let set = |group: &str, name: &str, value: &str| api::ModifyDBParameterGroupInput {
        db_parameter_group_name: group.into(),
        parameters: vec![api::Parameter {
            parameter_name: Some(name.into()),
            parameter_value: Some(value.into()),
            apply_method: Some("pending-reboot".into()),
            ..Default::default()
        }],
    };
    let group = api::CreateDBParameterGroupInput {
        db_parameter_group_name: "own".into(),
        db_parameter_group_family: "mariadb10.11".into(),
        description: "own".into(),
        ..Default::default()
    };
    place
        .call(ops::CreateDBParameterGroup, group)
        .await
        .unwrap();
    for (group, name, value, code) in [
        ("own", "max_connections", "many", "InvalidParameterValue"),
        ("own", "shared_buffers", "1", "InvalidParameterValue"),
        (
            "default.mariadb10.11",
            "max_connections",
            "9",
            "InvalidDBParameterGroupState",
        ),
        ("none", "max_connections", "9", "DBParameterGroupNotFound"),
    ] {
        let error = place
            .call(ops::ModifyDBParameterGroup, set(group, name, value))
            .await;
        assert_eq!(error.unwrap_err().code, code, "{group} {name}");
    }
    place
        .call(
            ops::ModifyDBParameterGroup,
            set("own", "max_connections", "9"),
        )
        .await
        .unwrap();
    let describe = api::DescribeDBParametersInput {
        db_parameter_group_name: "own".into(),
        source: Some("user".into()),
        ..Default::default()
    };
    let found = place
        .call(ops::DescribeDBParameters, describe)
        .await
        .unwrap();
    let found = found.parameters.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].parameter_value.as_deref(), Some("9"));
    let other = api::CreateDBInstanceInput {
        db_parameter_group_name: Some("own".into()),
        ..wanted("orders")
    };
    let error = place.call(ops::CreateDBInstance, other).await.unwrap_err();
    assert_eq!(error.code, "InvalidParameterCombination");
}

#[tokio::test]
async fn lists_tags_versions_and_events() {
    let place = place();
    place.available("orders").await;
    let arn = "arn:aws:rds:us-east-1:000000000000:db:orders";
    let add = api::AddTagsToResourceInput {
        resource_name: arn.into(),
        tags: vec![api::Tag {
            key: Some("team".into()),
            value: Some("a".into()),
        }],
    };
    place.call(ops::AddTagsToResource, add).await.unwrap();
    let list = api::ListTagsForResourceInput {
        resource_name: arn.into(),
        ..Default::default()
    };
    let tags = place.call(ops::ListTagsForResource, list).await.unwrap();
    assert_eq!(tags.tag_list.unwrap().len(), 1);
    let events = api::DescribeEventsInput::default();
    let events = place.call(ops::DescribeEvents, events).await.unwrap();
    let events = events.events.unwrap();
    assert_eq!(events[0].message.as_deref(), Some("DB instance created"));
    let versions = api::DescribeDBEngineVersionsInput {
        engine: Some("postgres".into()),
        default_only: Some(true),
        ..Default::default()
    };
    let versions = place
        .call(ops::DescribeDBEngineVersions, versions)
        .await
        .unwrap();
    assert_eq!(versions.db_engine_versions.unwrap().len(), 1);
    let mut marker = None;
    let mut classes = 0;
    loop {
        let input = api::DescribeOrderableDBInstanceOptionsInput {
            engine: "mysql".into(),
            engine_version: Some("8.0.43".into()),
            marker: marker.clone(),
            ..Default::default()
        };
        let page = place
            .call(ops::DescribeOrderableDBInstanceOptions, input)
            .await
            .unwrap();
        classes += page.orderable_db_instance_options.unwrap().len();
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(classes, crate::plan::class::Class::names().count() * 2);
    let clusters = api::DescribeDBClustersInput::default();
    let clusters = place.call(ops::DescribeDBClusters, clusters).await.unwrap();
    assert!(clusters.db_clusters.unwrap().is_empty());
    let filter = api::DescribeDBInstancesInput {
        filters: Some(vec![api::Filter {
            name: "colour".into(),
            values: vec!["red".into()],
        }]),
        ..Default::default()
    };
    let error = place
        .call(ops::DescribeDBInstances, filter)
        .await
        .unwrap_err();
    assert_eq!(error.message, "Unrecognized filter name: colour");
}
