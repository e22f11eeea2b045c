//! Places as text and in order.

use super::*;

#[test]
fn a_place_is_the_same_when_it_is_read_again() {
    for text in ["0", "-5", "1772368205123", "1772368205123.1f.3a2b", "7.0.1"] {
        let place: LinePlace = text.parse().expect("a place");
        assert_eq!(place.to_string(), text);
    }
    for text in ["", "x", "1.2", "1.2.3.4", "1.g.3", "1.2.-3", "1e3", " 1"] {
        assert!(text.parse::<LinePlace>().is_err(), "{text}");
    }
}

#[test]
fn time_comes_first_then_the_run_then_the_position() {
    let mut places: Vec<LinePlace> = ["5.1.9", "6", "5.2.1", "5", "4.9.9", "5.1.8"]
        .iter()
        .map(|text| text.parse().expect("a place"))
        .collect();
    places.sort_unstable();
    let texts: Vec<String> = places.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["4.9.9", "5", "5.1.8", "5.1.9", "5.2.1", "6"]);
}
