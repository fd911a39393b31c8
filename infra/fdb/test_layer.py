"""The script that fetches FoundationDB's client, from releases on this machine."""

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
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        super().do_GET()

    def log_message(self, *_):
        pass


class Layer(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        self.release(b"the client of one version", "7.3.1")
        Releases.asked = 0
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Releases, directory=self.home / "releases"))
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.url = f"http://127.0.0.1:{server.server_port}"

    def release(self, content, version):
        (self.home / "releases" / version).mkdir(parents=True)
        lines = ["# made by a test"]
        for arch, file in FILES.items():
            (self.home / "releases" / version / file).write_bytes(content + arch.encode())
            lines.append(f"{hashlib.sha256(content + arch.encode()).hexdigest()}  {version}/{file}")
        (self.home / "list").write_text("\n".join(lines) + "\n")

    def fetch(self, arch, **environment):
        kept = {key: value for key, value in os.environ.items() if key != "ARTIFACTS_DIR" and not key.lower().endswith("_proxy")}
        places = {"FDB_RELEASES": self.url, "FDB_CLIENT_SHA256": str(self.home / "list"), "CARGO_TARGET_DIR": str(self.home / "target")}
        done = subprocess.run(
            ["sh", str(ROOT / "infra/fdb/layer.sh"), arch], env={**kept, **places, **environment}, capture_output=True, text=True
        )
        self.said = done.stdout + done.stderr
        return done.returncode

    def files(self):
        return sorted(str(path.relative_to(self.home / "target")) for path in (self.home / "target").rglob("*") if path.is_file())

    def test_each_architecture_gets_its_own_library_where_the_loader_looks(self):
        for arch in FILES:
            self.assertEqual(self.fetch(arch), 0, self.said)
            self.assertEqual((self.home / f"target/layer/{arch}/lib/libfdb_c.so").read_bytes(), b"the client of one version" + arch.encode())
            self.assertIn("FoundationDB 7.3.1", self.said)
        self.assertEqual(self.files(), ["layer/arm64/lib/libfdb_c.so", "layer/x86_64/lib/libfdb_c.so"])

    def test_what_does_not_match_is_refused_and_not_kept(self):
        (self.home / "releases/7.3.1" / FILES["arm64"]).write_bytes(b"something else")
        self.assertNotEqual(self.fetch("arm64"), 0)
        self.assertIn(hashlib.sha256(b"something else").hexdigest(), self.said)
        self.assertEqual(self.files(), [])

    def test_a_release_that_does_not_answer_leaves_nothing(self):
        (self.home / "releases/7.3.1" / FILES["arm64"]).unlink()
        self.assertNotEqual(self.fetch("arm64"), 0)
        self.assertNotIn("checksum", self.said)
        self.assertEqual(self.files(), [])

    def test_what_is_there_is_not_fetched_again_and_another_version_is(self):
        for _ in range(2):
            self.assertEqual(self.fetch("arm64"), 0, self.said)
        self.assertEqual(Releases.asked, 1)
        self.release(b"the client of the next", "7.3.2")
        self.assertEqual(self.fetch("arm64"), 0, self.said)
        self.assertEqual((self.home / "target/layer/arm64/lib/libfdb_c.so").read_bytes(), b"the client of the nextarm64")

    def test_an_old_one_is_gone_when_the_new_one_can_not_be_had(self):
        self.assertEqual(self.fetch("arm64"), 0, self.said)
        self.release(b"the client of the next", "7.3.2")
        self.assertNotEqual(self.fetch("arm64", FDB_RELEASES=f"{self.url}/nowhere"), 0)
        self.assertEqual(self.files(), [])

    def test_sam_gets_a_copy(self):
        self.assertEqual(self.fetch("x86_64", ARTIFACTS_DIR=str(self.home / "artifacts")), 0, self.said)
        self.assertTrue((self.home / "artifacts/lib/libfdb_c.so").is_file())

    def test_an_architecture_that_lambda_has_not_and_a_list_without_it_are_refused(self):
        self.assertNotEqual(self.fetch("riscv64"), 0)
        (self.home / "list").write_text("nothing\n")
        self.assertNotEqual(self.fetch("arm64"), 0)
        self.assertIn("no checksum", self.said)
        self.assertEqual(Releases.asked, 0)

    def test_the_committed_list_has_both_of_one_version(self):
        lines = [line for line in (ROOT / "infra/fdb/client.sha256").read_text().splitlines() if not line.startswith("#")]
        versions = {line.split("  ")[1].split("/")[0] for line in lines}
        self.assertEqual((sorted(line.split("/")[1] for line in lines), len(versions)), (sorted(FILES.values()), 1))


if __name__ == "__main__":
    unittest.main()
