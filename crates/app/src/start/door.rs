//! The listener's door, which is shut before the listener is closed.
//!
//! The system lets connections in before they are accepted, and cuts those when their listener is
//! closed: a caller who had just got in would lose a request that nobody has seen. So first no
//! further connection is let in, and when those inside have been served the listener is closed.

use std::io;
use std::net::TcpListener;

/// The door of a listener.
pub(super) struct Door(TcpListener);

impl Door {
    pub(super) fn of(listener: &TcpListener) -> io::Result<Self> {
        listener.try_clone().map(Self)
    }

    /// Lets no further connection in. Who knocks tries again until the listener is closed, and is
    /// then refused, which tells a load balancer to ask another process.
    #[cfg(target_os = "linux")]
    pub(super) fn shut(&self) {
        use socket2::{SockFilter, SockRef};

        // A filter of the packets that reach the listener, each from its TCP header on.
        let no_new_connections = [
            SockFilter::new(0x30, 0, 0, 13),        // load byte 13: the flags
            SockFilter::new(0x54, 0, 0, SYN | ACK), // keep these two
            SockFilter::new(0x15, 0, 1, SYN),       // a SYN alone opens a connection:
            SockFilter::new(0x06, 0, 0, 0),         // drop it
            SockFilter::new(0x06, 0, 0, u32::MAX),  // else take the packet whole
        ];
        if let Err(error) = SockRef::from(&self.0).attach_filter(&no_new_connections) {
            tracing::warn!(%error, "connections that come in now may be cut");
        }
    }

    /// Elsewhere it stays open.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn shut(&self) {}
}

#[cfg(target_os = "linux")]
const SYN: u32 = 0x02;
#[cfg(target_os = "linux")]
const ACK: u32 = 0x10;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_is_in_is_served_and_who_knocks_is_refused_in_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let door = Door::of(&listener).unwrap();
        let mut inside = TcpStream::connect(address).unwrap();
        door.shut();
        let soon = Duration::from_millis(50);
        let knocked = TcpStream::connect_timeout(&address, soon).unwrap_err();
        assert_eq!(knocked.kind(), io::ErrorKind::TimedOut);
        let knocking = std::thread::spawn(move || TcpStream::connect(address));
        let (mut accepted, _) = listener.accept().unwrap();
        inside.write_all(b"question").unwrap();
        let mut heard = [0; 8];
        accepted.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"question");
        drop((door, listener));
        let refused = knocking.join().unwrap().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }
}
