//! Which instance goes first.

use crate::activity::Activity;
use crate::model::{From, Lifecycle, Template};
use crate::plan::{self, Seen};
use crate::tests::place;
use neargate_base::Timestamp;
use neargate_service::instance::State;
use std::collections::BTreeMap;

#[tokio::test]
async fn termination_policies_choose() {
    let p = place();
    p.create(p.new_group(4, 4)).await;
    p.live().await;
    let mut group = p.group().await;
    let now = p.lab.house.now();
    let ids: Vec<String> = group.instances.keys().cloned().collect();
    let template = |id: &str, version: &str| {
        From::Template(Template {
            id: id.into(),
            name: String::new(),
            version: Some(version.into()),
        })
    };
    let configuration = |millis| From::Configuration {
        name: "lc".into(),
        created_at: Timestamp::from_millis(millis),
    };
    // All in one zone, from the oldest to the newest.
    let from = [
        template("lt-1", "2"),
        template("lt-1", "1"),
        template("lt-9", "7"),
        configuration(5),
    ];
    for (n, (id, from)) in ids.iter().zip(from).enumerate() {
        let member = group.instances.get_mut(id).unwrap();
        member.place.zone = "us-east-1a".into();
        member.from = from;
        let age = 4_000_000 - i64::try_from(n).unwrap() * 700_000;
        member.since = now.shift(-age);
    }
    group.places.retain(|place| place.zone == "us-east-1a");
    (group.desired, group.min) = (3, 0);
    let seen: BTreeMap<String, Seen> = ids
        .iter()
        .map(|id| {
            let seen = Seen {
                state: Some(State::Running),
                problem: None,
            };
            (id.clone(), seen)
        })
        .collect();
    let mut chosen = |policies: &[&str]| {
        group.settings.termination_policies = policies.iter().map(|p| (*p).into()).collect();
        let step = plan::next(&group, &seen, &Default::default(), now);
        let ending = step.group.instances.iter().filter(|(_, m)| m.state.ends());
        let ending: Vec<_> = ending.map(|(id, _)| id.clone()).collect();
        assert_eq!(ending.len(), 1, "{policies:?}");
        ids.iter().position(|id| *id == ending[0]).unwrap()
    };
    for (policies, expected) in [
        (&["OldestInstance"][..], 0),
        (&["NewestInstance"], 3),
        (&["OldestLaunchConfiguration"], 3),
        (&["Default"], 3),
        (&["OldestLaunchTemplate"], 3),
        // 3,300 of its 3,600 seconds.
        (&["ClosestToNextInstanceHour"], 1),
        (&["AllocationStrategy", "OldestInstance"], 0),
    ] {
        assert_eq!(chosen(policies), expected, "{policies:?}");
    }
    group.instances.get_mut(&ids[3]).unwrap().protected = true;
    let mut chosen = |policies: &[&str]| {
        group.settings.termination_policies = policies.iter().map(|p| (*p).into()).collect();
        let step = plan::next(&group, &seen, &Default::default(), now);
        let ending = step.group.instances.iter().find(|(_, m)| m.state.ends());
        ids.iter().position(|id| id == ending.unwrap().0).unwrap()
    };
    assert_eq!(chosen(&["Default"]), 2, "of another template");
    group.instances.get_mut(&ids[2]).unwrap().protected = true;
    let step = plan::next(&group, &seen, &Default::default(), now);
    assert!(
        step.group.instances[&ids[1]].state.ends(),
        "of the older version"
    );
    // Planning what was planned changes nothing but what follows from it.
    let again = plan::next(&step.group, &seen, &Default::default(), now);
    let still = again.group.instances.values().filter(|m| m.state.ends());
    assert_eq!(still.count(), 1);
    let _: Option<&Activity> = again.ended.first();
    assert_eq!(
        again.group.instances[&ids[1]].state,
        Lifecycle::TerminatingProceed
    );
}
