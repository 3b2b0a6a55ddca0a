//! Which decision a line, a change of files or a wish for permissions gets.

use super::*;

#[test]
fn every_command_of_a_line_must_be_covered() {
    let own = rules(&format!("{TESTS}[[rule]]\ndecision='accept'\ncommand='ls'\n"));
    for text in [
        "cargo test",
        "/bin/bash -lc 'cargo test --all && ls -la'",
        "cd sub && cargo test",
        "cargo test > out.txt",
        "cargo test 2>&1 | ls",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
    }
    for text in [
        "cargo testing",
        "cargo",
        "./cargo test",
        "cargo test && rm x",
        "cargo test; $(rm x)",
        "cargo t*st",
        "env cargo test",
        "cd /etc && cargo test",
        "cd link && cargo test",
        "cargo test > /etc/x",
        "cargo test > link/x",
        "ls > x",
        "cd sub",
        "X=1 cargo test",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
    let both = judge(&own, &command("cargo test | ls"), 1_000, &real).word();
    assert_eq!(both, "rule: tests (rules.toml:1), rule: rule-2 (rules.toml:6)");
}

#[test]
fn the_strictest_rule_wins_wherever_it_stands() {
    let own = rules(
        "[[rule]]\ndecision='accept'\nkind='command'\n[[rule]]\ndecision='ask'\ncommand='git push'\n\
         [[rule]]\nname='no rm'\ndecision='decline'\ncommand='rm'\nnote='use trash'\n",
    );
    assert_eq!(says(&own, &command("anything at all")), Decision::Accept);
    assert_eq!(says(&own, &command("ls && git push")), Decision::Ask);
    for text in [
        "ls; git push; rm x",
        "/bin/rm x",
        "sudo -u me rm x",
        "timeout 5 rm x",
        "xargs rm",
        "env A=1 nice rm x",
        "bash -c 'rm x'",
    ] {
        let told = judge(&own, &command(text), 1_000, &real);
        assert_eq!((told.decision, told.why.as_str()), (Decision::Decline, "use trash"), "{text}");
    }
    assert_eq!(says(&own, &command("echo $(rm x)")), Decision::Ask);
    assert_eq!(says(&own, &command("echo rm")), Decision::Accept);
}

#[test]
fn a_file_change_is_covered_file_by_file() {
    let own = rules(
        "[[rule]]\ndecision='accept'\npath='/repo/src'\n[[rule]]\ndecision='accept'\npath='docs/*.md'\n\
         [[rule]]\ndecision='decline'\npath='**/.git'\n",
    );
    assert_eq!(says(&own, &files(&["/repo/src/a.rs", "/repo/docs/a.md"])), Decision::Accept);
    assert_eq!(says(&own, &files(&["/repo/src/a.rs", "/repo/x"])), Decision::Ask);
    assert_eq!(says(&own, &files(&["/repo/src/../x"])), Decision::Ask);
    assert_eq!(says(&own, &files(&["/repo/src/a", "/repo/.git/hooks/x"])), Decision::Decline);
    assert_eq!(says(&own, &files(&[])), Decision::Ask);
    assert_eq!(says(&own, &command("cat .git/config")), Decision::Decline);
    let mut more = files(&["/repo/src/a.rs"]);
    if let What::Files { root, .. } = &mut more.what {
        *root = Some("/".into());
    }
    assert_eq!(says(&own, &more), Decision::Ask);
}

#[test]
fn permissions_are_accepted_only_by_a_rule_that_says_so() {
    let subject = |network, writes: &[&str]| {
        let writes = writes.iter().map(PathBuf::from).collect();
        let what = What::Permissions { network, reads: Vec::new(), writes, more: Vec::new() };
        Subject { what, asker: asker() }
    };
    let silent = rules("[[rule]]\ndecision='accept'\nkind=['command','file_change']\n");
    assert_eq!(says(&silent, &subject(false, &["/repo"])), Decision::Ask);
    let within = rules("[[rule]]\ndecision='accept'\nkind='permissions'\npath='/repo'\n");
    assert_eq!(says(&within, &subject(false, &["/repo/a"])), Decision::Accept);
    assert_eq!(says(&within, &subject(true, &["/repo/a"])), Decision::Ask);
    assert_eq!(says(&within, &subject(false, &["/repo/a", "/etc"])), Decision::Ask);
    let all = rules("[[rule]]\ndecision='accept'\nkind='permissions'\n");
    assert_eq!(says(&all, &subject(true, &["/"])), Decision::Accept);
    let never = rules("[[rule]]\ndecision='decline'\n");
    assert_eq!(says(&never, &subject(true, &[])), Decision::Decline);
}

#[test]
fn an_exact_rule_is_of_its_words_alone() {
    let own = rules(
        "[[rule]]\ndecision='accept'\ncommand='git push'\nexact=true\n\
         [[rule]]\ndecision='accept'\ncommand='rm f1'\nexact=true\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand=['bash','-c','ls | cat']\nexact=true\n\
         [[rule]]\ndecision='accept'\ncommand='xargs'\n",
    );
    for text in ["git push", "rm f1 && git push", "bash -lc 'git push'", "cd sub && rm f1"] {
        accepts(&own, text);
    }
    for text in [
        "git push --force origin :main",
        "git push ''",
        "rm f1 f2 f3",
        "rm f1 > f2",
        "rm f1 < f2",
        "rm",
        "xargs rm f1",
        "cd /etc && rm f1",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
}

#[test]
fn a_decline_is_of_other_names_too() {
    let own = rules(
        "[[rule]]\ndecision='accept'\nkind='command'\n\
         [[rule]]\ndecision='decline'\ncommand=['pip','install']\n\
         [[rule]]\ndecision='decline'\ncommand=['npm','publish']\n\
         [[rule]]\ndecision='decline'\ncommand=['cargo','publish']\n",
    );
    for text in [
        "pip install x",
        "pip3 install x",
        "/usr/bin/pip3.12 install x",
        "python3 -m pip install x",
        "python -I -mpip install x",
        "python3 -W x -m pip install x",
        "sudo python3.11 -m pip install x",
        "npm publish",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Decline, "{text}");
    }
    for text in ["npm pub", "npm pub --tag test", "npm --silent pub", "cargo pub", "npm p*"] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
    for text in [
        "pip list",
        "python3 -m pip list",
        "python3 -m pytest install",
        "python3 install.py",
        "npm test",
        "npm install",
        "cargo build",
        "cargo +nightly test",
    ] {
        accepts(&own, text);
    }
}

#[test]
fn a_rule_that_is_over_says_nothing_and_more_than_a_command_is_asked() {
    let ends = rules(&format!("{TESTS}until=1970-01-01T00:00:00.000500Z\n"));
    assert_eq!(judge(&ends, &command("cargo test"), 499, &real).decision, Decision::Accept);
    assert_eq!(judge(&ends, &command("cargo test"), 500, &real).decision, Decision::Ask);
    let mut more = command("cargo test");
    if let What::Command { more, .. } = &mut more.what {
        more.push("the network".into());
    }
    assert_eq!(says(&rules(TESTS), &more), Decision::Ask);
    assert_eq!(
        says(&rules("[[rule]]\ndecision='accept'\npath='/'"), &Subject::default()),
        Decision::Ask
    );
}

#[test]
fn who_asks_is_the_users_word_never_an_agents() {
    let own = rules(
        "[[rule]]\ndecision='accept'\nsession='worker'\ncommand='a'\n\
         [[rule]]\ndecision='accept'\nsession='ab12'\ncommand='b'\n\
         [[rule]]\ndecision='accept'\nlabel='role=tester'\ncommand='c'\n\
         [[rule]]\ndecision='decline'\nsession='worker'\ncommand='d'\n\
         [[rule]]\ndecision='decline'\nlabel='role=tester'\ncommand='e'\n",
    );
    let mut child = command("a");
    child.asker.is_users_name = false;
    // A label of the user's counts on whatever session, one of an agent's on none.
    let labelled = Subject { asker: child.asker.clone(), ..command("c") };
    assert_eq!(says(&own, &labelled), Decision::Accept);
    child.asker.users_labels.clear();
    assert_eq!(says(&own, &command("a && b && c")), Decision::Accept);
    assert_eq!(says(&own, &child), Decision::Ask);
    for (text, decision) in [
        ("b", Decision::Accept),
        ("c", Decision::Ask),
        ("d", Decision::Decline),
        ("e", Decision::Decline),
    ] {
        let Subject { what, .. } = command(text);
        assert_eq!(says(&own, &Subject { what, asker: child.asker.clone() }), decision, "{text}");
    }
    let mut other = command("a");
    other.asker.name = Some("other".into());
    assert_eq!(says(&own, &other), Decision::Ask);
}

#[test]
fn an_option_of_git_is_declined_by_all_its_names() {
    let own = rules(
        "[[rule]]\ndecision='accept'\ncommand='git'\n\
         [[rule]]\ndecision='decline'\ncommand='git push --force'\n\
         [[rule]]\ndecision='decline'\ncommand='git commit --no-verify'\n\
         [[rule]]\ndecision='ask'\ncommand='git clean -fd'\n",
    );
    for text in
        ["git push -f", "git -C x push -uf origin main", "git push --force", "git commit -nm x"]
    {
        assert_eq!(says(&own, &command(text)), Decision::Decline, "{text}");
    }
    for text in ["git clean -fd", "git clean --force -d", "git clean -d -x -f"] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
    for text in ["git push origin main", "git commit -am no", "git clean -n", "git commit -mnone"] {
        accepts(&own, text);
    }
}
