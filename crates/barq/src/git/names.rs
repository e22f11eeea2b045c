//! Names that come from outside and reach git's command line.
//!
//! A value of these types cannot be taken for an option, a path or a range by any git command.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::GitError;

/// The longest ref name that is accepted; git itself is bound by the file system's path length.
const REF_NAME_BYTES_MAX: usize = 1024;

/// The full hash of an object: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectHash(String);

impl ObjectHash {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// All zeros: git's way to say "no object" on one side of an update.
    pub fn is_zero(&self) -> bool {
        self.0.bytes().all(|digit| digit == b'0')
    }
}

impl FromStr for ObjectHash {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if digits && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(GitError::Name {
                what: "a full commit hash",
                text: text.chars().take(100).collect(),
            })
        }
    }
}

impl TryFrom<String> for ObjectHash {
    type Error = GitError;

    fn try_from(text: String) -> Result<Self, GitError> {
        text.parse()
    }
}

impl From<ObjectHash> for String {
    fn from(hash: ObjectHash) -> Self {
        hash.0
    }
}

impl fmt::Display for ObjectHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A full ref name, `refs/…`. What is not UTF-8 in it is replaced: it is for reading, and for refs that we made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RefName(String);

impl RefName {
    /// The full name, `refs/heads/main`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch's name, where it is a branch: `main`.
    pub fn branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

impl FromStr for RefName {
    type Err = GitError;

    fn from_str(text: &str) -> Result<Self, GitError> {
        // Whatever git itself accepted as a ref passes; control characters and the like never get here.
        let plain = text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        if text.starts_with("refs/") && plain && text.len() <= REF_NAME_BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(GitError::Name {
                what: "a full ref name (refs/…)",
                text: text.chars().take(100).collect(),
            })
        }
    }
}

impl TryFrom<String> for RefName {
    type Error = GitError;

    fn try_from(text: String) -> Result<Self, GitError> {
        text.parse()
    }
}

impl From<RefName> for String {
    fn from(name: RefName) -> Self {
        name.0
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One ref that a push moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefUpdate {
    /// Which.
    pub name: RefName,
    /// Where it was. None when the push made it.
    pub old: Option<ObjectHash>,
    /// Where it is now. None when the push deleted it.
    pub new: Option<ObjectHash>,
}

impl RefUpdate {
    /// One line of `post-receive`'s standard input: `old new name`.
    ///
    /// # Errors
    /// When the line is not of that form.
    pub fn parse(line: &str) -> Result<Self, GitError> {
        let mut words = line.splitn(3, ' ');
        let (Some(old), Some(new), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(GitError::Name {
                what: "a ref update (old new name)",
                text: line.chars().take(100).collect(),
            });
        };
        let present = |hash: ObjectHash| Some(hash).filter(|hash| !hash.is_zero());
        Ok(Self {
            name: name.parse()?,
            old: present(old.parse()?),
            new: present(new.parse()?),
        })
    }
}
