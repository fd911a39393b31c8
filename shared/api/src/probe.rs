//! The health check of a running server, for container engines whose images contain no other program to make a request
//! with.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{Config, ConfigError};
use crate::router::PREFIXES;

/// The limit for each step: connecting, sending and receiving.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);

/// Succeeds if a server with this configuration responds to `/health` on this machine; prints the reason if not.
pub fn probe() -> ExitCode {
    match check() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("no response from {0}: {1}")]
    NoResponse(SocketAddr, io::Error),
    #[error("the server on {0} is not healthy: {1}")]
    Failure(SocketAddr, String),
}

fn check() -> Result<(), Unhealthy> {
    let address = local_address(Config::address_from_env()?);
    let start = read_status(address).map_err(|error| Unhealthy::NoResponse(address, error))?;
    if start.starts_with("HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(Unhealthy::Failure(address, start))
    }
}

/// The address under which this machine reaches a server that listens on `address`.
fn local_address(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}

/// The start of the response to `/health`: HTTP version and status.
fn read_status(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, STEP_TIMEOUT)?;
    stream.set_read_timeout(Some(STEP_TIMEOUT))?;
    stream.set_write_timeout(Some(STEP_TIMEOUT))?;
    let path = format!("{}/health", PREFIXES[0]);
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    // The reason phrase after the status is optional, so only the part before it has a known length.
    let mut start = [0; "HTTP/1.1 200 ".len()];
    stream.read_exact(&mut start)?;
    Ok(String::from_utf8_lossy(&start).into_owned())
}
