//! The other proxies: where each is found, how it is configured and started. All of it is data; the configurations are
//! files beside this one, with `@NAMES@` for what differs from run to run.
//!
//! Each is configured as its own documentation recommends it for speed, with as many threads as the machine has cores,
//! kept connections to the application, its usual statistics, and no access log. None may lose by its configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::Failure;
use super::contestant::{Contestant, Entrances};
use super::place::{Place, free_port};
use super::process::{Counted, Process};

/// Connections that each proxy must take.
const CONNECTIONS: &str = "16000";

/// Another proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// Its name, and its program's.
    pub(super) name: &'static str,
    version: &'static str,
    /// Names and texts.
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

/// All of them.
pub(super) const PEERS: [Peer; 5] = [
    Peer {
        name: "nginx",
        version: "-v",
        files: &[("nginx.conf", include_str!("peers/nginx.conf"))],
        arguments: &[
            "-e",
            "@DIRECTORY@/error.log",
            "-p",
            "@DIRECTORY@",
            "-c",
            "nginx.conf",
        ],
    },
    Peer {
        name: "haproxy",
        version: "-v",
        files: &[("haproxy.cfg", include_str!("peers/haproxy.cfg"))],
        arguments: &["-db", "-f", "@DIRECTORY@/haproxy.cfg"],
    },
    Peer {
        name: "envoy",
        version: "--version",
        files: &[("envoy.yaml", include_str!("peers/envoy.yaml"))],
        arguments: &[
            "-c",
            "@DIRECTORY@/envoy.yaml",
            "--concurrency",
            "@THREADS@",
            "--disable-hot-restart",
            "--log-level",
            "error",
        ],
    },
    Peer {
        name: "caddy",
        version: "version",
        files: &[("Caddyfile", include_str!("peers/Caddyfile"))],
        arguments: &["run", "--config", "@DIRECTORY@/Caddyfile"],
    },
    Peer {
        name: "traefik",
        version: "version",
        files: &[
            ("traefik.yml", include_str!("peers/traefik.yml")),
            ("routes.yml", include_str!("peers/traefik-routes.yml")),
        ],
        arguments: &["--configFile=@DIRECTORY@/traefik.yml"],
    },
];

impl Peer {
    /// Its program, if it is installed.
    pub(super) fn program(&self) -> Option<PathBuf> {
        find(self.name)
    }

    /// As it names its version.
    pub(super) fn version(&self) -> Option<String> {
        version(&self.program()?, self.version)
    }

    /// Started, not yet checked.
    pub(super) fn start(&self, place: &Place, threads: usize) -> Result<Contestant, Failure> {
        let program = self
            .program()
            .ok_or_else(|| format!("{} is not installed; run: scripts/setup bench", self.name))?;
        let own = place.directory_for(self.name)?;
        let directory = own.path();
        let [http1, h2c, tls, stats] = [free_port()?, free_port()?, free_port()?, free_port()?];
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let port_of = |address: &str| address.rsplit(':').next().unwrap_or_default().to_owned();
        let values = [
            ("@DIRECTORY@", text(directory)),
            ("@CERTIFICATE@", text(&place.certificate())),
            ("@KEY@", text(&place.key())),
            ("@BOTH@", text(&place.both())),
            ("@THREADS@", threads.to_string()),
            ("@CONNECTIONS@", CONNECTIONS.to_owned()),
            ("@HTTP@", http1.to_string()),
            ("@H2C@", h2c.to_string()),
            ("@TLS@", tls.to_string()),
            ("@STATS@", stats.to_string()),
            ("@STABLE_PORT@", port_of(&place.stable.address)),
            ("@CANARY_PORT@", port_of(&place.canary.address)),
            ("@STABLE@", place.stable.address.clone()),
            ("@CANARY@", place.canary.address.clone()),
        ];
        let fill = |text: &str| fill(text, &values);
        for (name, text) in self.files {
            std::fs::write(directory.join(name), fill(text))?;
        }
        let mut command = Command::new(program);
        command
            .args(self.arguments.iter().map(|argument| fill(argument)))
            .env("GOMAXPROCS", threads.to_string())
            .env("HOME", directory)
            .env("XDG_DATA_HOME", directory)
            .env("XDG_CONFIG_HOME", directory);
        let own_h2c = self.files.iter().any(|(_, text)| text.contains("@H2C@"));
        Ok(Contestant {
            name: self.name.to_owned(),
            process: Process::start(command, self.name, &directory.join("output.log"))?,
            counted: Counted::Tree,
            entrances: Entrances {
                http1,
                h2c: Some(if own_h2c { h2c } else { http1 }),
                tls: Some(tls),
            },
            _directory: own,
        })
    }
}

/// What a program says of itself: the first line that holds a number with a dot.
pub(super) fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    version_in(&said).map(str::to_owned)
}

/// A program in `PATH`, where system programs are, or where `scripts/setup bench` puts them.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(variable("HOME")?).join(".cache")));
    let path = variable("PATH").unwrap_or_default();
    let peers = cache.map(|cache| cache.join("barq/peers/bin"));
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .chain(peers)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

fn fill(text: &str, values: &[(&str, String)]) -> String {
    let filled = text.to_owned();
    values
        .iter()
        .fold(filled, |text, (name, value)| text.replace(name, value))
}

/// The first word of the form `1.2` or `1.2.3-4`.
fn version_in(text: &str) -> Option<&str> {
    text.split(|each: char| each.is_whitespace() || "/,()".contains(each))
        .map(|word| word.trim_start_matches('v'))
        .find(|word| word.starts_with(|each: char| each.is_ascii_digit()) && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        for (text, expected) in [
            ("nginx version: nginx/1.22.1", Some("1.22.1")),
            (
                "HAProxy version 2.6.12-1+deb12u1 2023/12/16 - https://haproxy.org/",
                Some("2.6.12-1+deb12u1"),
            ),
            (
                "\n/x/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL",
                Some("1.40.0"),
            ),
            ("v2.11.7 h1:yj0=", Some("2.11.7")),
            ("Version:      3.7.15\nGo version: go1.26.9", Some("3.7.15")),
            ("nothing", None),
        ] {
            assert_eq!(version_in(text), expected, "{text}");
        }
    }

    #[test]
    fn every_name_in_a_configuration_has_a_value() {
        let names = [
            "DIRECTORY",
            "CERTIFICATE",
            "KEY",
            "BOTH",
            "THREADS",
            "CONNECTIONS",
            "HTTP",
            "H2C",
            "TLS",
            "STATS",
            "STABLE_PORT",
            "CANARY_PORT",
            "STABLE",
            "CANARY",
        ];
        for (file, text) in PEERS.iter().flat_map(|peer| peer.files) {
            let upper = |word: &str| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte == b'2')
            };
            for word in text.split('@').filter(|word| upper(word)) {
                assert!(names.contains(&word), "{word} in {file}");
            }
        }
    }
}
