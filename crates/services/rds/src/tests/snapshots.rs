//! Snapshots, copies and what is restored of them.

use super::place;
use crate::model::{Instance, Password, Snapshot};
use crate::plan::definition::{family, file_system};
use neargate_api_rds::{self as api, ops};
use neargate_service::managed;

fn snapshot(id: &str) -> api::CreateDBSnapshotInput {
    api::CreateDBSnapshotInput {
        db_snapshot_identifier: id.into(),
        db_instance_identifier: "orders".into(),
        ..Default::default()
    }
}

async fn status(place: &super::Place, id: &str) -> String {
    let input = api::DescribeDBSnapshotsInput {
        db_snapshot_identifier: Some(id.into()),
        ..Default::default()
    };
    let found = place.call(ops::DescribeDBSnapshots, input).await;
    found.map_or_else(
        |e| e.code,
        |o| o.db_snapshots.unwrap().remove(0).status.unwrap(),
    )
}

/// The file systems of the one running task, its own first.
fn mounted(place: &super::Place) -> Vec<String> {
    let volumes = place.ecs.definition().volumes.unwrap();
    let of = |v: neargate_api_ecs::Volume| v.efs_volume_configuration.unwrap().file_system_id;
    volumes.into_iter().map(of).collect()
}

#[tokio::test]
async fn a_volume_is_copied_while_its_engine_is_stopped_and_restored() {
    let place = place();
    place.available("orders").await;
    place
        .call(ops::CreateDBSnapshot, snapshot("Before"))
        .await
        .unwrap();
    assert_eq!(place.status("orders").await, "backing-up");
    place.settle().await;
    assert!(place.ecs.running().is_empty(), "the engine stops first");
    place.ecs.end(Some(0));
    place.settle().await;
    let db = &place.lab.house.db;
    let scope = &place.cx.scope;
    let made = db.get::<Snapshot>(scope, "before").await.unwrap().unwrap();
    let source = db.get::<Instance>(scope, "orders").await.unwrap().unwrap();
    let own = file_system(&source.resource_id);
    assert_eq!(mounted(&place), [made.file_system.clone(), own.clone()]);
    assert_eq!(status(&place, "before").await, "creating");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(status(&place, "before").await, "available");
    assert_eq!(mounted(&place), [own], "the engine is back");
    place.ecs.health("HEALTHY");
    place.settle().await;
    assert_eq!(place.status("orders").await, "available");
    place.ecs.end(Some(137));

    let restore = api::RestoreDBInstanceFromDBSnapshotInput {
        db_instance_identifier: "again".into(),
        db_snapshot_identifier: Some("before".into()),
        ..Default::default()
    };
    place
        .call(ops::RestoreDBInstanceFromDBSnapshot, restore.clone())
        .await
        .unwrap();
    let twice = place
        .call(ops::RestoreDBInstanceFromDBSnapshot, restore)
        .await;
    assert_eq!(twice.unwrap_err().code, "DBInstanceAlreadyExists");
    let delete = api::DeleteDBSnapshotInput {
        db_snapshot_identifier: "before".into(),
    };
    let read = place.call(ops::DeleteDBSnapshot, delete.clone()).await;
    assert_eq!(read.unwrap_err().code, "InvalidDBSnapshotState");
    place.settle().await;
    let again = db.get::<Instance>(scope, "again").await.unwrap().unwrap();
    let new = file_system(&again.resource_id);
    assert_eq!(mounted(&place), [new.clone(), made.file_system.clone()]);
    // Its password is the snapshot's, sealed for its own tasks.
    let Password::Sealed(sealed) = &again.password else {
        panic!("it is sealed");
    };
    let opened = managed::open(&place.lab.house, scope, &family("again"), sealed);
    assert_eq!(opened.unwrap().expose(), "it's-secret");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(mounted(&place), [new]);

    place.call(ops::DeleteDBSnapshot, delete).await.unwrap();
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(status(&place, "before").await, "deleting");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(status(&place, "before").await, "DBSnapshotNotFound");
}

#[tokio::test]
async fn a_copy_has_data_of_its_own() {
    let place = place();
    place.available("orders").await;
    place
        .call(ops::CreateDBSnapshot, snapshot("before"))
        .await
        .unwrap();
    for _ in 0..2 {
        place.settle().await;
        place.ecs.end(Some(0));
    }
    place.settle().await;
    place.ecs.end(Some(137));
    place.settle().await;
    let copy = api::CopyDBSnapshotInput {
        source_db_snapshot_identifier: "before".into(),
        target_db_snapshot_identifier: "copy".into(),
        ..Default::default()
    };
    place.call(ops::CopyDBSnapshot, copy).await.unwrap();
    assert_eq!(status(&place, "copy").await, "copying");
    place.settle().await;
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(status(&place, "copy").await, "available");
    let db = &place.lab.house.db;
    let of = async |id| {
        let found = db.get::<Snapshot>(&place.cx.scope, id).await;
        found.unwrap().unwrap().value.file_system
    };
    assert_ne!(of("copy").await, of("before").await);
}

#[tokio::test]
async fn nothing_is_erased_before_the_last_snapshot_is_made() {
    let place = place();
    place.available("orders").await;
    let delete = api::DeleteDBInstanceInput {
        db_instance_identifier: "orders".into(),
        final_db_snapshot_identifier: Some("last".into()),
        ..Default::default()
    };
    place.call(ops::DeleteDBInstance, delete).await.unwrap();
    place.settle().await;
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(mounted(&place).len(), 2);
    place.ecs.end(Some(1));
    place.settle().await;
    assert_eq!(status(&place, "last").await, "creating");
    place.lab.clock.advance(std::time::Duration::from_secs(60));
    place.settle().await;
    assert_eq!(mounted(&place).len(), 2, "the copy is made again");
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(status(&place, "last").await, "available");
    assert_eq!(mounted(&place).len(), 1);
    place.ecs.end(Some(0));
    place.settle().await;
    assert_eq!(place.status("orders").await, "DBInstanceNotFound");
    assert_eq!(status(&place, "last").await, "available");
}
