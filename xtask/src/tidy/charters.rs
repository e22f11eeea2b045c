//! Every Rust file opens with a charter: `//!` lines that say what the file is for, why it is as it is, and what it must
//! not know. Whether it is a good one is for people to judge; that there is one is checked.

use super::{Offence, SourceFile};

#[cfg(test)]
mod tests;

/// Shorter than this, a charter repeats the file's name.
const CHARTER_CHARACTERS_MIN: usize = 40;
/// Tests say by their names what they show; the file says what they have in common.
const TEST_CHARTER_CHARACTERS_MIN: usize = 20;

pub(super) fn check(file: &SourceFile) -> Option<Offence> {
    let charter: Vec<_> = file
        .text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .collect();
    let length = charter.join(" ").trim().chars().count();
    let least = if file.is_test() {
        TEST_CHARTER_CHARACTERS_MIN
    } else {
        CHARTER_CHARACTERS_MIN
    };
    let what = match length {
        0 => "the file does not open with a charter".to_owned(),
        _ if length < least => format!("the file's charter has only {length} characters"),
        _ => return None,
    };
    let why = "who opens a file learns from its first lines what it is for (rule 11)";
    let remedy = "begin the file with `//!` lines: what it is for, why it is as it is, what it must not know";
    Some(file.offence(0, what, why, remedy.to_owned()))
}
