//! What attributes of load balancers, listeners and target groups ask for.

use neargate_domain::load_balancer::Attributes;
use std::time::Duration;

/// A value, or AWS's default for what cannot be read.
fn number<T: std::str::FromStr>(attributes: &Attributes, key: &str, default: T) -> T {
    let value = attributes.get(key).and_then(|value| value.parse().ok());
    value.unwrap_or(default)
}

fn seconds(attributes: &Attributes, key: &str, default: u64) -> Duration {
    Duration::from_secs(number(attributes, key, default))
}

fn is_set(attributes: &Attributes, key: &str, default: bool) -> bool {
    number(attributes, key, default)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedFor {
    Append,
    Preserve,
    Remove,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesyncMitigation {
    Monitor,
    Defensive,
    Strictest,
}

/// Of a load balancer and one of its listeners
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html>).
#[derive(Debug, Clone)]
pub struct Settings {
    pub idle_timeout: Duration,
    pub client_keep_alive: Duration,
    pub tcp_idle_timeout: Duration,
    pub forwarded_for: ForwardedFor,
    pub forwarded_for_port: bool,
    pub preserves_host: bool,
    pub drops_invalid_fields: bool,
    pub desync_mitigation: DesyncMitigation,
    pub http2: bool,
    pub tls_fields: bool,
    pub names: Names,
    /// Targets' `Server` fields are sent, and our own.
    pub server_field: bool,
    /// Fields that responses get, in place of targets' own.
    pub response_fields: Vec<(String, String)>,
}

impl Settings {
    pub fn new(load_balancer: &Attributes, listener: &Attributes) -> Settings {
        let text = |key: &str| load_balancer.get(key).map_or("", String::as_str);
        let response_field = |(key, value): (&String, &String)| {
            let name = key.strip_prefix("routing.http.response.")?;
            let name = name.strip_suffix(".header_value")?;
            (!value.is_empty()).then(|| (name.replace('_', "-"), value.clone()))
        };
        Settings {
            idle_timeout: seconds(load_balancer, "idle_timeout.timeout_seconds", 60),
            tcp_idle_timeout: seconds(listener, "tcp.idle_timeout.seconds", 350),
            client_keep_alive: seconds(load_balancer, "client_keep_alive.seconds", 3600),
            forwarded_for: match text("routing.http.xff_header_processing.mode") {
                "preserve" => ForwardedFor::Preserve,
                "remove" => ForwardedFor::Remove,
                _ => ForwardedFor::Append,
            },
            forwarded_for_port: is_set(
                load_balancer,
                "routing.http.xff_client_port.enabled",
                false,
            ),
            preserves_host: is_set(
                load_balancer,
                "routing.http.preserve_host_header.enabled",
                false,
            ),
            drops_invalid_fields: is_set(
                load_balancer,
                "routing.http.drop_invalid_header_fields.enabled",
                false,
            ),
            desync_mitigation: match text("routing.http.desync_mitigation_mode") {
                "monitor" => DesyncMitigation::Monitor,
                "strictest" => DesyncMitigation::Strictest,
                _ => DesyncMitigation::Defensive,
            },
            http2: is_set(load_balancer, "routing.http2.enabled", true),
            tls_fields: is_set(
                load_balancer,
                "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
                false,
            ),
            names: Names::new(listener),
            server_field: is_set(listener, "routing.http.response.server.enabled", true),
            response_fields: listener.iter().filter_map(response_field).collect(),
        }
    }
}

/// How the fields are called that tell targets of TLS and of clients' certificates
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/header-modification.html>).
#[derive(Debug, Clone)]
pub struct Names {
    pub version: String,
    pub cipher: String,
    pub chain: String,
    pub serial_number: String,
    pub issuer: String,
    pub subject: String,
    pub validity: String,
    pub leaf: String,
}

impl Names {
    fn new(listener: &Attributes) -> Names {
        let name = |default: &str| {
            let key = default.to_ascii_lowercase().replace('-', "_");
            let key = format!("routing.http.request.{key}.header_name");
            let own = listener.get(&key).filter(|own| !own.is_empty());
            own.cloned().unwrap_or_else(|| default.to_owned())
        };
        Names {
            version: name("X-Amzn-Tls-Version"),
            cipher: name("X-Amzn-Tls-Cipher-Suite"),
            chain: name("X-Amzn-Mtls-Clientcert"),
            serial_number: name("X-Amzn-Mtls-Clientcert-Serial-Number"),
            issuer: name("X-Amzn-Mtls-Clientcert-Issuer"),
            subject: name("X-Amzn-Mtls-Clientcert-Subject"),
            validity: name("X-Amzn-Mtls-Clientcert-Validity"),
            leaf: name("X-Amzn-Mtls-Clientcert-Leaf"),
        }
    }

    /// Those of clients' certificates.
    pub fn of_clients(&self) -> [&str; 6] {
        [
            &self.chain,
            &self.serial_number,
            &self.issuer,
            &self.subject,
            &self.validity,
            &self.leaf,
        ]
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    RoundRobin,
    LeastOutstandingRequests,
    WeightedRandom,
}

/// How many targets must be healthy for the others to get nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailOpen {
    pub count: usize,
    pub percentage: usize,
}

/// Of a target group
/// (<https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-target-group-attributes.html>).
#[derive(Debug, Clone)]
pub struct GroupSettings {
    pub algorithm: Algorithm,
    pub fail_open: FailOpen,
    /// Targets in other zones than the node get requests, too.
    pub cross_zone: bool,
    pub stickiness: Stickiness,
    /// How long a target that became healthy gets less than its share.
    pub slow_start: Duration,
    /// Targets are told who the client is.
    pub proxy_protocol: bool,
    /// Connections end when their target's deregistration is complete.
    pub ends_with_registration: bool,
    /// Those of network load balancers end when their target becomes unhealthy.
    pub ends_with_health: bool,
    /// How long a target that became unhealthy is said to drain, where its connections go on.
    pub unhealthy_draining: Duration,
}

/// How a client stays with a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stickiness {
    Off,
    LoadBalancerCookie(Duration),
    ApplicationCookie {
        name: String,
        duration: Duration,
    },
    /// Of network load balancers.
    SourceIp,
}

impl GroupSettings {
    pub fn new(group: &Attributes, load_balancer: &Attributes) -> GroupSettings {
        let text = |key: &str| group.get(key).map_or("", String::as_str);
        const HEALTHY: &str = "target_group_health.unhealthy_state_routing.minimum_healthy_targets";
        const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
        GroupSettings {
            algorithm: match text("load_balancing.algorithm.type") {
                "least_outstanding_requests" => Algorithm::LeastOutstandingRequests,
                "weighted_random" => Algorithm::WeightedRandom,
                _ => Algorithm::RoundRobin,
            },
            fail_open: FailOpen {
                count: number(group, &format!("{HEALTHY}.count"), 1),
                percentage: number(group, &format!("{HEALTHY}.percentage"), 0),
            },
            cross_zone: match text(CROSS_ZONE) {
                "true" => true,
                "false" => false,
                _ => is_set(load_balancer, CROSS_ZONE, true),
            },
            stickiness: match (
                is_set(group, "stickiness.enabled", false),
                text("stickiness.type"),
            ) {
                (false, _) => Stickiness::Off,
                (true, "app_cookie") => Stickiness::ApplicationCookie {
                    name: text("stickiness.app_cookie.cookie_name").into(),
                    duration: seconds(group, "stickiness.app_cookie.duration_seconds", 86_400),
                },
                (true, "source_ip") => Stickiness::SourceIp,
                (true, _) => Stickiness::LoadBalancerCookie(seconds(
                    group,
                    "stickiness.lb_cookie.duration_seconds",
                    86_400,
                )),
            },
            proxy_protocol: is_set(group, "proxy_protocol_v2.enabled", false),
            ends_with_registration: is_set(
                group,
                "deregistration_delay.connection_termination.enabled",
                false,
            ),
            ends_with_health: is_set(
                group,
                "target_health_state.unhealthy.connection_termination.enabled",
                true,
            ),
            slow_start: seconds(group, "slow_start.duration_seconds", 0),
            unhealthy_draining: seconds(
                group,
                "target_health_state.unhealthy.draining_interval_seconds",
                0,
            ),
        }
    }
}
