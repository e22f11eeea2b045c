//! Results as a part of a file for people: the machine, the versions, the tables. What stands around it stays.

use std::path::Path;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::Failure;
use super::outcome::Outcome;
use super::peers::{Peer, find, version};

const BEGIN: &str = "<!-- results: written by cargo xtask bench proxy -->";
const END: &str = "<!-- end of results -->";

/// When, where and what: a line each.
pub(super) fn header(
    barq: &Path,
    peers: &[Peer],
    date: Option<Date>,
    rounds: u32,
    seconds: u64,
) -> Result<Vec<String>, Failure> {
    let date = date.unwrap_or_else(|| Timestamp::now().to_zoned(TimeZone::UTC).date());
    let cores = std::thread::available_parallelism()?;
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let known = |version: Option<String>| version.unwrap_or_else(|| "of an unknown version".into());
    let mut versions = vec![format!("barq {}", known(version(barq, "--version")))];
    let versions_of_peers = peers.iter().map(|peer| (peer.name, peer.version()));
    let generators = [("wrk", "-v"), ("h2load", "--version")]
        .map(|(name, argument)| (name, find(name).and_then(|path| version(&path, argument))));
    for (name, version) in versions_of_peers.chain(generators) {
        versions.push(format!("{name} {}", known(version)));
    }
    Ok(vec![
        format!(
            "- {date}, medians of {rounds} rounds of {seconds} s; load average before it: {load}"
        ),
        format!(
            "- {}, {cores} cores, Linux {}",
            model(&processors),
            kernel.trim()
        ),
        format!("- {}", versions.join(", ")),
    ])
}

/// Writes the results between the marks of a file, or at the end of one that has none.
pub(super) fn write(file: &Path, header: &[String], outcomes: &[Outcome]) -> Result<(), Failure> {
    let before = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let tables: Vec<String> = outcomes.iter().map(Outcome::markdown).collect();
    let results = format!("{}\n\n{}", header.join("\n"), tables.join("\n"));
    Ok(std::fs::write(file, with_results(&before, &results))?)
}

fn with_results(text: &str, results: &str) -> String {
    let (before, rest) = text.split_once(BEGIN).unwrap_or((text, ""));
    let after = rest.split_once(END).map_or("\n", |(_, after)| after);
    let end = results.trim_end();
    format!("{before}{BEGIN}\n{end}\n{END}{after}")
}

fn model(processors: &str) -> &str {
    let line = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    line.and_then(|line| line.split_once(':'))
        .map_or("an unknown processor", |(_, model)| model.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_replace_results_and_nothing_else() {
        let first = with_results("# Title\n\n", "one\n");
        assert_eq!(first, format!("# Title\n\n{BEGIN}\none\n{END}\n"));
        let around = first + "\nMore.\n";
        assert_eq!(with_results(&around, "two"), around.replace("one", "two"));
    }

    #[test]
    fn a_processor_has_a_name() {
        let text = "processor\t: 0\nmodel name\t: A 9\n";
        assert_eq!(model(text), "A 9");
        assert_eq!(model(""), "an unknown processor");
    }
}
