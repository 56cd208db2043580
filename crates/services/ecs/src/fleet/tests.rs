use super::{ClusterId, Counts};
use crate::tests::Lab;

#[tokio::test]
async fn it_follows_the_store() {
    let lab = Lab::new();
    lab.register("web").await;
    let cluster = ClusterId::new(&lab.scope, "default");
    let tasks = lab.run(lab.request("web")).await.expect("run");
    lab.ecs.fleet.current(&lab.house.db).await.expect("current");
    let rows = lab.ecs.fleet.of_cluster(&cluster);
    assert_eq!(rows.len(), tasks.len());
    assert_eq!(lab.ecs.fleet.load("local"), 1);
    let mut counts = Counts::default();
    rows.iter().for_each(|row| counts.add(row));
    assert_eq!(counts.pending, 1);
    let found = lab
        .ecs
        .fleet
        .find(&rows[0].task_id)
        .expect("by its id alone");
    assert_eq!(found.key, rows[0].key);
    for unknown in ["", "/", &rows[0].task_id[1..], &rows[0].key] {
        assert!(lab.ecs.fleet.find(unknown).is_none(), "{unknown:?}");
    }
    lab.house.db.store().wipe().await.expect("wiped");
    lab.ecs.fleet.current(&lab.house.db).await.expect("current");
    assert!(lab.ecs.fleet.of_cluster(&cluster).is_empty());
    assert!(lab.ecs.fleet.find(&rows[0].task_id).is_none());
    assert_eq!(lab.ecs.fleet.load("local"), 0);
}
