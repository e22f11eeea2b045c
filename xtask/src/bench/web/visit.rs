//! The first visit: how many requests, how many bytes, and that nothing stands between the page and its first paint but the
//! one stylesheet.

use super::super::Failure;
use super::barq::Barq;
use super::client::Connection;
use super::numbers::verdict;

/// Measures it; whether the page can be painted before any script has run.
pub(super) async fn measure(barq: &Barq) -> Result<bool, Failure> {
    let mut browser = Connection::open(&barq.address).await?;
    browser.sign_in(&barq.token()?).await?;
    let page = browser.get("/").await?;
    let html = String::from_utf8_lossy(&page.body).into_owned();
    println!("\nthe first visit");
    println!("  page                     {:>7} bytes", page.body.len());
    let mut bytes = page.body.len();
    let mut requests = 1;
    for path in assets(&html) {
        let answer = browser.get(&path).await?;
        if answer.status != 200 {
            return Err(format!("{path} was answered by {}", answer.status).into());
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        println!(
            "  {:<24} {:>7} bytes",
            name.split('?').next().unwrap_or_default(),
            answer.body.len()
        );
        bytes += answer.body.len();
        requests += 1;
    }
    let scripts = tags(&html, "script");
    let deferred = scripts.iter().all(|tag| tag.contains(" defer"));
    let sheets = tags(&html, "link")
        .iter()
        .filter(|tag| tag.contains("stylesheet"))
        .count();
    let within = deferred && sheets == 1 && !html.contains("<style");
    println!(
        "  {requests} requests, {bytes} bytes; {} of {} scripts deferred, {sheets} stylesheet before the first paint  {}",
        scripts.iter().filter(|tag| tag.contains(" defer")).count(),
        scripts.len(),
        verdict(within)
    );
    Ok(within)
}

/// All opening tags of a name.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    html.split('<')
        .filter(|tag| {
            tag.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with([' ', '>']))
        })
        .filter_map(|tag| tag.split('>').next())
        .collect()
}

/// What a browser asks for because of the page's head.
fn assets(html: &str) -> Vec<String> {
    let value = |tag: &str, name: &str| {
        let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let links = tags(html, "link")
        .into_iter()
        .filter_map(|tag| value(tag, "href"));
    let scripts = tags(html, "script")
        .into_iter()
        .filter_map(|tag| value(tag, "src"));
    links.chain(scripts).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_what_is_asked_for() {
        let html = "<head><link rel=\"stylesheet\" href=\"/a.css\"><linked href=\"/no\">\
                    <script defer src=\"/b.js\"></script></head>";
        assert_eq!(assets(html), ["/a.css", "/b.js"]);
        assert_eq!(tags(html, "script"), ["script defer src=\"/b.js\""]);
    }
}
