"""Images that are unusual and right: they run as Docker and containerd run them."""

import images
import tasks
from images import aws_name
from tasks import container

OTHER = {"amd64": "arm64", "arm64": "amd64"}[images.ARCH]


def test_what_programs_take_for_granted(gate, tmp_path):
    # An entry *named* 1000 is root's, the image has a layer twice, and a volume with content.
    users = images.layer(
        {
            "etc/passwd": b"root:x:0:0::/:\n1000:x:0:0::/:\nweb:x:1000:1000::/home/web:",
            "data/seed": b"seed",
        },
        directories=[("data", 0o777)],
    )
    empty = b"\0" * 1024
    layout = images.Layout(tmp_path / "odd")
    config = {"User": "1000", "Volumes": {"/data": {}}, "Env": ["PATH=/bin"], "StopSignal": "SIGRTMAX-2"}
    layers = [images.busybox_layer(), empty, users, empty]
    images.push(gate, layout.write(layout.image(layers, config)), "odd")
    script = """
        test "$(id -u) $(id -g) $HOME" = "1000 1000 /home/web" || exit 10
        grep -q '^Groups:.*1000' /proc/self/status || exit 11
        echo new > /data/new && test "$(cat /data/seed)" = seed || exit 12
        for file in /etc/hosts /etc/hostname /etc/resolv.conf /x; do
            echo x 2>/dev/null >> $file && exit 13
        done
        echo written > /proc/1/fd/1 || exit 14
        exit 42
    """
    definition = container(
        image=aws_name("odd"),
        command=["sh", "-c", script],
        readonlyRootFilesystem=True,
        linuxParameters={"initProcessEnabled": True},
    )
    tasks.register(gate, definition)
    tasks.ended(gate, tasks.run(gate), 42)


def test_an_image_of_another_architecture_is_for_the_kernel_to_refuse(gate, tmp_path):
    layout = images.Layout(tmp_path / "other")
    other = layout.image([images.busybox_layer()], architecture=OTHER)
    images.push(gate, layout.write(layout.multi(other)), "other-index", all_platforms=True)
    images.push(gate, layout.write(other), "other-alone")
    tasks.register(gate, container(image=aws_name("other-alone"), command=["true"]))
    tasks.ended(gate, tasks.run(gate), 0)
    tasks.register(gate, container(image=aws_name("other-index"), command=["true"]))
    task = tasks.wait_for(gate, tasks.run(gate), "STOPPED")
    wanted = f"image Manifest does not contain descriptor matching platform 'linux/{images.ARCH}'"
    assert wanted in task["stoppedReason"], tasks.why(task)
