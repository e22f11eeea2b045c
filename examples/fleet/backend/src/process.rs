//! This process as the kernel sees it: `/proc/self`. Reading fails only where there is no Linux, and is then told as
//! unknown. Knows nothing of HTTP.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

/// Clock ticks a second in `/proc/self/stat`: Linux shows user space 100 on every architecture (`USER_HZ`, man proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;
/// The kernel counts in ticks of 10 ms, so a shorter span says nothing.
const CPU_SPAN_MIN: Duration = Duration::from_millis(500);

/// What the process uses.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ProcessHealth {
    /// Process id.
    pid: u32,
    /// CPU time since the start, s; null where unknown.
    cpu_seconds: Option<f64>,
    /// CPU time per elapsed time since the last look (at the earliest half a second ago), percent of one CPU.
    cpu_percent: Option<f64>,
    /// Memory in use (resident), bytes.
    memory_bytes: Option<u64>,
    /// Threads.
    threads: Option<u64>,
}

/// Remembers the last look at the CPU time, to tell the rate between two looks.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    last: Mutex<(Instant, f64, Option<f64>)>,
}

impl CpuMeter {
    /// A meter that starts now.
    pub(crate) fn new() -> Self {
        let seconds = cpu_seconds().unwrap_or(0.0);
        Self { last: Mutex::new((Instant::now(), seconds, None)) }
    }

    /// What the process uses now.
    pub(crate) fn read(&self) -> ProcessHealth {
        let cpu_seconds = cpu_seconds();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        ProcessHealth {
            pid: std::process::id(),
            cpu_seconds,
            cpu_percent: cpu_seconds.and_then(|seconds| self.percent(seconds)),
            memory_bytes: status_number(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024),
            threads: status_number(&status, "Threads:"),
        }
    }

    fn percent(&self, seconds: f64) -> Option<f64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let elapsed = last.0.elapsed();
        if elapsed >= CPU_SPAN_MIN {
            let percent = (seconds - last.1) / elapsed.as_secs_f64() * 100.0;
            *last = (Instant::now(), seconds, Some((percent * 10.0).round() / 10.0));
        }
        last.2
    }
}

fn cpu_seconds() -> Option<f64> {
    stat_cpu_seconds(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// `utime` and `stime`, fields 14 and 15 of proc(5); counted after the name, which may contain anything.
fn stat_cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<f64>);
    Some((times.next()?.ok()? + times.next()?.ok()?) / TICKS_PER_SECOND)
}

fn status_number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_read_behind_any_name() {
        let stat = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20";
        assert_eq!(stat_cpu_seconds(stat), Some(4.0));
        assert_eq!(stat_cpu_seconds("42 (a) S 1"), None);
    }

    #[test]
    fn numbers_are_found_by_name() {
        let status = "Name:\tfleet\nVmRSS:\t   2048 kB\nThreads:\t3\n";
        assert_eq!(status_number(status, "VmRSS:"), Some(2048));
        assert_eq!(status_number(status, "Threads:"), Some(3));
        assert_eq!(status_number(status, "VmSwap:"), None);
    }

    #[test]
    fn this_process_is_seen() {
        let health = CpuMeter::new().read();
        assert!(health.memory_bytes.unwrap() > 100_000);
        assert!(health.cpu_seconds.is_some() && health.threads.unwrap() >= 1);
    }
}
