//! `RunTask`, `StopTask` and `DescribeTasks`.

use super::{Lab, arn, arns, said};
use futures_util::future::join_all;
use neargate_api_ecs::{self as api, ops};
use neargate_domain::vpc::{DefaultVpc, Subnet};
use neargate_store::{Op, Txn};
use std::collections::BTreeSet;

fn stop(task: &str, reason: Option<&str>) -> api::StopTaskInput {
    api::StopTaskInput {
        task: task.into(),
        reason: reason.map(Into::into),
        ..Default::default()
    }
}

/// What RunTask and services say of the first subnet once it is full.
pub(super) fn no_address(lab: &Lab) -> String {
    let vpc = DefaultVpc::of(&lab.scope.account, &lab.scope.region);
    format!(
        "Unexpected EC2 error while attempting to Create Network Interface in subnet '{}': \
         InsufficientFreeAddressesInSubnet",
        vpc.subnets[0].id
    )
}

/// Give out every address of the first subnet but `left`.
pub(super) async fn fill(lab: &Lab, left: u32) {
    let vpc = DefaultVpc::of(&lab.scope.account, &lab.scope.region);
    let taken: Vec<u32> = (left..Subnet::usable()).collect();
    for part in taken.chunks(100) {
        let put = |n: &u32| Op::Put {
            key: format!("ec2/address/{}", vpc.subnets[0].address(*n)),
            value: "eni-other".into(),
            lease: None,
        };
        let txn = Txn {
            ops: part.iter().map(put).collect(),
            ..Default::default()
        };
        lab.house.db.store().txn(txn).await.expect("written");
    }
}

#[tokio::test]
async fn the_last_addresses_go_to_as_many_tasks() {
    for seed in 0..3 {
        let lab = Lab::seeded(seed);
        lab.register("web").await;
        fill(&lab, 3).await;
        let calls = (0..5).map(|_| lab.call(ops::RunTask, lab.request("web")));
        let outcomes = join_all(calls).await.into_iter();
        let outcomes: Vec<_> = outcomes.map(|o| o.expect("answered")).collect();
        let won: Vec<_> = outcomes
            .iter()
            .flat_map(|o| o.tasks.iter().flatten())
            .collect();
        let lost: Vec<_> = outcomes
            .iter()
            .flat_map(|o| o.failures.iter().flatten())
            .collect();
        assert_eq!((won.len(), lost.len()), (3, 2), "seed {seed}");
        let stored = lab.tasks().await;
        let addresses: BTreeSet<_> = stored
            .iter()
            .filter_map(|t| Some(t.spec.assignment.network.interface()?.private_ipv4))
            .collect();
        assert_eq!(addresses.len(), 3, "seed {seed}");
        for failure in lost {
            assert_eq!(failure.reason, Some(no_address(&lab)), "seed {seed}");
        }
        // A task that ends makes room for the next.
        lab.end(&arn(won[0])).await;
        let again = lab.run(lab.request("web")).await.expect("answered");
        assert_eq!(again.len(), 1, "seed {seed}");
    }
}

/// What fits starts, and goes to another subnet that was given.
#[tokio::test]
async fn a_full_subnet_is_passed_over() {
    let lab = Lab::new();
    lab.register("web").await;
    fill(&lab, 2).await;
    let mut request = lab.request("web");
    request.count = Some(4);
    let output = lab.call(ops::RunTask, request.clone()).await;
    let output = output.expect("answered");
    let (tasks, failures) = (output.tasks, output.failures);
    assert_eq!(tasks.expect("a list").len(), 2);
    assert_eq!(failures.expect("a list").len(), 1);
    let vpc = DefaultVpc::of(&lab.scope.account, &lab.scope.region);
    let given = request.network_configuration.as_mut();
    let given = given.and_then(|n| n.awsvpc_configuration.as_mut());
    let given = &mut given.expect("given").subnets;
    given.push(vpc.subnets[1].id.clone());
    let tasks = lab.run(request).await.expect("answered");
    assert_eq!(tasks.len(), 4);
    for task in tasks {
        let zone = task.availability_zone.expect("shown");
        assert_eq!(zone, vpc.subnets[1].availability_zone);
        let details = task.attachments.expect("one").remove(0).details;
        let subnet = details
            .into_iter()
            .flatten()
            .find(|d| d.name.as_deref() == Some("subnetId"));
        assert_eq!(
            subnet.and_then(|d| d.value).as_ref(),
            Some(&vpc.subnets[1].id)
        );
    }
}

#[tokio::test]
async fn requests_that_are_refused() {
    let lab = Lab::new();
    lab.register("web").await;
    type Broken = (fn(&mut api::RunTaskInput), &'static str, &'static str);
    fn vpc(r: &mut api::RunTaskInput) -> &mut api::AwsVpcConfiguration {
        let network = r.network_configuration.as_mut().expect("set");
        network.awsvpc_configuration.as_mut().expect("set")
    }
    let invalid = "InvalidParameterException";
    let cases: [Broken; 18] = [
        (|r| r.count = Some(0), invalid, "count"),
        (|r| r.count = Some(11), invalid, "count"),
        (
            |r| r.network_configuration = None,
            invalid,
            "Network Configuration must be provided",
        ),
        (|r| vpc(r).subnets.clear(), invalid, "subnets"),
        (
            |r| vpc(r).subnets = vec!["subnet-0".into()],
            invalid,
            "The subnet ID 'subnet-0' does not exist",
        ),
        (
            |r| vpc(r).subnets = vec!["s".into(); 17],
            invalid,
            "subnets can have at most 16 items.",
        ),
        (
            |r| vpc(r).security_groups = Some(vec!["sg-0".into()]),
            invalid,
            "The security group 'sg-0' does not exist",
        ),
        (
            |r| vpc(r).security_groups = Some(vec!["s".into(); 6]),
            invalid,
            "at most 5 items",
        ),
        (
            |r| r.started_by = Some("x".repeat(129)),
            invalid,
            "startedBy longer than 128.",
        ),
        (|r| r.launch_type = None, invalid, "No Container Instances"),
        (
            |r| {
                r.launch_type = None;
                vpc(r).assign_public_ip = Some("ENABLED".into());
            },
            invalid,
            "Assign public IP is not supported for this launch type.",
        ),
        (
            |r| {
                r.overrides = Some(api::TaskOverride {
                    task_role_arn: Some("a b".into()),
                    ..Default::default()
                });
            },
            "ClientException",
            "Role is not valid",
        ),
        (
            |r| r.platform_version = Some("9".into()),
            "PlatformUnknownException",
            "platform",
        ),
        (
            |r| r.task_definition = "none".into(),
            "ClientException",
            "TaskDefinition not found.",
        ),
        (
            |r| r.task_definition.clear(),
            "ClientException",
            "TaskDefinition not found.",
        ),
        (
            |r| r.cluster = Some("a b".into()),
            invalid,
            "Invalid cluster name.",
        ),
        (
            |r| r.cluster = Some("none".into()),
            "ClusterNotFoundException",
            "Cluster not found.",
        ),
        (
            |r| {
                r.overrides = Some(api::TaskOverride {
                    container_overrides: Some(vec![api::ContainerOverride {
                        name: Some("app".into()),
                        command: Some(vec!["x".repeat(8_192)]),
                        ..Default::default()
                    }]),
                    ..Default::default()
                });
            },
            invalid,
            "Container Overrides length must be at most 8192",
        ),
    ];
    for (change, code, part) in cases {
        let mut request = lab.request("web");
        change(&mut request);
        let refused = said(lab.run(request).await);
        assert_eq!(refused.0, code, "{part}: {}", refused.1);
        assert!(refused.1.contains(part), "{part}: {}", refused.1);
    }
    lab.ecs.nodes.disconnect("local");
    assert_eq!(
        said(lab.run(lab.request("web")).await).0,
        "ClientException",
        "no node"
    );
    assert_eq!((lab.tasks().await.len(), lab.addresses().await), (0, 0));
}

#[tokio::test]
async fn stopping_twice_is_stopping_once() {
    let lab = Lab::new();
    lab.register("web").await;
    let task = lab.start("web").await;
    let first = lab
        .call(ops::StopTask, stop(&task, Some("first")))
        .await
        .expect("asked");
    let first = first.task.expect("shown");
    assert_eq!(first.desired_status.as_deref(), Some("STOPPED"));
    assert_eq!(first.stop_code.as_deref(), Some("UserInitiated"));
    let stored = lab.tasks().await;
    lab.advance(std::time::Duration::from_secs(5));
    let again = lab
        .call(ops::StopTask, stop(&task, Some("second")))
        .await
        .expect("as it is");
    assert_eq!(again.task.expect("shown"), first);
    assert_eq!(
        lab.tasks().await[0].revision,
        stored[0].revision,
        "nothing was written"
    );
    lab.end(&task).await;
    let ended = lab
        .call(ops::StopTask, stop(&task, None))
        .await
        .expect("as it is");
    let ended = ended.task.expect("shown");
    assert_eq!(ended.last_status.as_deref(), Some("STOPPED"));
    assert_eq!(ended.stopped_reason.as_deref(), Some("first"));
    assert_eq!(lab.addresses().await, 0);
}

#[tokio::test]
async fn stops_at_the_same_time_agree() {
    for seed in 0..10 {
        let lab = Lab::seeded(seed);
        lab.register("web").await;
        let task = lab.start("web").await;
        let calls = ["a", "b", "c"].map(|why| lab.call(ops::StopTask, stop(&task, Some(why))));
        let reasons: BTreeSet<_> = join_all(calls)
            .await
            .into_iter()
            .map(|r| r.expect("asked").task.expect("shown").stopped_reason)
            .collect();
        assert_eq!(reasons.len(), 1, "seed {seed}");
        assert_eq!(
            lab.tasks().await[0].spec.assignment.generation,
            2,
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn stops_that_are_refused() {
    let lab = Lab::new();
    lab.register("web").await;
    let task = lab.start("web").await;
    let id = "0123456789abcdef0123456789abcdef";
    for named in [
        id,
        "x",
        "",
        &format!("arn:aws:ecs:us-east-1:000000000000:task/other/{id}"),
    ] {
        assert_eq!(
            said(lab.call(ops::StopTask, stop(named, None)).await).0,
            "InvalidParameterException",
            "{named}"
        );
    }
    let long = "x".repeat(1_025);
    assert_eq!(
        said(lab.call(ops::StopTask, stop(&task, Some(&long))).await).0,
        "InvalidParameterException"
    );
    let elsewhere = api::StopTaskInput {
        cluster: Some("none".into()),
        ..stop(&task, None)
    };
    assert_eq!(
        said(lab.call(ops::StopTask, elsewhere).await).0,
        "ClusterNotFoundException"
    );
}

#[tokio::test]
async fn tasks_are_described_by_id_and_by_arn() {
    let lab = Lab::new();
    lab.register("web").await;
    let task = lab.start("web").await;
    let id = task.rsplit('/').next().expect("id").to_owned();
    let old_form = format!("arn:aws:ecs:us-east-1:000000000000:task/{id}");
    let missing = "0123456789abcdef0123456789abcdef";
    let describe = |tasks: Vec<String>| {
        lab.call(
            ops::DescribeTasks,
            api::DescribeTasksInput {
                tasks,
                ..Default::default()
            },
        )
    };
    let shown = describe(vec![id.clone(), task.clone(), old_form, missing.into()]).await;
    let shown = shown.expect("described");
    assert_eq!(
        arns(&shown.tasks.expect("three")),
        [task.clone(), task.clone(), task.clone()]
    );
    let failure = &shown.failures.expect("one")[0];
    assert_eq!(failure.reason.as_deref(), Some("MISSING"));
    let expected = format!("arn:aws:ecs:us-east-1:000000000000:task/default/{missing}");
    assert_eq!(failure.arn.as_deref(), Some(expected.as_str()));
    for foreign in [
        task.replace("us-east-1", "eu-west-1"),
        task.replace("000000000000", "111122223333"),
        task.replace("/default/", "/other/"),
        task.replace(":task/", ":service/"),
        task.replace(":ecs:", ":ec2:"),
        format!("{task}/x"),
        "../../etc/passwd".into(),
    ] {
        assert_eq!(
            said(describe(vec![foreign.clone()]).await).0,
            "InvalidParameterException",
            "{foreign}"
        );
    }
    assert_eq!(
        said(describe(Vec::new()).await).0,
        "InvalidParameterException"
    );
    let (_, message) = said(describe(vec![id; 101]).await);
    assert_eq!(message, "taskIds can have at most 100 items.");
}

#[tokio::test]
async fn what_does_not_fit_the_hosts_memory_finds_no_capacity() {
    let lab = Lab::new();
    lab.register("web").await;
    let start = |count| {
        let mut request = lab.request("web");
        request.count = Some(count);
        lab.call(ops::RunTask, request)
    };
    lab.ecs.nodes.offer("local", || 1100);
    let answer = start(3).await.expect("answered");
    assert_eq!(answer.tasks.map(|tasks| tasks.len()), Some(2), "of 512 MiB");
    let [failure] = &answer.failures.expect("one")[..] else {
        panic!("one for the third");
    };
    let reason = "Capacity is unavailable at this time. Please try again later or in a different \
                  availability zone";
    assert_eq!(failure.reason.as_deref(), Some(reason));
    let detail = "the task asks for 512 MiB of memory and 76 MiB are free";
    assert_eq!(
        (failure.arn.as_deref(), failure.detail.as_deref()),
        (None, Some(detail))
    );
    lab.ecs.nodes.offer("local", || 511);
    let answer = start(1).await.expect("answered, not refused");
    assert_eq!(answer.failures.map(|f| f.len()), Some(1));
    lab.ecs.nodes.offer("local", || 512);
    assert_eq!(
        start(1).await.expect("answered").tasks.map(|t| t.len()),
        Some(1)
    );
}
