//! Configurations for tests: the documented example, and any that the parser could give.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// The example of the documentation.
pub(crate) const EXAMPLE: &str = include_str!("example.toml");

/// Any valid configuration.
pub(crate) fn any_configuration() -> impl Strategy<Value = Configuration> {
    let service = "[a-z]([a-z0-9]|-[a-z0-9]){0,12}"
        .prop_map(|name| ServiceName::new(name).expect("a valid label"));
    let branch = "[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,2}"
        .prop_filter("no name of git's own", |name| name != "HEAD");
    let between =
        prop::collection::btree_map("[a-z][a-z0-9]{0,3}(-[a-z]{1,3})?", any_environment(), 0..3);
    (
        service,
        branch,
        any_checks(),
        any_build(),
        any_health(),
        any_smoke(),
        between,
        any_environment(),
        any_environment(),
    )
        .prop_map(
            |(service, branch, checks, build, health, smoke, between, staging, production)| {
                let named = |name: &str, environment| Environment {
                    name: name.to_owned(),
                    ..environment
                };
                let mut environments = vec![named(STAGING, staging)];
                environments.extend(
                    between
                        .into_iter()
                        .map(|(name, environment)| named(&name, environment)),
                );
                environments.push(named(PRODUCTION, production));
                for (index, environment) in environments.iter_mut().enumerate() {
                    let own = |domain: &String| format!("e{index}.{domain}");
                    environment.domains = environment.domains.iter().map(own).collect();
                }
                Configuration {
                    service,
                    branch,
                    checks,
                    build,
                    health,
                    smoke,
                    environments,
                }
            },
        )
}

/// Any valid environment, with domains that other environments may have too.
pub(crate) fn any_environment() -> impl Strategy<Value = Environment> {
    let approval = (
        prop::sample::select(&Role::ALL[..]),
        duration(1),
        any::<bool>(),
    )
        .prop_map(|(role, expires, separate_approver)| Approval {
            role,
            expires,
            separate_approver,
        });
    let instances = (1..=INSTANCES_MAX, 1..=INSTANCES_MAX).prop_map(|(a, b)| Instances {
        min: a.min(b),
        max: a.max(b),
    });
    let value = prop_oneof![
        text().prop_map(EnvironmentValue::Literal),
        "[A-Z_]{1,8}".prop_map(EnvironmentValue::FromEnvironment)
    ];
    let env = prop::collection::btree_map("E[A-Z0-9_]{0,8}", value, 0..4);
    let secrets = prop::collection::btree_set("S[A-Z0-9_]{0,8}", 0..4).prop_map(Vec::from_iter);
    let lease = (1_000..=3_600_000_u64).prop_map(Duration::from_millis);
    let keep =
        (duration(0), 1..=REVISIONS_MAX).prop_map(|(warm, revisions)| Keep { warm, revisions });
    let domains = prop::collection::btree_set("[a-z]{1,5}(\\.[a-z]{1,5}){1,2}", 0..3)
        .prop_map(Vec::from_iter);
    let size = (1..=CPU_MILLIS_MAX, 1_024..1_u64 << 32, 1..=CONCURRENCY_MAX);
    let first = (prop::option::of(approval), instances, size, env, secrets);
    let second = (
        any_rollout(),
        any::<bool>(),
        lease,
        keep,
        domains,
        (duration(0), prop::sample::select(&Protocol::ALL[..])),
        prop::option::of(any_tls()),
    );
    (first, second).prop_map(
        |((approval, instances, (cpu_millis, kibibytes, concurrency), env, secrets), second)| {
            let ((steps, guard), shield, lease, keep, domains, (drain, protocol), tls) = second;
            Environment {
                name: STAGING.to_owned(),
                approval,
                instances,
                cpu_millis,
                memory_bytes: kibibytes << 10,
                concurrency,
                protocol,
                env,
                secrets,
                steps,
                guard,
                shield,
                lease,
                keep,
                tls: tls.filter(|_| !domains.is_empty()),
                domains,
                drain,
            }
        },
    )
}

fn any_tls() -> impl Strategy<Value = Tls> {
    let source = prop_oneof![
        Just(CertificateSource::Acme),
        ("/[a-z\"\\\\ ]{1,8}", "/[a-z]{1,8}")
            .prop_map(|(certificate, key)| { CertificateSource::Files { certificate, key } })
    ];
    (source, any::<bool>(), 0..63_072_000_u64).prop_map(|(source, redirect, seconds)| Tls {
        source,
        redirect,
        hsts: Duration::from_secs(seconds),
    })
}

/// Steps with the guard that fits them.
fn any_rollout() -> impl Strategy<Value = (Vec<Step>, Option<Guard>)> {
    let canaries = prop::collection::btree_map(1..100_u8, (duration(1), 1..=STEP_ERRORS_MAX), 0..4);
    let action = prop::sample::select(&GuardAction::ALL[..]);
    let guard = prop::option::of(
        (duration(1), action).prop_map(|(duration, action)| Guard { duration, action }),
    );
    (canaries, guard, prop::option::of(1..=STEP_ERRORS_MAX)).prop_map(|(canaries, guard, last)| {
        let mut steps: Vec<Step> = canaries
            .into_iter()
            .map(|(traffic, (hold, max_errors))| Step {
                traffic,
                hold,
                max_errors: Some(max_errors),
            })
            .collect();
        steps.push(Step {
            max_errors: last.filter(|_| guard.is_some()),
            ..Step::last()
        });
        let limited = steps.iter().any(|step| step.max_errors.is_some());
        (steps, guard.filter(|_| limited))
    })
}

fn any_checks() -> impl Strategy<Value = Vec<Check>> {
    let requires = prop::bool::ANY.prop_map(|engine| {
        if engine {
            vec![Requirement::ContainerEngine]
        } else {
            vec![]
        }
    });
    let check = (
        command_line(),
        path(),
        duration(1),
        prop::collection::vec(any::<bool>(), 4),
        paths(),
        requires,
    );
    prop::collection::btree_map("[A-Za-z0-9][A-Za-z0-9._-]{0,8}", check, 0..4).prop_map(|checks| {
        let names: Vec<String> = checks.keys().cloned().collect();
        let check = |(index, (name, (run, directory, timeout, needs, cache, requires)))| {
            // Only earlier ones, so that there is no circle.
            let earlier = names[..index]
                .iter()
                .zip(needs)
                .filter(|(_, needed)| *needed);
            let needs = earlier.map(|(name, _)| name.clone()).collect();
            Check {
                name,
                run,
                directory,
                timeout,
                needs,
                cache,
                requires,
            }
        };
        checks.into_iter().enumerate().map(check).collect()
    })
}

fn any_build() -> impl Strategy<Value = Build> {
    let files = prop::collection::btree_map(path(), path(), 1..4).prop_map(|files| {
        let numbered = files.into_iter().enumerate();
        numbered
            .map(|(index, (source, place))| {
                (source, format!("{index}/{place}").replace("/.", "/x"))
            })
            .collect()
    });
    let command = prop::collection::vec(text(), 1..4);
    let bundle = (prop::option::of(command_line()), files, command, paths()).prop_map(
        |(run, files, command, cache)| Build::Bundle {
            run,
            files,
            command,
            cache,
        },
    );
    let args = prop::collection::btree_map("A[A-Z_]{0,6}", text(), 0..3);
    let dockerfile = (path(), path(), prop::option::of(text()), args).prop_map(
        |(dockerfile, context, target, args)| Build::Dockerfile {
            dockerfile,
            context,
            target,
            args,
        },
    );
    prop_oneof![bundle, dockerfile]
}

fn any_health() -> impl Strategy<Value = Health> {
    (any_probe(), any_probe(), any_probe(), url_path()).prop_map(
        |(startup, liveness, readiness, path)| Health {
            startup,
            liveness,
            readiness,
            detailed: DetailedProbe { path },
        },
    )
}

fn any_probe() -> impl Strategy<Value = Probe> {
    (
        url_path(),
        duration(0),
        duration(1),
        duration(1),
        1..=PROBE_FAILURES_MAX,
    )
        .prop_map(|(path, initial_delay, a, b, failures)| Probe {
            path,
            initial_delay,
            period: a.max(b),
            timeout: a.min(b),
            failures,
        })
}

fn any_smoke() -> impl Strategy<Value = Smoke> {
    let request = (
        url_path(),
        "[A-Z]{1,7}",
        100..600_u16,
        prop::option::of(text()),
    )
        .prop_map(|(path, method, status, contains)| SmokeRequest {
            path,
            method,
            status,
            contains,
        });
    (
        prop::collection::vec(request, 0..3),
        prop::option::of(command_line()),
    )
        .prop_map(|(requests, run)| Smoke { requests, run })
}

fn duration(milliseconds_min: u64) -> impl Strategy<Value = Duration> {
    (milliseconds_min..=604_800_000).prop_map(Duration::from_millis)
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', ""))
}

fn command_line() -> impl Strategy<Value = String> {
    text().prop_map(|text| format!("x{text}"))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![Just(".".to_owned()), "[a-zé _-]{1,6}(/[a-z.]{1,3}x){0,2}"]
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    prop::collection::btree_set(path(), 0..3).prop_map(Vec::from_iter)
}

fn url_path() -> impl Strategy<Value = String> {
    "/[a-z0-9/?=&%]{0,12}"
}
