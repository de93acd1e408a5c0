"""Paths of cgroups as container runtimes and systemd make them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrichers.cgroup_path import CgroupOwner, owner_of

ID = "3f8a" * 16
OTHER = "c0de" * 16
UID = "0f1c2d3e-4a5b-6c7d-8e9f-0a1b2c3d4e5f"
SLICED = UID.replace("-", "_")
STATIC = "a1b2" * 8  # of a static pod: a hash of its manifest
TASK = "4d5e" * 8

#: A path, and whose it is.
GOLDEN = {
    # Docker: cgroupfs driver, systemd driver, rootless; a container in a container; `--cgroup-parent`
    f"/docker/{ID}": CgroupOwner(ID, "docker"),
    f"/system.slice/docker-{ID}.scope": CgroupOwner(ID, "docker"),
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{ID}.scope": CgroupOwner(
        ID, "docker", unit="user@1000.service"
    ),
    f"/docker/{OTHER}/docker/{ID}/init": CgroupOwner(ID, "docker"),
    f"/batch/{ID}": CgroupOwner(ID),
    f"/{ID}": CgroupOwner(ID),
    f"/system.slice/docker-{ID}.scope/system.slice/nginx.service": CgroupOwner(ID, "docker"),
    # what watches over containers is none
    "/system.slice/docker.service": CgroupOwner(unit="docker.service"),
    "/system.slice/containerd.service": CgroupOwner(unit="containerd.service"),
    # Kubernetes: cgroupfs driver, three classes
    f"/kubepods/pod{UID}/{ID}": CgroupOwner(ID, "", UID, "guaranteed"),
    f"/kubepods/burstable/pod{UID}/{ID}": CgroupOwner(ID, "", UID, "burstable"),
    f"/kubepods/besteffort/pod{UID}/{ID}": CgroupOwner(ID, "", UID, "besteffort"),
    f"/kubepods/burstable/pod{STATIC}/{ID}": CgroupOwner(ID, "", STATIC, "burstable"),
    # Kubernetes: systemd driver, with each runtime
    f"/kubepods.slice/kubepods-pod{SLICED}.slice/cri-containerd-{ID}.scope": CgroupOwner(
        ID, "containerd", UID, "guaranteed"
    ),
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICED}.slice/cri-containerd-{ID}.scope": (
        CgroupOwner(ID, "containerd", UID, "burstable")
    ),
    f"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{SLICED}.slice/docker-{ID}.scope": (
        CgroupOwner(ID, "docker", UID, "besteffort")
    ),
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICED}.slice/crio-{ID}.scope": CgroupOwner(
        ID, "cri-o", UID, "burstable"
    ),
    f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICED}.slice/crio-{ID}.scope/container": (
        CgroupOwner(ID, "cri-o", UID, "burstable")
    ),
    f"/kubepods.slice/kubepods-pod{SLICED}.slice/crio-conmon-{ID}.scope": CgroupOwner(
        "", "", UID, "guaranteed"
    ),
    # a node that is a container itself (kind), and a kubelet in a slice of its own
    f"/docker/{OTHER}/kubelet/kubepods/burstable/pod{UID}/{ID}": CgroupOwner(ID, "", UID, "burstable"),
    f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod{SLICED}"
    f".slice/cri-containerd-{ID}.scope": CgroupOwner(ID, "containerd", UID, "burstable"),
    # containerd with the systemd driver of the kubelet and the cgroupfs driver of its own
    f"/system.slice/containerd.service/kubepods-burstable-pod{SLICED}.slice:cri-containerd:{ID}": CgroupOwner(
        ID, "containerd", UID, "burstable"
    ),
    # containerd without Kubernetes
    f"/system.slice/nerdctl-{ID}.scope": CgroupOwner(ID, "containerd"),
    f"/default/{ID}": CgroupOwner(ID),
    # Podman: root, rootless, cgroupfs; its monitor is no container
    f"/machine.slice/libpod-{ID}.scope": CgroupOwner(ID, "podman"),
    f"/machine.slice/libpod-{ID}.scope/container": CgroupOwner(ID, "podman"),
    f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope/container": CgroupOwner(
        ID, "podman", unit="user@1000.service"
    ),
    f"/libpod_parent/libpod-{ID}": CgroupOwner(ID, "podman"),
    f"/machine.slice/libpod-conmon-{ID}.scope": CgroupOwner(),
    # ECS on EC2 and on Fargate
    f"/ecs/{TASK}/{ID}": CgroupOwner(ID, "", ecs_task=TASK),
    f"/ecs/cluster/{TASK}/{ID}": CgroupOwner(ID, "", ecs_task=TASK),
    f"/ecs/{UID}/{ID}": CgroupOwner(ID, "", ecs_task=UID),
    f"/ecstasks.slice/ecstasks-{TASK}.slice/docker-{ID}.scope": CgroupOwner(ID, "docker", ecs_task=TASK),
    f"/ecs/{TASK}/{TASK}-1234567890": CgroupOwner(f"{TASK}-1234567890", "", ecs_task=TASK),
    # LXC, old and new; nspawn as a service and as a machine
    "/lxc/web1": CgroupOwner("web1", "lxc"),
    "/lxc/web1/system.slice/nginx.service": CgroupOwner("web1", "lxc"),
    "/lxc.payload.web-1/init.scope": CgroupOwner("web-1", "lxc"),
    "/lxc.payload/web1": CgroupOwner("web1", "lxc"),
    "/lxc.monitor.web1": CgroupOwner(),
    "/machine.slice/systemd-nspawn@db.service/payload/system.slice/sshd.service": CgroupOwner(
        "db", "systemd-nspawn"
    ),
    r"/machine.slice/machine-build\x2dbox.scope": CgroupOwner("build-box", "systemd-nspawn"),
    # systemd
    "/system.slice/nginx.service": CgroupOwner(unit="nginx.service"),
    "/system.slice/system-postgresql.slice/postgresql@15-main.service": CgroupOwner(
        unit="postgresql@15-main.service"
    ),
    "/user.slice/user-1000.slice/session-3.scope": CgroupOwner(unit="session-3.scope"),
    "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.scope": CgroupOwner(
        unit="app-firefox.scope"
    ),
    r"/system.slice/srv-my\x2ddata.mount": CgroupOwner(unit="srv-my-data.mount"),
    "/init.scope": CgroupOwner(unit="init.scope"),
    "/system.slice": CgroupOwner(),
    "/": CgroupOwner(),
    "": CgroupOwner(),
}


@pytest.mark.parametrize("path", GOLDEN)
def test_a_path_tells_whose_it_is(path: str) -> None:
    """Container, runtime, pod, class and unit are read from each form."""
    assert owner_of(path) == GOLDEN[path]


@pytest.mark.parametrize("path", [path for path in GOLDEN if path.count("/") > 2 and GOLDEN[path].runtime])
def test_the_container_is_known_without_the_upper_levels(path: str) -> None:
    """The kernel side gives eight levels: prefixed names need none of those above."""
    name = path[path.rindex("/") :]
    assert owner_of(name).container in (GOLDEN[path].container, "")


@settings(deadline=None)  # the machine may be busy
@given(st.text(st.sampled_from("/-._:\\xabcdef0123podkubeslice"), max_size=200) | st.text())
def test_any_text_is_taken(path: str) -> None:
    """Names that nobody thought of raise nothing."""
    assert isinstance(owner_of(path), CgroupOwner)
