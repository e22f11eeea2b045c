//! The command line is what it promises to be.

use clap::{CommandFactory as _, Parser as _};

use super::arguments::{Arguments, Command};
use super::discovery::{Remote, parse};
use super::logs::parse_duration;

#[test]
fn the_definitions_are_sound() {
    Arguments::command().debug_assert();
}

#[test]
fn every_promised_command_is_there() {
    for line in [
        "up --listen 127.0.0.1:1 --ingress 127.0.0.1:2",
        "up --ingress-tls 0.0.0.0:443 --acme-email a@b.c --acme-accept-terms",
        "server",
        "node --data /tmp/x",
        "node --ingress-tls [::]:443 --tls-certificate a.pem --tls-key b.pem",
        "init shop",
        "config check",
        "config show x.toml",
        "config schema",
        "status",
        "status shop-1 --json",
        "watch",
        "approve shop-1 -m fine",
        "reject shop-1",
        "pause shop-1-production",
        "resume shop-1-production",
        "promote shop-1-production --full",
        "abort shop-1-production",
        "cancel shop-1",
        "retry shop-1 --force",
        "lock production -m why",
        "unlock production -m why",
        "rollback production --to r --yes",
        "verify staging --app shop",
        "revisions production",
        "logs production -f --revision r --severity error --since 5m",
        "incidents",
        "incidents shop-i-1",
        "audit --actor ann",
        "audit verify",
        "backup file",
        "restore file",
        "token create ann --role tech-lead",
        "token list",
        "token revoke ann",
        "doctor",
        "web",
    ] {
        let words = ["barq"].into_iter().chain(line.split(' '));
        if let Err(error) = Arguments::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn a_lock_says_why() {
    assert!(Arguments::try_parse_from(["barq", "lock", "production"]).is_err());
}

#[test]
fn the_default_addresses_are_the_promised_ones() {
    let arguments = Arguments::try_parse_from(["barq", "up"]).expect("valid");
    let Command::Up(up) = arguments.command else {
        panic!("not up");
    };
    assert_eq!(up.listen.to_string(), "127.0.0.1:7600");
    assert_eq!(up.ingress.to_string(), "127.0.0.1:7680");
}

#[test]
fn half_of_tls_says_what_is_missing() {
    for (line, expected) in [
        ("--tls-certificate a --ingress-tls 0.0.0.0:1", "--tls-key"),
        ("--tls-certificate a --tls-key b", "--ingress-tls"),
        ("--acme-email a@b.c", "--acme-accept-terms"),
        (
            "--acme-email nobody --acme-accept-terms",
            "no e-mail address",
        ),
        ("--acme-directory http://a", "begins with https://"),
    ] {
        let words = ["barq", "up"].into_iter().chain(line.split(' '));
        let refused = Arguments::try_parse_from(words).expect_err(line);
        assert!(refused.to_string().contains(expected), "{line}: {refused}");
    }
}

#[test]
fn up_tells_its_node_what_it_was_told() {
    let lines = [
        "--ingress-tls 127.0.0.1:7643",
        "--ingress-tls 127.0.0.1:7643 --tls-certificate a.pem --tls-key b.pem",
        "--ingress-tls 127.0.0.1:7643 --acme-directory https://a/ --acme-email a@b.c --acme-root r.pem --acme-accept-terms",
    ];
    for line in lines {
        let words = ["barq", "up"].into_iter().chain(line.split(' '));
        let arguments = Arguments::try_parse_from(words).expect("valid");
        let Command::Up(up) = arguments.command else {
            panic!("not up");
        };
        let told = up.tls.words(up.tls.ingress_tls);
        let told: Vec<_> = told.iter().map(|word| word.to_string_lossy()).collect();
        assert_eq!(told.join(" "), line);
        assert!(up.tls.words(None).is_empty());
    }
}

#[test]
fn the_remote_names_server_and_app() {
    let remote = |server: &str, app: &str| {
        Some(Remote {
            server: server.to_owned(),
            app: app.to_owned(),
        })
    };
    for (url, expected) in [
        (
            "http://127.0.0.1:7600/git/shop.git",
            remote("http://127.0.0.1:7600", "shop"),
        ),
        (
            "https://me:secret@example.com/barq/git/shop",
            remote("https://example.com/barq", "shop"),
        ),
        ("git@github.com:ann/shop.git", None),
        ("https://github.com/ann/shop.git", None),
    ] {
        assert_eq!(parse(url), expected, "{url}");
    }
}

#[test]
fn durations_have_a_unit() {
    for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86_400)] {
        assert_eq!(parse_duration(text).expect("valid").as_secs(), seconds);
    }
    for text in ["", "5", "m", "-5m", "5 m", "5w"] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}
