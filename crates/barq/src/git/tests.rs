//! What comes from outside is parsed at the edge. Pushes and fetches with real git are in `tests/git.rs`.

use base64::Engine as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::*;

const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";
const ZERO: &str = "0000000000000000000000000000000000000000";

#[test]
fn names_that_could_be_options_or_paths_are_refused() {
    for text in [
        "",
        "-x",
        "x-",
        "a/b",
        "..",
        ".git",
        "A",
        "a.b",
        &"a".repeat(64),
    ] {
        assert!(text.parse::<AppName>().is_err(), "{text}");
    }
    for text in [
        "",
        "--all",
        "HEAD",
        &"1".repeat(39),
        &"G".repeat(40),
        &"A".repeat(40),
    ] {
        assert!(text.parse::<ObjectHash>().is_err(), "{text}");
    }
    for text in ["", "--x", "main", "refs/heads/a b", "refs/heads/a\nb"] {
        assert!(text.parse::<RefName>().is_err(), "{text}");
    }
    assert!("shop-2".parse::<AppName>().is_ok());
    assert!("refs/heads/ümlaut".parse::<RefName>().is_ok());
}

#[test]
fn updates_say_what_was_made_moved_and_deleted() {
    let parse = |old: &str, new: &str| {
        let update = RefUpdate::parse(&format!("{old} {new} refs/heads/main")).expect("valid");
        assert_eq!(update.name.branch(), Some("main"));
        (update.old.is_some(), update.new.is_some())
    };
    assert_eq!(parse(ZERO, ONE), (false, true));
    assert_eq!(parse(ONE, TWO), (true, true));
    assert_eq!(parse(ONE, ZERO), (true, false));
    assert!(RefUpdate::parse("nonsense").is_err());
}

#[test]
fn the_difference_of_refs_is_what_moved() {
    let refs = |list: &[(&str, &str)]| {
        list.iter()
            .map(|(name, hash)| (name.parse().expect("a ref"), hash.parse().expect("a hash")))
            .collect::<Vec<(RefName, ObjectHash)>>()
    };
    let before = refs(&[
        ("refs/heads/a", ONE),
        ("refs/heads/b", ONE),
        ("refs/heads/c", ONE),
    ]);
    let after = refs(&[
        ("refs/heads/a", ONE),
        ("refs/heads/b", TWO),
        ("refs/heads/d", ONE),
    ]);
    let lines: Vec<String> = repository::difference(before, after)
        .iter()
        .map(|update| {
            let side = |hash: &Option<ObjectHash>| {
                hash.as_ref()
                    .map_or("-", |hash| &hash.as_str()[..1])
                    .to_owned()
            };
            format!(
                "{} {} {}",
                side(&update.old),
                side(&update.new),
                update.name
            )
        })
        .collect();
    assert_eq!(
        lines,
        ["1 2 refs/heads/b", "- 1 refs/heads/d", "1 - refs/heads/c"]
    );
}

#[test]
fn a_cgi_head_is_taken_whole_or_not_at_all() {
    let text = b"Status: 403 Forbidden\r\nContent-Type: text/plain\r\n\r\nbody";
    for cut in 0..text.len() - 4 {
        assert_eq!(cgi::parse(&text[..cut]), Ok(None), "{cut}");
    }
    let head = cgi::parse(text).expect("good").expect("complete");
    assert_eq!(head.status, StatusCode::FORBIDDEN);
    assert_eq!(head.headers["content-type"], "text/plain");
    assert_eq!(&text[head.length..], b"body");
    assert!(cgi::parse(b"no colon\n\n").is_err());
    assert!(cgi::parse(&vec![b'a'; cgi::HEAD_BYTES_MAX]).is_err());
}

#[test]
fn the_token_is_the_password() {
    let token = |value: &str| {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(value).expect("a value");
        headers.insert(header::AUTHORIZATION, value);
        access::token(&headers)
    };
    let basic = |text: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        token(&format!("Basic {encoded}"))
    };
    assert_eq!(
        basic("ann:secret:with:colons").as_deref(),
        Some("secret:with:colons")
    );
    assert_eq!(basic(":secret").as_deref(), Some("secret"));
    assert_eq!(basic("ann:"), None);
    assert_eq!(token("Bearer secret").as_deref(), Some("secret"));
    assert_eq!(token("Basic !!!"), None);
    assert_eq!(access::token(&HeaderMap::new()), None);
}
