//! What kind of repository this is, and a `barq.toml` that fits it.
//!
//! Guesses are few and plain: the tools that the repository already names. It must not write anything.

use std::path::Path;

use serde_json::Value;

/// The configuration's text for the repository at `root`.
pub(super) fn configuration(root: &Path, name: &str) -> String {
    let guess = cargo(root)
        .or_else(|| node(root))
        .or_else(|| python(root))
        .unwrap_or_else(plain);
    guess.render(name)
}

/// The parts of the file that depend on the repository.
struct Guess {
    what: &'static str,
    /// Name, command, kept directory.
    checks: Vec<(&'static str, String, Option<&'static str>)>,
    run: Option<String>,
    /// Source and path in the bundle.
    files: Vec<(String, String)>,
    command: Vec<String>,
}

impl Guess {
    fn render(&self, name: &str) -> String {
        let mut lines = vec![
            format!(
                "# Delivered by barq. Found: {}. Every default: `barq config show`.",
                self.what
            ),
            format!("service = {}", quote(name)),
        ];
        for (name, run, cache) in &self.checks {
            lines.push(String::new());
            lines.push("[[check]]".to_owned());
            lines.push(format!("name = {}", quote(name)));
            lines.push(format!("run = {}", quote(run)));
            lines.extend(cache.map(|cache| format!("cache = [{}]", quote(cache))));
        }
        lines.push(String::new());
        lines.push("[build]".to_owned());
        lines.extend(self.run.iter().map(|run| format!("run = {}", quote(run))));
        let files = self
            .files
            .iter()
            .map(|(source, path)| format!("{} = {}", quote(source), quote(path)));
        lines.push(format!(
            "files = {{ {} }}",
            files.collect::<Vec<_>>().join(", ")
        ));
        let command = self.command.iter().map(|word| quote(word));
        lines.push(format!(
            "command = [{}]  # listens on $PORT",
            command.collect::<Vec<_>>().join(", ")
        ));
        lines.push(String::new());
        lines.push(
            "# An instance gets traffic only once its readiness probe answers 200.".to_owned(),
        );
        lines.push("[health]".to_owned());
        lines.push(
            "startup = { path = \"/health/live\", initial_delay = \"1s\", period = \"2s\", failures = 30 }"
                .to_owned(),
        );
        lines.push("liveness = { path = \"/health/live\" }".to_owned());
        lines.push("readiness = { path = \"/health/ready\" }".to_owned());
        lines.push(String::new());
        lines.join("\n")
    }
}

fn cargo(root: &Path) -> Option<Guess> {
    let text = std::fs::read_to_string(root.join("Cargo.toml")).ok()?;
    let binary = toml_value(&text, "[[bin]]", "name")
        .or_else(|| toml_value(&text, "[package]", "name"))
        .unwrap_or_else(|| "CHANGE-ME".to_owned());
    Some(Guess {
        what: "a Cargo package",
        checks: vec![
            ("format", "cargo fmt --all --check".to_owned(), None),
            (
                "lint",
                "cargo clippy --workspace --all-targets -- -D warnings".to_owned(),
                Some("target"),
            ),
            ("test", "cargo test --workspace".to_owned(), Some("target")),
        ],
        run: Some("cargo build --release".to_owned()),
        files: vec![(format!("target/release/{binary}"), binary.clone())],
        command: vec![format!("./{binary}")],
    })
}

fn node(root: &Path) -> Option<Guess> {
    let text = std::fs::read_to_string(root.join("package.json")).ok()?;
    let package: Value = serde_json::from_str(&text).unwrap_or_default();
    let script = |name: &str| package["scripts"][name].is_string();
    let install = match root.join("package-lock.json").exists() {
        true => "npm ci",
        false => "npm install",
    };
    let checks = ["lint", "test"].into_iter().filter(|name| script(name));
    let mut files = vec![
        ("package.json".to_owned(), "package.json".to_owned()),
        ("node_modules".to_owned(), "node_modules".to_owned()),
    ];
    let main = package["main"].as_str().unwrap_or("index.js");
    let top = main
        .trim_start_matches("./")
        .split('/')
        .next()
        .unwrap_or(main);
    files.push((top.to_owned(), top.to_owned()));
    let run = match script("build") {
        true => format!("{install} && npm run build"),
        false => install.to_owned(),
    };
    Some(Guess {
        what: "a Node package",
        checks: checks
            .map(|name| {
                (
                    name,
                    format!("{install} && npm run {name}"),
                    Some("node_modules"),
                )
            })
            .collect(),
        run: Some(run),
        files,
        command: vec!["node".to_owned(), main.trim_start_matches("./").to_owned()],
    })
}

fn python(root: &Path) -> Option<Guess> {
    let requirements = root.join("requirements.txt").exists();
    if !requirements && !root.join("pyproject.toml").exists() {
        return None;
    }
    let from = match requirements {
        true => "-r requirements.txt",
        false => ".",
    };
    let main = ["main.py", "app.py", "server.py"]
        .into_iter()
        .find(|name| root.join(name).exists())
        .unwrap_or("main.py");
    let install = format!("python3 -m venv .venv && .venv/bin/pip install --quiet {from}");
    let mut checks = vec![("syntax", "python3 -m compileall -q .".to_owned(), None)];
    if root.join("tests").is_dir() {
        checks.push((
            "test",
            format!("{install} pytest && .venv/bin/python -m pytest"),
            Some(".venv"),
        ));
    }
    Some(Guess {
        what: "a Python project",
        checks,
        run: Some(format!(
            "python3 -m pip install --quiet --target packages {from}"
        )),
        files: vec![
            (main.to_owned(), main.to_owned()),
            ("packages".to_owned(), "packages".to_owned()),
        ],
        command: vec![
            "env".to_owned(),
            "PYTHONPATH=packages".to_owned(),
            "python3".to_owned(),
            main.to_owned(),
        ],
    })
}

/// Nothing that we know: a start to be filled in.
fn plain() -> Guess {
    Guess {
        what: "nothing that barq knows, fill in the build",
        checks: vec![("test", "./test.sh".to_owned(), None)],
        run: Some("./build.sh".to_owned()),
        files: vec![("server".to_owned(), "server".to_owned())],
        command: vec!["./server".to_owned()],
    }
}

/// The text of a key in the first table of that name. Reads what people write, not all of TOML: a miss is a guess less.
fn toml_value(text: &str, table: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(str::trim);
    let mut inside = lines
        .skip_while(|line| *line != table)
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    inside.find_map(|line| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim().strip_prefix('"')?.split('"').next()?;
        (name.trim() == key).then(|| value.to_owned())
    })
}

/// A TOML basic string.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
