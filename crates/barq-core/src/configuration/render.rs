//! The effective configuration as a `barq.toml`: what `barq config show` prints.
//!
//! Every key is written out, also where it has its default, so that the text says what will happen without knowing
//! the defaults of any version. It parses back to the same value, which is tested.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::units::{format_duration, format_size};
use super::{
    Approval, Build, CertificateSource, Check, Configuration, Environment, EnvironmentValue, Guard,
    Health, Probe, Smoke, Step, Tls,
};

/// Thousandths in a whole.
const MILLIS: u32 = 1_000;

/// Writes a configuration as a complete `barq.toml`.
pub fn render_toml(configuration: &Configuration) -> String {
    let mut out = format!(
        "service = {}\nbranch = {}\n",
        text(configuration.service.as_str()),
        text(&configuration.branch)
    );
    for check in &configuration.checks {
        out += &render_check(check);
    }
    out += &render_build(&configuration.build);
    out += &render_health(&configuration.health);
    out += &render_smoke(&configuration.smoke);
    for environment in &configuration.environments {
        out += &render_environment(environment);
    }
    out
}

/// CPUs as the file has them: `2`, `0.5`.
pub(super) fn format_cpu(millis: u32) -> String {
    if millis.is_multiple_of(MILLIS) {
        return (millis / MILLIS).to_string();
    }
    let fraction = format!("{:03}", millis % MILLIS);
    format!("{}.{}", millis / MILLIS, fraction.trim_end_matches('0'))
}

fn render_check(check: &Check) -> String {
    let requires: Vec<String> = check
        .requires
        .iter()
        .map(|requirement| requirement.name().to_owned())
        .collect();
    let mut out = String::from("\n[[check]]\n");
    line(&mut out, "name", &text(&check.name));
    line(&mut out, "run", &text(&check.run));
    line(&mut out, "directory", &text(&check.directory));
    line(&mut out, "timeout", &text(&format_duration(check.timeout)));
    line(&mut out, "needs", &list(&check.needs));
    line(&mut out, "cache", &list(&check.cache));
    line(&mut out, "requires", &list(&requires));
    out
}

fn render_build(build: &Build) -> String {
    let mut out = String::from("\n[build]\n");
    match build {
        Build::Bundle {
            run,
            files,
            command,
            cache,
        } => {
            if let Some(run) = run {
                line(&mut out, "run", &text(run));
            }
            line(&mut out, "files", &map(files, |value| text(value)));
            line(&mut out, "command", &list(command));
            line(&mut out, "cache", &list(cache));
        }
        Build::Dockerfile {
            dockerfile,
            context,
            target,
            args,
        } => {
            line(&mut out, "dockerfile", &text(dockerfile));
            line(&mut out, "context", &text(context));
            if let Some(target) = target {
                line(&mut out, "target", &text(target));
            }
            line(&mut out, "args", &map(args, |value| text(value)));
        }
    }
    out
}

fn render_health(health: &Health) -> String {
    let mut out = String::from("\n[health]\n");
    line(&mut out, "startup", &render_probe(&health.startup));
    line(&mut out, "liveness", &render_probe(&health.liveness));
    line(&mut out, "readiness", &render_probe(&health.readiness));
    line(
        &mut out,
        "detailed",
        &format!("{{ path = {} }}", text(&health.detailed.path)),
    );
    out
}

fn render_probe(probe: &Probe) -> String {
    format!(
        "{{ path = {}, initial_delay = {}, period = {}, timeout = {}, failures = {} }}",
        text(&probe.path),
        text(&format_duration(probe.initial_delay)),
        text(&format_duration(probe.period)),
        text(&format_duration(probe.timeout)),
        probe.failures
    )
}

fn render_smoke(smoke: &Smoke) -> String {
    let mut out = String::from("\n[smoke]\n");
    let requests = smoke.requests.iter().map(|request| {
        let contains = request
            .contains
            .as_ref()
            .map(|contains| format!(", contains = {}", text(contains)));
        format!(
            "{{ path = {}, method = {}, status = {}{} }}",
            text(&request.path),
            text(&request.method),
            request.status,
            contains.unwrap_or_default()
        )
    });
    line(&mut out, "requests", &lines(requests));
    if let Some(run) = &smoke.run {
        line(&mut out, "run", &text(run));
    }
    out
}

fn render_environment(environment: &Environment) -> String {
    let mut out = format!("\n[environments.{}]\n", environment.name);
    let instances = environment.instances;
    let keep = environment.keep;
    let keep = format!(
        "{{ warm = {}, revisions = {} }}",
        text(&format_duration(keep.warm)),
        keep.revisions
    );
    line(
        &mut out,
        "approval",
        &render_approval(environment.approval.as_ref()),
    );
    line(
        &mut out,
        "instances",
        &format!("{{ min = {}, max = {} }}", instances.min, instances.max),
    );
    line(&mut out, "cpu", &format_cpu(environment.cpu_millis));
    line(
        &mut out,
        "memory",
        &text(&format_size(environment.memory_bytes)),
    );
    line(
        &mut out,
        "concurrency",
        &environment.concurrency.to_string(),
    );
    line(&mut out, "protocol", &text(environment.protocol.name()));
    line(&mut out, "env", &map(&environment.env, render_value));
    line(&mut out, "secrets", &list(&environment.secrets));
    line(
        &mut out,
        "steps",
        &lines(environment.steps.iter().map(render_step)),
    );
    line(&mut out, "guard", &render_guard(environment.guard));
    line(&mut out, "shield", &environment.shield.to_string());
    line(
        &mut out,
        "lease",
        &text(&format_duration(environment.lease)),
    );
    line(&mut out, "keep", &keep);
    line(&mut out, "domains", &list(&environment.domains));
    if let Some(tls) = &environment.tls {
        line(&mut out, "tls", &render_tls(tls));
    }
    line(
        &mut out,
        "drain",
        &text(&format_duration(environment.drain)),
    );
    out
}

fn render_approval(approval: Option<&Approval>) -> String {
    let Some(approval) = approval else {
        return "false".to_owned();
    };
    format!(
        "{{ role = {}, expires = {}, separate_approver = {} }}",
        text(approval.role.name()),
        text(&format_duration(approval.expires)),
        approval.separate_approver
    )
}

fn render_guard(guard: Option<Guard>) -> String {
    let Some(guard) = guard else {
        return "false".to_owned();
    };
    let duration = text(&format_duration(guard.duration));
    format!(
        "{{ for = {duration}, action = {} }}",
        text(guard.action.name())
    )
}

fn render_tls(tls: &Tls) -> String {
    let source = match &tls.source {
        CertificateSource::Acme => "acme = true".to_owned(),
        CertificateSource::Files { certificate, key } => {
            format!("certificate = {}, key = {}", text(certificate), text(key))
        }
    };
    let hsts = text(&format_duration(tls.hsts));
    format!("{{ {source}, redirect = {}, hsts = {hsts} }}", tls.redirect)
}

fn render_value(value: &EnvironmentValue) -> String {
    match value {
        EnvironmentValue::Literal(literal) => text(literal),
        EnvironmentValue::FromEnvironment(name) => format!("{{ from_env = {} }}", text(name)),
    }
}

fn render_step(step: &Step) -> String {
    let mut out = format!("{{ traffic = {}", step.traffic);
    if !step.hold.is_zero() {
        out += &format!(", hold = {}", text(&format_duration(step.hold)));
    }
    if let Some(max_errors) = step.max_errors {
        out += &format!(", max_errors = {max_errors}");
    }
    out + " }"
}

fn line(out: &mut String, key: &str, value: &str) {
    writeln!(out, "{key} = {value}").expect("a String takes all that is written to it");
}

/// A text with its quotes, on one line.
fn text(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            letter if letter.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out + "\""
}

fn list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| text(item)).collect();
    format!("[{}]", items.join(", "))
}

fn lines(items: impl Iterator<Item = String>) -> String {
    let items: String = items.map(|item| format!("  {item},\n")).collect();
    if items.is_empty() {
        "[]".to_owned()
    } else {
        format!("[\n{items}]")
    }
}

fn map<V>(items: &BTreeMap<String, V>, value: impl Fn(&V) -> String) -> String {
    let items: Vec<String> = items
        .iter()
        .map(|(key, item)| format!("{} = {}", name(key), value(item)))
        .collect();
    if items.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", items.join(", "))
    }
}

/// A key, with quotes where it needs them.
fn name(key: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if !key.is_empty() && key.chars().all(bare) {
        key.to_owned()
    } else {
        text(key)
    }
}
