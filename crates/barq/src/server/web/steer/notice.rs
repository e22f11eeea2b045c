//! What a page says after a form was sent: fixed words, named in its address, so that a reload says them again and does
//! nothing twice.

use http::Uri;

/// The parameter that names them.
const PARAMETER: &str = "done";

/// Each name and its words.
const NOTICES: &[(&str, &str)] = &[
    ("pause", "Paused. The tripwire stays armed."),
    (
        "pause-after-change",
        "Paused, though not where your page showed it: it had gone on before you pressed the button. \
         Its step and its share of the traffic as they are now stand below. The tripwire stays armed.",
    ),
    ("resume", "Resumed. The hold's clock goes on."),
    ("promote", "Promoted to the next step."),
    ("promote-full", "Promoted to 100 %."),
    ("abort", "Aborted. What had moved goes back."),
    (
        "approve",
        "Approved. It enters as soon as nothing else is in its way.",
    ),
    ("reject", "Rejected."),
    ("cancel", "Cancelled."),
    ("retry", "Started again, as this delivery."),
    ("lock", "Locked. Nothing enters until it is unlocked."),
    ("unlock", "Unlocked. Releases may enter again."),
    ("rollback", "Rolled back. All traffic has moved."),
    (
        "rollback-under-way",
        "The rollback is on its way: the traffic moves as soon as the revision to go back to is ready.",
    ),
    (
        "rollback-unrecorded",
        "All traffic has moved back, but that can't be recorded yet: make room on the disk of the data directory. \
         Then it is recorded by itself, with its incident. Until then nothing is deployed.",
    ),
];

/// The address of a page that says what was done.
pub(super) fn after(path: &str, name: &str) -> String {
    format!("{path}?{PARAMETER}={name}")
}

/// The same, where it was done although the page was older than what it was done to.
pub(super) fn after_change(path: &str, name: &str) -> String {
    after(path, &format!("{name}-after-change"))
}

/// What a page at this address says, and the address without it: what is shown live is the same with and without.
pub(in super::super) fn taken(uri: &Uri) -> (Uri, Option<&'static str>) {
    let parameters = || uri.query().unwrap_or_default().split('&');
    let named = parameters().find_map(|it| it.strip_prefix(PARAMETER)?.strip_prefix('='));
    let Some(named) = named else {
        return (uri.clone(), None);
    };
    let rest: Vec<&str> = parameters()
        .filter(|it| !it.starts_with(&format!("{PARAMETER}=")))
        .collect();
    let address = match rest.is_empty() {
        true => uri.path().to_owned(),
        false => format!("{}?{}", uri.path(), rest.join("&")),
    };
    let words = NOTICES.iter().find(|(name, _)| *name == named);
    (
        address.parse().unwrap_or_else(|_| uri.clone()),
        words.map(|(_, words)| *words),
    )
}

#[cfg(test)]
mod tests {
    use super::{NOTICES, after, taken};

    #[test]
    fn a_notice_is_said_beside_the_page_that_was_asked_for() {
        let cases = [
            (
                "/rollouts/a-1-production?done=pause",
                "/rollouts/a-1-production",
                true,
            ),
            (
                "/services/a?revision=3&done=lock&tab=x",
                "/services/a?revision=3&tab=x",
                true,
            ),
            ("/services/a?done=%3Cscript%3E", "/services/a", false),
            ("/services/a?undone=lock", "/services/a?undone=lock", false),
            ("/", "/", false),
        ];
        for (address, page, says) in cases {
            let (uri, notice) = taken(&address.parse().expect("an address"));
            assert_eq!(
                (uri.to_string().as_str(), notice.is_some()),
                (page, says),
                "{address}"
            );
        }
    }

    #[test]
    fn every_action_has_its_words() {
        for path in super::super::action::PATHS {
            let verb = path.rsplit('/').next().expect("a verb");
            assert!(NOTICES.iter().any(|(name, _)| *name == verb), "{verb}");
            let address = after("/x", verb).parse().expect("an address");
            assert!(taken(&address).1.is_some());
        }
    }
}
