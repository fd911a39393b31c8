//! A function on a cluster with TLS: the certificate, its key and the authority come as text in the environment, as on
//! Lambda.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use testkit::{Authority, Code, Credentials, Process, RuntimeApi, Target as _, TestStore, build_functions};

use crate::function_processes::SAMPLE;

/// A cluster of one process that accepts only clients with a certificate of its authority.
struct TlsCluster {
    authority: Authority,
    store: TestStore,
    address: String,
    process: Child,
}

impl TlsCluster {
    fn start() -> Self {
        let store = TestStore::lmdb();
        let authority = Authority::new();
        let Credentials { certificate, key } = authority.issue("server");
        for (name, text) in [("cert", &*certificate), ("key", &*key), ("ca", authority.certificate())] {
            fs::write(store.folder().join(name), text).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}:tls");
        fs::write(store.folder().join("fdb.cluster"), format!("test:test@{address}")).unwrap();
        let process = Self::program("fdbserver", &store)
            .args(["--public-address", &address, "--listen-address", "public"])
            .args(["--memory", "2GiB", "--cache-memory", "100MiB"])
            .arg("--datadir")
            .arg(store.folder().join("data"))
            .arg("--logdir")
            .arg(store.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("fdbserver must be on the PATH for this test: {error}"));
        let configured = Self::program("fdbcli", &store)
            .args(["--timeout", "60", "--exec", "configure new single memory"])
            .output()
            .unwrap_or_else(|error| panic!("fdbcli must be on the PATH for this test: {error}"));
        let output = String::from_utf8_lossy(&configured.stdout);
        assert!(output.contains("Database created"), "{output}");
        Self {
            authority,
            store,
            address,
            process,
        }
    }

    /// One of FoundationDB's programs, with the cluster file and the server's certificate.
    fn program(name: &str, store: &TestStore) -> Command {
        let mut command = Command::new(name);
        for (option, file) in [
            ("--cluster-file", "fdb.cluster"),
            ("--tls-certificate-file", "cert"),
            ("--tls-key-file", "key"),
            ("--tls-ca-file", "ca"),
        ] {
            command.arg(option).arg(store.folder().join(file));
        }
        command
    }

    /// Starts the function `health` with this certificate.
    async fn health(&self, Credentials { certificate, key }: &Credentials, verify_peers: &str) -> RuntimeApi {
        let mut command = Process::command(build_functions().await.join("health"));
        command
            .env("STORE", "fdb")
            .env("TMPDIR", self.store.folder())
            .env("FDB_CLUSTER", format!("test:test@{}", self.address))
            .env("FDB_NETWORK_OPTION_TLS_CERT_BYTES", certificate)
            .env("FDB_NETWORK_OPTION_TLS_KEY_BYTES", key)
            .env("FDB_NETWORK_OPTION_TLS_CA_BYTES", self.authority.certificate())
            .env("FDB_TLS_VERIFY_PEERS", verify_peers);
        RuntimeApi::start(command).await
    }
}

impl Drop for TlsCluster {
    fn drop(&mut self) {
        // Fails if the process has ended, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_function_uses_a_cluster_with_tls_and_the_certificate_from_its_environment() {
    let cluster = TlsCluster::start();
    let credentials = cluster.authority.issue("client");
    let function = cluster.health(&credentials, "Check.Valid=1,S.CN=server").await;
    function.behind(SAMPLE).get("/v5/ready").send().await.ok();
    function.stop().await;
}

#[tokio::test]
async fn the_cluster_rejects_other_certificates_and_a_function_rejects_other_servers() {
    let cluster = TlsCluster::start();
    let (own, foreign) = (cluster.authority.issue("client"), Authority::new().issue("client"));
    for (credentials, verify_peers) in [
        (foreign, "Check.Valid=1,S.CN=server"),
        (own, "Check.Valid=1,S.CN=another"),
    ] {
        let function = cluster.health(&credentials, verify_peers).await;
        let response = function.behind(SAMPLE).get("/v5/ready").send().await;
        response.assert_problem(503, Code::StoreUnavailable);
        function.stop().await;
    }
}
