"""A real Kafka broker on loopback, one node in KRaft mode, with a small producer and a small consumer.

    kafka = KafkaBroker(Path("/tmp/kafka"))
    kafka.start()                        # some seconds; the first time Maven fetches the broker into the cache
    kafka.description()                  # bootstrap, topic, group, pid files
    kafka.stop()

It needs a Java 17 and, once, Maven (Debian: apt-get install openjdk-17-jre-headless maven).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

from chaoslab.core.errors import Missing
from chaoslab.kafka.broker import group_lag, is_reachable
from chaoslab.lab import parts
from chaoslab.lab.databases import LabFailed
from chaoslab.lab.description import module
from chaoslab.lab.home import Home
from chaoslab.lab.parts import Part
from chaoslab.lab.pidfile import write_pid
from chaoslab.postgres.programs.commands import PostgresFailed, run

VERSION = "3.9.1"
TOPIC = "appointments"
GROUP = "notifications"
PARTITIONS = 3
RATE_HZ = 50.0
READY_S = 120.0
FETCH_S = 600.0
FORMAT_S = 60.0
_HEAP = "-Xmx256m"
_CLIENTS = ("consumer", "producer")
_POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>chaoslab</groupId><artifactId>kafka-lab</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""
_CONFIGURATION = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
num.partitions={partitions}
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
log.segment.bytes=16777216
log.retention.bytes=67108864
"""


class KafkaBroker:
    """A handle on the broker in a folder. It survives the process that started it, and is stopped by pid."""

    def __init__(self, folder: Path) -> None:
        """Take its folder, which is its own."""
        self._home = Home(folder)

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self._home.path

    @property
    def bootstrap(self) -> str:
        """Where clients begin: `127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._home.read('ports.json')['kafka']}"

    def description(self) -> dict[str, Any]:
        """Return what exercises want to know of it."""
        return {
            "bootstrap": self.bootstrap,
            "topic": TOPIC,
            "group": GROUP,
            "pid_file": str(self._home.pid_file("broker")),
            "consumer_pid_file": str(self._home.pid_file("consumer")),
            "producer_pid_file": str(self._home.pid_file("producer")),
            "log": str(self._home.log("broker")),
        }

    def start(self) -> None:
        """See to the broker, its producer and its consumer, and wait until messages arrive.

        Raises:
            Missing: Java, or Maven for the first time, or the client's package is not installed.
            LabFailed: some part does not come up.
        """
        if shutil.which("java") is None:
            raise Missing("java", "install a Java 17 (Debian: apt-get install openjdk-17-jre-headless)")
        jars = fetched_jars()
        self._home.make()
        self.start_broker(jars)
        for name in _CLIENTS:
            words = ["--bootstrap", self.bootstrap, "--topic", TOPIC, "--group", GROUP, "--rate", str(RATE_HZ)]
            part = Part(name, module("lab.kafka_clients", name, *words))
            parts.ensure(self._home, part, lambda: True)
            self._note_pid(name)
        if not parts.becomes(self._is_at_work, READY_S):
            raise LabFailed(f"the lab's consumer of {TOPIC} does not keep up; see {self._home.log('consumer')}")

    def start_broker(self, jars: Path | None = None) -> None:
        """See to the broker alone; its data are kept.

        Raises:
            LabFailed: it does not come up.
        """
        places = {
            name: self._home.port(name, in_use=parts.running(self._home, "broker") is not None)
            for name in ("kafka", "controller")
        }
        text = _CONFIGURATION.format(
            folder=self.folder, port=places["kafka"], controller=places["controller"], partitions=PARTITIONS
        )
        java = ("java", _HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{jars or fetched_jars()}/*")
        file = self.folder / "server.properties"
        if not (self.folder / "data" / "meta.properties").exists():
            file.write_text(text)
            self._format(java, file)
        part = Part("broker", (*java, "kafka.Kafka", str(file)), files={file.name: text})
        parts.ensure(self._home, part, lambda: is_reachable(self.bootstrap, timeout_s=2.0), patience_s=READY_S)
        self._note_pid("broker")

    def stop(self) -> None:
        """Stop everything. Harmless when it does not run."""
        for name in (*_CLIENTS, "broker"):
            parts.stop(self._home, name)
            self._home.pid_file(name).unlink(missing_ok=True)

    def remove(self) -> None:
        """Stop everything and remove the folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def problems(self) -> list[str]:
        """Return which of its parts do not run."""
        return [f"Kafka's {name} does not run" for name in ("broker", *_CLIENTS) if not parts.running(self._home, name)]

    def _is_at_work(self) -> bool:
        try:
            lags = group_lag(self.bootstrap, GROUP, TOPIC)
        except Exception:
            return False
        return bool(lags) and sum(lags.values()) < RATE_HZ

    def _format(self, java: tuple[str, ...], file: Path) -> None:
        identity = urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        try:
            run(
                [*java, "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", identity, "-c", file],
                deadline_s=FORMAT_S,
            )
        except PostgresFailed as failed:
            raise LabFailed(f"the broker's folder cannot be made: {failed}") from failed

    def _note_pid(self, name: str) -> None:
        identity = parts.running(self._home, name)
        if identity is not None:
            write_pid(self._home.pid_file(name), identity.pid)


def fetched_jars() -> Path:
    """Return the folder of the broker's jars in the cache; the first time, Maven fetches them.

    Raises:
        Missing: they are not there, and Maven is not installed.
        LabFailed: Maven does not bring them.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chaoslab"
    jars = cache / f"kafka-{VERSION}"
    if jars.exists():
        return jars
    if shutil.which("mvn") is None:
        raise Missing("mvn", "install Maven, which fetches the broker once (Debian: apt-get install maven)")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="kafka-") as folder:
        (Path(folder) / "pom.xml").write_text(_POM)
        new = Path(folder) / "jars"
        log = Path(folder) / "log"
        words = ["mvn", "-q", "-B", "-l", f"{log}", "-f", f"{folder}/pom.xml", "dependency:copy-dependencies"]
        environment = {name: os.environ[name] for name in ("HOME", "PATH", "JAVA_HOME") if name in os.environ}
        try:
            run([*words, f"-DoutputDirectory={new}"], deadline_s=FETCH_S, environment=environment)
        except PostgresFailed as failed:
            raise LabFailed(f"Maven does not bring Kafka {VERSION}: {_first_error(log) or failed}") from failed
        if not jars.exists():  # somebody else may have been quicker
            new.rename(jars)
    return jars


def _first_error(log: Path) -> str:
    """Return what Maven says is wrong; what follows is how to ask Maven for more."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return next((line.partition("[ERROR]")[2].strip()[:300] for line in text.splitlines() if "[ERROR]" in line), "")
