//! What checks and builds wrote: which run's output it is, and how it is read.

use barq_core::effect::{EffectKey, EffectTarget};
use barq_core::identity::DeliveryId;
use barq_runner::api::{RunState, Runner, RunnerError};

/// The check whose output is the build's.
pub(super) const BUILD: &str = "build";
/// Attempts that are looked for: the engine gives up far below.
const ATTEMPTS_MAX: u32 = 50;
/// Pages of output that are read: above what the runner keeps of a check.
const PAGES_MAX: usize = 200;

/// A run of a check or a build.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// The runner's key.
    pub(super) key: String,
    /// Where it stands.
    pub(super) state: RunState,
}

/// The latest attempt that the runner knows of. A build is the check `build`.
pub(super) fn latest(
    runner: &Runner,
    delivery: &DeliveryId,
    name: &str,
) -> Result<Option<Run>, RunnerError> {
    let target = match name {
        BUILD => EffectTarget::Build(delivery.clone()),
        name => EffectTarget::Check(delivery.clone(), name.to_owned()),
    };
    for attempt in (1..=ATTEMPTS_MAX).rev() {
        let key = EffectKey {
            target: target.clone(),
            attempt,
        }
        .to_string();
        if let Some(state) = runner.state(&key)? {
            return Ok(Some(Run { key, state }));
        }
    }
    Ok(None)
}

/// All of it.
pub(super) async fn whole(runner: &Runner, key: &str) -> Result<String, RunnerError> {
    let (mut text, mut offset) = (String::new(), 0);
    for _ in 0..PAGES_MAX {
        let page = runner.output(key, offset).await?;
        if page.lines.is_empty() {
            break;
        }
        for line in page.lines {
            text.push_str(&line.text);
            if !line.partial {
                text.push('\n');
            }
        }
        offset = page.next_offset;
    }
    Ok(text)
}
