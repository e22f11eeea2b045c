//! Filters of lists: forms that are asked by GET, so that what is shown has an address of its own.

use maud::{Markup, html};
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer};

use super::icons::{self, Icon};
use super::session::encoded;

/// One of some, or all.
pub(super) struct Choice<'a> {
    /// The parameter, and the element's id.
    pub(super) name: &'static str,
    /// What is chosen.
    pub(super) label: &'static str,
    /// What choosing nothing means.
    pub(super) all: &'static str,
    /// What is shown now.
    pub(super) chosen: Option<&'a str>,
    /// What there is.
    pub(super) options: Vec<String>,
}

/// A choice. What is chosen and not there any more stays to be seen.
pub(super) fn select(choice: &Choice<'_>) -> Markup {
    let known = |chosen: &&str| choice.options.iter().any(|it| it == chosen);
    let gone = choice.chosen.filter(|chosen| !known(chosen));
    html! {
        div.field {
            label for=(choice.name) { (choice.label) }
            select id=(choice.name) name=(choice.name) {
                option value="" { (choice.all) }
                @for option in &choice.options {
                    option value=(option) selected[choice.chosen == Some(option.as_str())] { (option) }
                }
                @if let Some(gone) = gone { option value=(gone) selected { (gone) } }
            }
            @if let Some(gone) = gone {
                p.wait.small { (icons::icon(Icon::Warning)) " No " (choice.label.to_lowercase()) " is called " (gone) "." }
            }
        }
    }
}

/// A path and what is asked there; without what is not given.
pub(super) fn address(path: &str, pairs: &[(&str, Option<&str>)]) -> String {
    let mut address = path.to_owned();
    for (name, value) in pairs {
        if let Some(value) = value {
            let mark = if address.contains('?') { '&' } else { '?' };
            address.push(mark);
            address.push_str(&format!("{name}={}", encoded(value)));
        }
    }
    address
}

/// A field that was left empty is one that was not given.
pub(super) fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
    match text.trim() {
        "" => Ok(None),
        text => T::deserialize(StrDeserializer::new(text)).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn what_is_not_given_is_not_in_the_address() {
        let check = |pairs: &[(&str, Option<&str>)], expect: &str| {
            assert_eq!(address("/journal", pairs), expect);
        };
        check(&[("app", None)], "/journal");
        check(
            &[("app", Some("a b&c")), ("kind", None), ("x", Some("1"))],
            "/journal?app=a%20b%26c&x=1",
        );
    }
}
