//! Functions are under 70 lines, from `fn` to the closing brace, comments included: one has to fit on a screen.
//!
//! Clippy's `too_many_lines` leaves comments out and does not see the examples.

use super::rust_text::{code_only, is_name};
use super::{Offence, SourceFile};

#[cfg(test)]
mod tests;

/// From this length on, a function is too long (rule 12).
const FUNCTION_LINES_MAX: usize = 70;

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    name: String,
    offset: usize,
    pub(super) lines: usize,
}

pub(super) fn check(file: &SourceFile) -> Vec<Offence> {
    functions(&file.text)
        .into_iter()
        .filter(|function| function.lines >= FUNCTION_LINES_MAX)
        .map(|Function { name, offset, lines }| {
            file.offence(
                offset,
                format!("the function `{name}` has {lines} lines"),
                "a function fits on a screen, under 70 lines (rule 12)",
                "move the loops down into functions of their own, keep the branches in this one".to_owned(),
            )
        })
        .collect()
}

/// All functions that have a body, nested ones too.
pub(super) fn functions(source: &str) -> Vec<Function> {
    let code = code_only(source);
    let bytes = code.as_bytes();
    code.match_indices("fn")
        .filter(|(offset, _)| *offset == 0 || !is_part_of_name(bytes[offset - 1]))
        .filter_map(|(offset, _)| function(&code, offset))
        .collect()
}

/// The function whose `fn` is here; `None` for a function pointer's type and for a declaration without a body.
fn function(code: &str, offset: usize) -> Option<Function> {
    let after = code[offset..].strip_prefix("fn")?;
    let name = after.trim_start();
    if name.len() == after.len() {
        return None;
    }
    let name: String = name
        .chars()
        .take_while(|each| each.is_alphanumeric() || "_#".contains(*each))
        .collect();
    if name.is_empty() {
        return None;
    }
    let end = body_end(code.as_bytes(), offset)?;
    let lines = code[offset..end].matches('\n').count() + 1;
    Some(Function {
        name,
        offset,
        lines,
    })
}

/// The end of the body of the function that starts here. A `;` outside of brackets comes first where there is none.
fn body_end(code: &[u8], from: usize) -> Option<usize> {
    let mut brackets = 0_i32;
    let mut braces = 0_i32;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => brackets += 1,
            b')' | b']' => brackets -= 1,
            b';' if brackets == 0 && braces == 0 => return None,
            b'{' if brackets == 0 || braces > 0 => braces += 1,
            b'}' if braces > 0 => {
                braces -= 1;
                if braces == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// `r#fn` is a name too.
fn is_part_of_name(byte: u8) -> bool {
    is_name(byte) || byte == b'#'
}
