//! Paths and their endpoints, as a table.

use super::template;

#[test]
fn what_looks_like_an_id_is_replaced() {
    let cases = [
        ("/", "/"),
        ("/api/v1/vehicles", "/api/v1/vehicles"),
        ("/api/v1/vehicles/42", "/api/v1/vehicles/{id}"),
        (
            "/api/v1/vehicles/42/assignments/",
            "/api/v1/vehicles/{id}/assignments/",
        ),
        ("/v2/019a0c0e-7b5e-7c3a-8f00-1234567890ab", "/v2/{id}"),
        ("/commits/deadbeef01", "/commits/{id}"),
        ("/feedface", "/feedface"),
        ("/couriers/VAN-0042", "/couriers/{id}"),
        ("/u/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/u/{id}"),
        ("/a/anna@example.com", "/a/{id}"),
        ("/static/app.3f2a.js", "/static/app.3f2a.js"),
        ("/oauth2/token", "/oauth2/token"),
    ];
    for (path, expected) in cases {
        let mut endpoint = String::new();
        template(path, &mut endpoint);
        assert_eq!(endpoint, expected, "{path}");
    }
}

#[test]
fn long_paths_are_cut() {
    let mut endpoint = "GET ".to_owned();
    template(&"/segment".repeat(1000), &mut endpoint);
    assert!(endpoint.len() < 220, "{}", endpoint.len());
}
