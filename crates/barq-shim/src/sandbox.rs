//! Limits what this process, and all that it starts, may touch: Landlock.
//!
//! Best effort by design: a kernel without Landlock runs the process all the same and the answer says so, since what is
//! enforced is shown to people. It must not know which paths are needed.

use landlock::{
    ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetStatus, Scope, path_beneath_rules,
};

use crate::record::Enforced;
use crate::spec::Sandbox;

/// The rules asked for: those of Linux 6.2, which do not yet restrict ioctl on devices (terminals and tools use it).
const FILE_RULES: ABI = ABI::V3;

/// Restricts this thread; also forbids it to gain privileges by executing a file.
pub(crate) fn enter(sandbox: &Sandbox) -> Enforced {
    match restrict(sandbox) {
        Ok(RulesetStatus::FullyEnforced) => Enforced::Yes,
        Ok(RulesetStatus::PartiallyEnforced) => Enforced::No(
            "the kernel's Landlock is older than what is asked of it, it enforces a part"
                .to_owned(),
        ),
        Ok(RulesetStatus::NotEnforced) => Enforced::No("the kernel has no Landlock".to_owned()),
        Err(error) => Enforced::No(format!("Landlock refused the rules: {error}")),
    }
}

fn restrict(sandbox: &Sandbox) -> Result<RulesetStatus, landlock::RulesetError> {
    let all = AccessFs::from_all(FILE_RULES);
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)?
        // Signals stay inside too: a check cannot stop its own shim. Linux 6.12; older ones do without.
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(
            &sandbox.read_only,
            AccessFs::from_read(FILE_RULES),
        ))?
        .add_rules(path_beneath_rules(&sandbox.writable, all))?;
    Ok(ruleset.restrict_self()?.ruleset)
}
