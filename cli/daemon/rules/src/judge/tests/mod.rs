//! Judgements over lines, files, permissions, askers and time.

mod decisions;
mod options;
mod paths;
mod starts;

use super::*;
use crate::file::RuleFile;
use crate::line::shell::CommandLine;
use crate::paths::links::{Found, followed};
use crate::subject::{Asker, FileTouched, Programs, What};
use proptest::prelude::*;
use std::path::{Path, PathBuf};

fn rules(text: &str) -> Vec<Rule> {
    RuleFile::parse(text, "rules.toml").unwrap_or_else(|faults| panic!("{faults:?}")).rules
}

fn asker() -> Asker {
    Asker {
        id: Some("ab12".into()),
        thread: Some("T1".into()),
        name: Some("worker".into()),
        labels: vec!["role=tester".into()],
        users_labels: vec!["role=tester".into()],
        is_users_name: true,
        cwd: Some("/repo".into()),
        programs: Programs::default(),
    }
}

fn command(text: &str) -> Subject {
    let line = Some(CommandLine::Text(text.to_owned()));
    let what = What::Command { line, cwd: Some("/repo".into()), more: Vec::new() };
    Subject { what, asker: asker() }
}

fn files(paths: &[&str]) -> Subject {
    let file = |path: &&str| FileTouched { path: path.into(), is_deleted: false };
    let what = What::Files { files: paths.iter().map(file).collect(), root: None };
    Subject { what, asker: asker() }
}

/// `/repo/link` and `/repo/plink` lead to `/etc`, `/repo/hooks` to those of git; `/repo/bare` is a repository.
fn real(path: &Path) -> Option<PathBuf> {
    followed(path, &|path| match path.to_str() {
        Some("/repo/link" | "/repo/plink") => Found::Link("/etc".into()),
        Some("/repo/hooks") => Found::Link(".git/hooks".into()),
        Some("/repo/new" | "/repo/bare/.git") => Found::Missing,
        _ => Found::Plain,
    })
}

fn says(rules: &[Rule], subject: &Subject) -> Decision {
    judge(rules, subject, 1_000, &real).decision
}

fn accepts(rules: &[Rule], text: &str) {
    let judged = judge(rules, &command(text), 1_000, &real);
    assert_eq!(judged.decision, Decision::Accept, "{text}: {}", judged.why);
}

/// All that is run, but nothing of one folder.
const SECRET: &str = "[[rule]]\ndecision='accept'\nkind='command'\n\
                      [[rule]]\ndecision='decline'\npath='/repo/secret'\n";

const TESTS: &str =
    "[[rule]]\nname='tests'\ndecision='accept'\ncommand='cargo test'\npath='/repo'\n";

fn word() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "rm", "sub", "'x y'", "/etc", "*"]).prop_map(str::to_owned)
}

proptest! {
    /// More rules that accept never make a decline an accept, and a decline added never loosens.
    #[test]
    fn a_stricter_rule_never_loosens(
        lines in prop::collection::vec(prop::collection::vec(word(), 1..4), 1..4),
        join in prop::sample::select(vec![" && ", " ; ", " | ", " || "]),
        strict in prop::sample::select(vec!["ask", "decline"]),
        name in word().prop_filter("a pattern is no program", |name| name != "*"),
    ) {
        let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        let subject = command(&lines.join(join));
        let loose = "[[rule]]\ndecision='accept'\nkind='command'\n[[rule]]\ndecision='accept'\ncommand='a'\n";
        let name = name.trim_matches('\'').replace(' ', "");
        let both = format!("{loose}[[rule]]\ndecision='{strict}'\ncommand=['{name}']\n");
        prop_assert!(says(&rules(&both), &subject) >= says(&rules(loose), &subject));
    }

    /// A line is accepted just when each of its commands is.
    #[test]
    fn a_line_is_as_good_as_its_worst_command(
        lines in prop::collection::vec(prop::collection::vec(word(), 1..4), 1..5),
        join in prop::sample::select(vec![" && ", " ; ", " | ", " || ", "\n"]),
    ) {
        let own = rules("[[rule]]\ndecision='accept'\ncommand='a'\n[[rule]]\ndecision='accept'\ncommand='b sub'\n");
        let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        let each = lines.iter().all(|line| says(&own, &command(line)) == Decision::Accept);
        let whole = says(&own, &command(&lines.join(join))) == Decision::Accept;
        prop_assert_eq!(each, whole);
    }
}
