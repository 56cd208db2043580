//! What edges are told, from records as handlers write them.

use super::LoadBalancers;
use crate::tests::{Place, answer, forward, path, place};
use neargate_api_elbv2::{self as api, ops};
use neargate_domain::load_balancer::{
    Action, Condition, LoadBalancer, LoadBalancerChange, MutualAuthentication, Patterns,
    TargetState,
};
use neargate_service::instance::State;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

struct Edge {
    place: Place,
    load_balancers: Arc<LoadBalancers>,
    changes: mpsc::Receiver<LoadBalancerChange>,
    following: tokio::task::JoinHandle<()>,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Edge {
    /// One that has heard the first snapshot, in which there was nothing.
    async fn new() -> Edge {
        let place = place();
        let load_balancers = Arc::new(LoadBalancers::default());
        let follow = load_balancers.clone().follow(place.cx.house.clone());
        let following = neargate_base::task::spawn("load-balancers", follow);
        let mut changes = load_balancers.subscribe().await;
        let nothing = LoadBalancerChange::Snapshot(Vec::new());
        assert_eq!(changes.recv().await.unwrap(), nothing);
        Edge {
            place,
            load_balancers,
            changes,
            following,
        }
    }

    /// The load balancer as it is told next.
    async fn next(&mut self) -> LoadBalancer {
        match self.changes.recv().await.unwrap() {
            LoadBalancerChange::LoadBalancer(told) => *told,
            other => panic!("{other:?}"),
        }
    }

    /// The load balancer once it is told so.
    async fn told(&mut self, is: impl Fn(&LoadBalancer) -> bool) -> LoadBalancer {
        loop {
            let told = self.next().await;
            if is(&told) {
                return told;
            }
        }
    }
}

fn targets(told: &LoadBalancer) -> Vec<(String, bool)> {
    let all = told.target_groups.iter().flat_map(|g| &g.targets);
    all.map(|t| (format!("{}:{}", t.address, t.key.port), t.draining))
        .collect()
}

#[tokio::test]
async fn a_load_balancer_is_told_whole_and_again_when_it_changes() {
    let mut edge = Edge::new().await;
    let balancer = edge.place.make(edge.place.application("web")).await;
    let told = edge.next().await;
    assert_eq!((&told.arn, told.nodes.len()), (&balancer, 2));
    assert!(told.nodes.iter().all(|n| n.public_ipv4.is_some()));
    assert_eq!(told.attributes["idle_timeout.timeout_seconds"], "60");
    assert!(told.listeners.is_empty());

    let group = edge.place.group("web").await;
    let listener = edge.place.listen(&balancer, 80, forward(&group)).await;
    let told = edge.next().await;
    assert_eq!(told.listeners[0].rules.len(), 1);
    assert_eq!(told.target_groups[0].arn, group);
    assert_eq!(
        told.target_groups[0].attributes["stickiness.enabled"],
        "false"
    );
    let check = told.target_groups[0].health_check.clone().unwrap();
    assert_eq!((check.path.as_str(), check.matcher.as_str()), ("/", "200"));

    let rule = edge
        .place
        .try_rule(&listener, 7, vec![path("/a*")], vec![answer("418")]);
    rule.await.unwrap();
    let rules = edge.next().await.listeners.remove(0).rules;
    let pattern = Patterns {
        values: vec!["/a*".into()],
        regex_values: vec![],
    };
    assert_eq!(rules[0].conditions, [Condition::PathPattern(pattern)]);
    assert!(matches!(
        rules[0].actions[..],
        [Action::FixedResponse {
            status_code: 418,
            ..
        }]
    ));
    assert!(rules[1].conditions.is_empty(), "the default one is last");

    let mut later = edge.load_balancers.subscribe().await;
    match later.recv().await.unwrap() {
        LoadBalancerChange::Snapshot(all) => assert_eq!(all[0].listeners[0].rules, rules),
        other => panic!("{other:?}"),
    }
    let input = api::DeleteLoadBalancerInput {
        load_balancer_arn: balancer.clone(),
    };
    edge.place
        .call(ops::DeleteLoadBalancer, input)
        .await
        .unwrap();
    assert_eq!(
        edge.changes.recv().await.unwrap(),
        LoadBalancerChange::Gone(balancer)
    );
}

#[tokio::test]
async fn targets_are_told_until_they_have_drained() {
    let mut edge = Edge::new().await;
    let (_, group) = edge.place.used().await;
    let ip = edge.place.address(0, 20);
    let at = format!("{ip}:80");
    edge.place.register(&group, &[(&ip, None)]).await;
    edge.told(|l| targets(l) == [(at.clone(), false)]).await;
    edge.place
        .observe(&group, &ip, TargetState::Healthy, None)
        .await;
    edge.place.deregister(&group, &[(&ip, None)]).await;
    let told = edge.next().await;
    assert_eq!(
        targets(&told),
        [(at, true)],
        "what was observed is not told"
    );
    edge.load_balancers.end_due(&edge.place.cx.house).await;
    edge.place.lab.clock.advance(Duration::from_secs(300));
    edge.load_balancers.end_due(&edge.place.cx.house).await;
    assert_eq!(targets(&edge.next().await), []);
    assert!(edge.place.health(&group).await.is_empty());
}

#[tokio::test]
async fn instances_are_told_by_their_addresses_while_they_run() {
    let mut edge = Edge::new().await;
    let input = api::CreateTargetGroupInput {
        target_type: None,
        ..edge.place.group_input("web", "HTTP")
    };
    let group = edge
        .place
        .try_group(input)
        .await
        .unwrap()
        .target_group_arn
        .unwrap();
    let balancer = edge.place.make(edge.place.application("web")).await;
    edge.place.listen(&balancer, 80, forward(&group)).await;
    let id = edge.place.instance(State::Running).await;
    edge.place.register(&group, &[(&id, Some(8080))]).await;
    let told = edge.told(|l| !targets(l).is_empty()).await;
    let target = &told.target_groups[0].targets[0];
    assert_eq!(
        (target.key.id.as_str(), target.key.port),
        (id.as_str(), 8080)
    );
    edge.place.set_state(&id, State::Stopped).await;
    edge.told(|l| targets(l).is_empty()).await;
    edge.place.set_state(&id, State::Terminated).await;
    // The end of an instance is the end of its registration.
    while !edge.place.health(&group).await.is_empty() {
        edge.load_balancers.end_due(&edge.place.cx.house).await;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn certificates_are_told_with_their_keys() {
    let mut edge = Edge::new().await;
    let balancer = edge.place.make(edge.place.application("web")).await;
    let certificate = edge.place.certificate("a").await;
    edge.place
        .secure(&balancer, 443, &certificate)
        .await
        .unwrap();
    let told = edge.told(|l| !l.listeners.is_empty()).await;
    let tls = told.listeners[0].tls.clone().unwrap();
    assert_eq!(tls.certificates[0].arn, certificate);
    assert_eq!(
        tls.certificates[0].chain,
        "-----a-----\n-----authority-----\n"
    );
    assert_eq!(tls.certificates[0].private_key, "-----key of a-----\n");
    assert!(
        !format!("{tls:?}").contains("key of"),
        "keys are not printed"
    );
}

#[tokio::test]
async fn a_trust_store_is_told_with_each_listener_that_believes_it() {
    let mut edge = Edge::new().await;
    let store = edge.place.trust_store("own").await;
    let balancer = edge.place.make(edge.place.application("web")).await;
    edge.place.verifying(&balancer, &store).await.unwrap();
    let mutual = |told: &LoadBalancer| {
        let listener = told.listeners.first()?;
        match listener.tls.as_ref()?.mutual_authentication.clone() {
            MutualAuthentication::Verify {
                authorities,
                revoked,
                ..
            } => Some((authorities.matches("BEGIN").count(), revoked.len())),
            _ => None,
        }
    };
    edge.told(|l| mutual(l) == Some((1, 0))).await;
    let pair = edge.place.two_lists(&store).await;
    assert_eq!(pair, 2);
    edge.told(|l| mutual(l) == Some((1, 2))).await;
}

#[tokio::test]
async fn keys_for_tokens_are_told_once_they_are_known_and_with_each_change_since() {
    let mut edge = Edge::new().await;
    let balancer = edge.place.make(edge.place.application("web")).await;
    let certificate = edge.place.certificate("a").await;
    let listener = edge.place.secure(&balancer, 443, &certificate).await;
    let listener = listener.unwrap().listener_arn.unwrap();
    let endpoint = "https://issuer.example/keys";
    let asked = api::Action {
        r#type: "jwt-validation".into(),
        order: Some(1),
        jwt_validation_config: Some(api::JwtValidationActionConfig {
            jwks_endpoint: endpoint.into(),
            issuer: "https://issuer.example".into(),
            additional_claims: None,
        }),
        ..Default::default()
    };
    let last = api::Action {
        order: Some(2),
        ..answer("200")
    };
    let actions = vec![asked, last];
    let made = edge.place.try_rule(&listener, 1, vec![path("/a")], actions);
    made.await.unwrap();
    let keys = |told: &LoadBalancer| {
        let rule = told.listeners.first()?.rules.first()?;
        match rule.actions.first()? {
            Action::JwtValidation { keys, .. } => Some(keys.clone()),
            _ => None,
        }
    };
    edge.told(|l| keys(l) == Some(None)).await;
    edge.load_balancers.learn(endpoint.into(), "{}".into());
    edge.told(|l| keys(l) == Some(Some("{}".into()))).await;
    let rule = edge
        .place
        .try_rule(&listener, 2, vec![path("/b")], vec![answer("200")]);
    rule.await.unwrap();
    edge.told(|l| keys(l) == Some(Some("{}".into())) && l.listeners[0].rules.len() == 3)
        .await;
}
