"""App Mesh by real clients, and by a real Envoy."""

import images
import tasks
from neargate import ACCOUNT, REGION, refused, wait_until
from test_container_networks import inside
from test_mesh import envoy, make_image, settled  # noqa: F401
from test_service_discovery import operation, vpc


def listeners(port=8080, protocol="http"):
    return [{"portMapping": {"port": port, "protocol": protocol}}]


def by_dns(name):
    return {"dns": {"hostname": f"{name}.local"}}


def node(mesh, name, discovery=by_dns, **spec):
    if "listeners" in spec:
        spec["serviceDiscovery"] = discovery(name)
    return mesh.create_virtual_node(meshName="shop", virtualNodeName=name, spec=spec)["virtualNode"]


def split(blue, green):
    targets = [{"virtualNode": "blue", "weight": blue}, {"virtualNode": "green", "weight": green}]
    return {"httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}


def canary(mesh, discovery=by_dns, service="color.local"):
    """A mesh in which the front calls two versions of a service."""
    mesh.create_mesh(meshName="shop", tags=[{"key": "team", "value": "a"}])
    for name in ("blue", "green"):
        node(mesh, name, discovery, listeners=listeners())
    mesh.create_virtual_router(meshName="shop", virtualRouterName="color", spec={"listeners": listeners()})
    of = {"meshName": "shop", "virtualRouterName": "color", "routeName": "split"}
    mesh.create_route(**of, spec=split(90, 10))
    mesh.create_virtual_service(
        meshName="shop",
        virtualServiceName=service,
        spec={"provider": {"virtualRouter": {"virtualRouterName": "color"}}},
    )
    backends = [{"virtualService": {"virtualServiceName": service}}]
    return node(mesh, "front", backends=backends), of


def test_a_mesh_outlives_a_kill(gate):
    mesh = gate.client("appmesh")
    front, of = canary(mesh)
    assert front["metadata"]["arn"].endswith(":mesh/shop/virtualNode/front")
    assert mesh.update_route(**of, spec=split(50, 50))["route"]["metadata"]["version"] == 2
    gate.kill()
    gate.start()
    names = ("--virtual-router-name", "color", "--route-name", "split")
    shown = gate.aws("appmesh", "describe-route", "--mesh-name", "shop", *names)["route"]
    assert (shown["spec"], shown["metadata"]["version"]) == (split(50, 50), 2)
    mesh = gate.client("appmesh")
    pages = mesh.get_paginator("list_virtual_nodes").paginate(meshName="shop", PaginationConfig={"PageSize": 2})
    assert [n["virtualNodeName"] for page in pages for n in page["virtualNodes"]] == ["blue", "front", "green"]
    code, message = refused(mesh.delete_virtual_node, meshName="shop", virtualNodeName="blue")
    assert code == "ResourceInUseException"
    assert message.endswith("it is the target of one or more routes.")


#: Asks until it is told to end; what it was answered, and how often nothing came.
ASKING = (
    "while [ ! -e /tmp/end ]; do wget -q -O /tmp/one http://color.shop.local:8080/x && cat /tmp/one >> /tmp/said "
    "|| echo failed >> /tmp/said; done; sleep 600"
)
#: AWS's own name of its image, which ours stands in for.
ENVOY = "public.ecr.aws/appmesh/aws-appmesh-envoy:v1.29.12.1-prod"


def register_beside_proxy(gate, name, command):
    """A task with a proxy of the virtual node of its name, as AWS's walkthroughs write it."""
    properties = {
        "IgnoredUID": "1337", "ProxyIngressPort": "15000", "ProxyEgressPort": "15001", "AppPorts": "8080",
        "EgressIgnoredIPs": "169.254.170.2,169.254.169.254",
    }
    proxy = {
        "name": "envoy", "image": ENVOY, "essential": True, "user": "1337",
        "healthCheck": {
            "command": ["CMD-SHELL", "curl -s http://localhost:9901/server_info | grep state | grep -q LIVE"],
            "interval": 5, "timeout": 2, "retries": 3, "startPeriod": 10,
        },
        "environment": [
            {"name": "APPMESH_RESOURCE_ARN", "value": f"arn:aws:appmesh:{REGION}:{ACCOUNT}:mesh/shop/virtualNode/{name}"}
        ],
    }
    tasks.register(
        gate, tasks.container(command=command, dependsOn=[{"containerName": "envoy", "condition": "HEALTHY"}]), proxy,
        family=name,
        proxyConfiguration={
            "type": "APPMESH",
            "containerName": "envoy",
            "properties": [{"name": key, "value": value} for key, value in properties.items()],
        },
    )


def serving(text):
    return ["sh", "-c", f"mkdir -p /tmp/w; echo {text} > /tmp/w/x; exec httpd -f -p 8080 -h /tmp/w"]


def registry(gate, namespace, name):
    return gate.client("servicediscovery").create_service(
        Name=name, NamespaceId=namespace, DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 1}]},
        HealthCheckCustomConfig={"FailureThreshold": 1},
    )["Service"]


def by_cloud_map(name):
    return {"awsCloudMap": {"namespaceName": "shop.local", "serviceName": name}}


def test_weights_shift_without_a_lost_request(own_gate, layout, envoy):  # noqa: F811
    gate = own_gate
    ecs, mesh = gate.client("ecs"), gate.client("appmesh")
    ecs.create_cluster(clusterName="default")
    images.push(gate, layout, "busybox")
    make_image(gate, envoy)
    namespace = operation(gate, "create_private_dns_namespace", Name="shop.local", Vpc=vpc(gate))["NAMESPACE"]
    of = canary(mesh, by_cloud_map, "color.shop.local")[1]
    # The application asks for a name; where its address leads does not matter.
    gate.client("servicediscovery").register_instance(
        ServiceId=registry(gate, namespace, "color")["Id"], InstanceId="any", Attributes={"AWS_INSTANCE_IPV4": "10.255.255.1"}
    )
    for name in ("blue", "green"):
        register_beside_proxy(gate, name, serving(name))
        ecs.create_service(
            serviceName=name, taskDefinition=name, desiredCount=1, launchType="FARGATE",
            networkConfiguration=tasks.network(gate),
            serviceRegistries=[{"registryArn": registry(gate, namespace, name)["Arn"]}],
        )
    for name in ("blue", "green"):
        settled(gate, name)
    register_beside_proxy(gate, "front", ["sh", "-c", ASKING])
    front = tasks.run(gate, "front", enableExecuteCommand=True)
    tasks.wait_for(gate, front, "RUNNING")

    def said():
        """How often each answer came."""
        counted = inside(gate, front, "app", "sort /tmp/said | uniq -c", "default")
        lines = (line.split() for line in counted.splitlines())
        return {line[1]: int(line[0]) for line in lines if len(line) == 2}

    wait_until(lambda: said().get("green", 0) >= 5, what="both answer")
    begun = said()
    assert begun["blue"] > begun["green"] and "failed" not in begun, begun
    mesh.update_route(**of, spec=split(0, 100))

    def is_green():
        last = inside(gate, front, "app", "tail -n 20 /tmp/said", "default").split()
        return len(last) == 20 and set(last) == {"green"}

    wait_until(is_green, what="all is green")
    assert "failed" not in said(), said()
