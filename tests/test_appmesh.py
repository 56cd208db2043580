"""App Mesh by real clients."""

from neargate import refused


def listeners(port=8080, protocol="http"):
    return [{"portMapping": {"port": port, "protocol": protocol}}]


def node(mesh, name, **spec):
    if "listeners" in spec:
        spec["serviceDiscovery"] = {"dns": {"hostname": f"{name}.local"}}
    return mesh.create_virtual_node(meshName="shop", virtualNodeName=name, spec=spec)["virtualNode"]


def split(blue, green):
    targets = [{"virtualNode": "blue", "weight": blue}, {"virtualNode": "green", "weight": green}]
    return {"httpRoute": {"match": {"prefix": "/"}, "action": {"weightedTargets": targets}}}


def canary(mesh):
    """A mesh in which the front calls two versions of a service."""
    mesh.create_mesh(meshName="shop", tags=[{"key": "team", "value": "a"}])
    for name in ("blue", "green"):
        node(mesh, name, listeners=listeners())
    mesh.create_virtual_router(meshName="shop", virtualRouterName="color", spec={"listeners": listeners()})
    of = {"meshName": "shop", "virtualRouterName": "color", "routeName": "split"}
    mesh.create_route(**of, spec=split(90, 10))
    mesh.create_virtual_service(
        meshName="shop",
        virtualServiceName="color.local",
        spec={"provider": {"virtualRouter": {"virtualRouterName": "color"}}},
    )
    backends = [{"virtualService": {"virtualServiceName": "color.local"}}]
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
