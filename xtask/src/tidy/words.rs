//! Words that must not be in the project, each with its reason. What clippy can ban by its path is in `clippy.toml`.

use super::{Offence, SourceFile};

#[cfg(test)]
mod tests;

/// A banned word.
struct Ban {
    /// In two parts, so that this file does not offend.
    word: [&'static str; 2],
    scope: Scope,
    why: &'static str,
    remedy: &'static str,
}

#[derive(Clone, Copy)]
enum Scope {
    /// All text but lock files.
    Everywhere,
    /// Rust and TypeScript.
    Code,
}

const HOST: &str = "where packages come from is set on each machine, often to a mirror";
const HOST_REMEDY: &str = "leave the host to the package manager's own configuration";
const UNDONE: &str = "what is not done is left out, not announced: nobody finds it again";
const UNDONE_REMEDY: &str = "do it now, or say in the issue tracker what is missing";
const SILENCED: &str = "a rule that each file can switch off is none";

const BANS: [Ban; 9] = [
    Ban {
        word: ["crates", ".io"],
        scope: Scope::Everywhere,
        why: HOST,
        remedy: HOST_REMEDY,
    },
    Ban {
        word: ["registry.npmjs", ".org"],
        scope: Scope::Everywhere,
        why: HOST,
        remedy: HOST_REMEDY,
    },
    Ban {
        word: ["pypi", ".org"],
        scope: Scope::Everywhere,
        why: HOST,
        remedy: HOST_REMEDY,
    },
    Ban {
        word: ["deb.debian", ".org"],
        scope: Scope::Everywhere,
        why: HOST,
        remedy: HOST_REMEDY,
    },
    Ban {
        word: ["TO", "DO"],
        scope: Scope::Code,
        why: UNDONE,
        remedy: UNDONE_REMEDY,
    },
    Ban {
        word: ["FIX", "ME"],
        scope: Scope::Code,
        why: UNDONE,
        remedy: UNDONE_REMEDY,
    },
    Ban {
        word: ["#![deny(", "warnings)]"],
        scope: Scope::Code,
        why: "a newer compiler with a new warning breaks the build of everybody who uses the source",
        remedy: "leave it out: `scripts/test` denies warnings",
    },
    Ban {
        word: ["allow(clippy::too_", "many_lines"],
        scope: Scope::Code,
        why: SILENCED,
        remedy: "split the function",
    },
    Ban {
        word: ["lazy_", "static"],
        scope: Scope::Code,
        why: "there is no global state: what a function needs is among its arguments",
        remedy: "pass the value",
    },
];

pub(super) fn check(file: &SourceFile) -> Vec<Offence> {
    let mut offences = Vec::new();
    for Ban {
        word,
        scope,
        why,
        remedy,
    } in BANS
    {
        if !scope.covers(&file.path) {
            continue;
        }
        let word = word.concat();
        for (offset, _) in file.text.match_indices(&word) {
            offences.push(file.offence(
                offset,
                format!("`{word}` is banned"),
                why,
                remedy.to_owned(),
            ));
        }
    }
    offences
}

impl Scope {
    fn covers(self, path: &str) -> bool {
        match self {
            Self::Everywhere => !path.ends_with(".lock") && !path.ends_with("-lock.json"),
            Self::Code => path.ends_with(".rs") || path.ends_with(".ts"),
        }
    }
}
