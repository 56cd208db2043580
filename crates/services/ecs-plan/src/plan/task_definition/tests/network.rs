//! What ports and an interface of its own rule out.

use super::*;

#[test]
fn ports() {
    refused(
        bridge,
        vec![
            (
                no(),
                json!({"portMappings": [{"hostPort": 80}]}),
                "Invalid 'containerPort' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 0}]}),
                "Invalid 'containerPort' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 70_000}]}),
                "Invalid 'hostPort' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "containerPortRange": "90-91"}]}),
                "Invalid port mapping for container 'app', cannot specify both single port and port range.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPortRange": "91-90"}]}),
                "Invalid 'containerPortRange' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "name": "Http"}]}),
                "Invalid 'name' setting for container 'app'.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "name": "a"}, {"containerPort": 81, "name": "a"}]}),
                "When networkMode=bridge, port mapping name is already used",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 3000}, {"containerPort": 81, "hostPort": 3000}]}),
                "TCP host port '3000' is mapped multiple times in task.",
            ),
            (
                json!({"networkMode": "host"}),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 81}]}),
                "When networkMode=host, the host ports and container ports in port mappings must match.",
            ),
            (
                json!({"networkMode": "host"}),
                json!({"links": ["b"]}),
                "Links are not supported when networkMode=host.",
            ),
            (
                json!({"networkMode": "none"}),
                json!({"portMappings": [{"containerPort": 80}]}),
                "Port mappings are not supported when networkMode=none.",
            ),
        ],
    );
}

#[test]
fn what_an_interface_of_its_own_rules_out() {
    let on = |what: &str| match what {
        "links" => json!({"links": ["b"]}),
        "hostname" => json!({"hostname": "h"}),
        "hosts" => json!({"extraHosts": [{"hostname": "h", "ipAddress": "10.0.0.1"}]}),
        "dns" => json!({"dnsServers": ["10.0.0.1"]}),
        "search" => json!({"dnsSearchDomains": ["x"]}),
        _ => json!({"disableNetworking": true}),
    };
    let range = |a: &str, b: &str| json!({"portMappings": [{"containerPortRange": a}, {"containerPortRange": b}]});
    refused(
        awsvpc,
        vec![
            (
                no(),
                on("links"),
                "Links are not supported when networkMode=awsvpc.",
            ),
            (
                no(),
                on("hostname"),
                "hostname is not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("hosts"),
                "Extra hosts are not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("dns"),
                "DNS servers are not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("search"),
                "DNS search domains are not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                on("off"),
                "Disable Networking is not supported on container when networkMode=awsvpc.",
            ),
            (
                no(),
                json!({"portMappings": [{"containerPort": 80, "hostPort": 81}]}),
                "When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
            ),
            (
                no(),
                range("8080-8085", "8085-8090"),
                "TCP container port '8085' is used multiple times in task when networkMode=awsvpc.",
            ),
            (
                json!({"proxyConfiguration": {"containerName": "envoy"}}),
                no(),
                "Proxy container [envoy] does not exist.",
            ),
            (
                json!({"proxyConfiguration": {"containerName": "app"}}),
                no(),
                "Ingress port not found",
            ),
            (
                json!({"requiresCompatibilities": ["EXTERNAL"]}),
                no(),
                "Tasks using the EXTERNAL launch type do not support networkMode 'awsvpc'.",
            ),
        ],
    );
}
