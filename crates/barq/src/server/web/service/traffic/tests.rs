//! The bar of desired and counted traffic: its parts as numbers, in any mix of revisions.

use super::*;

fn check(percents: &[f64], expect: &[(u32, u32)]) {
    let parts = layout(percents);
    let places: Vec<(u32, u32)> = parts.iter().map(|part| (part.x, part.width)).collect();
    assert_eq!(places, expect, "of {percents:?}");
}

#[test]
fn parts_fill_the_bar_in_order() {
    check(&[100.0], &[(0, 1000)]);
    check(&[90.0, 10.0], &[(0, 900), (900, 100)]);
    // Counted shares don't always sum to 100.
    check(&[89.6, 10.3], &[(0, 897), (897, 103)]);
}

#[test]
fn who_has_nothing_is_not_drawn() {
    check(&[100.0, 0.0], &[(0, 1000)]);
    check(&[0.0, 0.0], &[]);
    check(&[], &[]);
}
