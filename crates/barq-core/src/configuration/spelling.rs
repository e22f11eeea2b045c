//! "Did you mean …?": the likely spelling of a word that is not known here.
//!
//! Own code, since it is a page long and decides how helpful every error is: a swap of two letters counts once, case
//! and the kind of hyphen count nothing, and a far word is never suggested.

/// The candidate that is closest to `word`, if one is close enough to be what was meant.
///
/// Close enough is one edit for each three letters, and at least one. Between equals the first candidate wins.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = fold(word);
    let distance_max = (folded.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The longest word that is compared, in letters: what is longer is no misspelling, and the comparison is quadratic.
const WORD_LETTERS_MAX: usize = 64;

/// The letters that count for the comparison.
fn fold(word: &str) -> Vec<char> {
    word.chars()
        .take(WORD_LETTERS_MAX)
        .map(|letter| {
            if letter == '-' {
                '_'
            } else {
                letter.to_ascii_lowercase()
            }
        })
        .collect()
}

/// Edits between two words: insert, remove, replace a letter, or swap two neighbours (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut best = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *letter == right[column - 1] && left[row - 1] == *other {
                best = best.min(before_last[column - 1] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests;
