//! Large services: what a step costs does not grow with the store.

use super::Town;
use neargate_base::time::Stopwatch;
use neargate_domain::vpc::DefaultVpc;

/// `cargo test --release -p neargate-compute --lib -- --ignored --nocapture ten_thousand`
#[tokio::test]
#[ignore = "measures"]
async fn ten_thousand_tasks() {
    let town = Town::new().await;
    town.lab.register("web").await;
    let began = Stopwatch::start();
    let vpc = DefaultVpc::of(&town.lab.scope.account, &town.lab.scope.region);
    town.create(|c| {
        c.desired_count = Some(10_000);
        // A subnet has 4,091 addresses.
        let network = c.network_configuration.as_mut().expect("given");
        let network = network.awsvpc_configuration.as_mut().expect("given");
        network.subnets = vpc.subnets.iter().map(|s| s.id.clone()).collect();
    })
    .await
    .expect("created");
    town.settle().await;
    assert_eq!(town.live().await.len(), 10_000);
    println!("10,000 tasks started in {:?}", began.elapsed());
    let began = Stopwatch::start();
    for _ in 0..10 {
        town.settle().await;
    }
    println!("a look at 10,000 tasks: {:?}", began.elapsed() / 10);
}
