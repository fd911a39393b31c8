//! How requests arrive, and the settings that only a server has.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::variables::{ConfigError, DAY_SECONDS, Variables};

/// The host that a server listens on unless it is configured: only programs on the same machine reach it.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How requests arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// From the Lambda Runtime API.
    Lambda,
    /// As HTTP on this address; port 0 stands for any free port.
    Server(SocketAddr),
}

/// Lambda and `cargo lambda` set `AWS_LAMBDA_RUNTIME_API`; without it the process is a server.
pub(super) fn mode(vars: &Variables<'_>) -> Result<Mode, ConfigError> {
    if vars.text("AWS_LAMBDA_RUNTIME_API")?.is_some() {
        Ok(Mode::Lambda)
    } else {
        address(vars).map(Mode::Server)
    }
}

/// The address that a server listens on.
pub(super) fn address(vars: &Variables<'_>) -> Result<SocketAddr, ConfigError> {
    let host: Option<IpAddr> = vars.parsed("HOST", "an IP address")?;
    let port = vars.parsed("PORT", "a port number")?.unwrap_or(8080);
    Ok((host.unwrap_or(LOOPBACK), port).into())
}

/// The address of the metrics endpoint. It does not follow `HOST`, because clients of the API must not see the metrics.
pub(super) fn metrics(vars: &Variables<'_>, mode: Mode) -> Result<Option<SocketAddr>, ConfigError> {
    if mode == Mode::Lambda {
        return Ok(None);
    }
    let host: Option<IpAddr> = vars.parsed("METRICS_HOST", "an IP address")?;
    let port: Option<u16> = vars.parsed("METRICS_PORT", "a port number")?;
    Ok(port.map(|port| SocketAddr::new(host.unwrap_or(LOOPBACK), port)))
}

/// The configured limits of a server's connections; without one, the server derives it from its limit of open files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// `MAX_CONNECTIONS`.
    pub total: Option<usize>,
    /// `MAX_CONNECTIONS_PER_PEER`.
    pub per_peer: Option<usize>,
    /// `MAX_REQUESTS_PER_CLIENT`.
    pub requests_per_client: Option<usize>,
}

/// The time limits of a server's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `IDLE_TIMEOUT_SECONDS`: for the next request, until its head is complete.
    pub idle: Duration,
    /// `WRITE_TIMEOUT_SECONDS`: for every 64 KiB of a response.
    pub write: Duration,
}

pub(super) fn connections(vars: &Variables<'_>) -> Result<Connections, ConfigError> {
    const RANGE: RangeInclusive<usize> = 1..=1_000_000;
    Ok(Connections {
        total: vars.number("MAX_CONNECTIONS", RANGE)?,
        per_peer: vars.number("MAX_CONNECTIONS_PER_PEER", RANGE)?,
        requests_per_client: vars.number("MAX_REQUESTS_PER_CLIENT", RANGE)?,
    })
}

pub(super) fn timeouts(vars: &Variables<'_>) -> Result<Timeouts, ConfigError> {
    let seconds = |variable| {
        let seconds = vars.number(variable, 1..=3600)?.unwrap_or(30);
        Ok(Duration::from_secs(seconds))
    };
    Ok(Timeouts {
        idle: seconds("IDLE_TIMEOUT_SECONDS")?,
        write: seconds("WRITE_TIMEOUT_SECONDS")?,
    })
}

pub(super) fn trusted_proxies(vars: &Variables<'_>) -> Result<usize, ConfigError> {
    Ok(vars.number("TRUSTED_PROXIES", 0..=16)?.unwrap_or(0))
}

/// `None` for 0, which switches sweeping off.
pub(super) fn sweep_interval(vars: &Variables<'_>) -> Result<Option<Duration>, ConfigError> {
    let seconds = vars.number("SWEEP_SECONDS", 0..=DAY_SECONDS)?.unwrap_or(60);
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_sweeps_every_minute_by_default() {
        let interval = |pairs: &[_]| sweep_interval(&Variables::of(pairs)).unwrap();
        assert_eq!(interval(&[]), Some(Duration::from_secs(60)));
        assert_eq!(interval(&[("SWEEP_SECONDS", "3")]), Some(Duration::from_secs(3)));
        assert_eq!(interval(&[("SWEEP_SECONDS", "0")]), None);
    }

    #[test]
    fn metrics_are_served_on_a_host_of_their_own_if_their_port_is_set() {
        let metrics = |pairs: &[_]| {
            let vars = Variables::of(pairs);
            metrics(&vars, mode(&vars).unwrap()).unwrap()
        };
        assert_eq!(metrics(&[]), None);
        assert_eq!(metrics(&[("METRICS_PORT", "")]), None);
        let port = ("METRICS_PORT", "9090");
        assert_eq!(metrics(&[port]), Some(([127, 0, 0, 1], 9090).into()));
        assert_eq!(
            metrics(&[port, ("HOST", "0.0.0.0")]),
            Some(([127, 0, 0, 1], 9090).into())
        );
        let host = ("METRICS_HOST", "10.0.0.7");
        assert_eq!(metrics(&[port, host]), Some(([10, 0, 0, 7], 9090).into()));
        assert_eq!(metrics(&[host]), None);
        let lambda = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1");
        assert_eq!(metrics(&[port, lambda]), None, "Lambda has no ports");
    }
}
