//! Exact where it says so, close where it estimates, the same however it is merged.

use std::net::{IpAddr, Ipv4Addr};

use super::Clients;

fn clients(range: std::ops::Range<u32>) -> Clients {
    let mut clients = Clients::default();
    for number in range {
        clients.insert(IpAddr::V4(Ipv4Addr::from(number)));
    }
    clients
}

#[test]
fn few_clients_are_counted_exactly() {
    let mut all = clients(0..3000);
    all.merge(&clients(2000..4000));
    assert_eq!(all.count(), 4000);
}

#[test]
fn many_clients_are_estimated() {
    let mut all = clients(0..60_000);
    all.merge(&clients(40_000..100_000));
    assert!((90_000..110_000).contains(&all.count()), "{}", all.count());
}
