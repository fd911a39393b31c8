//! Asking a server of ours how it is, from beside it: for container engines, whose images have no program that could.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{Config, ConfigError};
use crate::router::PREFIXES;

/// For each step: to be connected to, to be heard, to be answered.
const PATIENCE: Duration = Duration::from_secs(2);

/// Succeeds if a server with this configuration answers `/health` on this machine; says why if it does not.
pub fn probe() -> ExitCode {
    match ask() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Unwell {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("nobody answers on {0}: {1}")]
    Silent(SocketAddr, io::Error),
    #[error("what answers on {0} is not well: {1}")]
    Answered(SocketAddr, String),
}

fn ask() -> Result<(), Unwell> {
    let address = reachable(Config::address_from_env()?);
    let begin = status_line(address).map_err(|error| Unwell::Silent(address, error))?;
    if begin.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(Unwell::Answered(address, begin))
    }
}

/// Where a server that listens on `address` can be reached from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

fn status_line(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let path = format!("{}/health", PREFIXES[0]);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    // Its length is known up to the reason phrase, which nobody has to send.
    let mut begin = [0; "HTTP/1.1 200 ".len()];
    stream.read_exact(&mut begin)?;
    Ok(String::from_utf8_lossy(&begin).into_owned())
}
