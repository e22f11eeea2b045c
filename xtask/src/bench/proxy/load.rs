//! The load: wrk for HTTP/1.1, h2load for HTTP/2; one thread of each, so that the proxy has the rest of the machine. What
//! is not a good answer is an error, never a figure.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;

use super::super::Failure;
use super::place::{HOST, TLS_HOST};
use super::scenario::{Http1, Http2};

/// What wrk waits for an answer.
const ANSWER_MAX: &str = "10s";
/// How much longer than asked a program may run.
const OVERTIME_MAX: Duration = Duration::from_secs(30);
/// By which it is seen whether a proxy speaks HTTP/2.
const PROBE_REQUESTS: f64 = 10.0;

/// What a program counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    pub(super) requests: f64,
    pub(super) requests_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// HTTP/1.1 for so many seconds.
pub(super) async fn http1(
    directory: &Path,
    port: u16,
    load: &Http1,
    seconds: u64,
) -> Result<Load, Failure> {
    let script = directory.join("load.lua");
    std::fs::write(&script, include_str!("load.lua"))?;
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--latency", "--timeout", ANSWER_MAX])
        .args(["--connections", &load.connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .args(["--header", &format!("Host: {HOST}")])
        .arg("--script")
        .arg(script);
    if load.close {
        command.args(["--header", "Connection: close"]);
    }
    command
        .arg(url(port, load.path, load.tls))
        .args(["--", &load.upload_bytes.to_string()]);
    let output = run(command, "wrk", seconds).await?;
    wrk_counted(&String::from_utf8_lossy(&output.stdout))
}

/// HTTP/2 for so many seconds.
pub(super) async fn http2(
    directory: &Path,
    port: u16,
    load: &Http2,
    seconds: u64,
) -> Result<Load, Failure> {
    let log = directory.join("h2load.log");
    match std::fs::remove_file(&log) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let mut command = h2load(port, load.tls);
    command
        .args(["--clients", &load.connections.to_string()])
        .args(["--max-concurrent-streams", &load.streams.to_string()])
        .args(["--duration", &seconds.to_string(), "--log-file"])
        .arg(&log);
    let output = run(command, "h2load", seconds).await?;
    let log = std::fs::read_to_string(&log)?;
    h2load_counted(&String::from_utf8_lossy(&output.stdout), &log, seconds)
}

/// Whether there is HTTP/2 behind the port.
pub(super) async fn speaks_http2(port: u16, tls: bool) -> Result<bool, Failure> {
    let mut command = h2load(port, tls);
    command.args(["--requests", &PROBE_REQUESTS.to_string(), "--clients", "1"]);
    let Ok(output) = run(command, "h2load", 0).await else {
        return Ok(false);
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(number_before(&said, "status codes:", " 2xx") >= PROBE_REQUESTS)
}

fn h2load(port: u16, tls: bool) -> Command {
    let mut command = Command::new("h2load");
    command
        .args(["--threads", "1", "--header", &format!(":authority: {HOST}")])
        .args(["--connect-to", &format!("127.0.0.1:{port}")])
        .arg(url(port, "/small", tls));
    command
}

/// With TLS by name: it is sent in the handshake, and an address may not be.
fn url(port: u16, path: &str, tls: bool) -> String {
    match tls {
        true => format!("https://{TLS_HOST}:{port}{path}"),
        false => format!("http://127.0.0.1:{port}{path}"),
    }
}

/// Ended when nobody waits for it any more.
async fn run(mut command: Command, name: &str, seconds: u64) -> Result<Output, Failure> {
    let output = command.kill_on_drop(true).output();
    let patience = Duration::from_secs(seconds) + OVERTIME_MAX;
    let output = tokio::time::timeout(patience, output)
        .await
        .map_err(|_| format!("{name} did not end in time"))?
        .map_err(|error| format!("cannot run {name}: {error}; run: scripts/setup bench"))?;
    match output.status.success() {
        true => Ok(output),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("{name} failed: {said}").into())
        }
    }
}

fn wrk_counted(said: &str) -> Result<Load, Failure> {
    let line = said.lines().rfind(|line| line.starts_with('{'));
    let counted: Value = serde_json::from_str(line.ok_or("wrk ended without a word")?)?;
    let number = |name: &str| counted[name].as_f64().unwrap_or_default();
    let errors: Vec<String> = ["status", "connect", "read", "write", "timeout"]
        .into_iter()
        .filter(|name| number(name) > 0.0)
        .map(|name| format!("{name} {}", number(name)))
        .collect();
    if !errors.is_empty() {
        return Err(format!(
            "of {} requests errors: {}",
            number("requests"),
            errors.join(", ")
        )
        .into());
    }
    if number("requests") == 0.0 {
        return Err("not one request was answered".into());
    }
    Ok(Load {
        requests: number("requests"),
        requests_per_s: number("requests") * 1e6 / number("duration_us"),
        p50_ms: number("p50_us") / 1e3,
        p99_ms: number("p99_us") / 1e3,
    })
}

fn h2load_counted(said: &str, log: &str, seconds: u64) -> Result<Load, Failure> {
    let of = |word: &str| number_before(said, "requests:", word);
    let answered = number_before(said, "status codes:", " 2xx");
    let errors: Vec<String> = [" failed", " errored", " timeout"]
        .into_iter()
        .filter(|word| of(word) > 0.0)
        .map(|word| format!("{}{word}", of(word)))
        .chain((answered < of(" done")).then(|| format!("{answered} of {} are 2xx", of(" done"))))
        .collect();
    if !errors.is_empty() {
        return Err(errors.join(", ").into());
    }
    let third = |line: &str| line.split('\t').nth(2)?.parse::<f64>().ok();
    let mut durations: Vec<f64> = log.lines().filter_map(third).collect();
    if durations.is_empty() {
        return Err("not one request was answered".into());
    }
    durations.sort_by(f64::total_cmp);
    let quantile = |percent: usize| {
        let rank = (durations.len() * percent).div_ceil(100).max(1);
        durations[rank - 1] / 1e3
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds of minutes")]
    Ok(Load {
        requests: answered,
        requests_per_s: answered / seconds as f64,
        p50_ms: quantile(50),
        p99_ms: quantile(99),
    })
}

/// In the line that begins so: the number before the word; 0 where there is none.
fn number_before(text: &str, line: &str, word: &str) -> f64 {
    let found = text.lines().find_map(|each| each.strip_prefix(line));
    let part = found.and_then(|rest| rest.split(',').find_map(|part| part.strip_suffix(word)));
    part.and_then(|number| number.trim().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = r#"Running 1s test
{"requests":2000,"duration_us":1000000,"p50_us":500,"p99_us":2500,"connect":0,"read":0,"write":0,"timeout":0,"status":0}
"#;
    const H2LOAD: &str = "
finished in 2.00s, 150.00 req/s, 1MB/s
requests: 300 total, 310 started, 300 done, 300 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 300 2xx, 0 3xx, 0 4xx, 0 5xx
";

    #[test]
    fn the_figures_of_wrk_are_read() {
        let load = wrk_counted(WRK).expect("figures");
        let expected = Load {
            requests: 2000.0,
            requests_per_s: 2000.0,
            p50_ms: 0.5,
            p99_ms: 2.5,
        };
        assert_eq!(load, expected);
        for (error, expected) in [
            (r#""status":0"#, "status 3"),
            (r#""read":0"#, "read 3"),
            (r#""timeout":0"#, "timeout 3"),
        ] {
            let said = WRK.replace(error, &error.replace('0', "3"));
            let why = wrk_counted(&said).expect_err("an error").to_string();
            assert_eq!(why, format!("of 2000 requests errors: {expected}"));
        }
    }

    #[test]
    fn the_figures_of_h2load_are_read() {
        let log = "1\t200\t1000\n2\t200\t3000\n3\t200\t2000\n";
        let load = h2load_counted(H2LOAD, log, 2).expect("figures");
        let expected = Load {
            requests: 300.0,
            requests_per_s: 150.0,
            p50_ms: 2.0,
            p99_ms: 3.0,
        };
        assert_eq!(load, expected);
        for (good, bad) in [
            ("0 failed", "1 failed"),
            ("0 errored", "1 errored"),
            ("300 2xx", "299 2xx"),
        ] {
            assert!(
                h2load_counted(&H2LOAD.replace(good, bad), log, 2).is_err(),
                "{bad}"
            );
        }
    }
}
