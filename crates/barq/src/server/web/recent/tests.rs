//! Which values are kept.

use std::sync::Arc;

use super::Recent;

#[derive(Clone, Copy)]
enum Do {
    Get(&'static str, Option<u32>),
    GetOrDefault(&'static str, u32),
    Keep(&'static str, u32),
}

use Do::{Get, GetOrDefault, Keep};

fn check(steps: &[Do]) {
    let recent = Recent::<String, u32, 2>::default();
    for step in steps {
        match *step {
            Get(key, expect) => assert_eq!(recent.get(key), expect, "{key}"),
            GetOrDefault(key, expect) => {
                assert_eq!(recent.get_or_default(key.to_owned()), expect, "{key}");
            }
            Keep(key, value) => recent.keep(key.to_owned(), value),
        }
    }
}

#[test]
fn what_is_kept_is_found() {
    check(&[
        Get("a", None),
        Keep("a", 1),
        Get("a", Some(1)),
        Get("b", None),
    ]);
    check(&[Keep("a", 1), GetOrDefault("a", 1), GetOrDefault("b", 0)]);
    check(&[GetOrDefault("a", 0), Keep("a", 3), Get("a", Some(3))]);
}

#[test]
fn the_one_that_nobody_asked_for_the_longest_goes() {
    check(&[
        Keep("a", 1),
        Keep("b", 2),
        Keep("c", 3),
        Get("a", None),
        Get("b", Some(2)),
        Get("c", Some(3)),
    ]);
    check(&[
        Keep("a", 1),
        Keep("b", 2),
        Get("a", Some(1)),
        Keep("c", 3),
        Get("b", None),
        Get("a", Some(1)),
    ]);
    check(&[
        Keep("a", 1),
        Keep("b", 2),
        GetOrDefault("a", 1),
        GetOrDefault("c", 0),
        Get("b", None),
        Get("a", Some(1)),
    ]);
}

#[test]
fn a_newer_value_takes_the_place_of_the_older() {
    check(&[
        Keep("a", 1),
        Keep("b", 2),
        Keep("a", 3),
        Get("b", Some(2)),
        Get("a", Some(3)),
    ]);
}

#[test]
fn those_who_ask_for_the_same_share_it() {
    let recent = Recent::<u8, Arc<u8>, 1>::default();
    let first = recent.get_or_default(1);
    assert!(Arc::ptr_eq(&first, &recent.get_or_default(1)));
    assert!(Arc::ptr_eq(&first, &recent.get(&1).expect("kept")));
}
