//! A tiny shop, delivered by the end-to-end tests: what it does is said by the file `mode` beside it.
//!
//! `good`: 200. `bad`: 500 for everything but health. `half`: every second request fails. `unhealthy`: `/health/ready`
//! says 503. `turning`: as `bad` once there is a file `$COUNT_FILE.turned`. `crash`: ends at once. Whatever the mode, `/slow`
//! takes two seconds, and `/echo` changes the protocol to one that says each line back. It counts what it is asked into `$COUNT_FILE`, one line a request (revision, path,
//! status, time in microseconds), and its starts into the file of that name with the extension `starts` (revision), so that
//! a test knows what arrived, and when, from somebody else than barq. Little more than the standard library: it starts in a
//! millisecond.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long `/slow` takes.
const SLOW: Duration = Duration::from_secs(2);

struct Shop {
    mode: String,
    revision: String,
    count: Option<File>,
    requests: AtomicU64,
}

fn main() -> ExitCode {
    let mode = std::fs::read_to_string("mode").unwrap_or_default();
    let mode = mode.trim().to_owned();
    if mode == "crash" {
        eprintln!("the shop crashes, as it was told");
        return ExitCode::from(3);
    }
    let port = variable("PORT").parse::<u16>().expect("PORT is a port");
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let count = std::env::var_os("COUNT_FILE").map(|path| append(Path::new(&path)));
    let revision = variable("K_REVISION");
    if let Some(path) = std::env::var_os("COUNT_FILE") {
        let path = Path::new(&path).with_extension("starts");
        let mut starts = append(&path);
        writeln!(starts, "{revision}").expect("it can be written");
    }
    let shop = Arc::new(Shop {
        mode,
        revision,
        count,
        requests: AtomicU64::new(0),
    });
    println!("{{\"severity\":\"INFO\",\"message\":\"the shop opens\"}}");
    for stream in listener.incoming().flatten() {
        let shop = Arc::clone(&shop);
        std::thread::spawn(move || {
            // A client that goes away is no concern of the shop.
            drop(serve(&shop, stream));
        });
    }
    ExitCode::SUCCESS
}

fn append(path: &Path) -> File {
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).open(path);
    file.expect("a file to count in")
}

fn has_turned() -> bool {
    std::env::var_os("COUNT_FILE")
        .is_some_and(|path| Path::new(&path).with_extension("turned").exists())
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// Requests of one connection, one after the other. Bodies are not read: nobody sends one.
fn serve(shop: &Shop, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut request_id = String::new();
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 {
                return Ok(());
            }
            if let Some(id) = header.to_ascii_lowercase().strip_prefix("x-request-id:") {
                id.trim().clone_into(&mut request_id);
            }
            if header.trim().is_empty() {
                break;
            }
        }
        if path == "/echo" {
            return echo(&mut reader, &mut writer);
        }
        if path == "/slow" {
            rest(SLOW);
        }
        let (status, body) = answer(shop, &path, &request_id)?;
        write!(
            writer,
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
    }
}

/// Another protocol: every line is said back.
fn echo(reader: &mut impl BufRead, writer: &mut impl Write) -> std::io::Result<()> {
    writer.write_all(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n")?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        writer.write_all(line.as_bytes())?;
        line.clear();
    }
    Ok(())
}

fn rest(span: Duration) {
    let until = Instant::now() + span;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

fn answer(shop: &Shop, path: &str, request_id: &str) -> std::io::Result<(u16, String)> {
    let body = format!("{{\"status\":\"up\",\"revision\":\"{}\"}}", shop.revision);
    let status = match path {
        "/health/ready" if shop.mode == "unhealthy" => 503,
        path if path.starts_with("/health/") => 200,
        _ => {
            let number = shop.requests.fetch_add(1, Ordering::Relaxed);
            let fails = match shop.mode.as_str() {
                "bad" => true,
                "half" => number % 2 == 1,
                "turning" => has_turned(),
                _ => false,
            };
            let status = if fails { 500 } else { 200 };
            if let Some(mut count) = shop.count.as_ref() {
                // One write of a short line to a file that is only appended to: whole, however many write.
                let now = jiff::Timestamp::now().as_microsecond();
                let line = format!("{} {path} {status} {now}\n", shop.revision);
                count.write_all(line.as_bytes())?;
            }
            if fails {
                println!(
                    "{{\"severity\":\"ERROR\",\"message\":\"no such thing\",\"request_id\":\"{request_id}\"}}"
                );
            }
            status
        }
    };
    Ok((status, body))
}
