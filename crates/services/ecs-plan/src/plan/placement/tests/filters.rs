//! Each filter, alone, and what is said when it fails.

use super::*;

const MORE: &str =
    "For more information, see the Troubleshooting section of the Amazon ECS Developer Guide.";

fn refusal(capacity: &mut Capacity, request: &Request) -> Refusal {
    capacity.place(request, "t", 0).expect_err("nothing fits")
}

/// What a lone instance `a` answers.
fn refused(instance: Instance, request: &Request) -> (Vec<&'static str>, String) {
    let mut capacity = capacity([instance]);
    let refusal = refusal(&mut capacity, request);
    assert_eq!(refusal.considered, 1);
    assert_eq!(capacity.matching(request), Vec::<String>::new());
    assert_eq!(capacity.instance_of("t"), None);
    assert_eq!(refusal.failed.values().sum::<usize>(), 1);
    let lacks = &refusal.closest.as_ref().expect("one").lacks;
    assert_eq!(refusal.failures, [("a".to_owned(), lacks[0].clone())]);
    assert_eq!(capacity.lacks("a", request), *lacks);
    (
        lacks.iter().map(Lack::reason).collect(),
        refusal.service_event(),
    )
}

fn closest(said: &str) -> String {
    format!(
        "was unable to place a task because no container instance met all of its requirements. \
         The closest matching container-instance a {said}. {MORE}"
    )
}

#[test]
fn each_reason_in_its_own_words() {
    let wants = |change: fn(&mut Claim)| {
        let mut claim = claim();
        change(&mut claim);
        request(claim, &[])
    };
    let a = || instance("a", "z1");
    for (request, reason, said) in [
        (
            wants(|c| c.cpu_units = 4097),
            "RESOURCE:CPU",
            "has insufficient CPU units available",
        ),
        (
            wants(|c| c.memory_mib = 8193),
            "RESOURCE:MEMORY",
            "has insufficient memory available",
        ),
        (
            wants(|c| c.ports = vec![(Protocol::Tcp, 22)]),
            "RESOURCE:PORTS",
            "is already using a port required by your task",
        ),
        (
            wants(|c| c.ports = vec![(Protocol::Udp, 5), (Protocol::Udp, 5)]),
            "RESOURCE:PORTS",
            "is already using a port required by your task",
        ),
        (
            wants(|c| c.ports = (1000..1099).map(|p| (Protocol::Tcp, p)).collect()),
            "RESOURCE:PORTS",
            "is already using a port required by your task",
        ),
        (
            wants(|c| c.gpus = 3),
            "RESOURCE:GPU",
            "encountered error \"RESOURCE:GPU\"",
        ),
    ] {
        assert_eq!(refused(a(), &request), (vec![reason], closest(said)));
    }
    let mut none = a();
    none.eni_slots = 0;
    assert_eq!(
        refused(none, &wants(|c| c.eni = true)),
        (
            vec!["RESOURCE:ENI"],
            closest("encountered error \"RESOURCE:ENI\"")
        )
    );
    let mut away = a();
    away.agent_connected = false;
    assert_eq!(
        refused(away, &wants(|_| {})),
        (vec!["AGENT"], closest("encountered error \"AGENT\""))
    );
}

#[test]
fn attributes_and_constraints() {
    let a = || instance("a", "z1");
    let mut asks = request(claim(), &[]);
    asks.required_attributes = vec![("ecs.capability.task-eni".into(), None)];
    assert_eq!(
        refused(a(), &asks),
        (
            vec!["ATTRIBUTE"],
            closest("is missing an attribute required by your task")
        )
    );
    asks.required_attributes = vec![(ZONE.into(), Some("z2".into()))];
    assert_eq!(refused(a(), &asks).0, ["ATTRIBUTE"]);
    asks.required_attributes = vec![(ZONE.into(), Some("z1".into())), (ZONE.into(), None)];
    assert_eq!(capacity([a()]).matching(&asks), ["a"]);

    let mut asks = request(claim(), &[]);
    asks.constraints = vec![Constraint::Zones(["z2".to_owned(), "z3".to_owned()].into())];
    assert_eq!(refused(a(), &asks).0, ["ATTRIBUTE"]);
    let mut two = capacity([a(), instance("b", "z2")]);
    assert_eq!(two.place(&asks, "t", 0).as_deref(), Ok("b"));
    assert_eq!(two.allowed(&asks), ["b"]);

    let mut asks = request(claim(), &[]);
    asks.constraints = vec![member_of("attribute:ecs.instance-type =~ m5.*")];
    assert_eq!(
        refused(a(), &asks),
        (
            vec!["MemberOf placement constraint unsatisfied."],
            closest("encountered error \"MemberOf placement constraint unsatisfied.\"")
        )
    );
    asks.constraints = vec![Constraint::DistinctInstance];
    let mut one = capacity([a()]);
    assert_eq!(one.place(&asks, "first", 0).as_deref(), Ok("a"));
    assert_eq!(
        refusal(&mut one, &asks).failures[0].1.reason(),
        "DistinctInstance placement constraint unsatisfied."
    );
    // One that is to stop does not count, though it has its memory still.
    one.set_stopping("first");
    assert_eq!(one.place(&asks, "second", 0).as_deref(), Ok("a"));
    assert_eq!(one.remaining("a").map(|r| r.memory_mib), Some(7168));
    one.give_back("first");
    assert_eq!(one.remaining("a").map(|r| r.memory_mib), Some(7680));
}

#[test]
fn constraints_are_read_from_the_api() {
    let read = Constraint::from_api;
    assert_eq!(
        read("distinctInstance", None),
        Ok(Constraint::DistinctInstance)
    );
    assert_eq!(
        read("memberOf", Some("attribute:a exists")),
        Ok(member_of("attribute:a exists"))
    );
    for (kind, expression, said) in [
        (
            "distinctInstance",
            Some(""),
            "distinctInstance expression should not be specified.",
        ),
        ("memberOf", None, "memberOf expression should be specified."),
        (
            "memberOf",
            Some("a"),
            "Invalid placement constraint expression: unknown subject 'a' at position 0.",
        ),
        (
            "near",
            None,
            "Placement constraint type 'near' is not supported.",
        ),
    ] {
        assert_eq!(read(kind, expression), Err(said.to_owned()));
    }
}

#[test]
fn constraints_on_tasks_follow_the_tasks() {
    let mut two = capacity([instance("a", "z1"), instance("b", "z1")]);
    let mut near = request(claim(), &[]);
    near.constraints = vec![member_of("task:group == service:db")];
    assert!(two.place(&near, "t", 0).is_err());
    let db = Claim {
        group: "service:db".into(),
        ..claim()
    };
    two.take("b", "db", Arc::new(db));
    assert_eq!(two.place(&near, "t", 0).as_deref(), Ok("b"));
    let mut idle = request(claim(), &[]);
    idle.constraints = vec![member_of("runningTasksCount == 0")];
    two.set_running("t", true);
    assert_eq!(two.place(&idle, "u", 3).as_deref(), Ok("a"));
    assert_eq!(
        two.counts("b"),
        Some(Counts {
            running: 1,
            pending: 1
        })
    );
    two.give_back("t");
    assert_eq!(two.matching(&idle), ["a", "b"]);
    assert_eq!(two.instance_of("t"), None);
}

#[test]
fn an_empty_cluster_is_said_to_be_one() {
    let asks = request(claim(), &[]);
    let nowhere = |capacity: &mut Capacity, asks: &Request| {
        let refusal = refusal(capacity, asks);
        let reason = refusal.nowhere().expect("nothing considered");
        assert_eq!(
            refusal.service_event(),
            format!(
                "was unable to place a task because no container instance met all of its \
                 requirements. Reason: {reason} {MORE}"
            )
        );
        reason
    };
    let cluster = "No Container Instances were found in your cluster.";
    assert_eq!(nowhere(&mut Capacity::new(), &asks), cluster);
    let mut leaving = instance("a", "z1");
    leaving.status = InstanceStatus::Draining;
    let mut leaving = capacity([leaving]);
    assert_eq!(nowhere(&mut leaving, &asks), cluster);
    assert_eq!(leaving.allowed(&asks), Vec::<String>::new());
    let mut external = instance("b", "z1");
    external.external = true;
    let mut external = capacity([external]);
    assert_eq!(nowhere(&mut external, &asks), cluster);
    let elsewhere = Request {
        external: true,
        ..asks.clone()
    };
    assert_eq!(external.place(&elsewhere, "e", 0).as_deref(), Ok("b"));
    let provided = Request {
        capacity_provider: Some("spot".into()),
        ..asks
    };
    let mut other = capacity([instance("a", "z1")]);
    assert_eq!(
        nowhere(&mut other, &provided),
        "No Container Instances were found in your capacity provider."
    );
    let mut spot = instance("s", "z1");
    spot.capacity_provider = Some("spot".into());
    other.upsert(spot);
    assert_eq!(other.place(&provided, "t", 0).as_deref(), Ok("s"));
}

#[test]
fn the_closest_lacks_least_and_the_counts_are_by_first_reason() {
    let mut small = instance("a", "z1");
    (small.registered.cpu_units, small.registered.memory_mib) = (1, 1);
    let mut away = instance("b", "z1");
    away.agent_connected = false;
    away.registered.memory_mib = 1;
    let mut full = instance("c", "z1");
    full.registered.memory_mib = 100;
    let mut three = capacity([full, away, small]);
    let refusal = refusal(&mut three, &request(claim(), &[]));
    assert_eq!(refusal.considered, 3);
    assert_eq!(
        refusal.failed,
        [("RESOURCE:CPU", 1), ("AGENT", 1), ("RESOURCE:MEMORY", 1)].into()
    );
    let closest = refusal.closest.clone().expect("one");
    assert_eq!(closest.instance, "c");
    assert_eq!(
        closest.lacks[0].to_string(),
        "100 MiB of memory are free, 512 are needed"
    );
    let reasons: Vec<_> = refusal
        .failures
        .iter()
        .map(|(i, l)| (&**i, l.reason()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("a", "RESOURCE:CPU"),
            ("b", "AGENT"),
            ("c", "RESOURCE:MEMORY")
        ]
    );
    assert!(
        refusal
            .service_event()
            .contains("container-instance c has insufficient memory")
    );
}

#[test]
fn a_task_may_be_put_on_an_instance_by_name() {
    let mut one = capacity([instance("a", "z1")]);
    let mut asks = request(claim(), &[]);
    Arc::make_mut(&mut asks.claim).ports = vec![(Protocol::Tcp, 80)];
    assert_eq!(one.place_on("a", &asks, "t"), Ok(()));
    assert_eq!(one.place_on("a", &asks, "t"), Ok(()));
    assert_eq!(
        one.place_on("a", &asks, "u"),
        Err(vec![Lack::Port(Some((Protocol::Tcp, 80)))])
    );
    assert_eq!(one.place_on("b", &asks, "u"), Err(vec![Lack::Inactive]));
    assert_eq!(one.allowed(&asks), ["a"]);
    assert_eq!(one.matching(&asks), Vec::<String>::new());
    let left = one.remaining("a").expect("known");
    assert_eq!(
        (left.cpu_units, left.memory_mib, left.gpus),
        (3840, 7680, 2)
    );
    assert!(left.ports.contains(&(Protocol::Tcp, 80)) && left.ports.contains(&(Protocol::Tcp, 22)));
}

#[test]
fn tasks_may_be_known_before_their_instance_and_after_it() {
    let mut none = Capacity::new();
    let big = Arc::new(Claim {
        cpu_units: 5000,
        ports: vec![(Protocol::Tcp, 80)],
        ..claim()
    });
    none.take("a", "t", Arc::clone(&big));
    none.take("a", "t", Arc::clone(&big));
    assert_eq!(none.remaining("a"), None);
    none.upsert(instance("a", "z1"));
    assert_eq!(none.remaining("a").map(|r| r.cpu_units), Some(-904));
    // What asks for nothing that is short still fits.
    let free = request(
        Claim {
            cpu_units: 0,
            ..claim()
        },
        &[],
    );
    assert_eq!(none.matching(&free), ["a"]);
    none.take("b", "t", big);
    assert_eq!(none.remaining("a").map(|r| r.cpu_units), Some(4096));
    none.remove("b");
    assert_eq!(none.instance_of("t"), Some("b"));
    none.give_back("t");
    none.give_back("t");
    none.remove("a");
    none.remove("a");
    assert_eq!((none.instance_of("t"), none.instances().count()), (None, 0));
}

#[test]
fn instances_are_selected_by_expression() {
    let mut drained = instance("b", "z2");
    drained.status = InstanceStatus::Draining;
    let two = capacity([instance("a", "z1"), drained]);
    let select = |e: &str| two.selected(&Expression::parse(e).expect("valid"));
    assert_eq!(select("attribute:ecs.availability-zone == z2"), ["b"]);
    assert_eq!(select("agentConnected == true"), ["a", "b"]);
    assert_eq!(select("ec2InstanceId == i-a"), ["a"]);
}
