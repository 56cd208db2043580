//! TLS of listeners, and towards virtual nodes.

use super::exits::Policy;
use super::message::{ads, any, exactly, file, text, yes};
use super::{Surroundings, lookup};
use crate::model::{Object, VirtualNode};
use neargate_api_appmesh as api;
use neargate_xds::envoy_types::pb::envoy::config::core::v3 as config;
use neargate_xds::envoy_types::pb::envoy::extensions::transport_sockets::tls::v3 as pb;
use pb::common_tls_context::{CombinedCertificateValidationContext, ValidationContextType};
use pb::subject_alt_name_matcher::SanType;
use prost::{Message, Name};

/// The cluster of the server of secrets beside the proxy, which its bootstrap has
/// (`APPMESH_SDS_SOCKET_PATH`).
const SDS_CLUSTER: &str = "static_cluster_sds_unix_socket";

fn socket<T: Message + Name>(context: &T) -> config::TransportSocket {
    config::TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(config::transport_socket::ConfigType::TypedConfig(any(
            context,
        ))),
    }
}

fn sds(name: &str) -> pb::SdsSecretConfig {
    use config::config_source::ConfigSourceSpecifier::ApiConfigSource;
    let server = config::GrpcService {
        target_specifier: Some(config::grpc_service::TargetSpecifier::EnvoyGrpc(
            config::grpc_service::EnvoyGrpc {
                cluster_name: SDS_CLUSTER.into(),
                ..config::grpc_service::EnvoyGrpc::default()
            },
        )),
        ..config::GrpcService::default()
    };
    pb::SdsSecretConfig {
        name: name.to_owned(),
        sds_config: Some(config::ConfigSource {
            resource_api_version: config::ApiVersion::V3.into(),
            config_source_specifier: Some(ApiConfigSource(config::ApiConfigSource {
                api_type: config::api_config_source::ApiType::Grpc.into(),
                transport_api_version: config::ApiVersion::V3.into(),
                grpc_services: vec![server],
                ..config::ApiConfigSource::default()
            })),
            ..config::ConfigSource::default()
        }),
    }
}

fn files(chain: &str, key: &str) -> pb::TlsCertificate {
    pb::TlsCertificate {
        certificate_chain: Some(file(chain)),
        private_key: Some(file(key)),
        ..pb::TlsCertificate::default()
    }
}

/// A certificate of ACM's as it is sent; `None` where it is not there.
pub fn secret(listener: &api::Listener, around: &Surroundings) -> Option<pb::Secret> {
    let acm = listener.tls.as_ref()?.certificate.acm.as_ref()?;
    let pair = around.certificates.get(&acm.certificate_arn)?;
    let certificate = pb::TlsCertificate {
        certificate_chain: Some(text(&pair.chain)),
        private_key: Some(text(&pair.key)),
        ..pb::TlsCertificate::default()
    };
    Some(pb::Secret {
        name: acm.certificate_arn.clone(),
        r#type: Some(pb::secret::Type::TlsCertificate(certificate)),
    })
}

/// What a listener shows, and demands of clients.
pub fn downstream(tls: &api::ListenerTls, protocol: &str) -> config::TransportSocket {
    let mut common = pb::CommonTlsContext {
        alpn_protocols: match protocol {
            "tcp" => Vec::new(),
            "http" => vec!["h2".into(), "http/1.1".into()],
            _ => vec!["h2".into()],
        },
        ..pb::CommonTlsContext::default()
    };
    let certificate = &tls.certificate;
    if let Some(acm) = &certificate.acm {
        common.tls_certificate_sds_secret_configs = vec![pb::SdsSecretConfig {
            name: acm.certificate_arn.clone(),
            sds_config: Some(ads()),
        }];
    } else if let Some(of) = &certificate.file {
        common.tls_certificates = vec![files(&of.certificate_chain, &of.private_key)];
    } else if let Some(of) = &certificate.sds {
        common.tls_certificate_sds_secret_configs = vec![sds(&of.secret_name)];
    }
    if let Some(validation) = &tls.validation {
        let names = names(validation.subject_alternative_names.as_ref());
        let trust = &validation.trust;
        common.validation_context_type = match (&trust.file, &trust.sds) {
            (Some(of), _) => Some(by_authority(file(&of.certificate_chain), &names)),
            (_, Some(of)) => Some(by_secret(&of.secret_name, &names)),
            _ => None,
        };
    }
    socket(&pb::DownstreamTlsContext {
        require_client_certificate: tls.validation.as_ref().and_then(|_| yes()),
        common_tls_context: Some(common),
        ..pb::DownstreamTlsContext::default()
    })
}

/// How a proxy connects to a virtual node's listener; `None`: in plain text. A proxy speaks TLS with whoever
/// speaks it, and with everybody where a policy that is enforced demands it; it believes anybody where there
/// is no such policy.
pub fn upstream(
    node: &Object<VirtualNode>,
    listener: &api::Listener,
    policy: Option<Policy<'_>>,
    around: &Surroundings,
) -> Option<config::TransportSocket> {
    let api::PortMapping { port, protocol } = &listener.port_mapping;
    let speaks = listener
        .tls
        .as_ref()
        .is_some_and(|tls| tls.mode != "DISABLED");
    let is_for_it = |policy: &&api::ClientPolicyTls| {
        let ports = policy.ports.as_deref().unwrap_or_default();
        ports.is_empty() || ports.contains(port)
    };
    let policy = policy.map(|policy| policy.tls).filter(is_for_it);
    let demands = policy.is_some_and(|policy| policy.enforce.unwrap_or(true));
    if !speaks && !demands {
        return None;
    }
    let mut common = pb::CommonTlsContext {
        alpn_protocols: match protocol.as_str() {
            "tcp" => Vec::new(),
            "http" => vec!["http/1.1".into()],
            _ => vec!["h2".into()],
        },
        ..pb::CommonTlsContext::default()
    };
    if let Some(own) = policy.and_then(|policy| policy.certificate.as_ref()) {
        match (&own.file, &own.sds) {
            (Some(of), _) => {
                common.tls_certificates = vec![files(&of.certificate_chain, &of.private_key)];
            }
            (_, Some(of)) => {
                common.tls_certificate_sds_secret_configs = vec![sds(&of.secret_name)];
            }
            _ => {}
        }
    }
    if let Some(policy) = policy.filter(|_| demands) {
        common.validation_context_type = trusted(node, &policy.validation, around);
    }
    Some(socket(&pb::UpstreamTlsContext {
        common_tls_context: Some(common),
        ..pb::UpstreamTlsContext::default()
    }))
}

/// Whom a client believes. Where it names nobody, a certificate must be for the name under which the node is
/// found (<https://docs.aws.amazon.com/app-mesh/latest/userguide/tls.html>).
fn trusted(
    node: &Object<VirtualNode>,
    validation: &api::TlsValidationContext,
    around: &Surroundings,
) -> Option<ValidationContextType> {
    let mut names = names(validation.subject_alternative_names.as_ref());
    let trust = &validation.trust;
    if let Some(of) = &trust.sds {
        return Some(by_secret(&of.secret_name, &names));
    }
    if names.is_empty() {
        names.extend(discovered(node));
    }
    match (&trust.acm, &trust.file) {
        (Some(_), _) => {
            // Without an authority nobody is believed: an empty one is no certificate.
            let authority = around.authority.as_deref().unwrap_or_default();
            Some(by_authority(text(authority), &names))
        }
        (_, Some(of)) => Some(by_authority(file(&of.certificate_chain), &names)),
        _ => None,
    }
}

/// The name under which a node is found.
fn discovered(node: &Object<VirtualNode>) -> Option<String> {
    let dns = node
        .spec
        .service_discovery
        .as_ref()
        .and_then(|d| d.dns.as_ref());
    let dns = dns.map(|dns| dns.hostname.trim_end_matches('.').to_owned());
    dns.or_else(|| lookup(node).map(|of| format!("{}.{}", of.service, of.namespace)))
}

fn names(given: Option<&api::SubjectAlternativeNames>) -> Vec<String> {
    given.map_or_else(Vec::new, |names| names.r#match.exact.clone())
}

fn matchers(names: &[String]) -> Vec<pb::SubjectAltNameMatcher> {
    let matcher = |name: &String| pb::SubjectAltNameMatcher {
        san_type: match name.contains("://") {
            true => SanType::Uri.into(),
            false => SanType::Dns.into(),
        },
        matcher: Some(exactly(name)),
        ..pb::SubjectAltNameMatcher::default()
    };
    names.iter().map(matcher).collect()
}

fn by_authority(authority: config::DataSource, names: &[String]) -> ValidationContextType {
    ValidationContextType::ValidationContext(pb::CertificateValidationContext {
        trusted_ca: Some(authority),
        match_typed_subject_alt_names: matchers(names),
        ..pb::CertificateValidationContext::default()
    })
}

fn by_secret(name: &str, names: &[String]) -> ValidationContextType {
    ValidationContextType::CombinedValidationContext(CombinedCertificateValidationContext {
        default_validation_context: Some(pb::CertificateValidationContext {
            match_typed_subject_alt_names: matchers(names),
            ..pb::CertificateValidationContext::default()
        }),
        validation_context_sds_secret_config: Some(sds(name)),
        ..CombinedCertificateValidationContext::default()
    })
}
