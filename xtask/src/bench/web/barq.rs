//! A real barq on the data directory, as its own processes: started, asked for its health, ended.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::super::Failure;
use super::client::Connection;

/// The longest start: a first one fills the read models of the whole history.
const START_MAX: Duration = Duration::from_secs(300);
/// The longest end.
const END_MAX: Duration = Duration::from_secs(40);
/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Ticks of `/proc/PID/stat` in a second: Linux's USER_HZ, the same on all architectures that barq runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Running, until it is dropped.
pub(super) struct Barq {
    up: Child,
    /// Closed when it has ended.
    ended: mpsc::Receiver<()>,
    data: PathBuf,
    /// `ADDRESS:PORT` of the server.
    pub(super) address: String,
    /// From the start of the processes until the server was ready.
    pub(super) ready_after: Duration,
}

impl Barq {
    /// Started and ready.
    pub(super) async fn start(binary: &Path, data: &Path, listen: &str) -> Result<Self, Failure> {
        let begun = Instant::now();
        let log = std::fs::File::create(data.with_extension("log"))?;
        let mut up = Command::new(binary)
            .args(["--json", "up", "--listen", listen])
            .args(["--ingress", "127.0.0.1:0", "--data"])
            .arg(data)
            .env_remove("DATABASE_URL")
            .env_remove("BARQ_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", binary.display()))?;
        let output = up.stdout.take().ok_or("its output is piped")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().ok_or_else(|| {
            let log = data.with_extension("log");
            format!("barq did not start; see {}", log.display())
        })??;
        // Whoever writes must be read; its output ends with it.
        let (running, ended) = mpsc::channel();
        std::thread::spawn(move || {
            lines.for_each(drop);
            drop::<mpsc::Sender<()>>(running);
        });
        let listening: Value = serde_json::from_str(&first)?;
        let url = listening["server"].as_str().ok_or("barq names its URL")?;
        let mut barq = Self {
            up,
            ended,
            data: data.to_owned(),
            address: url.replace("http://", ""),
            ready_after: Duration::ZERO,
        };
        barq.wait_until("barq is ready", START_MAX, "/health/ready", |_| true)
            .await?;
        barq.ready_after = begun.elapsed();
        Ok(barq)
    }

    /// Waits until the server answers this path with 200 and what is wanted.
    pub(super) async fn wait_until(
        &self,
        what: &str,
        patience: Duration,
        path: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + patience;
        let token = self.token().unwrap_or_default();
        while Instant::now() < deadline {
            if let Ok(mut connection) = Connection::open(&self.address).await {
                connection.bearer(&token)?;
                if let Ok(answer) = connection.get(path).await
                    && answer.status == 200
                    && wanted(&serde_json::from_slice(&answer.body).unwrap_or_default())
                {
                    return Ok(());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("{what}: not within {patience:?}").into())
    }

    /// The first admin's token.
    pub(super) fn token(&self) -> Result<String, Failure> {
        let text = std::fs::read_to_string(self.data.join("admin.token"))?;
        Ok(text.trim().to_owned())
    }

    /// Processor time of the server's process so far, user and system.
    pub(super) fn processor_time(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.server()?))?;
        // Behind the name, which may hold spaces: fields 14 and 15 of proc(5), counted from the state, the third.
        let (_, fields) = stat.rsplit_once(')').ok_or("a line of /proc/PID/stat")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks: u64 = fields
            .get(11..13)
            .ok_or("a line of /proc/PID/stat")?
            .iter()
            .map(|ticks| ticks.parse::<u64>())
            .sum::<Result<u64, _>>()?;
        #[expect(clippy::cast_precision_loss, reason = "ticks of minutes")]
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
    }

    /// Memory of the server's process that is resident, in bytes.
    pub(super) fn resident_bytes(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.server()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(kibibytes
            .ok_or("VmRSS in /proc/PID/status")?
            .parse::<u64>()?
            * 1024)
    }

    fn server(&self) -> Result<u32, Failure> {
        let text = std::fs::read_to_string(self.data.join("server.lock"))?;
        Ok(text.trim().parse()?)
    }

    /// Ends all of it.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), Failure> {
        if self.up.try_wait()?.is_some() {
            return Ok(());
        }
        let id = self.up.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        if let Err(mpsc::RecvTimeoutError::Disconnected) = self.ended.recv_timeout(END_MAX) {
            self.up.wait()?;
            return Ok(());
        }
        self.up.kill()?;
        self.up.wait()?;
        Err(format!("barq did not end within {END_MAX:?} and was killed").into())
    }
}

impl Drop for Barq {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error}");
        }
    }
}
