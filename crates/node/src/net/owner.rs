//! One Neargate per network namespace: whoever listens on the abstract socket `\0neargate-host`
//! owns the task network. The kernel frees the name with the process, however it ends; and the
//! name is scoped by network namespace, as the task network is (unix(7), network_namespaces(7)).

use super::error::NetworkError;
use neargate_base::time::Stopwatch;
use rustix::net::sockopt::socket_peercred;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

const NAME: &str = "neargate-host";

/// Holds the name while it lives.
#[derive(Debug)]
pub(super) struct Owner {
    _listener: UnixListener,
}

/// A child that its owner had just forked holds the name until it executes its program.
const LINGER: Duration = Duration::from_secs(2);

impl Owner {
    pub(super) fn claim() -> Result<Owner, NetworkError> {
        let waiting = Stopwatch::start();
        loop {
            match Self::try_claim() {
                Err(NetworkError::Owned { pid })
                    if pid.is_none_or(is_lingering) && waiting.elapsed() < LINGER =>
                {
                    std::thread::sleep(Duration::from_millis(5));
                }
                claimed => return claimed,
            }
        }
    }

    fn try_claim() -> Result<Owner, NetworkError> {
        let address = SocketAddr::from_abstract_name(NAME).map_err(NetworkError::Lock)?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Owner {
                _listener: listener,
            }),
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                // The credentials of a connection's peer are those of who called listen.
                let peer = UnixStream::connect_addr(&address).and_then(|s| Ok(socket_peercred(s)?));
                Err(NetworkError::Owned {
                    pid: peer.ok().map(|c| c.pid.as_raw_nonzero().get()),
                })
            }
            Err(e) => Err(NetworkError::Lock(e)),
        }
    }
}

/// The owner is gone, or is this process, which would know of a network it still holds.
fn is_lingering(pid: i32) -> bool {
    std::process::id().cast_signed() == pid
        || !std::path::Path::new("/proc").join(pid.to_string()).exists()
}
