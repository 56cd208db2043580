//! Collection: what is used, wanted or being pulled stays; the rest goes, and the disk is freed.

use super::archive::Tar;
use super::*;
use crate::image::{CollectPolicy, Collected};
use neargate_base::{Clock, Timestamp, time::SystemClock};
use std::collections::HashSet;

const HOUR: Duration = Duration::from_secs(3600);

fn layer(name: &str) -> Vec<u8> {
    Tar::default().dir("d").file("d/f", name.as_bytes()).end()
}

async fn three(node: &Node) -> [Digest; 3] {
    let images = ["a", "b", "c"].map(|n| image(&[layer("base"), layer(n)]));
    for image in &images {
        node.store(image).await;
        node.pull_own(image.digest).await.unwrap();
    }
    images.map(|i| i.digest)
}

fn in_hours(hours: u32) -> Timestamp {
    SystemClock.now() + HOUR * hours
}

#[tokio::test]
async fn unused_images_go_by_age_and_shared_layers_stay() {
    let node = Node::new();
    let [a, b, c] = three(&node).await;
    let policy = CollectPolicy {
        min_age: HOUR * 24,
        high_percent: 100,
        ..CollectPolicy::default()
    };
    let nothing = HashSet::new();
    assert_eq!(
        node.images
            .collect(&nothing, in_hours(1), policy)
            .await
            .unwrap(),
        Collected::default()
    );
    let used = HashSet::from([a]);
    let collected = node
        .images
        .collect(&used, in_hours(25), policy)
        .await
        .unwrap();
    assert_eq!((collected.images, collected.layers), (2, 2));
    assert_eq!(collected.bytes, 2 * layer("x").len() as u64);
    assert!(node.images.find("a", &a).is_some());
    assert!(node.images.find("b", &b).is_none() && node.images.find("c", &c).is_none());
    assert_eq!(node.names("layers").len(), 2);
    // It can be pulled again.
    assert_eq!(node.pull_own(b).await.unwrap().layers.len(), 2);
    let rest = node
        .images
        .collect(&nothing, in_hours(25), policy)
        .await
        .unwrap();
    assert_eq!((rest.images, rest.layers), (2, 3));
    node.assert_no_rest();
    assert!(node.names("layers").is_empty());
}

#[tokio::test]
async fn a_full_disk_takes_the_oldest_first_but_not_the_newest() {
    let node = Node::new();
    three(&node).await;
    // Any disk is above 0 percent, so all that may go must go.
    let pressed = CollectPolicy {
        high_percent: 0,
        low_percent: 0,
        ..CollectPolicy::default()
    };
    let nothing = HashSet::new();
    let young = node
        .images
        .collect(&nothing, SystemClock.now(), pressed)
        .await
        .unwrap();
    assert_eq!(young, Collected::default());
    let old = node
        .images
        .collect(&nothing, in_hours(1), pressed)
        .await
        .unwrap();
    assert_eq!((old.images, old.layers), (3, 4));
}

#[tokio::test]
async fn what_a_pull_under_way_needs_stays() {
    let node = Node::new();
    let [a, ..] = three(&node).await;
    let keys = node.names("layers");
    let pinned = node.images.layer_pins.pin(keys.clone());
    let policy = CollectPolicy {
        min_age: HOUR,
        ..CollectPolicy::default()
    };
    let collected = node
        .images
        .collect(&HashSet::new(), in_hours(2), policy)
        .await
        .unwrap();
    assert_eq!((collected.images, collected.layers), (3, 0));
    assert_eq!(node.names("layers"), keys);
    drop(pinned);
    node.pull_own(a).await.unwrap();
    let collected = node
        .images
        .collect(&HashSet::new(), in_hours(2), policy)
        .await
        .unwrap();
    assert_eq!((collected.images, collected.layers), (1, 4));
    node.assert_no_rest();
}

/// Several agents of a host share its images.
#[tokio::test]
async fn what_another_agents_task_uses_stays() {
    use crate::agent::seams::Pull;
    let node = Node::new();
    let [a, b, _] = three(&node).await;
    let (nothing, later) = (HashSet::new(), in_hours(24 * 30));
    Pull::hold(&node.images, "task", &[a.to_string()]);
    Pull::collect(&node.images, &nothing, later).await;
    assert!(node.images.find("a", &a).is_some());
    assert!(node.images.find("b", &b).is_none());
    Pull::hold(&node.images, "task", &[]);
    Pull::collect(&node.images, &nothing, later).await;
    assert!(node.images.find("a", &a).is_none());
}
