//! What a text must be to stand at its place in the file: a path, a name, a host, a branch.
//!
//! Each rule is a value, so that the table of keys can name it, the check can call it and the JSON Schema can show its
//! pattern. A rule sees one text and nothing around it.

use super::service_name::{LABEL_BYTES_MAX, label_fault};

/// Why a value is refused, in words that follow the value, and what to write in its place where that is clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) reason: String,
    /// The value that was probably meant.
    pub(crate) instead: Option<String>,
}

impl Fault {
    /// A fault with no better value to offer.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            instead: None,
        }
    }

    /// Adds what was probably meant.
    pub(crate) fn instead_of(mut self, instead: Option<String>) -> Self {
        self.instead = instead;
        self
    }
}

/// One kind of text.
pub(crate) struct Rule {
    /// What is expected, e.g. "a path in the commit".
    pub(crate) what: &'static str,
    /// A regular expression for editors; may let pass what `fault` refuses, never the reverse.
    pub(crate) pattern: Option<&'static str>,
    /// Judges a text that is neither empty nor holds a NUL.
    pub(crate) fault: fn(&str) -> Option<Fault>,
}

/// The longest name of a check, a secret or a variable, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 63;

/// The longest path, host or branch, in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 1024;

/// The longest host name, in bytes (RFC 1035 section 2.3.4, as text without the final dot).
const HOST_BYTES_MAX: usize = 253;

/// Variables that barq sets in every instance (Cloud Run's container contract).
const RESERVED_VARIABLES: [&str; 4] = ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"];

/// Digits from which on the end of an environment's name would read as a revision number.
const REVISION_DIGITS_MIN: usize = 5;

pub(crate) static ANY_TEXT: Rule = Rule {
    what: "a text",
    pattern: None,
    fault: |_| None,
};

pub(crate) static COMMAND_LINE: Rule = Rule {
    what: "a command line",
    pattern: None,
    fault: |text| text.trim().is_empty().then(|| Fault::new("runs nothing")),
};

pub(crate) static SERVICE: Rule = Rule {
    what: "a service name",
    pattern: Some("^[a-z](-?[a-z0-9])*$"),
    fault: |text| label_fault(text).map(|reason| Fault::new(reason).instead_of(as_label(text))),
};

pub(crate) static ENVIRONMENT: Rule = Rule {
    what: "the name of an environment",
    pattern: Some("^[a-z](-?[a-z0-9])*$"),
    fault: environment_fault,
};

pub(crate) static CHECK_NAME: Rule = Rule {
    what: "the name of a check",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"),
    fault: check_name_fault,
};

pub(crate) static BRANCH: Rule = Rule {
    what: "a branch",
    pattern: None,
    fault: branch_fault,
};

pub(crate) static PATH: Rule = Rule {
    what: "a path in the commit",
    pattern: Some(r"^[^/\\][^\\]*$"),
    fault: |text| path_fault(text, "the commit"),
};

pub(crate) static BUNDLE_PATH: Rule = Rule {
    what: "a path in the bundle",
    pattern: Some(r"^[^/\\][^\\]*$"),
    fault: |text| path_fault(text, "the bundle"),
};

pub(crate) static URL_PATH: Rule = Rule {
    what: "the path of a URL",
    pattern: Some("^/[!-~]*$"),
    fault: url_path_fault,
};

pub(crate) static METHOD: Rule = Rule {
    what: "an HTTP method",
    pattern: Some("^[A-Z]+$"),
    fault: |text| {
        let upper = text.to_ascii_uppercase();
        let letters = upper.bytes().all(|letter| letter.is_ascii_uppercase());
        (text != upper || !letters || text.len() > NAME_BYTES_MAX).then(|| {
            Fault::new("a method is in capital letters, like \"GET\"")
                .instead_of(letters.then_some(upper))
        })
    },
};

pub(crate) static VARIABLE: Rule = Rule {
    what: "the name of an environment variable",
    pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$"),
    fault: variable_fault,
};

pub(crate) static OWN_VARIABLE: Rule = Rule {
    what: "the name of an environment variable",
    pattern: Some("^[A-Za-z_][A-Za-z0-9_]*$"),
    fault: |text| {
        let reserved = RESERVED_VARIABLES.contains(&text);
        variable_fault(text)
            .or_else(|| reserved.then(|| Fault::new("is set by barq in every instance")))
    },
};

pub(crate) static DOMAIN: Rule = Rule {
    what: "a host name",
    pattern: Some(r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"),
    fault: domain_fault,
};

pub(crate) static MACHINE_PATH: Rule = Rule {
    what: "an absolute path on the node's machine",
    pattern: Some("^/.*[^/]$"),
    fault: machine_path_fault,
};

/// A path of the file in the form that is stored: no `.` parts and no double or final slashes; `.` for the root.
pub(crate) fn normal_path(path: &str) -> String {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

fn environment_fault(text: &str) -> Option<Fault> {
    if let Some(reason) = label_fault(text) {
        return Some(Fault::new(reason).instead_of(as_label(text)));
    }
    let last = text.rsplit('-').next().unwrap_or_default();
    let number =
        last.len() >= REVISION_DIGITS_MIN && last.bytes().all(|digit| digit.is_ascii_digit());
    number.then(|| {
        Fault::new(format!(
            "ends with {last}, which would read as the number of a revision"
        ))
    })
}

fn check_name_fault(text: &str) -> Option<Fault> {
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    if text.len() > NAME_BYTES_MAX {
        Some(Fault::new(format!(
            "is {} bytes long, at most {NAME_BYTES_MAX} are allowed",
            text.len()
        )))
    } else if let Some(letter) = text.chars().find(|letter| !allowed(*letter)) {
        let instead: String = text
            .chars()
            .map(|letter| if allowed(letter) { letter } else { '-' })
            .collect();
        let valid = check_name_fault(&instead).is_none();
        let reason =
            format!("contains {letter:?}; only letters, digits, `-`, `_` and `.` are allowed");
        Some(Fault::new(reason).instead_of(valid.then_some(instead)))
    } else if !text.starts_with(|letter: char| letter.is_ascii_alphanumeric()) {
        Some(Fault::new("must start with a letter or a digit"))
    } else {
        None
    }
}

/// The rules of `git check-ref-format`, as far as they concern a branch.
fn branch_fault(text: &str) -> Option<Fault> {
    if let Some(short) = text.strip_prefix("refs/heads/") {
        return Some(
            Fault::new("a branch goes by its short name").instead_of(Some(short.to_owned())),
        );
    }
    let forbidden = |letter: char| letter.is_control() || " ~^:?*[\\".contains(letter);
    let part_fault =
        |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let broken = text.len() > PATH_BYTES_MAX
        || text == "@"
        || text == "HEAD"
        || text.starts_with('-')
        || text.ends_with('.')
        || text.contains("..")
        || text.contains("@{")
        || text.contains(forbidden)
        || text.split('/').any(part_fault);
    broken.then(|| Fault::new("is no name that git gives a branch"))
}

fn path_fault(text: &str, root: &str) -> Option<Fault> {
    if text.len() > PATH_BYTES_MAX {
        Some(Fault::new(format!(
            "is {} bytes long, at most {PATH_BYTES_MAX} are allowed",
            text.len()
        )))
    } else if text.starts_with('/') {
        let relative = normal_path(text);
        Some(
            Fault::new(format!("is absolute; paths start at the root of {root}"))
                .instead_of(Some(relative)),
        )
    } else if text.contains('\\') {
        let instead = text.replace('\\', "/");
        let valid = path_fault(&instead, root).is_none();
        Some(
            Fault::new("the parts of a path are separated by `/`")
                .instead_of(valid.then_some(instead)),
        )
    } else if text.split('/').any(|part| part == "..") {
        Some(Fault::new(format!("leaves {root}; `..` is not allowed")))
    } else if text.contains(char::is_control) {
        Some(Fault::new("contains a control character"))
    } else {
        None
    }
}

fn machine_path_fault(text: &str) -> Option<Fault> {
    if text.len() > PATH_BYTES_MAX {
        Some(Fault::new(format!(
            "is {} bytes long, at most {PATH_BYTES_MAX} are allowed",
            text.len()
        )))
    } else if !text.starts_with('/') {
        Some(Fault::new(
            "is relative, and the node has no directory that it would start from: begin with `/`",
        ))
    } else if text.ends_with('/') {
        Some(Fault::new("is a directory; name the file"))
    } else if text.contains(char::is_control) {
        Some(Fault::new("contains a control character"))
    } else {
        None
    }
}

fn url_path_fault(text: &str) -> Option<Fault> {
    let rest_valid =
        text.len() < PATH_BYTES_MAX && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
    if text.contains("://") {
        Some(Fault::new(
            "is a URL; give only the path, from the `/` after the host",
        ))
    } else if !text.starts_with('/') {
        Some(Fault::new("must start with `/`").instead_of(rest_valid.then(|| format!("/{text}"))))
    } else if text.contains('#') {
        Some(Fault::new("contains `#`, which is never sent to a server"))
    } else if !rest_valid {
        Some(Fault::new(format!(
            "must be printable ASCII without spaces, at most {PATH_BYTES_MAX} bytes"
        )))
    } else {
        None
    }
}

fn variable_fault(text: &str) -> Option<Fault> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    if text.len() > NAME_BYTES_MAX {
        Some(Fault::new(format!(
            "is {} bytes long, at most {NAME_BYTES_MAX} are allowed",
            text.len()
        )))
    } else if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        Some(Fault::new("must not start with a digit"))
    } else if text.is_empty() || !text.chars().all(allowed) {
        Some(Fault::new("only letters, digits and `_` are allowed"))
    } else {
        None
    }
}

fn domain_fault(text: &str) -> Option<Fault> {
    let reason = domain_reason(text)?;
    let lower = text.to_ascii_lowercase();
    let host = lower
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let host = host
        .split_once(':')
        .map_or(host, |(host, _)| host)
        .trim_end_matches('.');
    Some(Fault::new(reason).instead_of(domain_reason(host).is_none().then(|| host.to_owned())))
}

fn domain_reason(text: &str) -> Option<String> {
    let label_valid = |label: &str| {
        let allowed =
            |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label.chars().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    if text.contains('*') {
        Some("wildcards are not supported; list each host name".to_owned())
    } else if text.len() > HOST_BYTES_MAX {
        Some(format!(
            "is {} bytes long, a host name has at most {HOST_BYTES_MAX}",
            text.len()
        ))
    } else if text == "localhost" || text.ends_with(".localhost") {
        Some("names under `.localhost` are given out by barq itself".to_owned())
    } else if !text.split('.').all(label_valid) {
        Some("is no host name: lower-case letters, digits, `-` and dots, with no scheme, port or path".to_owned())
    } else if !text.contains('.') {
        Some("is a single label; give the full host name".to_owned())
    } else if last.bytes().all(|digit| digit.is_ascii_digit()) {
        Some("is an address, not a host name".to_owned())
    } else {
        None
    }
}

/// The label that was probably meant: lower case, other characters as hyphens.
fn as_label(text: &str) -> Option<String> {
    let hyphened: String = text
        .to_ascii_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let label = hyphened
        .split('-')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-");
    (label_fault(&label).is_none() && label != text).then_some(label)
}
