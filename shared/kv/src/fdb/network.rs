//! The client's network thread, one per process.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use foundationdb::FdbError;
use foundationdb::api::{FdbApiBuilder, NetworkAutoStop};
use foundationdb::options::NetworkOption;

use crate::error::{Cause, Error};
use crate::sync::lock;

/// Version of the client's API that this engine uses.
const API_VERSION: i32 = 730;

/// Settings of the client, instead of 1 and 2 seconds. The client sends a ping on each connection every half second,
/// and gives the connection up if nothing arrives for a second.
///
/// A sandbox that was frozen for minutes may find that its connections are gone without a reset. Its first request then
/// waits this long, and a client of the API waits for it. A connection that is given up too early does no harm: the
/// client sends its requests on a new one, and commit markers resolve the outcome of its commits.
const KNOBS: [&str; 2] = ["connection_monitor_loop_time=0.5", "connection_monitor_timeout=1.0"];

enum Network {
    New,
    Running {
        /// Stops the thread when it is dropped.
        _handle: NetworkAutoStop,
    },
    Stopped,
}

static NETWORK: Mutex<Network> = Mutex::new(Network::New);
/// Whether the network was stopped. Every transaction reads this, so it is not behind the lock.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Starts the network thread, if it is not running.
pub(super) fn start() -> Result<(), Error> {
    let mut network = lock(&NETWORK);
    match *network {
        Network::Running { .. } => return Ok(()),
        Network::Stopped => return Err(stopped()),
        Network::New => {}
    }
    let builder = FdbApiBuilder::default().set_runtime_version(API_VERSION).build();
    let builder = builder.map_err(|error| Error::Engine {
        why: format!("the FoundationDB client library does not offer API version {API_VERSION}: {error}"),
    })?;
    let builder = KNOBS.into_iter().try_fold(builder, |builder, knob| {
        builder.set_option(NetworkOption::Knob(knob.to_owned()))
    });
    let builder = builder.map_err(could_not_start)?;
    // SAFETY: the handle must be dropped before the process exits. `stop` does that, and `shutdown` requires every
    // program to call it. An exit hook of the C library cannot: the client's statics are destroyed before such a hook
    // runs.
    #[expect(
        unsafe_code,
        reason = "the binding cannot check that the network is stopped before the process exits"
    )]
    let running = unsafe { builder.boot() };
    let running = running.map_err(could_not_start)?;
    *network = Network::Running { _handle: running };
    Ok(())
}

fn could_not_start(error: FdbError) -> Error {
    Error::Engine {
        why: format!("the FoundationDB client could not be started: {error}"),
    }
}

/// Stops the network thread. Transactions begun later fail; a second call has no effect.
pub(crate) fn stop() {
    let network = &mut *lock(&NETWORK);
    if matches!(network, Network::Running { .. }) {
        STOPPED.store(true, Relaxed);
        *network = Network::Stopped;
    }
}

/// Fails if the network was stopped.
pub(super) fn check() -> Result<(), Error> {
    if STOPPED.load(Relaxed) { Err(stopped()) } else { Ok(()) }
}

fn stopped() -> Error {
    Error::Unavailable {
        cause: Cause::Engine {
            why: "the FoundationDB client of this process was stopped".to_owned(),
        },
    }
}
