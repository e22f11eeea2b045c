//! Which certificate answers.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::testing::Authority;
use super::{Crypto, Domain, Policy, Served, Table};

struct World {
    one: Arc<Served>,
    two: Arc<Served>,
    default: Arc<Served>,
}

impl World {
    fn new() -> Self {
        let (authority, crypto) = (Authority::new(), Crypto::new().unwrap());
        let served = |host: &str| {
            let issued = authority.issue(&[host]);
            crypto
                .serve(issued.certificate.as_bytes(), issued.key.as_bytes())
                .unwrap()
        };
        Self {
            one: served("one.example"),
            two: served("two.example"),
            default: served("default.example"),
        }
    }

    fn table(&self, hosts: &[(&str, &Arc<Served>)], default: Option<&Arc<Served>>) -> Table {
        let domain = |(host, served): &(&str, &Arc<Served>)| {
            let domain = Domain {
                served: Arc::clone(served),
                policy: Policy::default(),
            };
            ((*host).to_owned(), domain)
        };
        Table::new(hosts.iter().map(domain).collect::<HashMap<_, _>>(), default)
    }
}

fn check(table: &Table, name: Option<&str>, expected: Option<&Arc<Served>>) {
    let chosen = table.choose(name);
    let is_expected = match (chosen, expected) {
        (Some(chosen), Some(expected)) => Arc::ptr_eq(chosen, &expected.config),
        (None, None) => true,
        _ => false,
    };
    assert!(is_expected, "{name:?}");
}

#[test]
fn a_name_chooses_its_own_certificate_and_no_other() {
    let world = World::new();
    let table = world.table(
        &[("one.example", &world.one), ("two.example", &world.two)],
        None,
    );
    check(&table, Some("one.example"), Some(&world.one));
    check(&table, Some("two.example"), Some(&world.two));
    check(&table, Some("three.example"), None);
    check(&table, None, None);
}

#[test]
fn a_client_without_a_name_gets_the_only_certificate() {
    let world = World::new();
    let table = world.table(
        &[("one.example", &world.one), ("www.one.example", &world.one)],
        None,
    );
    check(&table, None, Some(&world.one));
    check(&table, Some("three.example"), None);
    check(&world.table(&[], None), None, None);
}

#[test]
fn the_default_certificate_is_for_all_others() {
    let world = World::new();
    let table = world.table(&[("one.example", &world.one)], Some(&world.default));
    check(&table, Some("one.example"), Some(&world.one));
    check(&table, Some("three.example"), Some(&world.default));
    check(&table, None, Some(&world.default));
}
