"""Device profiles: those that ship, those of users, and this computer's."""

from __future__ import annotations

import mmap
import os
from importlib import import_module
from pathlib import Path

import pytest

from millijoule import device_profiles
from millijoule.device_profiles import Cache, Cluster, ProfileError, detect, load, usable_cpus
from millijoule.device_profiles.board import board, facts
from millijoule.device_profiles.cgroup import cpu_quota, memory_limit
from millijoule.device_profiles.detect import parse_cpu_list
from millijoule.runtime.targets.target import TARGETS
from millijoule.tools.sensors.rails import choose_total
from millijoule.tools.sensors.registry import sources

MINIMAL = """
name = "board"
title = "A board"
target = "cortex-a53"
threads = 2
page_bytes = 4096
clusters = [{ core = "Cortex-A53", cpus = [0, 1, 2, 3] }]
"""


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def make_cpu(root: Path, cpu: int, *, siblings: str = "", capacity: int = 0, midr: int = 0, khz: int = 0) -> None:
    folder = f"sys/devices/system/cpu/cpu{cpu}"
    write(root, f"{folder}/topology/thread_siblings_list", (siblings or str(cpu)) + "\n")
    if capacity:
        write(root, f"{folder}/cpu_capacity", f"{capacity}\n")
    if midr:
        write(root, f"{folder}/regs/identification/midr_el1", f"0x{midr:016x}\n")
    if khz:
        write(root, f"{folder}/cpufreq/cpuinfo_max_freq", f"{khz}\n")


def make_cache(root: Path, cpu: int, index: int, level: int, kind: str, size: str, shared: str) -> None:
    folder = f"sys/devices/system/cpu/cpu{cpu}/cache/index{index}"
    for name, text in {"level": str(level), "type": kind, "size": size, "shared_cpu_list": shared}.items():
        write(root, f"{folder}/{name}", text + "\n")
    write(root, f"{folder}/coherency_line_size", "64\n")


@pytest.mark.parametrize("name", device_profiles.names())
def test_profiles_that_ship(name: str) -> None:
    profile = load(name)
    assert profile.name == name and (profile.target in TARGETS or profile.target == "numpy")
    assert profile.memory and profile.title and all(cluster.cache(1) and cluster.mhz for cluster in profile.clusters)
    assert profile.energy and profile.thermal and profile.memory_gbps and profile.softmax_bytes


def test_raspberry_pi_5() -> None:
    pi = load("raspberry-pi-5")
    assert pi.target == "aarch64-dotprod" and pi.page_bytes == 16384 and pi.threads == pi.cores == 4
    assert pi.cluster.core == "Cortex-A76" and pi.cluster.mhz == 2400
    levels = [pi.cluster.cache(level) for level in (1, 2, 3)]
    assert [(c.size, c.shared_by) for c in levels if c] == [(65536, 1), (524288, 1), (2 << 20, 4)]


def test_a_board_for_batteries_has_helpers_sleep_at_once() -> None:
    zero = load("raspberry-pi-zero-2-w")
    assert zero.spin_us == 0 and zero.share_us >= 50 and load("raspberry-pi-4").spin_us == 50


@pytest.mark.parametrize("order", [1, -1])
def test_data_goes_through_no_instruction_cache(order: int) -> None:
    """Wherever the file names it."""
    caches = [
        Cache(level=1, kind="instruction", kib=48), Cache(level=1, kind="data", kib=32),
        Cache(level=2, kind="unified", kib=512), Cache(level=3, kind="instruction", kib=9999),
    ]  # fmt: skip
    cluster = Cluster(core="any", cpus=[0], caches=caches[::order])
    first, last = cluster.cache(1), cluster.last_cache
    assert first is not None and first.kib == 32 and cluster.cache(3) is None
    assert last is not None and (last.level, last.kib) == (2, 512)


def test_jetson_nano() -> None:
    nano = load("jetson-nano")
    assert nano.target == "cortex-a57" and nano.memory == 4 << 30 and nano.cores == 4
    assert [(c.level, c.kind, c.kib, c.shared_by) for c in nano.cluster.caches] == [
        (1, "data", 32, 1),
        (1, "instruction", 48, 1),
        (2, "unified", 2048, 4),
    ]


def test_this_computer() -> None:
    host = load()
    assert host == load("host") and host.name == host.target == "host"
    assert 1 <= host.threads <= usable_cpus() <= len(os.sched_getaffinity(0))
    assert host.page_bytes == mmap.PAGESIZE and host.memory
    assert {cpu for cluster in host.clusters for cpu in cluster.cpus} <= os.sched_getaffinity(0)


def test_big_little(tmp_path: Path) -> None:
    for cpu in range(4):
        make_cpu(tmp_path, cpu, capacity=446, midr=0x410FD034, khz=1_400_000)
    for cpu in (4, 5):
        make_cpu(tmp_path, cpu, capacity=1024, midr=0x410FD083, khz=1_800_000)
        make_cache(tmp_path, cpu, 0, 1, "Data", "32K", str(cpu))
        make_cache(tmp_path, cpu, 1, 1, "Instruction", "48K", str(cpu))
        make_cache(tmp_path, cpu, 2, 2, "Unified", "1M", "4-5")
    write(tmp_path, "proc/meminfo", "MemTotal:        3884000 kB\nMemFree: 1 kB\n")
    write(tmp_path, "proc/device-tree/model", "Radxa ROCK Pi 4\0")
    profile = detect(tmp_path, range(6))
    assert [(c.core, c.cpus, c.mhz) for c in profile.clusters] == [
        ("Cortex-A72", [4, 5], 1800),
        ("Cortex-A53", [0, 1, 2, 3], 1400),
    ]
    assert profile.threads == 2 and profile.cores == 6 and profile.title == "Radxa ROCK Pi 4"
    assert profile.memory_mib == 3884000 // 1024
    assert [(c.level, c.kind, c.kib, c.shared_by) for c in profile.cluster.caches] == [
        (1, "data", 32, 1),
        (1, "instruction", 48, 1),
        (2, "unified", 1024, 2),
    ]
    assert profile.clusters[1].caches == []


def test_hardware_threads_are_one_core(tmp_path: Path) -> None:
    for cpu in range(8):
        make_cpu(tmp_path, cpu, siblings=f"{cpu % 4},{cpu % 4 + 4}")
        make_cache(tmp_path, cpu, 3, 3, "Unified", "8192K", "0-7")
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n")
    profile = detect(tmp_path, range(8))
    assert profile.cluster.cpus == [0, 1, 2, 3] and profile.threads == 4
    assert profile.cluster.core == "Some CPU @ 2 GHz"
    cache = profile.cluster.cache(3)
    assert cache and cache.shared_by == 4
    assert detect(tmp_path, [1, 5, 6]).cluster.cpus == [1, 6]


def test_efficient_cores_of_x86_are_a_cluster_of_their_own(tmp_path: Path) -> None:
    for cpu in range(6):
        make_cpu(tmp_path, cpu, siblings=("0-1", "2-3")[cpu // 2] if cpu < 4 else "", khz=4_000_000 - 1000 * cpu)
    write(tmp_path, "sys/devices/cpu_core/cpus", "0-3\n")
    write(tmp_path, "sys/devices/cpu_atom/cpus", "4-5\n")
    assert [cluster.cpus for cluster in detect(tmp_path, range(6)).clusters] == [[0, 2], [4, 5]]


def test_the_affinity_mask_counts(tmp_path: Path) -> None:
    for cpu in range(4):
        make_cpu(tmp_path, cpu)
    profile = detect(tmp_path, [1, 3])
    assert profile.cluster.cpus == [1, 3] and profile.threads == 2
    assert usable_cpus(tmp_path, [3]) == 1


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    profile = detect(tmp_path, [0])
    assert profile.threads == 1 and profile.memory is None and profile.cluster.caches == []


@pytest.mark.parametrize(
    ("limit", "threads"), [("150000 100000", 1), ("200000 100000", 2), ("50000 100000", 1), ("max 100000", 4)]
)
def test_cpu_quota_of_control_groups_2(tmp_path: Path, limit: str, threads: int) -> None:
    write(tmp_path, "proc/self/cgroup", "0::/user.slice/app.scope\n")
    write(tmp_path, "sys/fs/cgroup/user.slice/app.scope/cpu.max", "max 100000\n")
    write(tmp_path, "sys/fs/cgroup/user.slice/cpu.max", limit + "\n")
    write(tmp_path, "sys/fs/cgroup/cpu.max", "900000 100000\n")
    for cpu in range(4):
        make_cpu(tmp_path, cpu)
    assert detect(tmp_path, range(4)).threads == threads


def test_control_groups_1(tmp_path: Path) -> None:
    write(tmp_path, "proc/self/cgroup", "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n")
    # In a container the group's own folder is the mount's root.
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000\n")
    write(tmp_path, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n")
    write(tmp_path, "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", f"{512 << 20}\n")
    write(tmp_path, "sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
    write(tmp_path, "proc/meminfo", "MemTotal: 8000000 kB\n")
    assert cpu_quota(tmp_path) == 2.5 and memory_limit(tmp_path) == 512 << 20
    assert usable_cpus(tmp_path, range(8)) == 2
    assert detect(tmp_path, range(8)).memory_mib == 512


@pytest.mark.parametrize("text", ["-1", "", "x", "0"])
def test_no_quota(tmp_path: Path, text: str) -> None:
    write(tmp_path, "proc/self/cgroup", "3:cpu:/../..\n3:cpu:/a\n0::/\n")
    write(tmp_path, "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", text)
    write(tmp_path, "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000")
    assert cpu_quota(tmp_path) is None


def test_cpu_lists() -> None:
    assert parse_cpu_list("0-2,5\n") == [0, 1, 2, 5] and parse_cpu_list("7") == [7] and parse_cpu_list("") == []


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "board.toml"
    path.write_text(MINIMAL)
    assert load(path) == load(str(path)) and load(path).threads == 2 and load(path).memory is None


BIG_LITTLE = """
extends = "raspberry-pi-5"
memory_mib = 16384

[thermal]
throttle_celsius = { value = 70, source = "in its closed case" }
"""


def test_a_profile_extends_another(tmp_path: Path) -> None:
    """Tables are merged, lists and numbers replaced."""
    path = tmp_path / "mine.toml"
    path.write_text(BIG_LITTLE)
    base, mine = load("raspberry-pi-5"), load(path)
    assert mine.memory_mib == 16384 and mine.clusters == base.clusters and mine.rails == base.rails
    assert mine.thermal and base.thermal and mine.thermal.throttle_celsius.value == 70
    assert mine.thermal.sustained_mhz == base.thermal.sustained_mhz
    path.write_text(BIG_LITTLE + '[[clusters]]\ncore = "any"\ncpus = [0, 1, 2, 3]\n')
    assert [cluster.core for cluster in load(path).clusters] == ["any"]


def test_profiles_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hide those that ship, which one of the same name may extend; "host" is one of them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "millijoule" / "profiles"
    folder.mkdir(parents=True)
    (folder / "raspberry-pi-5.toml").write_text(BIG_LITTLE)
    (folder / "kitchen.toml").write_text(MINIMAL.replace("board", "kitchen"))
    assert load("raspberry-pi-5").memory_mib == 16384 and load("kitchen").threads == 2
    assert "kitchen" in device_profiles.names() and device_profiles.names().count("raspberry-pi-5") == 1
    (folder / "host.toml").write_text('extends = "host"\nspin_us = 7\n')
    assert load().spin_us == 7 and load().clusters == detect().clusters and "host" not in device_profiles.names()
    (folder / "host.toml").write_text('extends = "host"\nspin_us = 7\nmeasured_on = "Zilog Z80"\n')
    with pytest.warns(RuntimeWarning, match="was measured on Zilog Z80"):
        assert load() == detect()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends = 3", "extends = 3 is no profile's name"),
        ('extends = "no-such-board"', r"mine.toml, extends = 'no-such-board': there is no device profile"),
        ('extends = "./mine.toml"', "extends itself"),
        ('extends = "jetson-nano"\nspeed = 3', "mine.toml is not a valid device profile.*speed"),
        ('extends = "jetson-nano"\nsystem_mib = 4096', "leaves nothing of memory_mib = 4096"),
        ('extends = "jetson-nano"\nspin_us = -1', "spin_us"),
        ('extends = "jetson-nano"\nmemory_gbps = { value = 3 }', "source"),
        ('extends = "jetson-nano"\nsoftmax_share = 0', "softmax_share"),
        ('extends = "jetson-nano"\nstrip_share = -1', "strip_share"),
    ],
)
def test_files_that_extend_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text)
    with pytest.raises(ProfileError, match=message):
        load("./mine.toml")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("raspberrypi,5-model-b\0brcm,bcm2712\0", "raspberry-pi-5"),
        ("raspberrypi,4-model-b\0brcm,bcm2711\0", "raspberry-pi-4"),
        ("raspberrypi,3-model-b-plus\0brcm,bcm2837\0", "raspberry-pi-3b-plus"),
        ("raspberrypi,model-zero-2-w\0brcm,bcm2837\0", "raspberry-pi-zero-2-w"),
        ("nvidia,p3449-0000-b00+p3448-0000-b00\0nvidia,jetson-nano\0nvidia,tegra210\0", "jetson-nano"),
        ("nvidia,p2771-0000\0nvidia,tegra186\0", "jetson-tx2"),
        ("nvidia,p3509-0000+p3668-0001\0nvidia,tegra194\0", "jetson-xavier-nx"),
        ("nvidia,p3768-0000+p3767-0005-super\0nvidia,tegra234\0", "jetson-orin-nano"),
        ("nvidia,p3737-0000+p3701-0000\0nvidia,p3701-0000\0nvidia,tegra234\0", "jetson-agx-orin"),
        ("nvidia,p4071-0000+p3834-0008\0nvidia,p3834-0008\0nvidia,tegra264\0", "jetson-thor"),
        ("radxa,rock-5b\0rockchip,rk3588\0", "rock-5b"),
        ("bananapi,bpi-f3\0spacemit,k1\0", "spacemit-k1"),
        ("pine64,pinephone\0allwinner,sun50i-a64\0", None),
    ],
)
def test_boards_by_their_device_tree(tmp_path: Path, said: str, name: str | None) -> None:
    write(tmp_path, "proc/device-tree/compatible", said)
    assert board(tmp_path) == name


@pytest.mark.parametrize(
    ("file", "said", "name"),
    [
        ("proc/cpuinfo", "Revision\t: c03115\nModel\t\t: Raspberry Pi 4 Model B Rev 1.5\n", "raspberry-pi-4"),
        ("proc/cpuinfo", "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n", "raspberry-pi-5"),
        ("proc/cpuinfo", "Model\t\t: Raspberry Pi 3 Model B Plus Rev 1.3\n", "raspberry-pi-3b-plus"),
        ("proc/cpuinfo", "Model\t\t: Raspberry Pi 3 Model B Rev 1.2\n", None),
        ("proc/cpuinfo", "Model\t\t: Raspberry Pi Zero 2 W Rev 1.0\n", "raspberry-pi-zero-2-w"),
        ("proc/cpuinfo", "hart\t: 0\nmodel name\t: Spacemit(R) X60\nuarch\t: spacemit,x60\n", "spacemit-k1"),
        ("sys/class/dmi/id/product_name", "NVIDIA Jetson AGX Orin Developer Kit\n", "jetson-agx-orin"),
        ("sys/class/dmi/id/product_name", "NVIDIA Jetson Orin Nano Developer Kit\n", "jetson-orin-nano"),
        ("sys/class/dmi/id/product_name", "NVIDIA Jetson AGX Thor Developer Kit\n", "jetson-thor"),
        ("sys/class/dmi/id/product_name", "ROCK 5B+\n", "rock-5b"),
    ],
)
def test_boards_where_there_is_no_device_tree(tmp_path: Path, file: str, said: str, name: str | None) -> None:
    """As in containers, and where firmware gives tables of ACPI in its place."""
    write(tmp_path, file, said)
    assert board(tmp_path) == name


def test_boards_by_their_cpu_and_by_what_their_maker_calls_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel\t\t: 190\nmodel name\t: Intel(R) N100\n")
    write(tmp_path, "sys/class/dmi/id/product_name", "Beelink S12\n")
    assert facts(tmp_path) == ["product:Beelink S12", "cpu:Intel(R) N100"] and board(tmp_path) == "intel-n100"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write(
        tmp_path,
        "millijoule/profiles/desk.toml",
        'extends = "intel-n100"\nname = "desk"\nmatch = ["product:Beelink*"]\n',
    )
    assert board(tmp_path) == "desk"
    assert board(tmp_path / "nothing") is None and facts(tmp_path / "nothing") == []


def test_rails() -> None:
    """The total is one rail where one feeds the whole board, else the sum; as labels alone would have it."""
    for name in device_profiles.names():
        rails = [rail for rail in load(name).rails if not rail.sensor.startswith("rapl")]
        if rails:
            chosen = choose_total([rail.label for rail in rails], rails[0].sensor, ())
            assert [rails[i] for i in chosen.indices] == load(name).total_rails
            assert {rail.sensor for rail in rails} <= {source.name for source in sources()}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("threads = 2", "threads = 5", "first cluster has 4 cores"),
        ("threads = 2", "threads = 0", r"threads"),
        ("threads = 2", "", "threads"),
        ("threads = 2", "threads = 2\nspeed = 3", "speed"),
        ("4096", "5000", "power of two"),
        ('"board"', '"Böard"', "name"),
        ("[0, 1, 2, 3]", "[0, 0]", "twice"),
        ("[0, 1, 2, 3]", "[]", "cpus"),
        ("[0, 1, 2, 3]", "[0, -1]", "cpus"),
        ("clusters = [", "clusters = [[", "valid"),
        ("[0, 1, 2, 3]", '[0, 1], caches = [{ level = 9, kind = "data", kib = 1 }]', "level"),
    ],
)
def test_files_that_are_no_profiles(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "board.toml"
    assert old in MINIMAL
    path.write_text(MINIMAL.replace(old, new))
    with pytest.raises(ProfileError, match=message) as caught:
        load(path)
    assert "board.toml" in str(caught.value)


def test_names_that_are_no_profiles(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"no device profile 'pi'; there are host, armv8\.0, .*raspberry-pi-5"):
        load("pi")
    with pytest.raises(ProfileError, match="did you mean raspberry-pi-5"):
        load("raspberry_pi_5")
    for missing in ("missing.toml", str(tmp_path / "missing"), tmp_path):
        with pytest.raises(ProfileError, match="cannot read device profile"):
            load(missing)
    (tmp_path / "huge.toml").write_text("#" * (2 << 20))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\0")
    for wrong in ("huge", "binary"):
        with pytest.raises(ProfileError, match=wrong):
            load(tmp_path / f"{wrong}.toml")


def test_cores_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which every load of a model would do anew."""
    first = detect()
    monkeypatch.setattr(import_module("millijoule.device_profiles.detect"), "_caches", None)
    assert detect().clusters == first.clusters
