//! What an edge is told, from the store on.

use super::Zones;
use neargate_base::task::spawn;
use neargate_domain::dns::{RecordData, Routing, ZoneChange};
use neargate_service::db;
use neargate_service::dns::HealthStatus;
use neargate_service::dns::{self, HostedZone, RecordSet, ZoneVpc};
use neargate_testkit::Lab;
use std::sync::Arc;

fn zone(lab: &Lab) -> HostedZone {
    HostedZone {
        name: "m.local.".into(),
        caller_reference: "1".into(),
        comment: String::new(),
        vpcs: Some(vec![ZoneVpc {
            vpc_id: "vpc-1".into(),
            region: lab.scope.region.clone(),
        }]),
        linked_service: None,
        name_servers: HostedZone::servers("Z1", true),
        created_at: lab.house.now(),
        pending: None,
        tags: Default::default(),
    }
}

#[tokio::test]
async fn an_edge_is_told_of_what_there_is_and_of_what_changes() {
    let lab = Lab::default();
    let account = lab.scope.account.clone();
    let db = &lab.house.db;
    let zone = zone(&lab);
    let [ns, soa] = zone.first_records(dns::SOA_TTL);
    let tx = db
        .tx()
        .create(dns::zone_key(&account, "Z1"), &zone)
        .create(ns.key(&account, "Z1"), &ns)
        .create(soa.key(&account, "Z1"), &soa);
    let _ = tx.commit().await.unwrap();
    let zones = Arc::<Zones>::default();
    let follows = spawn("zones", zones.clone().follow(lab.house.clone()));
    let mut told = zones.subscribe().await;
    let ZoneChange::Snapshot {
        zones: all,
        records,
    } = told.recv().await.unwrap()
    else {
        panic!("a snapshot comes first");
    };
    assert_eq!((all[0].name.as_str(), records.len()), ("m.local", 2));
    assert!(all[0].vpcs.as_ref().unwrap().contains("vpc-1"));

    let mut set = RecordSet::simple("\\052.a.m.local.", "A", 10, vec!["10.0.0.1".into()]);
    set.set_identifier = Some("one".into());
    set.routing = dns::Routing::Weighted(3);
    set.unhealthy = true;
    let key = set.key(&account, "Z1");
    let _ = db.tx().create(key.clone(), &set).commit().await.unwrap();
    let ZoneChange::Records(new) = told.recv().await.unwrap() else {
        panic!("records are new");
    };
    assert_eq!(
        (new.name.as_str(), new.record_type.as_str()),
        ("*.a.m.local", "A")
    );
    assert_eq!(
        (&new.sets[0].routing, new.sets[0].healthy),
        (&Routing::Weighted(3), false)
    );
    assert!(matches!(
        new.sets[0].data,
        RecordData::Records { ttl: 10, .. }
    ));

    // What a health check finds is told with the records that go by it.
    set.unhealthy = false;
    set.health_check_id = Some("check".into());
    let _ = db.tx().put(key.clone(), &set).commit().await.unwrap();
    let healthy = async |told: &mut tokio::sync::mpsc::Receiver<ZoneChange>| {
        let Some(ZoneChange::Records(records)) = told.recv().await else {
            panic!("records turn");
        };
        records.sets[0].healthy
    };
    assert!(healthy(&mut told).await);
    let status = db::key::<HealthStatus>(&dns::global(&account), "check");
    let found = |healthy| HealthStatus {
        healthy,
        since: lab.house.now(),
        last_failure: String::new(),
        failed_at: None,
    };
    let _ = db
        .tx()
        .put(status.clone(), &found(false))
        .commit()
        .await
        .unwrap();
    assert!(!healthy(&mut told).await);
    let _ = db.tx().put(status, &found(true)).commit().await.unwrap();
    assert!(healthy(&mut told).await);

    let _ = db.tx().delete_key(key).commit().await.unwrap();
    let ZoneChange::Records(gone) = told.recv().await.unwrap() else {
        panic!("records are gone");
    };
    assert!(gone.sets.is_empty());
    let _ = db
        .tx()
        .delete_key(dns::zone_key(&account, "Z1"))
        .commit()
        .await
        .unwrap();
    assert_eq!(told.recv().await, Some(ZoneChange::ZoneGone("Z1".into())));
    follows.abort();
}
