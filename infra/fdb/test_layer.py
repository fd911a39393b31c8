"""layer.sh, which fetches FoundationDB's client, against a local server of releases."""

import functools
import hashlib
import http.server
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = {"arm64": "libfdb_c.aarch64.so", "x86_64": "libfdb_c.x86_64.so"}


class Releases(http.server.SimpleHTTPRequestHandler):
    requests = 0

    def do_GET(self):
        type(self).requests += 1
        super().do_GET()

    def log_message(self, *_):
        pass


class Layer(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        self.release(b"the client of one version", "7.3.1")
        Releases.requests = 0
        handler = functools.partial(Releases, directory=self.home / "releases")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def release(self, content, version):
        (self.home / "releases" / version).mkdir(parents=True)
        lines = ["# written by a test"]
        for arch, file in FILES.items():
            (self.home / "releases" / version / file).write_bytes(content + arch.encode())
            lines.append(f"{hashlib.sha256(content + arch.encode()).hexdigest()}  {version}/{file}")
        (self.home / "list").write_text("\n".join(lines) + "\n")

    def fetch(self, arch, **environment):
        kept = {
            key: value
            for key, value in os.environ.items()
            if key != "ARTIFACTS_DIR" and not key.lower().endswith("_proxy")
        }
        own = {
            "FDB_RELEASES": self.url,
            "FDB_CLIENT_SHA256": str(self.home / "list"),
            "CARGO_TARGET_DIR": str(self.home / "target"),
        }
        done = subprocess.run(
            ["sh", str(ROOT / "infra/fdb/layer.sh"), arch],
            env={**kept, **own, **environment},
            capture_output=True,
            text=True,
        )
        self.output = done.stdout + done.stderr
        return done.returncode

    def files(self):
        target = self.home / "target"
        return sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())

    def library(self, arch):
        return (self.home / f"target/layer/{arch}/lib/libfdb_c.so").read_bytes()

    def test_each_architecture_gets_its_own_library_in_the_loaders_folder(self):
        for arch in FILES:
            self.assertEqual(self.fetch(arch), 0, self.output)
            self.assertEqual(self.library(arch), b"the client of one version" + arch.encode())
            self.assertIn("FoundationDB 7.3.1", self.output)
        self.assertEqual(self.files(), ["layer/arm64/lib/libfdb_c.so", "layer/x86_64/lib/libfdb_c.so"])

    def test_a_wrong_checksum_is_rejected_and_the_file_deleted(self):
        (self.home / "releases/7.3.1" / FILES["arm64"]).write_bytes(b"something else")
        self.assertNotEqual(self.fetch("arm64"), 0)
        self.assertIn(hashlib.sha256(b"something else").hexdigest(), self.output)
        self.assertEqual(self.files(), [])

    def test_a_failed_download_leaves_no_file(self):
        (self.home / "releases/7.3.1" / FILES["arm64"]).unlink()
        self.assertNotEqual(self.fetch("arm64"), 0)
        self.assertNotIn("checksum", self.output)
        self.assertEqual(self.files(), [])

    def test_the_same_version_is_fetched_once_and_another_version_replaces_it(self):
        for _ in range(2):
            self.assertEqual(self.fetch("arm64"), 0, self.output)
        self.assertEqual(Releases.requests, 1)
        self.release(b"the client of the next", "7.3.2")
        self.assertEqual(self.fetch("arm64"), 0, self.output)
        self.assertEqual(self.library("arm64"), b"the client of the nextarm64")

    def test_the_old_version_is_deleted_if_the_new_one_is_not_available(self):
        self.assertEqual(self.fetch("arm64"), 0, self.output)
        self.release(b"the client of the next", "7.3.2")
        self.assertNotEqual(self.fetch("arm64", FDB_RELEASES=f"{self.url}/nowhere"), 0)
        self.assertEqual(self.files(), [])

    def test_artifacts_dir_receives_a_copy(self):
        self.assertEqual(self.fetch("x86_64", ARTIFACTS_DIR=str(self.home / "artifacts")), 0, self.output)
        self.assertTrue((self.home / "artifacts/lib/libfdb_c.so").is_file())

    def test_rejects_an_unknown_architecture_and_a_list_without_a_checksum(self):
        self.assertNotEqual(self.fetch("riscv64"), 0)
        (self.home / "list").write_text("nothing\n")
        self.assertNotEqual(self.fetch("arm64"), 0)
        self.assertIn("no checksum", self.output)
        self.assertEqual(Releases.requests, 0)

    def test_the_committed_list_has_both_libraries_of_one_version(self):
        text = (ROOT / "infra/fdb/client.sha256").read_text()
        paths = [line.split("  ")[1].split("/") for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(sorted(file for _, file in paths), sorted(FILES.values()))
        self.assertEqual(len({version for version, _ in paths}), 1)


if __name__ == "__main__":
    unittest.main()
