//! Instances that health checks of Route 53 follow, beside one that remembers its checks.

use super::*;
use neargate_api_route53 as route53;
use neargate_service::dns::HealthStatus;
use neargate_service::{Ctx, OperationTable, Service, db};
use std::sync::Mutex;

/// Its checks by their ids.
#[derive(Debug, Default)]
struct StandIn(Mutex<BTreeMap<String, route53::CreateHealthCheckInput>>);

impl StandIn {
    async fn create(
        self: Arc<Self>,
        _: Ctx,
        input: route53::CreateHealthCheckInput,
    ) -> Result<route53::CreateHealthCheckOutput, AwsError> {
        let mut checks = self.0.lock().expect("nobody panics");
        let id = format!("check-{}", input.caller_reference);
        checks.insert(id.clone(), input);
        Ok(route53::CreateHealthCheckOutput {
            health_check: Some(route53::HealthCheck {
                id: Some(id),
                ..Default::default()
            }),
            ..Default::default()
        })
    }

    async fn delete(
        self: Arc<Self>,
        _: Ctx,
        input: route53::DeleteHealthCheckInput,
    ) -> Result<route53::DeleteHealthCheckOutput, AwsError> {
        let mut checks = self.0.lock().expect("nobody panics");
        let gone = checks.remove(&input.health_check_id);
        let missing = || AwsError::client("NoSuchHealthCheck", "there is none");
        gone.map(|_| route53::DeleteHealthCheckOutput {})
            .ok_or_else(missing)
    }

    fn table(self: Arc<Self>) -> Arc<dyn Service> {
        let table = OperationTable::new(&route53::SERVICE, self)
            .on(route53::ops::CreateHealthCheck, StandIn::create)
            .on(route53::ops::DeleteHealthCheck, StandIn::delete);
        Arc::new(table)
    }
}

/// What the controller does until nothing is left to be done.
async fn settled(lab: &Lab, service_id: &str) {
    let registrar = Registrar {
        house: lab.house.clone(),
    };
    for _ in 0..4 {
        let view = registrar.view(&key_of(lab, service_id)).await.unwrap();
        let actions = registrar.plan(&view.unwrap(), lab.house.now()).actions;
        for action in actions {
            let _ = registrar.apply(action).await.unwrap();
        }
    }
    settle(lab, service_id).await;
}

#[tokio::test]
async fn a_health_check_follows_each_instance_of_a_public_service() {
    let lab = Lab::default();
    let checks = Arc::<StandIn>::default();
    lab.house.caller.connect(vec![checks.clone().table()]);
    let input = api::CreatePublicDnsNamespaceInput {
        name: "m.local".into(),
        ..Default::default()
    };
    let made = ask(&lab, ops::CreatePublicDnsNamespace, input)
        .await
        .unwrap();
    let made = operation(&lab, made.operation_id).await;
    let namespace = made.targets.unwrap()["NAMESPACE"].clone();
    let input = |kind: &str| api::CreateServiceInput {
        name: "api".into(),
        namespace_id: Some(namespace.clone()),
        dns_config: Some(api::DnsConfig {
            dns_records: vec![record("A")],
            ..Default::default()
        }),
        health_check_config: Some(api::HealthCheckConfig {
            r#type: kind.into(),
            resource_path: Some("/up".into()),
            failure_threshold: Some(2),
        }),
        ..Default::default()
    };
    let refused = said(ask(&lab, ops::CreateService, input("TCP")).await);
    assert!(refused.contains("ResourcePath can't be specified"));
    let made = ask(&lab, ops::CreateService, input("HTTP")).await.unwrap();
    let id = made.service.unwrap().id.unwrap();
    let at = |address| {
        [
            ("AWS_INSTANCE_IPV4", address),
            ("AWS_INSTANCE_PORT", "8080"),
        ]
    };
    let refused = said(register(&lab, &id, "one", &at("10.0.0.1")).await);
    assert!(refused.starts_with("InvalidInput"), "{refused}");
    let refused = said(register(&lab, &id, "one", &at("198.19.0.5")[..1]).await);
    assert!(refused.contains("AWS_INSTANCE_PORT"), "{refused}");
    register(&lab, &id, "one", &at("198.19.0.5")).await.unwrap();
    register(&lab, &id, "two", &at("198.19.0.6")).await.unwrap();
    settled(&lab, &id).await;
    let configs: Vec<_> = {
        let checks = checks.0.lock().unwrap();
        let configs = checks.values().map(|check| &check.health_check_config);
        let said = configs.map(|c| (c.ip_address.clone(), c.port, c.resource_path.clone()));
        let mut said: Vec<_> = said.collect();
        said.sort();
        said
    };
    let check = |ip: &str| (Some(ip.to_owned()), Some(8080), Some("/up".to_owned()));
    assert_eq!(configs, [check("198.19.0.5"), check("198.19.0.6")]);
    let sets = lab.house.db.list_prefix::<RecordSet>("route53/record-set/");
    let sets = sets.await.unwrap();
    let of = |instance: &str| {
        let mut sets = sets.iter();
        let set = sets.find(|set| set.set_identifier.as_deref() == Some(instance));
        set.unwrap().health_check_id.clone().unwrap()
    };
    assert!(checks.0.lock().unwrap().contains_key(&of("one")));

    // What the checks find is what is discovered.
    assert_eq!(found(&lab, None, &[]).await, ["one HEALTHY", "two HEALTHY"]);
    let status = HealthStatus {
        healthy: false,
        since: lab.house.now(),
        last_failure: String::new(),
        failed_at: None,
    };
    let key = db::key::<HealthStatus>(&dns::global(&lab.scope.account), &of("one"));
    let written = lab.house.db.tx().put(key, &status).commit().await;
    assert!(written.is_ok());
    assert_eq!(found(&lab, Some("HEALTHY"), &[]).await, ["two HEALTHY"]);
    assert_eq!(
        found(&lab, None, &[]).await,
        ["one UNHEALTHY", "two HEALTHY"]
    );

    // A check goes with its instance, and the service after that.
    for instance in ["one", "two"] {
        let input = api::DeregisterInstanceInput {
            service_id: id.clone(),
            instance_id: instance.into(),
        };
        ask(&lab, ops::DeregisterInstance, input).await.unwrap();
    }
    let delete = || {
        ask(
            &lab,
            ops::DeleteService,
            api::DeleteServiceInput { id: id.clone() },
        )
    };
    assert!(said(delete().await).starts_with("ResourceInUse"));
    settled(&lab, &id).await;
    assert!(checks.0.lock().unwrap().is_empty());
    delete().await.unwrap();
}
