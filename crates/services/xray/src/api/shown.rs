//! What callers are shown of a trace.

use crate::query::Found;
use crate::trace::{CauseService, Digest, Exception, Node, Scalar, ServiceName};
use neargate_api_xray as api;
use neargate_base::Timestamp;
use std::collections::BTreeMap;

/// To the microsecond: what is beyond it is only how such numbers are kept.
pub fn seconds(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e6
}

pub fn summary(found: &Found, account: &str) -> api::TraceSummary {
    let trace = &found.digest;
    let root = trace.root();
    let service = |node: &Node| service_id(&node.service, account);
    let each = |of: &dyn Fn(&Node) -> Option<&String>| -> Vec<String> {
        let mut all: Vec<String> = trace.nodes.iter().filter_map(of).cloned().collect();
        all.sort();
        all.dedup();
        all
    };
    let mut services: Vec<&ServiceName> = trace.nodes.iter().map(|n| &n.service).collect();
    services.sort();
    services.dedup();
    let [faults, errors, slow] = &trace.causes;
    api::TraceSummary {
        id: Some(found.loaded.id.to_string()),
        start_time: Some(moment(trace.start)),
        duration: Some(seconds(trace.seconds())),
        response_time: root
            .filter(|root| !root.in_progress)
            .map(|root| seconds(root.seconds())),
        has_fault: Some(root.is_some_and(|root| root.flags.fault)),
        has_error: Some(root.is_some_and(|root| root.flags.error)),
        has_throttle: Some(trace.nodes.iter().any(|node| node.flags.throttle)),
        is_partial: Some(trace.partial),
        http: Some(root.map(http).unwrap_or_default()),
        annotations: Some(annotations(trace, account)),
        users: Some(users(trace, account)),
        service_ids: Some(
            services
                .into_iter()
                .map(|s| service_id(s, account))
                .collect(),
        ),
        resource_arns: Some(
            each(&|node| node.resource_arn.as_ref())
                .into_iter()
                .map(|arn| api::ResourceARNDetail { arn: Some(arn) })
                .collect(),
        ),
        instance_ids: Some(
            each(&|node| node.instance.as_ref())
                .into_iter()
                .map(|id| api::InstanceIdDetail { id: Some(id) })
                .collect(),
        ),
        availability_zones: Some(
            each(&|node| node.zone.as_ref())
                .into_iter()
                .map(|name| api::AvailabilityZoneDetail { name: Some(name) })
                .collect(),
        ),
        entry_point: root.map(service),
        fault_root_causes: Some(
            faults
                .iter()
                .map(|cause| api::FaultRootCause {
                    services: Some(cause.iter().map(|s| fault_service(s, account)).collect()),
                    client_impacting: Some(true),
                })
                .collect(),
        ),
        error_root_causes: Some(
            errors
                .iter()
                .map(|cause| api::ErrorRootCause {
                    services: Some(cause.iter().map(|s| error_service(s, account)).collect()),
                    client_impacting: Some(true),
                })
                .collect(),
        ),
        response_time_root_causes: Some(
            slow.iter()
                .map(|cause| api::ResponseTimeRootCause {
                    services: Some(cause.iter().map(|s| slow_service(s, account)).collect()),
                    client_impacting: Some(true),
                })
                .collect(),
        ),
        revision: i32::try_from(found.loaded.entry.revision).ok(),
        matched_event_time: Some(moment(trace.end)),
    }
}

fn moment(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as i64)
}

pub fn service_id(service: &ServiceName, account: &str) -> api::ServiceId {
    api::ServiceId {
        name: Some(service.name.clone()),
        names: Some(vec![service.name.clone()]),
        account_id: Some(
            service
                .account
                .clone()
                .unwrap_or_else(|| account.to_owned()),
        ),
        r#type: service.kind.clone(),
    }
}

fn http(root: &Node) -> api::Http {
    let http = &root.http;
    api::Http {
        http_url: http.url.clone(),
        http_status: http.status.and_then(|status| i32::try_from(status).ok()),
        http_method: http.method.clone(),
        user_agent: http.user_agent.clone(),
        client_ip: http.client_ip.clone(),
    }
}

fn annotations(trace: &Digest, account: &str) -> BTreeMap<String, Vec<api::ValueWithServiceIds>> {
    let mut all = BTreeMap::<String, Vec<api::ValueWithServiceIds>>::new();
    for annotation in &trace.annotations {
        let value = match &annotation.value {
            Scalar::Text(text) => api::AnnotationValue {
                string_value: Some(text.clone()),
                ..Default::default()
            },
            Scalar::Number(number) => api::AnnotationValue {
                number_value: Some(*number),
                ..Default::default()
            },
            Scalar::Bool(flag) => api::AnnotationValue {
                boolean_value: Some(*flag),
                ..Default::default()
            },
        };
        let Some(node) = trace.nodes.get(annotation.node) else {
            continue;
        };
        let service = service_id(&node.service, account);
        let values = all.entry(annotation.key.clone()).or_default();
        let same = values
            .iter_mut()
            .find(|v| v.annotation_value.as_ref() == Some(&value));
        match same {
            Some(same) => {
                let ids = same.service_ids.get_or_insert_default();
                if !ids.contains(&service) {
                    ids.push(service);
                }
            }
            None => values.push(api::ValueWithServiceIds {
                annotation_value: Some(value),
                service_ids: Some(vec![service]),
            }),
        }
    }
    all
}

fn users(trace: &Digest, account: &str) -> Vec<api::TraceUser> {
    let mut all = BTreeMap::<&str, Vec<api::ServiceId>>::new();
    for node in &trace.nodes {
        if let Some(user) = &node.user {
            let service = service_id(&node.service, account);
            let services = all.entry(user).or_default();
            if !services.contains(&service) {
                services.push(service);
            }
        }
    }
    let shown = all.into_iter().map(|(user, services)| api::TraceUser {
        user_name: Some(user.to_owned()),
        service_ids: Some(services),
    });
    shown.collect()
}

fn exceptions(all: &[Exception]) -> Vec<api::RootCauseException> {
    let shown = all.iter().map(|exception| api::RootCauseException {
        name: exception.name.clone(),
        message: exception.message.clone(),
    });
    shown.collect()
}

fn fault_service(service: &CauseService, account: &str) -> api::FaultRootCauseService {
    let id = service_id(&service.service, account);
    let path = service
        .entities
        .iter()
        .map(|entity| api::FaultRootCauseEntity {
            name: Some(entity.name.clone()),
            exceptions: Some(exceptions(&entity.exceptions)),
            remote: Some(entity.remote),
        });
    api::FaultRootCauseService {
        name: id.name,
        names: id.names,
        r#type: id.r#type,
        account_id: id.account_id,
        entity_path: Some(path.collect()),
        inferred: Some(service.inferred),
    }
}

fn error_service(service: &CauseService, account: &str) -> api::ErrorRootCauseService {
    let id = service_id(&service.service, account);
    let path = service
        .entities
        .iter()
        .map(|entity| api::ErrorRootCauseEntity {
            name: Some(entity.name.clone()),
            exceptions: Some(exceptions(&entity.exceptions)),
            remote: Some(entity.remote),
        });
    api::ErrorRootCauseService {
        name: id.name,
        names: id.names,
        r#type: id.r#type,
        account_id: id.account_id,
        entity_path: Some(path.collect()),
        inferred: Some(service.inferred),
    }
}

fn slow_service(service: &CauseService, account: &str) -> api::ResponseTimeRootCauseService {
    let id = service_id(&service.service, account);
    let path = service
        .entities
        .iter()
        .map(|entity| api::ResponseTimeRootCauseEntity {
            name: Some(entity.name.clone()),
            coverage: Some(seconds(entity.coverage)),
            remote: Some(entity.remote),
        });
    api::ResponseTimeRootCauseService {
        name: id.name,
        names: id.names,
        r#type: id.r#type,
        account_id: id.account_id,
        entity_path: Some(path.collect()),
        inferred: Some(service.inferred),
    }
}
