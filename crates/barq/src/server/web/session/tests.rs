//! Whose forms are taken.

use http::HeaderMap;

use super::{encoded, same_origin};

fn taken(headers: &[(&'static str, &str)]) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, value.parse().expect("a header"));
    }
    same_origin(&map)
}

#[test]
fn only_own_pages_send_forms() {
    let host = ("host", "127.0.0.1:7600");
    assert!(taken(&[host, ("sec-fetch-site", "same-origin")]));
    assert!(!taken(&[host, ("sec-fetch-site", "same-site")]));
    assert!(!taken(&[host, ("sec-fetch-site", "cross-site")]));
    assert!(!taken(&[host, ("sec-fetch-site", "none")]));
    assert!(taken(&[host, ("origin", "http://127.0.0.1:7600")]));
    assert!(!taken(&[host, ("origin", "http://127.0.0.1:7680")]));
    assert!(!taken(&[host, ("origin", "null")]));
    assert!(!taken(&[host]));
}

#[test]
fn what_the_browser_says_of_the_site_outweighs_the_origin() {
    let headers = [
        ("host", "barq.example:7600"),
        ("origin", "http://barq.example:7600"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert!(!taken(&headers));
}

#[test]
fn a_path_in_a_query_is_encoded() {
    assert_eq!(encoded("/logs?q=a b&é"), "/logs%3Fq%3Da%20b%26%C3%A9");
}
