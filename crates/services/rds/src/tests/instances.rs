//! The life of an instance.

use super::{place, wanted};
use crate::model::{Instance, Password};
use crate::plan::definition::family;
use neargate_api_rds::{self as api, ops};
use neargate_service::dns::{self, HostedZone, RecordSet};
use neargate_service::managed;
use std::time::Duration;

#[tokio::test]
async fn an_instance_is_available_once_its_engine_answers() {
    let place = place();
    let shown = place.create("Orders").await;
    assert_eq!(shown.db_instance_identifier.as_deref(), Some("orders"));
    assert_eq!(shown.db_instance_status.as_deref(), Some("creating"));
    assert!(shown.endpoint.is_none());
    place.settle().await;
    assert_eq!(place.ecs.running().len(), 1);
    assert_eq!(place.status("orders").await, "creating");
    place.ecs.health("HEALTHY");
    place.settle().await;
    let shown = place.shown("orders").await.unwrap();
    assert_eq!(shown.db_instance_status.as_deref(), Some("available"));
    let endpoint = shown.endpoint.unwrap();
    let name = endpoint.address.unwrap();
    assert!(name.starts_with("orders.c") && name.ends_with(".us-east-1.rds.amazonaws.com"));
    assert_eq!(endpoint.port, Some(5432));
    // The name leads to it, from zones that are no customer's.
    let db = &place.lab.house.db;
    let zone = endpoint.hosted_zone_id.unwrap();
    let record = RecordSet::simple(&dns::name(&name), "A", 5, Vec::new());
    let key = record.key(&managed::account(), &zone);
    let record = db.get_key::<RecordSet>(&key);
    let values = vec!["172.31.0.1".to_owned()];
    assert_eq!(
        record.await.unwrap().unwrap().data,
        dns::RecordData::Records { ttl: 5, values }
    );
    let global = dns::global(&place.cx.scope.account);
    let own = db.list::<HostedZone>(&global);
    assert!(own.await.unwrap().is_empty());
}

#[tokio::test]
async fn a_password_is_stored_sealed_and_opens_for_its_own_family_alone() {
    let place = place();
    place.create("orders").await;
    place.settle().await;
    let container = place.ecs.definition().container_definitions.remove(0);
    let secret = container.secrets.unwrap().remove(0);
    assert_eq!(secret.name, "POSTGRES_PASSWORD");
    let (house, scope) = (&place.lab.house, &place.cx.scope);
    let open = |family: &str| managed::open(house, scope, family, &secret.value_from);
    assert_eq!(open(&family("orders")).unwrap().expose(), "it's-secret");
    assert!(open(&family("other")).is_none());
    assert!(open("orders").is_none());
    let stored = house.db.get::<Instance>(scope, "orders").await.unwrap();
    let stored = serde_json::to_string(&stored.unwrap().value).unwrap();
    assert!(!stored.contains("it's-secret"));
}

#[tokio::test]
async fn an_engine_that_ends_is_started_again_on_its_volume() {
    let place = place();
    place.available("orders").await;
    let first = place.ecs.definition();
    place.ecs.end(Some(137));
    place.settle().await;
    assert_eq!(place.status("orders").await, "starting");
    assert!(place.ecs.running().is_empty(), "there is a pause");
    place.lab.clock.advance(Duration::from_secs(2));
    place.settle().await;
    assert_eq!(place.ecs.definition().volumes, first.volumes);
    place.ecs.health("HEALTHY");
    place.settle().await;
    let shown = place.shown("orders").await.unwrap();
    assert_eq!(shown.db_instance_status.as_deref(), Some("available"));
}

#[tokio::test]
async fn no_second_task_before_the_first_has_stopped() {
    let place = place();
    place.available("orders").await;
    let reboot = api::RebootDBInstanceInput {
        db_instance_identifier: "orders".into(),
        ..Default::default()
    };
    place.call(ops::RebootDBInstance, reboot).await.unwrap();
    place.settle().await;
    assert_eq!(place.status("orders").await, "rebooting");
    assert!(place.ecs.running().is_empty());
    place.lab.clock.advance(Duration::from_secs(60));
    place.settle().await;
    assert!(place.ecs.running().is_empty(), "it still stops");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(place.ecs.running().len(), 1);
    place.ecs.health("HEALTHY");
    place.settle().await;
    assert_eq!(place.status("orders").await, "available");
}

#[tokio::test]
async fn an_image_that_never_runs_makes_it_failed_and_it_can_be_deleted() {
    let place = place();
    place.create("orders").await;
    for _ in 0..5 {
        place.settle().await;
        place.ecs.end(None);
        place.settle().await;
        place.lab.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(place.status("orders").await, "failed");
    delete(&place, "orders", None).await;
    place.settle().await;
    assert_eq!(place.status("orders").await, "DBInstanceNotFound");
    assert_eq!(place.ecs.definitions(), 0);
}

async fn delete(place: &super::Place, id: &str, snapshot: Option<&str>) {
    let input = api::DeleteDBInstanceInput {
        db_instance_identifier: id.into(),
        skip_final_snapshot: Some(snapshot.is_none()),
        final_db_snapshot_identifier: snapshot.map(str::to_owned),
        ..Default::default()
    };
    place.call(ops::DeleteDBInstance, input).await.unwrap();
}

#[tokio::test]
async fn what_was_used_is_erased_before_it_is_gone() {
    let place = place();
    place.available("orders").await;
    delete(&place, "orders", None).await;
    place.settle().await;
    assert_eq!(place.status("orders").await, "deleting");
    place.ecs.end(Some(0));
    place.settle().await;
    let eraser = place.ecs.definition().container_definitions.remove(0);
    assert!(eraser.entry_point.unwrap()[2].contains("rm -rf"));
    place.ecs.end(Some(1));
    place.settle().await;
    assert_eq!(
        place.status("orders").await,
        "deleting",
        "it is tried again"
    );
    place.lab.clock.advance(Duration::from_secs(60));
    place.settle().await;
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(place.status("orders").await, "DBInstanceNotFound");
    let zones = place
        .lab
        .house
        .db
        .list_prefix::<HostedZone>("route53/hosted-zone/");
    assert!(zones.await.unwrap().is_empty());
}

#[tokio::test]
async fn stopped_and_started() {
    let place = place();
    place.available("orders").await;
    let stop = api::StopDBInstanceInput {
        db_instance_identifier: "orders".into(),
        ..Default::default()
    };
    place.call(ops::StopDBInstance, stop.clone()).await.unwrap();
    place.settle().await;
    assert_eq!(place.status("orders").await, "stopping");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(place.status("orders").await, "stopped");
    let twice = place.call(ops::StopDBInstance, stop).await.unwrap_err();
    assert_eq!(twice.code, "InvalidDBInstanceState");
    let start = api::StartDBInstanceInput {
        db_instance_identifier: "orders".into(),
        ..Default::default()
    };
    place.call(ops::StartDBInstance, start).await.unwrap();
    place.settle().await;
    assert_eq!(place.status("orders").await, "starting");
    place.ecs.health("HEALTHY");
    place.settle().await;
    assert_eq!(place.status("orders").await, "available");
}

#[tokio::test]
async fn a_new_password_is_set_once_by_the_next_start() {
    let place = place();
    place.available("orders").await;
    let modify = api::ModifyDBInstanceInput {
        db_instance_identifier: "orders".into(),
        master_user_password: Some("another-one".into()),
        ..Default::default()
    };
    place.call(ops::ModifyDBInstance, modify).await.unwrap();
    assert_eq!(place.status("orders").await, "resetting-master-credentials");
    let sets = |place: &super::Place| {
        let container = place.ecs.definition().container_definitions.remove(0);
        let environment = container.environment.unwrap();
        environment
            .iter()
            .any(|e| e.name.as_deref() == Some("SET_PASSWORD"))
    };
    place.settle().await;
    place.ecs.end(Some(0));
    place.settle().await;
    assert!(sets(&place));
    place.ecs.health("HEALTHY");
    place.settle().await;
    assert_eq!(place.status("orders").await, "available");
    place.ecs.end(Some(137));
    place.settle().await;
    place.lab.clock.advance(Duration::from_secs(2));
    place.settle().await;
    assert!(
        !sets(&place),
        "whoever changes it in the engine keeps his own"
    );
    let stored = place
        .lab
        .house
        .db
        .get::<Instance>(&place.cx.scope, "orders");
    assert!(matches!(
        stored.await.unwrap().unwrap().password,
        Password::Sealed(_)
    ));
}

#[tokio::test]
async fn another_class_waits_for_the_window_unless_it_is_to_be_at_once() {
    let place = place();
    let input = api::CreateDBInstanceInput {
        // It is Tuesday, 22:13.
        preferred_maintenance_window: Some("tue:23:00-tue:23:30".into()),
        ..wanted("orders")
    };
    place.call(ops::CreateDBInstance, input).await.unwrap();
    place.settle().await;
    place.ecs.health("HEALTHY");
    place.settle().await;
    let modify = api::ModifyDBInstanceInput {
        db_instance_identifier: "orders".into(),
        db_instance_class: Some("db.t3.small".into()),
        ..Default::default()
    };
    let shown = place.call(ops::ModifyDBInstance, modify).await.unwrap();
    let shown = shown.db_instance.unwrap();
    assert_eq!(shown.db_instance_class.as_deref(), Some("db.t3.micro"));
    let pending = shown.pending_modified_values.unwrap();
    assert_eq!(pending.db_instance_class.as_deref(), Some("db.t3.small"));
    place.settle().await;
    assert_eq!(place.status("orders").await, "available");
    place.lab.clock.advance(Duration::from_secs(50 * 60));
    place.settle().await;
    assert_eq!(place.status("orders").await, "modifying");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(place.ecs.definition().memory.as_deref(), Some("2048"));
}

#[tokio::test]
async fn parameters_are_taken_at_the_next_start() {
    let place = place();
    let group = api::CreateDBParameterGroupInput {
        db_parameter_group_name: "Tuned".into(),
        db_parameter_group_family: "postgres16".into(),
        description: "more".into(),
        ..Default::default()
    };
    place
        .call(ops::CreateDBParameterGroup, group)
        .await
        .unwrap();
    let input = api::CreateDBInstanceInput {
        db_parameter_group_name: Some("tuned".into()),
        ..wanted("orders")
    };
    place.call(ops::CreateDBInstance, input).await.unwrap();
    place.settle().await;
    place.ecs.health("HEALTHY");
    place.settle().await;
    let modify = api::ModifyDBParameterGroupInput {
        db_parameter_group_name: "tuned".into(),
        parameters: vec![api::Parameter {
            parameter_name: Some("max_connections".into()),
            parameter_value: Some("50".into()),
            apply_method: Some("pending-reboot".into()),
            ..Default::default()
        }],
    };
    place
        .call(ops::ModifyDBParameterGroup, modify)
        .await
        .unwrap();
    let shown = place.shown("orders").await.unwrap();
    let group = shown.db_parameter_groups.unwrap().remove(0);
    assert_eq!(
        group.parameter_apply_status.as_deref(),
        Some("pending-reboot")
    );
    let reboot = api::RebootDBInstanceInput {
        db_instance_identifier: "orders".into(),
        ..Default::default()
    };
    place.call(ops::RebootDBInstance, reboot).await.unwrap();
    place.settle().await;
    place.ecs.end(Some(0));
    place.settle().await;
    let container = place.ecs.definition().container_definitions.remove(0);
    assert!(
        container
            .command
            .unwrap()
            .contains(&"max_connections=50".to_owned())
    );
    let used = api::DeleteDBParameterGroupInput {
        db_parameter_group_name: "tuned".into(),
    };
    let used = place.call(ops::DeleteDBParameterGroup, used).await;
    assert_eq!(used.unwrap_err().code, "InvalidDBParameterGroupState");
}
