//! No port twice, and none again while it rests.

use std::collections::BTreeSet;
use std::time::Instant;

use super::{PORT_REST, Ports};

#[test]
fn no_port_is_given_twice() {
    let (ports, now) = (Ports::default(), Instant::now());
    let given: BTreeSet<u16> = (0..200).map(|_| ports.take(now).expect("a port")).collect();
    assert_eq!(given.len(), 200);
}

#[test]
fn a_released_port_rests() {
    let (ports, now) = (Ports::default(), Instant::now());
    let port = ports.take(now).expect("a port");
    ports.release(port, now);
    assert!((0..200).all(|_| ports.take(now).expect("a port") != port));
    ports.take(now + PORT_REST).expect("a port");
    assert!(
        ports
            .taken
            .lock()
            .expect("lock")
            .get(&port)
            .is_none_or(Option::is_none)
    );
}
